"""The templates that WhatsApp has approved, as the bot asks for them, and the command that brings them to Twilio."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onboarding_bot.config import load_settings, read_environment
from onboarding_bot.errors import SettingsError
from onboarding_bot.observability.logs import logger
from onboarding_bot.services.twilio_content_api import APPROVED, Content, ContentApi, ContentApiError
from onboarding_bot.services.whatsapp_template_files import TemplateCategory, WhatsAppTemplate, read_whatsapp_templates
from onboarding_bot.services.whatsapp_template_sync import TemplateSync, table

CACHE_SECONDS = 600.0
# An admin may send a template minutes after its approval.
CACHE_SECONDS_FOR_UNKNOWN = 30.0
REST_AFTER_FAILURE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ApprovedTemplate:
    """A template that may be sent: its ContentSid, its category as Meta sees it now, and WhatsApp's state."""

    sid: str
    category: TemplateCategory
    state: str


class ApprovedTemplates:
    """The look-up. One for each process: what Twilio said last is kept for ten minutes, and longer while it is away.

    Its methods raise ContentApiError only when Twilio has never answered yet.
    """

    def __init__(
        self, api: ContentApi, templates: Sequence[WhatsAppTemplate], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._templates = {(template.name, template.language): template for template in templates}
        self._clock = clock
        self._asking = threading.Lock()
        self._known: Sequence[Content] | None = None
        self._known_since = 0.0
        self._rest_until = clock()

    def find(self, name: str, language: str) -> ApprovedTemplate | None:
        """The newest approved version that takes the same variables, or None.

        An older one stands in until WhatsApp has approved the present one.
        """
        template = self._templates.get((name, language))
        if template is None:
            return None
        versions = [
            content
            for content in self._contents(CACHE_SECONDS)
            if content.language == language
            and template.is_version(content.friendly_name)
            and content.variables == template.variables.keys()
            and _approved(content)
        ]
        # The present version comes first, then the newest.
        versions.sort(key=lambda content: (content.friendly_name == template.friendly_name, content.created_at))
        return _approved(versions[-1]) if versions else None

    def category_of(self, content_sid: str) -> TemplateCategory | None:
        """Meta's category of any approved template of the account; None when it is unknown or not approved."""
        for max_age in (CACHE_SECONDS, CACHE_SECONDS_FOR_UNKNOWN):
            for content in self._contents(max_age):
                if content.sid == content_sid and (approved := _approved(content)):
                    return approved.category
        return None

    def approved(self) -> list[Content]:
        """All templates of the account that may be sent, by name and language."""
        contents = (content for content in self._contents(CACHE_SECONDS_FOR_UNKNOWN) if _approved(content))
        return sorted(contents, key=lambda content: (content.friendly_name, content.language))

    def _contents(self, max_age_seconds: float) -> Sequence[Content]:
        # One caller asks; the others need not wait while there is an earlier answer.
        if not self._may_stay(max_age_seconds) and self._asking.acquire(blocking=self._known is None):
            try:
                if not self._may_stay(max_age_seconds):
                    self._ask()
            finally:
                self._asking.release()
        if self._known is None:
            raise ContentApiError("Twilio has not told yet which templates are approved")
        return self._known

    def _may_stay(self, max_age_seconds: float) -> bool:
        now = self._clock()
        is_young = self._known is not None and now - self._known_since < max_age_seconds
        return is_young or now < self._rest_until

    def _ask(self) -> None:
        try:
            self._known = self._api.list_contents()
            self._known_since = self._clock()
        except ContentApiError as error:
            self._rest_until = self._clock() + REST_AFTER_FAILURE_SECONDS
            logger().warning("templates_unknown", reason=str(error), has_earlier_answer=self._known is not None)


def _approved(content: Content) -> ApprovedTemplate | None:
    """The template when it may be sent; those of Meta's further categories are of no use to the bot."""
    category = TemplateCategory.of_meta(content.approval.category)
    if content.approval.state != APPROVED or category is None:
        return None
    return ApprovedTemplate(content.sid, category, content.approval.state)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files, bring them to Twilio and WhatsApp, and show where each stands (``deploy.sh templates``)."""
    parser = argparse.ArgumentParser(prog="templates", description=main.__doc__)
    verbs = parser.add_subparsers(required=True, metavar="sync")
    verbs.add_parser("sync", help="create and submit what is missing").add_argument(
        "--dry-run", action="store_true", help="show what would be done, and change nothing"
    )
    dry_run = parser.parse_args(arguments).dry_run
    templates, faults = read_whatsapp_templates()
    try:
        settings = load_settings(read_environment())
    except SettingsError as error:
        faults += error.lines
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    sync = TemplateSync(ContentApi(settings), templates, dry_run=dry_run)
    try:
        rows = sync.run()
    except ContentApiError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(rows))
    print(sync.summary())
    return 1 if any(row.is_trouble for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
