"""The messages of an erased person at Twilio: all of them go, however long that takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from redis import Redis

from onboarding_bot.people.message_deletions import BATCH, MessageDeletions
from onboarding_bot.services.twilio_message_log import Direction, LoggedMessage, MessageLogError
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.erasure_work import MESSAGES_DELETED_AFTER, MESSAGES_GIVEN_UP_AFTER
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.fakes import NOON, MovableClock

BOT, OWNER, OTHER = "whatsapp:+14155238886", "whatsapp:+919876543210", "whatsapp:+919876543211"
MINUTE = timedelta(minutes=1)


@dataclass
class FakeLog:
    """Twilio's record of messages in memory; the SIDs in ``stubborn`` cannot be deleted yet."""

    kept: list[LoggedMessage] = field(default_factory=list)
    stubborn: set[str] = field(default_factory=set)
    fault: MessageLogError | None = None

    def add(self, count: int, sender: str = OWNER, recipient: str = BOT, **fields: Any) -> None:
        for _ in range(count):
            message = LoggedMessage(f"SM{len(self.kept)}", sender, recipient, Direction.INBOUND, "", NOON, 0)
            self.kept.append(replace(message, **fields))

    def messages(self, *, sender: str | None = None, recipient: str | None = None) -> Iterator[LoggedMessage]:
        if self.fault:
            raise self.fault
        for message in list(self.kept):
            if message.sender == (sender or message.sender) and message.recipient == (recipient or message.recipient):
                yield message

    def delete(self, message: LoggedMessage) -> bool:
        if message.sid in self.stubborn:
            return False
        self.kept.remove(message)
        return True


@dataclass
class Work:
    """The job and all that it leans on."""

    redis: Redis
    store: RedisSessionStore
    deletions: MessageDeletions
    log: FakeLog
    clock: MovableClock

    def due(self) -> list[str]:
        return [deletion_id for _, deletion_id in self.store.take_due(self.clock.moment, MINUTE)]

    def run_due(self) -> None:
        """A minute passes, and the worker does what is due."""
        self.clock.pass_(minutes=1, seconds=1)
        for deletion_id in self.due():
            self.deletions.run(deletion_id)

    def is_over(self) -> bool:
        return not [name for pattern in ("*:messages:*", "*:due") for name in self.redis.scan_iter(pattern)]


@pytest.fixture
def work(redis: Redis, clock: MovableClock) -> Work:
    keys, sealer, log = Keys("person-key-of-the-tests"), Sealer(Cipher([b"k" * 32])), FakeLog()
    store = RedisSessionStore(redis, keys, sealer, timedelta(days=180), timedelta(days=7))
    erasures = Erasures(redis, keys, sealer, store)
    deletions = MessageDeletions(
        erasures,
        log,  # type: ignore[arg-type]  # it stands in for MessageLog
        lambda: clock.moment,
        lambda seconds: clock.pass_(seconds=seconds),
    )
    erasures.erase(store.identify(OWNER), NOON, OWNER)
    return Work(redis, store, deletions, log, clock)


def test_everything_goes_both_ways_and_nothing_else(work: Work) -> None:
    work.log.add(3)
    work.log.add(3, BOT, OWNER, direction=Direction.REPLY)
    work.log.add(2, OTHER)
    work.run_due()
    assert {message.sender for message in work.log.kept} == {OTHER}
    assert not work.is_over(), "what was on its way a moment ago may be there by now"
    work.run_due()
    assert work.is_over()


def test_it_waits_for_the_erasure_reply(work: Work) -> None:
    assert work.due() == []
    work.log.add(1, BOT, OWNER, at=NOON + timedelta(seconds=5))
    work.run_due()
    assert work.log.kept == []


def test_what_a_person_writes_after_coming_back_stays(work: Work) -> None:
    work.log.add(1, at=NOON + MESSAGES_DELETED_AFTER + timedelta(seconds=1))
    work.run_due()
    assert len(work.log.kept) == 1
    assert work.is_over()


def test_many_messages_go_a_few_at_a_time(work: Work) -> None:
    work.log.add(2 * BATCH + 1)
    before = work.clock.moment
    work.run_due()
    assert len(work.log.kept) == BATCH + 1
    assert work.clock.moment - before > timedelta(seconds=BATCH / 10), "Twilio gets no more than ten a second"
    for _ in range(3):
        work.run_due()
    assert work.log.kept == []
    assert work.is_over()


def test_what_is_on_its_way_is_deleted_later(work: Work) -> None:
    work.log.add(2)
    work.log.stubborn.add("SM0")
    work.run_due()
    assert [message.sid for message in work.log.kept] == ["SM0"]
    work.log.stubborn.clear()
    work.run_due()
    assert work.log.kept == []


def test_an_outage_is_waited_for(work: Work) -> None:
    work.log.add(1)
    work.log.fault = MessageLogError("Twilio cannot be reached")
    with pytest.raises(MessageLogError):
        work.run_due()
    work.log.fault = None
    work.run_due()
    assert work.log.kept == []


def test_what_cannot_be_deleted_for_a_week_is_given_up_loudly(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.log.add(1)
    work.log.stubborn.add("SM0")
    work.clock.pass_(seconds=MESSAGES_GIVEN_UP_AFTER.total_seconds() - 120)
    work.run_due()
    assert not work.is_over()
    work.run_due()
    assert work.is_over()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["event"], line["outcome"], line["level"]) == ("audit", "given_up", "error")
    assert "98765" not in json.dumps(line)


def test_the_end_stands_in_the_audit_lines(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.run_due()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["event"], line["action"], line["outcome"]) == ("audit", "delete messages at Twilio", "done")


def test_one_that_nobody_can_read_any_more_ends(work: Work, redis: Redis) -> None:
    """Its key was taken away too early, or a second job had it done already."""
    (name,) = redis.scan_iter("*:messages:*")
    redis.set(name, b"damaged")
    with structlog.testing.capture_logs():
        work.run_due()
    assert work.is_over()
    assert not redis.exists(name)
