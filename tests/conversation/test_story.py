"""The conversation as owners live it: every step, every command, every detour."""

from __future__ import annotations

import pytest
from flask import Flask

from onboarding_bot.conversation.turn import OtpResult
from tests.fakes import FakeOtpService, MovableClock
from tests.talker import Talker

FOREIGNER = "whatsapp:+14155551212"
NUMBERLESS = "whatsapp:IN.1234567890"


def link_in(reply: str) -> str:
    return next(word for word in reply.split() if word.startswith("https://"))


# --- welcome -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["Hi", "hello 🙏", "Start Up Services", "1", "RESTART", "HELP", "YES", "नमस्ते"])
def test_any_first_message_is_welcomed_with_the_notice(talker: Talker, first: str) -> None:
    talker.says(first).expects_step("name").hears("MSMEBazaar", "PRIVACY", "STOP", "180").expects_data()


def test_the_notice_version_is_kept(talker: Talker) -> None:
    assert talker.says("Hi").stored.contact.notice_version == "2026-11.3"


def test_a_stop_as_the_first_message_counts(talker: Talker) -> None:
    talker.says("STOP").expects_step("name").hears("no reminders", "Welcome to MSMEBazaar")
    assert talker.stored.contact.opt_out is not None


@pytest.mark.parametrize("word", ["START", "UPDATES"])
def test_a_stop_outlives_the_record_until_it_is_taken_back(talker: Talker, word: str) -> None:
    talker.says_all("Hi", "STOP")
    store = talker.store
    person_id = store.identify(talker.sender)
    keys = store._keys
    store._client.delete(keys.session(person_id), keys.contact(person_id), keys.draft(person_id))
    talker.says("Hi").expects_step("name").hears("Welcome to MSMEBazaar")
    assert talker.stored.contact.opt_out is not None
    store._client.delete(keys.session(person_id), keys.contact(person_id), keys.draft(person_id))
    talker.says(word).expects_step("name").hears("Welcome to MSMEBazaar")
    assert talker.stored.contact.opt_out is None


def test_a_newcomer_who_writes_hindi_is_answered_in_hindi(talker: Talker) -> None:
    talker.says("नमस्ते").hears("स्वागत", "पूरा नाम")


# --- the questions -------------------------------------------------------------------------------------------------


def test_a_name_that_is_a_cry_for_help_is_not_a_name(talker: Talker) -> None:
    talker.says_all("Hi", "Help me").expects_step("name").expects_data().hears("STATUS", "full name")


def test_start_up_services_is_not_start(talker: Talker) -> None:
    talker.says_all("Hi", "Start Up Services").expects_step("name").expects_data().hears("Is *Start Up Services* your")
    talker.says("1").expects_step("sector").expects_data(name="Start Up Services")


def test_a_refused_sector_shows_all_twelve_again(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "magic").hears("magic", "1. Manufacturing", "9. Food & Beverage", "12. Other")


def test_the_own_number_is_offered_only_when_it_is_an_indian_mobile(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "560001").hears("Send *1*", "+91 98765 43210")
    for sender in (FOREIGNER, NUMBERLESS):
        stranger = Talker(app, sender).says_all("Hi", "Asha Devi", "7", "560001")
        stranger.does_not_hear("Send *1*").says("1").expects_step("phone").hears("1 digit;")


def test_a_person_without_a_phone_number_can_sign_up(app: Flask) -> None:
    Talker(app, NUMBERLESS).answers_everything().says("YES").expects_step("completed")


def test_the_third_wrong_answer_in_a_row_shows_the_people_to_call(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "12", "abc").does_not_hear("+91 80 5550 0100")
    talker.says("99999999").hears("8 digits", "+91 80 5550 0100")
    talker.says("560001").says("1234").does_not_hear("+91 80 5550 0100")


@pytest.mark.parametrize("kind", ["audio", "image", "video", "document", "sticker", "location", "contacts"])
def test_what_is_not_text_gets_a_kind_word_and_the_question(talker: Talker, kind: str) -> None:
    talker.says_all("Hi", "Asha Devi").sends(kind).expects_step("sector").hears("12. Other")


