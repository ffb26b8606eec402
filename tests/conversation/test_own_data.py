"""MY DATA and DELETE MY DATA, as a person in the chat meets them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.conversation.turn import OtpResult
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.storage.erasure import Erasures
from tests.fakes import FakeOtpService, MovableClock
from tests.inside import erasures_of
from tests.stored_bytes import stored_members, stored_value
from tests.talker import Talker, message_in, new_sid, post_signed, webhook_form

ERASED = "Done: your data here are erased."
ASKED = "Shall I do it?"


@pytest.fixture
def registered(talker: Talker) -> Talker:
    return talker.answers_everything().says("YES").expects_step("completed")


def is_unknown(talker: Talker) -> bool:
    known = talker.stored
    return known.session is None and (known.contact is None or not known.contact.address)


# --- what is kept --------------------------------------------------------------------------------------------------


def test_my_data_shows_what_is_kept_and_until_when(talker: Talker) -> None:
    talker.answers_everything().says("UPDATES").says("MY DATA")
    talker.hears("Asha Devi", "Retail", "560001", "+91 98765 43210", "+919876543210", "in English")
    talker.hears("On 22-11-2026 you agreed to messages about your sign-up", "On 22-11-2026 you agreed to news")
    talker.hears("deleted on 23-11-2026", "by 29-11-2026", "rest on 21-05-2027", "DELETE MY DATA")
    talker.does_not_hear("no messages beyond")


def test_my_data_tells_of_a_stop_and_of_otps(registered: Talker) -> None:
    registered.says("STOP").says("my data")
    registered.hears("Since 22-11-2026 you want no messages", "1 OTP request", "registered since 22-11-2026")


def test_my_data_shows_the_earlier_sign_up_beside_the_new_one(registered: Talker) -> None:
    registered.says_all("RESTART", "Ravi Kumar").says("MY DATA").hears("*Asha Devi*, Retail, 560001", "Ravi Kumar")


def test_dates_are_those_of_indias_clock(talker: Talker, clock: MovableClock) -> None:
    clock.pass_(hours=13)
    talker.says("Hi").says("MY DATA").hears("you first wrote on 23-11-2026")


def test_unfinished_answers_of_earlier_days_are_counted_and_not_shown(
    talker: Talker, clock: MovableClock, redis: Redis
) -> None:
    """Whoever has the phone by now chooses before they are shown."""
    talker.says_all("Hi", "Asha Devi", "7")
    redis.delete(talker.store._keys.session(talker.store.identify(talker.sender)))
    clock.pass_(days=2)
    talker.says("MY DATA").hears("2 unfinished answers of 22-11-2026", "*1* to continue").does_not_hear("Asha")


@pytest.mark.parametrize("word", ["MY DATA", "my data please", "mera data", "मेरा डेटा", "Show my data!"])
def test_spellings_of_my_data(talker: Talker, word: str) -> None:
    talker.says("Hi").says(word).expects_step("name").expects_data()


def test_a_stranger_reads_that_little_is_kept_and_then_the_notice(talker: Talker) -> None:
    talker.says("MY DATA").hears("+919876543210").does_not_hear("Welcome to MSMEBazaar")
    talker.says("Hi").hears("Welcome to MSMEBazaar", "full name").expects_step("name")


def test_help_and_privacy_name_the_words(talker: Talker) -> None:
    talker.says("Hi").hears("DELETE MY DATA")
    for word in ("HELP", "PRIVACY"):
        talker.says(word).hears("*MY DATA*", "*DELETE MY DATA*")
    talker.hears("Data Protection Board", "+91 80 5550 0100", "30 days")


# --- the question --------------------------------------------------------------------------------------------------


STEPS = [
    pytest.param((), "welcome", id="a stranger"),
    pytest.param(("Hi",), "name", id="name"),
    pytest.param(("Hi", "Asha Devi"), "sector", id="sector"),
    pytest.param(("Hi", "Asha Devi", "7"), "pincode", id="pincode"),
    pytest.param(("Hi", "Asha Devi", "7", "560001"), "phone", id="phone"),
    pytest.param(("Hi", "Asha Devi", "7", "560001", "1"), "confirmation", id="confirmation"),
    pytest.param(("Hi", "Asha Devi", "7", "560001", "1", "NO"), "confirmation", id="choosing what to change"),
    pytest.param(("Hi", "Asha Devi", "7", "560001", "1", "YES"), "completed", id="registered"),
]


@pytest.mark.parametrize(("before", "step"), STEPS)
@pytest.mark.parametrize(("word", "yes"), [("DELETE MY DATA", "YES"), ("मेरा डेटा मिटाओ", "हाँ"), ("erase", "👍")])
def test_delete_my_data_asks_and_a_yes_erases_in_every_step(
    talker: Talker, otp_service: FakeOtpService, before: tuple[str, ...], step: str, word: str, yes: str
) -> None:
    talker.says_all(*before).says(word).expects_step(step)
    otps = len(otp_service.requests)
    talker.says(yes)
    assert is_unknown(talker)
    assert len(otp_service.requests) == otps


def test_what_is_read_says_what_remains_elsewhere(registered: Talker) -> None:
    registered.says("DELETE MY DATA").hears(ASKED, "*YES*", "*NO*", "cannot be undone")
    registered.says("yes").hears(ERASED, "Twilio", "after 30 days", "website", "+91 80 5550 0100", "no messages")


@pytest.mark.parametrize(("before", "step"), STEPS[1:])
def test_a_no_keeps_everything(talker: Talker, before: tuple[str, ...], step: str) -> None:
    talker.says_all(*before)
    session = talker.stored.session
    talker.says("DELETE MY DATA").says("NO").hears("nothing is erased").expects_step(step)
    assert talker.stored.session.data == session.data


def test_a_stranger_who_keeps_everything_reads_the_notice_next(talker: Talker) -> None:
    talker.says("DELETE MY DATA").says("NO").hears("nothing is erased").does_not_hear("some days ago")
    talker.says("Hi").hears("Welcome to MSMEBazaar").expects_step("name")


@pytest.mark.parametrize("kind", ["audio", "sticker"])
def test_a_stranger_who_sends_no_text_next_reads_the_notice(talker: Talker, kind: str) -> None:
    talker.says("MY DATA").sends(kind).hears("Welcome to MSMEBazaar").does_not_hear("some days ago")


def test_any_other_answer_goes_where_it_belongs(talker: Talker) -> None:
    talker.says_all("Hi", "DELETE MY DATA").says("Asha Devi").expects_step("sector").expects_data(name="Asha Devi")
    talker.says("YES").expects_step("sector")


def test_a_yes_counts_for_the_last_question_only(talker: Talker) -> None:
    """After HELP a YES at the summary wants the OTP, as ever."""
    talker.answers_everything().says_all("DELETE MY DATA", "HELP").says("YES").expects_step("completed")


def test_a_yes_that_comes_much_later_is_about_something_else(talker: Talker, clock: MovableClock) -> None:
    talker.answers_everything().says("DELETE MY DATA")
    clock.pass_(minutes=16)
    talker.says("YES").expects_step("completed")


def test_a_picture_is_no_yes(talker: Talker) -> None:
    talker.answers_everything().says("DELETE MY DATA").sends("image").expects_step("confirmation")


# --- after it ------------------------------------------------------------------------------------------------------


def test_twilios_copy_of_the_yes_gets_the_same_reply_and_begins_nothing(talker: Talker) -> None:
    talker.answers_everything().says("DELETE MY DATA").says("YES")
    erasure_reply, sid = talker.reply, talker.sid
    for _ in range(3):
        assert talker.says("YES", sid=sid).reply == erasure_reply
        assert is_unknown(talker)


def test_the_copy_gets_it_also_when_the_person_began_anew(talker: Talker) -> None:
    talker.answers_everything().says("DELETE MY DATA").says("YES")
    erasure_reply, sid = talker.reply, talker.sid
    talker.says("Hi").hears("Welcome to MSMEBazaar")
    assert talker.says("YES", sid=sid).reply == erasure_reply
    talker.expects_step("name")


EARLIER = ["Hi", "Asha Devi", "HELP", "7", "DELETE MY DATA"]


def has_said(talker: Talker) -> dict[str, str]:
    """Several messages with their SIDs, the picture among them without any text."""
    said = {text: talker.says(text).sid for text in EARLIER[:-1]}
    return said | {"": talker.sends("image").sid, "DELETE MY DATA": talker.says("DELETE MY DATA").sid}


@pytest.mark.parametrize("is_back", [False, True])
def test_copies_of_earlier_messages_get_the_erasure_reply_and_begin_nothing(
    app: Flask, talker: Talker, clock: MovableClock, is_back: bool
) -> None:
    said = has_said(talker)
    erasure_reply = talker.says("YES").reply
    if is_back:
        talker.says("Hi").hears("Welcome to MSMEBazaar")
    clock.pass_(minutes=14)
    before = talker.stored
    for text, sid in said.items():
        assert talker.says(text, sid=sid).reply == erasure_reply
        copy = post_signed(app.test_client(), webhook_form(text, talker.sender, sid), "/webhook/fallback")
        assert message_in(copy) == erasure_reply
    assert talker.stored == before
    assert is_back or is_unknown(talker)


def test_a_new_message_is_no_copy(talker: Talker) -> None:
    has_said(talker)
    talker.says("YES").hears(ERASED)
    talker.says("Asha Devi").hears("Welcome to MSMEBazaar").expects_step("name")


def test_after_a_quarter_of_an_hour_nothing_is_known_of_the_messages(talker: Talker, redis: Redis) -> None:
    said = has_said(talker)
    talker.says("YES")
    kept = list(redis.scan_iter("*:goodbye:*"))
    assert len(kept) == len(said) + 1
    assert all(0 < redis.pttl(name) <= 15 * 60 * 1000 for name in kept)
    everything = b" ".join([*kept, *(stored_value(redis, name) for name in kept)])
    assert not [sid for sid in said.values() if sid.encode() in everything]
    assert b"Asha" not in everything
    assert b"98765" not in everything


@pytest.mark.parametrize("language", ["en", "hi"])
def test_copies_begin_nothing_after_an_admin_erased_the_person(app: Flask, talker: Talker, language: str) -> None:
    hi = talker.says("Hi").sid
    if language == "hi":
        talker.says("HINDI")
    name = talker.says("Asha Devi").sid
    erasures, person_id = erasures_of(app), talker.store.identify(talker.sender)
    assert erasures.erase(person_id, MovableClock().moment)
    for text, sid in (("Hi", hi), ("Asha Devi", name)):
        talker.says(text, sid=sid).hears({"en": ERASED, "hi": "आपका डेटा मिट गया है"}[language])
        assert is_unknown(talker)
    talker.says("Hi").hears("Welcome to MSMEBazaar").expects_step("name")


def test_the_fallback_repeats_the_erasure_reply(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "DELETE MY DATA").says("YES")
    response = post_signed(app.test_client(), webhook_form("YES", talker.sender, talker.sid), "/webhook/fallback")
    assert message_in(response) == talker.reply


def test_the_erasure_reply_is_in_the_persons_language(talker: Talker) -> None:
    talker.says_all("Hi", "HINDI", "DELETE MY DATA").says("हाँ").hears("आपका डेटा मिट गया है")
    assert talker.says("हाँ", sid=talker.sid).reply.startswith("हो गया")


def test_a_new_hi_begins_anew_and_messages_stay_off(registered: Talker) -> None:
    registered.says("DELETE MY DATA").says("YES").says("Hi").hears("Welcome to MSMEBazaar").expects_step("name")
    registered.expects_data()
    contact = registered.stored.contact
    assert contact.registration == {}
    assert contact.opt_out.source == "erasure"
    registered.says("START").hears("on again")
    assert registered.stored.contact.opt_out is None


def test_erasing_is_no_way_around_the_limit_for_otps(talker: Talker, clock: MovableClock) -> None:
    for number in range(5):
        clock.pass_(minutes=2)
        talker.says_all("Hi", "Asha Devi", "7", "560001", f"987654321{number}").says("YES").hears("account is ready")
        talker.says("DELETE MY DATA").says("YES").hears(ERASED)
    clock.pass_(minutes=2)
    talker.says_all("Hi", "Asha Devi", "7", "560001", "9876543219").says("YES").hears("5 times within a day")
    clock.pass_(days=1)
    talker.says("Hi").says("YES").hears("account is ready")


def test_an_otp_that_is_under_way_brings_nobody_back(talker: Talker, otp_service: FakeOtpService) -> None:
    talker.answers_everything()
    hurried = Talker(talker.app)
    otp_service.during = lambda: hurried.says("DELETE MY DATA").says("YES").hears(ERASED)
    talker.says("YES").hears("you can ignore it")
    assert is_unknown(talker)


def test_two_copies_of_the_yes_at_once_end_in_one_erasure_reply(
    talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the question; the slower one finds that it is done."""
    talker.answers_everything().says("DELETE MY DATA")
    erase, sid = Erasures.erase_as_known, new_sid()
    replies: list[str] = []

    def let_the_copy_go_first(*known: Any, **what: Any) -> object:
        if not replies:
            replies.append("")
            replies.append(talker.says("YES", sid=sid).reply)
        return erase(*known, **what)

    monkeypatch.setattr(Erasures, "erase_as_known", let_the_copy_go_first)
    talker.says("YES", sid=sid).hears(ERASED)
    assert replies == ["", talker.reply]
    assert is_unknown(talker)


