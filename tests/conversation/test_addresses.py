"""Addresses: what is a user id, which ones are one person's, and that a link is read as it was written."""

from __future__ import annotations

import pytest

from onboarding_bot.conversation.addresses import Link
from onboarding_bot.whatsapp_address import is_user_id, read_user_id
from tests.fakes import NOON

NUMBER, ID, PARENT = "whatsapp:+919876543210", "whatsapp:IN.1349", "whatsapp:IN.ENT.77"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        pytest.param("IN.1349", "whatsapp:IN.1349", id="without its channel"),
        pytest.param("whatsapp:IN.1349", "whatsapp:IN.1349", id="with its channel"),
        pytest.param(" IN.1349 ", "whatsapp:IN.1349", id="with blanks around it"),
        pytest.param("IN." + "7" * 128, "whatsapp:IN." + "7" * 128, id="the longest"),
        pytest.param("IN.ENT.77", "whatsapp:IN.ENT.77", id="of a managed group"),
        pytest.param("IN." + "7" * 129, None, id="too long"),
        pytest.param("in.1349", None, id="a country in small letters"),
        pytest.param("IND.1349", None, id="three letters"),
        pytest.param("IN.", None, id="nothing behind the dot"),
        pytest.param("IN.13-49", None, id="a sign in it"),
        pytest.param("+919876543210", None, id="a phone number"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_user_id_has_one_shape(given: str, address: str | None) -> None:
    assert read_user_id(given) == address
    assert address is None or is_user_id(address)


@pytest.mark.parametrize(
    ("known", "message", "is_another_person"),
    [
        pytest.param((NUMBER, ID), (ID,), False, id="the same id"),
        pytest.param((NUMBER, ID), ("whatsapp:IN.9",), True, id="another id"),
        pytest.param((NUMBER,), (ID,), False, id="the first id of all"),
        pytest.param((NUMBER, ID), (), False, id="no id"),
        pytest.param((NUMBER, PARENT), (ID, PARENT), False, id="the same group"),
        pytest.param((NUMBER, ID, PARENT), ("whatsapp:IN.9", PARENT), False, id="another id in the same group"),
        pytest.param((NUMBER, PARENT), (ID,), False, id="an id where only the group was known"),
        pytest.param((NUMBER, ID, PARENT), ("whatsapp:IN.9", "whatsapp:IN.ENT.9"), True, id="another group, too"),
    ],
)
def test_who_has_a_number_by_its_ids(known: tuple[str, ...], message: tuple[str, ...], is_another_person: bool) -> None:
    assert Link(known, NOON).is_another_person(message) == is_another_person


def test_a_link_is_read_as_it_was_written() -> None:
    link = Link((NUMBER, ID), NOON, hidden="a" * 32, absorbing=("b" * 32,))
    assert Link.from_record(link.to_record()) == link
    assert Link.from_record({"addresses": [ID], "renewed_at": NOON.isoformat()}) == Link((ID,), NOON)


def test_of_each_kind_the_latest_address_stays() -> None:
    link = Link((NUMBER, ID), NOON).with_addresses(("whatsapp:+919812345678", PARENT))
    assert set(link.addresses) == {"whatsapp:+919812345678", ID, PARENT}
    assert link.user_id == ID