def test_the_second_voice_note_in_a_row_shows_the_people_to_call(talker: Talker) -> None:
    talker.says("Hi").sends("audio").does_not_hear("+91 80").sends("audio").hears("+91 80 5550 0100", "full name")


def test_a_typed_answer_between_two_voice_notes_starts_the_count_anew(talker: Talker) -> None:
    talker.says("Hi").sends("audio").says("Asha Devi").sends("audio").does_not_hear("+91 80")


def test_what_was_typed_is_shown_back_without_its_formatting(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "*bold* _it_ ~s~ `m` <b>&").expects_step("pincode")
    talker.does_not_hear("*bold*", "_it_", "~s~", "`m`").hears("<b>&")


def test_an_empty_message_is_asked_for_again(talker: Talker) -> None:
    talker.says("Hi").says("   ").expects_step("name").hears("full name")


# --- confirmation --------------------------------------------------------------------------------------------------


def test_the_summary_shows_all_four_answers(talker: Talker) -> None:
    talker.answers_everything().hears("Asha Devi", "Retail", "560001", "+91 98765 43210", "YES", "NO")


@pytest.mark.parametrize(
    ("choice", "answer", "field", "stored"),
    [
        pytest.param("1", "Ravi Kumar", "name", "Ravi Kumar", id="name"),
        pytest.param("2", "Textiles", "sector", "Textile", id="sector"),
        pytest.param("3", "110001", "pincode", "110001", id="pincode"),
        pytest.param("4", "9123456789", "phone", "+919123456789", id="phone"),
        pytest.param("name", "Ravi Kumar", "name", "Ravi Kumar", id="by its name"),
    ],
)
def test_one_answer_is_changed_and_the_summary_comes_back(
    talker: Talker, choice: str, answer: str, field: str, stored: str
) -> None:
    talker.answers_everything().says("no").hears("1. Name", "4. Mobile").says(choice).says(answer)
    talker.expects_step("confirmation").hears("Please check")
    assert talker.stored.session.data[field] == stored


def test_a_change_can_be_left_with_back(talker: Talker) -> None:
    talker.answers_everything().says_all("NO", "2").expects_step("sector").says("BACK").expects_step("confirmation")
    talker.says_all("NO", "BACK").expects_step("confirmation").hears("Please check")


def test_neither_yes_nor_no_is_explained(talker: Talker) -> None:
    talker.answers_everything().says("perhaps").expects_step("confirmation").hears("YES", "NO")
    talker.says("NO").says("the colour").hears("*1*", "*4*", "BACK")


# --- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", range(5), ids=["name", "sector", "pincode", "phone", "confirmation"])
@pytest.mark.parametrize(
    ("command", "fragment"),
    [
        ("HELP", "RESTART"),
        ("SUPPORT", "+91 80"),
        ("PRIVACY", "Data Protection Board"),
        ("STOP", "START"),
        ("hi", "Welcome back"),
    ],
)
def test_a_command_answers_and_asks_the_pending_question_again(
    talker: Talker, answers: int, command: str, fragment: str
) -> None:
    talker.says("Hi").says_all(*["Asha Devi", "7", "560001", "9876543210"][:answers])
    step, question = talker.stored.session.current_step, talker.reply.split("\n\n")[-1]
    data = dict(talker.stored.session.data)
    talker.says(command).expects_step(step).expects_data(**data).hears(fragment, question)


def test_hello_in_mid_flow_names_what_is_known(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "hello").hears("Welcome back", "Asha Devi", "Retail", "pincode")


def test_status_shows_the_answers_so_far(talker: Talker) -> None:
    talker.says_all("Hi", "status").hears("Nothing is noted").says("Asha Devi").says("status").hears("Asha Devi")


def test_restart_discards_the_answers_at_once(talker: Talker) -> None:
    talker.answers_everything().says("RESTART").expects_step("name").expects_data()
    assert talker.stored.contact.draft is None