def test_an_outage_leaves_no_wish_behind(talker: Talker, otp_service: FakeOtpService, redis: Redis) -> None:
    otp_service.result = OtpResult.NOT_SENT
    talker.answers_everything().says("YES").hears("cannot be reached")
    talker.says("DELETE MY DATA").says("YES").hears(ERASED)
    due = [member for name in redis.scan_iter("*:due") for member in stored_members(redis, name)]
    assert [member.split(b":")[0] for member in due] == [b"messages"]


def test_this_and_nothing_else_is_left_in_redis(registered: Talker, redis: Redis) -> None:
    registered.says_all("UPDATES", "RESTART", "Ravi Kumar", "DELETE MY DATA", "YES")
    left = {name.decode().split(":", 1)[1] for name in redis.scan_iter("{s[0-9]*}:*")}
    person = registered.store.identify(registered.sender)
    kinds = sorted(":".join(name.split(":")[:-1]) or name for name in left if person not in name)
    assert sorted(set(kinds)) == ["counters", "day", "due", "erasures", "goodbye", "messages", "otp"]
    assert {name for name in left if person in name} == {f"optout:{person}"}
    held = [value for name in redis.scan_iter("*:due") for value in stored_members(redis, name)]
    assert [value.split(b":")[0] for value in held] == [b"messages"]
    assert person.encode() not in held[0]


