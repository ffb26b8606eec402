"""The endpoints where admins begin broadcasts, watch, pause, resume and cancel them, and fetch their recipients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, url_for
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.broadcasts.audience import Audience, DryRun
from onboarding_bot.broadcasts.service import (
    BroadcastService,
    BroadcastView,
    OtherDefinitionError,
    UnknownBroadcastError,
    WrongStatusError,
)
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.outbound.broadcast_definition import BroadcastRequest, parse_request
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState, SkipReason
from onboarding_bot.services.twilio_content_api import ContentApiError
from onboarding_bot.web.api.audit import audit_detail, require_audit_line
from onboarding_bot.web.api.authentication import current_admin
from onboarding_bot.web.api.endpoints import Endpoints
from onboarding_bot.web.api.operations import broadcasts as operations
from onboarding_bot.web.api.operations.broadcasts import (
    BroadcastDetails,
    BroadcastPage,
    BroadcastSummary,
    DryRunResult,
    IdempotencyHeader,
    PageQuery,
    PausedBroadcasts,
)
from onboarding_bot.web.api.operations.operation import Operation
from onboarding_bot.web.api.operations.problem_kinds import (
    IDEMPOTENCY_KEY_IN_USE,
    TEMPLATES_UNKNOWN,
    UNKNOWN_BROADCAST,
    WRONG_STATUS,
)
from onboarding_bot.web.api.problems import problem
from onboarding_bot.web.api.recipients_csv import recipients_csv


def broadcast_routes(
    service: BroadcastService,
    audience: Audience,
    admin_keys: AdminKeys,
    languages: list[str],
    public_base_url: str,
    now: Callable[[], datetime],
) -> Blueprint:
    """``POST /send-broadcast`` and everything under ``/broadcasts``; all of it for admins."""
    routes = Blueprint("broadcasts", __name__)
    endpoints = Endpoints(routes, admin_keys=admin_keys)

    @endpoints.add(operations.SEND_BROADCAST, parse=partial(parse_request, languages=languages))
    def send_broadcast(headers: IdempotencyHeader, body: BroadcastRequest) -> ResponseReturnValue:
        audit_detail(dry_run=body.dry_run)
        if body.dry_run:
            return jsonify(_dry_run(audience.count(body.definition), now()))
        require_audit_line()
        view = service.create(body.definition, headers.idempotency_key)
        audit_detail(broadcast_id=view.record.id)
        return jsonify(_summary(view, public_base_url, now())), HTTPStatus.ACCEPTED

    @endpoints.add(operations.LIST_BROADCASTS)
    def newest(query: PageQuery) -> ResponseReturnValue:
        page, size = query.page, query.size
        views = service.newest((page - 1) * size, size)
        next_page = url_for(f".{operations.LIST_BROADCASTS.id}", page=page + 1, size=size)
        shown: BroadcastPage = {
            "broadcasts": [_summary(view, public_base_url, now()) for view in views],
            "page": page,
            "size": size,
            "next": next_page if len(views) == size else None,
        }
        return jsonify(shown)

    @endpoints.add(operations.PAUSE_ALL)
    def pause_all() -> ResponseReturnValue:
        paused = service.pause_all()
        audit_detail(broadcast_ids=paused)
        shown: PausedBroadcasts = {"paused": paused, "timestamp": _timestamp(now())}
        return jsonify(shown)

    @endpoints.add(operations.GET_BROADCAST)
    def one(broadcast_id: str) -> ResponseReturnValue:
        return jsonify(_details(service.view(broadcast_id), public_base_url, now()))

    @endpoints.add(operations.LIST_RECIPIENTS)
    def recipients(broadcast_id: str) -> ResponseReturnValue:
        return recipients_csv(service, broadcast_id, shows_addresses=Role.DATA in current_admin().roles)

    def add_action(operation: Operation, act: Callable[[str], Any]) -> None:
        @endpoints.add(operation)
        def run(broadcast_id: str) -> ResponseReturnValue:
            if operation.needs_audit_line:
                require_audit_line()
            act(broadcast_id)
            return jsonify(_details(service.view(broadcast_id), public_base_url, now()))

    add_action(operations.PAUSE, service.pause)
    add_action(operations.RESUME, service.resume)
    add_action(operations.CANCEL, service.cancel)
    add_action(operations.RESEND_UNCERTAIN, service.resend_uncertain)

    @routes.errorhandler(UnknownBroadcastError)
    def unknown(_error: UnknownBroadcastError) -> Response:
        return problem(UNKNOWN_BROADCAST)

    @routes.errorhandler(OtherDefinitionError)
    def other_definition(_error: OtherDefinitionError) -> Response:
        return problem(IDEMPOTENCY_KEY_IN_USE)

    @routes.errorhandler(ContentApiError)
    def category_unknown(error: ContentApiError) -> Response:
        logger().warning("templates_unknown", **describe(error))
        return problem(TEMPLATES_UNKNOWN)

    @routes.errorhandler(WrongStatusError)
    def wrong_status(error: WrongStatusError) -> Response:
        return problem(WRONG_STATUS, f"The broadcast is {error.status}; that cannot be done with it any more.")

    return routes


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _dry_run(counted: DryRun, now: datetime) -> DryRunResult:
    result: DryRunResult = {
        "dry_run": True,
        "recipient_count": counted.recipient_count,
        "skipped": _by_reason(counted.skipped),
        "days": counted.days,
        "timestamp": _timestamp(now),
    }
    if counted.unreviewed:
        result["consent_review_due"] = counted.unreviewed
    return result


def _summary(view: BroadcastView, public_base_url: str, now: datetime) -> BroadcastSummary:
    return {
        "broadcast_id": view.record.id,
        "status": view.record.status,
        "reason": view.record.reason or None,
        "recipient_count": view.recipient_count,
        "skipped": _by_reason(view.skipped),
        "sent_count": view.sent_count,
        "status_url": f"{public_base_url}/broadcasts/{view.record.id}",
        "timestamp": _timestamp(now),
    }


def _details(view: BroadcastView, public_base_url: str, now: datetime) -> BroadcastDetails:
    is_sending = view.record.status is BroadcastStatus.SENDING
    return {
        **_summary(view, public_base_url, now),
        "counts": {RecipientState(state): count for state, count in view.counts.items()},
        "errors": dict(view.errors),
        "rate_per_second": view.rate_per_second,
        "eta": _timestamp(view.eta) if view.eta else None,
        "rests_until": view.record.fields.get("rests_until") or None if is_sending else None,
        "audience": int(view.record.fields["audience"]) if "audience" in view.record.fields else None,
        "created_at": _timestamp(view.record.created_at),
    }


def _by_reason(skipped: Mapping[str, int]) -> dict[SkipReason, int]:
    return {SkipReason(reason): count for reason, count in skipped.items()}
