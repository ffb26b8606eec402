"""What Twilio tells of a broadcast's messages after it took them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from onboarding_bot.broadcast.pump import LATER, STRIKES
from onboarding_bot.outbound.error_codes import DAILY_LIMIT_CODE, Verdict, verdict_on
from onboarding_bot.outbound.states import STATE_BY_CALLBACK, RowState
from onboarding_bot.store.ledger import Ledger

# Meta's limit counts over a moving day: places become free one by one.
AFTER_DAILY_LIMIT = timedelta(hours=1)


class Callbacks:
    """Applies status callbacks to rows; any number of times, in any order."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now

    def apply(self, broadcast_id: str, person_id: str, message_sid: str, status: str, code: int) -> None:
        """Take in one callback; one about a message that no row knows changes nothing."""
        state = STATE_BY_CALLBACK.get(status)
        if state is None:
            return
        again_at = self._again_at(code) if state is RowState.FAILED else None
        moved = self._ledger.apply_callback(
            broadcast_id, person_id, state, str(code) if code else "", message_sid, again_at
        )
        if moved is None or moved[0] is moved[1] or state is not RowState.FAILED:
            return
        match verdict_on(code):
            case Verdict.SUPPRESS:
                self._ledger.suppress(person_id, code)
            case Verdict.COUNT_AGAINST:
                self._ledger.count_against(broadcast_id, person_id, code, STRIKES)

    def _again_at(self, code: int) -> datetime | None:
        if code == DAILY_LIMIT_CODE:
            return self._now() + AFTER_DAILY_LIMIT
        return self._now() + LATER[0] if verdict_on(code) is Verdict.LATER else None
