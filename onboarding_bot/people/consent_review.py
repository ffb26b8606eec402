"""Goes through the yeses to service messages that earlier releases wrote down, and takes back what rests on no name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from onboarding_bot.conversation.consent_basis import service_yes_holds
from onboarding_bot.conversation.contact import SERVICE, Contact
from onboarding_bot.progress import Progress, untold
from onboarding_bot.storage.consent_marks import ConsentMarks
from onboarding_bot.storage.session_store import Conflict, SessionStore, StoredPerson


@dataclass(slots=True)
class ReviewReport:
    """How many yeses hold, whose were taken back, and how many records nobody can read with the keys at hand."""

    kept: int = 0
    taken_back: list[str] = field(default_factory=list)
    unreadable: int = 0


class ConsentReview:
    """Looks at each person once; whoever was looked at counts from then on, and a second run finds nobody.

    ``note`` writes the audit line of a person whose yes is taken back, before that is done.
    """

    def __init__(self, store: SessionStore, marks: ConsentMarks, note: Callable[[str], None]) -> None:
        self._store = store
        self._marks = marks
        self._note = note

    def run(self, *, dry_run: bool, progress: Progress = untold) -> ReviewReport:
        """Review everybody; a dry run only counts. Raises StoreUnavailableError: what was done by then stays done."""
        report = ReviewReport()
        for number, person_id in enumerate(self._marks.unreviewed(), start=1):
            self._review(person_id, report, dry_run=dry_run)
            progress("people reviewed", number, None)
        return report

    def _review(self, person_id: str, report: ReviewReport, *, dry_run: bool) -> None:
        known, is_noted = self._store.load(person_id), False
        while True:
            if known.contact is None or not known.contact.address:
                report.unreadable += bool(known.contact_version)
                return
            if SERVICE not in known.contact.consents:
                return
            contact, holds = known.contact, service_yes_holds(known.session, known.contact)
            if not holds and not dry_run and not is_noted:
                self._note(person_id)
                is_noted = True
            stored = known if dry_run else self._settle(known, contact, holds=holds)
            if not isinstance(stored, Conflict):
                break
            # The person wrote meanwhile, and perhaps gave a name.
            known = stored.newer
        if holds:
            report.kept += 1
        elif person_id not in report.taken_back:
            report.taken_back.append(person_id)

    def _settle(self, known: StoredPerson, contact: Contact, *, holds: bool) -> StoredPerson | Conflict:
        if holds:
            return self._store.amend(known, contact, is_reviewed=True)
        left = {purpose: consent for purpose, consent in contact.consents.items() if purpose != SERVICE}
        return self._store.amend(known, replace(contact, consents=left))
