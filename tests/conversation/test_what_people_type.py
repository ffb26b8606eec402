"""Answers as people type them, in the steps where a line is chosen: numbers in words, names, and both."""

from __future__ import annotations

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.app import create_app
from tests.conversation.test_story import forget_session
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import Talker


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("change pincode", "pincode"),
        ("no, change the name", "name"),
        ("change my mobile number please", "phone"),
        ("pincode galat hai", "pincode"),
        ("wrong sector", "sector"),
        ("पिनकोड बदलना है", "pincode"),
        ("मेरा नाम गलत है", "name"),
    ],
)
def test_at_the_summary_one_answer_is_named_at_once(talker: Talker, text: str, step: str) -> None:
    talker.answers_everything().says(text).expects_step(step)


@pytest.mark.parametrize(
    "text", ["pincode", "pincode is correct", "change", "no", "change the name and the pincode", "3"]
)
def test_at_the_summary_nothing_is_changed_by_a_guess(talker: Talker, text: str) -> None:
    talker.answers_everything().says(text).expects_step("confirmation")


@pytest.mark.parametrize(
    ("text", "step"),
    [
        *((form, "pincode") for form in ("3", "3️⃣", "③", "three", "तीन", "3. Pincode", "pincode", "pin code please")),
        *((form, "pincode") for form in ("change pincode", "option 3", "the third one", "change 3", "3 - pincode")),
        ("mobile number", "phone"),
        ("phone", "phone"),
        ("4 mobile", "phone"),
        ("name", "name"),
        ("naam badlo", "name"),
        ("sector", "sector"),
    ],
)
def test_what_to_change(talker: Talker, text: str, step: str) -> None:
    talker.answers_everything().says("NO").says(text).expects_step(step)


@pytest.mark.parametrize("text", ["3 name", "5", "3 or 4", "name and pincode", "number", "banana"])
def test_what_to_change_is_asked_again(talker: Talker, text: str) -> None:
    talker.answers_everything().says("NO").says(text).expects_step("confirmation").hears("*BACK*")


@pytest.mark.parametrize(
    ("text", "step"),
    [
        *(
            (form, "sector")
            for form in ("1", "1️⃣", "①", "one", "ek", "एक", "option 1", "continue", "1. continue", "yes")
        ),
        *((form, "name") for form in ("2", "2️⃣", "two", "दो", "no. 2", "2 start over", "start over", "no")),
        *((form, "welcome") for form in ("3", "1 or 2", "1 start over", "banana")),
    ],
)
def test_going_on_after_days(talker: Talker, clock: MovableClock, text: str, step: str) -> None:
    talker.says_all("Hi", "Asha Devi")
    forget_session(talker)
    clock.pass_(days=2)
    talker.says("Hi").expects_step("welcome").says(text).expects_step(step)


@pytest.mark.parametrize(
    "text",
    [
        *("1", "1️⃣", "①", "one", "ek", "no 1", "same", "Same number please", "this number", "this one", "yes", "haan"),
        *(
            "yahi number",
            "yahi number hai",
            "yes this number",
            "isi number par",
            "यही नंबर",
            "haan yahi",
            "use this number",
        ),
    ],
)
def test_the_own_number(talker: Talker, text: str) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "560001").says(text).expects_step("confirmation").hears("+91 98765 43210")


@pytest.mark.parametrize("text", ["not this number", "2", "another number", "no", "1 or 2"])
def test_another_number_is_asked_for(talker: Talker, text: str) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "560001").says(text).expects_step("phone")


def test_where_no_own_number_is_offered_same_is_none(app: Flask) -> None:
    talker = Talker(app, "whatsapp:+14155550100")
    talker.says_all("Hi", "Asha Devi", "7", "560001").says("same").expects_step("phone").hears("98765 43210")


@pytest.mark.parametrize(
    "text", ["yes correct", "haan bilkul sahi hai", "हाँ, सब ठीक है", "👍👍", "ok yes", "yes, that's right!"]
)
def test_a_yes_with_words_around(talker: Talker, text: str) -> None:
    talker.answers_everything().says(text).expects_step("completed")


@pytest.mark.parametrize(
    "text", ["no change", "galat nahi hai", "is it correct?", "yes but no", "yes 👎", "yes, but the name"]
)
def test_what_may_be_a_yes_or_a_no_is_asked_about(talker: Talker, text: str, otp_service: FakeOtpService) -> None:
    talker.answers_everything().says(text).expects_step("confirmation").hears("*YES*", "*NO*")
    assert otp_service.requests == []


def test_a_stop_below_a_picture_or_a_document_counts(talker: Talker) -> None:
    for kind in ("image", "video", "document"):
        talker.says_all("Hi", "START").says("please stop sending messages", MessageType=kind, NumMedia="1")
        assert talker.stored.contact.opt_out is not None, kind


@pytest.mark.parametrize("text", ["msg mat bhejo", "S T O P", "🛑", "please stop sending messages"])
def test_a_stop_is_heard_of_whoever_writes_too_fast(
    redis: Redis, otp_service: FakeOtpService, clock: MovableClock, text: str
) -> None:
    app = create_app(settings(MESSAGES_PER_MINUTE="2"), redis=redis, otp_service=otp_service, clock=clock.clock())
    talker = Talker(app).says_all("Hi", "HELP", "HELP").hears("slow down")
    talker.says(text).hears("no reminders")
    assert talker.stored.contact.opt_out is not None


@pytest.mark.parametrize("text", ["Bus stop stationery", "non-stop travels", "Stop N Shop", "End to end logistics"])
def test_a_business_with_a_stop_in_its_name_stops_nothing(talker: Talker, text: str) -> None:
    for answers in ((), ("Asha Devi",)):
        talker.says_all("RESTART", *answers).says(text)
        assert talker.stored.contact.opt_out is None


def test_endla_rao_is_a_name(talker: Talker) -> None:
    talker.says_all("Hi", "Endla Rao").expects_data(name="Endla Rao")
