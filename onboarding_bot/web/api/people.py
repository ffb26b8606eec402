"""Where admins look a person up, erase one, and write a consent down; addresses stand in bodies, never in URLs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.conversation.contact import NEWS, SERVICE, Contact, OptOut
from onboarding_bot.fields import Fields, InvalidFieldError
from onboarding_bot.people.address_parser import InvalidAddressError, parse_address
from onboarding_bot.people.service import PeopleService, PersonView, StoppedError, UnknownPersonError
from onboarding_bot.web.api.audit import audit_deed, audit_detail
from onboarding_bot.web.api.authentication import admin_only, current_admin
from onboarding_bot.web.api.json_body import json_fields
from onboarding_bot.web.api.problems import problem

NOTE_MAX = 200
PURPOSES = (SERVICE, NEWS)


def people_routes(service: PeopleService, admin_keys: AdminKeys, now: Callable[[], datetime]) -> Blueprint:
    """``POST /people/lookup``, ``/people/erase`` and ``/people/consent``, for keys with the role data."""
    routes = Blueprint("people", __name__)

    def whom(body: Fields) -> str:
        """The address in the body; the audit line names its person by the id alone."""
        given = body.text("address")
        if given is None:
            raise InvalidFieldError("address", 'must be a text like "whatsapp:+919876543210"')
        address = parse_address(given)
        audit_detail(person=service.person_id(address))
        return address

    @routes.post("/people/lookup")
    @admin_only(admin_keys, Role.DATA, audit="people.lookup")
    def lookup() -> ResponseReturnValue:
        address = whom(_body("address"))
        audit_deed()
        return jsonify(_shown(service.look_up(address)) | {"timestamp": _time(now())})

    @routes.post("/people/erase")
    @admin_only(admin_keys, Role.DATA, audit="people.erase")
    def erase() -> ResponseReturnValue:
        address = whom(_body("address"))
        # Afterwards the address may lead to nobody.
        person = service.person_id(address)
        audit_deed()
        was_known = service.erase(address)
        audit_detail(was_known=was_known)
        return jsonify(person=person, erased=was_known, was_known=was_known, timestamp=_time(now()))

    @routes.post("/people/consent")
    @admin_only(admin_keys, Role.DATA, audit="people.consent")
    def consent() -> ResponseReturnValue:
        body = _body("address", "purpose", "given", "note")
        purpose, given, note = body.member("purpose", PURPOSES), body.flag("given"), body.text("note")
        if purpose is None:
            raise InvalidFieldError("purpose", f"must be one of {', '.join(PURPOSES)}")
        if note is not None and not 1 <= len(note.strip()) <= len(note) <= NOTE_MAX:
            raise InvalidFieldError("note", f"must have 1 to {NOTE_MAX} characters, where there is one")
        address = whom(body)
        audit_detail(purpose=purpose, given=given)
        audit_deed()
        view = service.record_consent(address, purpose, given=given, key_name=current_admin().name, note=note or "")
        return jsonify(_agreed(view) | {"timestamp": _time(now())})

    @routes.errorhandler(InvalidAddressError)
    def invalid_address(error: InvalidAddressError) -> Response:
        return problem(HTTPStatus.BAD_REQUEST, "invalid-field", f"address {error.reason}.", field="address")

    @routes.errorhandler(UnknownPersonError)
    def unknown(_error: UnknownPersonError) -> Response:
        detail = "Nobody with this address has written to the bot; a yes can only be noted for somebody who has."
        return problem(HTTPStatus.NOT_FOUND, "unknown-person", detail)

    @routes.errorhandler(StoppedError)
    def stopped(_error: StoppedError) -> Response:
        detail = "This person has said no to such messages. Only the person can take that back, by START or UPDATES."
        return problem(HTTPStatus.CONFLICT, "opted-out", detail)

    return routes


def _body(*known: str) -> Fields:
    return json_fields(*known, without="address", example='{"address": "whatsapp:+919876543210"}')


def _shown(view: PersonView) -> dict[str, Any]:
    session, contact = view.session, view.contact if view.is_known else None
    draft = contact.draft if contact else None
    return _agreed(view) | {
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


def _agreed(view: PersonView) -> dict[str, Any]:
    contact = view.contact
    return {
        "person": view.person_id,
        "consents": {
            purpose: {"at": _time(consent.at), "source": consent.source, "wording": consent.wording}
            for purpose, consent in (contact.consents.items() if contact else ())
        },
        "news_ended": _said(contact.news_ended if contact else None),
        "opt_out": _said(contact.opt_out if contact else None),
    }


def _said(no: OptOut | None) -> dict[str, Any] | None:
    return {"at": _time(no.at), "source": no.source} if no else None


def _registration(contact: Contact) -> dict[str, Any] | None:
    if not contact.completed_at:
        return None
    return {"answers": dict(contact.registration), "completed_at": _time(contact.completed_at)}


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
