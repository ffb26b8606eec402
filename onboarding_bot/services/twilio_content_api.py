"""Twilio's Content API: list the account's WhatsApp templates with their approvals, create one, and submit it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from onboarding_bot.config import REAL_TWILIO_API, Settings
from onboarding_bot.errors import BotError
from onboarding_bot.services.transport import (
    SERVER_ERRORS,
    TOO_MANY_REQUESTS,
    Answer,
    NoAnswer,
    RetryPolicy,
    TimeLimits,
    Transport,
)

REAL_CONTENT_API = "https://content.twilio.com"
CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
# Making a template twice leaves a copy of the same name, which harms nobody; everything else does nothing twice.
RETRIES = RetryPolicy(
    most_tries=4, statuses=frozenset({TOO_MANY_REQUESTS, *SERVER_ERRORS}), after_uncertain=True, growth=2.0
)
LARGEST_BODY = 4 * 1024 * 1024
PAGE_SIZE = 100
MOST_PAGES = 200
LONGEST_REASON = 200

UNSUBMITTED = "unsubmitted"
APPROVED = "approved"


class ContentApiError(BotError):
    """A request to the Content API failed; the message is one plain line without any secret."""

    code = "content_api.failed"


@dataclass(frozen=True, slots=True)
class Approval:
    """The state of a template at WhatsApp.

    ``state`` is in lower case: unsubmitted, received, pending, approved, rejected, paused, disabled, or one that is
    new. ``category`` is Meta's, such as UTILITY, and may differ from what was asked for.
    """

    state: str = UNSUBMITTED
    category: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """One template at Twilio; ``variables`` are the names of its placeholders, ``body`` is its text, "" without one."""

    sid: str
    friendly_name: str
    language: str
    variables: frozenset[str]
    created_at: datetime
    approval: Approval
    body: str


def content_api_url(twilio_api_url: str) -> str:
    """The address of the Content API: a host of its own at Twilio, the given one for a simulator or a proxy."""
    return REAL_CONTENT_API if twilio_api_url == REAL_TWILIO_API else twilio_api_url


class ContentApi:
    """The client. A request that fails for the moment is tried again until ``deadline_seconds`` after it began.

    Every method raises ContentApiError when that did not help.
    """

    def __init__(
        self,
        settings: Settings,
        deadline_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = content_api_url(settings.twilio_api_base_url)
        self._transport = Transport(
            "twilio_content_api",
            TimeLimits(connect=CONNECT_SECONDS, read=READ_SECONDS, deadline=deadline_seconds),
            RETRIES,
            auth=(settings.twilio_account_sid, settings.twilio_auth_tokens[0]),
            largest_body=LARGEST_BODY,
            clock=clock,
            sleep=sleep,
        )

    def list_contents(self) -> list[Content]:
        """All templates of the account, each with its approval."""
        url = f"{self._base}/v1/ContentAndApprovals?PageSize={PAGE_SIZE}"
        contents: list[Content] = []
        for _ in range(MOST_PAGES):
            page = self._ask("GET", url)
            contents += [_content(record) for record in _records(page)]
            following = _next_page(page)
            if not following:
                return contents
            url = self._at_own_host(following)
        raise ContentApiError(f"the list of templates does not end after {MOST_PAGES} pages")

    def create(self, definition: Mapping[str, Any]) -> Content:
        """Create a template. A request that failed half-way may leave an unused copy of the same name."""
        return _content(self._ask("POST", f"{self._base}/v1/Content", definition))

    def submit(self, sid: str, name: str, category: str) -> Approval:
        """Ask WhatsApp to approve a template in Meta's ``category``.

        Meta may approve it in another category, where it would otherwise refuse it.
        """
        request = {"name": name, "category": category, "allow_category_change": True}
        return _approval(self._ask("POST", f"{self._base}/v1/Content/{sid}/ApprovalRequests/whatsapp", request))

    def _at_own_host(self, url: str) -> str:
        """The same page at the configured host: credentials go to no other, not even if an answer names one."""
        parts, base = urlsplit(url), urlsplit(self._base)
        return parts._replace(scheme=base.scheme, netloc=base.netloc, fragment="").geturl()

    def _ask(self, method: str, url: str, payload: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        ending = self._transport.call(method, url, payload=payload).ending
        if isinstance(ending, NoAnswer):
            raise ContentApiError(f"{self._host()} cannot be reached ({ending.reason})")
        if ending.status not in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
            raise ContentApiError(f"{self._host()} {_refusal(ending)}")
        answer = ending.json()
        if not isinstance(answer, dict):
            raise ContentApiError(f"{self._host()} answered no JSON object")
        return answer

    def _host(self) -> str:
        return urlsplit(self._base).hostname or self._base


def _refusal(answer: Answer) -> str:
    match answer.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            says = "refuses the credentials: look at TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
        case status if 300 <= status < 400:
            says = "redirects, and credentials are not sent on: look at TWILIO_API_BASE_URL"
        case status:
            says = f"answered {status}"
    members = answer.members()
    code = f", error {members['code']}" if isinstance(members.get("code"), int) else ""
    message = " ".join(str(members.get("message") or "").split())[:LONGEST_REASON]
    return f"{says}{code}" + (f": {message}" if message else "")


def _records(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    contents = page.get("contents")
    if not isinstance(contents, list) or not all(isinstance(record, dict) for record in contents):
        raise ContentApiError("the list of templates has another form than Twilio's")
    return contents


def _next_page(page: Mapping[str, Any]) -> str:
    meta = page.get("meta")
    return str(meta.get("next_page_url") or "") if isinstance(meta, dict) else ""


def _content(record: Mapping[str, Any]) -> Content:
    sid = record.get("sid")
    if not isinstance(sid, str) or not sid:
        raise ContentApiError("a template without a ContentSid is not Twilio's")
    variables = record.get("variables")
    # The list carries the approval flat, the request for one template below the channel's name.
    approval = record.get("approval_requests")
    return Content(
        sid=sid,
        friendly_name=str(record.get("friendly_name") or ""),
        language=str(record.get("language") or ""),
        variables=frozenset(variables) if isinstance(variables, dict) else frozenset(),
        created_at=_moment(str(record.get("date_created") or "")),
        approval=_approval(approval) if isinstance(approval, dict) else Approval(),
        body=_body(record.get("types")),
    )


def _body(types: Any) -> str:
    """The text of the first of a template's content types that has one; all of them have the same."""
    forms = types.values() if isinstance(types, dict) else []
    texts = (form.get("body") for form in forms if isinstance(form, dict))
    return next((text for text in texts if isinstance(text, str)), "")


def _moment(text: str) -> datetime:
    """A date in ISO 8601, which Twilio writes, or RFC 2822, which it documents; any other counts as very old."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _rfc_2822(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rfc_2822(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _approval(record: Mapping[str, Any]) -> Approval:
    inner = record.get("whatsapp", record)
    if not isinstance(inner, dict):
        return Approval()
    return Approval(
        state=str(inner.get("status") or UNSUBMITTED).lower(),
        category=str(inner.get("category") or "").upper(),
        reason=" ".join(str(inner.get("rejection_reason") or "").split()),
    )
