"""The sender: every end that a message can have, and what makes the other messages wait."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, time, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace

from onboarding_bot.broadcasts.sender import SEND_LEASE
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.outbound.broadcast_definition import Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.outbound.twilio_errors import Verdict, verdict_on
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.storage import keys
from onboarding_bot.storage.keys import SHARDS
from onboarding_bot.storage.leases import ShardWork
from onboarding_bot.storage.send_slots import Slot, seconds_between
from onboarding_bot.time_zone import INDIA
from tests.broadcasts.people import add, add_many, sender_of
from tests.broadcasts.world import TEMPLATE, TEXT, World
from tests.fakes import NOON

S = BroadcastStatus
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OWNER = "whatsapp:+919876543210"
RETRY = {20429, 63010, 63012}
STOP = {63017, 63018, 63038, 63051, 63041, 63013, 63020, 20003, 63007, 63015}
SUPPRESS = {21610, 63014}
COUNT_AGAINST = {21211, 63003, 63024}
LATER = {63049, 63032}
FAIL = {63016, 21656, 63027, 63028, 63021, 63019, 21617}
TIMEOUT = Sent(SendResult.UNCERTAIN)
BUSY = Sent(SendResult.NOT_PROCESSED, code=20429, retry_after=30.0)


def refused(code: int) -> Sent:
    return Sent(SendResult.REFUSED, code=code)


def sent_with(world: World, *answers: Sent) -> tuple[str, str]:
    """A broadcast to one person, whose first messages end like this; its id and the person's."""
    person_id = add(world.store)
    world.twilio.answers[OWNER] = list(answers)
    broadcast_id = world.sending()
    world.send_all(broadcast_id)
    return broadcast_id, person_id


# --- what goes out -------------------------------------------------------------------------------------------------


def test_everybody_gets_it_once(world: World) -> None:
    add_many(world.store, 40)
    broadcast_id = world.sending()
    world.send_all(broadcast_id)
    world.send_all(broadcast_id)
    assert sorted(world.twilio.addresses) == sorted(sender_of(number) for number in range(40))
    assert world.states(broadcast_id) == {"sent": 40}


def test_the_callback_names_broadcast_and_row(world: World) -> None:
    broadcast_id, person_id = sent_with(world)
    assert world.twilio.sent == [(OWNER, TEXT.message, {"broadcast": broadcast_id, "row": person_id})]
    recipient = world.recipient(broadcast_id, person_id)
    assert (recipient.state, recipient.message_sid, recipient.tries) == (RecipientState.SENT, "SM1", 1)


def test_a_template_goes_out_with_its_variables(world: World) -> None:
    add(world.store)
    world.send_all(world.sending(TEMPLATE))
    assert [content for _, content, _ in world.twilio.sent] == [f"{TEMPLATE.content_sid} {{'1': 'Asha'}}"]


def test_a_stop_while_the_broadcast_runs_comes_in_time(world: World) -> None:
    """The second of two is stopped while the first is on its way."""
    first, second = sender_of(1), sender_of(2)
    add(world.store, first)
    add(world.store, second)
    world.twilio.during = lambda to: add(world.store, second if to == first else first, has_stopped=True)
    broadcast_id = world.sending()
    world.send_all(broadcast_id)
    assert len(world.twilio.sent) == 1
    assert world.states(broadcast_id) == {"sent": 1, "skipped": 1}


# --- how a message can end -----------------------------------------------------------------------------------------


def test_every_code_of_twilio_has_its_verdict() -> None:
    expected = {
        Verdict.RETRY: RETRY,
        Verdict.STOP_BROADCAST: STOP,
        Verdict.SUPPRESS: SUPPRESS,
        Verdict.COUNT_AGAINST: COUNT_AGAINST,
        Verdict.LATER: LATER,
        Verdict.FAIL: FAIL | {0, 99999, 20404},
    }
    for verdict, codes in expected.items():
        assert {verdict_on(code) for code in codes} == {verdict}


