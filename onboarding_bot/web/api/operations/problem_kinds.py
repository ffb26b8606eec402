"""The problems that a JSON endpoint answers with: the status and code of each, when it comes, and when to try again."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem. ``when`` says in a clause when it comes, ``member`` what it has beyond the common ones.

    ``retry_after`` is the ``Retry-After`` header in seconds, where trying again helps and the wait is always the same.
    """

    status: HTTPStatus
    code: str
    when: str
    member: str = ""
    retry_after: int | None = None

    @property
    def type(self) -> str:
        """The ``type`` of its problem document."""
        return f"{TYPE_PREFIX}{self.code}"


INVALID_FIELD = ProblemKind(
    HTTPStatus.BAD_REQUEST,
    "invalid-field",
    "a field is missing, unknown, there twice, null, or not what it must be; `field` names it",
    "field",
)
BAD_REQUEST = ProblemKind(HTTPStatus.BAD_REQUEST, "bad-request", "the body was cut off on the way")
NO_TOKEN = ProblemKind(HTTPStatus.BAD_REQUEST, "no-token", "the body has no token", "field")
NO_VALID_KEY = ProblemKind(HTTPStatus.UNAUTHORIZED, "no-valid-key", "no key was sent")
BAD_TOKEN = ProblemKind(HTTPStatus.UNAUTHORIZED, "bad-token", "the token was not made here")
WRONG_KEY = ProblemKind(HTTPStatus.FORBIDDEN, "wrong-key", "the key is not valid here")
MISSING_ROLE = ProblemKind(
    HTTPStatus.FORBIDDEN, "missing-role", "the key lacks the role that this needs; `role` names it", "role"
)
UNKNOWN_BROADCAST = ProblemKind(HTTPStatus.NOT_FOUND, "unknown-broadcast", "there is no broadcast with this id")
UNKNOWN_PERSON = ProblemKind(
    HTTPStatus.NOT_FOUND, "unknown-person", "a yes is to be noted for somebody who has never written"
)
IDEMPOTENCY_KEY_IN_USE = ProblemKind(
    HTTPStatus.CONFLICT, "idempotency-key-in-use", "this Idempotency-Key belongs to another body"
)
WRONG_STATUS = ProblemKind(HTTPStatus.CONFLICT, "wrong-status", "the status of the broadcast does not allow it")
OPTED_OUT = ProblemKind(
    HTTPStatus.CONFLICT,
    "opted-out",
    "a yes is to be noted for somebody who said no; only the person takes that back, with START or UPDATES",
)
LINK_EXPIRED = ProblemKind(HTTPStatus.GONE, "link-expired", "the link is too old, or a later one replaced it")
BODY_TOO_LARGE = ProblemKind(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request-entity-too-large", "the body has more than 64 KiB"
)
TOO_MANY_REQUESTS = ProblemKind(
    HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", "more calls came than the rate limit allows"
)
UNEXPECTED_ERROR = ProblemKind(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "unexpected-error",
    "the bot has a fault; `reference` finds it in the log",
    "reference",
)
STORE_UNAVAILABLE = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", "Redis does not answer", retry_after=5
)
AUDIT_UNAVAILABLE = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "audit-unavailable",
    "the log cannot take the line that says who asked; nothing was done",
    retry_after=5,
)
TEMPLATES_UNKNOWN = ProblemKind(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "templates-unknown",
    "Twilio does not tell the category of the template",
    retry_after=10,
)
