"""build_parts: builds the objects of a process, room by room; the only place that calls their constructors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.broadcasts.audience import Audience
from onboarding_bot.broadcasts.sender import BroadcastSender
from onboarding_bot.broadcasts.service import BroadcastService
from onboarding_bot.broadcasts.status_callbacks import StatusCallbacks
from onboarding_bot.catch_up import CatchUp
from onboarding_bot.clock import Clock
from onboarding_bot.config import Environment, Settings, metrics_folder
from onboarding_bot.conversation.contact import Retention
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import Milestone
from onboarding_bot.handoff import HandoffService
from onboarding_bot.languages.catalogue import Texts
from onboarding_bot.login_link import LoginLinks
from onboarding_bot.observability import metrics
from onboarding_bot.observability.logs import audit_log
from onboarding_bot.otp_requests import OtpRequests, OtpService
from onboarding_bot.otp_retry import OtpRetry
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
from onboarding_bot.stats import StatsService
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
from onboarding_bot.turn_commit import TurnCommitter
from onboarding_bot.web.api.health import HealthCheck, observability_parts
from onboarding_bot.web.api.heartbeat_checks import HeartbeatChecks

# How long a job may wait for Twilio's list of templates.
CONTENT_API_SECONDS = 5.0
SHORT_TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Storage:
    """Redis, and what is kept there. ``short_timeout_client`` has a 0.5 s time-out and no retry."""

    client: AnyRedis
    short_timeout_client: AnyRedis
    keys: Keys
    store: SessionStore
    identities: Identities
    fallback_identities: Identities
    erasures: Erasures
    contacts: Contacts
    suppressions: Suppressions
    broadcast_records: BroadcastRecords
    audiences: Audiences
    recipients: Recipients
    leases: Leases
    send_slots: SendSlots
    sign_ins: SignIns


@dataclass(frozen=True, slots=True)
class Observability:
    """Heartbeats, and what ``/health`` and the metrics say of them."""

    heartbeats: Heartbeats
    heartbeat_recorder: HeartbeatRecorder
    heartbeat_checks: HeartbeatChecks
    health: HealthCheck


@dataclass(frozen=True, slots=True)
class Sending:
    """The clients of Twilio's REST API.

    ``send_transactional`` sends a text that belongs to no broadcast to an address, at the rate that all messages share;
    ``is_marketing`` says whether Meta calls the template of a ContentSid marketing, which the template's file may not.
    """

    messages: TwilioMessages
    message_log: MessageLog
    send_transactional: Callable[[str, str], Sent]
    approved_templates: Callable[[], Sequence[Content]]
    is_marketing: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The use cases of one person's sign-up."""

    bot: WhatsAppBot
    reminders: Reminders
    otp_retry: OtpRetry
    catch_up: CatchUp
    handoff: HandoffService
    stats: StatsService


@dataclass(frozen=True, slots=True)
class Broadcasts:
    """The use cases of broadcasts."""

    service: BroadcastService
    audience: Audience
    sender: BroadcastSender
    status_callbacks: StatusCallbacks


@dataclass(frozen=True, slots=True)
class People:
    """The use cases of people's data."""

    service: PeopleService
    consent_review: ConsentReview
    message_deletions: MessageDeletions
    retention: RetentionRound


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects of one process, of the web and of the worker alike; ``languages`` are those of the catalogues."""

    clock: Clock
    languages: list[str]
    storage: Storage
    observability: Observability
    sending: Sending
    conversation: Conversation
    broadcasts: Broadcasts
    people: People


def build_parts(
    settings: Settings,
    *,
    redis: AnyRedis | None = None,
    otp_service: OtpService | None = None,
    clock: Clock | None = None,
) -> Parts:
    """Build everything; the keywords put fakes in a part's place. No part opens a connection before it has work."""
    metrics.begin(OnboardingStep, Milestone, RecipientState)
    clock = clock or Clock()
    texts = Texts(_values_of_texts(settings), settings.default_language)
    auth_api = AuthApi(settings.auth_api_url, settings.auth_api_otp_path, settings.auth_api_deadline_seconds)
    storage = _build_storage(settings, redis)
    observability = _build_observability(settings, redis, storage, auth_api, clock)
    sending = _build_sending(settings, storage, clock)
    return Parts(
        clock=clock,
        languages=texts.languages,
        storage=storage,
        observability=observability,
        sending=sending,
        conversation=_build_conversation(settings, storage, sending, texts, otp_service or auth_api, clock),
        broadcasts=_build_broadcasts(settings, storage, sending, observability.heartbeat_recorder, clock),
        people=_build_people(settings, storage, sending, clock),
    )


