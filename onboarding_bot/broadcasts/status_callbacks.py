"""What Twilio tells of a broadcast's messages after it took them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from onboarding_bot.broadcasts.retry_schedule import retry_after_callback
from onboarding_bot.broadcasts.sender import STRIKES
from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.broadcast_states import STATE_BY_CALLBACK, BroadcastStatus, RowState
from onboarding_bot.outbound.twilio_errors import NO_SUCH_NUMBER, SENDER_LIMITED, Verdict, verdict_on
from onboarding_bot.storage.ledger import Ledger


class StatusCallbacks:
    """Applies status callbacks to rows; any number of times, in any order."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now

    def apply(self, broadcast_id: str, person_id: str, message_sid: str, status: str, code: int) -> None:
        """Take in one callback; one about a message that no row knows changes nothing."""
        state = STATE_BY_CALLBACK.get(status)
        if state is None or not message_sid:
            return
        again = retry_after_callback(code, self._now()) if state is RowState.FAILED else None
        moved = self._ledger.apply_callback(broadcast_id, person_id, state, str(code), message_sid, again)
        if moved is None or moved[0] is moved[1] or state is not RowState.FAILED:
            return
        if moved[1] is RowState.PENDING:
            # Often the last callbacks come when everything was attempted.
            self._ledger.reopen(broadcast_id)
        person_id = self._ledger.present_id(person_id)
        match verdict_on(code, self._address(person_id) if code == NO_SUCH_NUMBER else None):
            case Verdict.SUPPRESS:
                self._ledger.suppress(person_id, code)
            case Verdict.COUNT_AGAINST:
                self._ledger.count_against(broadcast_id, person_id, code, STRIKES)
            case Verdict.STOP_BROADCAST if code != SENDER_LIMITED:
                _, stopped = self._ledger.move(
                    broadcast_id, BroadcastStatus.STOPPED, (BroadcastStatus.SENDING,), f"Twilio error {code}"
                )
                if stopped:
                    logger().error("broadcast_stopped", broadcast=broadcast_id, code=code)

    def _address(self, person_id: str) -> str:
        """The person's address, empty when nothing is kept of them."""
        contact = self._ledger.contacts([person_id])[0]
        return contact.address if contact else ""
