"""The scheduler: what begins, what waits, what is held, and when everything was attempted."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
import structlog

from onboarding_bot.conversation.sectors import Sector
from onboarding_bot.errors import StoreUnavailableError
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.services.twilio_content_api import ContentApiError
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.storage import keys
from onboarding_bot.storage.keys import SHARDS, shard_of
from onboarding_bot.storage.leases import ShardWork
from onboarding_bot.time_zone import INDIA
from tests.broadcasts.people import add, add_many, sender_of
from tests.broadcasts.world import TEMPLATE, TEXT, World
from tests.fakes import NOON

S = BroadcastStatus
DAY = timedelta(days=1)


def sent_count(world: World, broadcast_id: str) -> int:
    return world.service.view(broadcast_id).sent_count


# --- beginning and ending ------------------------------------------------------------------------------------------


def test_a_broadcast_is_counted_sent_and_completed(world: World) -> None:
    add_many(world.store, 20)
    add(world.store, sender_of(50), has_stopped=True)
    broadcast_id = world.create()
    assert world.status(broadcast_id) is S.COUNTING
    with structlog.testing.capture_logs() as lines:
        world.tick()
        assert world.status(broadcast_id) is S.SENDING
        assert world.service.view(broadcast_id).recipient_count is None
        world.tick(5)
    assert [(line["event"], line["broadcast"]) for line in lines] == [
        ("broadcast_begins", broadcast_id),
        ("broadcast_completed", broadcast_id),
    ]
    assert lines[0]["audience"] == 21
    view = world.service.view(broadcast_id)
    assert (view.record.status, view.recipient_count, view.sent_count) == (S.COMPLETED, 20, 20)
    assert view.skipped["opted_out"] == 1
    assert world.records.active() == []


def test_the_first_message_leaves_within_three_seconds(world: World) -> None:
    add(world.store)
    broadcast_id = world.create()
    world.tick(3)
    assert sent_count(world, broadcast_id) == 1


@pytest.mark.parametrize("waves", [(), (2, 10)])
def test_nobody_in_the_audience_is_soon_done(waves: tuple[int, ...]) -> None:
    world = World(waves=waves)
    add(world.store, has_stopped=True)
    broadcast_id = world.create(Definition(message="Hi", target_step=None))
    empty = world.create(Definition(message="Hi", sector=Sector.TEXTILE))
    world.tick(5)
    assert world.status(broadcast_id) is world.status(empty) is S.COMPLETED


def test_a_scheduled_broadcast_begins_on_time(world: World) -> None:
    add(world.store)
    broadcast_id = world.create(Definition(message="Hi", schedule_at=NOON + timedelta(minutes=5)))
    world.tick(5, seconds=59)
    assert world.status(broadcast_id) is S.SCHEDULED
    world.tick(1, seconds=5)
    world.tick(6)
    assert world.status(broadcast_id) is S.COMPLETED
    assert len(world.twilio.sent) == 1


def test_a_scheduled_broadcast_waits_among_the_due_work_of_a_shard(world: World) -> None:
    broadcast_id = world.create(Definition(message="Hi", schedule_at=NOON + timedelta(minutes=5)))
    world.tick(3)
    found = {name: world.redis.zrange(name, 0, -1, withscores=True) for name in map(keys.due_in, range(SHARDS))}
    begins_at = (NOON + timedelta(minutes=5)).timestamp() * 1000
    assert [entries for entries in found.values() if entries] == [[(f"broadcast:{broadcast_id}".encode(), begins_at)]]
    world.tick(2, minutes=5)
    assert not any(world.redis.exists(name) for name in found)


@pytest.mark.parametrize("end", ["cancel", "pause"])
def test_one_that_is_held_or_cancelled_does_not_begin(world: World, end: str) -> None:
    add(world.store)
    broadcast_id = world.create(Definition(message="Hi", schedule_at=NOON + timedelta(minutes=5)))
    world.tick()
    getattr(world.service, end)(broadcast_id)
    world.tick(5, minutes=5)
    assert world.twilio.sent == []
    assert not any(world.redis.exists(keys.due_in(shard)) for shard in range(SHARDS))


def test_the_audience_is_the_one_of_the_moment_it_begins(world: World) -> None:
    add(world.store)
    broadcast_id = world.create(Definition(message="Hi", schedule_at=NOON + timedelta(minutes=5)))
    world.tick(3)
    late = sender_of(1)
    add(world.store, late)
    world.clock.pass_(minutes=5)
    world.tick(6)
    assert late in world.twilio.addresses
    assert sent_count(world, broadcast_id) == 2


def test_it_is_not_over_while_a_message_is_on_its_way_or_waits_for_another_try(world: World) -> None:
    person_id = add(world.store)
    world.twilio.answers["whatsapp:+919876543210"] = [Sent(SendResult.REFUSED, code=63010)]
    broadcast_id = world.create()
    world.tick(3)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.PENDING
    world.tick()
    assert world.status(broadcast_id) is S.SENDING
    world.tick(4)
    assert world.status(broadcast_id) is S.COMPLETED


def test_a_failed_row_was_attempted(world: World) -> None:
    add(world.store)
    world.twilio.always = Sent(SendResult.REFUSED, code=63016)
    broadcast_id = world.create()
    world.tick(6)
    assert world.status(broadcast_id) is S.COMPLETED


def test_jobs_are_handed_out_once(world: World) -> None:
    """Until they are done, or their worker must have died."""
    person_id = add(world.store)
    broadcast_id = world.sending()
    world.scheduler.tick()
    world.scheduler.tick()
    assert world.jobs == [("send", broadcast_id, shard_of(person_id))]


def test_two_schedulers_for_a_moment_do_no_harm(world: World) -> None:
    add_many(world.store, 30)
    broadcast_id = world.create()
    record = world.record(broadcast_id)
    world.scheduler.tick()
    for shard in range(0, SHARDS, 2):
        world.audience.add_recipients(broadcast_id, shard)
    add_many(world.store, 30, first=100)
    world.scheduler._begin(record)
    world.tick(8)
    assert sent_count(world, broadcast_id) >= 30
    assert len(set(world.twilio.addresses)) == len(world.twilio.addresses)
    assert set(world.twilio.addresses) >= {sender_of(number) for number in range(30)}


# --- people who are lost -------------------------------------------------------------------------------------------


def lost_in_the_middle(world: World) -> tuple[str, str]:
    """A broadcast whose only message was under way when the worker was killed."""
    person_id = add(world.store)
    broadcast_id = world.create()
    world.tick(2)
    world.recipients.claim(broadcast_id, person_id, TEXT, world.now())
    return broadcast_id, person_id


def test_a_message_without_its_worker_is_uncertain_after_twenty_seconds(world: World) -> None:
    broadcast_id, person_id = lost_in_the_middle(world)
    world.clock.pass_(seconds=18)
    world.tick()
    assert world.recipient(broadcast_id, person_id).state is RecipientState.SENDING
    world.tick(2)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.UNCERTAIN
    world.tick(3)
    assert world.status(broadcast_id) is S.COMPLETED
    assert world.twilio.sent == []


@pytest.mark.parametrize("status", [S.PAUSED, S.CANCELLED, S.STOPPED])
def test_that_is_so_though_the_broadcast_was_held_meanwhile(world: World, status: S) -> None:
    broadcast_id, person_id = lost_in_the_middle(world)
    world.records.transition(broadcast_id, status, [S.SENDING])
    world.tick()
    assert world.records.active() == [broadcast_id]
    world.clock.pass_(seconds=20)
    world.tick(2)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.UNCERTAIN
    assert world.records.active() == ([broadcast_id] if status is S.PAUSED else [])


def test_an_admin_sends_uncertain_ones_again(world: World) -> None:
    broadcast_id, person_id = lost_in_the_middle(world)
    world.clock.pass_(seconds=20)
    world.tick(3)
    assert world.service.resend_uncertain(broadcast_id) == 1
    assert world.status(broadcast_id) is S.SENDING
    world.tick(3)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.SENT
    assert world.status(broadcast_id) is S.COMPLETED
    assert world.service.resend_uncertain(broadcast_id) == 0
    assert world.status(broadcast_id) is S.COMPLETED


def test_the_place_of_a_worker_that_died_is_free_after_a_while(world: World) -> None:
    """Leases run by Redis's own clock; here they are ended by hand."""
    add_many(world.store, 10)
    broadcast_id = world.create()
    world.scheduler.tick()
    world.scheduler.tick()
    assert len(world.jobs) == SHARDS
    world.jobs.clear()
    world.scheduler.tick()
    assert world.jobs == []
    for shard in range(SHARDS):
        world.leases.give_back(broadcast_id, shard, ShardWork.ADD_RECIPIENTS)
    world.tick(4)
    assert world.status(broadcast_id) is S.COMPLETED


