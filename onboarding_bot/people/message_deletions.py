"""Ends erasures: what other addresses have left of the people here, and their messages at Twilio, a few at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from onboarding_bot.observability.logs import audit
from onboarding_bot.services.message_log import LoggedMessage, MessageLog
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.erasure_work import MESSAGES_DELETED_AFTER, MESSAGES_GIVEN_UP_AFTER, Deletion

# Other work must not wait for long: the rest is done when it is due again, a minute later.
AT_ONCE = 100
# Twilio allows about a hundred calls at the same time for everything together; this takes one.
PAUSE = timedelta(milliseconds=100)


class MessageDeletions:
    """Done when a look at Twilio finds nothing any more, so a crash in between costs nothing."""

    def __init__(
        self, erasures: Erasures, log: MessageLog, now: Callable[[], datetime], sleep: Callable[[float], None]
    ) -> None:
        self._erasures = erasures
        self._log = log
        self._now = now
        self._sleep = sleep

    def go_on(self, deletion_id: str) -> None:
        """Delete what is left, or some of it; what Twilio would not delete for a week is given up, loudly.

        Raises StoreUnavailableError and MessageLogError; then it goes on when it is due again.
        """
        deletion = self._erasures.deletions.find(deletion_id)
        if deletion is None:
            self._end(deletion_id, "unreadable")
            return
        self._erasures.erase_other_shards(deletion)
        if self._now() >= deletion.erased_at + MESSAGES_GIVEN_UP_AFTER:
            self._end(deletion_id, "given_up")
        else:
            self._delete_some(deletion_id, deletion)

    def _delete_some(self, deletion_id: str, deletion: Deletion) -> None:
        found = 0
        for message in list(islice(self._left(deletion), AT_ONCE)):
            found += 1
            self._log.delete(message)
            self._sleep(PAUSE.total_seconds())
        if not found:
            self._end(deletion_id, "done")

    def _left(self, deletion: Deletion) -> Iterator[LoggedMessage]:
        """Both ways, up to the goodbye; whoever writes again afterwards begins anew, at Twilio too."""
        until = deletion.erased_at + MESSAGES_DELETED_AFTER
        for messages in (
            self._log.messages(sender=deletion.address),
            self._log.messages(recipient=deletion.address),
        ):
            yield from (message for message in messages if message.at <= until)

    def _end(self, deletion_id: str, outcome: str) -> None:
        """Let go of it once its line is written; until then it is due again, and finds nothing left to delete."""
        level = logging.INFO if outcome == "done" else logging.ERROR
        about = {"key": "worker", "deletion": deletion_id, "outcome": outcome}
        if audit("audit", level=level, may_wait=True, action="delete messages at Twilio", **about):
            self._erasures.deletions.end(deletion_id)
