"""create_app: the one place where the parts are built and put together."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, g, request
from prometheus_client.metrics_core import Metric

from onboarding_bot.bot import Clock, OtpService, WhatsAppBot
from onboarding_bot.broadcasts.audience import Audience
from onboarding_bot.broadcasts.sender import BroadcastSender
from onboarding_bot.broadcasts.service import BroadcastService
from onboarding_bot.broadcasts.status_callbacks import StatusCallbacks
from onboarding_bot.catch_up import CatchUp
from onboarding_bot.config import Environment, Settings, metrics_folder
from onboarding_bot.conversation.contact import Retention
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import Milestone
from onboarding_bot.languages.catalogue import Texts
from onboarding_bot.login_link import LoginLinks
from onboarding_bot.observability import metrics
from onboarding_bot.observability.logs import audit_log, logger
from onboarding_bot.observability.tracing import follow, read_request_id, read_traceparent
from onboarding_bot.outbound.broadcast_states import RecipientState
from onboarding_bot.outbound.due_work import Timetable
from onboarding_bot.people.consent_review import ConsentReview
from onboarding_bot.people.message_deletions import MessageDeletions
from onboarding_bot.people.retention import RetentionRound
from onboarding_bot.people.service import PeopleService
from onboarding_bot.reminders import Reminders
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.services.auth_api import AuthApi
from onboarding_bot.services.twilio_content_api import Content, ContentApi
from onboarding_bot.services.twilio_message_log import MessageLog
from onboarding_bot.services.twilio_messages import Sent, TwilioMessages
from onboarding_bot.services.whatsapp_template_lookup import ApprovedTemplates
from onboarding_bot.storage.audiences import Audiences
from onboarding_bot.storage.broadcast_records import BroadcastRecords
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.contacts import Contacts
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.heartbeats import Heartbeat, HeartbeatRecorder, Heartbeats
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.leases import Leases
from onboarding_bot.storage.recipients import Recipients
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.send_slots import SendSlots, seconds_between
from onboarding_bot.storage.session_store import SessionStore
from onboarding_bot.storage.sign_ins import SignIns
from onboarding_bot.storage.suppressions import Suppressions
from onboarding_bot.storage.unreviewed_consents import UnreviewedConsents
from onboarding_bot.storage.write_probe import WriteProbe
from onboarding_bot.web.api.audit import outcome_of
from onboarding_bot.web.api.broadcasts import broadcast_routes
from onboarding_bot.web.api.callers import Callers
from onboarding_bot.web.api.handoff import handoff_routes
from onboarding_bot.web.api.health import HealthCheck, health_metric, observability_parts
from onboarding_bot.web.api.heartbeat_checks import HeartbeatChecks
from onboarding_bot.web.api.limits import limit_requests
from onboarding_bot.web.api.metrics_page import metrics_routes
from onboarding_bot.web.api.monitoring import monitoring_routes
from onboarding_bot.web.api.openapi import openapi_routes
from onboarding_bot.web.api.people import people_routes
from onboarding_bot.web.api.problems import register_problems
from onboarding_bot.web.dashboard.access import Access
from onboarding_bot.web.dashboard.overview import Overview
from onboarding_bot.web.dashboard.routes import dashboard_routes
from onboarding_bot.web.webhooks.signature import CALLED_BY_TWILIO, SignatureVerifier
from onboarding_bot.web.webhooks.status_callback import status_callback_routes
from onboarding_bot.web.webhooks.webhook import webhook_routes
from onboarding_bot.web.whole_body import WholeBodyRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# How long a job may wait for Twilio's list of templates.
CONTENT_API_SECONDS = 5.0
LARGEST_BODY = 64 * 1024
SHORT_TIMEOUT_SECONDS = 0.5
BOT = "whatsapp_bot"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that is built once for each process, of the web and of the worker alike."""

    bot: WhatsAppBot
    health: HealthCheck
    signs: Heartbeats
    heartbeat_recorder: HeartbeatRecorder
    heartbeat_checks: HeartbeatChecks
    store: SessionStore
    erasures: Erasures
    broadcast_records: BroadcastRecords
    audiences: Audiences
    recipients: Recipients
    contacts: Contacts
    leases: Leases
    suppressions: Suppressions
    slots: SendSlots
    audience: Audience
    broadcasts: BroadcastService
    callbacks: StatusCallbacks
    broadcast_sender: BroadcastSender
    reminders: Reminders
    message_deletions: MessageDeletions
    people: PeopleService
    consent_review: ConsentReview
    retention: RetentionRound
    sign_ins: SignIns
    catch_up: CatchUp
    send_transactional: Callable[[str, str], Sent]
    is_marketing: Callable[[str], bool]
    approved_templates: Callable[[], Sequence[Content]]
    languages: list[str]
    now: Callable[[], datetime]
    keys: Keys
    short_timeout_redis: AnyRedis


