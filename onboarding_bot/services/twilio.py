"""Twilio's side of the webhook: is it really Twilio, and what did the person send?"""

from __future__ import annotations

from collections.abc import Sequence

from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from onboarding_bot.conversation.addresses import user_id
from onboarding_bot.conversation.turn import InboundMessage, MessageKind, OptOutType
from onboarding_bot.errors import BadFormError

# A caption is an answer; the text of any other medium is a file's name or a place's.
_KINDS_WITH_CAPTIONS = frozenset({MessageKind.IMAGE, MessageKind.VIDEO})
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


class SignatureVerifier:
    """Checks ``X-Twilio-Signature`` with each auth token that is valid while tokens are rotated.

    https://www.twilio.com/docs/usage/security#validating-requests
    """

    def __init__(self, auth_tokens: Sequence[str], public_base_url: str) -> None:
        self._validators = [RequestValidator(token) for token in auth_tokens]
        self._base = public_base_url

    def signed_url(self, path: str, query: str) -> str:
        """The URL that Twilio signed: the public one, whatever a proxy has made of it on the way."""
        return f"{self._base}{path}?{query}" if query else f"{self._base}{path}"

    def is_genuine(self, url: str, form: MultiDict[str, str], signature: str) -> bool:
        """Whether one of the auth tokens signed exactly this URL with exactly these fields."""
        return any(bool(validator.validate(url, form, signature)) for validator in self._validators)


def parse_inbound(form: MultiDict[str, str]) -> InboundMessage:
    """The message in a webhook's form; unknown fields are left alone, for Twilio adds new ones without notice.

    Raises BadFormError when ``From`` or ``MessageSid`` is missing.
    """
    sender, sid = form.get("From", ""), form.get("MessageSid", "")
    if not sender or not sid:
        raise BadFormError("From and MessageSid are required")
    text = form.get("ButtonPayload", "") or form.get("ListId", "") or form.get("Body", "")
    kind = _kind(form)
    if kind in _KINDS_WITH_CAPTIONS and text.strip():
        kind = MessageKind.TEXT
    if kind is MessageKind.TEXT and not text.strip():
        kind = MessageKind.UNKNOWN
    named = form.get("OptOutType", "").upper()
    opt_out = OptOutType(named) if named in set(OptOutType) else None
    given = (user_id(form.get(field, "")) for field in ("ExternalUserId", "ParentExternalUserId"))
    return InboundMessage(
        sid,
        sender,
        text if kind is MessageKind.TEXT else "",
        kind,
        opt_out,
        user_ids=tuple(address for address in given if address),
    )


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
    """Without ``MessageType``, as from older senders, the first medium's type tells."""
    family, _, subtype = content_type.lower().partition("/")
    if subtype.endswith("vcard"):
        return MessageKind.CONTACT_CARD
    if subtype == "webp":
        return MessageKind.STICKER
    return _KINDS_BY_TYPE.get(family, MessageKind.DOCUMENT)
