"""After an outage: whom nobody answered hears from the bot once, and everybody else hears nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.catch_up import CatchUp, CatchUpResult
from onboarding_bot.conversation.reply import Part
from onboarding_bot.services.twilio_message_log import Direction, LoggedMessage
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.wiring import build_parts
from tests.command_line import run_command
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import OWNER, Talker

BOT = "whatsapp:+14155238886"
_numbers = itertools.count(1)


@dataclass
class Twilio:
    """Its record of messages, and a phone that remembers what came in."""

    clock: MovableClock
    record: list[LoggedMessage] = field(default_factory=list)
    heard: list[tuple[str, str]] = field(default_factory=list)
    answers: Iterator[Sent] = field(default_factory=lambda: itertools.repeat(Sent(SendResult.ACCEPTED, "SM1")))
    during: Callable[[], object] | None = None

    def gets(self, text: str, sender: str = OWNER, sid: str = "") -> str:
        """Somebody writes; what becomes of it is another matter."""
        sid = sid or f"SMlost{next(_numbers)}"
        self._note(LoggedMessage(sid, sender, BOT, Direction.INBOUND, text, self.clock.moment, 0))
        return sid

    def brings(self, text: str, recipient: str = OWNER, direction: Direction = Direction.REPLY) -> None:
        """The bot's TwiML, or something that it sent by itself."""
        self._note(LoggedMessage(f"SM{len(self.record)}", BOT, recipient, direction, text, self.clock.moment, 0))

    def messages(
        self, *, sender: str | None = None, recipient: str | None = None, since: datetime | None = None
    ) -> Iterator[LoggedMessage]:
        """As ``MessageLog`` tells it: the latest first."""
        for message in self.record:
            is_asked_for = sender in {None, message.sender} and recipient in {None, message.recipient}
            if is_asked_for and (since is None or message.at >= since):
                yield message

    def send(self, address: str, text: str) -> Sent:
        """The REST API."""
        if self.during:
            act, self.during = self.during, None
            act()
        sent = next(self.answers)
        if sent.result is not SendResult.NOT_PROCESSED:
            self.heard.append((address, text))
        return sent

    def _note(self, message: LoggedMessage) -> None:
        self.record.insert(0, message)


@pytest.fixture
def twilio(clock: MovableClock) -> Twilio:
    return Twilio(clock)


@pytest.fixture
def operator(redis: Redis, clock: MovableClock, twilio: Twilio) -> CatchUp:
    parts = build_parts(settings(), redis=redis, otp_service=FakeOtpService(), clock=clock.clock())
    parts.conversation.catch_up._message_log = twilio  # type: ignore[assignment]  # it stands in for MessageLog
    parts.conversation.catch_up._send = twilio.send
    return parts.conversation.catch_up


def converse(talker: Talker, twilio: Twilio, *texts: str) -> None:
    """Messages that come through, as Twilio remembers them."""
    for text in texts:
        talker.says(text)
        twilio.gets(text, talker.sender, talker.sid)
        twilio.brings(talker.reply, talker.sender)


