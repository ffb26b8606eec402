"""Reviews the consents to service messages that earlier releases recorded, and withdraws those that rest on no name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from onboarding_bot.conversation.consent import service_consent_holds
from onboarding_bot.conversation.contact import SERVICE, Contact
from onboarding_bot.progress import Progress, ignore_progress
from onboarding_bot.storage.session_store import Conflict, SessionStore, StoredPerson
from onboarding_bot.storage.unreviewed_consents import UnreviewedConsents


@dataclass(slots=True)
class ReviewReport:
    """How many consents hold, whose were withdrawn (person ids), and how many records the keys at hand do not open."""

    kept: int = 0
    taken_back: list[str] = field(default_factory=list)
    unreadable: int = 0


class ConsentReview:
    """Reviews each person once: a consent that holds counts from then on, and a second run finds nothing to review.

    ``audit`` writes the audit line of a person before the consent is withdrawn.
    """

    def __init__(self, store: SessionStore, unreviewed: UnreviewedConsents, audit: Callable[[str], None]) -> None:
        self._store = store
        self._unreviewed = unreviewed
        self._audit = audit

    def run(self, *, dry_run: bool, progress: Progress = ignore_progress) -> ReviewReport:
        """Review everybody; a dry run only counts. Raises StoreUnavailableError: what was done by then stays done."""
        report = ReviewReport()
        for number, person_id in enumerate(self._unreviewed.person_ids(), start=1):
            self._review(person_id, report, dry_run=dry_run)
            progress("people reviewed", number, None)
        return report

    def _review(self, person_id: str, report: ReviewReport, *, dry_run: bool) -> None:
        known, is_audited = self._store.load(person_id), False
        while True:
            if known.contact is None or not known.contact.address:
                report.unreadable += bool(known.contact_version)
                return
            if SERVICE not in known.contact.consents:
                return
            contact, holds = known.contact, service_consent_holds(known.session, known.contact)
            if not holds and not dry_run and not is_audited:
                self._audit(person_id)
                is_audited = True
            stored = known if dry_run else self._record(known, contact, holds=holds)
            if not isinstance(stored, Conflict):
                break
            # The person wrote meanwhile, and perhaps gave a name.
            known = stored.newer
        if holds:
            report.kept += 1
        elif person_id not in report.taken_back:
            report.taken_back.append(person_id)

    def _record(self, known: StoredPerson, contact: Contact, *, holds: bool) -> StoredPerson | Conflict:
        """Mark the consent as reviewed, or withdraw it."""
        if holds:
            return self._store.amend(known, contact, is_reviewed=True)
        left = {purpose: consent for purpose, consent in contact.consents.items() if purpose != SERVICE}
        return self._store.amend(known, replace(contact, consents=left))
