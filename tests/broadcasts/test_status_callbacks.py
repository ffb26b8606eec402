"""Status callbacks: what they do to recipients, to people, and to the broadcast."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from onboarding_bot.outbound.broadcast_definition import Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from tests.broadcasts.people import add
from tests.broadcasts.test_sender import COUNT_AGAINST, FAIL, LATER, OWNER, RETRY, STOP, SUPPRESS
from tests.broadcasts.world import TEMPLATE, World

S = BroadcastStatus
DAY = timedelta(days=1)


@pytest.fixture
def one(world: World) -> tuple[str, str]:
    """A broadcast that one person got as SM1; its id and the person's."""
    person_id = add(world.store)
    broadcast_id = world.sending()
    world.send_all(broadcast_id)
    return broadcast_id, person_id


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param(["queued", "sent", "delivered", "read"], "read", id="in order"),
        pytest.param(["read", "delivered", "sent", "queued"], "read", id="the other way round"),
        pytest.param(["delivered", "delivered", "sent", "delivered"], "delivered", id="repeated"),
        pytest.param(["failed", "delivered"], "delivered", id="failed, and delivered all the same"),
        pytest.param(["undelivered", "delivered"], "delivered", id="undelivered, and delivered all the same"),
        pytest.param(["failed", "read"], "read", id="failed, and read all the same"),
        pytest.param(["failed", "delivered", "read"], "read", id="failed, delivered and read"),
        pytest.param(["delivered", "failed"], "delivered", id="delivered, and then failed"),
        pytest.param(["read", "failed", "delivered"], "read", id="read, and then failed"),
        pytest.param(
            ["failed", "delivered", "failed", "failed"], "delivered", id="failed and delivered, both repeated"
        ),
        pytest.param(["failed", "sent"], "failed", id="sent is told late"),
        pytest.param(["undelivered"], "failed", id="undelivered"),
        pytest.param(["delivered", "undelivered"], "delivered", id="delivered is not undone"),
        pytest.param(["accepted", "sending", "canceled", "receiving", "", "dancing"], "sent", id="says nothing new"),
    ],
)
def test_a_row_only_moves_forwards(world: World, one: tuple[str, str], statuses: list[str], expected: str) -> None:
    for status in statuses:
        world.callbacks.apply(*one, "SM1", status, 0)
    assert world.recipient(*one).state == expected
    assert world.states(one[0]) == {expected: 1}
    assert world.service.view(one[0]).sent_count == 1


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
@pytest.mark.parametrize("code", sorted(SUPPRESS | COUNT_AGAINST | STOP))
def test_only_a_failure_says_something_about_the_number(
    world: World, one: tuple[str, str], status: str, code: int
) -> None:
    for _ in range(3):
        world.callbacks.apply(*one, "SM1", status, code)
    assert world.status(one[0]) is not S.STOPPED
    assert world.recipient(world.sending(), one[1]).state is RecipientState.PENDING


def test_a_callback_without_its_message_changes_nothing(world: World, one: tuple[str, str]) -> None:
    world.callbacks.apply(*one, "", "delivered", 0)
    assert world.recipient(*one).state is RecipientState.SENT


def test_a_callback_about_nothing_we_know_changes_nothing(world: World, one: tuple[str, str]) -> None:
    before = sorted(world.redis.keys())
    world.callbacks.apply("0" * 24, one[1], "SM1", "failed", 21610)
    world.callbacks.apply(one[0], "f" * 32, "SM1", "failed", 21610)
    world.callbacks.apply(*one, "SM9", "failed", 21610)
    assert sorted(world.redis.keys()) == before
    assert world.recipient(*one).state is RecipientState.SENT
    assert world.recipient(world.sending(), one[1]).state is RecipientState.PENDING


@pytest.mark.parametrize("code", sorted(FAIL | {0, 99999}))
def test_a_failure_is_shown_with_its_code(world: World, one: tuple[str, str], code: int) -> None:
    for _ in range(3):
        world.callbacks.apply(*one, "SM1", "undelivered", code)
    assert world.recipient(*one).state is RecipientState.FAILED
    assert world.service.view(one[0]).errors == {str(code): 1}