def test_a_message_that_timed_out_is_uncertain_and_not_sent_again(world: World) -> None:
    broadcast_id, person_id = sent_with(world, TIMEOUT)
    world.clock.pass_(days=3)
    world.send_all(broadcast_id)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.UNCERTAIN
    assert len(world.twilio.sent) == 1
    assert world.recipients.in_flight(broadcast_id) == 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Sent(SendResult.NOT_PROCESSED), id="never connected"),
        pytest.param(Sent(SendResult.NOT_PROCESSED, code=20429, retry_after=1.0), id="429"),
        *(pytest.param(refused(code), id=str(code)) for code in sorted(RETRY)),
    ],
)
def test_what_was_not_processed_is_tried_again_ever_later_and_then_has_failed(world: World, answer: Sent) -> None:
    broadcast_id, person_id = sent_with(world, *[answer] * 5)
    for pause in (2, 4, 8, 16):
        assert world.recipient(broadcast_id, person_id).state is RecipientState.PENDING
        assert world.waits_until(broadcast_id, person_id) == pytest.approx(pause, abs=0.01)
        world.clock.pass_(seconds=pause - 0.5)
        world.send_all(broadcast_id)
        assert world.recipient(broadcast_id, person_id).state is RecipientState.PENDING, "too early"
        world.clock.pass_(seconds=0.5)
        world.redis.delete(keys.SLOTS)
        world.send_all(broadcast_id)
    recipient = world.recipient(broadcast_id, person_id)
    assert (recipient.state, recipient.code, recipient.tries) == (RecipientState.FAILED, str(answer.code), 5)
    assert len(world.twilio.sent) == 5
    assert world.states(broadcast_id) == {"failed": 1}


def test_a_try_that_succeeds_is_the_last(world: World) -> None:
    broadcast_id, person_id = sent_with(world, refused(63010))
    world.clock.pass_(seconds=2)
    world.send_all(broadcast_id)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.SENT
    assert world.recipients.counts(broadcast_id).get("failed:63010") is None


def test_tries_count_once_in_the_wave(world: World) -> None:
    """Otherwise a broadcast with a single retry would reach its limit before its end, and stand still."""
    broadcast_id, _ = sent_with(world, refused(63010))
    world.records.set_fields(broadcast_id, wave_limit=1)
    world.clock.pass_(seconds=2)
    world.send_all(broadcast_id)
    assert world.states(broadcast_id) == {"sent": 1}
    assert world.record(broadcast_id).number("started") == 1


@pytest.mark.parametrize("code", sorted(STOP - {63018}))
def test_what_concerns_the_sender_stops_the_broadcast_with_the_reason(world: World, code: int) -> None:
    people = add_many(world.store, 10)
    world.twilio.always = refused(code)
    broadcast_id = world.sending()
    world.send_all(broadcast_id)
    record = world.record(broadcast_id)
    assert (record.status, record.reason) == (S.STOPPED, f"Twilio error {code}")
    assert len(world.twilio.sent) == 1
    assert world.states(broadcast_id) == {"pending": 10}
    world.twilio.always = None
    world.service.resume(broadcast_id)
    world.send_all(broadcast_id)
    assert world.states(broadcast_id) == {"sent": 10}, "it was nobody's fault of theirs"
    assert len(people) == 10


LIMITED = [
    pytest.param(Sent(SendResult.REFUSED, code=63018), id="as a refusal"),
    pytest.param(Sent(SendResult.NOT_PROCESSED, code=63018, retry_after=1.0), id="as a 429"),
]


@pytest.mark.parametrize("answer", LIMITED)
def test_the_senders_limit_slows_everybody_down_and_the_row_is_tried_again(world: World, answer: Sent) -> None:
    broadcast_id, person_id = sent_with(world, answer)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.PENDING
    assert world.waits_until(broadcast_id, person_id) == pytest.approx(2, abs=0.01)
    assert world.slots.take_for_transactional(0.1) > 0.5
    assert world.status(broadcast_id) is S.SENDING
    world.redis.delete(keys.SLOTS)
    world.clock.pass_(seconds=2)
    world.send_all(broadcast_id)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.SENT
    assert not world.record(broadcast_id).is_limited
    assert world.states(broadcast_id) == {"sent": 1}


