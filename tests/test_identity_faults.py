"""A process may die between any two steps of learning who a person is: the next delivery finds nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from onboarding_bot.app import create_app
from onboarding_bot.conversation.contact import NEWS
from onboarding_bot.storage.session_store import StoredPerson
from tests.databases import empty_database
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.inside import forget_addresses, identities_of
from tests.settings import settings
from tests.talker import Talker, new_sid, post_signed, webhook_form

ASHA, RAVI, NUMBER = "IN.1349", "IN.77001", "whatsapp:+919876543210"
GROUP = "IN.ENT.55500"
# More commands than any message needs.
LONGEST = 80


class Death:
    """Kills a process at its n-th command to Redis: before it is carried out, or when its answer is on the way."""

    def __init__(self) -> None:
        self.spare()

    def spare(self) -> None:
        self.at, self.after, self.count = 0, False, 0

    def come(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.count = at, after, 0

    def meets(self, carry_out: Callable[[], Any]) -> Any:
        self.count += 1
        if not self.at or self.count < self.at:
            return carry_out()
        if self.after and self.count == self.at:
            carry_out()
        raise RedisConnectionError("the process died")


class MortalRedis(Redis):
    """A connection of a process that may die."""

    def __init__(self, death: Death) -> None:
        self._death = death
        super().__init__(**empty_database())

    def execute_command(self, *args: Any, **options: Any) -> Any:
        execute: Callable[..., Any] = super().execute_command
        return self._death.meets(lambda: execute(*args, **options))


class World:
    """One Redis, and a process over it that dies and is started anew."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self._death = Death()
        self._redis = MortalRedis(self._death)
        self._app = create_app(settings(), redis=self._redis, otp_service=FakeOtpService(), clock=self.clock.clock())

    def begin_again(self) -> None:
        """Nobody has ever written."""
        self._death.spare()
        self._redis.flushdb()
        self.clock.moment = NOON
        self.restart()

    def restart(self) -> None:
        """Start a process in the place of the one that died; it remembers no addresses."""
        self._death.spare()
        forget_addresses(self._app)

    def is_answered_before_dying(self, form: dict[str, Any], at: int, *, after: bool) -> bool:
        """Whether a process that dies at its ``at``-th command answers the message before."""
        self._death.come(at, after=after)
        is_answered = post_signed(self._app.test_client(), form).status_code == 200
        died = self._death.count >= at
        self.restart()
        return is_answered and not died

    def hands_over(self, token: str) -> int:
        """How the web app is answered when it turns a login link's token into the sign-up."""
        headers = {"Authorization": "Bearer handoff-key-of-the-tests"}
        return self._app.test_client().post("/handoff", json={"token": token}, headers=headers).status_code

    def is_handed_over_before_dying(self, token: str, at: int, *, after: bool) -> bool:
        """The same as for a message."""
        self._death.come(at, after=after)
        is_answered = self.hands_over(token) == 200
        died = self._death.count >= at
        self.restart()
        return is_answered and not died

    def look_up(self, address: str) -> StoredPerson:
        """Whom this address leads to."""
        return identities_of(self._app).peek([address])

    def owner(self, user_id: str = "") -> Talker:
        return Talker(self._app, NUMBER, user_id)


def met_by_number(world: World) -> None:
    world.owner().says_all("Hi", "Asha Devi")


def met_by_both_addresses_apart(world: World) -> None:
    world.owner().says_all("Hi", "Asha Devi")
    world.clock.pass_(minutes=1)
    world.owner(ASHA).hiding_the_number().says_all("Hi", "Asha Devi", "STOP")
    world.clock.pass_(minutes=1)


def another_has_the_number(world: World) -> None:
    world.owner(RAVI).says_all("Hi", "Ravi Kumar", "STOP")


def another_has_the_number_by_alias(world: World) -> None:
    world.owner(RAVI).hiding_the_number().says_all("Hi", "Ravi Kumar")
    world.owner(RAVI).says("STOP")


def the_number_was_silent(world: World) -> None:
    world.owner().says_all("Hi", "Ravi Kumar", "STOP")
    world.clock.pass_(days=61)


