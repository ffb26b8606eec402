"""What codes mean to whoever reads the pages, in a few words: Twilio's errors, and reasons to refuse an answer."""

from __future__ import annotations

import re

from onboarding_bot.web.dashboard.display_formats import words

_ERRORS = {
    "0": "No code was given, or Twilio was not reached",
    "unreadable": "The person's record could not be decrypted",
    "20003": "Twilio does not accept the credentials",
    "20429": "Too fast for Twilio",
    "21211": "No such number",
    "21610": "The person opted out",
    "21617": "The message is too long",
    "63003": "Not on WhatsApp",
    "63007": "Twilio does not know the sender",
    "63013": "Against Meta's policy",
    "63014": "The person has blocked the number",
    "63015": "The person has not joined the sandbox",
    "63016": "Free text outside the 24-hour window",
    "63018": "Meta's limit on messages is reached",
    "63020": "Meta's business account is not in order",
    "63024": "Not a valid WhatsApp recipient",
    "63027": "No such template in this language",
    "63028": "The template's variables do not fit",
    "63032": "Meta would not deliver just now",
    "63038": "The account's daily limit is reached",
    "63041": "The template is paused",
    "63049": "Meta would not deliver marketing just now",
    "63051": "The sender is locked",
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
    """A few words on a code; an unknown one refers to Twilio's list."""
    return _ERRORS.get(code, f"See twilio.com/docs/api/errors/{code}" if code.isdigit() else "")


def reason_to_stop(reason: str) -> str:
    """Why a broadcast is held, as a sentence, with the meaning of Twilio's code."""
    if found := _TWILIO_REASON.fullmatch(reason):
        return f"{reason}: {error_meaning(found[1])}."
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith((".", ")")) else f"{text}."


def refused(step: str, code: str) -> str:
    """Why an answer was refused, behind the name of its step."""
    return f"{words(step)}: {_REFUSED.get(code) or words(code.rpartition('.')[2]).lower()}"
