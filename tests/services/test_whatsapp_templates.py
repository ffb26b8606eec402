"""The templates: their files, the command that brings them to Twilio, and the bot's look-up."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import responses
from requests import PreparedRequest

from onboarding_bot.conversation.commands import SPELLINGS
from onboarding_bot.services import twilio_content_api, whatsapp_template_files
from onboarding_bot.services.twilio_content_api import ContentApi, ContentApiError
from onboarding_bot.services.whatsapp_template_files import (
    TemplateCategory,
    read_whatsapp_templates,
)
from onboarding_bot.services.whatsapp_template_lookup import ApprovedTemplates
from tests.command_line import run_command
from tests.fakes import MovableClock
from tests.settings import ENVIRONMENT, settings

BASE = "https://content.twilio.com"
OURS, _ = read_whatsapp_templates()


class TwilioContent:
    """Twilio's Content API in memory: keeps what is created, and lets tests decide as WhatsApp would."""

    def __init__(self, internet: responses.RequestsMock) -> None:
        self.records: list[dict[str, Any]] = []
        self.writes: list[str] = []
        self.is_down = False
        self.refuses: dict[str, str] = {}
        self.listed = 0
        internet.add_callback("GET", re.compile(f"{BASE}/v1/ContentAndApprovals"), self._list)
        internet.add_callback("POST", f"{BASE}/v1/Content", self._create)
        internet.add_callback("POST", re.compile(f"{BASE}/v1/Content/HX[0-9]+/ApprovalRequests/whatsapp"), self._submit)

    def decide(self, state: str, category: str = "UTILITY", reason: str = "", name: str = "") -> None:
        """WhatsApp's decision on every template, or on those of one name."""
        for record in self.records:
            if name in record["friendly_name"]:
                record["approval_requests"] = {"status": state, "category": category, "rejection_reason": reason}

    def sid(self, friendly_name: str) -> str:
        return next(str(record["sid"]) for record in self.records if record["friendly_name"] == friendly_name)

    def _list(self, _request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.listed += 1
        if self.is_down:
            return 503, {}, ""
        return 200, {}, json.dumps({"contents": self.records, "meta": {"next_page_url": None}})

    def _create(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        number = len(self.records) + 1
        record = {
            **json.loads(request.body or "{}"),
            "sid": f"HX{number:032}",
            "date_created": f"2026-11-22T06:30:{number:02}Z",
            "approval_requests": {"status": "unsubmitted"},
        }
        self.records.append(record)
        self.writes.append(f"create {record['friendly_name']}")
        return 201, {}, json.dumps(record)

    def _submit(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked = json.loads(request.body or "{}")
        for name, message in self.refuses.items():
            if name in asked["name"]:
                return 400, {}, json.dumps({"code": 20001, "message": message})
        record = next(record for record in self.records if record["sid"] in str(request.url))
        record["approval_requests"] = {"status": "received", "category": asked["category"]}
        self.writes.append(f"submit {asked['name']} {asked['category']}")
        return 201, {}, json.dumps({"name": asked["name"], **record["approval_requests"]})


@pytest.fixture
def twilio(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwilioContent]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(twilio_content_api, "RETRIES", replace(twilio_content_api.RETRIES, pause=0.001))
    with responses.RequestsMock(assert_all_requests_are_fired=False) as internet:
        yield TwilioContent(internet)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], twilio: TwilioContent) -> Callable[..., tuple[int, str, str]]:
    def sync(*options: str) -> tuple[int, str, str]:
        code = run_command("templates", "sync", *options)
        told = capsys.readouterr()
        return code, told.out, told.err

    return sync


# --- the files -------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "name": "offer",
    "language": "en",
    "category": "marketing",
    "variables": {"1": "Surat", "2": "12 May"},
    "body": "A fair takes place in {{1}}, and it begins on {{2}} in the morning.",
    "buttons": [{"id": "HI", "title": "Tell me more"}],
}


def files(folder: Path, **changes: object) -> Path:
    return files_of(folder, GOOD | changes)


def files_of(folder: Path, *records: dict[str, Any]) -> Path:
    for record in records:
        (folder / f"{record['name']}.{record['language']}.json").write_text(json.dumps(record))
    return folder


