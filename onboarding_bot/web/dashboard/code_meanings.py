"""What codes mean, in a few words for admins: of failed recipients, of stopped broadcasts, and of refused answers."""

from __future__ import annotations

import re

from onboarding_bot.outbound.twilio_errors import meaning_of
from onboarding_bot.web.dashboard.display_formats import words

# A failed recipient's codes that are none of Twilio's.
_OWN_CODES = {
    "0": "No code was given, or Twilio was not reached",
    "unreadable": "The person's record could not be decrypted",
}
_REFUSED = {
    "name.characters": "characters that no name has",
    "name.word": "a word that is no name",
    "name.short": "too short",
    "name.long": "too long",
    "sector.number": "a number that is not in the list",
    "sector.unknown": "not understood",
    "pincode.characters": "not only digits",
    "pincode.count": "not six digits",
    "pincode.zero": "begins with 0",
    "phone.characters": "not only digits",
    "phone.foreign": "a foreign number",
    "phone.count": "not ten digits",
    "phone.start": "begins as no mobile number does",
    "sector.disagrees": "number of one, name of another",
    "pincode.several": "more than one pincode",
    "phone.several": "more than one number",
}
_TWILIO_REASON = re.compile(r"Twilio error (\d+)")


def error_meaning(code: str) -> str:
    """A few words on the ``code`` of a failed recipient; empty for one that is not known."""
    return _OWN_CODES.get(code) or (meaning_of(int(code)) if code.isdecimal() else "")


def reason_to_stop(reason: str) -> str:
    """Why a broadcast is paused, stopped or cancelled, as a sentence, with the meaning of Twilio's code."""
    if found := _TWILIO_REASON.fullmatch(reason):
        return f"{reason}: {error_meaning(found[1])}."
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith((".", ")")) else f"{text}."


def refused(step: str, code: str) -> str:
    """Why an answer was refused, behind the name of its step."""
    return f"{words(step)}: {_REFUSED.get(code) or words(code.rpartition('.')[2]).lower()}"
