"""Twilio's codes: one table with a verdict and a meaning for each, and the same codes in the scripts."""

from __future__ import annotations

import re

import pytest

from onboarding_bot.outbound import twilio_errors
from onboarding_bot.outbound.twilio_errors import (
    BLOCKED,
    ERRORS,
    NO_SUCH_NUMBER,
    OPTED_OUT,
    TwilioError,
    Verdict,
    meaning_of,
    verdict_on,
)
from onboarding_bot.storage.scripts import FOLDER
from onboarding_bot.web.dashboard.code_meanings import error_meaning

UNKNOWN = 99999


def test_no_code_has_two_rows() -> None:
    assert len(ERRORS) == len(twilio_errors._TABLE)


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: str(error.code))
def test_every_code_means_something_to_an_operator(error: TwilioError) -> None:
    assert re.fullmatch(r"[A-Z][a-zA-Z0-9' -]+[a-z]", error.meaning)
    assert error_meaning(str(error.code)) == meaning_of(error.code) == error.meaning
    assert verdict_on(error.code) is error.verdict


def test_an_unknown_code_fails_that_message_alone_and_says_where_to_look() -> None:
    assert verdict_on(UNKNOWN) is Verdict.FAIL
    assert error_meaning(str(UNKNOWN)) == "A code that the bot does not know: see twilio.com/docs/api/errors/99999"


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("0", "No code was given, or Twilio was not reached"),
        ("unreadable", "The person's record could not be decrypted"),
        ("", ""),
        ("something", ""),
    ],
)
def test_the_codes_that_are_none_of_twilio_s(code: str, meaning: str) -> None:
    assert error_meaning(code) == meaning


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        pytest.param(None, Verdict.COUNT_AGAINST, id="an unknown address"),
        pytest.param("whatsapp:+919876543210", Verdict.COUNT_AGAINST, id="a phone number"),
        pytest.param("whatsapp:IN.13491208655302741918", Verdict.FAIL, id="a user id"),
    ],
)
def test_of_whom_a_missing_number_proves_something(address: str | None, verdict: Verdict) -> None:
    assert verdict_on(NO_SUCH_NUMBER, address) is verdict


def test_the_scripts_know_the_codes_that_outlast_a_message_and_end_a_yes() -> None:
    named = {int(code) for script in FOLDER.glob("*.lua") for code in re.findall(r"'(\d{5})'", script.read_text())}
    assert named == {OPTED_OUT, BLOCKED}
