"""One operation of an endpoint: its method and path, who may call it, what it takes, and every answer it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

from msgspec import Meta, Struct

from onboarding_bot.admin_keys import Role
from onboarding_bot.web.api.operations import problem_kinds
from onboarding_bot.web.api.operations.problem_kinds import ProblemKind

JSON = "application/json"
# The rate limits, in calls a minute.
CALLS_PER_KEY, CALLS_PER_ADDRESS, WRONG_KEYS_PER_ADDRESS = 600, 60, 10
# An answer's moment: ISO 8601 in UTC, as datetime.isoformat writes it.
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Timestamp = Annotated[
    Moment, Meta(description="When this was answered.", examples=["2026-11-22T18:16:59.929204+00:00"])
]


@dataclass(frozen=True, slots=True)
class WebAppKey:
    """The guard of what the web app alone may call, with ``HANDOFF_API_KEY``."""


class NoFields(Struct, frozen=True, forbid_unknown_fields=True):
    """A body without fields: an empty object, or no body at all."""


@dataclass(frozen=True, slots=True)
class PathParameter:
    """A part of the path that the caller fills in. ``pattern`` is the JSON Schema of those that exist."""

    name: str
    description: str
    pattern: str
    example: str


@dataclass(frozen=True, slots=True)
class Link:
    """What may be called next, with values of this answer or request (OpenAPI's runtime expressions)."""

    operation_id: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that is no problem. ``schema`` is the type of its body, None for what is no JSON."""

    description: str
    schema: Any = None
    media_type: str = JSON
    example: Any = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation. ``guard`` is the role that the admin key needs, None where everybody may call.

    ``query`` is None where the query is not looked at, NoFields where it may have no parameter. ``audit`` names the
    action in the audit log; ``is_counted`` says whether the rate limits apply. ``rules`` are those
    between the body's fields, in JSON Schema. ``problems`` are the operation's own; ``all_problems`` adds those that
    follow from what it does.
    """

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    guard: Role | WebAppKey | None
    answers: Mapping[HTTPStatus, Answer]
    problems: tuple[ProblemKind, ...] = ()
    query: type[Struct] | None = NoFields
    headers: type[Struct] | None = None
    body: type[Struct] | None = None
    body_examples: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    path_parameters: tuple[PathParameter, ...] = ()
    audit: str = ""
    needs_audit_line: bool = False
    is_counted: bool = True
    uses_store: bool = True

    @property
    def rule(self) -> str:
        """The path as Flask's routes write it."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def all_problems(self) -> tuple[ProblemKind, ...]:
        """Every problem that a call can end with, by status."""
        found = {*self.problems, problem_kinds.UNEXPECTED_ERROR}
        if self.guard is not None:
            found |= {problem_kinds.NO_VALID_KEY}
        if isinstance(self.guard, Role):
            found |= {problem_kinds.WRONG_KEY, problem_kinds.MISSING_ROLE}
        if self.query is not None:
            found |= {problem_kinds.INVALID_FIELD}
        if self.body is not None:
            found |= {problem_kinds.INVALID_FIELD, problem_kinds.BAD_REQUEST, problem_kinds.BODY_TOO_LARGE}
        if self.is_counted:
            found |= {problem_kinds.TOO_MANY_REQUESTS}
        if self.uses_store:
            found |= {problem_kinds.STORE_UNAVAILABLE}
        if self.needs_audit_line:
            found |= {problem_kinds.AUDIT_UNAVAILABLE}
        return tuple(sorted(found, key=lambda kind: (kind.status, kind.code)))
