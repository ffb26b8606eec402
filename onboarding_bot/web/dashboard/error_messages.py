"""What Twilio's error codes mean to an admin, in a few words."""

from __future__ import annotations

_MEANINGS = {
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


def error_meaning(code: str) -> str:
    """A few words on a code; an unknown one refers to Twilio's list."""
    return _MEANINGS.get(code, f"See twilio.com/docs/api/errors/{code}" if code.isdigit() else "")
