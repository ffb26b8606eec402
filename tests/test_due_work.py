"""What the bot does for people who do not write: reminders, OTPs after an outage, and words that Twilio answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.turn import MessageKind, OtpResult, Turn
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.storage import keys
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.session_store import StoredPerson
from onboarding_bot.wiring import Parts, build_parts
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import ENVIRONMENT, settings
from tests.talker import Talker, post_signed, webhook_form

KEYS = Keys(ENVIRONMENT["PERSON_ID_KEY"])
MORNING = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)  # 10:00 in India
LEASE = timedelta(seconds=60)


class Worker:
    """The worker's part, step by step, with a phone that remembers what came in."""

    def __init__(self, parts: Parts, clock: MovableClock) -> None:
        self.parts = parts
        self.clock = clock
        self.received: list[tuple[str, str]] = []
        parts.conversation.reminders._send = self._send
        parts.conversation.otp_retry._send = self._send

    def _send(self, address: str, text: str) -> Sent:
        self.received.append((address, text))
        return Sent(SendResult.ACCEPTED, "SM1")

    def works(self) -> list[tuple[str, str]]:
        """Everything that is due now is done; what people received of it."""
        self.received.clear()
        for work, person_id in self.parts.storage.store.take_due(self.clock.moment, LEASE):
            if work is DueWork.REMINDER:
                self.parts.conversation.reminders.remind(person_id)
            else:
                self.parts.conversation.otp_retry.retry(person_id)
        return list(self.received)

    def works_on_until(self, moment: datetime) -> list[tuple[datetime, str]]:
        """Look every ten minutes; when somebody received something, and what."""
        received = []
        while self.clock.moment < moment:
            received += [(self.clock.moment, text) for _, text in self.works()]
            self.clock.pass_(minutes=10)
        return received


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(MORNING)


@pytest.fixture
def worker(redis: Redis, otp_service: FakeOtpService, clock: MovableClock) -> Worker:
    return Worker(build_parts(settings(), redis=redis, otp_service=otp_service, clock=clock.clock()), clock)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


# --- reminders -----------------------------------------------------------------------------------------------------


def test_who_stops_in_mid_flow_is_reminded_twice_and_never_again(talker: Talker, worker: Worker) -> None:
    talker.says_all("Hi", "Asha Devi")
    received = worker.works_on_until(MORNING + hours(48))
    assert [moment - MORNING for moment, _ in received] == [hours(2), hours(23)]
    assert all("12. Other" in text for _, text in received)
    assert "last reminder" in received[1][1]


def test_an_answer_puts_the_reminder_off(talker: Talker, worker: Worker, clock: MovableClock) -> None:
    talker.says("Hi")
    clock.pass_(hours=1, minutes=50)
    talker.says("Asha Devi")
    assert worker.works_on_until(MORNING + hours(3.5)) == []
    assert len(worker.works_on_until(MORNING + hours(4.5))) == 1


def test_nobody_is_reminded_at_night(talker: Talker, worker: Worker, clock: MovableClock) -> None:
    clock.pass_(hours=10)  # 20:00
    talker.says("Hi")
    received = worker.works_on_until(MORNING + hours(40))
    assert [moment - MORNING for moment, _ in received] == [hours(23), hours(33)]  # 09:00, and 19:00


def test_a_last_reminder_that_the_night_would_push_out_of_the_window_is_dropped(
    talker: Talker, worker: Worker, clock: MovableClock
) -> None:
    clock.pass_(hours=12, minutes=30)  # 22:30: the hour before the window closes is at night
    talker.says("Hi")
    received = worker.works_on_until(MORNING + hours(60))
    assert [moment - MORNING for moment, _ in received] == [hours(23)]


def test_a_worker_that_was_away_disturbs_nobody_at_night(talker: Talker, worker: Worker, clock: MovableClock) -> None:
    talker.says("Hi")
    clock.pass_(hours=12)  # 22:00: the reminder of 12:00 is late
    assert worker.works_on_until(MORNING + hours(22.9)) == []
    ((_, text),) = worker.works_on_until(MORNING + hours(23.4))
    assert "last reminder" in text