def limited_for(world: World, broadcast_id: str, seconds: int) -> None:
    """Have it send once a second for so long, whatever pause Twilio has brought about."""
    for _ in range(seconds):
        world.redis.delete(keys.SLOTS)
        world.send_all(broadcast_id)
        world.clock.pass_(seconds=1)


@pytest.mark.parametrize("answer", LIMITED)
@pytest.mark.parametrize("size", [1, 10], ids=["one recipient", "several"])
def test_the_senders_limit_stops_the_broadcast_when_it_goes_on(world: World, answer: Sent, size: int) -> None:
    add_many(world.store, size)
    world.twilio.always = answer
    broadcast_id = world.sending()
    limited_for(world, broadcast_id, 20)
    assert world.status(broadcast_id) is S.SENDING
    limited_for(world, broadcast_id, 20)
    record = world.record(broadcast_id)
    assert (record.status, record.reason) == (S.STOPPED, "Twilio error 63018")
    assert world.states(broadcast_id) == {"pending": size}
    assert world.recipients.counts(broadcast_id).get("failed:63018") is None
    world.service.resume(broadcast_id)
    limited_for(world, broadcast_id, 10)
    assert world.status(broadcast_id) is S.SENDING, "it backs off anew"
    world.twilio.always = None
    limited_for(world, broadcast_id, 20)
    assert world.states(broadcast_id) == {"sent": size}


def test_a_limit_that_one_recipient_meets_time_after_time_stops_the_broadcast(world: World) -> None:
    """As of Meta's daily limit, which only people outside their window meet: the others are reached meanwhile."""
    broadcast_id, person_id = sent_with(world, *[refused(63018)] * 5)
    for _ in range(30):
        assert world.status(broadcast_id) is S.SENDING
        world.records.clear_limit(broadcast_id)
        limited_for(world, broadcast_id, 1)
    limited_for(world, broadcast_id, 1)
    assert world.status(broadcast_id) is S.STOPPED
    assert world.recipient(broadcast_id, person_id).state is RecipientState.PENDING
    world.service.resume(broadcast_id)
    limited_for(world, broadcast_id, 1)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.SENT


def test_a_limit_after_a_night_is_another_one(world: World) -> None:
    broadcast_id, person_id = sent_with(world, refused(63018), refused(63018))
    world.clock.pass_(hours=12)
    add(world.store, wrote_at=world.clock.moment)
    limited_for(world, broadcast_id, 1)
    assert world.status(broadcast_id) is S.SENDING
    assert world.slots.take_for_transactional(0.1) < 2
    limited_for(world, broadcast_id, 5)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.SENT


def test_a_limit_that_passes_again_and_again_stops_nothing(world: World) -> None:
    add_many(world.store, 30)
    broadcast_id = world.sending()
    for number in range(60):
        world.twilio.always = refused(63018) if number % 3 else None
        limited_for(world, broadcast_id, 1)
        assert world.status(broadcast_id) is S.SENDING
        if world.states(broadcast_id) == {"sent": 30}:
            break
    assert world.states(broadcast_id) == {"sent": 30}


@pytest.mark.parametrize("address", ["whatsapp:IN.13491208655302741918", "whatsapp:IN.ENT.7Y5xK", "whatsapp:FI.278"])
@pytest.mark.parametrize("told", ["in the answer", "by callback"])
def test_21211_says_nothing_of_somebody_without_a_phone_number(world: World, address: str, told: str) -> None:
    person_id = add(world.store, address)
    for number in range(1, 6):
        world.twilio.always = refused(21211) if told == "in the answer" else None
        broadcast_id = world.sending()
        world.send_all(broadcast_id)
        if told == "by callback":
            world.callbacks.apply(broadcast_id, person_id, f"SM{number}", "failed", 21211)
        assert (world.recipient(broadcast_id, person_id).state, world.recipient(broadcast_id, person_id).code) == (
            RecipientState.FAILED,
            "21211",
        )
    permit = world.store._keys.permit(person_id)
    fields = cast("list[bytes]", world.redis.hkeys(permit))
    assert not [name for name in fields if name.startswith((b"trouble", b"suppressed"))]
    assert world.recipient(world.sending(), person_id).state is RecipientState.PENDING


