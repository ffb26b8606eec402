"""The operations on broadcasts: create, watch, hold, resume, end, and fetch what became of each recipient."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta, Struct

from onboarding_bot.admin_keys import Role
from onboarding_bot.outbound.broadcast_definition import BROADCAST_ID, RULES_OF_REQUEST, BroadcastRequest
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState, SkipReason
from onboarding_bot.web.api.operations import problem_kinds
from onboarding_bot.web.api.operations.operation import (
    Answer,
    Link,
    Moment,
    NoFields,
    Operation,
    PathParameter,
    Timestamp,
)

TAG = "broadcasts"
PAGE_SIZE, PAGE_SIZE_MAX, PAGE_MAX = 20, 100, 1_000_000
IDEMPOTENCY_KEY_MAX = 200
CSV = "text/csv"
CSV_COLUMNS = ("recipient", "state", "code", "message_sid", "accepted_at", "changed_at")

Count = Annotated[int, Meta(ge=0)]
BroadcastId = Annotated[str, Meta(pattern=f"^{BROADCAST_ID.pattern}$", examples=["01a20479c938eced2c475703"])]
Skipped = Annotated[dict[SkipReason, Count], Meta(description="How many people were left out, by reason.")]


class IdempotencyHeader(Struct, frozen=True, kw_only=True, rename={"idempotency_key": "Idempotency-Key"}):
    """The header that makes it safe to send a request again."""

    idempotency_key: (
        Annotated[
            str,
            Meta(
                description="Your own name for this broadcast. The same key with the same body is the same broadcast, "
                "for seven days; without one a repeated request is a second broadcast.",
                examples=["sunday-1"],
                min_length=1,
                max_length=IDEMPOTENCY_KEY_MAX,
            ),
        ]
        | None
    ) = None


class PageQuery(Struct, frozen=True, kw_only=True):
    """Which broadcasts are listed."""

    page: Annotated[int, Meta(description="The page, from 1.", ge=1, le=PAGE_MAX)] = 1
    size: Annotated[int, Meta(description="How many broadcasts a page has.", ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE


class DryRunResult(TypedDict):
    """What a broadcast would do now; nothing was sent or kept."""

    dry_run: Annotated[bool, Meta(description="Always true.")]
    recipient_count: Annotated[Count, Meta(description="How many people would get it now.")]
    skipped: Skipped
    days: Annotated[Count, Meta(description="How many days the daily limit makes it take; 0 for nobody.")]
    consent_review_due: NotRequired[
        Annotated[Count, Meta(description="How many people wait for a review of earlier consents; missing for none.")]
    ]
    timestamp: Timestamp


class BroadcastSummary(TypedDict):
    """A broadcast as lists show it."""

    broadcast_id: BroadcastId
    status: BroadcastStatus
    reason: Annotated[str | None, Meta(description="Why it is paused, stopped or cancelled.")]
    recipient_count: Annotated[
        Count | None, Meta(description="How many people get it, without the skipped ones; null while they are counted.")
    ]
    skipped: Skipped
    sent_count: Annotated[Count, Meta(description="How many messages Twilio has accepted.")]
    status_url: Annotated[str, Meta(description="Where all its figures are.", extra_json_schema={"format": "uri"})]
    timestamp: Timestamp


class BroadcastDetails(BroadcastSummary):
    """A broadcast with all its figures."""

    counts: Annotated[dict[RecipientState, Count], Meta(description="How many recipients are in each state.")]
    errors: Annotated[
        dict[Annotated[str, Meta(pattern="^([0-9]+|unreadable)$")], Count],
        Meta(description="How many recipients failed, by Twilio's error code."),
    ]
    rate_per_second: Annotated[float, Meta(description="Messages accepted a second, lately.", ge=0)]
    eta: Annotated[Moment | None, Meta(description="When it would be done at that rate.")]
    rests_until: Annotated[Moment | None, Meta(description="The end of the quiet hours, while it waits for that.")]
    audience: Annotated[Count | None, Meta(description="How many people were looked at; null before that.")]
    created_at: Moment


class BroadcastPage(TypedDict):
    """One page of the broadcasts, the newest first."""

    broadcasts: list[BroadcastSummary]
    page: Annotated[int, Meta(ge=1, le=PAGE_MAX)]
    size: Annotated[int, Meta(ge=1, le=PAGE_SIZE_MAX)]
    next: Annotated[str | None, Meta(description="The path of the next page, where there may be one.")]


class PausedBroadcasts(TypedDict):
    """What was held."""

    paused: Annotated[list[BroadcastId], Meta(description="The broadcasts that were running.")]
    timestamp: Timestamp


ID_IN_PATH = PathParameter(
    "broadcast_id", "The broadcast's id.", f"^{BROADCAST_ID.pattern}$", "01a20479c938eced2c475703"
)
_NOBODY_SKIPPED = {"frequency": 0, "no_consent": 0, "opted_out": 0, "outside_window": 0, "suppressed": 0}
_SUMMARY = {
    "broadcast_id": "01a20479c938eced2c475703",
    "reason": None,
    "recipient_count": None,
    "sent_count": 0,
    "skipped": _NOBODY_SKIPPED,
    "status": "counting",
    "status_url": "https://bot.example.in/broadcasts/01a20479c938eced2c475703",
    "timestamp": "2026-11-22T18:16:59.961861+00:00",
}
_DETAILS = _SUMMARY | {
    "audience": 60,
    "counts": {
        "delivered": 9,
        "failed": 0,
        "pending": 0,
        "read": 30,
        "sending": 0,
        "sent": 0,
        "skipped": 21,
        "uncertain": 0,
    },
    "created_at": "2026-11-22T18:16:59.961000+00:00",
    "errors": {},
    "eta": None,
    "rate_per_second": 6.5,
    "recipient_count": 39,
    "rests_until": None,
    "sent_count": 39,
    "skipped": _NOBODY_SKIPPED | {"opted_out": 1, "outside_window": 20},
    "status": "completed",
}
_STEERED = ("getBroadcast", "listRecipients", "pauseBroadcast", "resumeBroadcast", "cancelBroadcast", "resendUncertain")


def _links(broadcast_id: str) -> tuple[Link, ...]:
    return tuple(Link(operation, {"broadcast_id": broadcast_id}) for operation in _STEERED)


SEND_BROADCAST = Operation(
    id="sendBroadcast",
    method="POST",
    path="/send-broadcast",
    tag=TAG,
    summary="Begin a broadcast, or count whom it would reach",
    description="With `dry_run` it counts, and sends and keeps nothing. Without it the broadcast begins, at once or at "
    "`schedule_at`. Send an `Idempotency-Key`: when the answer was lost, the same request again is the same broadcast.",
    guard=Role.SEND,
    audit="broadcast.create",
    needs_audit_line=True,
    headers=IdempotencyHeader,
    body=BroadcastRequest,
    body_examples={
        "message": {"message": "Our help desk is open on Sunday too.", "language": "en"},
        "template": {
            "content_sid": "HX0123456789abcdef0123456789abcdef",
            "content_variables": {"1": "Asha"},
            "purpose": "marketing",
        },
        "dry run": {"message": "Our help desk is open on Sunday too.", "dry_run": True},
    },
    rules=RULES_OF_REQUEST,
    answers={
        HTTPStatus.OK: Answer(
            description="A dry run.",
            schema=DryRunResult,
            example={
                "days": 1,
                "dry_run": True,
                "recipient_count": 39,
                "skipped": _NOBODY_SKIPPED | {"opted_out": 1, "outside_window": 20},
                "timestamp": "2026-11-22T18:16:59.929204+00:00",
            },
        ),
        HTTPStatus.ACCEPTED: Answer(
            description="The broadcast begins, or has begun under this Idempotency-Key.",
            schema=BroadcastSummary,
            example=_SUMMARY,
            links=_links("$response.body#/broadcast_id"),
        ),
    },
    problems=(problem_kinds.IDEMPOTENCY_KEY_IN_USE, problem_kinds.TEMPLATES_UNKNOWN),
)

LIST_BROADCASTS = Operation(
    id="listBroadcasts",
    method="GET",
    path="/broadcasts",
    tag=TAG,
    summary="List the broadcasts, the newest first",
    description="`next` is the path of the next page, null where this page is not full.",
    guard=Role.READ,
    query=PageQuery,
    answers={
        HTTPStatus.OK: Answer(
            description="One page of them.",
            schema=BroadcastPage,
            example={"broadcasts": [_SUMMARY], "next": "/broadcasts?page=2&size=1", "page": 1, "size": 1},
            links=_links("$response.body#/broadcasts/0/broadcast_id"),
        )
    },
)

PAUSE_ALL = Operation(
    id="pauseAllBroadcasts",
    method="POST",
    path="/broadcasts/pause-all",
    tag=TAG,
    summary="Pause everything that is counting, scheduled or sending",
    description="For when anything looks wrong: first pause everything, then look.",
    guard=Role.SEND,
    audit="broadcast.pause-all",
    body=NoFields,
    answers={
        HTTPStatus.OK: Answer(
            description="What was paused.",
            schema=PausedBroadcasts,
            example={"paused": ["01a20479c938eced2c475703"], "timestamp": "2026-11-22T18:17:14.080091+00:00"},
        )
    },
)

GET_BROADCAST = Operation(
    id="getBroadcast",
    method="GET",
    path="/broadcasts/{broadcast_id}",
    tag=TAG,
    summary="Show a broadcast with all its figures",
    description="",
    guard=Role.READ,
    path_parameters=(ID_IN_PATH,),
    answers={HTTPStatus.OK: Answer(description="The broadcast.", schema=BroadcastDetails, example=_DETAILS)},
    problems=(problem_kinds.UNKNOWN_BROADCAST,),
)

LIST_RECIPIENTS = Operation(
    id="listRecipients",
    method="GET",
    path="/broadcasts/{broadcast_id}/recipients.csv",
    tag=TAG,
    summary="Fetch every recipient, with what became of the message",
    description="A CSV file, sent as it is read, so it may be as long as it likes. Its columns are "
    f"{', '.join(f'`{name}`' for name in CSV_COLUMNS)}. A key with the role `data` sees phone numbers; without it "
    "they are hidden, as in `whatsapp:+91******0001`.",
    guard=Role.READ,
    audit="broadcast.recipients",
    needs_audit_line=True,
    path_parameters=(ID_IN_PATH,),
    answers={
        HTTPStatus.OK: Answer(
            description="One line for each recipient, below the names of the columns.",
            media_type=CSV,
            example=f"{','.join(CSV_COLUMNS)}\r\nwhatsapp:+91******0001,read,,SMd889ab1599c50384308231aab706bcaf,"
            "2026-11-22T20:32:02+00:00,2026-11-22T20:32:03+00:00\r\n",
        )
    },
    problems=(problem_kinds.UNKNOWN_BROADCAST,),
)


def _action(id_: str, name: str, summary: str, description: str, *, sends: bool = False) -> Operation:
    """What changes one broadcast. One that ``sends`` needs its audit line; nobody is kept from pausing a broadcast."""
    return Operation(
        id=id_,
        method="POST",
        path=f"/broadcasts/{{broadcast_id}}/{name}",
        tag=TAG,
        summary=summary,
        description=description,
        guard=Role.SEND,
        audit=f"broadcast.{name}",
        needs_audit_line=sends,
        path_parameters=(ID_IN_PATH,),
        body=NoFields,
        answers={
            HTTPStatus.OK: Answer(
                description="The broadcast as it is now.",
                schema=BroadcastDetails,
                example=_DETAILS,
                links=_links("$response.body#/broadcast_id"),
            )
        },
        problems=(problem_kinds.UNKNOWN_BROADCAST, problem_kinds.WRONG_STATUS),
    )


PAUSE = _action(
    "pauseBroadcast",
    "pause",
    "Pause a broadcast",
    "It takes effect within two seconds. 409 for one that is stopped or over.",
)
RESUME = _action(
    "resumeBroadcast",
    "resume",
    "Resume a broadcast that is paused or stopped",
    "It goes on with those who have not had it. 409 for one that is over.",
    sends=True,
)
CANCEL = _action(
    "cancelBroadcast",
    "cancel",
    "End a broadcast for good",
    "What is out stays out. 409 for one that is completed.",
)
RESEND_UNCERTAIN = _action(
    "resendUncertain",
    "resend-uncertain",
    "Send again to the uncertain recipients",
    "Nobody knows whether these got the message: some will get it twice. 409 for one that was cancelled.",
    sends=True,
)

OPERATIONS = (
    SEND_BROADCAST,
    LIST_BROADCASTS,
    PAUSE_ALL,
    GET_BROADCAST,
    LIST_RECIPIENTS,
    PAUSE,
    RESUME,
    CANCEL,
    RESEND_UNCERTAIN,
)
