"""Many people at once, put into the store as if each of them had written."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from onboarding_bot.conversation.contact import NEWS, SERVICE, Consent, Contact
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.storage.connection import connect
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from tests.settings import ENVIRONMENT


def store_at(redis_url: str) -> RedisSessionStore:
    """The bot's own store, with the keys of the tests."""
    cipher = Cipher([base64.urlsafe_b64decode(ENVIRONMENT["SESSION_ENCRYPTION_KEYS"])])
    keys = Keys(ENVIRONMENT["PERSON_ID_KEY"])
    return RedisSessionStore(connect(redis_url), keys, Sealer(cipher), timedelta(days=180), timedelta(days=7))


def address(number: int) -> str:
    """The WhatsApp address of the n-th of many people."""
    return f"whatsapp:+9170{number:08}"


def settle(
    store: RedisSessionStore,
    people: Sequence[str],
    *,
    wrote_ago: timedelta = timedelta(minutes=5),
    wants_news: bool = False,
    step: OnboardingStep = OnboardingStep.SECTOR,
) -> None:
    """Everybody stands at ``step`` and wrote that long ago."""
    now = datetime.now(UTC)
    wrote_at = now - wrote_ago
    purposes = (SERVICE, NEWS) if wants_news else (SERVICE,)
    consents = {purpose: Consent(wrote_at, "SM0", "test") for purpose in purposes}
    for sender in people:
        known = store.load(store.identify(sender))
        contact = Contact(sender, "en", wrote_at, wrote_at, consents=consents)
        session = replace(UserSession.start(step, wrote_at), data={"name": "Asha Devi"})
        store.commit(known, session, contact, {}, now)