@pytest.mark.parametrize("code", sorted(SUPPRESS))
def test_who_blocked_us_is_not_written_to_again(world: World, code: int) -> None:
    broadcast_id, person_id = sent_with(world, refused(code))
    assert (world.recipient(broadcast_id, person_id).state, world.recipient(broadcast_id, person_id).code) == (
        "failed",
        str(code),
    )
    again = world.sending()
    assert world.recipient(again, person_id).code == "suppressed"


@pytest.mark.parametrize("code", sorted(COUNT_AGAINST))
def test_a_number_that_seems_wrong_is_given_up_after_three_broadcasts(world: World, code: int) -> None:
    person_id = add(world.store)
    world.twilio.always = refused(code)
    for _ in range(3):
        broadcast_id = world.sending()
        world.send_all(broadcast_id)
        assert world.recipient(broadcast_id, person_id).state is RecipientState.FAILED
    assert world.recipient(world.sending(), person_id).code == "suppressed"


@pytest.mark.parametrize("code", sorted(LATER))
def test_what_whatsapp_holds_back_is_tried_after_a_day_and_after_three(world: World, code: int) -> None:
    broadcast_id, person_id = sent_with(world, *[refused(code)] * 3)
    for hours in (24, 72):
        assert world.recipient(broadcast_id, person_id).state is RecipientState.PENDING
        assert world.waits_until(broadcast_id, person_id) == pytest.approx(hours * 3600, abs=0.01)
        world.clock.pass_(hours=hours)
        add(world.store, wrote_at=world.clock.moment)
        world.send_all(broadcast_id)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.FAILED
    assert len(world.twilio.sent) == 3
    assert world.recipient(world.sending(), person_id).state is RecipientState.PENDING, (
        "and other broadcasts still reach the person"
    )


def test_marketing_is_not_its_own_hindrance_when_whatsapp_holds_it_back(world: World) -> None:
    person_id = add(world.store, wants_news=True)
    world.twilio.answers[OWNER] = [refused(63049)] * 2
    broadcast_id = world.sending(replace(TEMPLATE, purpose=Purpose.MARKETING))
    world.send_all(broadcast_id)
    for hours in (24, 72):
        world.clock.pass_(hours=hours)
        world.send_all(broadcast_id)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.SENT


def test_a_busy_twilio_takes_no_chance_from_what_whatsapp_holds_back(world: World) -> None:
    busy = Sent(SendResult.NOT_PROCESSED)
    broadcast_id, person_id = sent_with(world, busy, busy, busy, refused(63049))
    for seconds in (2, 4, 8):
        world.clock.pass_(seconds=seconds)
        world.send_all(broadcast_id)
    assert world.waits_until(broadcast_id, person_id) == pytest.approx(DAY.total_seconds(), abs=0.01)


@pytest.mark.parametrize("code", sorted(FAIL | {0, 99999}))
def test_wrong_content_fails_that_recipient_alone(world: World, code: int) -> None:
    add(world.store, sender_of(1))
    broadcast_id, person_id = sent_with(world, refused(code))
    assert world.states(broadcast_id) == {"sent": 1, "failed": 1}
    assert world.recipients.counts(broadcast_id)[f"failed:{code}"] == 1
    assert world.status(broadcast_id) is S.SENDING
    assert world.recipient(world.sending(), person_id).state is RecipientState.PENDING


# --- pauses for everybody ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [pytest.param(BUSY, id="429"), pytest.param(Sent(SendResult.UNCERTAIN, retry_after=30.0), id="503 with a wish")],
)
def test_a_pause_that_twilio_asks_for_slows_every_broadcast_down(world: World, answer: Sent) -> None:
    broadcast_id, _ = sent_with(world, answer)
    add(world.store, sender_of(1))
    other = world.sending()
    world.send_all(other)
    assert len(world.twilio.sent) == 1
    assert world.slots.take_for_transactional(0.1) > 25
    assert world.states(other) == {"pending": 2}
    assert broadcast_id != other


