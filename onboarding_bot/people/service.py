"""What admins do for one person: look up what is kept, erase it, and record a consent or refusal given elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from onboarding_bot.conversation.contact import NEWS, Consent, Contact, OptOut
from onboarding_bot.conversation.session import SESSION_LIFETIME, UserSession
from onboarding_bot.errors import BotError
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.identities import Identities
from onboarding_bot.storage.session_store import Conflict, SessionStore, StoredPerson

# The source of a consent or opt-out that an admin recorded; the name of the key follows.
BY_ADMIN = "admin"
GIVEN_ELSEWHERE = "given elsewhere"


class UnknownPersonError(BotError):
    """There is no record of a person with this address."""

    code = "people.unknown"


class StoppedError(BotError):
    """The person opted out, or was erased: only a message of the person can lift that."""

    code = "people.stopped"


@dataclass(frozen=True, slots=True)
class PersonView:
    """All that is kept of one person; a ``contact`` without an address is an opt-out that outlived the record."""

    person_id: str
    session: UserSession | None
    contact: Contact | None
    session_until: datetime | None
    contact_until: datetime | None

    @property
    def is_known(self) -> bool:
        """Whether there is more than an opt-out."""
        return self.session is not None or bool(self.contact and self.contact.address)


class PeopleService:
    """The admin's side of people's data. Every method raises StoreUnavailableError when Redis does not answer."""

    def __init__(
        self,
        store: SessionStore,
        identities: Identities,
        erasures: Erasures,
        contact_life: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._identities = identities
        self._erasures = erasures
        self._contact_life = contact_life
        self._now = now

    def person_id(self, address: str) -> str:
        """The id of the present holder of this address, for audit lines."""
        return self._identities.peek([address]).person_id

    def look_up(self, address: str) -> PersonView:
        """What is kept of the person, and until when."""
        return self._view(self._identities.peek([address]))

    def erase(self, address: str) -> bool:
        """Erase all records of the person, at Twilio too; whether there was more than an opt-out."""
        # Records that are still to be joined go first: with the person goes the alias that leads to them.
        holder, *unjoined = self._identities.records_of(address)
        found = [self._erasures.erase(person.person_id, self._now()) for person in unjoined]
        return self._erasures.erase(holder.person_id, self._now(), address) or any(found)

    def record_consent(self, address: str, purpose: str, *, given: bool, key_name: str, note: str) -> PersonView:
        """Record a consent, or a refusal; a refusal that leaves no consent is an opt-out.

        Raises UnknownPersonError for a consent of a person who never wrote, StoppedError for one after an opt-out, or
        for one to news after a refusal of news.
        """
        source = f"{BY_ADMIN} {key_name}"
        known = self._identities.peek([address])
        while True:
            contact = (
                _with_consent(known.contact, purpose, Consent(self._now(), source, note or GIVEN_ELSEWHERE))
                if given
                else _with_refusal(known.contact, purpose, OptOut(self._now(), source))
            )
            if contact.opt_out:
                self._identities.copy_opt_out(known, contact.opt_out)
            stored = self._store.amend(known, contact)
            if not isinstance(stored, Conflict):
                if not contact.opt_out:
                    self._identities.delete_opt_out_copies(stored)
                return self._view(stored)
            known = self._identities.peek([address])

    def _view(self, person: StoredPerson) -> PersonView:
        session, contact = person.session, person.contact
        is_kept = contact is not None and bool(contact.address)
        return PersonView(
            person.person_id,
            session,
            contact,
            session.updated_at + SESSION_LIFETIME if session else None,
            contact.last_inbound_at + self._contact_life if contact and is_kept else None,
        )


def _with_consent(contact: Contact | None, purpose: str, consent: Consent) -> Contact:
    if contact and contact.opt_out and not contact.opt_out.source.startswith(BY_ADMIN):
        raise StoppedError("only START takes a STOP back")
    if contact is None or not contact.address:
        raise UnknownPersonError("a person who has never written is not written to")
    news_ended = contact.news_ended
    if purpose == NEWS and news_ended:
        if not news_ended.source.startswith(BY_ADMIN):
            raise StoppedError("only UPDATES takes back a no to news")
        news_ended = None
    return replace(contact, opt_out=None, news_ended=news_ended, consents={**contact.consents, purpose: consent})


def _with_refusal(contact: Contact | None, purpose: str, opt_out: OptOut) -> Contact:
    """The contact after the refusal; without a contact record the opt-out is all that is recorded."""
    contact = contact or Contact("", None, opt_out.at, opt_out.at)
    left = {name: consent for name, consent in contact.consents.items() if name != purpose}
    news_ended = contact.news_ended or (opt_out if purpose == NEWS else None)
    return replace(
        contact, consents=left, news_ended=news_ended, opt_out=contact.opt_out or (None if left else opt_out)
    )