def _build_storage(settings: Settings, redis: AnyRedis | None) -> Storage:
    keys, sealer = Keys(settings.person_id_key), Sealer(Cipher(settings.session_encryption_keys))
    retention = _retention(settings)
    client = redis or connect(settings.redis_url)
    short_timeout_client = redis or connect(settings.redis_url, answer_seconds=SHORT_TIMEOUT_SECONDS, retries=0)

    def build_store(on: AnyRedis) -> tuple[RedisSessionStore, Identities]:
        store = RedisSessionStore(on, keys, sealer, retention.contact, retention.draft)
        return store, Identities(on, keys, sealer, store, retention.contact)

    audiences = Audiences(client)
    store, identities = build_store(client)
    _, fallback_identities = build_store(short_timeout_client)
    return Storage(
        client=client,
        short_timeout_client=short_timeout_client,
        keys=keys,
        store=store,
        identities=identities,
        fallback_identities=fallback_identities,
        erasures=Erasures(client, keys, sealer, store),
        contacts=Contacts(client, keys, sealer),
        suppressions=Suppressions(client, keys),
        broadcast_records=BroadcastRecords(client),
        audiences=audiences,
        recipients=Recipients(client, keys, sealer, audiences),
        leases=Leases(client),
        send_slots=SendSlots(client),
        sign_ins=SignIns(client),
    )


def _build_observability(
    settings: Settings, redis: AnyRedis | None, storage: Storage, auth_api: AuthApi, clock: Clock
) -> Observability:
    # Health gives up as soon as the fallback, but tries once more: after a failover that finds the new server.
    client = redis or connect(settings.redis_url, answer_seconds=SHORT_TIMEOUT_SECONDS)
    queue = redis or connect(settings.queue_url, answer_seconds=SHORT_TIMEOUT_SECONDS)
    heartbeats = Heartbeats(storage.client, queue)
    is_production = settings.environment is Environment.PRODUCTION
    heartbeat_checks = HeartbeatChecks(Heartbeats(client, queue), clock.now, expects_webhooks=is_production)
    return Observability(
        heartbeats=heartbeats,
        heartbeat_recorder=HeartbeatRecorder(heartbeats, clock.now),
        heartbeat_checks=heartbeat_checks,
        health=HealthCheck(
            WriteProbe(client).refusing,
            auth_api.is_healthy,
            heartbeat_checks=heartbeat_checks,
            local_parts=partial(observability_parts, metrics_folder()),
        ),
    )


def _build_sending(settings: Settings, storage: Storage, clock: Clock) -> Sending:
    account = (settings.twilio_api_base_url, settings.twilio_account_sid, settings.twilio_auth_tokens[0])
    messages = TwilioMessages(*account, settings.twilio_whatsapp_number, settings.public_base_url)
    templates = ApprovedTemplates(ContentApi(settings, CONTENT_API_SECONDS))

    def send_transactional(address: str, text: str) -> Sent:
        clock.sleep(storage.send_slots.take_for_transactional(seconds_between(settings.messages_per_second)))
        return messages.send_text(address, text)

    def is_marketing(content_sid: str) -> bool:
        return templates.category_of(content_sid) == "marketing"

    return Sending(
        messages=messages,
        message_log=MessageLog(*account, clock.monotonic, clock.sleep),
        send_transactional=send_transactional,
        approved_templates=templates.approved,
        is_marketing=is_marketing,
    )


