"""Everything for broadcasts on one Redis, with a clock to move and a Twilio that answers as it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import fakeredis
from redis import Redis

from onboarding_bot.broadcasts.audience import Audience
from onboarding_bot.broadcasts.scheduler import BroadcastScheduler
from onboarding_bot.broadcasts.sender import BroadcastSender
from onboarding_bot.broadcasts.service import BroadcastService
from onboarding_bot.broadcasts.status_callbacks import StatusCallbacks
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.storage import keys
from onboarding_bot.storage.audiences import Audiences
from onboarding_bot.storage.broadcast_records import BroadcastRecord, BroadcastRecords
from onboarding_bot.storage.contacts import Contacts
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.keys import SHARDS, Keys
from onboarding_bot.storage.leases import Leases
from onboarding_bot.storage.recipients import Recipient, Recipients
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.send_slots import SendSlots
from onboarding_bot.storage.suppressions import Suppressions
from tests.fakes import MovableClock

TEXT = Definition(message="The fair opens on Monday.")
TEMPLATE = Definition(content_sid="HX" + "a" * 32, content_variables={"1": "Asha"})


@dataclass
class FakeTwilio:
    """Takes every message, unless ``answers`` has something else for it: by address, first come first served."""

    sent: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    answers: dict[str, list[Sent]] = field(default_factory=dict)
    always: Sent | None = None
    during: Callable[[str], object] | None = None

    def send_text(self, to: str, body: str, callback: Mapping[str, str] | None = None) -> Sent:
        return self._send(to, body, callback)

    def send_template(
        self, to: str, content_sid: str, variables: Mapping[str, str], callback: Mapping[str, str] | None = None
    ) -> Sent:
        return self._send(to, f"{content_sid} {dict(variables)}", callback)

    def _send(self, to: str, content: str, callback: Mapping[str, str] | None) -> Sent:
        self.sent.append((to, content, dict(callback or {})))
        if self.during:
            self.during(to)
        if self.answers.get(to):
            return self.answers[to].pop(0)
        return self.always or Sent(SendResult.ACCEPTED, message_sid=f"SM{len(self.sent)}")

    @property
    def addresses(self) -> list[str]:
        return [to for to, _, _ in self.sent]


@dataclass
class World:
    """The worker's parts, run by hand: ``tick`` is one second of the scheduler with all the jobs that it starts."""

    redis: Redis = field(default_factory=fakeredis.FakeRedis)
    clock: MovableClock = field(default_factory=MovableClock)
    twilio: FakeTwilio = field(default_factory=FakeTwilio)
    rate: int = 10_000
    daily_limit: int = 250
    waves: tuple[int, ...] = ()
    quiet_hours: QuietHours | None = None
    is_marketing: Callable[[str], bool] = lambda _content_sid: False
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        people = Keys("person-key-of-the-tests")
        sealer = Sealer(Cipher([b"k" * 32]))
        self.store = RedisSessionStore(self.redis, people, sealer, timedelta(days=180), timedelta(days=7))
        self.records, self.audiences = BroadcastRecords(self.redis), Audiences(self.redis)
        self.recipients = Recipients(self.redis, people, sealer, self.audiences)
        self.contacts = Contacts(self.redis, people, sealer)
        self.suppressions = Suppressions(self.redis, people)
        self.leases, self.slots = Leases(self.redis), SendSlots(self.redis)
        self.audience = Audience(
            records=self.records,
            audiences=self.audiences,
            recipients=self.recipients,
            contacts=self.contacts,
            leases=self.leases,
            slots=self.slots,
            daily_limit=self.daily_limit,
            default_language="en",
            is_marketing=self.is_marketing,
            now=self.now,
        )
        self.service = BroadcastService(self.records, self.recipients, self.contacts, self.now)
        self.callbacks = StatusCallbacks(
            records=self.records,
            recipients=self.recipients,
            contacts=self.contacts,
            suppressions=self.suppressions,
            now=self.now,
        )
        self.seconds = 0.0
        self.sender = self.new_sender()
        self.jobs: list[tuple[str, str, int]] = []
        self.scheduler = BroadcastScheduler(
            records=self.records,
            audiences=self.audiences,
            recipients=self.recipients,
            leases=self.leases,
            add_recipients=lambda broadcast_id, shard: self.jobs.append(("add recipients", broadcast_id, shard)),
            send=lambda broadcast_id, shard: self.jobs.append(("send", broadcast_id, shard)),
            is_marketing=self.is_marketing,
            waves=self.waves,
            quiet_hours=self.quiet_hours,
            now=self.now,
        )

    def now(self) -> datetime:
        return self.clock.moment

    def new_sender(self) -> BroadcastSender:
        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.seconds += seconds

        return BroadcastSender(
            records=self.records,
            recipients=self.recipients,
            leases=self.leases,
            suppressions=self.suppressions,
            slots=self.slots,
            messages=self.twilio,
            messages_per_second=self.rate,
            daily_limit=self.daily_limit,
            quiet_hours=self.quiet_hours,
            now=self.now,
            monotonic=lambda: self.seconds,
            sleep=sleep,
        )

    def create(self, definition: Definition = TEXT) -> str:
        return self.service.create(definition, None).record.id

    def sending(self, definition: Definition = TEXT) -> str:
        """A broadcast whose recipients are added, and of which nothing was sent yet."""
        broadcast_id = self.create(definition)
        self.scheduler.tick()
        for shard in range(SHARDS):
            self.audience.add_recipients(broadcast_id, shard)
        self.records.set_fields(broadcast_id, wave_limit="")
        return broadcast_id

    def send_all(self, broadcast_id: str) -> None:
        """Send whatever is due, once through all shards."""
        for shard in self.recipients.due_shards(broadcast_id, self.now()):
            while self.sender.run(broadcast_id, shard):
                pass

    def tick(self, times: int = 1, **span: float) -> None:
        """Have the scheduler tick, do the jobs, and let a second (or ``span``) pass, so many times."""
        for _ in range(times):
            for _work, broadcast_id in self.store.take_due(self.now(), timedelta(minutes=1)):
                self.service.begin(broadcast_id)
            self.scheduler.tick()
            jobs, self.jobs = self.jobs, []
            for what, broadcast_id, shard in jobs:
                if what == "add recipients":
                    self.audience.add_recipients(broadcast_id, shard)
                else:
                    while self.sender.run(broadcast_id, shard):
                        pass
            self.clock.pass_(**(span or {"seconds": 1}))

    def record(self, broadcast_id: str) -> BroadcastRecord:
        record = self.records.find(broadcast_id)
        assert record is not None
        return record

    def status(self, broadcast_id: str) -> BroadcastStatus:
        return self.record(broadcast_id).status

    def by_person(self, broadcast_id: str) -> dict[str, Recipient]:
        return {recipient.person_id: recipient for batch in self.recipients.all(broadcast_id) for recipient in batch}

    def recipient(self, broadcast_id: str, person_id: str) -> Recipient:
        return self.by_person(broadcast_id)[person_id]

    def states(self, broadcast_id: str) -> dict[str, int]:
        """The counts of states that occur."""
        counts = self.recipients.counts(broadcast_id)
        return {state.value: counts[state] for state in RecipientState if counts.get(state)}

    def waits_until(self, broadcast_id: str, person_id: str) -> float:
        """When a pending recipient is due (seconds from now)."""
        pending = keys.in_shard(keys.shard_of(person_id), broadcast_id, "pending")
        score = self.redis.zscore(pending, person_id)
        assert score is not None, "it is not pending"
        return score / 1000 - self.clock.moment.timestamp()