def test_our_templates_follow_the_rules_in_both_languages() -> None:
    assert read_whatsapp_templates()[1] == []
    names = {"welcome_back", "nudge", "registration_link"}
    assert {(template.name, template.language) for template in OURS} == {
        (name, lang) for name in names for lang in ("en", "hi")
    }


def test_the_bot_understands_every_button() -> None:
    understood = {spelling for spellings in SPELLINGS.values() for spelling in spellings}
    assert [button.id for template in OURS for button in template.buttons if button.id.lower() not in understood] == []


def test_a_body_names_its_buttons_as_they_are_titled() -> None:
    for template in OURS:
        named = set(re.findall(r"\*(.+?)\*", template.body)) - {"MSMEBazaar", "{{1}}"}
        assert named <= {button.title for button in template.buttons}, template.file
    assert any("*" in template.body for template in OURS)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        pytest.param({"body": "x " * 600 + "{{1}} and {{2}} y"}, "1024 are allowed", id="too long"),
        pytest.param(
            {"variables": {"1": "y" * 1000, "2": "b"}}, "with the samples filled in", id="too long when filled"
        ),
        pytest.param({"body": " ", "variables": {}}, "the body is empty", id="empty"),
        pytest.param({"body": "{{1}} is where the fair is, from {{2}} onwards"}, "may not stand first", id="first"),
        pytest.param({"body": "The fair is in {{1}}, and it begins on *{{2}}*."}, "may not stand last", id="last"),
        pytest.param({"body": "The fair takes place on {{1}}, {{2}} in the morning"}, "in a row", id="in a row"),
        pytest.param({"body": "The fair {{1}} and {{3}} in the morning"}, "without gaps", id="gap"),
        pytest.param({"body": "The fair {{1}} and {{two}} in the morning"}, "like {{1}}", id="not a number"),
        pytest.param({"body": "In {{1}} on {{2}} ok"}, "at least 5 other words; there are 3", id="few words"),
        pytest.param({"variables": {"1": "Surat"}}, "variable 2 has no sample", id="no sample"),
        pytest.param({"variables": {"1": "Surat", "2": ""}}, "variable 2 has no sample", id="empty sample"),
        pytest.param({"variables": {"1": "a", "2": "b", "3": "c"}}, "sample 3 belongs to no", id="spare sample"),
        pytest.param({"variables": {"1": "a\nb", "2": "b"}}, "sample 1 may have no line breaks", id="line break"),
        pytest.param({"variables": {"1": 1, "2": "b"}}, "each sample must be a string", id="sample is no string"),
        pytest.param({"buttons": [{"id": "HI", "title": "x" * 21}]}, "must have 1 to 20", id="long title"),
        pytest.param({"buttons": [{"id": "x" * 201, "title": "x"}]}, "must have 1 to 200", id="long id"),
        pytest.param({"buttons": [{"id": "a", "title": "{{1}}"}]}, "may hold no variable", id="variable in a button"),
        pytest.param({"buttons": [{"id": "a", "title": "x"}] * 2}, "the same title or id", id="buttons alike"),
        pytest.param(
            {"buttons": [{"id": str(n), "title": str(n)} for n in range(11)]}, "11 buttons; 10 are", id="many buttons"
        ),
        pytest.param({"buttons": ["HI"]}, "an object with id and title", id="button is no object"),
        pytest.param({"name": "Offer"}, "only the letters a-z", id="name"),
        pytest.param({"language": "english"}, "a code like en", id="language"),
        pytest.param({"category": "utility"}, "one of service, marketing", id="category"),
        pytest.param({"category": 1}, "category must be a JSON string", id="wrong type"),
        pytest.param({"footer": "x"}, "footer is no field", id="unknown field"),
    ],
)
def test_each_rule_is_named_with_its_file(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    record = GOOD | changes
    _, faults = read_whatsapp_templates(files_of(tmp_path, record))
    assert any(f"{record['name']}.{record['language']}.json: " in line and fault in line for line in faults), faults


def test_punctuation_and_order_are_free_otherwise(tmp_path: Path) -> None:
    body = "*{{2}}*".join(["Namaste! The day is ", " and the place is {{1}}, so see you there."])
    assert read_whatsapp_templates(files(tmp_path, body=body))[1] == []


def test_files_that_are_no_templates(tmp_path: Path) -> None:
    assert read_whatsapp_templates(tmp_path)[1] == [f"{tmp_path.name}: there is no template in it"]
    (tmp_path / "a.en.json").write_text("{")
    (tmp_path / "b.en.json").write_text("[]")
    (tmp_path / "c.en.json").write_text("{}")
    (tmp_path / "d.en.json").write_text(json.dumps(GOOD))
    assert read_whatsapp_templates(tmp_path)[1] == [
        "a.en.json: it is not JSON in UTF-8",
        "b.en.json: it must be one JSON object",
        "c.en.json: body is missing",
        "c.en.json: category is missing",
        "c.en.json: language is missing",
        "c.en.json: name is missing",
        "c.en.json: variables is missing",
        "d.en.json: the file must be called offer.en.json",
    ]


def test_all_languages_have_the_same_variables_category_and_buttons(tmp_path: Path) -> None:
    hindi = GOOD | {
        "language": "hi",
        "category": "service",
        "variables": {"1": "Surat"},
        "body": "A fair takes place in {{1}} tomorrow.",
        "buttons": [],
    }
    alone = GOOD | {"name": "alone"}
    _, faults = read_whatsapp_templates(files_of(tmp_path, GOOD, hindi, alone))
    assert faults == [
        "alone.hi.json: the template alone is missing in this language",
        "offer.hi.json: it has other variables than offer.en.json",
        "offer.hi.json: it has another category than offer.en.json",
        "offer.hi.json: its buttons have other ids than those of offer.en.json",
    ]


def test_a_name_tells_the_content() -> None:
    template = OURS[0]
    assert re.fullmatch(r"msmebazaar_nudge_[0-9a-f]{8}", template.friendly_name)
    assert template.is_version(template.friendly_name)
    assert not template.is_version("msmebazaar_nudge_more_0123abcd")
    for changed in (
        replace(template, body="other"),
        replace(template, category="marketing"),
        replace(template, buttons=()),
    ):
        assert changed.friendly_name != template.friendly_name


def test_a_template_without_buttons_is_plain_text() -> None:
    assert replace(OURS[0], buttons=()).definition()["types"] == {"twilio/text": {"body": OURS[0].body}}


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_first_run_creates_and_submits_everything_and_the_second_does_nothing(
    twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert len(twilio.writes) == 2 * len(OURS)
    assert f"submit {OURS[0].friendly_name} UTILITY" in twilio.writes
    assert f"submit {OURS[-1].friendly_name} MARKETING" in twilio.writes
    heading, first, *_, summary = out.splitlines()
    assert heading.split("  ")[0] == "TEMPLATE"
    assert re.split(r" {2,}", first) == [
        "nudge",
        "en",
        twilio.sid(OURS[0].friendly_name),
        "received",
        "UTILITY",
        "wait: WhatsApp decides within 48 hours, so run this again",
    ]
    assert summary == "6 created, 6 submitted to WhatsApp."
    twilio.writes.clear()
    code, out, _ = run()
    assert (code, twilio.writes) == (0, [])
    assert out.endswith("Everything is at Twilio already; nothing was changed.\n")


def test_what_is_created_is_what_the_file_says(twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]) -> None:
    run()
    record = twilio.records[0]
    assert record["variables"] == OURS[0].variables
    assert record["types"]["twilio/quick-reply"]["body"] == OURS[0].body
    assert record["types"]["twilio/quick-reply"]["actions"][0] == {
        "type": "QUICK_REPLY",
        "title": "Continue",
        "id": "HI",
    }


def test_a_dry_run_changes_nothing(twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("--dry-run")
    assert (code, twilio.writes) == (0, [])
    assert out.count("would be created, and submitted as UTILITY") == 4
    assert out.endswith("Dry run: nothing was changed.\n")
    twilio.records.append({"sid": "HX1", **OURS[0].definition(), "friendly_name": OURS[0].friendly_name})
    assert "would be submitted as UTILITY" in run("--dry-run")[1]


@pytest.mark.parametrize(
    ("state", "category", "reason", "code", "advice"),
    [
        ("approved", "UTILITY", "", 0, "ready"),
        ("approved", "MARKETING", "", 0, "Meta made it MARKETING: it goes only to people who said yes to news"),
        ("approved", "AUTHENTICATION", "", 0, "look at it in WhatsApp Manager"),
        ("pending", "UTILITY", "", 0, "wait: WhatsApp decides within 48 hours"),
        ("rejected", "UTILITY", "PROMOTIONAL", 1, "rejected (PROMOTIONAL): change nudge.en.json"),
        ("paused", "UTILITY", "", 1, "people blocked or reported it"),
        ("disabled", "UTILITY", "", 1, "switched it off for good"),
        ("in_appeal", "UTILITY", "", 0, "Twilio Console"),
    ],
)
def test_what_to_do_in_each_state(
    twilio: TwilioContent,
    run: Callable[..., tuple[int, str, str]],
    state: str,
    category: str,
    reason: str,
    code: int,
    advice: str,
) -> None:
    run()
    twilio.decide(state, category, reason, name=OURS[0].friendly_name)
    told, out, _ = run()
    assert told == code
    assert advice in out.splitlines()[1]


def test_a_changed_template_gets_a_new_version_and_the_old_one_stays(
    twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]
) -> None:
    run()
    twilio.decide("approved")
    old = twilio.records[0]
    old["friendly_name"] = "msmebazaar_nudge_0000aaaa"
    _, out, _ = run()
    assert f"until then {old['sid']} is sent" in out.splitlines()[1]
    assert out.endswith("1 created, 1 submitted to WhatsApp.\n")
    assert old in twilio.records
    twilio.decide("approved", name=OURS[0].friendly_name)
    assert f"its older version {old['sid']} may be deleted" in run()[1].splitlines()[1]


def test_an_interrupted_run_is_finished_by_the_next_one(
    twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]
) -> None:
    twilio.refuses["nudge"] = "name is taken"
    code, out, _ = run()
    assert code == 1
    line = out.splitlines()[1]
    assert line.endswith("content.twilio.com answered 400, error 20001: name is taken")
    assert twilio.sid(OURS[0].friendly_name) in line
    assert "6 created, 4 submitted" in out
    twilio.refuses.clear()
    assert run()[1].endswith("0 created, 2 submitted to WhatsApp.\n")


