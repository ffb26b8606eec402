"""The account's WhatsApp templates that may be sent, with Meta's category of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from onboarding_bot.observability.logs import logger
from onboarding_bot.services.twilio_content_api import APPROVED, Content, ContentApi, ContentApiError
from onboarding_bot.services.whatsapp_template_files import TemplateCategory

CACHE_SECONDS = 600.0
# An admin may send a template minutes after its approval.
CACHE_SECONDS_FOR_UNKNOWN = 30.0
PAUSE_AFTER_FAILURE_SECONDS = 30.0


class ApprovedTemplates:
    """The look-up. One for each process: Twilio's last answer is kept for ten minutes, and longer while it gives none.

    Its methods raise ContentApiError only while Twilio has never answered.
    """

    def __init__(self, api: ContentApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._asking = threading.Lock()
        self._contents: Sequence[Content] | None = None
        self._answered_at = 0.0
        self._no_call_until = clock()

    def category_of(self, content_sid: str) -> TemplateCategory | None:
        """Meta's category of any approved template of the account; None when it is unknown or not approved."""
        for max_age in (CACHE_SECONDS, CACHE_SECONDS_FOR_UNKNOWN):
            for content in self._answer(max_age):
                if content.sid == content_sid and (category := _category_if_approved(content)):
                    return category
        return None

    def approved(self) -> list[Content]:
        """All templates of the account that may be sent, by name and language."""
        contents = (content for content in self._answer(CACHE_SECONDS_FOR_UNKNOWN) if _category_if_approved(content))
        return sorted(contents, key=lambda content: (content.friendly_name, content.language))

    def _answer(self, max_age_seconds: float) -> Sequence[Content]:
        # One caller asks; the others do not wait while there is an earlier answer.
        if not self._is_fresh(max_age_seconds) and self._asking.acquire(blocking=self._contents is None):
            try:
                if not self._is_fresh(max_age_seconds):
                    self._ask()
            finally:
                self._asking.release()
        if self._contents is None:
            raise ContentApiError("Twilio has not told yet which templates are approved")
        return self._contents

    def _is_fresh(self, max_age_seconds: float) -> bool:
        now = self._clock()
        is_young = self._contents is not None and now - self._answered_at < max_age_seconds
        return is_young or now < self._no_call_until

    def _ask(self) -> None:
        try:
            self._contents = self._api.list_contents()
            self._answered_at = self._clock()
        except ContentApiError as error:
            self._no_call_until = self._clock() + PAUSE_AFTER_FAILURE_SECONDS
            logger().warning("templates_unknown", reason=str(error), has_earlier_answer=self._contents is not None)


def _category_if_approved(content: Content) -> TemplateCategory | None:
    """None also for Meta's further categories, which the bot does not send."""
    return TemplateCategory.of_meta(content.approval.category) if content.approval.state == APPROVED else None
