"""What Twilio's error codes ask for (https://www.twilio.com/docs/api/errors)."""

from __future__ import annotations

import re
from enum import StrEnum


class Verdict(StrEnum):
    """What is to be done about a message that Twilio did not take, or could not deliver."""

    RETRY = "retry"
    STOP_BROADCAST = "stop_broadcast"
    SUPPRESS = "suppress"
    COUNT_AGAINST = "count_against"
    LATER = "later"
    FAIL = "fail"


_CODES = {
    Verdict.RETRY: {20429, 63010, 63012},
    # The sender is limited, locked or unknown, the template paused, or the credentials wrong: nothing would get out.
    Verdict.STOP_BROADCAST: {63017, 63018, 63038, 63051, 63041, 63013, 63020, 20003, 63007, 63015},
    # Blocked or opted out, by the carrier's or WhatsApp's own word.
    Verdict.SUPPRESS: {21610, 63014},
    # No such number, not on WhatsApp: only after repeats, because providers are sometimes wrong.
    Verdict.COUNT_AGAINST: {21211, 63003, 63024},
    Verdict.LATER: {63049, 63032},
    Verdict.FAIL: {63016, 21656, 63027, 63028, 63021, 63019, 21617},
}
_VERDICTS = {code: verdict for verdict, codes in _CODES.items() for code in codes}

# Said for the sender's messages a second, which a pause mends, and for Meta's limit on different people a day, which it
# does not: so everybody slows down first, and the broadcast stops when it goes on. It may also come by callback, after
# Twilio took the message.
LIMIT_CODE = 63018
# "Is not a valid phone number": Twilio also says so of a business-scoped user id that it took for one.
NO_NUMBER_CODE = 21211
_PHONE_NUMBER = re.compile(r"whatsapp:\+[0-9]+")


def verdict_on(code: int, address: str | None = None) -> Verdict:
    """The verdict on an error code; an unknown one fails that recipient alone.

    ``address`` is the recipient's, where it is known: of one without a phone number 21211 says nothing.
    """
    if code == NO_NUMBER_CODE and address is not None and not _PHONE_NUMBER.fullmatch(address):
        return Verdict.FAIL
    return _VERDICTS.get(code, Verdict.FAIL)