def test_of_several_copies_the_one_that_got_farthest_counts(
    twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]
) -> None:
    run()
    copy = twilio.records[0] | {"sid": "HXcopy", "date_created": "2020-01-01T00:00:00Z"}
    twilio.records.append(copy | {"approval_requests": {"status": "unsubmitted"}})
    assert "HXcopy" not in run()[1]
    twilio.records[-1]["approval_requests"] = {"status": "approved", "category": "UTILITY"}
    assert "HXcopy" in run()[1].splitlines()[1]


def test_faults_are_listed_together_before_any_call(
    twilio: TwilioContent,
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        whatsapp_template_files,
        "read_whatsapp_templates",
        lambda: ([], ["a.en.json: the body is empty", "b.en.json: no JSON"]),
    )
    monkeypatch.setenv("SUPPORT_CONTACT", "")
    code, out, err = run()
    assert (code, out) == (1, "")
    assert err == "a.en.json: the body is empty\nb.en.json: no JSON\nsetting SUPPORT_CONTACT is missing\n"
    assert twilio.listed == 0


def test_an_outage_is_one_line(twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]) -> None:
    twilio.is_down = True
    assert run() == (1, "", "content.twilio.com answered 503\n")
    assert twilio.listed == 4


def test_nothing_shows_a_secret(twilio: TwilioContent, run: Callable[..., tuple[int, str, str]]) -> None:
    shown = "".join(map(str, (*run(), *run("--dry-run"))))
    assert ENVIRONMENT["TWILIO_AUTH_TOKEN"] not in shown


