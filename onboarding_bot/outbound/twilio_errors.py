"""Twilio's error codes: what each means to an operator, and what the bot does about a message that met it.

https://www.twilio.com/docs/api/errors lists all codes that there are; the table here holds those that the bot knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from onboarding_bot.whatsapp_address import AddressKind, kind_of

WRONG_CREDENTIALS = 20003
TOO_MANY_REQUESTS = 20429
# Twilio also says so of a business-scoped user id that it took for a phone number.
NO_SUCH_NUMBER = 21211
OPTED_OUT = 21610
OTHER_CHANNEL = 21910
BLOCKED = 63014
# Said for the sender's messages a second, which a pause mends, and for Meta's limit on different people a day, which it
# does not: so all workers slow down first, and the broadcast stops when it goes on. It may also come by callback, after
# Twilio took the message.
SENDER_LIMITED = 63018


class Verdict(StrEnum):
    """What to do about a message that Twilio did not take, or could not deliver.

    RETRY: try again soon. STOP_BROADCAST: no message would get out, so stop the broadcast. SUPPRESS: write to the
    person no more. COUNT_AGAINST: suppress the person after repeats. LATER: try again a day later. FAIL: give this
    message up.
    """

    RETRY = "retry"
    STOP_BROADCAST = "stop_broadcast"
    SUPPRESS = "suppress"
    COUNT_AGAINST = "count_against"
    LATER = "later"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class TwilioError:
    """One code with its verdict and its ``meaning``: a few words for an operator, without a full stop."""

    code: int
    verdict: Verdict
    meaning: str


_TABLE = (
    TwilioError(TOO_MANY_REQUESTS, Verdict.RETRY, "Too fast for Twilio"),
    TwilioError(63010, Verdict.RETRY, "Trouble inside Twilio"),
    TwilioError(63012, Verdict.RETRY, "Trouble inside WhatsApp"),
    # The sender is limited, locked or unknown, the template paused, or the credentials wrong: nothing would get out.
    TwilioError(WRONG_CREDENTIALS, Verdict.STOP_BROADCAST, "Twilio does not accept the credentials"),
    TwilioError(63007, Verdict.STOP_BROADCAST, "Twilio does not know the sender"),
    TwilioError(63013, Verdict.STOP_BROADCAST, "Against Meta's policy"),
    TwilioError(63015, Verdict.STOP_BROADCAST, "The person has not joined the sandbox"),
    TwilioError(63017, Verdict.STOP_BROADCAST, "The sender is limited"),
    TwilioError(SENDER_LIMITED, Verdict.STOP_BROADCAST, "Meta's limit on messages is reached"),
    TwilioError(63020, Verdict.STOP_BROADCAST, "Meta's business account is not in order"),
    TwilioError(63038, Verdict.STOP_BROADCAST, "The account's daily limit is reached"),
    TwilioError(63041, Verdict.STOP_BROADCAST, "The template is paused"),
    TwilioError(63051, Verdict.STOP_BROADCAST, "The sender is locked"),
    # By the carrier's or WhatsApp's own word.
    TwilioError(OPTED_OUT, Verdict.SUPPRESS, "The person opted out"),
    TwilioError(BLOCKED, Verdict.SUPPRESS, "The person has blocked the number"),
    # Only after repeats, because providers are sometimes wrong.
    TwilioError(NO_SUCH_NUMBER, Verdict.COUNT_AGAINST, "No such number"),
    TwilioError(63003, Verdict.COUNT_AGAINST, "Not on WhatsApp"),
    TwilioError(63024, Verdict.COUNT_AGAINST, "Not a valid WhatsApp recipient"),
    TwilioError(63032, Verdict.LATER, "Meta would not deliver just now"),
    TwilioError(63049, Verdict.LATER, "Meta would not deliver marketing just now"),
    TwilioError(21617, Verdict.FAIL, "The message is too long"),
    TwilioError(21655, Verdict.FAIL, "Twilio does not know the template"),
    TwilioError(21656, Verdict.FAIL, "Twilio cannot read the template's variables"),
    TwilioError(OTHER_CHANNEL, Verdict.FAIL, "An address that is not on WhatsApp"),
    TwilioError(63016, Verdict.FAIL, "Free text outside the 24-hour window"),
    TwilioError(63019, Verdict.FAIL, "The picture or file could not be fetched"),
    TwilioError(63021, Verdict.FAIL, "WhatsApp does not take this content"),
    TwilioError(63027, Verdict.FAIL, "No such template in this language"),
    TwilioError(63028, Verdict.FAIL, "The template's variables do not fit"),
)
ERRORS = {error.code: error for error in _TABLE}


def verdict_on(code: int, address: str | None = None) -> Verdict:
    """The verdict on an error code; an unknown one fails that message alone.

    ``address`` is the recipient's, where it is known: for one without a phone number 21211 proves nothing.
    """
    if code == NO_SUCH_NUMBER and address is not None and kind_of(address) is not AddressKind.NUMBER:
        return Verdict.FAIL
    return ERRORS[code].verdict if code in ERRORS else Verdict.FAIL


def meaning_of(code: int) -> str:
    """A few words on an error code for an operator; of an unknown one they say where Twilio explains it."""
    if code in ERRORS:
        return ERRORS[code].meaning
    return f"A code that the bot does not know: see twilio.com/docs/api/errors/{code}"
