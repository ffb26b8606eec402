"""ADMIN_API_KEY: one bare key as ever, or names with roles; and no fault shows a key."""

from __future__ import annotations

import pytest

from onboarding_bot.admin_keys import AdminKeys, Role, looks_mistyped, parse_admin_keys
from onboarding_bot.config import load_settings
from onboarding_bot.errors import SettingsError
from tests.settings import ENVIRONMENT

ONE, TWO = "first-key-of-the-list", "second-key-of-the-list"
ALL = {Role.READ, Role.SEND, Role.DATA}


def roles_of(keys: AdminKeys, given: str) -> tuple[str, set[Role]]:
    key = keys.find(given)
    assert key is not None
    return key.name, set(key.roles)


@pytest.mark.parametrize(
    "bare",
    [
        pytest.param("one-key-of-before", id="plain"),
        pytest.param("with:colons:in-it-123", id="two colons"),
        pytest.param("a:b:c:d:e:f:g:h:i:j", id="many colons"),
        pytest.param("with,commas,in-it-123", id="commas"),
        pytest.param("with:both,of:them,in:it", id="commas and colons"),
        pytest.param("read+send:and-more-of-it", id="a role, but no name"),
        pytest.param("=/+base64padding+/==", id="base64"),
    ],
)
def test_a_bare_key_goes_on_working_with_all_roles(bare: str) -> None:
    keys = parse_admin_keys(bare)
    assert roles_of(keys, bare) == ("admin", ALL)
    assert len(keys.keys) == 1


def test_a_list_gives_each_name_its_roles() -> None:
    keys = parse_admin_keys(f"ops:read:{ONE}, marketing:read+send:{TWO}")
    assert roles_of(keys, ONE) == ("ops", {Role.READ})
    assert roles_of(keys, TWO) == ("marketing", {Role.READ, Role.SEND})
    assert keys.find("another-key-altogether") is None


@pytest.mark.parametrize(
    ("raw", "name", "roles"),
    [
        pytest.param(
            f"ops:read:{ONE},ops:send:{ONE}", "ops", {Role.READ, Role.SEND}, id="roles in entries of their own"
        ),
        pytest.param(f"ops:data+read+send:{ONE}", "ops", ALL, id="all three, in any order"),
        pytest.param(f"ops:Read:{ONE}", "ops", {Role.READ}, id="capitals"),
        pytest.param(f"ops.night-2_b:read:{ONE}", "ops.night-2_b", {Role.READ}, id="a long name"),
        pytest.param(f"ops:send:{TWO},{ONE}", "admin", ALL, id="a bare key beside a named one"),
    ],
)
def test_ways_to_write_an_entry(raw: str, name: str, roles: set[Role]) -> None:
    assert roles_of(parse_admin_keys(raw), ONE) == (name, roles)


def test_a_key_in_a_list_may_hold_colons() -> None:
    assert roles_of(parse_admin_keys("ops:read:a:key:with:colons"), "a:key:with:colons") == ("ops", {Role.READ})


def test_a_name_may_have_two_keys_while_one_replaces_the_other() -> None:
    keys = parse_admin_keys(f"ops:read:{ONE},ops:read:{TWO}")
    assert roles_of(keys, ONE) == roles_of(keys, TWO) == ("ops", {Role.READ})


@pytest.mark.parametrize("given", ["", "ops", "read", f"ops:read:{ONE}", ONE[:-1], f"{ONE} ", "ключ", f"{ONE},{TWO}"])
def test_what_is_no_key(given: str) -> None:
    assert parse_admin_keys(f"ops:read:{ONE},{TWO}").find(given) is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param("short", "must have at least 16 characters in its key", id="a short bare key"),
        pytest.param(f"ops:read:{ONE},a:send:short", "entry 2 must have at least 16", id="a short key"),
        pytest.param(f"ops:read:{ONE},short", "entry 2 must have at least 16", id="a short bare key in a list"),
        pytest.param(f"ops:read+wirte:{ONE}", "entry 1 has a role that is none of read, send, data", id="half a role"),
        pytest.param(f"ops:read:{ONE},b:sned:{TWO}", "entry 2 has a role that is none of", id="no role"),
        pytest.param(f"ops:read:{ONE},:send:{TWO}", "entry 2 must be name:role:key", id="no name"),
        pytest.param(f"ops:read:{ONE},two words:send:{TWO}", "entry 2 must be name:role:key", id="a name of two words"),
        pytest.param(f"ops:read:{ONE},b::{TWO}", "entry 2 must be name:role:key", id="an empty role"),
        pytest.param(f"ops:read:{ONE},", "entry 2 must have at least 16", id="nothing behind the comma"),
        pytest.param(f"ops:read:{ONE},b:send:{ONE}", "entry 2 has the key of another name", id="one key, two names"),
        pytest.param("ops:read:,b:send:tiny", "entry 1 must have at least 16", id="no key"),
    ],
)
def test_faults_name_the_entry_and_show_nothing_of_it(raw: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(ENVIRONMENT | {"ADMIN_API_KEY": raw})
    (fault,) = caught.value.faults
    assert fault.startswith("ADMIN_API_KEY ")
    assert said in fault
    for secret in (ONE, TWO, "short", "wirte", "tiny", "two words"):
        assert secret not in fault


def test_all_entries_that_are_wrong_are_named() -> None:
    with pytest.raises(ValueError, match=r"entry 1 .*; entry 3 "):
        parse_admin_keys(f"a:read:short,b:send:{TWO},c:what:{ONE}")


def test_a_list_without_any_known_role_is_one_key_and_a_warning() -> None:
    settings = load_settings(ENVIRONMENT | {"ADMIN_API_KEY": f"ops:raed:{ONE}"})
    assert looks_mistyped(settings.admin_keys)
    (warning,) = settings.warnings
    assert warning.startswith("ADMIN_API_KEY is taken as one key")
    assert ONE not in warning
    assert settings.admin_keys.find(ONE) is None


def test_no_key_is_shown_with_the_settings() -> None:
    settings = load_settings(ENVIRONMENT | {"ADMIN_API_KEY": f"ops:read:{ONE}"})
    assert ONE not in repr(settings)
    assert ONE not in repr(settings.admin_keys)
