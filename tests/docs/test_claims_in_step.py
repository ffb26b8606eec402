"""What the documents claim of limits, codes, consents and a breach is what the code does."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from onboarding_bot.broadcasts.sender import BROADCASTS_TO_SUPPRESS
from onboarding_bot.cli import breach_list
from onboarding_bot.config import Settings
from onboarding_bot.outbound.retry_schedule import AFTER_DAILY_LIMIT, BACK_OFF, LATER, LIMITED_AT_MOST
from onboarding_bot.outbound.twilio_errors import SENDER_LIMITED, Verdict, verdict_on
from onboarding_bot.outbound.waves import FAILURES_MAX, STOPS_MAX
from tests.docs.pages import PAGES, ROOT, rows, section, text_of

BROADCASTS, SAFETY = ROOT / "docs" / "broadcasts.md", ROOT / "docs" / "number-safety.md"
SECURITY, SETUP = ROOT / "docs" / "security.md", ROOT / "SETUP.md"
DEFAULTS = {setting.metadata["name"]: setting.metadata["default"] for setting in fields(Settings)}


def seconds(delays: tuple[timedelta, ...]) -> list[str]:
    return [str(int(delay.total_seconds())) for delay in delays]


DOES = {
    Verdict.RETRY: f"tries again after {', '.join(seconds(BACK_OFF)[:-1])} and {seconds(BACK_OFF)[-1]} seconds",
    Verdict.STOP_BROADCAST: "stops",
    Verdict.SUPPRESS: "written to no more before",
    Verdict.COUNT_AGAINST: {2: "two", 3: "three"}[BROADCASTS_TO_SUPPRESS] + " different broadcasts",
    Verdict.LATER: f"tries again after {LATER[0].total_seconds() // 3600:.0f} hours, then {LATER[1].days * 24}",
    Verdict.FAIL: "that recipient alone",
}


def test_the_table_of_codes_says_what_the_bot_does_about_each() -> None:
    table = text_of(BROADCASTS).partition("\n### Error codes\n")[2].partition("\n##")[0]
    for codes, _, does, _ in rows(table):
        for code in map(int, re.findall(r"\b\d{5}\b", codes)):
            assert DOES[verdict_on(code)] in does, code
            if verdict_on(code) is not Verdict.STOP_BROADCAST:
                assert "stops" not in does, code


def test_of_the_senders_limit_the_table_says_when_it_stops() -> None:
    ((_, _, does, _),) = [row for row in rows(text_of(BROADCASTS)) if row[0] == str(SENDER_LIMITED)]
    assert DOES[Verdict.RETRY] in does
    assert len(BACK_OFF) == 4, "a fifth time"
    assert "a fifth time for one recipient, or half a minute" in does
    assert LIMITED_AT_MOST.total_seconds() == 30
    assert AFTER_DAILY_LIMIT.total_seconds() == 3600, "that recipient waits an hour"


def test_waves_pause_where_the_page_says() -> None:
    waves = section(BROADCASTS, "Waves, quiet hours, daily limit")
    assert f"more than {FAILURES_MAX:.0%}".replace("%", " %") in waves
    assert re.search(rf"more\s+than {STOPS_MAX * 100:.0f} % of it say STOP", waves)


def test_the_rate_and_what_follows_from_it() -> None:
    rate = int(str(DEFAULTS["TWILIO_MESSAGES_PER_SECOND"]))
    assert f"{rate} is half of its {2 * rate}" in text_of(BROADCASTS)
    assert 4 < 10_000 / rate / 60 < 4.25, "10,000 recipients take a little over four minutes"
    assert f"Meta counts {2 * rate} messages a second" in text_of(SAFETY)
    assert f"{rate} of {2 * rate}" in text_of(SETUP)


def test_the_settings_that_counsel_is_asked_about_have_these_defaults() -> None:
    text = section(SECURITY, "A personal data breach").partition("### A question for counsel")[2]
    asked = {name.strip("`"): now for name, now, _ in rows(text)}
    assert asked == {name: DEFAULTS[name] for name in asked}
    assert len(asked) == 4


@pytest.mark.parametrize("page", [SECURITY, ROOT / "docs" / "operations.md"], ids=["security", "operations"])
def test_the_commands_for_a_breach_can_be_given(page: Path) -> None:
    commands = re.findall(r"\./deploy\.sh breach-list ([^>\n]+)", text_of(page))
    assert len(commands) == 2
    for command in commands:
        asked = breach_list.command.make_context("breach-list", shlex.split(command)).params
        assert asked["by"] == "$USER"


def test_a_breach_is_told_to_all_whom_the_law_names_in_time() -> None:
    text = section(SECURITY, "A personal data breach")
    told = [(by_when, whom) for by_when, whom, *_ in rows(text) if "`" not in by_when]
    assert [by_when.split()[0] for by_when, _ in told] == ["six", "without", "without", "72"]
    assert [whom.split()[0] for _, whom in told] == ["CERT-In,", "each", "the", "the"]


CLAIMS_THAT_WERE_WRONG = [
    "bot cannot see it",
    "only the person's own message writes it down",
    "in any spelling",
    "no way to enter a yes for somebody else",
    "START does not lift it",
    "written to no more | |",
]


@pytest.mark.parametrize("claim", CLAIMS_THAT_WERE_WRONG)
def test_no_page_says_again_what_is_not_so(claim: str) -> None:
    assert [page.name for page in PAGES if claim in " ".join(text_of(page).split())] == []


def test_the_page_that_lists_the_spellings_of_stop_is_the_one_that_is_named() -> None:
    assert "in one of [its spellings](conversation.md)" in text_of(SAFETY)
    assert "| **STOP** |" in text_of(ROOT / "docs" / "conversation.md")
