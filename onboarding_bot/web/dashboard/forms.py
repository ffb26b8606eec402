"""Which forms the dashboard takes: those that a page of its own sends, with the fields of that page, each once."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, request

from onboarding_bot.web.api.request_fields import refuse_unknown_and_repeated, refuse_unknown_query

# "none" is a form that the person sends again with the browser's own reload button.
_OWN_SITES = frozenset({"same-origin", "none"})
_USUAL_PORTS = {"http": 80, "https": 443}
# A page that an earlier release made sends this field; such a page may be open while a new release is rolled out.
_FIELD_OF_EARLIER_PAGES = "csrf_token"
_DETAIL = "is no field of this form"


class SameOrigin:
    """Compares requests with the origin of ``public_base_url``: its scheme, host and port."""

    def __init__(self, public_base_url: str) -> None:
        self._public = _origin_of(public_base_url)
        self.is_https = public_base_url.startswith("https:")

    def sent(self, asked: Request) -> bool:
        """Whether a page of this origin sent the request; False when the browser says nothing of the sender.

        ``Sec-Fetch-Site`` decides where it is sent: by every browser of today, to an https address or to its own
        machine. Others send ``Origin`` with a form. Over plain http the address that the request came to counts too, so
        that the demo can be opened from a phone.
        """
        site = asked.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site in _OWN_SITES
        own = {self._public} if self.is_https else {self._public, _origin_of(asked.host_url)}
        return asked.headers.get("Origin") in own


def check_form(*known: str) -> None:
    """Raises InvalidFieldError for a field that is not ``known`` or repeated, in the form or in its URL.

    Of two values the first would count, and the page does not say which of them is meant.
    """
    refuse_unknown_query()
    refuse_unknown_and_repeated(request.form.to_dict(flat=False), (_FIELD_OF_EARLIER_PAGES, *known), _DETAIL)
    refuse_unknown_and_repeated(request.files.to_dict(flat=False), (), _DETAIL)


def _origin_of(url: str) -> str:
    """The origin as a browser writes it: in small letters, and without the port that its scheme implies."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, _USUAL_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
