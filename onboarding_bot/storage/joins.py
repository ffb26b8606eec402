"""Joins two records that turn out to be one person's, step by step, so that a crash in between loses nothing.

First the stricter consent is written to both, and the loser's own hash leads to the winner. Then the winner's next
commit takes the state of both. At last the loser's record ends, if no message changed it meanwhile; otherwise it is
joined again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.addresses import Link
from onboarding_bot.conversation.consent import without_news_consent
from onboarding_bot.conversation.contact import Contact, OptOut
from onboarding_bot.conversation.joined_records import joined_contact, joined_session, with_stricter_consent
from onboarding_bot.conversation.session import UserSession
from onboarding_bot.outbound.twilio_errors import BLOCKED
from onboarding_bot.storage import keys
from onboarding_bot.storage.aliases import FOR_GOOD, Alias, Aliases, AliasKind, ConcurrentChangeError
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.encryption import HEAD_BYTES
from onboarding_bot.storage.keys import Keys, in_shard
from onboarding_bot.storage.plain_records import opt_out_to_store
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import Conflict, StoredPerson

_KEYS_TO_SKIP = ("recipients", "counts", "pending")
# Why nothing is sent for a record although Twilio has refused nothing (hide_silent_record.lua, begin_join.lua).
_NOT_BY_TWILIO = frozenset({b"hidden", b"joined"})
_BLOCKED = str(BLOCKED).encode()

# Stores the joined state, which no message has changed.
Commit = Callable[[StoredPerson, UserSession, Contact], StoredPerson | Conflict]


class Joins:
    """Joins records. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, store: RedisSessionStore, aliases: Aliases) -> None:
        self._client = client
        self._keys = person_keys
        self._store = store
        self._aliases = aliases
        self._scripts = Scripts(client)

    def join_all(self, person: StoredPerson, others: Sequence[StoredPerson], now: datetime) -> StoredPerson:
        """The person joined with each of these records that is not the person's already: see ``join``."""
        for other in others:
            if other.person_id != person.person_id and all(
                known.person_id != other.person_id for known in person.joined_records
            ):
                winner, loser = sorted((person, other), key=_precedence)
                person = self.join(winner, loser, now)
        return person

    def join(self, winner: StoredPerson, loser: StoredPerson, now: datetime) -> StoredPerson:
        """The winner with the state of both, for the next commit; the stricter consent holds for both from here on.

        Raises ConcurrentChangeError when one of them changed since it was loaded.
        """
        if loser.is_empty:
            return winner
        permits = [self._permit(one.person_id) for one in (winner, loser)]
        # Blocking us ends the yes to news, whichever record has it.
        ends_news = any(_ended_news(permit) for permit in permits)
        contact = joined_contact(winner.contact, loser.contact)
        if contact and ends_news:
            contact = without_news_consent(contact)
        winner = self._with_stricter_consent(winner, loser, ends_news=ends_news)
        self._take_over_permit(winner, permits[1])
        self._begin(winner, loser, contact.opt_out if contact else None)
        known = [link for link in (winner.link, loser.link) if link]
        link = known[0].with_addresses(known[-1].addresses) if known else Link((), now)
        link = replace(link, hidden=link.hidden or known[-1].hidden if known else "")
        link = replace(link, absorbing=tuple(dict.fromkeys((*link.absorbing, loser.person_id))))
        return replace(
            winner,
            session=joined_session(winner.session, loser.session),
            contact=contact,
            link=link,
            link_is_new=True,
            joined_records=(*winner.joined_records, *loser.joined_records, loser),
        )

    def _with_stricter_consent(self, winner: StoredPerson, loser: StoredPerson, *, ends_news: bool) -> StoredPerson:
        """Write the stricter consent of the two to the winner's record; the winner as stored now."""
        if winner.contact is None:
            return winner
        strict = with_stricter_consent(winner.contact, loser.contact)
        if ends_news:
            strict = without_news_consent(strict)
        if strict == winner.contact:
            return winner
        amended = self._store.amend(winner, strict)
        if isinstance(amended, Conflict):
            raise ConcurrentChangeError
        return amended

    def _begin(self, winner: StoredPerson, loser: StoredPerson, opt_out: OptOut | None) -> None:
        own = loser.person_id
        with unavailable_on_error():
            done = self._scripts.run(
                "begin_join",
                {
                    "session": self._keys.session(own),
                    "contact": self._keys.contact(own),
                    "opt_out": self._keys.opt_out(own),
                    "permit": self._keys.permit(own),
                    "alias": self._keys.alias(own),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": loser.session_version,
                    "contact_version": loser.contact_version,
                    "opt_out": opt_out_to_store(opt_out) if opt_out else "",
                    "alias": Alias(winner.person_id, AliasKind.JOINED).to_value(),
                    "alias_life": FOR_GOOD if opt_out else self._aliases.life(winner),
                },
            )
        if not done:
            raise ConcurrentChangeError

    def _permit(self, person_id: str) -> dict[bytes, bytes]:
        with unavailable_on_error():
            found: Any = self._client.hgetall(self._keys.permit(person_id))
        permit: dict[bytes, bytes] = found
        return permit

    def _take_over_permit(self, winner: StoredPerson, permit: Mapping[bytes, bytes]) -> None:
        suppressed = permit.get(b"suppressed", b"")
        with unavailable_on_error():
            self._scripts.run(
                "take_over_permit",
                {"permit": self._keys.permit(winner.person_id), "contact": self._keys.contact(winner.person_id)},
                {
                    "suppressed": b"" if suppressed in _NOT_BY_TWILIO else suppressed,
                    "last_marketing": permit.get(b"last_marketing", b"0"),
                    "marketing_before": permit.get(b"marketing_before", b"0"),
                },
            )

    def _end(self, winner: StoredPerson, loser: StoredPerson) -> StoredPerson | None:
        """End the loser's record; None when that is done, otherwise the record as it is by now."""
        own, shard = loser.person_id, keys.shard_of(loser.person_id)
        with unavailable_on_error():
            found: Any = self._client.smembers(keys.ACTIVE_BROADCASTS)
            active = sorted(name.decode() for name in found)
            done, *newer = self._scripts.run(
                "finish_join",
                {
                    **self._keys.record(own),
                    "due": self._keys.due(own),
                    "contacts": self._keys.contacts(own),
                    "step": self._keys.steps(own).values(),
                    **keys.of_broadcasts(shard, active, _KEYS_TO_SKIP),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": loser.session_version,
                    "contact_version": loser.contact_version,
                    "person": own,
                    "alias": Alias(winner.person_id, AliasKind.JOINED).to_value(),
                    "alias_life": self._aliases.life(winner),
                    "due": keys.due_members_of(own),
                },
            )
            if not done:
                return self._store.person(own, *newer)
            self._skip_winner_where_loser_got_it(winner.person_id, own, active)
        return None

    def _skip_winner_where_loser_got_it(self, winner_id: str, loser_id: str, active: Sequence[str]) -> None:
        """Skip the winner in the broadcasts of which the loser's message is out already: one person is sent one."""
        shard = keys.shard_of(loser_id)
        rows = [self._client.hget(in_shard(shard, broadcast_id, "rows"), loser_id) for broadcast_id in active]
        # A message that was sent, or may have been, has had a try.
        reached = [
            broadcast_id
            for broadcast_id, row in zip(active, rows, strict=True)
            if row and not bytes(row).startswith((b"skipped|", b"failed|", b"pending|"))  # type: ignore[arg-type]
        ]
        own = keys.shard_of(winner_id)
        if reached:
            names = keys.of_broadcasts(own, reached, _KEYS_TO_SKIP)
            self._scripts.run("skip_recipients", names, {"person": winner_id})

    def finish(self, stored: StoredPerson, now: datetime, commit: Commit) -> StoredPerson:
        """End the records that were joined with this one, now that the joined state is stored, and renew its aliases.

        A record that a message changed meanwhile is joined again. After a crash, or when the person writes on in
        between, the link names the records that are still to be ended, and the next message goes on with them.
        """
        for record in stored.joined_records:
            loser = record
            while newer := self._end(stored, loser):
                loser = newer
                joined = self.join(replace(stored, joined_records=()), newer, now)
                if joined.session is None or joined.contact is None:
                    return stored
                again = commit(joined, joined.session, joined.contact)
                if isinstance(again, Conflict):
                    return stored
                stored = again
        if stored.link_is_new and stored.link:
            self._aliases.renew(stored, stored.link)
        return replace(stored, joined_records=(), link_is_new=False)


def _ended_news(permit: Mapping[bytes, bytes]) -> bool:
    """Whether the person has blocked us since the yes to news that stands in this permit (see commit.lua)."""
    given = permit.get(b"updates")
    return permit.get(b"suppressed") == _BLOCKED or (given is not None and given == permit.get(b"updates_void"))


def _precedence(person: StoredPerson) -> tuple[bool, bool, bool, float, str]:
    """Sorts the winner to the front, whichever process compares the two, and however often: the record met first.

    A record whose own hash leads to another person by now, or with which others were joined, cannot become an alias.
    One that is being joined to another record never becomes the winner, or the two would lead to each other.
    """
    alias = Alias.from_value(person.alias)
    is_joined = alias is not None and alias.is_same_person
    is_needed = bool(person.joined_records) or (alias is not None and not alias.is_same_person)
    first = person.contact.first_inbound_at.timestamp() if person.contact else math.inf
    return is_joined, not is_needed, person.contact is None, first, person.person_id
