"""Reads the form of a webhook: which message a person sent, of which kind, and from which addresses."""

from __future__ import annotations

from werkzeug.datastructures import MultiDict

from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.turn import InboundMessage, MessageKind, OptOutType
from onboarding_bot.errors import BadFormError
from onboarding_bot.whatsapp_address import read_user_id

# A caption is an answer; the text beside any other medium is the name of a file or of a place.
_KINDS_WITH_CAPTIONS = frozenset({MessageKind.IMAGE, MessageKind.VIDEO})
# No file has the name of a STOP: that is what the person wrote below it.
_KINDS_WITH_NAMES = frozenset({MessageKind.DOCUMENT, MessageKind.VOICE, MessageKind.STICKER, MessageKind.UNKNOWN})
_KINDS_BY_TYPE = {
    "audio": MessageKind.VOICE,
    "voice": MessageKind.VOICE,
    "image": MessageKind.IMAGE,
    "video": MessageKind.VIDEO,
    "document": MessageKind.DOCUMENT,
    "sticker": MessageKind.STICKER,
    "location": MessageKind.LOCATION,
    "contacts": MessageKind.CONTACT_CARD,
}


def parse_inbound(form: MultiDict[str, str]) -> InboundMessage:
    """The message in a webhook's form; unknown fields are ignored, because Twilio adds new ones without notice.

    Raises BadFormError when ``From`` or ``MessageSid`` is missing.
    """
    sender, sid = form.get("From", ""), form.get("MessageSid", "")
    if not sender or not sid:
        raise BadFormError("From and MessageSid are required")
    tapped, shown = _first(form, "ButtonPayload", "ListId"), _first(form, "Body", "ButtonText", "ListTitle")
    text = tapped or shown
    kind = _kind(form)
    if (kind in _KINDS_WITH_CAPTIONS and text.strip()) or (kind in _KINDS_WITH_NAMES and _is_opt_out(text)):
        kind = MessageKind.TEXT
    if kind is MessageKind.TEXT and not text.strip():
        kind = MessageKind.UNKNOWN
    named = form.get("OptOutType", "").upper()
    opt_out = OptOutType(named) if named in set(OptOutType) else None
    given = (read_user_id(form.get(field, "")) for field in ("ExternalUserId", "ParentExternalUserId"))
    is_text = kind is MessageKind.TEXT
    return InboundMessage(
        sid,
        sender,
        text if is_text else "",
        kind,
        opt_out,
        button_text=shown if tapped and is_text else "",
        user_ids=tuple(address for address in given if address),
    )


def _first(form: MultiDict[str, str], *names: str) -> str:
    """The first of these fields that is not blank, as it was sent; empty when all are."""
    values = [form.get(name, "") for name in names]
    return next((value for value in values if value.strip()), "")


def _is_opt_out(text: str) -> bool:
    return find_command(text) in {Command.STOP, Command.STOP_UPDATES}


def _kind(form: MultiDict[str, str]) -> MessageKind:
    named = _KINDS_BY_TYPE.get(form.get("MessageType", "").lower())
    if named:
        return named
    if form.get("Latitude", ""):
        return MessageKind.LOCATION
    if form.get("NumMedia", "0") in {"", "0"}:
        return MessageKind.TEXT
    return _kind_of_media(form.get("MediaContentType0", ""))


def _kind_of_media(content_type: str) -> MessageKind:
    """The kind by the type of the first medium, where there is no ``MessageType``, as from older senders."""
    family, _, subtype = content_type.lower().partition("/")
    if subtype.endswith("vcard"):
        return MessageKind.CONTACT_CARD
    if subtype == "webp":
        return MessageKind.STICKER
    return _KINDS_BY_TYPE.get(family, MessageKind.DOCUMENT)
