"""A person is one, whichever address the message comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from redis import Redis

from tests.fakes import MovableClock
from tests.inside import forget_addresses, identities_of
from tests.talker import OWNER, Talker

ASHA, RAVI = "IN.13491208655302741918", "IN.77001"
ANOTHER_NUMBER = "whatsapp:+919812345678"


@pytest.fixture
def asha(app: Flask) -> Talker:
    return Talker(app, user_id=ASHA)


def restarted(app: Flask) -> None:
    """Forget what the process remembers of addresses, as another process would not know it."""
    forget_addresses(app)


@pytest.mark.parametrize("same_process", [True, False], ids=["one process", "another process"])
def test_a_sign_up_goes_on_when_the_number_is_hidden(app: Flask, asha: Talker, same_process: bool) -> None:
    asha.says_all("Hi", "Asha Devi")
    if not same_process:
        restarted(app)
    hidden = asha.hiding_the_number().says("7").expects_step("pincode")
    if not same_process:
        restarted(app)
    hidden.says("560001").expects_step("phone").expects_data(name="Asha Devi", sector="Retail", pincode="560001")
    asha.says("98765 43210").expects_step("confirmation")


def test_who_hid_the_number_first_is_the_same_person_when_it_shows(asha: Talker) -> None:
    asha.hiding_the_number().says_all("Hi", "Asha Devi", "7")
    asha.says("560001").expects_step("phone").expects_data(name="Asha Devi", sector="Retail", pincode="560001")
    asha.hiding_the_number().says("98765 43210").expects_step("confirmation")


def test_the_number_leads_to_a_person_who_was_met_by_id(app: Flask, asha: Talker, talker: Talker) -> None:
    """Also where only the number arrives, and in a process that has met neither."""
    asha.hiding_the_number().says_all("Hi", "Asha Devi")
    asha.says("7")
    restarted(app)
    talker.says("560001").expects_step("phone").expects_data(name="Asha Devi", sector="Retail", pincode="560001")


def test_a_stop_under_one_address_holds_under_the_other(asha: Talker) -> None:
    asha.says("Hi")
    asha.hiding_the_number().says("STOP")
    assert asha.stored.contact.opt_out is not None


def test_a_person_known_by_the_number_alone_is_adopted(app: Flask, talker: Talker, asha: Talker) -> None:
    talker.says_all("Hi", "Asha Devi", "STOP")
    asha.says("7").expects_step("pincode")
    assert asha.hiding_the_number().says("560001").expects_step("phone").stored.contact.opt_out is not None


def test_after_sixty_silent_days_only_the_stop_is_taken_over(talker: Talker, asha: Talker, clock: MovableClock) -> None:
    talker.answers_everything().says_all("YES", "STOP")
    clock.pass_(days=60)
    asha.says("Hi").hears("Welcome").expects_step("name").expects_data()
    assert asha.stored.contact.opt_out is not None
    assert not asha.stored.contact.registration


def test_up_to_sixty_days_nothing_is_lost(talker: Talker, asha: Talker, clock: MovableClock) -> None:
    talker.answers_everything().says("YES")
    clock.pass_(days=59)
    asha.says("Hi").expects_step("completed")


def test_a_number_with_another_id_is_another_person(app: Flask, asha: Talker) -> None:
    asha.answers_everything()
    ravi = Talker(app, user_id=RAVI)
    ravi.says("Hi").hears("Welcome").does_not_hear("Asha").expects_step("name").expects_data()
    before = asha.hiding_the_number()
    before.expects_step("confirmation")
    assert before.stored.contact.address == f"whatsapp:{ASHA}"
    assert ravi.says("Ravi Kumar").stored.contact.address == OWNER
    before.says("HI").hears("Asha Devi")


def test_an_opt_out_stays_with_the_earlier_holder(app: Flask, asha: Talker) -> None:
    asha.says_all("Hi", "STOP")
    ravi = Talker(app, user_id=RAVI).says("Hi")
    assert ravi.stored.contact.opt_out is None
    assert asha.hiding_the_number().stored.contact.opt_out is not None


def test_the_number_comes_back_to_its_earlier_holder(app: Flask, asha: Talker) -> None:
    asha.says_all("Hi", "Asha Devi")
    ravi = Talker(app, user_id=RAVI).says_all("Hi", "Ravi Kumar")
    asha.says("7").expects_data(name="Asha Devi", sector="Retail")
    assert ravi.hiding_the_number().says("6").stored.session.data["name"] == "Ravi Kumar"


def test_two_records_become_one(app: Flask, talker: Talker, asha: Talker, clock: MovableClock) -> None:
    talker.says_all("Hi", "Asha Devi")
    clock.pass_(minutes=1)
    asha.hiding_the_number().says_all("Hi", "Asha D", "7", "STOP")
    clock.pass_(minutes=1)
    asha.says("560001").expects_step("phone").expects_data(name="Asha D", sector="Retail", pincode="560001")
    for one in (talker, asha, asha.hiding_the_number()):
        assert one.stored.contact.opt_out is not None
        assert one.stored.person_id == asha.stored.person_id
    assert sum(replace(asha).store.add_up(clock.moment).sessions.values()) == 1


def test_a_repeated_message_gets_its_reply_after_the_join(app: Flask, talker: Talker, asha: Talker) -> None:
    first = talker.says("Hi").sid
    hidden = asha.hiding_the_number().says("Hi")
    second, reply = hidden.sid, hidden.reply
    asha.says("Asha Devi")
    assert talker.says("Hi", sid=first).reply == reply
    assert hidden.says("Hi", sid=second).reply == reply
    asha.expects_step("sector")


def test_a_stop_stands_where_the_release_before_looks_for_it(app: Flask, asha: Talker, redis: Redis) -> None:
    asha.hiding_the_number().says("Hi")
    asha.says("Asha Devi")
    asha.hiding_the_number().says("STOP")
    identities = identities_of(app)
    own = identities._keys.person_id(OWNER)
    assert own != asha.stored.person_id
    assert redis.exists(identities._keys.opt_out(own))
    asha.says("START")
    assert not redis.exists(identities._keys.opt_out(own))


def test_an_erased_persons_id_never_leads_to_who_got_the_number(app: Flask, asha: Talker, clock: MovableClock) -> None:
    asha.says_all("Hi", "Asha Devi")
    asha.says_all("DELETE MY DATA", "YES")
    ravi = Talker(app, user_id=RAVI)
    ravi.hiding_the_number().says("Hi")
    ravi.says_all("START", "Ravi Kumar")
    hidden = asha.hiding_the_number()
    assert hidden.stored.contact.opt_out is not None
    hidden.says("Hi").hears("Welcome").expects_data()
    assert hidden.stored.person_id != ravi.stored.person_id
    clock.pass_(minutes=1)
    ravi.says("7").expects_data(name="Ravi Kumar", sector="Retail")
    assert hidden.says("Asha Devi").expects_data(name="Asha Devi").stored.contact.opt_out is not None