def test_a_worker_that_was_away_sends_one_reminder_and_none_when_the_window_closes(
    talker: Talker, worker: Worker, clock: MovableClock
) -> None:
    talker.says("Hi")
    clock.pass_(hours=23, minutes=30)
    assert len(worker.works_on_until(MORNING + hours(30))) == 1


def test_nobody_is_reminded_in_the_last_minutes_of_the_window(
    talker: Talker, worker: Worker, clock: MovableClock
) -> None:
    talker.says("Hi")
    clock.pass_(hours=23, minutes=56)
    assert worker.works_on_until(MORNING + hours(30)) == []


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(["Hi", "STOP"], id="after STOP"),
        pytest.param(["Hi", "Asha Devi", "7", "560001", "1", "YES"], id="after the end"),
    ],
)
def test_who_must_not_be_reminded(talker: Talker, worker: Worker, says: list[str]) -> None:
    talker.says_all(*says)
    assert worker.works_on_until(MORNING + hours(30)) == []
    assert worker.parts.storage.store.take_due(MORNING + hours(100), LEASE) == [], "nobody looks at it for ever"


def test_a_reminder_that_nobody_needs_any_more_is_no_longer_due(
    talker: Talker, worker: Worker, clock: MovableClock
) -> None:
    talker.says("Hi")
    clock.pass_(hours=25)
    store = worker.parts.storage.store
    assert worker.works() == []
    assert store.take_due(clock.moment + hours(100), LEASE) == []


