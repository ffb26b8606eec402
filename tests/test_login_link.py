"""The login link: what stands in it, who made it, and how long it is good."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from onboarding_bot.errors import LoginLinkError, LoginLinkExpiredError
from onboarding_bot.login_link import LIFETIME_SECONDS, Handoff, LoginLinks
from tests.fakes import NOON

OLD, NEW = b"o" * 32, b"n" * 32
HANDOFF = Handoff("0123456789abcdef0123456789abcdef", "6ba7b812-9dad-51d1-80b4-00c04fd430c8")
PHONE = "+919876543210"


def links(*keys: bytes, include_phone: bool = False) -> LoginLinks:
    return LoginLinks("https://app.example.in", keys or (NEW,), include_phone=include_phone)


def token_of(made_by: LoginLinks) -> str:
    return parse_qs(urlsplit(made_by.make(HANDOFF, PHONE).url).query)["token"][0]


def test_the_link_is_where_the_web_app_logs_people_in() -> None:
    url = links().make(HANDOFF, PHONE).url
    assert url.startswith("https://app.example.in/login?source=whatsapp&token=")
    assert parse_qs(urlsplit(url).query).keys() == {"source", "token"}


def test_the_phone_number_stands_in_it_only_where_that_was_asked_for() -> None:
    assert "9876543210" not in links().make(HANDOFF, PHONE).url
    assert links(include_phone=True).make(HANDOFF, PHONE).url.endswith("&phone=%2B919876543210")


def test_a_token_can_be_read_with_the_keys_alone() -> None:
    assert links().read(token_of(links())) == HANDOFF


def test_keys_are_rotated_without_breaking_links() -> None:
    before, rotating, after = links(OLD), links(NEW, OLD), links(NEW)
    assert rotating.read(token_of(before)) == HANDOFF
    assert after.read(token_of(rotating)) == HANDOFF
    with pytest.raises(LoginLinkError):
        after.read(token_of(before))


def test_a_link_is_good_for_half_an_hour() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        token = token_of(links())
        clock.shift(timedelta(seconds=LIFETIME_SECONDS))
        assert links().read(token) == HANDOFF
        clock.shift(timedelta(seconds=1))
        with pytest.raises(LoginLinkExpiredError):
            links().read(token)


def test_an_old_token_with_another_key_is_forged_and_not_expired() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        token = token_of(links(OLD))
        clock.shift(timedelta(hours=1))
        with pytest.raises(LoginLinkError) as caught:
            links(NEW).read(token)
    assert not isinstance(caught.value, LoginLinkExpiredError)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b.c", id="three parts"),
        pytest.param("....", id="dots"),
        pytest.param("é" * 20, id="not ASCII"),
        pytest.param("\ud800", id="half a surrogate pair"),
        pytest.param("\x00", id="a zero"),
        pytest.param("x" * 60_000, id="long"),
        pytest.param(URLSafeTimedSerializer("guessed", salt="login-link").dumps(["a", "b"]), id="another kind"),
        pytest.param(TimestampSigner("guessed", salt="login-link").sign("YQ").decode(), id="another key"),
    ],
)
def test_what_was_not_made_here_is_refused(token: str) -> None:
    with pytest.raises(LoginLinkError) as caught:
        links().read(token)
    assert not isinstance(caught.value, LoginLinkExpiredError)


def test_a_phone_that_leaves_the_last_letter_out_of_the_link_does_no_harm() -> None:
    token = token_of(links())
    assert links().read(token[:-1]) == HANDOFF
    assert token[-1].isalnum()


def test_no_part_of_a_token_can_be_changed() -> None:
    token = token_of(links())
    # Of the last two letters one says nothing, and one says only a part of what a letter can say.
    for position, character in enumerate(token[:-2]):
        other = "A" if character != "A" else "B"
        with pytest.raises(LoginLinkError):
            links().read(f"{token[:position]}{other}{token[position + 1 :]}")


@given(token=st.text(max_size=80))
@settings(deadline=None, max_examples=100)
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(LoginLinkError):
        links().read(token)


def test_a_token_says_nothing_about_the_answers() -> None:
    token = token_of(links())
    assert "9876543210" not in token
    assert len(token) < 200
