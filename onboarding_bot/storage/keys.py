"""The names of all keys in Redis. People appear in them as keyed hashes, never as phone numbers."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.due_work import WORK_OF_A_PERSON, DueWork

SHARDS = 64
_ID_BYTES = 16
_ERASED = "erased:"
# How the scripts call the keys of one record, and what stands in the key.
_OF_A_RECORD = (
    ("session", "session"),
    ("contact", "contact"),
    ("draft", "draft"),
    ("opt_out", "optout"),
    ("permit", "permit"),
    ("link", "link"),
    ("alias", "alias"),
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names for one PERSON_ID_KEY. All keys of a shard share the hash tag ``{sN}``, and so a cluster's slot."""

    person_id_key: str

    def person_id(self, sender: str) -> str:
        """HMAC-SHA256 of ``From``, cut to 128 bits, in hexadecimal."""
        return self._digest("person", sender)

    def next_holder_id(self, address: str, earlier_id: str) -> str:
        """The id of the person who gets an address after the one with ``earlier_id``, and has no other address."""
        return self._digest("person", f"{address}/after/{earlier_id}")

    def session(self, person_id: str) -> str:
        """The encrypted session of one person."""
        return f"{_tag(person_id)}:session:{person_id}"

    def contact(self, person_id: str) -> str:
        """The encrypted contact record of one person."""
        return f"{_tag(person_id)}:contact:{person_id}"

    def draft(self, person_id: str) -> str:
        """The encrypted unfinished answers of one person; they belong to the contact record, but expire sooner."""
        return f"{_tag(person_id)}:draft:{person_id}"

    def opt_out(self, person_id: str) -> str:
        """A person's opt-out, in clear: it names no person, and must survive lost keys and erased records."""
        return f"{_tag(person_id)}:optout:{person_id}"

    def record(self, person_id: str) -> dict[str, str]:
        """The keys of one record and its alias, by the names that the scripts give them."""
        tag = _tag(person_id)
        return {name: f"{tag}:{stored}:{person_id}" for name, stored in _OF_A_RECORD}

    def steps(self, person_id: str) -> dict[OnboardingStep, str]:
        """The step indexes of this person's shard, by step."""
        tag = _tag(person_id)
        return {step: f"{tag}:step:{step}" for step in OnboardingStep}

    def contacts(self, person_id: str) -> str:
        """The index of contacts of this person's shard, scored by the time of the last message."""
        return f"{_tag(person_id)}:contacts"

    def due(self, person_id: str) -> str:
        """The due work of this person's shard, scored by when it is due."""
        return f"{_tag(person_id)}:due"

    def permit(self, person_id: str) -> str:
        """What a script reads before it lets a message go out: consents, suppression, the last marketing messages."""
        return f"{_tag(person_id)}:permit:{person_id}"

    def erasure_reply(self, person_id: str, message_sid: str) -> str:
        """The reply to copies of a message from before its sender was erased; the key has a keyed hash of its SID."""
        return f"{_tag(person_id)}:goodbye:{self._digest('message', message_sid)}"

    def alias(self, address_id: str) -> str:
        """The person to whom an address leads, where that is not the one whose id is the address's own hash."""
        return f"{_tag(address_id)}:alias:{address_id}"

    def link(self, person_id: str) -> str:
        """The encrypted addresses of one person."""
        return f"{_tag(person_id)}:link:{person_id}"

    def erasures(self, person_id: str) -> str:
        """The people of this person's shard who were erased, scored by the time."""
        return f"{_tag(person_id)}:erasures"

    def unlogged_erasures(self, person_id: str) -> str:
        """The people of this person's shard whose erasure is not in the audit log yet, scored by its time."""
        return unlogged_erasures_of(shard_of(person_id))

    def messages_to_delete(self, deletion_id: str) -> str:
        """The encrypted work that an erasure leaves: messages to delete at Twilio, and what other shards hold."""
        return f"{_tag(deletion_id)}:messages:{deletion_id}"

    def counters(self, person_id: str) -> str:
        """The counters of this person's shard."""
        return f"{_tag(person_id)}:counters"

    def day(self, person_id: str, day: date) -> str:
        """The counters of one day of this person's shard."""
        return day_of_shard(shard_of(person_id), day)

    def otp_requests(self, phone: str) -> str:
        """The OTP requests of the last day for one phone number, in the number's own shard."""
        digest = self._digest("phone", phone)
        return f"{_tag(digest)}:otp:{digest}"

    def address_id(self, address: str) -> str:
        """A keyed hash of an internet address."""
        return self._digest("address", address)

    def _digest(self, kind: str, value: str) -> str:
        message = f"{kind}\0{value}".encode()
        return hmac.digest(self.person_id_key.encode(), message, hashlib.sha256)[:_ID_BYTES].hex()


def step_index(shard: int, step: OnboardingStep) -> str:
    """The index of live sessions in ``step``, scored by their expiry (Unix time in milliseconds)."""
    return f"{{s{shard}}}:step:{step}"


