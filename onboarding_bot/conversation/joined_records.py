"""Joins the records of one person who was met under two addresses: what the joined session and contact say."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.consent import without_news_consent
from onboarding_bot.conversation.contact import Contact, Draft, OptOut
from onboarding_bot.conversation.session import UserSession


def joined_session(session: UserSession | None, other: UserSession | None) -> UserSession | None:
    """The newer session, with the remembered replies of both."""
    if session is None or other is None:
        return session or other
    newer, older = (session, other) if session.updated_at >= other.updated_at else (other, session)
    replies = {known.message_sid: known for known in (*older.remembered, *newer.remembered)}
    return replace(newer, remembered=()).remember_all(sorted(replies.values(), key=lambda known: known.at))


def joined_contact(contact: Contact | None, other: Contact | None) -> Contact | None:
    """One contact record of both: the stricter consent, the newer facts, every OTP request.

    ``contact`` is the record that stays. Its ``asked_for_messages_at`` stays as well, because a later one of the
    other record must not lift a suppression of this one.
    """
    if contact is None or other is None:
        return contact or other
    newer, older = (contact, other) if contact.last_inbound_at >= other.last_inbound_at else (other, contact)
    contact = replace(contact, consents={**older.consents, **newer.consents})
    requests = {request.token: request for request in (*older.otp_requests, *newer.otp_requests)}
    registered = max((contact, other), key=_completion)
    return replace(
        with_stricter_consent(contact, other),
        address=newer.address or older.address,
        language=newer.language or older.language,
        first_inbound_at=min(contact.first_inbound_at, other.first_inbound_at),
        last_inbound_at=newer.last_inbound_at,
        notice_version=newer.notice_version or older.notice_version,
        completed_at=registered.completed_at,
        registration=registered.registration,
        draft=_newer_draft(contact.draft, other.draft),
        otp_requests=tuple(sorted(requests.values(), key=lambda request: request.at)),
    )


def with_stricter_consent(contact: Contact, other: Contact | None) -> Contact:
    """The contact with every opt-out that the other record holds; of two opt-outs the earlier one stays."""
    if other is None:
        return contact
    opt_out, news_ended = _earlier(contact.opt_out, other.opt_out), _earlier(contact.news_ended, other.news_ended)
    strict = replace(contact, opt_out=opt_out, news_ended=news_ended)
    return without_news_consent(strict) if opt_out or news_ended else strict


def _earlier(opt_out: OptOut | None, other: OptOut | None) -> OptOut | None:
    return min((one for one in (opt_out, other) if one), key=lambda one: one.at, default=None)


def _completion(contact: Contact) -> tuple[bool, float]:
    """Sorts a record with a finished sign-up behind one without, and a later sign-up behind an earlier one."""
    at = contact.completed_at
    return at is not None, at.timestamp() if at else 0.0


def _newer_draft(draft: Draft | None, other: Draft | None) -> Draft | None:
    return max((known for known in (draft, other) if known), key=lambda known: known.saved_at, default=None)
