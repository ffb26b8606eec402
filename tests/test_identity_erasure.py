"""Whoever is erased is erased under every address, and nobody else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot.storage.aliases import Alias
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.keys import Keys
from tests.fakes import MovableClock
from tests.inside import erasures_of, forget_addresses, identities_of, store_of
from tests.stored_bytes import stored_value
from tests.talker import OWNER, Talker
from tests.web.test_people import told

ASHA, RAVI, MEENA = "IN.13491208655302741918", "IN.77001", "IN.88002"
ASHAS_ID = f"whatsapp:{ASHA}"


@pytest.fixture
def asha(app: Flask) -> Talker:
    return Talker(app, user_id=ASHA)


@pytest.fixture
def identities(app: Flask) -> Identities:
    return identities_of(app)


@pytest.fixture
def erasures(app: Flask) -> Erasures:
    return erasures_of(app)


@pytest.fixture
def keys(identities: Identities) -> Keys:
    return identities._keys


def ask(talker: Talker) -> None:
    talker.says("DELETE MY DATA").says("YES").hears("erased")


def by_number(talker: Talker) -> None:
    told(talker.app, "/people/erase", address=OWNER)


def by_id(talker: Talker) -> None:
    told(talker.app, "/people/erase", address=ASHAS_ID)


ASKED = [
    pytest.param(ask, id="in the chat, under both"),
    pytest.param(lambda asha: ask(asha.hiding_the_number()), id="in the chat, under the id"),
    pytest.param(lambda asha: ask(Talker(asha.app)), id="in the chat, under the number"),
    pytest.param(by_number, id="by an admin, under the number"),
    pytest.param(by_id, id="by an admin, under the id"),
]


def met_under_both(asha: Talker) -> None:
    asha.answers_everything()


def met_by_number_first(asha: Talker) -> None:
    Talker(asha.app).says_all("Hi", "Asha Devi")
    asha.says("7")


def met_by_id_first(asha: Talker) -> None:
    asha.hiding_the_number().says_all("Hi", "Asha Devi")
    asha.says("7")


def met_apart(asha: Talker) -> None:
    asha.hiding_the_number().says_all("Hi", "Asha Devi")
    Talker(asha.app).says_all("Hi", "Asha D", "7")
    asha.says("560001")


def with_a_number_that_was_passed_on(asha: Talker) -> None:
    Talker(asha.app, user_id=RAVI).says_all("Hi", "Ravi Kumar")
    asha.says_all("Hi", "Asha Devi")


def with_a_number_that_was_passed_on_twice(asha: Talker) -> None:
    Talker(asha.app, user_id=RAVI).says_all("Hi", "Ravi Kumar")
    Talker(asha.app, user_id=MEENA).says_all("Hi", "Meena Rao")
    asha.says_all("Hi", "Asha Devi")


def with_a_number_that_was_silent(asha: Talker, clock: MovableClock) -> None:
    Talker(asha.app).answers_everything().says("YES")
    clock.pass_(days=61)
    asha.says_all("Hi", "Asha Devi")


MET: list[Any] = [
    pytest.param(met_under_both, id="met under both"),
    pytest.param(met_by_number_first, id="met by number first"),
    pytest.param(met_by_id_first, id="met by id first"),
    pytest.param(met_apart, id="two records became one"),
    pytest.param(with_a_number_that_was_passed_on, id="with a number that was passed on"),
    pytest.param(with_a_number_that_was_passed_on_twice, id="with a number that was passed on twice"),
    pytest.param(with_a_number_that_was_silent, id="with a number that was silent"),
]


def make(met: Callable[..., None], asha: Talker, clock: MovableClock) -> None:
    met(*([asha, clock] if met is with_a_number_that_was_silent else [asha]))


def ways(asha: Talker) -> list[Talker]:
    return [asha, asha.hiding_the_number(), Talker(asha.app)]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("met", MET)
def test_a_no_and_nothing_else_stands_under_every_address(
    app: Flask, asha: Talker, clock: MovableClock, met: Callable[..., None], asked: Callable[[Talker], None]
) -> None:
    make(met, asha, clock)
    clock.pass_(minutes=1)
    asked(asha)
    for way in ways(asha):
        forget_addresses(app)
        assert way.stored.session is None
        assert way.stored.contact.opt_out.source == "erasure"
        assert way.stored.contact.address == ""
    for address in (OWNER, ASHAS_ID):
        found = told(app, "/people/lookup", address=address)
        assert (found["known"], found["opt_out"]["source"]) == (False, "erasure")


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("met", MET)
def test_the_erasure_is_listed_and_audited_and_goes_on_at_twilio_for_each_address(
    app: Flask,
    asha: Talker,
    clock: MovableClock,
    keys: Keys,
    erasures: Erasures,
    redis: Redis,
    capsys: pytest.CaptureFixture[str],
    met: Callable[..., None],
    asked: Callable[[Talker], None],
) -> None:
    make(met, asha, clock)
    clock.pass_(minutes=1)
    person = asha.stored.person_id
    alias = Alias.from_value(stored_value(redis, keys.alias(keys.person_id(OWNER))))
    capsys.readouterr()
    asked(asha)
    listed = {person_id for person_id, _ in erasures.log.erased_since(clock.moment)}
    expected = {person, keys.person_id(ASHAS_ID)}
    is_anothers = alias is not None and alias.is_passed_on
    expected.add(keys.next_holder_id(OWNER, person) if is_anothers else keys.person_id(OWNER))
    hidden = {keys.person_id(OWNER)} if met is with_a_number_that_was_silent else set()
    assert listed == expected | hidden
    said = [line for line in capsys.readouterr().out.splitlines() if '"event": "erased"' in line]
    assert all(sum(one in line for line in said) == 1 for one in listed)
    assert not list(redis.scan_iter("*:owed"))
    assert not list(redis.scan_iter("*:link:" + person))
    clock.pass_(minutes=1)
    due = [deletion_id for work, deletion_id in store_of(app).take_due(clock.moment, clock.moment - clock.moment)]
    deletions = [erasures.deletions.find(one) for one in due]
    assert sorted(one.address for one in deletions if one) == sorted([OWNER, ASHAS_ID])


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("met", MET)
def test_copies_under_every_address_are_answered_with_the_erasure_reply(
    app: Flask, asha: Talker, clock: MovableClock, met: Callable[..., None], asked: Callable[[Talker], None]
) -> None:
    make(met, asha, clock)
    sid = asha.sid
    asked(asha)
    for way in ways(asha):
        forget_addresses(app)
        way.says("7", sid=sid).hears("erased")
        assert way.stored.session is None


@pytest.mark.parametrize("met", MET)
def test_aliases_end_a_quarter_of_an_hour_later(
    app: Flask, asha: Talker, clock: MovableClock, redis: Redis, keys: Keys, met: Callable[..., None]
) -> None:
    make(met, asha, clock)
    sid, person = asha.sid, asha.stored.person_id
    ask(asha)
    forget_addresses(app)
    asha.says("7", sid=sid)
    for name in redis.scan_iter("*:alias:*"):
        alias = Alias.from_value(stored_value(redis, name))
        assert alias is not None
        if alias.person_id == person:
            assert 0 < redis.pttl(name) <= 15 * 60 * 1000, "nothing leads to the person for good"


@pytest.mark.parametrize("back_under", range(3), ids=["both", "the id", "the number"])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "after the aliases have ended"])
@pytest.mark.parametrize("met", MET)
def test_a_person_who_writes_again_begins_anew(
    app: Flask,
    asha: Talker,
    clock: MovableClock,
    redis: Redis,
    met: Callable[..., None],
    late: bool,
    back_under: int,
) -> None:
    make(met, asha, clock)
    ask(asha)
    if late:
        # The clock of the tests lets no key of Redis expire.
        for name in redis.scan_iter("*:alias:*"):
            if redis.pttl(name) > 0:
                redis.delete(name)
        for name in redis.scan_iter("*:goodbye:*"):
            redis.delete(name)
    forget_addresses(app)
    clock.pass_(minutes=20)
    back = ways(asha)[back_under]
    back.says("Hi").hears("Welcome").expects_step("name").expects_data()
    assert back.stored.contact.opt_out.source == "erasure"
    back.says("Asha Devi").expects_step("sector")
    both = asha.says("7").expects_step("pincode")
    assert both.stored.contact.opt_out is not None
    asha.says("START")
    for way in ways(asha):
        forget_addresses(app)
        assert way.stored.contact.opt_out is None
        assert way.stored.person_id == asha.stored.person_id


@pytest.mark.parametrize("asked", ASKED)
def test_an_earlier_holder_of_the_number_is_left_alone(
    app: Flask, asha: Talker, clock: MovableClock, asked: Callable[[Talker], None]
) -> None:
    with_a_number_that_was_passed_on(asha)
    asked(asha)
    forget_addresses(app)
    ravi = Talker(app, user_id=RAVI).hiding_the_number()
    ravi.expects_step("sector").expects_data(name="Ravi Kumar")
    assert ravi.stored.contact.opt_out is None
    ravi.says("7").expects_step("pincode")


@pytest.mark.parametrize("address", [OWNER, f"whatsapp:{RAVI}"])
def test_erasing_one_of_two_holders_leaves_the_other(app: Flask, asha: Talker, address: str) -> None:
    """The number means its present holder."""
    with_a_number_that_was_passed_on(asha)
    told(app, "/people/erase", address=address)
    forget_addresses(app)
    ravi, present = Talker(app, user_id=RAVI).hiding_the_number(), asha
    gone, left = (present, ravi) if address == OWNER else (ravi, present)
    assert gone.stored.session is None
    assert left.stored.contact.opt_out is None
    left.says("7").expects_step("pincode")


def test_the_silent_record_goes_as_well(app: Flask, asha: Talker, clock: MovableClock) -> None:
    with_a_number_that_was_silent(asha, clock)
    hidden = asha.stored.link.hidden
    assert asha.store.load(hidden).has_record
    ask(asha)
    assert not asha.store.load(hidden).has_record


def test_a_stop_of_one_holder_is_none_of_the_earlier_one(app: Flask, asha: Talker) -> None:
    with_a_number_that_was_passed_on(asha)
    ravi = Talker(app, user_id=RAVI).hiding_the_number()
    asha.says("STOP")
    assert ravi.stored.contact.opt_out is None
    ravi.says("STOP")
    asha.says("START")
    assert ravi.stored.contact.opt_out is not None


def test_a_number_that_was_passed_on_twice_shows_nobody_the_first_holder(app: Flask, asha: Talker) -> None:
    with_a_number_that_was_passed_on_twice(asha)
    forget_addresses(app)
    bare = Talker(app).says("7").expects_step("pincode").expects_data(name="Asha Devi", sector="Retail")
    assert bare.stored.person_id == asha.stored.person_id
    ravi = Talker(app, user_id=RAVI).hiding_the_number()
    assert ravi.says("6").stored.session.data["name"] == "Ravi Kumar"


def test_otps_of_the_day_count_under_every_address(app: Flask, asha: Talker, keys: Keys) -> None:
    asha.answers_everything().says("YES")
    ask(asha)
    for address in (OWNER, ASHAS_ID):
        assert len(asha.store.load(keys.person_id(address)).contact.otp_requests) == 1


# --- what admins do by any address ----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [OWNER, ASHAS_ID])
@pytest.mark.parametrize("met", MET)
def test_look_up_and_consent_by_any_address_mean_its_present_holder(
    app: Flask, asha: Talker, clock: MovableClock, met: Callable[..., None], address: str
) -> None:
    make(met, asha, clock)
    person = asha.stored.person_id
    forget_addresses(app)
    found = told(app, "/people/lookup", address=address)
    assert (found["known"], found["person"], found["address"]) == (True, person, OWNER)
    ravi = Talker(app, user_id=RAVI).hiding_the_number()
    told(app, "/people/consent", address=address, purpose="service", given=False, note="by letter")
    for way in ways(asha):
        forget_addresses(app)
        assert way.stored.contact.opt_out is not None
    if met in {with_a_number_that_was_passed_on, with_a_number_that_was_passed_on_twice}:
        assert ravi.stored.contact.opt_out is None
        found = told(app, "/people/lookup", address=f"whatsapp:{RAVI}")
        assert (found["address"], found["opt_out"]) == (f"whatsapp:{RAVI}", None)


@pytest.mark.parametrize("address", [OWNER, ASHAS_ID])
@pytest.mark.parametrize("met", MET)
def test_the_answer_names_the_person_who_was_erased(
    app: Flask, asha: Talker, clock: MovableClock, met: Callable[..., None], address: str
) -> None:
    make(met, asha, clock)
    person = asha.stored.person_id
    answer = told(app, "/people/erase", address=address)
    assert (answer["person"], answer["erased"]) == (person, True)
    assert told(app, "/people/erase", address=address)["was_known"] is False
