"""Creates the templates of the files at Twilio, submits them to WhatsApp, and reports the state of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from onboarding_bot.services.twilio_content_api import (
    APPROVED,
    UNSUBMITTED,
    Approval,
    Content,
    ContentApi,
    ContentApiError,
)
from onboarding_bot.services.whatsapp_template_files import TemplateCategory, WhatsAppTemplate

HEADINGS = ("TEMPLATE", "LANGUAGE", "CONTENT SID", "STATE", "META'S CATEGORY", "WHAT TO DO")
NOTHING = "-"
_TROUBLE = frozenset({"rejected", "paused", "disabled"})


@dataclass(frozen=True, slots=True)
class TemplateReport:
    """The state of one template, and what the operator does about it; ``is_trouble`` makes the command fail."""

    template: str
    language: str
    sid: str
    state: str
    category: str
    advice: str
    is_trouble: bool = False

    def cells(self) -> tuple[str, ...]:
        """The cells of its line in the table, in the order of HEADINGS."""
        texts = (self.template, self.language, self.sid, self.state, self.category, self.advice)
        return tuple(text or NOTHING for text in texts)


class TemplateSync:
    """One run. Content at Twilio cannot be edited: a changed template becomes a new one beside its older version."""

    def __init__(self, api: ContentApi, templates: Sequence[WhatsAppTemplate], *, dry_run: bool) -> None:
        self._api = api
        self._templates = templates
        self._dry_run = dry_run
        self._created = 0
        self._submitted = 0

    def run(self) -> list[TemplateReport]:
        """Create and submit what is missing. Raises ContentApiError when Twilio does not list the templates."""
        contents = self._api.list_contents()
        return [self._sync(template, contents) for template in self._templates]

    def summary(self) -> str:
        """What was done, in one sentence."""
        if self._dry_run:
            return "Dry run: nothing was changed."
        if self._created or self._submitted:
            return f"{self._created} created, {self._submitted} submitted to WhatsApp."
        return "Everything is at Twilio already; nothing was changed."

    def _sync(self, template: WhatsAppTemplate, contents: Sequence[Content]) -> TemplateReport:
        content = _present_version(template, contents)
        older = _older_version(template, contents)
        if not self._dry_run:
            try:
                if content is None:
                    content = self._create(template)
                if content.approval.state == UNSUBMITTED:
                    content = self._submit(template, content)
            except ContentApiError as error:
                return _report(template, content, str(error), is_trouble=True)
        return _report(template, content, _advice(template, content, older))

    def _create(self, template: WhatsAppTemplate) -> Content:
        content = self._api.create({"friendly_name": template.friendly_name, **template.definition()})
        self._created += 1
        return content

    def _submit(self, template: WhatsAppTemplate, content: Content) -> Content:
        category = TemplateCategory(template.category).meta_name
        approval = self._api.submit(content.sid, template.friendly_name, category)
        self._submitted += 1
        return replace(content, approval=approval)


def table(reports: Sequence[TemplateReport]) -> str:
    """The reports as lines in columns, under their headings."""
    lines = [HEADINGS, *(report.cells() for report in reports)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _report(
    template: WhatsAppTemplate, content: Content | None, advice: str, *, is_trouble: bool = False
) -> TemplateReport:
    approval = content.approval if content else Approval(state="missing")
    return TemplateReport(
        template=template.name,
        language=template.language,
        sid=content.sid if content else "",
        state=approval.state,
        category=approval.category,
        advice=advice,
        is_trouble=is_trouble or approval.state in _TROUBLE,
    )


def _present_version(template: WhatsAppTemplate, contents: Sequence[Content]) -> Content | None:
    """The content that equals the file. Of several copies the one nearest to its approval, then the oldest."""
    copies = [
        content
        for content in contents
        if content.friendly_name == template.friendly_name and content.language == template.language
    ]
    copies.sort(key=lambda content: content.created_at)
    return max(copies, key=_progress, default=None)


def _progress(content: Content) -> int:
    state = content.approval.state
    return 2 if state == APPROVED else 1 if state != UNSUBMITTED else 0


def _older_version(template: WhatsAppTemplate, contents: Sequence[Content]) -> Content | None:
    """The newest approved content of an earlier version of the file."""
    versions = [
        content
        for content in contents
        if template.is_version(content.friendly_name)
        and content.friendly_name != template.friendly_name
        and content.language == template.language
        and content.approval.state == APPROVED
    ]
    return max(versions, key=lambda content: content.created_at, default=None)


def _advice(template: WhatsAppTemplate, content: Content | None, older: Content | None) -> str:
    category = TemplateCategory(template.category).meta_name
    if content is None:
        return f"would be created, and submitted as {category}"
    approval = content.approval
    match approval.state:
        case "unsubmitted":
            return f"would be submitted as {category}"
        case "approved" if approval.category != category:
            return f"ready, but Meta made it {approval.category}: {_consequence(approval.category)}"
        case "approved" if older:
            return f"ready; its older version {older.sid} may be deleted once nothing sends it any more"
        case "approved":
            return "ready"
        case "received" | "pending":
            until_then = f"; until then {older.sid} is sent if it has the same variables" if older else ""
            return f"wait: WhatsApp decides within 48 hours, so run this again{until_then}"
        case "rejected":
            return f"rejected ({approval.reason or 'without a reason'}): change {template.file}, and run this again"
        case "paused":
            return f"people blocked or reported it: wait some hours, or change {template.file}, and run this again"
        case "disabled":
            return f"WhatsApp switched it off for good: change {template.file}, and run this again"
        case _:
            return "look at this template in the Twilio Console"


def _consequence(category: str) -> str:
    if category == TemplateCategory.MARKETING.meta_name:
        return "it goes only to people who said yes to news"
    return "look at it in WhatsApp Manager"
