"""What tests look at behind an app: the private parts of its bot, each named here once."""

from __future__ import annotations

from typing import Any

from flask import Flask

from onboarding_bot.app import BOT
from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.conversation.engine import Engine
from onboarding_bot.storage.address_holders import HolderCache
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.identities import Identities
from onboarding_bot.turn_commit import TurnCommitter


def bot_of(app: Flask) -> WhatsAppBot:
    bot: WhatsAppBot = app.extensions[BOT]
    return bot


def committer_of(app: Flask) -> TurnCommitter:
    return bot_of(app)._committer


def engine_of(app: Flask) -> Engine:
    return bot_of(app)._engine


def store_of(app: Flask) -> Any:
    return committer_of(app)._store


def identities_of(app: Flask) -> Identities:
    return bot_of(app)._identities


def erasures_of(app: Flask) -> Erasures:
    return committer_of(app)._erasures


def put_store(app: Flask, store: Any) -> None:
    """Let another store keep what the app's turns write."""
    committer_of(app)._store = store
    bot_of(app)._otp_requests._store = store


def forget_addresses(app: Flask) -> None:
    """Begin again like a new process, which remembers no person behind an address."""
    identities_of(app)._cache = HolderCache()