def test_one_broken_broadcast_does_not_end_the_care_for_the_others(world: World) -> None:
    add(world.store)
    broken, whole = world.create(), world.create()
    world.redis.hset(f"{{outbound}}:broadcast:{broken}", "status", "dancing")
    with structlog.testing.capture_logs() as lines:
        world.tick(6)
    assert world.status(whole) is S.COMPLETED
    assert {line["broadcast"] for line in lines if line["event"] == "broadcast_postponed"} == {broken}


def test_without_redis_the_scheduler_gives_up_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_broadcast_id: str) -> None:
        raise StoreUnavailableError("ConnectionError")

    world.create()
    monkeypatch.setattr(world.records, "find", gone)
    with pytest.raises(StoreUnavailableError):
        world.scheduler.tick()


def test_a_broadcast_that_vanished_is_passed_over(world: World) -> None:
    broadcast_id = world.create()
    world.redis.delete(f"{{outbound}}:broadcast:{broadcast_id}")
    with structlog.testing.capture_logs() as lines:
        world.tick()
    assert lines == [], "there is nothing to look after, and nothing to complain of"
    assert (world.records.find(broadcast_id), world.jobs, world.twilio.sent) == (None, [], [])


# --- what Meta makes of a template ---------------------------------------------------------------------------------


