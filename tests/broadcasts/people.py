"""People to write to: contact records as conversations leave them behind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from onboarding_bot.conversation.contact import NEWS, SERVICE, Consent, Contact, Draft, OptOut
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.session_store import StoredPerson
from tests.fakes import NOON


def sender_of(number: int) -> str:
    return f"whatsapp:+91{9_000_000_000 + number}"


def add(
    store: RedisSessionStore,
    sender: str = "whatsapp:+919876543210",
    *,
    wrote_at: datetime = NOON,
    step: OnboardingStep = OnboardingStep.SECTOR,
    wants_news: bool = False,
    has_stopped: bool = False,
    language: str | None = None,
    completed: bool = False,
    answers: Mapping[str, str] | None = None,
) -> str:
    """Write down somebody's last message, as the commit of a turn does; the person's id."""
    known = store.load(store.identify(sender))
    session = UserSession.start(step, wrote_at, {})
    contact = Contact(
        sender,
        language,
        first_inbound_at=wrote_at,
        last_inbound_at=wrote_at,
        consents={
            purpose: Consent(wrote_at, "SM1", "2026-11") for purpose in ((SERVICE, NEWS) if wants_news else (SERVICE,))
        },
        opt_out=OptOut(wrote_at, "SM2") if has_stopped else None,
        completed_at=wrote_at if completed else None,
        registration=(answers or {}) if completed else {},
        draft=Draft(answers, wrote_at) if answers and not completed else None,
    )
    assert isinstance(store.commit(known, session, contact, {}, wrote_at), StoredPerson)
    return known.person_id


def add_many(store: RedisSessionStore, count: int, first: int = 0, **what: Any) -> list[str]:
    """Several people with different numbers; their ids."""
    return [add(store, sender_of(number), **what) for number in range(first, first + count)]