def build_parts(
    settings: Settings,
    *,
    redis: AnyRedis | None = None,
    otp_service: OtpService | None = None,
    clock: Clock | None = None,
) -> Parts:
    """Build everything; the keywords put fakes in a part's place."""
    clock = clock or Clock(now=_utc_now)
    metrics.begin(OnboardingStep, Milestone, RecipientState)
    keys = Keys(settings.person_id_key)
    sealer = Sealer(Cipher(settings.session_encryption_keys))
    lives = (timedelta(days=settings.contact_retention_days), timedelta(days=settings.draft_retention_days))
    client = redis or connect(settings.redis_url)
    store = RedisSessionStore(client, keys, sealer, *lives)
    erasures = Erasures(client, keys, sealer, store)
    identities = Identities(client, keys, sealer, store, lives[0])
    # The fallback and the limits ask over connections of their own, which give up sooner and never try twice.
    short_timeout_client = redis or connect(settings.redis_url, answer_seconds=SHORT_TIMEOUT_SECONDS, retries=0)
    short_timeout_store = RedisSessionStore(short_timeout_client, keys, sealer, *lives)
    # Health gives up as soon, but tries once more, as the work does: after a failover that finds the new server.
    probed = redis or connect(settings.redis_url, answer_seconds=SHORT_TIMEOUT_SECONDS)
    probed_queue = redis or connect(settings.queue_url, answer_seconds=SHORT_TIMEOUT_SECONDS)
    signs = Heartbeats(client, probed_queue)
    heartbeat_recorder = HeartbeatRecorder(signs, clock.now)
    is_real = settings.environment is Environment.PRODUCTION
    heartbeat_checks = HeartbeatChecks(Heartbeats(probed, probed_queue), clock.now, expects_webhooks=is_real)
    auth_api = AuthApi(settings.auth_api_url, settings.auth_api_otp_path, settings.auth_api_deadline_seconds)
    texts = _texts(settings)
    renderer = ReplyRenderer(texts)
    engine = Engine(Retention(*reversed(lives)), settings.messages_per_minute, settings.verify_url)
    timetable = Timetable(settings.nudge_after, settings.quiet_hours)
    broadcast_records, audiences = BroadcastRecords(client), Audiences(client)
    recipients = Recipients(client, keys, sealer, audiences)
    contacts, suppressions = Contacts(client, keys, sealer), Suppressions(client, keys)
    leases, slots = Leases(client), SendSlots(client)
    messages = TwilioMessages(
        settings.twilio_api_base_url,
        settings.twilio_account_sid,
        settings.twilio_auth_tokens[0],
        settings.twilio_whatsapp_number,
        settings.public_base_url,
    )
    message_log = MessageLog(
        settings.twilio_api_base_url,
        settings.twilio_account_sid,
        settings.twilio_auth_tokens[0],
        clock.monotonic,
        clock.sleep,
    )
    templates = ApprovedTemplates(ContentApi(settings, CONTENT_API_SECONDS))

    def is_marketing(content_sid: str) -> bool:
        """By Meta's judgement, whatever the template's file says."""
        return templates.category_of(content_sid) == "marketing"

    def send_transactional(address: str, text: str) -> Sent:
        """Send a message that belongs to no broadcast, at the rate that all messages share."""
        clock.sleep(slots.take_for_transactional(seconds_between(settings.messages_per_second)))
        return messages.send_text(address, text)

    return Parts(
        bot=WhatsAppBot(
            store=store,
            identities=identities,
            fallback_identities=Identities(short_timeout_client, keys, sealer, short_timeout_store, lives[0]),
            erasures=erasures,
            otp_service=otp_service or auth_api,
            login_links=LoginLinks(
                settings.web_app_url,
                settings.session_encryption_keys,
                include_phone=settings.login_link_include_phone,
            ),
            renderer=renderer,
            engine=engine,
            timetable=timetable,
            clock=clock,
        ),
        health=HealthCheck(
            WriteProbe(probed).refusing,
            auth_api.is_healthy,
            heartbeat_checks=heartbeat_checks,
            local_parts=partial(observability_parts, metrics_folder()),
        ),
        signs=signs,
        heartbeat_recorder=heartbeat_recorder,
        heartbeat_checks=heartbeat_checks,
        store=store,
        erasures=erasures,
        broadcast_records=broadcast_records,
        audiences=audiences,
        recipients=recipients,
        contacts=contacts,
        leases=leases,
        suppressions=suppressions,
        slots=slots,
        audience=Audience(
            records=broadcast_records,
            audiences=audiences,
            recipients=recipients,
            contacts=contacts,
            leases=leases,
            slots=slots,
            daily_limit=settings.whatsapp_daily_limit,
            default_language=settings.default_language,
            is_marketing=is_marketing,
            now=clock.now,
        ),
        broadcasts=BroadcastService(broadcast_records, recipients, contacts, clock.now),
        callbacks=StatusCallbacks(
            records=broadcast_records,
            recipients=recipients,
            contacts=contacts,
            suppressions=suppressions,
            now=clock.now,
        ),
        broadcast_sender=BroadcastSender(
            records=broadcast_records,
            recipients=recipients,
            leases=leases,
            suppressions=suppressions,
            slots=slots,
            messages=messages,
            messages_per_second=settings.messages_per_second,
            daily_limit=settings.whatsapp_daily_limit,
            quiet_hours=settings.quiet_hours,
            now=clock.now,
            note_accepted=lambda: heartbeat_recorder.note(Heartbeat.MESSAGE),
        ),
        reminders=Reminders(store, engine, timetable, renderer, send_transactional, clock.now),
        message_deletions=MessageDeletions(erasures, message_log, clock.now, clock.sleep),
        people=PeopleService(store, identities, erasures, lives[0], clock.now),
        consent_review=ConsentReview(store, UnreviewedConsents(client, keys), _note_review),
        retention=RetentionRound(
            store,
            erasures,
            broadcast_records,
            broadcast_life=timedelta(days=settings.broadcast_retention_days),
            backup_life=timedelta(days=settings.backup_retention_days),
            now=clock.now,
        ),
        sign_ins=SignIns(client),
        catch_up=CatchUp(
            store,
            identities,
            erasures,
            engine,
            timetable,
            renderer,
            message_log,
            send_transactional,
            own_address=settings.twilio_whatsapp_number,
            languages=texts.languages,
            now=clock.now,
            sleep=clock.sleep,
        ),
        send_transactional=send_transactional,
        is_marketing=is_marketing,
        approved_templates=templates.approved,
        languages=texts.languages,
        now=clock.now,
        keys=keys,
        short_timeout_redis=short_timeout_client,
    )


