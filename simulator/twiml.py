"""Reads the TwiML that answers a webhook, as strictly as Twilio does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

MESSAGE_MAX_LENGTH = 1600


class TwimlError(Exception):
    """The answer is not TwiML that Twilio would take; ``code`` is Twilio's error code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class TwimlMessage:
    """One ``<Message>``: its text, and where its status is to be reported, if anywhere."""

    body: str
    status_callback: str | None

    @property
    def can_be_sent(self) -> bool:
        """Twilio drops what is empty (14103) or too long (21617), and takes the TwiML all the same."""
        return bool(self.body.strip()) and len(self.body) <= MESSAGE_MAX_LENGTH


def parse(content_type: str, content: bytes) -> list[TwimlMessage]:
    """The messages of a ``<Response>``, in order; raises TwimlError."""
    if not re.fullmatch(r"(text|application)/xml", content_type.partition(";")[0].strip().lower()):
        raise TwimlError(12300, "the answer's Content-Type is not XML")
    root = _root(content)
    if root.tag != "Response":
        raise TwimlError(12100, "the answer's root is not <Response>")
    return [_message(verb) for verb in root]


def _root(content: bytes) -> ElementTree.Element:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise TwimlError(12100, "the answer is not UTF-8") from None
    # Entities can only be declared in a DOCTYPE: without one there is nothing that could expand.
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise TwimlError(12100, "the answer has a DOCTYPE")
    try:
        return ElementTree.fromstring(text)  # noqa: S314 - no DOCTYPE, so no entities
    except ElementTree.ParseError:
        raise TwimlError(12100, "the answer is not well-formed XML") from None


def _message(verb: ElementTree.Element) -> TwimlMessage:
    if verb.tag != "Message":
        raise TwimlError(12200, "the answer has a verb other than <Message>")
    body = verb.find("Body")
    text = (verb.text if body is None else body.text) or ""
    return TwimlMessage(text, verb.get("statusCallback") or verb.get("action"))