def test_a_template_that_meta_calls_marketing_needs_that_consent(world: World) -> None:
    add(world.store)
    wants = add(world.store, sender_of(1), wants_news=True)
    world.is_marketing = lambda content_sid: content_sid == TEMPLATE.content_sid
    marketing = World(redis=world.redis, is_marketing=world.is_marketing)
    broadcast_id = marketing.create(TEMPLATE)
    marketing.tick(6)
    assert marketing.twilio.addresses == [sender_of(1)]
    assert marketing.service.view(broadcast_id).skipped["no_consent"] == 1
    again = marketing.create(Definition(message="News!", purpose=Purpose.MARKETING))
    marketing.tick(6)
    assert marketing.recipient(again, wants).code == "frequency"


def test_until_twilio_says_which_it_is_that_broadcast_waits_alone() -> None:
    known: list[bool] = []

    def is_marketing(_content_sid: str) -> bool:
        if not known:
            raise ContentApiError("Twilio has not told yet")
        return known[0]

    world = World(is_marketing=is_marketing)
    add(world.store)
    waits, goes = world.create(TEMPLATE), world.create()
    with structlog.testing.capture_logs():
        world.tick(6)
    assert world.status(waits) is S.COUNTING
    assert world.status(goes) is S.COMPLETED
    known.append(False)
    world.tick(6)
    assert world.status(waits) is S.COMPLETED


# --- waves ---------------------------------------------------------------------------------------------------------


def sent_in_waves(count: int, waves: tuple[int, ...] = (2, 10)) -> tuple[World, str]:
    """A broadcast to so many people, as it stands when nothing moves any more."""
    world = World(waves=waves)
    add_many(world.store, count)
    broadcast_id = world.create()
    world.tick(6)
    return world, broadcast_id


def test_waves_of_two_ten_and_all_half_an_hour_apart() -> None:
    world, broadcast_id = sent_in_waves(300)
    assert sent_count(world, broadcast_id) == 6
    world.tick(2, minutes=14)
    assert sent_count(world, broadcast_id) == 6
    world.tick(4, minutes=1)
    assert sent_count(world, broadcast_id) == 30
    world.tick(4, minutes=7)
    assert sent_count(world, broadcast_id) == 30
    world.tick(4, minutes=1)
    assert sent_count(world, broadcast_id) == 300
    assert world.status(broadcast_id) is S.COMPLETED


@pytest.mark.parametrize(
    ("count", "waves"),
    [pytest.param(199, (2, 10), id="few recipients"), pytest.param(200, (), id="switched off")],
)
def test_no_waves(count: int, waves: tuple[int, ...]) -> None:
    world, broadcast_id = sent_in_waves(count, waves)
    assert sent_count(world, broadcast_id) == count


def test_two_hundred_recipients_are_enough_for_waves() -> None:
    world, broadcast_id = sent_in_waves(200)
    assert sent_count(world, broadcast_id) == 4