def test_a_wrong_call_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("templates", "frobnicate") == 2
    assert re.match(r"Usage: .* templates \[OPTIONS\] COMMAND", capsys.readouterr().err)


# --- the look-up -----------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def lookup(twilio: TwilioContent, run: Callable[..., tuple[int, str, str]], clock: MovableClock) -> ApprovedTemplates:
    """The look-up after everything was brought to Twilio, and nothing was decided."""
    run()
    twilio.listed = 0
    return ApprovedTemplates(ContentApi(settings(), 1), clock=clock.clock().monotonic)


@pytest.fixture
def nudge(lookup: ApprovedTemplates, twilio: TwilioContent) -> str:
    """The ContentSid of one of them."""
    name = next(template.friendly_name for template in OURS if (template.name, template.language) == ("nudge", "hi"))
    return twilio.sid(name)


def test_only_what_is_approved_may_be_sent(
    twilio: TwilioContent, lookup: ApprovedTemplates, clock: MovableClock, nudge: str
) -> None:
    assert lookup.category_of(nudge) is None
    assert lookup.approved() == []
    twilio.decide("approved")
    clock.pass_(seconds=30)
    assert lookup.category_of(nudge) is TemplateCategory.SERVICE
    assert [content.sid for content in lookup.approved()] == [
        twilio.sid(template.friendly_name)
        for template in sorted(OURS, key=lambda template: (template.friendly_name, template.language))
    ]
    assert lookup.category_of("HXunknown") is None


