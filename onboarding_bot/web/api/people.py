"""The endpoints where admins look a person up, erase one, and record a consent; no address stands in a URL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import overload

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import AdminKeys
from onboarding_bot.conversation.contact import Contact, OptOut
from onboarding_bot.people.address_parser import InvalidAddressError, parse_address
from onboarding_bot.people.service import PeopleService, PersonView, StoppedError, UnknownPersonError
from onboarding_bot.web.api.audit import audit_detail, require_audit_line
from onboarding_bot.web.api.authentication import current_admin
from onboarding_bot.web.api.endpoints import Endpoints
from onboarding_bot.web.api.operations import people as operations
from onboarding_bot.web.api.operations.people import (
    ConsentRequest,
    ConsentState,
    Erasure,
    PersonDetails,
    PersonRequest,
    RecordedNo,
    Registration,
)
from onboarding_bot.web.api.operations.problem_kinds import INVALID_FIELD, OPTED_OUT, UNKNOWN_PERSON
from onboarding_bot.web.api.problems import problem


def people_routes(service: PeopleService, admin_keys: AdminKeys, now: Callable[[], datetime]) -> Blueprint:
    """``POST /people/lookup``, ``/people/erase`` and ``/people/consent``, for keys with the role data."""
    routes = Blueprint("people", __name__)
    endpoints = Endpoints(routes, admin_keys=admin_keys)

    def address_of(body: PersonRequest | ConsentRequest) -> str:
        """The address in Twilio's form; the audit line names its person by the id alone."""
        address = parse_address(body.address)
        audit_detail(person=service.person_id(address))
        return address

    @endpoints.add(operations.LOOK_UP)
    def look_up(body: PersonRequest) -> ResponseReturnValue:
        address = address_of(body)
        require_audit_line()
        return jsonify(_details(service.look_up(address), now()))

    @endpoints.add(operations.ERASE)
    def erase(body: PersonRequest) -> ResponseReturnValue:
        address = address_of(body)
        # Afterwards the address may lead to nobody.
        person = service.person_id(address)
        require_audit_line()
        was_known = service.erase(address)
        audit_detail(was_known=was_known)
        shown: Erasure = {"person": person, "erased": was_known, "was_known": was_known, "timestamp": _time(now())}
        return jsonify(shown)

    @endpoints.add(operations.RECORD_CONSENT, parse=operations.parse_consent)
    def record_consent(body: ConsentRequest) -> ResponseReturnValue:
        address, purpose = address_of(body), body.purpose.value
        audit_detail(purpose=purpose, given=body.given)
        require_audit_line()
        view = service.record_consent(
            address, purpose, given=body.given, key_name=current_admin().name, note=body.note or ""
        )
        return jsonify(_consents(view, now()))

    @routes.errorhandler(InvalidAddressError)
    def invalid_address(error: InvalidAddressError) -> Response:
        return problem(INVALID_FIELD, f"address {error.reason}.", field="address")

    @routes.errorhandler(UnknownPersonError)
    def unknown(_error: UnknownPersonError) -> Response:
        return problem(UNKNOWN_PERSON)

    @routes.errorhandler(StoppedError)
    def stopped(_error: StoppedError) -> Response:
        return problem(OPTED_OUT)

    return routes


def _details(view: PersonView, now: datetime) -> PersonDetails:
    session, contact = view.session, view.contact if view.is_known else None
    draft = contact.draft if contact else None
    return {
        **_consents(view, now),
        "known": view.is_known,
        "address": contact.address if contact else None,
        "language": contact.language if contact else None,
        "step": session.current_step if session else None,
        "answers": dict(session.data) if session else {},
        "unfinished": {"answers": dict(draft.data), "saved_at": _time(draft.saved_at)} if draft else None,
        "registration": _registration(contact) if contact else None,
        "notice_version": contact.notice_version if contact else None,
        "otp_requests": [_time(request.at) for request in contact.otp_requests] if contact else [],
        "first_inbound_at": _time(contact.first_inbound_at) if contact else None,
        "last_inbound_at": _time(contact.last_inbound_at) if contact else None,
        "kept_until": {"session": _time(view.session_until), "contact": _time(view.contact_until)},
    }


def _consents(view: PersonView, now: datetime) -> ConsentState:
    contact = view.contact
    return {
        "person": view.person_id,
        "consents": {
            purpose: {"at": _time(consent.at), "source": consent.source, "wording": consent.text_version}
            for purpose, consent in (contact.consents.items() if contact else ())
        },
        "news_ended": _no(contact.news_ended if contact else None),
        "opt_out": _no(contact.opt_out if contact else None),
        "timestamp": _time(now),
    }


def _no(no: OptOut | None) -> RecordedNo | None:
    return {"at": _time(no.at), "source": no.source} if no else None


def _registration(contact: Contact) -> Registration | None:
    if not contact.completed_at:
        return None
    return {"answers": dict(contact.registration), "completed_at": _time(contact.completed_at)}


@overload
def _time(moment: datetime) -> str: ...
@overload
def _time(moment: None) -> None: ...
def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