def create_app(
    settings: Settings,
    *,
    redis: AnyRedis | None = None,
    otp_service: OtpService | None = None,
    clock: Clock | None = None,
) -> Flask:
    """A Flask app with its bot in ``app.extensions["whatsapp_bot"]``; the keywords put fakes in a part's place."""
    parts = build_parts(settings, redis=redis, otp_service=otp_service, clock=clock)
    app = Flask(__name__, static_folder=None)
    app.debug = settings.debug
    app.request_class = WholeBodyRequest
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions[BOT] = parts.bot
    verifier = SignatureVerifier(settings.twilio_auth_tokens, settings.public_base_url)
    access = Access(parts.sign_ins, settings.admin_keys, is_https=settings.public_base_url.startswith("https:"))
    for routes in (
        webhook_routes(parts.bot, verifier, note_heartbeat=lambda: parts.heartbeat_recorder.note(Heartbeat.WEBHOOK)),
        status_callback_routes(
            parts.callbacks, verifier, note_heartbeat=lambda: parts.heartbeat_recorder.note(Heartbeat.STATUS_CALLBACK)
        ),
        handoff_routes(parts.bot, settings.handoff_api_key),
        monitoring_routes(parts.bot, parts.health, settings.admin_keys, parts.now),
        _metrics_routes(settings, lambda: [*parts.heartbeat_checks.metrics(), *parts.health.metrics()]),
        broadcast_routes(
            parts.broadcasts,
            parts.audience,
            settings.admin_keys,
            parts.languages,
            settings.public_base_url,
            parts.now,
        ),
        people_routes(parts.people, settings.admin_keys, parts.now),
        openapi_routes(settings.public_base_url, parts.languages),
        dashboard_routes(
            access,
            Overview(parts.bot.figures, parts.broadcasts, parts.health),
            parts.broadcasts,
            parts.audience,
            parts.approved_templates,
            parts.languages,
            parts.now,
        ),
    ):
        app.register_blueprint(routes)
    register_problems(app)
    _answer_at_doubled_slashes(app)
    if prefix := urlsplit(settings.public_base_url).path:
        _stand_below(app, prefix)
    _follow_requests(app)
    callers = Callers(
        settings.admin_keys, settings.handoff_api_key, access.visitor, settings.trusted_proxies, parts.keys.address_id
    )
    limit_requests(app, parts.short_timeout_redis, callers)
    return app