def test_a_wave_is_a_share_of_the_recipients_and_not_of_those_who_are_skipped() -> None:
    world = World(waves=(10,))
    add_many(world.store, 200)
    add_many(world.store, 400, first=1000, has_stopped=True)
    broadcast_id = world.create()
    world.tick(6)
    assert sent_count(world, broadcast_id) == 20


def test_many_who_are_skipped_make_no_waves_for_few() -> None:
    world = World(waves=(2, 10))
    add_many(world.store, 50)
    add_many(world.store, 200, first=1000, has_stopped=True)
    broadcast_id = world.create()
    world.tick(6)
    assert world.status(broadcast_id) is S.COMPLETED
    assert sent_count(world, broadcast_id) == 50


def test_slots_that_a_killed_worker_took_with_it_do_not_keep_the_rest_waiting() -> None:
    world, broadcast_id = sent_in_waves(250, (50,))
    world.records.set_fields(broadcast_id, started=1000)
    world.tick(4, minutes=16)
    assert sent_count(world, broadcast_id) == 250
    assert world.status(broadcast_id) is S.COMPLETED


def test_a_wave_that_was_interrupted_by_the_night_is_watched_for_half_an_hour_all_the_same() -> None:
    world, broadcast_id = sent_in_waves(300, (10,))
    assert sent_count(world, broadcast_id) == 30
    world.records.set_fields(broadcast_id, wave_ended_at=0, started=20)
    world.clock.pass_(hours=12)
    world.records.set_fields(broadcast_id, started=30)
    world.tick(3)
    assert sent_count(world, broadcast_id) == 30


def test_while_a_wave_rests_no_job_is_put_into_the_queue() -> None:
    world, _ = sent_in_waves(300)
    world.scheduler.tick()
    assert world.jobs == []


def test_a_wave_ends_when_as_many_as_it_may_reach_were_attempted() -> None:
    world, broadcast_id = sent_in_waves(300)
    world.records.set_fields(broadcast_id, wave_ended_at=0, started=5)
    world.scheduler.tick()
    assert world.record(broadcast_id).number("wave_ended_at") == 0
    assert {what for what, _, _ in world.jobs} == {"send"}
    world.records.set_fields(broadcast_id, started=6)
    world.scheduler.tick()
    assert world.record(broadcast_id).number("wave_ended_at") > 0


def test_a_wave_does_not_end_while_its_recipients_are_counted() -> None:
    world, broadcast_id = sent_in_waves(300)
    world.records.set_fields(broadcast_id, wave_ended_at=0)
    world.redis.hdel(keys.broadcast(broadcast_id), "counted_at")
    world.scheduler.tick()
    assert world.record(broadcast_id).number("wave_ended_at") == 0


def test_a_wave_under_way_is_not_judged_by_the_first_few() -> None:
    world, broadcast_id = sent_in_waves(300)
    fail_some(world, broadcast_id, 1)
    world.records.set_fields(broadcast_id, wave_ended_at=0, started=5)
    world.scheduler.tick()
    assert world.status(broadcast_id) is S.SENDING, "1 of 6, and it goes on"
    world.records.set_fields(broadcast_id, started=6)
    world.tick(2)
    assert world.status(broadcast_id) is S.PAUSED, "1 of 6, and it is over"


def test_in_the_moment_in_which_it_is_held_nothing_more_goes_out() -> None:
    world, broadcast_id = sent_in_waves(400, (10,))
    fail_some(world, broadcast_id, 3)
    world.clock.pass_(minutes=31)
    with structlog.testing.capture_logs() as lines:
        world.scheduler.tick()
    assert world.status(broadcast_id) is S.PAUSED
    assert world.jobs == []
    assert [line["event"] for line in lines] == ["broadcast_paused"]


def fail_some(world: World, broadcast_id: str, count: int) -> None:
    sent = [recipient for recipient in world.by_person(broadcast_id).values() if recipient.state is RecipientState.SENT]
    for recipient in sent[:count]:
        world.callbacks.apply(broadcast_id, recipient.person_id, recipient.message_sid, "undelivered", 63016)


def stop_some(world: World, broadcast_id: str, count: int) -> None:
    sent = [
        recipient.person_id
        for recipient in world.by_person(broadcast_id).values()
        if recipient.state is RecipientState.SENT
    ][:count]
    for contact in world.contacts.of([sent[0]]) + [world.contacts.of([person])[0] for person in sent[1:]]:
        assert contact is not None
        add(world.store, contact.address, has_stopped=True)


