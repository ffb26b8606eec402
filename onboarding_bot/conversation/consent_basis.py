"""Whether a yes to service messages rests on something that the person meant: a name, and not just any text."""

from __future__ import annotations

from onboarding_bot.conversation.contact import SERVICE, Contact
from onboarding_bot.conversation.names import Verdict, read_name
from onboarding_bot.conversation.session import UserSession


def name_of(session: UserSession | None, contact: Contact) -> str | None:
    """The name that is stored of a person: of this sign-up, of an unfinished one, or of a finished one."""
    places = (session.data if session else {}, contact.draft.data if contact.draft else {}, contact.registration)
    return next((place["name"] for place in places if "name" in place), None)


def service_yes_holds(session: UserSession | None, contact: Contact) -> bool:
    """Whether there is a yes to service messages, and no stored name that today's rule would not take for one.

    A doubtful name holds when the person said that it is theirs: when asked, or to the summary of a finished sign-up.
    """
    if SERVICE not in contact.consents:
        return False
    name = name_of(session, contact)
    if name is None:
        return True
    match read_name(name).verdict:
        case Verdict.NAME:
            return True
        case Verdict.DOUBTFUL:
            return name in {session.confirmed_name if session else None, contact.registration.get("name")}
        case Verdict.NONE:
            return False
