"""Reminders: one after a while, one before the 24-hour window closes, none to a person who wrote meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from onboarding_bot.conversation.engine import Engine
from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.due_work import DueWork, Timetable
from onboarding_bot.rendering import ReplyRenderer
from onboarding_bot.services.twilio_messages import Sent
from onboarding_bot.storage.session_store import Conflict, SessionStore
from onboarding_bot.turn_commit import TurnCommitter


class Reminders:
    """Sends what is due; ``send`` takes an address and a text.

    The commit comes first, and decides: a message or a STOP meanwhile has changed the version, and nothing goes out.
    """

    def __init__(
        self,
        store: SessionStore,
        engine: Engine,
        timetable: Timetable,
        committer: TurnCommitter,
        renderer: ReplyRenderer,
        send: Callable[[str, str], Sent],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._engine = engine
        self._timetable = timetable
        self._committer = committer
        self._renderer = renderer
        self._send = send
        self._now = now

    def remind(self, person_id: str) -> None:
        """Send the reminder that is due, if it still is. Raises StoreUnavailableError."""
        known, now = self._store.load(person_id), self._now()
        session, contact = known.session, known.contact
        reminder = self._timetable.next_reminder(session, contact, now) if session and contact else None
        if session is None or contact is None or reminder is None:
            self._store.forget_due(DueWork.REMINDER, known)
            return
        if reminder.at > now:
            return
        turn = self._engine.remind(session, contact, reminder.number, now)
        if isinstance(self._committer.commit(known, turn), Conflict):
            return
        sent = self._send(contact.address, self._renderer.render(turn.reply, contact.language))
        logger().info(
            "nudge", step=session.current_step, number=turn.session.reminders_sent, outcome=sent.result, code=sent.code
        )
