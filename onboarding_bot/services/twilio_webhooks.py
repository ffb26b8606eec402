"""Twilio's side of the webhook: is it really Twilio, and what did the person send?"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from onboarding_bot.conversation.commands import Command, find_command
from onboarding_bot.conversation.turn import InboundMessage, MessageKind, OptOutType
from onboarding_bot.errors import BadFormError
from onboarding_bot.whatsapp_address import read_user_id

# A caption is an answer; the text of any other medium is a file's name or a place's.
_KINDS_WITH_CAPTIONS = frozenset({MessageKind.IMAGE, MessageKind.VIDEO})
# No file is called like a STOP, so that this is what somebody wrote below it.
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


class SignatureVerifier:
    """Checks ``X-Twilio-Signature`` with each auth token that is valid while tokens are rotated.

    https://www.twilio.com/docs/usage/security#validating-requests
    """

    def __init__(self, auth_tokens: Sequence[str], public_base_url: str) -> None:
        self._validators = [RequestValidator(token) for token in auth_tokens]
        self._base = public_base_url
        self._bases = _with_and_without_port(public_base_url)

    def signed_url(self, path_and_query: str) -> str:
        """The URL that Twilio signed: the public one, whatever a proxy has made of its host on the way."""
        return f"{self._base}{path_and_query}"

    def is_genuine(self, url: str, form: MultiDict[str, str], signature: str) -> bool:
        """Whether one of the auth tokens signed this URL, as it may be written, with exactly these fields.

        RequestValidator's own ``validate`` takes a URL apart and loses a trailing ``?`` when it puts it together.
        """
        given, path_and_query = signature.encode(), url.removeprefix(self._base)
        return any(
            hmac.compare_digest(validator.compute_signature(base + spelling, form).encode(), given)
            for spelling in _spellings(path_and_query)
            for base in self._bases
            for validator in self._validators
        )


def _with_and_without_port(base: str) -> tuple[str, str]:
    """The address as it is, and then with, or without, the port that its scheme means anyway."""
    scheme, _, rest = base.partition("://")
    host, slash, prefix = rest.partition("/")
    name, colon, port = host.rpartition(":")
    has_port = bool(colon) and port.isdigit()
    other = name if has_port else f"{host}:{443 if scheme == 'https' else 80}"
    return base, f"{scheme}://{other}{slash}{prefix}"


def _spellings(path_and_query: str) -> list[str]:
    """Path and query as they came, and then as they may have been before a proxy wrote them anew.

    Some drop a ``?`` that nothing follows, and those that take a prefix off make one slash of two.
    """
    found = [path_and_query]
    if path_and_query.endswith("?"):
        found.append(path_and_query.removesuffix("?"))
    elif "?" not in path_and_query:
        found.append(f"{path_and_query}?")
    return found + [f"/{one}" for one in found if not one.startswith("//")]


def parse_inbound(form: MultiDict[str, str]) -> InboundMessage:
    """The message in a webhook's form; unknown fields are left alone, for Twilio adds new ones without notice.

    Raises BadFormError when ``From`` or ``MessageSid`` is missing.
    """
    sender, sid = form.get("From", ""), form.get("MessageSid", "")
    if not sender or not sid:
        raise BadFormError("From and MessageSid are required")
    tapped, shown = _first(form, "ButtonPayload", "ListId"), _first(form, "Body", "ButtonText", "ListTitle")
    text = tapped or shown
    kind = _kind(form)
    if (kind in _KINDS_WITH_CAPTIONS and text.strip()) or (kind in _KINDS_WITH_NAMES and _ends_messages(text)):
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
        shown=shown if tapped and is_text else "",
        user_ids=tuple(address for address in given if address),
    )


def _first(form: MultiDict[str, str], *names: str) -> str:
    """The first of these fields that says anything, as it was sent."""
    values = [form.get(name, "") for name in names]
    return next((value for value in values if value.strip()), "")


def _ends_messages(text: str) -> bool:
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
    """Without ``MessageType``, as from older senders, the first medium's type tells."""
    family, _, subtype = content_type.lower().partition("/")
    if subtype.endswith("vcard"):
        return MessageKind.CONTACT_CARD
    if subtype == "webp":
        return MessageKind.STICKER
    return _KINDS_BY_TYPE.get(family, MessageKind.DOCUMENT)