def test_nobody_sleeps_through_a_long_pause(world: World) -> None:
    """A thread that did would neither see a pause by an admin nor let go of its shard."""
    broadcast_id, person_id = sent_with(world)
    world.slots.pause(3600)
    add(world.store, sender_of(1))
    other = world.sending()
    shard = keys.shard_of(person_id)
    assert not world.sender.run(other, shard)
    assert sum(world.slept) < 3
    assert world.leases.take(other, shard, ShardWork.SEND, SEND_LEASE), "the shard is free for the next one"
    assert broadcast_id != other


def test_a_slow_rate_is_waited_for_in_small_sleeps(world: World) -> None:
    slow = World(redis=world.redis, rate=1)
    add_many(slow.store, 4)
    broadcast_id = slow.sending()
    slow.send_all(broadcast_id)
    assert max(slow.slept) <= seconds_between(1)
    assert slow.states(broadcast_id) == {"sent": 2, "pending": 2}, "a second is reserved at most"


@pytest.mark.parametrize("status", [S.PAUSED, S.CANCELLED, S.STOPPED])
def test_an_admins_word_comes_before_the_next_message(world: World, status: S) -> None:
    people = add_many(world.store, 60)
    broadcast_id = world.create()

    def interfere(_to: str) -> None:
        world.records.transition(broadcast_id, status, [S.SENDING])

    world.twilio.during = interfere
    world.scheduler.tick()
    for shard in range(SHARDS):
        world.audience.add_recipients(broadcast_id, shard)
    world.records.set_fields(broadcast_id, wave_limit="")
    world.send_all(broadcast_id)
    assert len(world.twilio.sent) == 1
    assert world.states(broadcast_id) == {"sent": 1, "pending": len(people) - 1}


def test_nothing_goes_out_in_the_quiet_hours(world: World) -> None:
    resting = World(redis=world.redis, quiet_hours=QuietHours(time(21), time(9)))
    resting.clock.moment = datetime(2026, 11, 22, 20, 59, tzinfo=INDIA)
    add(resting.store, wrote_at=resting.clock.moment)
    broadcast_id = resting.sending()
    resting.clock.pass_(minutes=1)
    resting.send_all(broadcast_id)
    assert resting.twilio.sent == []
    resting.clock.pass_(hours=12)
    resting.send_all(broadcast_id)
    assert len(resting.twilio.sent) == 1


def test_the_quiet_hours_begin_in_the_middle_of_a_shard(world: World) -> None:
    resting = World(redis=world.redis, quiet_hours=QuietHours(time(21), time(9)))
    resting.clock.moment = datetime(2026, 11, 22, 20, 59, 58, tzinfo=INDIA)
    for number in range(60):
        add(resting.store, sender_of(number), wrote_at=resting.clock.moment)

    def second_by_second(_to: str) -> None:
        resting.clock.pass_(seconds=0.7)
        resting.seconds += 0.7

    resting.twilio.during = second_by_second
    broadcast_id = resting.sending()
    resting.send_all(broadcast_id)
    assert 1 <= len(resting.twilio.sent) <= 5


def test_an_unknown_broadcast_is_nobodys_work(world: World) -> None:
    assert world.sender.run("0" * 24, 3) is False


@pytest.mark.parametrize("code", [min(SUPPRESS), min(COUNT_AGAINST), min(FAIL), min(RETRY)])
def test_what_concerns_one_recipient_does_not_keep_the_rest_of_the_shard_waiting(world: World, code: int) -> None:
    people = add_many(world.store, 2 * SHARDS)
    shard = next(shard for shard, count in Counter(map(keys.shard_of, people)).items() if count > 2)
    broadcast_id = world.sending()
    world.twilio.always = Sent(SendResult.REFUSED, code=code)
    world.sender._send_some(broadcast_id, shard, world.seconds + 60)
    assert len(world.twilio.sent) == sum(keys.shard_of(person) == shard for person in people)


def test_who_said_no_is_skipped_for_that_though_nothing_else_is_known_of_them(world: World) -> None:
    person_id = add(world.store)
    broadcast_id = world.sending()
    add(world.store, has_stopped=True)
    world.redis.delete(f"{{s{keys.shard_of(person_id)}}}:contact:{person_id}")
    world.send_all(broadcast_id)
    assert (world.recipient(broadcast_id, person_id).state, world.recipient(broadcast_id, person_id).code) == (
        "skipped",
        "opted_out",
    )


