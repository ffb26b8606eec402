"""Who a broadcast reaches: counted in a dry run, or made the broadcast's recipients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, SkipReason
from onboarding_bot.storage.audiences import Audiences
from onboarding_bot.storage.broadcast_records import BroadcastRecords
from onboarding_bot.storage.contacts import Contacts
from onboarding_bot.storage.keys import SHARDS, is_erased
from onboarding_bot.storage.leases import Leases, ShardWork
from onboarding_bot.storage.recipients import Recipients
from onboarding_bot.storage.send_slots import SendSlots

ADD_RECIPIENTS_LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a broadcast would do; ``days`` is what the daily limit makes it take.

    ``unreviewed`` of those without consent are reached once ``deploy.sh consent review`` has found their yes good.
    """

    recipient_count: int
    skipped: Mapping[str, int]
    days: int
    unreviewed: int = 0


class Audience:
    """Looks at people one batch at a time, so that memory stays flat however many there are.

    ``is_marketing`` tells by its ContentSid whether Meta calls a template marketing. Every method raises
    StoreUnavailableError when Redis does not answer.
    """

    def __init__(
        self,
        *,
        records: BroadcastRecords,
        audiences: Audiences,
        recipients: Recipients,
        contacts: Contacts,
        leases: Leases,
        slots: SendSlots,
        daily_limit: int,
        default_language: str,
        is_marketing: Callable[[str], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._audiences = audiences
        self._recipients = recipients
        self._contacts = contacts
        self._leases = leases
        self._slots = slots
        self._daily_limit = daily_limit
        self._default_language = default_language
        self._is_marketing = is_marketing
        self._now = now

    def count(self, definition: Definition) -> DryRun:
        """Who would get it, and who would not, without writing anything down.

        Raises InvalidFieldError for one that should have begun already, or is more than a year ahead.
        """
        definition.check_schedule(self._now())
        if definition.content_sid and self._is_marketing(definition.content_sid):
            definition = replace(definition, purpose=Purpose.MARKETING)
        now, found = self._now(), dict.fromkeys(("pending", "outside", "unreviewed", *SkipReason), 0)
        for shard in range(SHARDS):
            for people in self._audiences.people_now(shard, definition.target_step, now):
                reached = self._reached(people, definition)
                for name, count in self._recipients.would_add(shard, reached, definition, now).items():
                    found[name] += count
        days = self._days(found["outside"], now) or int(found["pending"] > 0)
        skipped = {reason.value: found[reason] for reason in SkipReason}
        return DryRun(found["pending"], skipped, days, found["unreviewed"])

    def _days(self, outside: int, now: datetime) -> int:
        """How many days it takes to reach so many people outside their window, in the room that others have left."""
        if not outside:
            return 0
        room_today = max(0, self._daily_limit - self._slots.written_outside_window(now))
        return 1 + math.ceil(max(0, outside - room_today) / self._daily_limit)

    def add_recipients(self, broadcast_id: str, shard: int) -> None:
        """Make everybody in one shard's part of the audience a recipient; goes on where an earlier try ended."""
        looked_at = self._audiences.progress(broadcast_id, shard)
        while (record := self._records.find(broadcast_id)) and record.status is BroadcastStatus.SENDING:
            self._leases.renew(broadcast_id, shard, ShardWork.ADD_RECIPIENTS, ADD_RECIPIENTS_LEASE)
            people = self._audiences.people(broadcast_id, shard, looked_at)
            reached = self._reached([one for one in people if not is_erased(one)], record.definition)
            self._recipients.add(broadcast_id, shard, reached, record.definition, self._now())
            looked_at += len(people)
            self._audiences.set_progress(broadcast_id, shard, looked_at, is_done=not people)
            if not people:
                break
        self._leases.give_back(broadcast_id, shard, ShardWork.ADD_RECIPIENTS)

    def _reached(self, people: list[str], definition: Definition) -> list[str]:
        """Those of these people, all of one shard, whom the definition's filters let through."""
        if not definition.looks_into_contacts:
            return people
        contacts = self._contacts.of(people)
        return [
            person_id
            for person_id, contact in zip(people, contacts, strict=True)
            if contact is not None and definition.reaches(contact, self._default_language)
        ]
