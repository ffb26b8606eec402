"""Tells whether a form comes from a page of the bot itself, by what the browser says of the page that sent it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

# "none" is a form that the person sends again, by the browser's own reload button.
_OWN_SITES = frozenset({"same-origin", "none"})
_USUAL_PORTS = {"http": 80, "https": 443}


class SameOrigin:
    """Compares requests with the origin of ``public_base_url``: its scheme, host and port."""

    def __init__(self, public_base_url: str) -> None:
        self._public = _origin_of(public_base_url)
        self.is_https = public_base_url.startswith("https:")

    def sent(self, request: Request) -> bool:
        """Whether a page of this origin sent the request; a browser that says nothing of it is not believed.

        ``Sec-Fetch-Site`` decides where it is sent: by every browser of today, to an https address or to this machine.
        Others send ``Origin`` with a form. Over plain http the origin that the request itself came to counts too, so
        that the demo can be opened from a phone: nothing that stands there is hidden from the network anyway.
        """
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in _OWN_SITES
        own = {self._public} if self.is_https else {self._public, _origin_of(request.host_url)}
        return request.headers.get("Origin") in own


def _origin_of(url: str) -> str:
    """The origin as a browser writes it: in small letters, and without a port that the scheme has anyway."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, _USUAL_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