def test_the_shard_is_given_back_when_there_is_nothing_more_to_send(world: World) -> None:
    broadcast_id, person_id = sent_with(world)
    assert world.leases.take(broadcast_id, keys.shard_of(person_id), ShardWork.SEND, SEND_LEASE)


def test_a_slice_ends_though_there_is_more_and_the_shard_is_kept(world: World) -> None:
    """So that a thread is free for what is more urgent."""
    shard = keys.shard_of(add(world.store))
    same = [number for number in range(3000) if keys.shard_of(world.store.identify(sender_of(number))) == shard]
    for number in same[:20]:
        add(world.store, sender_of(number))

    def second_by_second(_to: str) -> None:
        world.seconds += 0.5

    world.twilio.during = second_by_second
    broadcast_id = world.sending()
    assert world.sender.run(broadcast_id, shard) is True
    assert 4 <= len(world.twilio.sent) <= 6
    assert not world.leases.take(broadcast_id, shard, ShardWork.SEND, SEND_LEASE)


# --- slots ---------------------------------------------------------------------------------------------------------


def count_slots(world: World, monkeypatch: pytest.MonkeyPatch, trip: float, *oversleeps: float) -> list[bool]:
    """Which slots were taken as a first try, when the way to Redis takes ``trip`` and sleeping too long happens."""
    taken: list[bool] = []
    late = iter(oversleeps)

    def take(*_args: object, is_first_try: bool, **_kwargs: object) -> Slot:
        taken.append(is_first_try)
        world.seconds += trip
        return Slot("go", 0.1)

    def sleep(seconds: float) -> None:
        world.seconds += seconds + next(late, 0.0)

    monkeypatch.setattr(world.slots, "take_for_broadcast", take)
    monkeypatch.setattr(world.sender, "_sleep", sleep)
    return taken


@pytest.mark.parametrize(
    ("oversleeps", "expected"),
    [
        pytest.param([0.0], [True], id="in time"),
        pytest.param([0.039], [True], id="just in time"),
        pytest.param([0.041], [True, False], id="late once"),
        pytest.param([0.5, 0.05], [True, False, False], id="late twice"),
    ],
)
def test_a_slot_that_was_missed_is_taken_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, oversleeps: list[float], expected: list[bool]
) -> None:
    add(world.store)
    broadcast_id = world.sending()
    taken = count_slots(world, monkeypatch, 0.001, *oversleeps)
    world.send_all(broadcast_id)
    assert taken == expected
    assert len(world.twilio.sent) == 1


@pytest.mark.parametrize(
    ("stalls", "slots", "claims"),
    [
        pytest.param([0.039], 1, 1, id="just in time"),
        pytest.param([0.2], 2, 2, id="a stall in the claim"),
        pytest.param([0.2, 0.2, 0.2, 0.2, 0.2], 4, 4, id="always late: it goes out nevertheless"),
    ],
)
def test_a_claim_that_stalled_is_released_and_its_slot_taken_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, stalls: list[float], slots: int, claims: int
) -> None:
    """Otherwise everything that Redis held up would go out at once when it goes on."""
    person_id = add(world.store, wants_news=True)
    broadcast_id = world.sending(replace(TEXT, purpose=Purpose.MARKETING))
    taken = count_slots(world, monkeypatch, 0.001)
    stall, claimed, claim = iter(stalls), [], world.recipients.claim

    def stalling(*arguments: Any) -> Contact | None:
        claimed.append(arguments)
        contact = claim(*arguments)
        world.seconds += next(stall, 0.0)
        return contact

    monkeypatch.setattr(world.recipients, "claim", stalling)
    world.send_all(broadcast_id)
    assert (len(taken), len(claimed)) == (slots, claims)
    recipient = world.recipient(broadcast_id, person_id)
    assert (recipient.state, recipient.tries) == (RecipientState.SENT, 1)
    assert len(world.twilio.sent) == 1
    assert world.recipients.in_flight(broadcast_id) == 0