def test_back_goes_one_question_back_and_known_answers_are_not_asked_again(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "7", "back").expects_step("sector").says("back").expects_step("name")
    talker.says("back").expects_step("name").hears("first question")
    talker.says("Ravi Kumar").expects_step("pincode").hears("Ravi Kumar")


def test_stop_is_written_down_and_confirmed_once_and_start_takes_it_back(talker: Talker) -> None:
    talker.says_all("Hi", "band karo!").hears("no reminders")
    opt_out = talker.stored.contact.opt_out
    assert opt_out.source == talker.sid
    talker.says("STOP").hears("already off").says("Asha Devi").expects_step("sector")
    assert talker.stored.contact.opt_out == opt_out
    talker.says("hello")
    assert talker.stored.contact.opt_out == opt_out
    talker.says("START").hears("Messages are on again", "12. Other")
    assert talker.stored.contact.opt_out is None


def test_the_language_is_the_owners_choice(talker: Talker) -> None:
    talker.says_all("Hi", "हिंदी").hears("हिंदी में", "पूरा नाम").says("आशा देवी").hears("आशा देवी", "रिटेल")
    talker.says("english").hears("English", "Retail")


# --- the OTP -------------------------------------------------------------------------------------------------------


def test_yes_brings_the_login_link_and_a_warning(talker: Talker) -> None:
    talker.answers_everything().says("haan ji").expects_step("completed")
    talker.hears("https://app.example.in/login?source=whatsapp&token=", "30 minutes", "SMS", "never ask")
    talker.does_not_hear("phone=")
    assert talker.stored.contact.registration["name"] == "Asha Devi"
    assert talker.stored.contact.draft is None


@pytest.mark.parametrize("result", [OtpResult.NOT_SENT, OtpResult.AMBIGUOUS])
def test_an_outage_keeps_the_answers_and_the_next_yes_uses_the_same_key(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock, result: OtpResult
) -> None:
    otp_service.result = result
    talker.answers_everything().says("YES").expects_step("confirmation").hears("answers are kept", "YES")
    clock.pass_(seconds=61)
    otp_service.result = OtpResult.SENT
    talker.says("YES").expects_step("completed")
    first, second = otp_service.requests
    assert first.intention_id == second.intention_id