def test_more_than_five_per_cent_of_failures_hold_a_broadcast() -> None:
    world, broadcast_id = sent_in_waves(400, (10,))
    fail_some(world, broadcast_id, 2)
    world.tick()
    assert world.status(broadcast_id) is S.SENDING, "2 of 40 are just 5 %"
    fail_some(world, broadcast_id, 1)
    world.tick()
    record = world.record(broadcast_id)
    assert record.status is S.PAUSED
    assert record.reason == "3 of 40 messages of this wave failed (more than 5 %)"
    world.tick(3, minutes=60)
    assert sent_count(world, broadcast_id) == 40


def hold_back_some(world: World, broadcast_id: str, count: int) -> list[tuple[str, str]]:
    """Have WhatsApp say of so many that were sent that the sender's limit kept them back; who, with which message."""
    sent = [
        recipient for recipient in world.by_person(broadcast_id).values() if recipient.state is RecipientState.SENT
    ][:count]
    for recipient in sent:
        world.callbacks.apply(broadcast_id, recipient.person_id, recipient.message_sid, "failed", 63018)
    return [(recipient.person_id, recipient.message_sid) for recipient in sent]


def test_a_limit_that_is_told_of_many_afterwards_holds_a_broadcast() -> None:
    """Twilio takes every message, and WhatsApp delivers none: those recipients wait, and no other is sent to."""
    world, broadcast_id = sent_in_waves(400, (10,))
    hold_back_some(world, broadcast_id, 2)
    world.tick()
    assert world.status(broadcast_id) is S.SENDING
    hold_back_some(world, broadcast_id, 1)
    world.tick()
    record = world.record(broadcast_id)
    assert record.status is S.PAUSED
    assert record.reason == (
        "3 of 40 messages of this wave failed (more than 5 %), 3 of them over WhatsApp's limit (Twilio error 63018)"
    )
    world.service.resume(broadcast_id)
    world.tick(2)
    assert world.status(broadcast_id) is S.SENDING, "and is judged anew"


def test_what_arrived_after_all_has_not_failed() -> None:
    world, broadcast_id = sent_in_waves(400, (10,))
    for person_id, message_sid in hold_back_some(world, broadcast_id, 3):
        world.callbacks.apply(broadcast_id, person_id, message_sid, "delivered", 0)
    fail_some(world, broadcast_id, 3)
    for recipient in world.by_person(broadcast_id).values():
        if recipient.state is RecipientState.FAILED:
            world.callbacks.apply(broadcast_id, recipient.person_id, recipient.message_sid, "read", 0)
    world.tick()
    assert world.status(broadcast_id) is S.SENDING
    view = world.service.view(broadcast_id)
    assert view.errors == {}
    assert (view.counts["failed"], view.counts["delivered"], view.counts["read"]) == (0, 3, 3)


def test_more_than_two_per_cent_of_stops_hold_a_broadcast() -> None:
    world, broadcast_id = sent_in_waves(500, (10,))
    stop_some(world, broadcast_id, 1)
    world.tick()
    assert world.status(broadcast_id) is S.SENDING, "1 of 50 is just 2 %"
    stop_some(world, broadcast_id, 2)
    world.tick()
    record = world.record(broadcast_id)
    assert record.status is S.PAUSED
    assert record.reason == "2 of 50 people of this wave said STOP (more than 2 %)"


def test_who_is_resumed_is_judged_anew() -> None:
    world, broadcast_id = sent_in_waves(400, (10,))
    fail_some(world, broadcast_id, 3)
    world.tick()
    world.service.resume(broadcast_id)
    world.tick(2)
    assert world.status(broadcast_id) is S.SENDING
    assert world.record(broadcast_id).reason == ""
    fail_some(world, broadcast_id, 1)
    world.tick(2, minutes=30)
    world.tick(4)
    assert world.status(broadcast_id) is S.COMPLETED


def test_the_failures_of_one_wave_are_not_counted_in_the_next() -> None:
    world, broadcast_id = sent_in_waves(400, (10, 20))
    fail_some(world, broadcast_id, 2)
    world.tick(3, minutes=30)
    assert sent_count(world, broadcast_id) == 80
    fail_some(world, broadcast_id, 2)
    world.tick()
    assert world.status(broadcast_id) is S.SENDING


def test_a_share_of_a_few_says_nothing() -> None:
    world = World()
    add_many(world.store, 19)
    world.twilio.always = Sent(SendResult.REFUSED, code=63016)
    broadcast_id = world.create()
    world.tick(6)
    assert world.status(broadcast_id) is S.COMPLETED