def test_who_says_stop_while_a_claim_is_released_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(world.store)
    broadcast_id = world.sending()
    count_slots(world, monkeypatch, 0.001)
    release_claim = world.recipients.release_claim

    def stopped_meanwhile(*arguments: Any) -> None:
        release_claim(*arguments)
        add(world.store, has_stopped=True)

    claim = world.recipients.claim

    def stalling(*arguments: Any) -> Contact | None:
        contact = claim(*arguments)
        world.seconds += 0.1
        return contact

    monkeypatch.setattr(world.recipients, "release_claim", stopped_meanwhile)
    monkeypatch.setattr(world.recipients, "claim", stalling)
    world.send_all(broadcast_id)
    assert world.twilio.sent == []
    assert world.states(broadcast_id) == {"skipped": 1}


def test_a_long_way_to_redis_is_no_missed_slot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise nothing would ever go out where Redis is 25 ms away."""
    add(world.store)
    broadcast_id = world.sending()
    taken = count_slots(world, monkeypatch, 0.025)
    world.send_all(broadcast_id)
    assert taken == [True]


# --- the daily limit -----------------------------------------------------------------------------------------------


def test_the_daily_limit_leaves_rows_pending_which_go_out_when_there_is_room(world: World) -> None:
    limited = World(redis=world.redis, daily_limit=3)
    add_many(limited.store, 8, wrote_at=NOON - 3 * DAY, wants_news=True)
    broadcast_id = limited.sending(TEMPLATE)
    limited.send_all(broadcast_id)
    assert limited.states(broadcast_id) == {"sent": 3, "pending": 5}
    limited.clock.pass_(minutes=10)
    limited.send_all(broadcast_id)
    assert limited.states(broadcast_id) == {"sent": 3, "pending": 5}
    limited.redis.delete(keys.OUTSIDE_WINDOW_TODAY)  # a day later, by Redis's own clock
    limited.clock.pass_(minutes=10)
    limited.send_all(broadcast_id)
    assert limited.states(broadcast_id) == {"sent": 6, "pending": 2}
    assert len(set(limited.twilio.addresses)) == 6


def test_who_wrote_today_is_not_held_up_by_the_daily_limit(world: World) -> None:
    limited = World(redis=world.redis, daily_limit=1)
    outside = add_many(limited.store, 200, wrote_at=NOON - 3 * DAY, wants_news=True)
    broadcast_id = limited.sending(TEMPLATE)
    inside = add_many(limited.store, 5, first=500)
    for person_id in inside:
        limited.recipients.add(broadcast_id, keys.shard_of(person_id), [person_id], TEMPLATE, NOON)
    limited.send_all(broadcast_id)
    assert limited.states(broadcast_id) == {"sent": 6, "pending": len(outside) - 1}


def test_a_second_try_after_days_needs_a_place_as_well(world: World) -> None:
    limited = World(redis=world.redis, daily_limit=1)
    person_id = add(limited.store, wrote_at=NOON - 3 * DAY, wants_news=True)
    limited.twilio.answers[OWNER] = [refused(63049)]
    broadcast_id = limited.sending(TEMPLATE)
    limited.send_all(broadcast_id)
    limited.clock.pass_(hours=24)
    limited.redis.delete(keys.OUTSIDE_WINDOW_TODAY)
    limited.redis.zadd(keys.OUTSIDE_WINDOW_TODAY, {"somebody else": 4e12})
    limited.send_all(broadcast_id)
    assert limited.recipient(broadcast_id, person_id).state is RecipientState.PENDING
    assert len(limited.twilio.sent) == 1


def test_a_postponed_row_is_looked_at_again_soon(world: World) -> None:
    limited = World(redis=world.redis, daily_limit=1)
    limited.redis.zadd(keys.OUTSIDE_WINDOW_TODAY, {"somebody else": 4e12})
    person_id = add(limited.store, wrote_at=NOON - 3 * DAY, wants_news=True)
    broadcast_id = limited.sending(TEMPLATE)
    limited.send_all(broadcast_id)
    assert limited.waits_until(broadcast_id, person_id) == pytest.approx(600)