def create_metrics_app(settings: Settings) -> Flask:
    """A Flask app that shows metrics and nothing else, for a server that has no other page."""
    app = Flask(__name__, static_folder=None)
    folder = metrics_folder()
    app.register_blueprint(_metrics_routes(settings, lambda: [health_metric(observability_parts(folder))]))
    register_problems(app)
    _follow_requests(app)
    keys = Keys(settings.person_id_key)
    callers = Callers(
        settings.admin_keys, settings.handoff_api_key, lambda: None, settings.trusted_proxies, keys.address_id
    )
    limit_requests(app, None, callers)
    return app


def _metrics_routes(settings: Settings, more: Callable[[], Iterable[Metric]] = tuple) -> Blueprint:
    folder = metrics_folder()
    return metrics_routes(settings.admin_keys, settings.metrics_allowed_addresses, folder, more)


def _note_review(person_id: str) -> None:
    """The audit line of a yes that the review takes back; the operator at the machine has no key with a name."""
    told = {"person": person_id, "purpose": "service", "given": False}
    audit_log().info("audit", action="consent.review", key="deploy.sh", **told)


def _texts(settings: Settings) -> Texts:
    standing = {
        "support_contact": settings.support_contact,
        "draft_days": str(settings.draft_retention_days),
        "contact_days": str(settings.contact_retention_days),
        "broadcast_days": str(settings.broadcast_retention_days),
        "backup_days": str(settings.backup_retention_days),
    }
    return Texts(standing, settings.default_language)


def _answer_at_doubled_slashes(app: Flask) -> None:
    """Let Twilio's calls arrive where a URL was put together from two parts with a slash each; it follows no redirect.

    What was signed is the address as it came, and that stands in RAW_URI.
    """
    inner = app.wsgi_app

    def with_single_slashes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        single = re.sub("/{2,}", "/", environ["PATH_INFO"])
        is_twilios = single.rstrip("/") in CALLED_BY_TWILIO
        return inner(environ | {"PATH_INFO": single} if is_twilios else environ, start_response)

    app.wsgi_app = with_single_slashes  # type: ignore[method-assign]


def _stand_below(app: Flask, prefix: str) -> None:
    """Let links carry the path prefix of the public address, which the proxy takes off on the way here."""
    inner = app.wsgi_app

    def with_prefix(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return inner(environ | {"SCRIPT_NAME": prefix}, start_response)

    app.wsgi_app = with_prefix  # type: ignore[method-assign]


def _follow_requests(app: Flask) -> None:
    """Give every request its trace, one log line, and headers that keep its answer to itself."""

    @app.before_request
    def begin() -> None:
        g.started = time.monotonic()
        follow(read_traceparent(request.headers.get("traceparent")))
        g.request_id = read_request_id(request.headers.get("X-Request-Id"))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Request-Id"] = g.request_id
        path = request.url_rule.rule if request.url_rule else "unknown"
        logger().info(
            "request",
            method=request.method,
            path=path,
            status=response.status_code,
            outcome=outcome_of(response.status_code),
            duration=round(time.monotonic() - g.started, 4),
        )
        return response