# --- quiet hours, and the day's room ---------------------------------------------------------------------------------


def test_in_the_quiet_hours_a_broadcast_waits_and_says_until_when() -> None:
    world = World(quiet_hours=QuietHours(time(21), time(9)))
    world.clock.moment = datetime(2026, 11, 22, 22, 0, tzinfo=INDIA)
    add(world.store, wrote_at=world.clock.moment)
    broadcast_id = world.create()
    world.tick(5)
    assert world.status(broadcast_id) is S.SENDING
    until = world.record(broadcast_id).fields["rests_until"]
    assert datetime.fromisoformat(until) == datetime(2026, 11, 23, 9, 0, tzinfo=INDIA)
    assert world.twilio.sent == []
    world.scheduler.tick()
    assert world.jobs == []
    world.clock.moment = datetime(2026, 11, 23, 9, 0, tzinfo=INDIA)
    world.tick(3)
    assert len(world.twilio.sent) == 1
    assert world.record(broadcast_id).fields["rests_until"] == ""


def test_who_finds_no_room_today_waits_and_the_broadcast_is_not_over() -> None:
    world = World(daily_limit=2)
    add_many(world.store, 5, wrote_at=NOON - 3 * DAY, wants_news=True)
    broadcast_id = world.create(TEMPLATE)
    world.tick(8)
    assert world.states(broadcast_id) == {"sent": 2, "pending": 3}
    assert world.status(broadcast_id) is S.SENDING
    for _ in range(2):
        world.redis.delete("{outbound}:outside-window")
        world.clock.pass_(minutes=10)
        world.tick(2)
    assert world.states(broadcast_id) == {"sent": 5}
    world.tick()
    assert world.status(broadcast_id) is S.COMPLETED


def test_two_broadcasts_share_the_days_room() -> None:
    world = World(daily_limit=3)
    add_many(world.store, 4, wrote_at=NOON - 3 * DAY, wants_news=True)
    for _ in range(2):
        world.create(TEMPLATE)
    world.tick(6)
    assert len(set(world.twilio.addresses)) == 3


# --- held and let go -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [0, 1, 2, 3])
def test_whenever_it_is_held_nobody_is_lost_or_written_to_twice(ticks: int) -> None:
    world = World(waves=(10,))
    add_many(world.store, 220)
    broadcast_id = world.create()
    world.tick(ticks)
    world.service.pause(broadcast_id)
    before = len(world.twilio.sent)
    world.tick(5)
    assert len(world.twilio.sent) == before
    world.service.resume(broadcast_id)
    world.tick(8)
    world.tick(3, minutes=31)
    world.tick(3)
    assert world.status(broadcast_id) is S.COMPLETED
    assert sorted(world.twilio.addresses) == sorted(sender_of(number) for number in range(220))


def test_a_scheduled_one_that_was_held_and_let_go_keeps_its_time(world: World) -> None:
    add(world.store)
    broadcast_id = world.create(Definition(message="Hi", schedule_at=NOON + timedelta(hours=1)))
    world.service.pause(broadcast_id)
    assert world.service.resume(broadcast_id).record.status is S.SCHEDULED
    world.tick(5)
    assert world.twilio.sent == []
    world.service.pause(broadcast_id)
    world.clock.pass_(hours=2)
    world.tick(3)
    assert world.twilio.sent == []
    world.service.resume(broadcast_id)
    world.tick(6)
    assert world.status(broadcast_id) is S.COMPLETED


def test_the_rate_and_the_end_are_told(world: World) -> None:
    people = add_many(world.store, 10)
    broadcast_id = world.sending()
    assert world.service.view(broadcast_id).eta is None
    world.scheduler.tick()
    for person_id in people[:4]:
        world.recipients.claim(broadcast_id, person_id, TEXT, world.now())
        world.recipients.record_send(broadcast_id, person_id, RecipientState.SENT, message_sid="SM1")
    world.clock.pass_(seconds=2)
    view = world.service.view(broadcast_id)
    assert (view.rate_per_second, view.eta) == (2.0, world.now() + timedelta(seconds=3))
    world.clock.pass_(seconds=6)
    world.scheduler.tick()
    assert world.service.view(broadcast_id).rate_per_second == 0.5
    world.service.cancel(broadcast_id)
    assert world.service.view(broadcast_id).eta is None