def test_an_answer_changed_after_an_outage_makes_another_request(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    otp_service.result = OtpResult.NOT_SENT
    talker.answers_everything().says("YES").says_all("NO", "4", "9123456789", "YES")
    first, second = otp_service.requests
    assert first.intention_id != second.intention_id
    assert second.data["phone"] == "+919123456789"


@pytest.mark.parametrize(
    ("result", "reason"),
    [(OtpResult.REFUSED, "check the mobile number"), (OtpResult.REFUSED_KNOWN_NUMBER, "belong to an account")],
)
def test_a_refusal_is_explained_and_can_be_corrected_at_once(
    talker: Talker, otp_service: FakeOtpService, result: OtpResult, reason: str
) -> None:
    otp_service.result = result
    talker.answers_everything().says("YES").expects_step("confirmation").hears(reason, "NO")
    otp_service.result = OtpResult.SENT
    talker.says_all("NO", "4", "9123456789", "YES").expects_step("completed")


def test_a_second_request_waits_a_minute(talker: Talker, otp_service: FakeOtpService, clock: MovableClock) -> None:
    talker.answers_everything().says("YES")
    clock.pass_(seconds=20)
    talker.says("RESEND").hears("40 seconds", "LOGIN")
    assert len(otp_service.requests) == 1
    clock.pass_(seconds=40)
    talker.says("RESEND").hears("fresh login link")
    assert otp_service.requests[0].intention_id != otp_service.requests[1].intention_id


def test_a_sender_gets_five_otps_a_day_whatever_the_numbers_and_commands(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    talker.answers_everything().says("YES")
    for number in range(4):
        clock.pass_(minutes=2)
        talker.says_all("RESTART", "Asha Devi", "7", "560001", f"912345678{number}", "YES").expects_step("completed")
    clock.pass_(minutes=2)
    talker.says("LOGIN").hears("5 times", "tomorrow")
    talker.says_all("RESTART", "Asha Devi", "7", "560001", "9123456789", "YES").hears("5 times")
    assert len(otp_service.requests) == 5
    clock.pass_(hours=23, minutes=51)
    talker.says("YES").expects_step("completed")


def test_a_phone_number_gets_five_otps_a_day_whoever_asks(
    app: Flask, otp_service: FakeOtpService, clock: MovableClock
) -> None:
    for number in range(5):
        Talker(app, f"whatsapp:+9198765000{number:02}").answers_everything().says("YES").expects_step("completed")
        clock.pass_(minutes=2)
    sixth = Talker(app, "whatsapp:+919876500009").answers_everything().says("YES")
    sixth.expects_step("confirmation").hears("5 times")
    assert len(otp_service.requests) == 5


@pytest.mark.parametrize("result", [OtpResult.NOT_SENT, OtpResult.REFUSED])
def test_requests_known_not_to_have_been_sent_do_not_count(
    talker: Talker, otp_service: FakeOtpService, result: OtpResult
) -> None:
    otp_service.result = result
    talker.answers_everything()
    for _ in range(8):
        talker.says("YES").does_not_hear("5 times", "wait")
    otp_service.result = OtpResult.SENT
    talker.says("YES").expects_step("completed")


def test_an_otp_typed_into_the_chat_is_neither_kept_nor_shown(talker: Talker) -> None:
    talker.answers_everything().says("YES")
    for otp in ("482913", "482 913", "My OTP is 482913", "४८२९१३"):
        talker.says(otp).expects_step("completed").hears("Never share").does_not_hear("482913", "482 913", "४८२९१३")
    assert "482913" not in str(talker.stored)


def test_six_digits_are_a_pincode_where_one_is_asked_for(talker: Talker) -> None:
    talker.answers_everything().says("YES").says_all("RESTART", "Asha Devi", "7", "482913").expects_step("phone")


def test_six_digits_before_any_otp_are_just_a_wrong_answer(talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "482913").does_not_hear("Never share")


# --- after the end, and after days ---------------------------------------------------------------------------------


def test_after_the_end_any_word_says_what_is_possible(talker: Talker) -> None:
    talker.answers_everything().says("YES").says("thanks!").hears("already registered", "LOGIN")


def test_a_registered_owner_who_comes_back_after_days_gets_a_fresh_link(
    talker: Talker, otp_service: FakeOtpService, clock: MovableClock, redis: object
) -> None:
    talker.answers_everything().says("YES")
    forget_session(talker)
    clock.pass_(days=30)
    talker.says("Hi").expects_step("completed").hears("already registered", "LOGIN").does_not_hear("Asha Devi")
    talker.says("LOGIN").hears("fresh login link", "token=")
    assert otp_service.requests[-1].data["phone"] == "+919876543210"


def test_an_unfinished_owner_who_comes_back_chooses_before_anything_is_shown(
    talker: Talker, clock: MovableClock
) -> None:
    talker.says_all("Hi", "Asha Devi", "7")
    forget_session(talker)
    clock.pass_(days=3)
    talker.says("Hi").expects_step("welcome").hears("*1*", "*2*").does_not_hear("Asha Devi", "Retail")
    talker.says("status").does_not_hear("Asha Devi")
    talker.says("maybe").expects_step("welcome").hears("*1*")
    talker.says("1").expects_step("pincode").hears("Asha Devi", "Retail", "pincode")


def test_an_unfinished_owner_may_start_over(talker: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi", "7")
    forget_session(talker)
    clock.pass_(days=3)
    talker.says_all("Hi", "2").expects_step("name").expects_data()
    assert talker.stored.contact.draft is None


def test_unfinished_answers_are_forgotten_after_a_week(talker: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi", "7")
    forget_session(talker)
    clock.pass_(days=8)
    talker.says("Hi").expects_step("name").hears("Welcome to MSMEBazaar").expects_data()
    assert talker.stored.contact.draft is None


def forget_session(talker: Talker) -> None:
    """What Redis does 24 hours after the last message."""
    store = talker.store
    store._client.delete(store._keys.session(store.identify(talker.sender)))