def test_a_copy_gets_the_erasure_reply_even_when_the_person_is_back_already(
    talker: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three at once: the YES, its copy, and a new message."""
    talker.says_all("Hi", "Asha Devi", "DELETE MY DATA")
    sid, erase = new_sid(), Erasures.erase_as_known

    def meanwhile(erasures: Erasures, *known: Any, **more: Any) -> Any:
        monkeypatch.setattr(Erasures, "erase_as_known", erase)
        Talker(talker.app).says("YES", sid=sid).hears(ERASED).says("Hi").expects_step("name")
        return erase(erasures, *known, **more)

    monkeypatch.setattr(Erasures, "erase_as_known", meanwhile)
    talker.says("YES", sid=sid).hears(ERASED).expects_step("name")


def test_the_webhook_of_an_erasure_is_counted_like_any_other(talker: Talker) -> None:
    talker.says_all("Hi", "DELETE MY DATA", "YES")
    sums = talker.store.add_up(MovableClock().moment)
    assert sums.counters["webhooks"] == 3
    assert sum(sums.sessions.values()) == 0


def test_nothing_is_said_before_it_is_done(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis goes away in that moment: the retry of the same message does it."""

    def is_gone(*_: object, **__: object) -> None:
        raise StoreUnavailableError("gone")

    talker.says_all("Hi", "DELETE MY DATA")
    sid = new_sid()
    with monkeypatch.context() as gone:
        gone.setattr(Erasures, "erase_as_known", is_gone)
        assert post_signed(talker.app.test_client(), webhook_form("YES", talker.sender, sid)).status_code == 503
    assert not is_unknown(talker)
    talker.says("YES", sid=sid).hears(ERASED)
    assert is_unknown(talker)
    assert talker.store.add_up(MovableClock().moment).counters["failures"] == 1


# --- consent -------------------------------------------------------------------------------------------------------


def test_going_on_with_the_name_is_recorded_with_the_notices_version(talker: Talker) -> None:
    talker.says("Hi").hears("name", "sector", "pincode", "mobile number", "Twilio", "DELETE MY DATA")
    assert talker.stored.contact.consents == {}
    talker.says("Asha Devi")
    consent = talker.stored.contact.consents["service"]
    assert (consent.source, consent.text_version) == (talker.sid, talker.stored.contact.notice_version)


def test_going_on_after_a_newer_notice_is_recorded_anew(talker: Talker, monkeypatch: pytest.MonkeyPatch) -> None:
    talker.says_all("Hi", "Asha Devi", "RESTART").says("Asha Devi")
    first = talker.stored.contact.consents["service"]
    assert first.source != talker.sid
    talker.says_all("DELETE MY DATA", "YES")
    monkeypatch.setattr("onboarding_bot.conversation.notice.NOTICE_VERSION", "later")
    talker.says_all("Hi", "Asha Devi")
    assert talker.stored.contact.consents["service"].text_version == "later"