def test_a_message_at_the_very_moment_wins_over_the_reminder(
    app: Flask, talker: Talker, worker: Worker, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker.says("Hi")
    clock.pass_(hours=2)
    remind = Engine.remind

    def answer_meanwhile(engine: Engine, *state: Any) -> Turn:
        Talker(app).says("Asha Devi")
        return remind(engine, *state)

    monkeypatch.setattr(Engine, "remind", answer_meanwhile)
    assert worker.works() == []
    talker.expects_step("sector").expects_data(name="Asha Devi")


def test_whoever_comes_back_at_the_very_moment_is_reminded_again(
    talker: Talker, worker: Worker, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job found that the session is over; by the time it says so there is another one."""
    talker.says("Hi")
    clock.pass_(hours=25)
    store = worker.parts.storage.store
    load = store.load

    def load_and_be_late(person_id: str) -> StoredPerson:
        known = load(person_id)
        monkeypatch.setattr(store, "load", load)
        talker.says("Hi")
        return known

    monkeypatch.setattr(store, "load", load_and_be_late)
    assert worker.works() == []
    clock.pass_(hours=2)
    assert len(worker.works()) == 1


def test_a_reminder_does_not_keep_a_session_alive(talker: Talker, worker: Worker, redis: Redis) -> None:
    talker.says("Hi")
    before = talker.stored.session
    worker.clock.pass_(hours=2)
    assert len(worker.works()) == 1
    assert talker.stored.session.updated_at == before.updated_at
    assert redis.pttl(KEYS.session(talker.stored.person_id)) <= 22 * 3600 * 1000


def test_work_that_a_dead_worker_took_is_taken_again(talker: Talker, worker: Worker, clock: MovableClock) -> None:
    talker.says("Hi")
    clock.pass_(hours=2)
    assert len(worker.parts.storage.store.take_due(clock.moment, LEASE)) == 1
    assert worker.works() == []
    clock.pass_(seconds=61)
    assert len(worker.works()) == 1


# --- OTPs after an outage ------------------------------------------------------------------------------------------


Outage = Callable[[OtpResult], None]


@pytest.fixture
def outage(talker: Talker, otp_service: FakeOtpService) -> Outage:
    def break_it(result: OtpResult) -> None:
        otp_service.result = result
        talker.answers_everything().says("YES").hears("answers are kept")

    return break_it


@pytest.mark.parametrize("result", [OtpResult.NOT_SENT, OtpResult.AMBIGUOUS])
def test_the_worker_goes_on_after_an_outage_with_the_same_key_and_tells_once(
    talker: Talker,
    worker: Worker,
    otp_service: FakeOtpService,
    clock: MovableClock,
    outage: Outage,
    result: OtpResult,
) -> None:
    outage(result)
    clock.pass_(seconds=61)
    assert worker.works() == []
    otp_service.result = OtpResult.SENT
    clock.pass_(seconds=61)
    ((address, text),) = worker.works()
    assert address == talker.sender
    assert "token=" in text
    talker.expects_step("completed")
    assert len({request.intention_id for request in otp_service.requests}) == 1
    assert worker.works_on_until(clock.moment + hours(1)) == []


def test_who_is_erased_while_an_otp_is_tried_again_hears_nothing_of_it(
    talker: Talker, worker: Worker, otp_service: FakeOtpService, clock: MovableClock, outage: Outage
) -> None:
    outage(OtpResult.NOT_SENT)
    otp_service.result = OtpResult.SENT
    otp_service.during = lambda: talker.says_all("DELETE MY DATA", "YES")
    clock.pass_(seconds=61)
    assert worker.works() == []
    assert talker.stored.session is None


def test_a_yes_meanwhile_claims_the_same_intention(
    talker: Talker, worker: Worker, otp_service: FakeOtpService, clock: MovableClock, outage: Outage
) -> None:
    outage(OtpResult.NOT_SENT)
    otp_service.result = OtpResult.SENT
    clock.pass_(seconds=30)
    talker.says("YES").expects_step("completed")
    clock.pass_(seconds=31)
    assert worker.works() == []
    assert len(otp_service.requests) == 2


def test_after_a_quarter_of_an_hour_only_the_owner_tries_again(
    talker: Talker, worker: Worker, otp_service: FakeOtpService, clock: MovableClock, outage: Outage
) -> None:
    outage(OtpResult.NOT_SENT)
    for _ in range(40):
        clock.pass_(seconds=30)
        assert worker.works() == []
    tries = len(otp_service.requests)
    assert 5 < tries < 18
    clock.pass_(minutes=30)
    worker.works()
    assert len(otp_service.requests) == tries
    otp_service.result = OtpResult.SENT
    talker.says("YES").expects_step("completed")


def test_a_refusal_after_an_outage_is_told(
    talker: Talker, worker: Worker, otp_service: FakeOtpService, clock: MovableClock, outage: Outage
) -> None:
    outage(OtpResult.NOT_SENT)
    otp_service.result = OtpResult.REFUSED
    clock.pass_(seconds=61)
    ((_, text),) = worker.works()
    assert "check the mobile number" in text
    talker.expects_step("confirmation")


# --- Advanced Opt-Out ----------------------------------------------------------------------------------------------


def opt_out_word(app: Flask, word: str) -> str:
    return post_signed(app.test_client(), webhook_form(word, OptOutType=word)).get_data(as_text=True)


def test_a_stop_that_twilio_answered_is_recorded_and_not_answered_again(app: Flask, talker: Talker) -> None:
    talker.says_all("Hi", "Asha Devi")
    assert "<Message>" not in opt_out_word(app, "STOP")
    assert talker.stored.contact.opt_out is not None
    talker.expects_step("sector").expects_data(name="Asha Devi")
    assert "<Message>" not in opt_out_word(app, "HELP")
    assert "<Message>" not in opt_out_word(app, "START")
    assert talker.stored.contact.opt_out is None


def test_whoever_began_with_such_a_word_is_still_shown_the_notice(app: Flask, talker: Talker) -> None:
    assert "<Message>" not in opt_out_word(app, "START")
    talker.says("Hi").expects_step("name").hears("Welcome to MSMEBazaar", "PRIVACY")


# --- news ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["START", "UPDATES"])
def test_whoever_asks_for_messages_again_is_no_longer_suppressed(
    talker: Talker, worker: Worker, redis: Redis, clock: MovableClock, word: str
) -> None:
    talker.says("Hi")
    store = worker.parts.storage.store
    permit = KEYS.permit(store.identify(talker.sender))
    worker.parts.storage.suppressions.suppress(store.identify(talker.sender), 21610)
    talker.says("Asha Devi")
    assert redis.hexists(permit, "suppressed")
    clock.pass_(seconds=1)
    talker.says(word)
    assert not redis.hexists(permit, "suppressed")
    worker.parts.storage.suppressions.suppress(store.identify(talker.sender), 21610)
    talker.says("STATUS")
    assert redis.hexists(permit, "suppressed")


class Reached:
    """What broadcasts reach a talker by now: a text about the sign-up, and news."""

    def __init__(self, worker: Worker, talker: Talker, clock: MovableClock) -> None:
        self.recipients, self.clock = worker.parts.storage.recipients, clock
        self.person_id = worker.parts.storage.store.identify(talker.sender)

    def by(self, purpose: Purpose, **content: Any) -> bool:
        definition = Definition(**(content or {"message": "Hello."}), purpose=purpose)
        found = self.recipients.would_add(
            keys.shard_of(self.person_id), [self.person_id], definition, self.clock.moment
        )
        return "pending" in found

    @property
    def service(self) -> bool:
        return self.by(Purpose.SERVICE)

    @property
    def news(self) -> bool:
        return self.by(Purpose.MARKETING)


@pytest.mark.parametrize("way", ["text", "picture", "twilio's own answer"])
def test_who_blocked_us_and_writes_again_gets_service_and_no_news(
    app: Flask, talker: Talker, worker: Worker, clock: MovableClock, way: str
) -> None:
    talker.says_all("Hi", "Asha Devi", "UPDATES")
    reached = Reached(worker, talker, clock)
    assert reached.service
    assert reached.news
    worker.parts.storage.suppressions.suppress(reached.person_id, 63014)
    assert not reached.service
    assert not reached.news
    match way:
        case "text":
            talker.says("STATUS")
        case "picture":
            talker.sends(MessageKind.IMAGE)
        case _:
            opt_out_word(app, "HELP")
    assert reached.service
    assert not reached.news, "a message is no consent to news"
    clock.pass_(days=3)
    assert not reached.by(Purpose.SERVICE, content_sid="HX" + "a" * 32), "nor to templates outside the window"
    talker.says("START")
    assert reached.service
    assert not reached.news
    clock.pass_(seconds=1)
    talker.says("UPDATES")
    assert reached.service
    assert reached.news


@pytest.mark.parametrize(
    ("code", "comes_back"), [(63014, True), (63024, True), (63003, True), (21211, True), (21610, False)]
)
def test_a_message_disproves_what_an_error_said_of_its_writer(
    talker: Talker, worker: Worker, clock: MovableClock, code: int, comes_back: bool
) -> None:
    talker.says_all("Hi", "Asha Devi")
    reached = Reached(worker, talker, clock)
    for number in range(3):
        worker.parts.storage.suppressions.suppress_after(3, f"{number}" * 24, reached.person_id, code)
    assert not reached.service
    talker.says("STATUS")
    assert reached.service is comes_back
    worker.parts.storage.suppressions.suppress_after(3, "3" * 24, reached.person_id, code)
    assert reached.service is comes_back, "and earlier errors count no more"


def test_a_reminder_lifts_no_suppression(talker: Talker, worker: Worker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi")
    reached = Reached(worker, talker, clock)
    worker.parts.storage.suppressions.suppress(reached.person_id, 63014)
    clock.pass_(hours=3)
    assert worker.works()
    assert not reached.service


def test_a_block_that_is_told_late_leaves_twilios_stop_in_place(
    talker: Talker, worker: Worker, clock: MovableClock
) -> None:
    talker.says_all("Hi", "Asha Devi")
    reached = Reached(worker, talker, clock)
    worker.parts.storage.suppressions.suppress(reached.person_id, 21610)
    worker.parts.storage.suppressions.suppress(reached.person_id, 63014)
    talker.says("STATUS")
    assert not reached.service


def test_updates_is_a_recorded_yes_and_stop_ends_it(talker: Talker) -> None:
    talker.answers_everything().says("YES").hears("UPDATES")
    assert "marketing" not in talker.stored.contact.consents
    talker.says("updates").hears("news of fairs")
    consent = talker.stored.contact.consents["marketing"]
    assert (consent.source, consent.text_version) == (talker.sid, "updates-2026-11")
    talker.says("STOP")
    assert "marketing" not in talker.stored.contact.consents
    talker.says("UPDATES")
    assert talker.stored.contact.opt_out is None