@pytest.mark.parametrize("after", [False, True], ids=["before the command", "after the command"])
@pytest.mark.parametrize(
    ("before", "name", "stopped"),
    [
        pytest.param(lambda _world: None, None, False, id="somebody new"),
        pytest.param(met_by_number, "Asha Devi", False, id="an id for a known number"),
        pytest.param(met_by_both_addresses_apart, "Asha Devi", True, id="two records that are one person's"),
        pytest.param(another_has_the_number, None, False, id="a number that was passed on"),
        pytest.param(another_has_the_number_by_alias, None, False, id="a number that was passed on, an alias before"),
        pytest.param(the_number_was_silent, None, True, id="a number that was silent for long"),
    ],
)
def test_the_next_delivery_finds_everything(
    before: Callable[[World], None], name: str | None, stopped: bool, after: bool
) -> None:
    world, deaths = World(), 0
    has_another = before in {another_has_the_number, another_has_the_number_by_alias}
    for command in range(1, LONGEST):
        world.begin_again()
        before(world)
        world.restart()
        sid = new_sid()
        form = webhook_form("7", NUMBER, sid, ExternalUserId=f"whatsapp:{ASHA}")
        if world.is_answered_before_dying(form, command, after=after):
            break
        deaths += 1
        if has_another:
            earlier = world.look_up(f"whatsapp:{RAVI}")
            assert earlier.contact is not None
            # Nothing goes to a number in the name of somebody who is known to have lost it.
            assert earlier.contact.address != NUMBER or world.look_up(NUMBER) == earlier, command
        asha = world.owner(ASHA).says("7", sid=sid)
        assert asha.stored.session.data.get("name") == name, command
        assert (asha.stored.contact.opt_out is not None) == stopped, command
        assert asha.stored.contact.address == NUMBER, command
        world.restart()
        hidden = world.owner(ASHA).hiding_the_number().says("Hi")
        assert hidden.stored.person_id == world.owner(ASHA).stored.person_id, command
        assert hidden.stored.session.data == asha.stored.session.data, command
        # The clock of the tests lets no key of Redis expire, but a session that is over by it is not counted.
        assert sum(asha.store.add_up(world.clock.moment).sessions.values()) == 1 + has_another, command
        if has_another:
            ravi = world.owner(RAVI).hiding_the_number()
            assert ravi.stored.contact.address == f"whatsapp:{RAVI}", command
            assert ravi.stored.contact.opt_out is not None, command
            assert ravi.stored.session.data["name"] == "Ravi Kumar", command
    else:
        pytest.fail("a message needs more commands than are tried")
    assert deaths >= 3


@pytest.mark.parametrize("after", [False, True], ids=["before the command", "after the command"])
@pytest.mark.parametrize(
    "first",
    [
        pytest.param({}, id="the number alone"),
        pytest.param({"From": f"whatsapp:{ASHA}"}, id="the id alone"),
        pytest.param({"From": f"whatsapp:{ASHA}", "ParentExternalUserId": GROUP}, id="both ids"),
        pytest.param({"ParentExternalUserId": GROUP}, id="the number with the group's id"),
    ],
)
@pytest.mark.parametrize("before", [False, True], ids=["somebody new", "three records of one person"])
def test_whichever_address_comes_next_leads_to_the_same_person(
    before: bool, first: dict[str, str], after: bool
) -> None:
    """A process dies over the message that shows all addresses at once; the next message shows only some."""
    world, deaths = World(), 0
    for command in range(1, LONGEST):
        world.begin_again()
        owner = world.owner()
        if before:
            for fields in ({"From": f"whatsapp:{GROUP}"}, {"From": f"whatsapp:{ASHA}"}, {}):
                owner.says("Hi", **fields)
                world.clock.pass_(minutes=1)
            owner.says("Asha Devi")
            owner.says("STOP", From=f"whatsapp:{GROUP}")
            world.clock.pass_(minutes=1)
        world.restart()
        all_of_them = {"ExternalUserId": ASHA, "ParentExternalUserId": GROUP}
        form = webhook_form("HELP", NUMBER, new_sid(), **all_of_them)
        if world.is_answered_before_dying(form, command, after=after):
            break
        deaths += 1
        owner.says("Hi", **first)
        world.restart()
        world.clock.pass_(minutes=1)
        owner.says("Asha Devi", **all_of_them)
        people = set()
        for address in (NUMBER, f"whatsapp:{ASHA}", f"whatsapp:{GROUP}"):
            world.restart()
            found = world.look_up(address)
            people.add(found.person_id)
            assert found.contact is not None
            assert (found.contact.opt_out is not None) == before, (command, address)
        assert len(people) == 1, command
        assert sum(owner.store.add_up(world.clock.moment).sessions.values()) == 1, command
    else:
        pytest.fail("a message needs more commands than are tried")
    assert deaths >= 3


@pytest.mark.parametrize("after", [False, True], ids=["before the command", "after the command"])
def test_a_proof_that_was_cut_off_is_taken_up(after: bool) -> None:
    world, deaths = World(), 0
    for command in range(1, LONGEST):
        world.begin_again()
        world.owner().says_all("Hi", "Asha Devi", "UPDATES")
        world.clock.pass_(days=61)
        asha = world.owner(ASHA).says_all("Hi", "Asha Devi", "7", "560001", "1")
        token = asha.says("YES").hears("token=").reply.split("token=")[1].split()[0].split("&")[0]
        assert NEWS not in asha.stored.contact.consents
        world.restart()
        if world.is_handed_over_before_dying(token, command, after=after):
            break
        deaths += 1
        asha.says("HELP")
        assert world.hands_over(token) == 200
        for owner in (world.owner(), asha, asha.hiding_the_number()):
            assert NEWS in owner.stored.contact.consents, command
            assert owner.stored.contact.registration["name"] == "Asha Devi", command
    else:
        pytest.fail("a proof needs more commands than are tried")
    assert deaths >= 3
