"""Finishes erasures: in other shards of Redis, and by deleting the person's messages at Twilio, a batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from onboarding_bot.observability.logs import audit
from onboarding_bot.services.twilio_message_log import LoggedMessage, MessageLog
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.erasure_work import MESSAGES_DELETED_AFTER, MESSAGES_GIVEN_UP_AFTER, Deletion

# Other jobs must not wait for long: the rest follows when the deletion is due again, a minute later.
BATCH = 100
# Twilio allows about a hundred concurrent calls for the whole account; this takes one of them.
PAUSE = timedelta(milliseconds=100)


class MessageDeletions:
    """Deletes messages at Twilio. A deletion ends when Twilio lists no more messages, so it may break off anywhere."""

    def __init__(
        self, erasures: Erasures, log: MessageLog, now: Callable[[], datetime], sleep: Callable[[float], None]
    ) -> None:
        self._erasures = erasures
        self._log = log
        self._now = now
        self._sleep = sleep

    def run(self, deletion_id: str) -> None:
        """Delete the next batch; what Twilio has not deleted for a week is given up with an audit line at error level.

        Raises StoreUnavailableError and MessageLogError; then it goes on when the deletion is due again.
        """
        deletion = self._erasures.deletions.find(deletion_id)
        if deletion is None:
            self._end(deletion_id, "unreadable")
            return
        self._erasures.erase_other_shards(deletion)
        if self._now() >= deletion.erased_at + MESSAGES_GIVEN_UP_AFTER:
            self._end(deletion_id, "given_up")
        else:
            self._delete_batch(deletion_id, deletion)

    def _delete_batch(self, deletion_id: str, deletion: Deletion) -> None:
        messages = list(islice(self._messages(deletion), BATCH))
        for message in messages:
            self._log.delete(message)
            self._sleep(PAUSE.total_seconds())
        if not messages:
            self._end(deletion_id, "done")

    def _messages(self, deletion: Deletion) -> Iterator[LoggedMessage]:
        """Those from and to the address, up to the reply to the erasure; what the person writes afterwards stays."""
        until = deletion.erased_at + MESSAGES_DELETED_AFTER
        for messages in (
            self._log.messages(sender=deletion.address),
            self._log.messages(recipient=deletion.address),
        ):
            yield from (message for message in messages if message.at <= until)

    def _end(self, deletion_id: str, outcome: str) -> None:
        """End the deletion once its audit line is written; until then it is due again, and finds nothing to delete."""
        level = logging.INFO if outcome == "done" else logging.ERROR
        about = {"key": "worker", "deletion": deletion_id, "outcome": outcome}
        if audit("audit", level=level, may_wait=True, action="delete messages at Twilio", **about):
            self._erasures.deletions.end(deletion_id)
