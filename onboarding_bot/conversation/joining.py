"""Two records that turn out to be one person's: what the joined record says."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.contact import NEWS, Contact, Draft, OptOut
from onboarding_bot.conversation.session import UserSession


def joined_session(session: UserSession | None, other: UserSession | None) -> UserSession | None:
    """The newer session, with the replies to all messages of both."""
    if session is None or other is None:
        return session or other
    newer, older = (session, other) if session.updated_at >= other.updated_at else (other, session)
    replies = {known.message_sid: known for known in (*older.remembered, *newer.remembered)}
    return replace(newer, remembered=()).remember_all(sorted(replies.values(), key=lambda known: known.at))


def joined_contact(contact: Contact | None, other: Contact | None) -> Contact | None:
    """One contact record of both: the stricter consent, the newer facts, every OTP request.

    ``contact`` is the record that stays. Its ``asked_for_messages_at`` stays as well, because a later one of the
    other record must not lift what Twilio said of this one.
    """
    if contact is None or other is None:
        return contact or other
    newer, older = (contact, other) if contact.last_inbound_at >= other.last_inbound_at else (other, contact)
    contact = replace(contact, consents={**older.consents, **newer.consents})
    requests = {request.token: request for request in (*older.otp_requests, *newer.otp_requests)}
    finished = max((contact, other), key=_finished)
    return replace(
        stricter(contact, other),
        address=newer.address or older.address,
        language=newer.language or older.language,
        first_inbound_at=min(contact.first_inbound_at, other.first_inbound_at),
        last_inbound_at=newer.last_inbound_at,
        notice_version=newer.notice_version or older.notice_version,
        completed_at=finished.completed_at,
        registration=finished.registration,
        draft=_newer_draft(contact.draft, other.draft),
        otp_requests=tuple(sorted(requests.values(), key=lambda request: request.at)),
    )


def stricter(contact: Contact, other: Contact | None) -> Contact:
    """The contact with every no that the other record holds: a no in either is a no; of two the earlier one."""
    if other is None:
        return contact
    opt_out, news_ended = _earlier(contact.opt_out, other.opt_out), _earlier(contact.news_ended, other.news_ended)
    strict = replace(contact, opt_out=opt_out, news_ended=news_ended)
    return without_news(strict) if opt_out or news_ended else strict


def without_news(contact: Contact) -> Contact:
    """The contact without its yes to news."""
    return replace(contact, consents={name: given for name, given in contact.consents.items() if name != NEWS})


def _earlier(said: OptOut | None, other: OptOut | None) -> OptOut | None:
    return min((one for one in (said, other) if one), key=lambda one: one.at, default=None)


def _finished(contact: Contact) -> tuple[bool, float]:
    at = contact.completed_at
    return at is not None, at.timestamp() if at else 0.0


def _newer_draft(draft: Draft | None, other: Draft | None) -> Draft | None:
    return max((known for known in (draft, other) if known), key=lambda known: known.saved_at, default=None)
