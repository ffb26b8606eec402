"""Where admins start broadcasts, watch them, hold them, and fetch the proof."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.broadcasts.audience import Audience
from onboarding_bot.broadcasts.service import (
    BroadcastService,
    BroadcastView,
    OtherDefinitionError,
    UnknownBroadcastError,
    WrongStatusError,
)
from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.outbound.broadcast_definition import FIELDS, parse_definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus
from onboarding_bot.services.twilio_content_api import ContentApiError
from onboarding_bot.web.api.audit import audit_broadcast, audit_deed, audit_detail
from onboarding_bot.web.api.authentication import admin_only, current_admin
from onboarding_bot.web.api.json_body import json_fields, known_query, no_fields
from onboarding_bot.web.api.problems import problem
from onboarding_bot.web.api.query import whole_number
from onboarding_bot.web.api.recipients_file import recipients_file

PAGE_SIZE, PAGE_SIZE_MAX, PAGE_MAX = 20, 100, 1_000_000
IDEMPOTENCY_KEY_MAX = 200


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

    @routes.post("/send-broadcast")
    @admin_only(admin_keys, Role.SEND, audit="broadcast.create")
    def send_broadcast() -> ResponseReturnValue:
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 1 <= len(key) <= IDEMPOTENCY_KEY_MAX:
            raise InvalidFieldError("Idempotency-Key", f"must have 1 to {IDEMPOTENCY_KEY_MAX} characters")
        definition, is_dry_run = parse_definition(json_fields(*FIELDS), languages)
        audit_detail(dry_run=is_dry_run)
        if is_dry_run:
            counted = audience.count(definition)
            return jsonify(
                dry_run=True,
                recipient_count=counted.recipient_count,
                skipped=counted.skipped,
                days=counted.days,
                timestamp=_timestamp(now()),
                **({"consent_review_due": counted.unreviewed} if counted.unreviewed else {}),
            )
        audit_deed()
        view = service.create(definition, key)
        audit_detail(broadcast_id=view.record.id)
        return jsonify(_summary(view, public_base_url, now())), HTTPStatus.ACCEPTED

    @routes.get("/broadcasts")
    @admin_only(admin_keys, Role.READ)
    def newest() -> ResponseReturnValue:
        known_query("page", "size")
        page, size = whole_number("page", 1, PAGE_MAX), whole_number("size", PAGE_SIZE, PAGE_SIZE_MAX)
        views = service.newest((page - 1) * size, size)
        return jsonify(
            broadcasts=[_summary(view, public_base_url, now()) for view in views],
            page=page,
            size=size,
            next=url_for(".newest", page=page + 1, size=size) if len(views) == size else None,
        )

    @routes.post("/broadcasts/pause-all")
    @admin_only(admin_keys, Role.SEND, audit="broadcast.pause-all")
    def pause_all() -> ResponseReturnValue:
        no_fields()
        paused = service.pause_all()
        audit_detail(broadcast_ids=paused)
        return jsonify(paused=paused, timestamp=_timestamp(now()))

    @routes.get("/broadcasts/<broadcast_id>")
    @admin_only(admin_keys, Role.READ)
    def one(broadcast_id: str) -> ResponseReturnValue:
        known_query()
        return jsonify(_details(service.view(broadcast_id), public_base_url, now()))

    @routes.get("/broadcasts/<broadcast_id>/recipients.csv")
    @admin_only(admin_keys, Role.READ, audit="broadcast.recipients")
    def recipients(broadcast_id: str) -> ResponseReturnValue:
        known_query()
        return recipients_file(service, broadcast_id, shows_addresses=Role.DATA in current_admin().roles)

    def action(name: str, act: Callable[[str], Any], *, sends: bool = False) -> None:
        """One that ``sends`` needs its audit line; nobody is kept from holding a broadcast."""

        @routes.post(f"/broadcasts/<broadcast_id>/{name}", endpoint=name)
        @admin_only(admin_keys, Role.SEND, audit=f"broadcast.{name}")
        def run(broadcast_id: str) -> ResponseReturnValue:
            audit_broadcast(broadcast_id)
            no_fields()
            if sends:
                audit_deed()
            act(broadcast_id)
            return jsonify(_details(service.view(broadcast_id), public_base_url, now()))

    action("pause", service.pause)
    action("resume", service.resume, sends=True)
    action("cancel", service.cancel)
    action("resend-uncertain", service.resend_uncertain, sends=True)

    @routes.errorhandler(UnknownBroadcastError)
    def unknown(_error: UnknownBroadcastError) -> Response:
        return problem(HTTPStatus.NOT_FOUND, "unknown-broadcast", "There is no broadcast with this id.")

    @routes.errorhandler(OtherDefinitionError)
    def other_definition(_error: OtherDefinitionError) -> Response:
        return problem(
            HTTPStatus.CONFLICT,
            "idempotency-key-in-use",
            "This Idempotency-Key was used for another broadcast. Take a new key for a new broadcast.",
        )

    @routes.errorhandler(ContentApiError)
    def no_word_on_templates(error: ContentApiError) -> Response:
        logger().warning("templates_unknown", **describe(error))
        detail = "Twilio does not say now how Meta sees this template, and so who may get it. Try again in a moment."
        response = problem(HTTPStatus.SERVICE_UNAVAILABLE, "templates-unknown", detail)
        response.headers["Retry-After"] = "10"
        return response

    @routes.errorhandler(WrongStatusError)
    def wrong_status(error: WrongStatusError) -> Response:
        detail = f"The broadcast is {error.status}; that cannot be done with it any more."
        return problem(HTTPStatus.CONFLICT, "wrong-status", detail)

    return routes


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _summary(view: BroadcastView, public_base_url: str, now: datetime) -> dict[str, Any]:
    return {
        "broadcast_id": view.record.id,
        "status": view.record.status,
        "reason": view.record.reason or None,
        "recipient_count": view.recipient_count,
        "skipped": view.skipped,
        "sent_count": view.sent_count,
        "status_url": f"{public_base_url}/broadcasts/{view.record.id}",
        "timestamp": _timestamp(now),
    }


def _details(view: BroadcastView, public_base_url: str, now: datetime) -> dict[str, Any]:
    is_sending = view.record.status is BroadcastStatus.SENDING
    return _summary(view, public_base_url, now) | {
        "counts": view.counts,
        "errors": view.errors,
        "rate_per_second": view.rate_per_second,
        "eta": _timestamp(view.eta) if view.eta else None,
        "rests_until": view.record.fields.get("rests_until") or None if is_sending else None,
        "audience": int(view.record.fields["audience"]) if "audience" in view.record.fields else None,
        "created_at": _timestamp(view.record.created_at),
    }
