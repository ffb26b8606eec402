"""What lies in Redis can be read with the right key, by the right person's turn, and in no other way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding_bot.errors import UndecryptableError
from onboarding_bot.storage.encryption import FORMAT, HEAD_BYTES, Cipher, version_of

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
PERSON = b"session:0123"


@given(plaintext=st.binary(max_size=300), bound_to=st.binary(max_size=40))
@settings(deadline=None, max_examples=50)
def test_what_is_encrypted_comes_back(plaintext: bytes, bound_to: bytes) -> None:
    cipher = Cipher([NEW])
    value = cipher.encrypt(plaintext, bound_to)
    assert cipher.decrypt(value, bound_to) == plaintext
    assert len(value) == HEAD_BYTES + len(plaintext) + 16


def test_nothing_of_it_can_be_read() -> None:
    value = Cipher([NEW]).encrypt("आशा +919876543210 Asha".encode(), PERSON)
    for readable in ("आशा".encode(), b"9876543210", b"Asha"):
        assert readable not in value


def test_the_same_text_never_looks_the_same() -> None:
    cipher = Cipher([NEW])
    values = {cipher.encrypt(b"same", PERSON) for _ in range(100)}
    assert len({version_of(value) for value in values}) == len(values) == 100


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    before, rotating, after = Cipher([OLD]), Cipher([NEW, OLD]), Cipher([NEW])
    old_value, new_value = before.encrypt(b"old", PERSON), rotating.encrypt(b"new", PERSON)
    assert rotating.decrypt(old_value, PERSON) == b"old"
    assert after.decrypt(new_value, PERSON) == b"new"
    with pytest.raises(UndecryptableError):
        after.decrypt(old_value, PERSON)
    with pytest.raises(UndecryptableError):
        before.decrypt(new_value, PERSON)


def test_a_value_belongs_to_its_person_and_its_kind() -> None:
    cipher = Cipher([NEW])
    value = cipher.encrypt(b"secret", b"session:0123")
    for somebody_else in (b"session:0124", b"contact:0123", b""):
        with pytest.raises(UndecryptableError):
            cipher.decrypt(value, somebody_else)


VALUE = Cipher([NEW]).encrypt(b'{"current_step": "name"}', PERSON)


@pytest.mark.parametrize("position", range(len(VALUE)))
def test_no_byte_of_it_can_be_changed(position: int) -> None:
    altered = bytearray(VALUE)
    altered[position] ^= 1
    with pytest.raises(UndecryptableError):
        Cipher([NEW, OLD]).decrypt(bytes(altered), PERSON)


@pytest.mark.parametrize("length", range(len(VALUE)))
def test_nothing_of_it_can_be_cut_off(length: int) -> None:
    with pytest.raises(UndecryptableError):
        Cipher([NEW]).decrypt(VALUE[:length], PERSON)


@given(value=st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda rest: VALUE[:HEAD_BYTES] + rest)))
@settings(deadline=None, max_examples=100)
def test_anything_else_in_redis_cannot_be_decrypted(value: bytes) -> None:
    with pytest.raises(UndecryptableError):
        Cipher([NEW]).decrypt(value, PERSON)


def test_a_key_that_is_not_at_hand() -> None:
    with pytest.raises(UndecryptableError):
        Cipher([OTHER]).decrypt(VALUE, PERSON)


def test_a_value_tells_its_format_and_its_key_but_not_the_key() -> None:
    assert VALUE.startswith(FORMAT)
    assert Cipher([NEW]).encrypt(b"", PERSON)[1:5] == VALUE[1:5]
    assert Cipher([OTHER]).encrypt(b"", PERSON)[1:5] != VALUE[1:5]
    assert NEW not in VALUE


def test_the_version_of_a_value_is_its_head_and_of_no_value_nothing() -> None:
    assert version_of(VALUE) == VALUE[:HEAD_BYTES]
    assert version_of(None) == version_of(b"") == b""
