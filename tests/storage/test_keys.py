"""The names in Redis: one hash tag for everything of a person, and nobody to be recognised by them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from datetime import date, timedelta

import pytest
from redis.crc import key_slot

from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.storage import keys
from onboarding_bot.storage.keys import (
    SHARDS,
    Keys,
    contacts_of,
    counters_of,
    day_of_all,
    day_of_shard,
    in_shard,
    shard_of,
    step_index,
)

KEYS = Keys("person-key-of-the-tests")
DAY = date(2026, 11, 22)
SENDERS = ["whatsapp:+919876543210", "whatsapp:+14155238886", "whatsapp:IN.1234", "whatsapp:आशा"]


def names_of_a_turn(person_id: str) -> list[str]:
    return [
        KEYS.session(person_id),
        KEYS.contact(person_id),
        KEYS.draft(person_id),
        KEYS.opt_out(person_id),
        KEYS.permit(person_id),
        KEYS.contacts(person_id),
        KEYS.counters(person_id),
        KEYS.day(person_id, DAY),
        *KEYS.steps(person_id).values(),
    ]


def test_a_person_is_the_hmac_of_from() -> None:
    """Written down here because it may never change: with another hash everybody would be a stranger."""
    digest = hmac.new(b"person-key-of-the-tests", b"person\0whatsapp:+919876543210", hashlib.sha256).hexdigest()
    assert KEYS.person_id("whatsapp:+919876543210") == digest[:32]


def test_people_are_told_apart_by_the_whole_address_and_by_the_key() -> None:
    ids = {KEYS.person_id(sender) for sender in SENDERS}
    ids |= {Keys("another-key-of-the-tests").person_id(sender) for sender in SENDERS}
    ids |= {KEYS.person_id(sender.removeprefix("whatsapp:")) for sender in SENDERS}
    assert len(ids) == 3 * len(SENDERS)


@pytest.mark.parametrize("sender", SENDERS)
def test_all_names_of_a_turn_are_in_one_slot_and_are_different(sender: str) -> None:
    names = names_of_a_turn(KEYS.person_id(sender))
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) == len(names) == 8 + len(OnboardingStep)
    assert all(re.match(r"\{s([0-9]|[1-5][0-9]|6[0-3])\}:", name) for name in names)


@pytest.mark.parametrize("sender", SENDERS)
def test_no_name_tells_who_it_is(sender: str) -> None:
    for name in (*names_of_a_turn(KEYS.person_id(sender)), KEYS.otp_requests("+919876543210")):
        assert re.fullmatch(r"\{s[0-9]+\}:[a-z_]+(:([0-9a-f]{32}|[a-z]+|2026-11-22))?", name), name
        assert sender.removeprefix("whatsapp:").strip("+") not in name


def test_the_index_and_the_counters_of_a_shard_are_those_of_its_people() -> None:
    for number in range(50):
        person_id = KEYS.person_id(f"whatsapp:+9198765432{number:02}")
        shard = int(KEYS.session(person_id).split("}")[0].removeprefix("{s"))
        assert shard_of(person_id) == shard
        assert KEYS.counters(person_id) == counters_of(shard)
        assert KEYS.contacts(person_id) == contacts_of(shard)
        assert KEYS.day(person_id, DAY) == day_of_shard(shard, DAY)
        assert KEYS.steps(person_id) == {step: step_index(shard, step) for step in OnboardingStep}


def test_people_spread_over_all_shards() -> None:
    shards = Counter(KEYS.counters(KEYS.person_id(f"whatsapp:+91{9000000000 + n}")) for n in range(SHARDS * 40))
    assert shards.keys() == {counters_of(shard) for shard in range(SHARDS)}
    assert max(shards.values()) < 2.5 * 40


def test_a_phone_number_is_not_the_person_with_that_number() -> None:
    assert KEYS.person_id("+919876543210") not in KEYS.otp_requests("+919876543210")
    assert KEYS.otp_requests("+919876543210") != KEYS.otp_requests("+919876543211")


def test_days_that_are_over_are_in_one_slot() -> None:
    """All of them are read by one command."""
    names = {day_of_all(DAY - timedelta(days=back)) for back in range(90)}
    assert len(names) == 90
    assert len({key_slot(name.encode()) for name in names}) == 1


def test_names_never_change() -> None:
    person_id = "0123456789abcdef0123456789abcdef"
    tag = f"{{s{0x01234567 % 64}}}"
    assert KEYS.session(person_id) == f"{tag}:session:{person_id}"
    assert KEYS.contact(person_id) == f"{tag}:contact:{person_id}"
    assert KEYS.draft(person_id) == f"{tag}:draft:{person_id}"
    assert KEYS.opt_out(person_id) == f"{tag}:optout:{person_id}"
    assert KEYS.contacts(person_id) == f"{tag}:contacts"
    assert KEYS.steps(person_id)[OnboardingStep.NAME] == f"{tag}:step:name"
    assert KEYS.permit(person_id) == f"{tag}:permit:{person_id}"
    assert KEYS.day(person_id, DAY) == f"{tag}:day:2026-11-22"
    assert day_of_all(DAY) == "{stats}:day:2026-11-22"


# --- broadcasts ----------------------------------------------------------------------------------------------------

BROADCAST = "01a201f28240911e22977b29"
PARTS = ["audience", "pending", "rows", "counts", "inflight", "progress", "lease-pump", "lease-enrol"]


@pytest.mark.parametrize("sender", SENDERS)
def test_a_broadcasts_part_in_a_shard_is_in_the_slot_of_its_people(sender: str) -> None:
    """Otherwise one call could not decide about a person and move the recipient."""
    person_id = KEYS.person_id(sender)
    names = [in_shard(shard_of(person_id), BROADCAST, what) for what in PARTS]
    assert {key_slot(name.encode()) for name in names} == {key_slot(KEYS.permit(person_id).encode())}
    assert len(set(names)) == len(PARTS)
    assert names[2] == f"{{s{shard_of(person_id)}}}:broadcast:{BROADCAST}:rows"


def test_what_concerns_all_broadcasts_is_in_one_slot() -> None:
    names = [
        *(keys.BROADCASTS, keys.ACTIVE_BROADCASTS, keys.SLOTS, keys.OUTSIDE_WINDOW_TODAY, keys.SCHEDULER_LEASE),
        keys.broadcast(BROADCAST),
        keys.idempotency("an admin's key"),
    ]
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", ["x", "}{s1}", "schlüssel", "x" * 200])
def test_an_idempotency_key_is_kept_as_its_hash(key: str) -> None:
    assert re.fullmatch(r"\{outbound\}:idempotency:[0-9a-f]{64}", keys.idempotency(key))


def test_the_shards_of_a_broadcast_are_in_many_slots() -> None:
    assert len({key_slot(in_shard(shard, BROADCAST, "rows").encode()) for shard in range(SHARDS)}) == SHARDS