@pytest.mark.parametrize("code", sorted(SUPPRESS))
def test_who_blocked_us_is_not_written_to_again(world: World, one: tuple[str, str], code: int) -> None:
    world.callbacks.apply(*one, "SM1", "failed", code)
    assert world.recipient(world.sending(), one[1]).code == "suppressed"


@pytest.mark.parametrize("code", sorted(COUNT_AGAINST))
def test_a_number_that_seems_wrong_is_given_up_after_three_broadcasts(world: World, code: int) -> None:
    person_id = add(world.store)
    for number in range(1, 4):
        broadcast_id = world.sending()
        world.send_all(broadcast_id)
        for _ in range(3):
            world.callbacks.apply(broadcast_id, person_id, f"SM{number}", "undelivered", code)
        assert world.recipient(broadcast_id, person_id).state is RecipientState.FAILED
    assert world.recipient(world.sending(), person_id).code == "suppressed"


@pytest.mark.parametrize("code", sorted(RETRY))
def test_what_failed_in_passing_is_tried_again(world: World, one: tuple[str, str], code: int) -> None:
    world.callbacks.apply(*one, "SM1", "undelivered", code)
    assert world.waits_until(*one) == pytest.approx(2, abs=0.01)
    world.clock.pass_(seconds=2)
    world.send_all(one[0])
    assert world.recipient(*one).message_sid == "SM2"


@pytest.mark.parametrize("code", sorted(LATER))
def test_what_whatsapp_holds_back_is_tried_after_a_day_and_after_three(world: World, code: int) -> None:
    person_id = add(world.store, wants_news=True)
    broadcast_id = world.sending(replace(TEMPLATE, purpose=Purpose.MARKETING))
    world.send_all(broadcast_id)
    for number, hours in enumerate((24, 72), start=1):
        world.callbacks.apply(broadcast_id, person_id, f"SM{number}", "undelivered", code)
        assert world.waits_until(broadcast_id, person_id) == pytest.approx(hours * 3600, abs=0.01)
        world.clock.pass_(hours=hours)
        world.send_all(broadcast_id)
    assert len(world.twilio.sent) == 3
    world.callbacks.apply(broadcast_id, person_id, "SM3", "undelivered", code)
    assert world.recipient(broadcast_id, person_id).state is RecipientState.FAILED


@pytest.mark.parametrize("code", sorted(STOP - {63018}))
def test_what_concerns_the_sender_stops_the_broadcast_with_the_reason(
    world: World, one: tuple[str, str], code: int
) -> None:
    world.callbacks.apply(*one, "SM1", "failed", code)
    record = world.record(one[0])
    assert (record.status, record.reason) == (S.STOPPED, f"Twilio error {code}")
    assert world.recipient(*one).state is RecipientState.FAILED


def test_the_daily_limit_sends_a_row_back_and_the_broadcast_goes_on(world: World, one: tuple[str, str]) -> None:
    world.callbacks.apply(*one, "SM1", "failed", 63018)
    world.callbacks.apply(*one, "SM1", "failed", 63018)
    assert world.status(one[0]) is S.SENDING
    assert world.waits_until(*one) == pytest.approx(3600)
    world.clock.pass_(hours=1)
    world.send_all(one[0])
    world.callbacks.apply(*one, "SM1", "delivered", 0)
    assert (world.recipient(*one).state, world.recipient(*one).message_sid) == (RecipientState.SENT, "SM2")
    assert world.service.view(one[0]).sent_count == 1


def test_the_last_callbacks_come_when_everything_was_attempted(world: World) -> None:
    person_id = add(world.store)
    broadcast_id = world.create()
    world.tick(6)
    assert world.status(broadcast_id) is S.COMPLETED
    world.callbacks.apply(broadcast_id, person_id, "SM1", "failed", 63018)
    assert world.status(broadcast_id) is S.SENDING
    world.clock.pass_(hours=1)
    world.tick(4)
    assert world.twilio.addresses == [OWNER, OWNER]
    assert world.status(broadcast_id) is S.COMPLETED


@pytest.mark.parametrize("status", [S.CANCELLED, S.STOPPED, S.PAUSED])
def test_a_callback_makes_nothing_go_on_that_was_held(world: World, one: tuple[str, str], status: S) -> None:
    world.records.transition(one[0], status, [S.SENDING])
    world.callbacks.apply(*one, "SM1", "failed", 63018)
    assert world.status(one[0]) is status
