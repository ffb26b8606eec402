"""A process may die between any two steps of an erasure: what it left is done by whoever comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from onboarding_bot.people.message_deletions import MessageDeletions
from onboarding_bot.services.twilio_message_log import LoggedMessage
from onboarding_bot.storage.erasure import Erasures
from tests import inside
from tests.fakes import NOON
from tests.talker import new_sid, webhook_form
from tests.test_identity_faults import ASHA, LONGEST, NUMBER, RAVI, World, met_by_both_addresses_apart

ID = f"whatsapp:{ASHA}"


class EmptyLog:
    """Twilio has no messages."""

    def messages(self, **_whose: Any) -> Iterator[LoggedMessage]:
        return iter(())


def erasures_of(world: World) -> Erasures:
    return inside.erasures_of(world._app)


def do_what_is_due(world: World) -> None:
    """The worker's next minute."""
    world.clock.pass_(minutes=2)
    store, erasures = world.owner().store, erasures_of(world)
    work = MessageDeletions(erasures, EmptyLog(), lambda: world.clock.moment, lambda _: None)  # type: ignore[arg-type]  # a MessageLog
    for kind, deletion_id in store.take_due(world.clock.moment, world.clock.moment - NOON):
        if kind == "messages":
            work.run(deletion_id)


def met_by_both(world: World) -> None:
    world.owner(ASHA).says_all("Hi", "Asha Devi")


def met_by_id(world: World) -> None:
    world.owner(ASHA).hiding_the_number().says_all("Hi", "Asha Devi")
    world.owner(ASHA).says("7")


def met_apart(world: World) -> None:
    """The message that asks is the first to tell that the two are one."""
    met_by_both_addresses_apart(world)


def after_another(world: World) -> None:
    world.owner(RAVI).says_all("Hi", "Ravi Kumar")
    world.owner(ASHA).says_all("Hi", "Asha Devi")


def after_a_silent_record(world: World) -> None:
    world.owner().says_all("Hi", "Ravi Kumar")
    world.clock.pass_(days=61)
    world.owner(ASHA).says_all("Hi", "Asha Devi")


@pytest.mark.parametrize("after", [False, True], ids=["before the command", "after the command"])
@pytest.mark.parametrize("comes_again", [True, False], ids=["Twilio tries again", "nobody tries again"])
@pytest.mark.parametrize(
    "before",
    [
        pytest.param(met_by_both, id="met under both"),
        pytest.param(met_by_id, id="met by id first"),
        pytest.param(met_apart, id="two records that are one person's"),
        pytest.param(after_another, id="with a number that was passed on"),
        pytest.param(after_a_silent_record, id="with a number that was silent"),
    ],
)
def test_an_erasure_is_seen_through(before: Callable[[World], None], comes_again: bool, after: bool) -> None:
    world, halfway = World(), 0
    for command in range(1, LONGEST * 2):
        world.begin_again()
        before(world)
        asking = world.owner(ASHA) if before is not met_apart else world.owner(ASHA).hiding_the_number()
        asking.says("DELETE MY DATA")
        world.restart()
        sid = new_sid()
        form = webhook_form("YES", NUMBER, sid, ExternalUserId=ID)
        if world.is_answered_before_dying(form, command, after=after):
            break
        if comes_again:
            world.owner(ASHA).says("YES", sid=sid).hears("erased")
            world.restart()
        begun = bool(erasures_of(world).log.erased_since(NOON))
        halfway += begun
        do_what_is_due(world)
        if not begun:
            assert not comes_again
            continue
        world.restart()
        for way in (world.owner(ASHA), world.owner(ASHA).hiding_the_number(), world.owner()):
            stored = way.stored
            assert stored.session is None, command
            assert stored.contact.opt_out is not None, command
            world.restart()
            assert way.says("YES", sid=sid).hears("erased").stored.session is None, command
            world.restart()
        names = {name.decode() for name in world._redis.scan_iter()}
        assert not any(":messages:" in name for name in names), command
        erased = world.owner(ASHA).stored.person_id
        assert not any(f":link:{erased}" in name for name in names), command
        recorded = {name for name in names if ":contact:" in name}
        assert len(recorded) == (1 if before is after_another else 0), command
        if before is after_another:
            ravi = world.owner(RAVI).hiding_the_number().stored
            assert ravi.session.data == {"name": "Ravi Kumar"}, command
            assert ravi.contact.opt_out is None, command
        stops = {name.rpartition(":")[2] for name in names if ":optout:" in name}
        number, own = world.owner().store.identify(NUMBER), world.owner().store.identify(ID)
        assert own in stops, command
        assert before is after_another or number in stops, command
        assert len(stops) == (3 if before is after_a_silent_record else 2), command
        # Whoever writes again begins anew, and is one person.
        world.restart()
        world.owner(ASHA).says("Hi").expects_step("name").expects_data()
        world.restart()
        world.owner(ASHA).hiding_the_number().says("Asha Devi").expects_step("sector")
        world.restart()
        world.owner(ASHA).says("7").expects_step("pincode").expects_data(name="Asha Devi", sector="Retail")
        do_what_is_due(world)
        world.restart()
        world.owner(ASHA).hiding_the_number().says("560001").expects_step("phone")
    else:
        pytest.fail("an erasure needs more commands than are tried")
    assert halfway >= 3


@pytest.mark.parametrize("after", [False, True], ids=["before the command", "after the command"])
@pytest.mark.parametrize("back_by", ["both", "id"])
def test_a_person_who_comes_back_before_the_rest_is_done_is_not_erased_by_it(after: bool, back_by: str) -> None:
    world = World()
    for command in range(1, LONGEST * 2):
        world.begin_again()
        met_by_both(world)
        world.owner(ASHA).says("DELETE MY DATA")
        form = webhook_form("YES", NUMBER, new_sid(), ExternalUserId=ID)
        if world.is_answered_before_dying(form, command, after=after):
            break
        if not erasures_of(world).log.erased_since(NOON):
            continue
        world.clock.pass_(seconds=10)
        back = world.owner(ASHA) if back_by == "both" else world.owner(ASHA).hiding_the_number()
        back.says_all("Hi", "START", "Asha Devi")
        do_what_is_due(world)
        world.restart()
        back.says("7").expects_step("pincode").expects_data(name="Asha Devi", sector="Retail")
        assert back.stored.contact.opt_out is None, command
    else:
        pytest.fail("an erasure needs more commands than are tried")