def _build_conversation(
    settings: Settings, storage: Storage, sending: Sending, texts: Texts, otp_service: OtpService, clock: Clock
) -> Conversation:
    store, identities, erasures = storage.store, storage.identities, storage.erasures
    engine = Engine(_retention(settings), settings.messages_per_minute, settings.verify_url)
    renderer = ReplyRenderer(texts)
    timetable = Timetable(settings.nudge_after, settings.quiet_hours)
    send = sending.send_transactional
    login_links = LoginLinks(
        settings.web_app_url, settings.session_encryption_keys, include_phone=settings.login_link_include_phone
    )
    committer = TurnCommitter(store, identities, erasures, timetable, settings.default_language, clock.now)
    otp_requests = OtpRequests(store, identities, committer, otp_service, login_links, clock)
    return Conversation(
        bot=WhatsAppBot(identities, storage.fallback_identities, engine, committer, otp_requests, renderer, clock),
        reminders=Reminders(store, engine, timetable, committer, renderer, send, clock.now),
        otp_retry=OtpRetry(
            store, engine, timetable, committer, otp_requests, renderer, sending.send_transactional, clock
        ),
        catch_up=CatchUp(
            identities,
            erasures,
            engine,
            committer,
            renderer,
            sending.message_log,
            send,
            own_address=settings.twilio_whatsapp_number,
            languages=texts.languages,
            now=clock.now,
            sleep=clock.sleep,
        ),
        handoff=HandoffService(identities, committer, login_links, clock.now),
        stats=StatsService(store, texts.languages, clock.now),
    )


def _build_broadcasts(
    settings: Settings, storage: Storage, sending: Sending, heartbeats: HeartbeatRecorder, clock: Clock
) -> Broadcasts:
    records, recipients, contacts = storage.broadcast_records, storage.recipients, storage.contacts
    return Broadcasts(
        service=BroadcastService(records, recipients, contacts, clock.now),
        audience=Audience(
            records=records,
            audiences=storage.audiences,
            recipients=recipients,
            contacts=contacts,
            leases=storage.leases,
            slots=storage.send_slots,
            daily_limit=settings.whatsapp_daily_limit,
            default_language=settings.default_language,
            is_marketing=sending.is_marketing,
            now=clock.now,
        ),
        sender=BroadcastSender(
            records=records,
            recipients=recipients,
            leases=storage.leases,
            suppressions=storage.suppressions,
            slots=storage.send_slots,
            messages=sending.messages,
            messages_per_second=settings.messages_per_second,
            daily_limit=settings.whatsapp_daily_limit,
            quiet_hours=settings.quiet_hours,
            now=clock.now,
            note_accepted=lambda: heartbeats.note(Heartbeat.MESSAGE),
        ),
        status_callbacks=StatusCallbacks(
            records=records,
            recipients=recipients,
            contacts=contacts,
            suppressions=storage.suppressions,
            now=clock.now,
        ),
    )


def _build_people(settings: Settings, storage: Storage, sending: Sending, clock: Clock) -> People:
    store, erasures = storage.store, storage.erasures
    return People(
        service=PeopleService(store, storage.identities, erasures, _retention(settings).contact, clock.now),
        consent_review=ConsentReview(store, UnreviewedConsents(storage.client, storage.keys), _audit_consent_review),
        message_deletions=MessageDeletions(erasures, sending.message_log, clock.now, clock.sleep),
        retention=RetentionRound(
            store,
            erasures,
            storage.broadcast_records,
            broadcast_life=timedelta(days=settings.broadcast_retention_days),
            backup_life=timedelta(days=settings.backup_retention_days),
            now=clock.now,
        ),
    )


def _retention(settings: Settings) -> Retention:
    return Retention(
        draft=timedelta(days=settings.draft_retention_days), contact=timedelta(days=settings.contact_retention_days)
    )


def _values_of_texts(settings: Settings) -> dict[str, str]:
    """The settings that texts of the catalogues name."""
    return {
        "support_contact": settings.support_contact,
        "draft_days": str(settings.draft_retention_days),
        "contact_days": str(settings.contact_retention_days),
        "broadcast_days": str(settings.broadcast_retention_days),
        "backup_days": str(settings.backup_retention_days),
    }


def _audit_consent_review(person_id: str) -> None:
    """Write the audit line of a consent that the review takes back; no admin key is at work, so it names the verb."""
    details = {"person": person_id, "purpose": "service", "given": False}
    audit_log().info("audit", action="consent.review", key="deploy.sh", **details)
