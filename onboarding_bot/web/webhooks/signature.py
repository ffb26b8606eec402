"""Twilio's signature on what it calls: how it is verified, and the guard of those endpoints."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import wraps
from hashlib import sha1
from http import HTTPStatus

from flask import Response, request
from werkzeug.datastructures import MultiDict

from onboarding_bot.observability.logs import logger

View = Callable[[], Response]
CALLED_BY_TWILIO = frozenset({"/webhook", "/webhook/fallback", "/status-callback"})
_NAME = re.compile(r"[A-Za-z_]{1,20}")


class SignatureVerifier:
    """Checks ``X-Twilio-Signature`` with each auth token that is valid while tokens are rotated.

    https://www.twilio.com/docs/usage/security#validating-requests
    """

    def __init__(self, auth_tokens: Sequence[str], public_base_url: str) -> None:
        # A copy of a keyed hash costs half of a new one.
        self._keyed = [hmac.new(token.encode(), digestmod=sha1) for token in auth_tokens]
        self._base = public_base_url
        self._bases = _with_and_without_port(public_base_url)

    def signed_url(self, path_and_query: str) -> str:
        """The URL that Twilio signed: the public one, not the one that a proxy makes of it on the way."""
        return f"{self._base}{path_and_query}"

    def is_genuine(self, url: str, form: MultiDict[str, str], signature: str) -> bool:
        """Whether one of the auth tokens signed this URL, in one of its spellings, with exactly these fields.

        The SDK's ``RequestValidator`` signs alike (a test compares them), but takes a URL apart, loses a trailing ``?``
        when it puts it together, and computes two signatures for each token.
        """
        try:
            given = b64decode(signature, validate=True)
        except ValueError:
            return False
        path_and_query, fields = url.removeprefix(self._base), _signed_fields(form)
        return any(
            hmac.compare_digest(_signature(keyed, base + spelling, fields), given)
            for spelling in _spellings(path_and_query)
            for base in self._bases
            for keyed in self._keyed
        )


def _signed_fields(form: MultiDict[str, str]) -> bytes:
    """The fields as Twilio signs them: names in order, each before each of its different values."""
    return "".join(f"{name}{value}" for name in sorted(form) for value in sorted(set(form.getlist(name)))).encode(
        "utf-8", "surrogatepass"
    )


def _signature(keyed: hmac.HMAC, url: str, fields: bytes) -> bytes:
    signing = keyed.copy()
    signing.update(url.encode("utf-8", "surrogatepass") + fields)
    return signing.digest()


def _with_and_without_port(base: str) -> tuple[str, str]:
    """The address as it is, and then with, or without, the port that its scheme implies."""
    scheme, _, rest = base.partition("://")
    host, slash, prefix = rest.partition("/")
    name, colon, port = host.rpartition(":")
    has_port = bool(colon) and port.isdigit()
    other = name if has_port else f"{host}:{443 if scheme == 'https' else 80}"
    return base, f"{scheme}://{other}{slash}{prefix}"


def _spellings(path_and_query: str) -> list[str]:
    """Path and query as they came, and then as they may have been before a proxy changed them.

    Some proxies drop a ``?`` that nothing follows, and those that take a prefix off make one slash of two.
    """
    found = [path_and_query]
    if path_and_query.endswith("?"):
        found.append(path_and_query.removesuffix("?"))
    elif "?" not in path_and_query:
        found.append(f"{path_and_query}?")
    return found + [f"/{one}" for one in found if not one.startswith("//")]


def signed(verifier: SignatureVerifier, note_heartbeat: Callable[[], None]) -> Callable[[View], View]:
    """403 unless one of the auth tokens signed this URL with these fields; each signed call is a heartbeat."""

    def guard(view: View) -> View:
        @wraps(view)
        def verified() -> Response:
            url = verifier.signed_url(_as_it_came())
            if not verifier.is_genuine(url, request.form, request.headers.get("X-Twilio-Signature", "")):
                logger().warning("signature_refused", verified_url=_without_values(url))
                text = "The signature does not fit this URL and these fields."
                return Response(text, status=HTTPStatus.FORBIDDEN, mimetype="text/plain")
            note_heartbeat()
            return view()

        verified.guarded_by = "signature"  # type: ignore[attr-defined]
        return verified

    return guard


def _as_it_came() -> str:
    """Path and query to the letter: Flask's own have lost a doubled slash and a trailing ``?``."""
    raw = str(request.environ.get("RAW_URI", ""))
    if "://" in raw.partition("?")[0]:
        # Some proxies put the whole address into the request line.
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    if raw.startswith("/"):
        return raw
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query else request.path


def _without_values(url: str) -> str:
    """The URL with the names of its query's fields, and without their values, which may be personal."""
    address, mark, query = url.partition("?")
    names = [name if _NAME.fullmatch(name) else "…" for name in (part.partition("=")[0] for part in query.split("&"))]
    return address + mark + "&".join(f"{name}=…" for name in names if mark)
