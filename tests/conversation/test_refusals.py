"""What people say instead of an answer: a no is obeyed, a question answered, and neither is kept or counts as a yes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.intents import Refusal, refusal_in
from onboarding_bot.conversation.reply import Part
from tests.fakes import NOON, MovableClock
from tests.talker import Talker

KEEPS_NOTHING = "I keep none of your answers and will not write to you"
# What is said before, to stand at each step.
STEPS = {
    "name": ("Hi",),
    "sector": ("Hi", "Asha Devi"),
    "pincode": ("Hi", "Asha Devi", "7"),
    "phone": ("Hi", "Asha Devi", "7", "560001"),
    "confirmation": ("Hi", "Asha Devi", "7", "560001", "98765 43210"),
    "choosing": ("Hi", "Asha Devi", "7", "560001", "98765 43210", "NO"),
}


def keeps_nothing(talker: Talker) -> None:
    contact, session = talker.stored.contact, talker.stored.session
    assert dict(session.data) == {}
    assert contact.draft is None
    assert dict(contact.consents) == {}
    assert contact.opt_out is not None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("Not interested", Refusal.NOT_INTERESTED, id="not interested"),
        pytest.param("I'm really not all that interested", Refusal.NOT_INTERESTED, id="with words in between"),
        pytest.param("mujhe nahi chahiye", Refusal.NOT_INTERESTED, id="Hindi in Latin letters"),
        pytest.param("मुझे नहीं चाहिए", Refusal.NOT_INTERESTED, id="Hindi"),
        pytest.param("I do not agree", Refusal.DISAGREE, id="no agreement"),
        pytest.param("I don’t agree!", Refusal.DISAGREE, id="with the apostrophe of a phone"),
        pytest.param("main sehmat nahi hu", Refusal.DISAGREE, id="no agreement in Latin Hindi"),
        pytest.param("मुझे मंज़ूर नहीं", Refusal.DISAGREE, id="no agreement in Hindi"),
        pytest.param("Wrong number", Refusal.WRONG_NUMBER, id="wrong number"),
        pytest.param("galat number hai", Refusal.WRONG_NUMBER, id="wrong number in Latin Hindi"),
        pytest.param("leave me alone", Refusal.DO_NOT_WRITE, id="leave me alone"),
        pytest.param("don't contact me", Refusal.DO_NOT_WRITE, id="do not contact"),
        pytest.param("mujhe pareshan mat karo", Refusal.DO_NOT_WRITE, id="do not disturb"),
        pytest.param("I want to delete my data", Refusal.DELETE, id="delete"),
        pytest.param("मेरा डेटा मिटा दीजिए", Refusal.DELETE, id="delete in Hindi"),
        pytest.param("why don't you need my pincode?", None, id="a question is no refusal"),
        pytest.param("I don't know what I need", None, id="nor is not to know"),
        pytest.param("samajh nahi aaya kya karna hai", None, id="nor not to understand"),
        pytest.param("Thank you for your message, we do not accept calls", None, id="nor what a machine says"),
        pytest.param("Naina Devi", None, id="a name"),
        pytest.param("Nahid Khan", None, id="a name that begins like a no"),
    ],
)
def test_the_kind_of_a_refusal(text: str, kind: Refusal | None) -> None:
    assert refusal_in(text) is kind


@pytest.mark.parametrize("said", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("refusal", ["Not interested", "I do not agree", "mujhe nahi chahiye", "मुझे नहीं चाहिए"])
def test_a_refusal_keeps_nothing_and_is_told_so(talker: Talker, said: tuple[str, ...], refusal: str) -> None:
    talker.says_all(*said).says(refusal).expects_step("name").hears("START", "Hi")
    assert KEEPS_NOTHING in talker.reply or "कोई जवाब नहीं रखता" in talker.reply
    keeps_nothing(talker)


def test_whoever_refused_may_come_back(talker: Talker) -> None:
    talker.says_all("Hi", "Not interested").says("START").expects_step("name").hears("full name")
    assert talker.stored.contact.opt_out is None
    talker.says("Asha Devi").expects_step("sector")
    assert "service" in talker.stored.contact.consents


def test_a_refusal_is_handled_once(talker: Talker) -> None:
    talker.says_all("Hi", "Not interested")
    before, told = talker.stored.session_version, talker.reply
    talker.says("Not interested", sid=talker.sid)
    assert (talker.stored.session_version, talker.reply) == (before, told)


def test_a_first_message_that_refuses_is_obeyed_and_the_notice_comes_later(talker: Talker) -> None:
    talker.says("Wrong number").hears(KEEPS_NOTHING).does_not_hear("Welcome")
    keeps_nothing(talker)
    talker.says("Hi").expects_step("name").hears("Welcome to MSMEBazaar")


def test_unfinished_answers_are_dropped_by_a_refusal(talker: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi", "7")
    store = talker.store
    store._client.delete(store._keys.session(store.identify(talker.sender)))
    clock.pass_(days=3)
    talker.says("not interested any more").hears(KEEPS_NOTHING)
    keeps_nothing(talker)


@pytest.mark.parametrize("said", STEPS.values(), ids=STEPS)
def test_a_wish_not_to_be_written_to_is_a_stop(talker: Talker, said: tuple[str, ...]) -> None:
    talker.says_all(*said)
    data = dict(talker.stored.session.data)
    talker.says("don't contact me").hears("no reminders and no news", "START")
    assert talker.stored.contact.opt_out is not None
    assert dict(talker.stored.session.data) == data


@pytest.mark.parametrize("said", STEPS.values(), ids=STEPS)
def test_a_wish_to_be_forgotten_is_asked_about_and_done(talker: Talker, said: tuple[str, ...]) -> None:
    talker.says_all(*said).says("I want to delete my data").hears("erases all", "YES").says("yes").hears("Done")
    assert talker.stored.session is None


def test_a_registered_owner_who_refuses_gets_no_messages_and_stays_registered(talker: Talker) -> None:
    talker.answers_everything().says("YES").says("not interested").hears("no reminders and no news")
    contact = talker.stored.contact
    assert (contact.registration["name"], dict(contact.consents)) == ("Asha Devi", {})
    assert contact.opt_out is not None


@pytest.mark.parametrize(("step", "told"), [("phone", "10 digits"), ("confirmation", "4. Mobile number")])
def test_a_wrong_number_where_a_number_was_asked_for_is_no_refusal(talker: Talker, step: str, told: str) -> None:
    talker.says_all(*STEPS[step]).says("wrong number").expects_step(step).hears(told).does_not_hear(KEEPS_NOTHING)
    assert talker.stored.contact.opt_out is None


def test_a_refusal_is_obeyed_while_messages_come_too_fast(app: Flask, talker: Talker) -> None:
    talker.says_all(*["Hi"] * 61).hears("slow down").says("leave me alone").hears("no reminders")
    assert talker.stored.contact.opt_out is not None


@pytest.mark.parametrize("said", STEPS.values(), ids=STEPS)
def test_a_question_gets_the_people_to_ask_and_the_pending_question(talker: Talker, said: tuple[str, ...]) -> None:
    talker.says_all(*said)
    before, pending = talker.stored.session, talker.says("HELP").reply.split("\n\n")[-1]
    talker.says("why do you need it?").hears("+91 80 5550 0100", pending)
    assert talker.stored.session.data == before.data
    assert talker.stored.session.current_step is before.current_step


@pytest.mark.parametrize(
    "text",
    [
        *(
            "price?",
            "call me later",
            "I am busy",
            "who is this",
            "kya hai ye",
            "good morning",
            "ye fraud hai",
            "no",
            "ok",
        ),
        "Thank you for contacting Asha Stores! Please let us know how we can help you.",
        "we are currently unavailable",
        *("\u3164\u3164\u3164", "\u115f\u1160", "\u2800\u2800", "\uffa0\uffa0"),
    ],
)
def test_what_is_no_name_is_neither_kept_nor_a_yes(talker: Talker, text: str) -> None:
    talker.says("Hi").says(text).expects_step("name").expects_data()
    assert dict(talker.stored.contact.consents) == {}


def test_a_no_at_the_name_question_is_told_how_to_end_it(talker: Talker) -> None:
    talker.says_all("Hi", "no").expects_step("name").hears("nothing is kept", "STOP")


# --- a doubtful name -----------------------------------------------------------------------------------------------


def doubted(talker: Talker) -> Talker:
    talker.says_all("Hi", "aa fraud to nathi ne").expects_step("name").expects_data()
    assert dict(talker.stored.contact.consents) == {}
    return talker.hears("Is *aa fraud to nathi ne* your name?", "*1*", "*2*")


@pytest.mark.parametrize("yes", ["1", "yes", "1. yes", "👍", "haan"])
def test_a_doubtful_name_is_kept_after_a_yes(talker: Talker, yes: str) -> None:
    doubted(talker).says(yes).expects_step("sector").expects_data(name="aa fraud to nathi ne")
    assert talker.stored.contact.consents["service"].source == talker.sid


@pytest.mark.parametrize("no", ["2", "no", "2 no", "nahi"])
def test_a_doubtful_name_is_asked_for_again_after_a_no(talker: Talker, no: str) -> None:
    doubted(talker).says(no).expects_step("name").expects_data().hears("full name").does_not_hear("Is *")
    talker.says("1").expects_step("name").expects_data()


def test_another_text_is_a_new_answer(talker: Talker) -> None:
    doubted(talker).says("Asha Devi").expects_step("sector").expects_data(name="Asha Devi")


def test_a_refusal_in_between_counts(talker: Talker) -> None:
    doubted(talker).says("not interested").hears(KEEPS_NOTHING)
    keeps_nothing(talker)
    talker.says("yes").expects_step("name").expects_data()


@pytest.mark.parametrize("command", ["HELP", "STATUS", "PRIVACY", "Hi", "SUPPORT"])
def test_the_doubt_is_still_pending_after_a_command(talker: Talker, command: str) -> None:
    doubted(talker).says(command).hears("Is *aa fraud to nathi ne* your name?").says("1").expects_step("sector")


@pytest.mark.parametrize("command", ["BACK", "RESTART"])
def test_back_and_restart_leave_the_doubt(talker: Talker, command: str) -> None:
    doubted(talker).says(command).expects_step("name").hears("full name").does_not_hear("Is *")
    talker.says("1").expects_step("name").expects_data()


def test_a_copy_of_the_yes_changes_nothing(talker: Talker) -> None:
    doubted(talker).says("1")
    before, told = talker.stored.session_version, talker.reply
    talker.says("1", sid=talker.sid)
    assert (talker.stored.session_version, talker.reply) == (before, told)


def test_a_reminder_repeats_the_doubt(talker: Talker) -> None:
    stored = doubted(talker).stored
    reminder = Engine().remind(stored.session, stored.contact, 1, NOON)
    assert reminder.reply[-1] == Part("name.doubtful", {"name": "aa fraud to nathi ne"})


def test_an_admin_who_looks_sees_a_doubtful_name_as_no_answer(talker: Talker) -> None:
    assert doubted(talker).stored.session.current_step == "name"
    assert talker.stored.contact.draft is None


def test_a_name_is_doubted_when_it_is_changed_at_the_end_as_well(talker: Talker) -> None:
    talker.answers_everything().says_all("NO", "1", "Start Up Services").hears("Is *Start Up Services* your name?")
    talker.says("BACK").expects_step("confirmation").hears("Asha Devi")
    talker.says_all("NO", "1", "Start Up Services", "1").expects_step("confirmation").hears("Start Up Services")


# --- a yes is only what was meant as one ----------------------------------------------------------------------------


def test_an_answer_after_the_name_brings_no_consent_back(talker: Talker) -> None:
    """An admin wrote down that the person takes it back: going on with the pincode is no new yes."""
    talker.says_all("Hi", "Asha Devi")
    store, known = talker.store, talker.stored
    store.amend(known, replace(known.contact, consents={}))
    talker.says_all("7", "560001", "1").expects_step("confirmation")
    assert dict(talker.stored.contact.consents) == {}


@pytest.mark.parametrize("word", ["update", "अपडेट"])
def test_the_wish_to_change_something_is_no_yes_to_news(talker: Talker, word: str) -> None:
    talker.answers_everything().says(word).hears("1. Name")
    assert "marketing" not in talker.stored.contact.consents


@pytest.mark.parametrize("word", ["शुरू", "shuru karo"])
def test_the_wish_to_begin_takes_no_stop_back(talker: Talker, word: str) -> None:
    talker.says_all("Hi", "STOP", word)
    assert talker.stored.contact.opt_out is not None