def test_the_category_is_meta_s_not_the_file_s(twilio: TwilioContent, lookup: ApprovedTemplates, nudge: str) -> None:
    twilio.decide("approved", "MARKETING")
    assert lookup.category_of(nudge) is TemplateCategory.MARKETING


@pytest.mark.parametrize("category", ["AUTHENTICATION", "", "SOMETHING_NEW"])
def test_another_category_of_meta_s_is_of_no_use(
    twilio: TwilioContent, lookup: ApprovedTemplates, nudge: str, category: str
) -> None:
    twilio.decide("approved", category)
    assert lookup.category_of(nudge) is None
    assert lookup.approved() == []


def test_an_answer_is_kept_for_ten_minutes(
    twilio: TwilioContent, lookup: ApprovedTemplates, clock: MovableClock, nudge: str
) -> None:
    twilio.decide("approved")
    for _ in range(3):
        lookup.category_of(nudge)
        clock.pass_(minutes=3)
    assert twilio.listed == 1
    clock.pass_(minutes=1)
    lookup.category_of(nudge)
    assert twilio.listed == 2


def test_an_outage_is_survived_with_the_last_answer(
    twilio: TwilioContent,
    lookup: ApprovedTemplates,
    clock: MovableClock,
    nudge: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    twilio.decide("approved")
    assert lookup.category_of(nudge) is TemplateCategory.SERVICE
    twilio.is_down = True
    clock.pass_(hours=5)
    assert lookup.category_of(nudge) is TemplateCategory.SERVICE
    assert "templates_unknown" in capsys.readouterr().out
    asked = twilio.listed
    lookup.category_of(nudge)
    assert twilio.listed == asked, "no call is made for a while after a failure"
    twilio.is_down = False
    twilio.decide("paused")
    clock.pass_(seconds=30)
    assert lookup.category_of(nudge) is None


def test_an_outage_before_the_first_answer_is_an_error(
    twilio: TwilioContent, lookup: ApprovedTemplates, nudge: str
) -> None:
    twilio.is_down = True
    for _ in range(2):
        with pytest.raises(ContentApiError, match="has not told yet"):
            lookup.category_of(nudge)
    assert twilio.listed == 4, "the second one did not ask again"


def test_the_category_of_an_admin_s_own_template(
    twilio: TwilioContent, lookup: ApprovedTemplates, clock: MovableClock
) -> None:
    own = {"sid": "HXown", "friendly_name": "diwali", "language": "en", "variables": {}}
    assert lookup.category_of("HXown") is None
    twilio.records.append(own | {"approval_requests": {"status": "approved", "category": "MARKETING"}})
    assert lookup.category_of("HXown") is None, "it is asked anew only after half a minute"
    clock.pass_(seconds=30)
    assert lookup.category_of("HXown") == "marketing"
    assert twilio.listed == 2
    own_again = twilio.records[-1]
    own_again["approval_requests"] = {"status": "paused", "category": "MARKETING"}
    clock.pass_(minutes=10)
    assert lookup.category_of("HXown") is None


def test_one_thread_asks_and_the_others_take_the_last_answer(
    twilio: TwilioContent,
    lookup: ApprovedTemplates,
    clock: MovableClock,
    nudge: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twilio.decide("approved")
    assert lookup.category_of(nudge) is TemplateCategory.SERVICE
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> list[object]:
        asked.set()
        assert go_on.wait(120)
        return []

    monkeypatch.setattr(lookup._api, "list_contents", slow)
    clock.pass_(minutes=10)
    thread = threading.Thread(target=lookup.category_of, args=(nudge,))
    thread.start()
    assert asked.wait(120)
    assert lookup.category_of(nudge) is TemplateCategory.SERVICE
    go_on.set()
    thread.join(120)
    assert lookup.category_of(nudge) is None
