"""The problems that a JSON endpoint answers with: the status and code of each, when it comes, and when to try again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

PROBLEM_JSON = "application/problem+json"
TYPE_PREFIX = "urn:msmebazaar:problem:"


class Problem(TypedDict):
    """Problem details (RFC 9457): what every JSON endpoint answers when it cannot do what was asked."""

    type: Annotated[str, Meta(description="What went wrong, for programs.", pattern=f"^{TYPE_PREFIX}[a-z-]+$")]
    title: Annotated[str, Meta(description="The status in words.")]
    status: Annotated[int, Meta(description="The HTTP status.", ge=400, le=599)]
    detail: Annotated[str, Meta(description="What to do, for a person.")]
    field: NotRequired[Annotated[str, Meta(description="The field, query parameter or header at fault.")]]
    role: NotRequired[Annotated[str, Meta(description="The role that the key lacks.")]]
    reference: NotRequired[Annotated[str, Meta(description="What the log's line on this error is marked with.")]]


@dataclass(frozen=True, slots=True, eq=False)
class ProblemKind:
    """One kind of problem. ``when`` says in a clause when it comes.

    ``detail`` is what it says to a person; where that depends on the call, and in ``members``, an example stands here.
    ``retry_after`` is the ``Retry-After`` header in seconds, where trying again helps and the wait is always the same.
    """

    status: HTTPStatus
    code: str
    when: str
    detail: str
    members: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None

    @property
    def type(self) -> str:
        """The ``type`` of its problem document."""
        return f"{TYPE_PREFIX}{self.code}"


INVALID_FIELD = ProblemKind(
    HTTPStatus.BAD_REQUEST,
    "invalid-field",
    "a field is missing, unknown, there twice, null, or not what it must be; `field` names it",
    "target_step must be one of welcome, name, sector, pincode, phone, confirmation, completed.",
    {"field": "target_step"},
)
BAD_REQUEST = ProblemKind(
    HTTPStatus.BAD_REQUEST,
    "bad-request",
    "the body was cut off on the way",
    "The body ended before its Content-Length.",
)
NO_TOKEN = ProblemKind(
    HTTPStatus.BAD_REQUEST,
    "no-token",
    "the body has no token",
    'Send {"token": "…"} as JSON, with the token of the link.',
    {"field": "token"},
)
NO_VALID_KEY = ProblemKind(
    HTTPStatus.UNAUTHORIZED, "no-valid-key", "no key was sent", "Send the header Authorization: Bearer <key>."
)
BAD_TOKEN = ProblemKind(
    HTTPStatus.UNAUTHORIZED, "bad-token", "the token was not made here", "This token was not made here."
)
WRONG_KEY = ProblemKind(HTTPStatus.FORBIDDEN, "wrong-key", "the key is not valid here", "This key is not valid here.")
MISSING_ROLE = ProblemKind(
    HTTPStatus.FORBIDDEN,
    "missing-role",
    "the key lacks the role that this needs; `role` names it",
    "This needs a key with the role send; the key ops does not have it.",
    {"role": "send"},
)
UNKNOWN_BROADCAST = ProblemKind(
    HTTPStatus.NOT_FOUND,
    "unknown-broadcast",
    "there is no broadcast with this id",
    "There is no broadcast with this id.",
)
UNKNOWN_PERSON = ProblemKind(
    HTTPStatus.NOT_FOUND,
    "unknown-person",
    "a yes is to be recorded for somebody who has never written",
    "Nobody with this address has written to the bot; a yes can only be noted for somebody who has.",
)
IDEMPOTENCY_KEY_IN_USE = ProblemKind(
    HTTPStatus.CONFLICT,
    "idempotency-key-in-use",
    "this Idempotency-Key belongs to another body",
    "This Idempotency-Key was used for another broadcast. Take a new key for a new broadcast.",
)
WRONG_STATUS = ProblemKind(
    HTTPStatus.CONFLICT,
    "wrong-status",
    "the status of the broadcast does not allow it",
    "The broadcast is completed; that cannot be done with it any more.",
)
OPTED_OUT = ProblemKind(
    HTTPStatus.CONFLICT,
    "opted-out",
    "a yes is to be recorded for somebody who said no; only the person takes that back, with START or UPDATES",
    "This person has said no to such messages. Only the person can take that back, by START or UPDATES.",
)
LINK_EXPIRED = ProblemKind(
    HTTPStatus.GONE,
    "link-expired",
    "the link is older than 30 minutes, or a later one replaced it",
    "This link is too old or was replaced. RESEND in the chat makes a new one.",
)
BODY_TOO_LARGE = ProblemKind(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "request-entity-too-large",
    "the body has more than 64 KiB",
    "A body may have at most 64 KB here.",
)
TOO_MANY_REQUESTS = ProblemKind(
    HTTPStatus.TOO_MANY_REQUESTS,
    "too-many-requests",
    "more calls came than the rate limit allows",
    "Try again in 17 s.",
)
UNEXPECTED_ERROR = ProblemKind(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "unexpected-error",
    "the bot has a fault; `reference` finds it in the log",
    "Something went wrong here. The log says more, under the reference 7F3K.",
    {"reference": "7F3K"},
)
STORE_UNAVAILABLE = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "store-unavailable",
    "Redis does not answer",
    "Redis does not answer. Try again in a moment.",
    retry_after=5,
)
AUDIT_UNAVAILABLE = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "audit-unavailable",
    "the log cannot take the line that says who asked, and nothing was done",
    "The log cannot take the line that says who did this, so nothing was done. Try again when it can.",
    retry_after=5,
)
TEMPLATES_UNKNOWN = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "templates-unknown",
    "Twilio does not tell the category of the template",
    "Twilio does not say now how Meta sees this template, and so who may get it. Try again in a moment.",
    retry_after=10,
)
