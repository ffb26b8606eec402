"""Writing a broadcast in the browser: counted, looked at twice, sent once, and kept when something is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.conversation.sectors import Sector
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.services.twilio_content_api import Approval, Content, ContentApiError
from onboarding_bot.web.dashboard.whatsapp_markup import as_whatsapp, plain
from tests.broadcasts.people import add, add_many, sender_of
from tests.broadcasts.world import World
from tests.fakes import NOON, MovableClock
from tests.web.visitor import Visitor

NEW, CONFIRM, SEND = "/dashboard/broadcasts/new", "/dashboard/broadcasts/confirm", "/dashboard/broadcasts/send"
SID = "HX" + "a" * 32
TEXT = {"message": "The fair opens."}


@pytest.fixture
def world(redis: Redis, clock: MovableClock) -> World:
    return World(redis=redis, clock=clock)


@pytest.fixture
def admin(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    monkeypatch.setattr("onboarding_bot.services.twilio_content_api.ContentApi.list_contents", lambda _: [])
    return Visitor(app).signs_in(at=NEW)


def made(world: World) -> list[Definition]:
    """All broadcasts there are, the newest first."""
    return [world.record(broadcast_id).definition for broadcast_id in world.records.newest(0, 100)]


# --- the way through -----------------------------------------------------------------------------------------------


def test_written_counted_confirmed_sent(admin: Visitor, world: World) -> None:
    add_many(world.store, 3)
    add(world.store, sender_of(9), has_stopped=True)
    admin.submits(NEW, TEXT)
    assert "Would get it now 3 Said STOP 1 Days it takes, by the daily limit 1" in admin.text
    assert admin.form(NEW).fields["message"] == "The fair opens."
    admin.submits(NEW, to=CONFIRM)
    assert "Send this broadcast?" in admin.text
    assert "Would get it now 3" in admin.text
    assert "It goes to 3 people" in admin.text
    assert made(world) == []
    admin.submits(SEND)
    assert "The broadcast has begun" in admin.text
    assert made(world) == [Definition(message="The fair opens.")]
    world.tick(6)
    assert len(world.twilio.sent) == 3


def test_a_double_click_sends_once(admin: Visitor, world: World) -> None:
    add(world.store)
    admin.submits(NEW, TEXT).submits(NEW, to=CONFIRM)
    form = admin.form(SEND).fields
    first, second = (admin.client.post(SEND, data=form) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"]
    assert len(made(world)) == 1


def test_an_audience_that_grew_after_the_second_look_is_confirmed_anew(admin: Visitor, world: World) -> None:
    add_many(world.store, 20)
    admin.submits(NEW, TEXT).submits(NEW, to=CONFIRM)
    add_many(world.store, 3, first=100)
    admin.submits(SEND, status=409)
    assert "It was 20 people when you looked, and is 23 people now. Nothing has been sent." in admin.text
    assert made(world) == []
    admin.submits(SEND)
    assert made(world) == [Definition(message="The fair opens.")]


def test_a_tenth_more_people_is_the_same_audience(admin: Visitor, world: World) -> None:
    """Somebody writes all the time; nobody could ever send otherwise."""
    add_many(world.store, 20)
    admin.submits(NEW, TEXT).submits(NEW, to=CONFIRM)
    add_many(world.store, 2, first=100)
    admin.submits(SEND)
    assert len(made(world)) == 1


def test_a_second_click_finds_its_broadcast_however_the_audience_grew(admin: Visitor, world: World) -> None:
    add(world.store)
    admin.submits(NEW, TEXT).submits(NEW, to=CONFIRM)
    form = admin.form(SEND).fields
    admin.submits(SEND)
    add_many(world.store, 9, first=100)
    assert admin.client.post(SEND, data=form).status_code == 303
    assert len(made(world)) == 1


@pytest.mark.parametrize("count", [None, "", "many", "-1", "\u0661\u0662", "9" * 5000])
def test_nothing_is_sent_without_the_second_look(admin: Visitor, world: World, count: str | None) -> None:
    add(world.store)
    admin.submits(NEW, TEXT).submits(NEW, to=CONFIRM)
    admin.submits(SEND, {"confirmed_count": count}, status=409)
    assert "Send this broadcast?" in admin.text
    assert made(world) == []


def test_who_gets_a_scheduled_one_is_decided_later(admin: Visitor, world: World) -> None:
    admin.submits(NEW, TEXT | {"schedule_at": "2026-11-23T10:30"}).submits(NEW, to=CONFIRM)
    add_many(world.store, 9)
    admin.submits(SEND)
    assert len(made(world)) == 1


def test_other_words_in_a_form_that_was_sent_are_another_broadcast(admin: Visitor, world: World) -> None:
    add(world.store)
    admin.submits(NEW, TEXT).submits(NEW, to=CONFIRM)
    form = admin.form(SEND).fields
    admin.submits(SEND)
    admin._shows(admin.client.post(SEND, data=form | {"message": "Another fair."}), 400)
    assert "was sent already with other words" in admin.text
    assert len(made(world)) == 1
    assert admin.form(NEW).fields["message"] == "Another fair."
    assert admin.form(NEW).fields["idempotency_key"] != form["idempotency_key"]


def test_all_that_can_be_chosen_arrives(admin: Visitor, world: World, clock: MovableClock) -> None:
    chosen = {
        "message": "नमस्ते 👋\nSecond line\n",
        "purpose": "marketing",
        "target_step": "pincode",
        "language": "hi",
        "sector": "Food & Beverage",
        "pincode_prefix": "560",
        "include_completed": None,
        "schedule_at": "2026-11-23T10:30",
    }
    admin.submits(NEW, chosen)
    shown = admin.form(NEW).fields
    assert {name: shown.get(name) for name in chosen} == chosen
    admin.submits(NEW, to=CONFIRM)
    for part in ("Marketing", "In the step “Pincode” now, without those who finished", "Hindi", "Food & Beverage"):
        assert part in admin.text
    assert "begins with 560" in admin.text
    assert "23 Nov, 10:30 IST" in admin.text
    admin.submits(SEND)
    assert made(world) == [
        Definition(
            message="नमस्ते 👋\nSecond line\n",
            purpose=Purpose.MARKETING,
            target_step=OnboardingStep.PINCODE,
            language="hi",
            sector=Sector.FOOD_AND_BEVERAGE,
            pincode_prefix="560",
            include_completed=False,
            schedule_at=datetime(2026, 11, 23, 5, 0, tzinfo=UTC),
        )
    ]


def test_a_template_with_its_values(admin: Visitor, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "Namaste *{{1}}*, your {{ 2 }} <b> is open until {{3}}."
    content = Content(SID, "fair", "hi", frozenset("123"), NOON, Approval("approved", "MARKETING"), body)
    monkeypatch.setattr("onboarding_bot.services.twilio_content_api.ContentApi.list_contents", lambda _: [content])
    add(world.store)
    typed = {"kind": "template", "content_sid": f" {SID} ", "content_variables": "1 = Asha\n\n2=a = b"}
    admin.submits(NEW, typed)
    assert admin.form(NEW).fields["content_variables"] == "1 = Asha\n\n2=a = b"
    assert f'<option value="{SID}">fair · Hindi · Marketing</option>' in admin.html
    shown = "Namaste <strong>Asha</strong>, your a = b &lt;b&gt; is open until {{3}}."
    assert shown in admin.html
    assert "Has not agreed to such messages 1" in admin.text
    add(world.store, sender_of(1), wants_news=True)
    admin.submits(NEW, to=CONFIRM)
    assert shown in admin.html
    admin.submits(SEND)
    assert made(world) == [Definition(content_sid=SID, content_variables={"1": "Asha", "2": "a = b"})]


def test_the_count_is_that_of_the_filters(admin: Visitor, world: World) -> None:
    add_many(world.store, 2, step=OnboardingStep.PHONE)
    add_many(world.store, 5, first=10, step=OnboardingStep.NAME)
    assert "Would get it now 2" in admin.submits(NEW, TEXT | {"target_step": "phone"}).text
    assert "Would get it now 5" in admin.submits(NEW, TEXT | {"target_step": "name"}).text


def test_nobody_is_no_broadcast(admin: Visitor) -> None:
    admin.submits(NEW, TEXT)
    assert "Nobody would get it" in admin.text
    admin.submits(NEW, to=CONFIRM)
    assert "Nobody would get this now" in admin.text
    assert [button.get("formaction") for button in admin.form(SEND).buttons] == [NEW]


def test_back_to_the_form_with_everything_in_it(admin: Visitor) -> None:
    typed = TEXT | {"language": "hi", "include_completed": None}
    admin.submits(NEW, typed).submits(NEW, to=CONFIRM)
    key = admin.form(SEND).fields["idempotency_key"]
    admin.submits(SEND, {"action": "edit"}, to=NEW)
    fields = admin.form(NEW).fields
    assert (fields["message"], fields["language"], fields.get("include_completed")) == ("The fair opens.", "hi", None)
    assert fields["idempotency_key"] == key
    assert "Count the recipients" in admin.text


# --- what is wrong stands at its field -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({"message": ""}, "message", "Message must have 1 to 1600 characters."),
        ({"message": "x" * 1601}, "message", "Message must have 1 to 1600 characters."),
        (TEXT | {"pincode_prefix": "056"}, "pincode_prefix", "must be 1 to 6 digits"),
        (TEXT | {"language": "xx"}, "language", "must be one of en, hi"),
        (TEXT | {"target_step": "moon"}, "target_step", "must be one of"),
        (TEXT | {"sector": "Moon"}, "sector", "must be one of"),
        (TEXT | {"purpose": "fun"}, "purpose", "must be one of"),
        (TEXT | {"schedule_at": "2020-01-01T10:00"}, "schedule_at", "is in the past"),
        (TEXT | {"schedule_at": "tomorrow"}, "schedule_at", "must be ISO 8601"),
        ({"kind": "template"}, "content_sid", "must look like HX"),
        ({"kind": "template", "content_sid": SID, "content_variables": "Asha"}, "content_variables", "on line 1"),
        ({"kind": "template", "content_sid": SID, "content_variables": "1=a\n1=b"}, "content_variables", "on line 2"),
    ],
)
def test_a_fault_stands_at_its_field_and_nothing_is_lost(
    admin: Visitor, world: World, typed: dict[str, str | None], field: str, says: str
) -> None:
    blank = admin.form(NEW).fields
    # A choice that the page does not offer cannot be shown as chosen.
    shown = {name: text for name, text in typed.items() if name in {"message", "schedule_at", "content_variables"}}
    for step in (NEW, CONFIRM, SEND):
        response = admin.client.post(step, data=blank | typed)
        admin._shows(response, 400)
        assert says in admin.html.partition(f'id="{field}-fault">')[2].partition("</p>")[0]
        assert f'aria-describedby="{field}-fault' in admin.html
        assert admin.form(NEW).fields | shown == admin.form(NEW).fields
    assert made(world) == []


def test_when_twilio_does_not_tell_of_a_template_nothing_is_lost(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ContentApiError("no answer")

    monkeypatch.setattr("onboarding_bot.services.twilio_content_api.ContentApi.list_contents", away)
    admin.submits(NEW, {"kind": "template", "content_sid": SID}, status=400)
    assert "Twilio does not answer" in admin.text
    assert admin.form(NEW).fields["content_sid"] == SID


def test_a_moment_that_passes_between_the_pages_is_not_sent(admin: Visitor, world: World, clock: MovableClock) -> None:
    add(world.store)
    admin.submits(NEW, TEXT | {"schedule_at": "2026-11-22T12:05"}).submits(NEW, to=CONFIRM)
    clock.moment += timedelta(minutes=6)
    admin.submits(SEND, status=400)
    assert "is in the past" in admin.text
    assert made(world) == []


@pytest.mark.parametrize("key", ["", "x", "a" * 100, "<b>"])
def test_a_key_that_no_form_has_is_replaced(admin: Visitor, key: str) -> None:
    admin.submits(NEW, TEXT | {"idempotency_key": key})
    assert len(admin.form(NEW).fields["idempotency_key"]) >= 16


# --- the preview ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _it_ ~s~", "<strong>bold</strong> <em>it</em> <s>s</s>"),
        ("*all _of it_*", "<strong>all <em>of it</em></strong>"),
        ("```a *b*\nc```", "<code>a *b*\nc</code>"),
        ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
        ("* no * and *no\nline*", "* no * and *no\nline*"),
        ("*नमस्ते*!", "<strong>नमस्ते</strong>!"),
        ("<b>*<i>*</b>", "&lt;b&gt;<strong>&lt;i&gt;</strong>&lt;/b&gt;"),
        ("```<script>```", "<code>&lt;script&gt;</code>"),
        ("*unfinished _it_", "*unfinished <em>it</em>"),
        ("", ""),
    ],
)
def test_marks_are_shown_as_whatsapp_shows_them(text: str, html: str) -> None:
    assert str(as_whatsapp(text)) == html


def test_a_title_has_no_marks() -> None:
    assert plain("*The fair*\n  opens & ```closes```") == "The fair opens & closes"


def test_the_preview_comes_from_the_same_hand(admin: Visitor) -> None:
    response = admin.client.post("/dashboard/broadcasts/preview", data={"kind": "text", "message": "*Hi* <b>\r\nyou"})
    shown = response.get_data(as_text=True)
    assert '<div class="bubble"><strong>Hi</strong> &lt;b&gt;\nyou</div>' in shown
    assert "12 of 1,600 characters" in shown
