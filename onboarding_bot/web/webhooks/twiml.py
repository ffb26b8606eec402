"""Replies as TwiML, to the byte what Twilio's SDK writes at ten times the cost (tests compare the two).

https://www.twilio.com/docs/messaging/twiml
"""

from __future__ import annotations

_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>'
_SILENCE = _HEAD + b"<Response />"


def twiml(text: str) -> bytes:
    """A response with one message, or with none where there is nothing to say."""
    if not text:
        return _SILENCE
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Half of a surrogate pair is no character of UTF-8.
    return b"%b<Response><Message>%b</Message></Response>" % (_HEAD, escaped.encode("utf-8", "xmlcharrefreplace"))
