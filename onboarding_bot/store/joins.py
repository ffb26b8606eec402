"""Joins two records that turn out to be one person's, step by step, so that a crash in between loses nothing.

First the stricter consent is written to both, and the loser's own hash leads to the winner. Then the winner's next
commit takes the state of both. At last the loser's record ends, if nobody wrote to it meanwhile; otherwise it is joined
again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.addresses import Link
from onboarding_bot.conversation.contact import Contact, OptOut
from onboarding_bot.conversation.joining import joined_contact, joined_session, stricter_opt_out
from onboarding_bot.conversation.session import UserSession
from onboarding_bot.outbound.due import DueWork
from onboarding_bot.store import keys
from onboarding_bot.store.aliases import FOR_GOOD, Alias, Aliases, AliasKind, OutrunError
from onboarding_bot.store.connection import AnyRedis
from onboarding_bot.store.encryption import HEAD_BYTES
from onboarding_bot.store.errors import unavailable_on_error
from onboarding_bot.store.keys import Keys, in_shard
from onboarding_bot.store.protocol import Conflict, StoredPerson
from onboarding_bot.store.redis_store import RedisStore, opt_out_to_store
from onboarding_bot.store.scripts import Scripts

_PARTS_OF_A_ROW = ("rows", "counts", "pending")
_KINDS_OF_DUE_WORK = " ".join(work for work in DueWork if work is not DueWork.MESSAGES)
# What the permit of a record says that was only hidden: Twilio has refused nothing.
_HIDDEN = b"hidden"

# Stores a state that no message has changed.
Commit = Callable[[StoredPerson, UserSession, Contact], StoredPerson | Conflict]


class Joins:
    """Joins records. Every method raises StoreUnavailableError when Redis does not answer in time."""

    def __init__(self, client: AnyRedis, person_keys: Keys, store: RedisStore, aliases: Aliases) -> None:
        self._client = client
        self._keys = person_keys
        self._store = store
        self._aliases = aliases
        self._scripts = Scripts(client)

    def join_all(self, person: StoredPerson, others: Sequence[StoredPerson], now: datetime) -> StoredPerson:
        """The person with the state of all these records, each joined once."""
        for other in others:
            if other.person_id != person.person_id and all(
                known.person_id != other.person_id for known in person.absorbs
            ):
                winner, loser = sorted((person, other), key=_precedence)
                person = self.join(winner, loser, now)
        return person

    def join(self, winner: StoredPerson, loser: StoredPerson, now: datetime) -> StoredPerson:
        """The winner with the state of both; the stricter consent holds for both from here on."""
        opt_out = stricter_opt_out(winner.contact, loser.contact)
        if opt_out and winner.contact and not winner.contact.opt_out:
            amended = self._store.amend(winner, with_opt_out(winner.contact, opt_out))
            if isinstance(amended, Conflict):
                raise OutrunError
            winner = replace(amended, link=winner.link, link_is_new=winner.link_is_new, absorbs=winner.absorbs)
        if loser.is_fresh:
            return winner
        self._announce(winner, loser, opt_out)
        self._take_over_permit(winner, loser)
        known = [link for link in (winner.link, loser.link) if link]
        link = known[0].with_addresses(known[-1].addresses) if known else Link((), now)
        link = replace(link, absorbing=tuple(dict.fromkeys((*link.absorbing, loser.person_id))))
        return replace(
            winner,
            session=joined_session(winner.session, loser.session),
            contact=joined_contact(winner.contact, loser.contact),
            link=link,
            link_is_new=True,
            absorbs=(*winner.absorbs, *loser.absorbs, loser),
        )

    def _announce(self, winner: StoredPerson, loser: StoredPerson, opt_out: OptOut | None) -> None:
        own = loser.person_id
        with unavailable_on_error():
            done = self._scripts.run(
                "announce_join",
                [
                    self._keys.session(own),
                    self._keys.contact(own),
                    self._keys.opt_out(own),
                    self._keys.permit(own),
                    self._keys.alias(own),
                ],
                [
                    HEAD_BYTES,
                    loser.session_version,
                    loser.contact_version,
                    opt_out_to_store(opt_out) if opt_out else "",
                    Alias(winner.person_id, AliasKind.JOINED).to_value(),
                    FOR_GOOD if opt_out else self._aliases.life(winner),
                ],
            )
        if not done:
            raise OutrunError

    def _take_over_permit(self, winner: StoredPerson, loser: StoredPerson) -> None:
        with unavailable_on_error():
            known: Any = self._client.hmget(
                self._keys.permit(loser.person_id), "suppressed", "last_marketing", "marketing_before"
            )
            suppressed, last, before = (value or b"" for value in known)
            self._scripts.run(
                "take_over_permit",
                [self._keys.permit(winner.person_id), self._keys.contact(winner.person_id)],
                [b"" if suppressed == _HIDDEN else suppressed, last or "0", before or "0"],
            )

    def _absorb(self, winner: StoredPerson, loser: StoredPerson) -> StoredPerson | None:
        """End the loser's record; None when that is done, or the record as it is by now."""
        own, shard = loser.person_id, keys.shard_of(loser.person_id)
        steps = list(self._keys.steps(own).values())
        with unavailable_on_error():
            found: Any = self._client.smembers(keys.ACTIVE_BROADCASTS)
            active = sorted(name.decode() for name in found)
            done, *newer = self._scripts.run(
                "absorb",
                [
                    self._keys.session(own),
                    self._keys.contact(own),
                    self._keys.draft(own),
                    self._keys.opt_out(own),
                    self._keys.permit(own),
                    self._keys.link(own),
                    self._keys.alias(own),
                    self._keys.due(own),
                    self._keys.contacts(own),
                    *steps,
                    *(in_shard(shard, broadcast_id, part) for broadcast_id in active for part in _PARTS_OF_A_ROW),
                ],
                [
                    HEAD_BYTES,
                    loser.session_version,
                    loser.contact_version,
                    own,
                    Alias(winner.person_id, AliasKind.JOINED).to_value(),
                    self._aliases.life(winner),
                    _KINDS_OF_DUE_WORK,
                    len(steps),
                ],
            )
            if not done:
                return self._store.person(own, *newer)
            self._skip_what_the_loser_got(winner.person_id, own, active)
        return None

    def _skip_what_the_loser_got(self, winner_id: str, loser_id: str, active: Sequence[str]) -> None:
        """One person has one row: where the loser's message is out already, the winner's is skipped."""
        shard = keys.shard_of(loser_id)
        rows = [self._client.hget(in_shard(shard, broadcast_id, "rows"), loser_id) for broadcast_id in active]
        # A row that was sent, or may have been, has had a try.
        reached = [
            broadcast_id
            for broadcast_id, row in zip(active, rows, strict=True)
            if row and not bytes(row).startswith((b"skipped|", b"failed|", b"pending|"))  # type: ignore[arg-type]
        ]
        own = keys.shard_of(winner_id)
        if reached:
            names = [in_shard(own, broadcast_id, part) for broadcast_id in reached for part in _PARTS_OF_A_ROW]
            self._scripts.run("skip_rows", names, [winner_id])

    def finish(self, stored: StoredPerson, now: datetime, commit: Commit) -> StoredPerson:
        """End the records that were joined with this one, now that the joined state is stored, and renew its aliases.

        What was written to one of them meanwhile is joined as well. After a crash, or when the person writes on in
        between, the link names what is left to be absorbed, and the next message goes on with it.
        """
        for absorbed in stored.absorbs:
            left = absorbed
            while newer := self._absorb(stored, left):
                left = newer
                joined = self.join(replace(stored, absorbs=()), newer, now)
                if joined.session is None or joined.contact is None:
                    return stored
                again = commit(joined, joined.session, joined.contact)
                if isinstance(again, Conflict):
                    return stored
                stored = again
        if stored.link_is_new and stored.link:
            self._aliases.renew(stored, stored.link)
        return replace(stored, absorbs=(), link_is_new=False)


def _precedence(person: StoredPerson) -> tuple[bool, bool, float, str]:
    """Sorts the record that stays to the front, whoever compares the two, and however often: that of the first meeting.

    A record whose own hash belongs to another person by now, or that has absorbed others, cannot become an alias.
    """
    alias = Alias.from_value(person.alias)
    is_needed = bool(person.absorbs) or (alias is not None and not alias.is_same_person)
    first = person.contact.first_inbound_at.timestamp() if person.contact else math.inf
    return not is_needed, person.contact is None, first, person.person_id


def with_opt_out(contact: Contact | None, opt_out: OptOut) -> Contact:
    """The contact with this no to messages, if it has none yet."""
    known = contact or Contact("", None, opt_out.at, opt_out.at)
    return replace(known, opt_out=known.opt_out or opt_out)