def results(
    operator: CatchUp, *, dry_run: bool = False, since: timedelta = timedelta(hours=24)
) -> dict[CatchUpResult, int]:
    return dict(operator.run(since, dry_run=dry_run).results)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--since"),
        (["--since", "2d"], "must be a span like 90s, 30m or 2h, at most 24h"),
        (["--since", "25h"], "at most 24h"),
        (["--since", "0m"], "at most 24h"),
        (["--since", ""], "at most 24h"),
        (["--since", "30m", "--now"], "--now"),
    ],
)
def test_a_wrong_call_is_explained(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("catch-up", *arguments) == 2
    assert says in capsys.readouterr().err


def test_a_run_tells_how_far_it_has_come(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    twilio.gets("Asha Devi")
    clock.pass_(minutes=20)
    told: list[tuple[str, int, int | None]] = []
    operator.run(timedelta(hours=1), dry_run=True, progress=lambda *progress: told.append(progress))
    assert told == [("messages read", 1, None), ("messages read", 2, None), ("people looked after", 1, 1)]


# --- whom nobody answered ------------------------------------------------------------------------------------------


def test_a_lost_answer_is_asked_for_again(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi", "Asha Devi")
    clock.pass_(minutes=5)
    twilio.gets("Retail")
    twilio.gets("hello?")
    clock.pass_(minutes=20)
    assert results(operator) == {CatchUpResult.BACK: 1}
    ((address, text),) = twilio.heard
    assert address == OWNER
    assert text.startswith("🙏 We are back.")
    assert "sector" in text
    talker.expects_step("sector").says("7").expects_step("pincode")


def test_nobody_hears_of_it_twice(talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    sid = twilio.gets("Asha Devi")
    clock.pass_(minutes=20)
    assert results(operator) == {CatchUpResult.BACK: 1}
    assert results(operator) == {CatchUpResult.ANSWERED: 1}
    talker.says("Asha Devi", sid=sid).hears("We are back").expects_step("name")
    assert len(twilio.heard) == 1


def test_a_dry_run_writes_to_nobody_and_changes_nothing(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("STOP")
    twilio.gets("Hi", "whatsapp:+919000000001")
    clock.pass_(minutes=5)
    before = talker.stored
    assert results(operator, dry_run=True) == {CatchUpResult.STOPPED: 1, CatchUpResult.WELCOMED: 1}
    assert twilio.heard == []
    assert talker.stored == before


def test_a_newcomer_gets_the_welcome(app: Flask, twilio: Twilio, operator: CatchUp, clock: MovableClock) -> None:
    newcomer = Talker(app, "whatsapp:+919000000002")
    twilio.gets("मुझे जुड़ना है", newcomer.sender)
    wrote_at = clock.moment
    clock.pass_(hours=3)
    assert results(operator) == {CatchUpResult.WELCOMED: 1}
    ((_, text),) = twilio.heard
    assert "MSMEBazaar" in text
    assert "PRIVACY" in text
    newcomer.expects_step("name")
    assert newcomer.stored.contact.last_inbound_at == wrote_at
    assert newcomer.stored.contact.language == "hi"
    newcomer.says("आशा देवी").expects_step("sector")


@pytest.mark.parametrize(
    ("before", "later", "hears", "step"),
    [
        (("Hi", "Asha Devi"), {"days": 3}, "1", "welcome"),
        (("Hi", "Asha Devi", "7", "560001", "1", "YES"), {"days": 3}, "LOGIN", "completed"),
        (("Hi", "Asha Devi", "7", "560001", "1"), {"minutes": 5}, "YES", "confirmation"),
    ],
)
def test_somebody_who_comes_back_goes_on_from_there(
    talker: Talker,
    twilio: Twilio,
    operator: CatchUp,
    clock: MovableClock,
    redis: Redis,
    before: tuple[str, ...],
    later: dict[str, float],
    hears: str,
    step: str,
) -> None:
    converse(talker, twilio, *before)
    clock.pass_(**later)
    if "days" in later:
        # fakeredis does not know the moved clock: this is the session's end.
        redis.delete(talker.store._keys.session(talker.stored.person_id))
    twilio.gets("LOGIN" if step == "completed" else "hello")
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.BACK: 1}
    ((_, text),) = twilio.heard
    assert "We are back" in text
    assert hears in text
    talker.expects_step(step)


def test_an_apology_is_no_answer(talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    for part in (Part("apology.try_again"), Part("apology.reference", {"reference": "7F3K"})):
        twilio.gets("Asha Devi")
        clock.pass_(seconds=3)
        twilio.brings(operator._renderer.render((part,), "hi"))
    twilio.brings("The fair opens on Monday", direction=Direction.SENT)
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.BACK: 1}


def test_the_message_stands_for_the_first_reminder(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    clock.moment = clock.moment.replace(hour=4)
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("Asha Devi")
    clock.pass_(hours=3)
    results(operator)
    assert talker.stored.session.reminders_sent == 1
    reminder = operator._committer._timetable.next_reminder(talker.stored.session, talker.stored.contact, clock.moment)
    assert reminder is None or reminder.number == 2


def test_an_otp_request_that_nobody_is_at_work_on_any_more_is_a_message_without_an_answer(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock, otp_service: FakeOtpService
) -> None:
    converse(talker, twilio, "Hi", "Asha Devi", "7", "560001", "1")

    def die() -> None:
        raise KeyboardInterrupt

    otp_service.during = die
    sid = twilio.gets("YES")
    with pytest.raises(KeyboardInterrupt):
        talker.says("YES", sid=sid)
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.ANSWERED: 1}, "the worker still tries"
    clock.pass_(minutes=11)
    assert results(operator) == {CatchUpResult.BACK: 1}
    assert "YES" in twilio.heard[0][1]
    talker.says("YES").expects_step("completed")
    assert len({request.intention_id for request in otp_service.requests}) == 1


# --- who hears nothing ---------------------------------------------------------------------------------------------


def test_whoever_was_answered_hears_nothing(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    twilio.gets("Asha Devi")
    clock.pass_(minutes=30)
    converse(talker, twilio, "hello?")
    clock.pass_(hours=2)
    assert results(operator) == {CatchUpResult.ANSWERED: 1}
    assert twilio.heard == []


def test_whoever_wrote_an_sms_is_left_alone(
    twilio: Twilio, operator: CatchUp, clock: MovableClock, redis: Redis
) -> None:
    """The sender takes SMS too, and Twilio lists both."""
    for sender in ("+919876543210", "messenger:1234", "whatsapp:"):
        twilio.gets("Hi", sender)
        twilio.gets("STOP", sender)
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.NOT_WHATSAPP: 3}
    assert twilio.heard == []
    assert redis.keys() == []


def test_what_twilio_may_still_be_delivering_is_left_alone(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    twilio.gets("Asha Devi")
    clock.pass_(seconds=30)
    assert results(operator) == {CatchUpResult.UNDER_WAY: 1}
    clock.pass_(seconds=31)
    assert results(operator) == {CatchUpResult.BACK: 1}


def test_a_message_is_not_sent_into_a_window_that_closes(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("Asha Devi")
    clock.pass_(hours=23, minutes=56)
    assert results(operator) == {CatchUpResult.TOO_LATE: 1}
    assert twilio.heard == []


def test_what_is_older_than_asked_for_is_not_looked_at(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    twilio.gets("Asha Devi")
    clock.pass_(minutes=31)
    assert results(operator, since=timedelta(minutes=30)) == {}


def test_a_reply_that_a_restored_store_forgot_counts(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("Asha Devi")
    clock.pass_(seconds=1)
    twilio.brings("Thank you, *Asha Devi*! What is your sector?")
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.ANSWERED: 1}


def test_a_late_reply_to_an_earlier_message_does_not_count(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(seconds=1)
    twilio.gets("Asha Devi")
    clock.pass_(seconds=5)
    twilio.brings("the welcome, which took six seconds")
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.BACK: 1}


def test_whoever_was_erased_is_not_written_to(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("Asha Devi")
    clock.pass_(minutes=5)
    operator._erasures.erase(talker.store.identify(OWNER), clock.moment)
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.ERASED: 1}
    assert twilio.heard == []
    assert talker.stored.session is None


# --- STOP, START, UPDATES ------------------------------------------------------------------------------------------


def test_after_a_stop_nobody_is_written_to(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi", "STOP")
    clock.pass_(minutes=5)
    twilio.gets("Asha Devi")
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.OPTED_OUT: 1}
    assert twilio.heard == []


@pytest.mark.parametrize(
    "words", [("STOP",), ("Asha Devi", "band karo", "hello?"), ("UPDATES", "stop"), ("mujhe nahi chahiye",)]
)
def test_a_lost_stop_is_recorded_and_confirmed_once(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock, words: tuple[str, ...]
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    for word in words:
        sid, said_at = twilio.gets(word), clock.moment
        clock.pass_(seconds=1)
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.STOPPED: 1}
    ((_, text),) = twilio.heard
    assert text.startswith("Done: you will get no reminders")
    assert "We are back" not in text
    opt_out = talker.stored.contact.opt_out
    assert opt_out.at <= said_at
    assert opt_out.source.startswith("SMlost")
    assert "marketing" not in talker.stored.contact.consents
    assert CatchUpResult.STOPPED not in results(operator)
    assert len(twilio.heard) == 1
    assert sid


def test_a_newcomers_lost_stop_is_recorded_too(
    app: Flask, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    newcomer = Talker(app, "whatsapp:+919000000003")
    twilio.gets("STOP", newcomer.sender)
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.STOPPED: 1}
    assert newcomer.stored.contact.opt_out is not None
    newcomer.says("Hi").expects_step("name").hears("Welcome to MSMEBazaar")


def test_a_stop_that_was_lost_before_the_conversation_went_on_is_recorded(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("STOP")
    clock.pass_(minutes=30)
    converse(talker, twilio, "Asha Devi")
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.STOPPED: 1}
    assert talker.stored.contact.opt_out is not None
    talker.expects_step("sector")
    assert results(operator) == {CatchUpResult.ANSWERED: 1}


@pytest.mark.parametrize("words", [("STOP",), ("STOP", "START"), ("STOP", "UPDATES"), ("UPDATES", "STOP")])
def test_words_that_were_heard_in_their_time_are_not_heard_again(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock, words: tuple[str, ...]
) -> None:
    converse(talker, twilio, "Hi")
    for word in words:
        clock.pass_(minutes=16)
        converse(talker, twilio, word)
    clock.pass_(minutes=16)
    converse(talker, twilio, "Asha Devi")
    clock.pass_(minutes=5)
    before = talker.stored
    assert results(operator) == {CatchUpResult.ANSWERED: 1}
    assert talker.stored == before


def test_lost_words_of_consent_count_in_their_order(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi", "STOP")
    for word in ("STOP", "START", "UPDATES"):
        clock.pass_(minutes=1)
        twilio.gets(word)
    clock.pass_(minutes=5)
    assert results(operator) == {CatchUpResult.BACK: 1}
    ((_, text),) = twilio.heard
    assert "news of fairs" in text
    contact = talker.stored.contact
    assert contact.opt_out is None
    assert contact.consents["marketing"].source.startswith("SMlost")


def test_a_stop_that_a_restored_store_forgot_is_recorded_again(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    backup = talker.stored
    clock.pass_(minutes=30)
    converse(talker, twilio, "STOP", "Asha Devi")
    now = talker.stored
    clock.pass_(hours=2)
    talker.store.commit(now, backup.session, backup.contact, {}, clock.moment)
    assert talker.stored.contact.opt_out is None
    results(operator)
    assert talker.stored.contact.opt_out is not None
    assert len(twilio.heard) == 1


def test_a_stop_outside_the_window_is_recorded_without_a_word(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("STOP")
    clock.pass_(hours=23, minutes=57)
    assert results(operator) == {CatchUpResult.RECORDED: 1}
    assert twilio.heard == []
    assert talker.stored.contact.opt_out is not None


# --- two at once, and what fails -----------------------------------------------------------------------------------


def test_two_operators_at_once_write_to_each_person_once(
    app: Flask, talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    people = [Talker(app, f"whatsapp:+9190000001{number:02}") for number in range(5)]
    for person in people:
        converse(person, twilio, "Hi")
    clock.pass_(minutes=5)
    for person in people:
        twilio.gets("Asha Devi", person.sender)
    clock.pass_(minutes=5)
    second: list[dict[CatchUpResult, int]] = []
    twilio.during = lambda: second.append(results(operator))
    first = results(operator)
    assert sorted(address for address, _ in twilio.heard) == sorted(person.sender for person in people)
    assert first[CatchUpResult.BACK] + second[0][CatchUpResult.BACK] == 5


def test_somebody_who_writes_meanwhile_is_answered_by_the_bot(
    talker: Talker, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("Asha Devi")
    clock.pass_(minutes=5)
    store: Any = operator._committer._store
    load = store.load_together

    def load_and_be_overtaken(people: list[str], message_sid: str = "") -> object:
        known = load(people, message_sid)
        talker.says("Asha Devi")
        return known

    store.load_together = load_and_be_overtaken
    assert results(operator) == {CatchUpResult.ANSWERED: 1}
    assert twilio.heard == []


def test_dying_before_a_message_goes_out_loses_that_one_and_doubles_none(
    app: Flask, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    people = [f"whatsapp:+9190000003{number:02}" for number in range(3)]
    for person in people:
        converse(Talker(app, person), twilio, "Hi")
    clock.pass_(minutes=5)
    for person in people:
        twilio.gets("Asha Devi", person)
        clock.pass_(seconds=1)
    clock.pass_(minutes=5)

    def die() -> None:
        raise KeyboardInterrupt

    twilio.during = die
    with pytest.raises(KeyboardInterrupt):
        results(operator)
    assert results(operator) == {CatchUpResult.ANSWERED: 1, CatchUpResult.BACK: 2}
    assert [address for address, _ in twilio.heard] == people[1:]


@pytest.mark.parametrize(
    ("answers", "fate", "heard"),
    [
        ([Sent(SendResult.NOT_PROCESSED, retry_after=3.0), Sent(SendResult.ACCEPTED, "SM1")], CatchUpResult.BACK, 1),
        ([Sent(SendResult.NOT_PROCESSED)] * 5, CatchUpResult.NOT_SENT, 0),
        ([Sent(SendResult.UNCERTAIN)], CatchUpResult.UNCERTAIN, 1),
        ([Sent(SendResult.REFUSED, code=63024)], CatchUpResult.REFUSED, 1),
        ([Sent(SendResult.REFUSED, code=63018)], CatchUpResult.NOT_SENT, 1),
    ],
)
def test_what_twilio_makes_of_it(
    talker: Talker,
    twilio: Twilio,
    operator: CatchUp,
    clock: MovableClock,
    answers: list[Sent],
    fate: CatchUpResult,
    heard: int,
) -> None:
    converse(talker, twilio, "Hi")
    clock.pass_(minutes=5)
    twilio.gets("Asha Devi")
    clock.pass_(minutes=5)
    twilio.answers = iter(answers)
    assert results(operator) == {fate: 1}
    assert len(twilio.heard) == heard


def test_when_twilio_takes_nothing_the_others_wait_for_the_next_run(
    app: Flask, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    for number in range(3):
        converse(Talker(app, f"whatsapp:+9190000002{number:02}"), twilio, "Hi")
    clock.pass_(minutes=5)
    for number in range(3):
        twilio.gets("Asha Devi", f"whatsapp:+9190000002{number:02}")
    clock.pass_(minutes=5)
    twilio.answers = itertools.repeat(Sent(SendResult.NOT_PROCESSED))
    assert results(operator) == {CatchUpResult.NOT_SENT: 1}
    twilio.answers = itertools.repeat(Sent(SendResult.ACCEPTED))
    assert results(operator) == {CatchUpResult.ANSWERED: 1, CatchUpResult.BACK: 2}


def test_who_wrote_under_both_addresses_hears_from_the_bot_once(
    app: Flask, twilio: Twilio, operator: CatchUp, clock: MovableClock
) -> None:
    asha = Talker(app, user_id="IN.13491208655302741918")
    for text in ("Hi", "Asha Devi"):
        asha.says(text)
        twilio.gets(text, OWNER, asha.sid)
        twilio.brings(asha.reply)
    clock.pass_(minutes=5)
    twilio.gets("7", OWNER)
    twilio.gets("560001", f"whatsapp:{asha.user_id}")
    clock.pass_(minutes=20)
    results(operator)
    assert len(twilio.heard) == 1