def counters_of(shard: int) -> str:
    """The hash of counters of one shard."""
    return f"{{s{shard}}}:counters"


def day_of_shard(shard: int, day: date) -> str:
    """A shard's counters of one day: numbers of 64 bits, one after the other."""
    return f"{{s{shard}}}:day:{day.isoformat()}"


def day_of_all(day: date) -> str:
    """The counters of a day that is over, all shards together. These keys share one slot of a cluster."""
    return f"{{stats}}:day:{day.isoformat()}"


def contacts_of(shard: int) -> str:
    """The index of contacts of one shard."""
    return f"{{s{shard}}}:contacts"


def erasures_of(shard: int) -> str:
    """The people of one shard who were erased, scored by the time."""
    return f"{{s{shard}}}:erasures"


def probe_of(shard: int) -> str:
    """The key that the write probe writes in one shard, as a turn would."""
    return f"{{s{shard}}}:probe"


def unlogged_erasures_of(shard: int) -> str:
    """The people of one shard whose erasure is not in the audit log yet, scored by its time."""
    return f"{{s{shard}}}:owed"


def due_in(shard: int) -> str:
    """The due work of one shard: members by ``due_member``, scored by when they are due (Unix time in ms)."""
    return f"{{s{shard}}}:due"


def due_member(work: DueWork, subject_id: str) -> str:
    """The member of a due set for this work on a person, a broadcast or a deletion."""
    return f"{work}:{subject_id}"


def due_members_of(person_id: str) -> list[str]:
    """All members that a due set may have for one person."""
    return [due_member(work, person_id) for work in WORK_OF_A_PERSON]


def due_for(broadcast_id: str) -> str:
    """The due work of the shard to which this broadcast belongs."""
    # The id begins with the time, and ends at random.
    return due_in(shard_of(broadcast_id[-8:]))


def shard_of(digest: str) -> int:
    """The shard of a person, or of a phone number, by its id."""
    return int(digest[:8], 16) % SHARDS


def random_id_in(shard: int) -> str:
    """A random id that belongs to this shard as a person's id would, and identifies no person."""
    return f"{secrets.randbelow(2**32 // SHARDS) * SHARDS + shard:08x}{secrets.token_hex(_ID_BYTES - 4)}"


def erased_name() -> str:
    """A new, random name for a broadcast's recipient who was erased."""
    return f"{_ERASED}{secrets.token_hex(_ID_BYTES)}"


def is_erased(name: str) -> bool:
    """Whether a recipient, or a member of an audience, is all that is left of a person who was erased."""
    return name.startswith(_ERASED)


def in_shard(shard: int, broadcast_id: str, what: str) -> str:
    """One of a broadcast's keys in a shard: ``audience``, ``pending``, ``rows``, ``counts``, ``inflight``, a lease."""
    return f"{{s{shard}}}:broadcast:{broadcast_id}:{what}"


def of_broadcasts(shard: int, broadcast_ids: Sequence[str], names: Iterable[str]) -> dict[str, list[str]]:
    """These keys of several broadcasts in a shard, by the names that the scripts give them."""
    stored = {name: "rows" if name == "recipients" else name for name in names}
    return {name: [in_shard(shard, one, what) for one in broadcast_ids] for name, what in stored.items()}


# The keys of all broadcasts together share one slot of a cluster.
BROADCASTS = "{outbound}:broadcasts"
ACTIVE_BROADCASTS = "{outbound}:active"
SLOTS = "{outbound}:slots"
OUTSIDE_WINDOW_TODAY = "{outbound}:outside-window"
SCHEDULER_LEASE = "{outbound}:sweeper"
HEARTBEATS = "{outbound}:signs"

# Dramatiq's own keys: a list of ids for each queue, and a hash of the messages.
QUEUE_NAMESPACE, QUEUE = "{dramatiq}", "outbound"
QUEUE_LIST = f"{QUEUE_NAMESPACE}:{QUEUE}"
QUEUE_MESSAGES = f"{QUEUE_LIST}.msgs"
# The bot's own: the key that the write probe writes in the queue's Redis.
QUEUE_PROBE = f"{QUEUE_NAMESPACE}:probe"
# The prefix of the keys that count requests to the JSON endpoints.
LIMITS = "limits"


def broadcast(broadcast_id: str) -> str:
    """The record of one broadcast."""
    return f"{{outbound}}:broadcast:{broadcast_id}"


def idempotency(key: str) -> str:
    """The broadcast that an admin's Idempotency-Key stands for."""
    return f"{{outbound}}:idempotency:{hashlib.sha256(key.encode()).hexdigest()}"


def sign_in(token: str) -> str:
    """Who is signed in at the dashboard with this token."""
    return f"{{dashboard}}:sign-in:{hashlib.sha256(token.encode()).hexdigest()}"


def _tag(digest: str) -> str:
    return f"{{s{shard_of(digest)}}}"
