"""create_app: assembles the Flask app from the parts that ``wiring`` builds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from flask import Blueprint, Flask
from prometheus_client.metrics_core import Metric

from onboarding_bot.admin_keys import AdminKey
from onboarding_bot.clock import Clock
from onboarding_bot.config import Settings, metrics_folder
from onboarding_bot.otp_requests import OtpService
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.heartbeats import Heartbeat
from onboarding_bot.storage.keys import Keys
from onboarding_bot.web.api.broadcasts import broadcast_routes
from onboarding_bot.web.api.handoff import handoff_routes
from onboarding_bot.web.api.health import health_metric, observability_parts
from onboarding_bot.web.api.metrics_endpoint import metrics_routes
from onboarding_bot.web.api.monitoring import monitoring_routes
from onboarding_bot.web.api.openapi import openapi_routes
from onboarding_bot.web.api.people import people_routes
from onboarding_bot.web.api.problems import register_problems
from onboarding_bot.web.api.rate_limits import Callers, limit_requests
from onboarding_bot.web.dashboard.access import Access
from onboarding_bot.web.dashboard.forms import SameOrigin
from onboarding_bot.web.dashboard.overview import Overview
from onboarding_bot.web.dashboard.routes import dashboard_routes
from onboarding_bot.web.path_middleware import add_path_prefix, merge_doubled_slashes
from onboarding_bot.web.request_class import CompleteBodyRequest
from onboarding_bot.web.request_log import log_requests
from onboarding_bot.web.webhooks.signature import SignatureVerifier
from onboarding_bot.web.webhooks.status_callback import status_callback_routes
from onboarding_bot.web.webhooks.webhook import webhook_routes
from onboarding_bot.wiring import Parts, build_parts

LARGEST_BODY = 64 * 1024
BOT = "whatsapp_bot"


def create_app(
    settings: Settings,
    *,
    redis: AnyRedis | None = None,
    otp_service: OtpService | None = None,
    clock: Clock | None = None,
) -> Flask:
    """A Flask app with its bot in ``app.extensions["whatsapp_bot"]``; the keywords put fakes in a part's place."""
    parts = build_parts(settings, redis=redis, otp_service=otp_service, clock=clock)
    access = Access(parts.storage.sign_ins, settings.admin_keys, SameOrigin(settings.public_base_url))
    app = Flask(__name__, static_folder=None)
    app.debug = settings.debug
    app.request_class = CompleteBodyRequest
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions[BOT] = parts.conversation.bot
    for routes in (*_webhooks(settings, parts), *_json_endpoints(settings, parts), _dashboard(parts, access)):
        app.register_blueprint(routes)
    register_problems(app)
    merge_doubled_slashes(app)
    if prefix := urlsplit(settings.public_base_url).path:
        add_path_prefix(app, prefix)
    log_requests(app)
    callers = _callers(settings, parts.storage.keys, access.visitor)
    limit_requests(app, parts.storage.short_timeout_client, callers)
    return app


def create_metrics_app(settings: Settings) -> Flask:
    """A Flask app that shows metrics and nothing else, for a server that has no other page."""
    app = Flask(__name__, static_folder=None)
    folder = metrics_folder()
    app.register_blueprint(_metrics(settings, lambda: [health_metric(observability_parts(folder))]))
    register_problems(app)
    log_requests(app)
    limit_requests(app, None, _callers(settings, Keys(settings.person_id_key), lambda: None))
    return app


def _webhooks(settings: Settings, parts: Parts) -> list[Blueprint]:
    verifier = SignatureVerifier(settings.twilio_auth_tokens, settings.public_base_url)
    note = parts.observability.heartbeat_recorder.note
    return [
        webhook_routes(parts.conversation.bot, verifier, note_heartbeat=lambda: note(Heartbeat.WEBHOOK)),
        status_callback_routes(
            parts.broadcasts.status_callbacks, verifier, note_heartbeat=lambda: note(Heartbeat.STATUS_CALLBACK)
        ),
    ]


def _json_endpoints(settings: Settings, parts: Parts) -> list[Blueprint]:
    conversation, broadcasts, observability = parts.conversation, parts.broadcasts, parts.observability
    now = parts.clock.now
    return [
        handoff_routes(conversation.handoff, settings.handoff_api_key),
        monitoring_routes(conversation.stats, observability.health, settings.admin_keys, now),
        _metrics(settings, lambda: [*observability.heartbeat_checks.metrics(), *observability.health.metrics()]),
        broadcast_routes(
            broadcasts.service,
            broadcasts.audience,
            settings.admin_keys,
            parts.languages,
            settings.public_base_url,
            now,
        ),
        people_routes(parts.people.service, settings.admin_keys, now),
        openapi_routes(settings.public_base_url, parts.languages),
    ]


def _dashboard(parts: Parts, access: Access) -> Blueprint:
    broadcasts = parts.broadcasts
    return dashboard_routes(
        access,
        Overview(parts.conversation.stats, broadcasts.service, parts.observability.health),
        broadcasts.service,
        broadcasts.audience,
        parts.sending.approved_templates,
        parts.languages,
        parts.clock.now,
    )


def _metrics(settings: Settings, more: Callable[[], Iterable[Metric]]) -> Blueprint:
    folder = metrics_folder()
    return metrics_routes(settings.admin_keys, settings.metrics_allowed_addresses, folder, more)


def _callers(settings: Settings, keys: Keys, visitor: Callable[[], AdminKey | None]) -> Callers:
    return Callers(settings.admin_keys, settings.handoff_api_key, visitor, settings.trusted_proxies, keys.address_id)
