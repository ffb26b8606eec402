"""Where admins look a person up, erase one, and write a consent down; addresses stand in bodies, never in URLs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import AdminKeys, Role
from onboarding_bot.conversation.contact import NEWS, SERVICE, Contact
from onboarding_bot.errors import BotError
from onboarding_bot.people.addresses import InvalidAddressError, parse_address
from onboarding_bot.people.office import PeopleOffice, PersonView, StoppedError, UnknownPersonError
from onboarding_bot.web.audit import audit_deed, audit_detail
from onboarding_bot.web.authentication import admin_only, current_admin
from onboarding_bot.web.json_body import json_body
from onboarding_bot.web.problems import problem

NOTE_MAX = 200
PURPOSES = (SERVICE, NEWS)


class InvalidFieldError(BotError):
    """A field of the body is missing, unknown, or says nothing that can be done."""

    code = "people.invalid_field"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


def people_routes(office: PeopleOffice, admin_keys: AdminKeys, now: Callable[[], datetime]) -> Blueprint:
    """``POST /people/lookup``, ``/people/erase`` and ``/people/consent``, for keys with the role data."""
    routes = Blueprint("people", __name__)

    def whom(body: Mapping[str, Any]) -> str:
        """The address in the body; the audit line names its person by the id alone."""
        given = body.get("address")
        if not isinstance(given, str):
            raise InvalidFieldError("address", 'must be a text like "whatsapp:+919876543210"')
        address = parse_address(given)
        audit_detail(person=office.person_id(address))
        return address

    @routes.post("/people/lookup")
    @admin_only(admin_keys, Role.DATA, audit="people.lookup")
    def lookup() -> ResponseReturnValue:
        address = whom(_body("address"))
        audit_deed()
        return jsonify(_shown(office.look_up(address)) | {"timestamp": _time(now())})

    @routes.post("/people/erase")
    @admin_only(admin_keys, Role.DATA, audit="people.erase")
    def erase() -> ResponseReturnValue:
        address = whom(_body("address"))
        audit_deed()
        was_known = office.erase(address)
        audit_detail(was_known=was_known)
        return jsonify(person=office.person_id(address), erased=True, was_known=was_known, timestamp=_time(now()))

    @routes.post("/people/consent")
    @admin_only(admin_keys, Role.DATA, audit="people.consent")
    def consent() -> ResponseReturnValue:
        body = _body("address", "purpose", "given", "note")
        purpose, given, note = body.get("purpose"), body.get("given"), body.get("note", "")
        if purpose not in PURPOSES:
            raise InvalidFieldError("purpose", f"must be one of {', '.join(PURPOSES)}")
        if not isinstance(given, bool):
            raise InvalidFieldError("given", "must be true or false")
        if not isinstance(note, str) or len(note) > NOTE_MAX or not _is_whole(note):
            raise InvalidFieldError("note", f"must be a text of at most {NOTE_MAX} characters")
        address = whom(body)
        audit_detail(purpose=purpose, given=given)
        audit_deed()
        view = office.record_consent(address, purpose, given=given, key_name=current_admin().name, note=note)
        return jsonify(_agreed(view) | {"timestamp": _time(now())})

    @routes.errorhandler(InvalidFieldError)
    def invalid_field(error: InvalidFieldError) -> Response:
        return _invalid(error.field, error.detail)

    @routes.errorhandler(InvalidAddressError)
    def invalid_address(_error: InvalidAddressError) -> Response:
        return _invalid("address", "must be a WhatsApp address or a phone number with its country, like +919876543210")

    @routes.errorhandler(UnknownPersonError)
    def unknown(_error: UnknownPersonError) -> Response:
        detail = "Nobody with this address has written to the bot; a yes can only be noted for somebody who has."
        return problem(HTTPStatus.NOT_FOUND, "unknown-person", detail)

    @routes.errorhandler(StoppedError)
    def stopped(_error: StoppedError) -> Response:
        detail = "This person wants no messages. Only the person can take that back, by sending START or UPDATES."
        return problem(HTTPStatus.CONFLICT, "opted-out", detail)

    return routes


def _body(*allowed: str) -> Mapping[str, Any]:
    body = json_body()
    if not isinstance(body, dict):
        detail = 'must stand in {"address": "whatsapp:+919876543210"}, sent with Content-Type: application/json'
        raise InvalidFieldError("address", detail)
    for name in body:
        if name not in allowed:
            raise InvalidFieldError(str(name)[:40], f"is unknown; there are {', '.join(allowed)}")
    return body


def _is_whole(text: str) -> bool:
    """JSON can spell half of a character that is written as two; nobody could store that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(field: str, detail: str) -> Response:
    return problem(HTTPStatus.BAD_REQUEST, "invalid-field", f"{field} {detail}.", field=field)


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
    opt_out = contact.opt_out if contact else None
    return {
        "person": view.person_id,
        "consents": {
            purpose: {"at": _time(consent.at), "source": consent.source, "wording": consent.wording}
            for purpose, consent in (contact.consents.items() if contact else ())
        },
        "opt_out": {"at": _time(opt_out.at), "source": opt_out.source} if opt_out else None,
    }


def _registration(contact: Contact) -> dict[str, Any] | None:
    if not contact.completed_at:
        return None
    return {"answers": dict(contact.registration), "completed_at": _time(contact.completed_at)}


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
