"""Applies Twilio's status callbacks to the recipients of broadcasts: what became of each message that Twilio took."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from onboarding_bot.broadcasts.sender import BROADCASTS_TO_SUPPRESS
from onboarding_bot.observability.logs import logger
from onboarding_bot.outbound.broadcast_states import STATE_BY_CALLBACK, BroadcastStatus, RecipientState
from onboarding_bot.outbound.retry_schedule import retry_after_callback
from onboarding_bot.outbound.twilio_errors import NO_SUCH_NUMBER, SENDER_LIMITED, Verdict, verdict_on
from onboarding_bot.storage.broadcast_records import BroadcastRecords
from onboarding_bot.storage.contacts import Contacts
from onboarding_bot.storage.recipients import Recipients
from onboarding_bot.storage.suppressions import Suppressions


class StatusCallbacks:
    """Applies status callbacks any number of times, in any order."""

    def __init__(
        self,
        *,
        records: BroadcastRecords,
        recipients: Recipients,
        contacts: Contacts,
        suppressions: Suppressions,
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._recipients = recipients
        self._contacts = contacts
        self._suppressions = suppressions
        self._now = now

    def apply(self, broadcast_id: str, person_id: str, message_sid: str, status: str, code: int) -> None:
        """Apply one callback; one about a message that no recipient knows changes nothing.

        Raises StoreUnavailableError when Redis does not answer.
        """
        state = STATE_BY_CALLBACK.get(status)
        if state is None or not message_sid:
            return
        retry = retry_after_callback(code, self._now()) if state is RecipientState.FAILED else None
        moved = self._recipients.apply_callback(broadcast_id, person_id, state, str(code), message_sid, retry)
        if moved is None or moved[0] is moved[1] or state is not RecipientState.FAILED:
            return
        if moved[1] is RecipientState.PENDING:
            # The last callbacks often come when the broadcast is completed.
            self._records.reopen(broadcast_id)
        person_id = self._contacts.present_id(person_id)
        match verdict_on(code, self._address(person_id) if code == NO_SUCH_NUMBER else None):
            case Verdict.SUPPRESS:
                self._suppressions.suppress(person_id, code)
            case Verdict.COUNT_AGAINST:
                self._suppressions.suppress_after(BROADCASTS_TO_SUPPRESS, broadcast_id, person_id, code)
            case Verdict.STOP_BROADCAST if code != SENDER_LIMITED:
                _, stopped = self._records.transition(
                    broadcast_id, BroadcastStatus.STOPPED, (BroadcastStatus.SENDING,), f"Twilio error {code}"
                )
                if stopped:
                    logger().error("broadcast_stopped", broadcast=broadcast_id, code=code)

    def _address(self, person_id: str) -> str:
        """The person's address, empty when nothing is kept of them."""
        contact = self._contacts.of([person_id])[0]
        return contact.address if contact else ""
