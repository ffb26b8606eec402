"""MSMEBazaar's auth API over HTTP, with the faults that it can have."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from simulator.background import Sleep
from simulator.faults import AuthApiFault, FaultSwitch
from simulator.lost_connection import lost_connection
from simulator.otp import KeyReusedError, OtpService, Registration, Verdict

_SLOW_SECONDS = 10.0
_PHONE = re.compile(r"\+91[6-9][0-9]{9}")
_HEALTHY_IN_SPITE = {AuthApiFault.SLOW, AuthApiFault.REFUSING, AuthApiFault.GARBAGE, AuthApiFault.THROTTLED}


class InvalidRequestError(Exception):
    """The request is not what the API's contract says."""


def auth_api(otp: OtpService, faults: FaultSwitch, sleep: Sleep) -> Blueprint:
    blueprint = Blueprint("auth_api", __name__)

    @blueprint.errorhandler(InvalidRequestError)
    def refuse(error: InvalidRequestError) -> ResponseReturnValue:
        return _error(422, "INVALID_REQUEST", str(error))

    @blueprint.post("/api/send-otp")
    def send_otp() -> ResponseReturnValue:
        if (fault := _faulty_answer(faults.now.auth_api)) is not None:
            return fault
        key = request.headers.get("Idempotency-Key", "").strip()
        if not key:
            return _error(400, "IDEMPOTENCY_KEY_MISSING", "The header Idempotency-Key is required.")
        body = _json_object()
        try:
            otp.send(_registration(body), key, body)
        except KeyReusedError:
            return _error(422, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key belongs to another request.")
        _dawdle()
        return jsonify(success=True, message="OTP sent", expires_in_seconds=300)

    @blueprint.post("/api/verify-otp")
    def verify_otp() -> ResponseReturnValue:
        if (fault := _faulty_answer(faults.now.auth_api)) is not None:
            return fault
        body = _json_object()
        result = otp.verify(_text(body, "phone_number"), _text(body, "otp"))
        _dawdle()
        if result.verdict is Verdict.RIGHT:
            return jsonify(success=True)
        return jsonify(success=False, reason=result.verdict, tries_left=result.tries_left), 422

    @blueprint.get("/health")
    def health() -> ResponseReturnValue:
        fault = faults.now.auth_api
        answer = None if fault in _HEALTHY_IN_SPITE else _faulty_answer(fault)
        return answer or jsonify(status="healthy")

    def _dawdle() -> None:
        # After the work: whoever gives up waiting must still find it done.
        if faults.now.auth_api is AuthApiFault.SLOW:
            sleep(_SLOW_SECONDS)

    return blueprint


def _faulty_answer(fault: AuthApiFault) -> Response | None:
    """The answer instead of any work, or None when the API does its work."""
    match fault:
        case AuthApiFault.DOWN:
            return lost_connection()
        case AuthApiFault.UNAVAILABLE:
            return _error(503, "UNAVAILABLE", "Service temporarily unavailable.", {"Retry-After": "1"})
        case AuthApiFault.ERROR:
            return _error(500, "INTERNAL", "Internal server error.")
        case AuthApiFault.REFUSING:
            return _error(422, "RISK_POLICY_17B", "Subscriber blocked by risk policy 17-B.")
        case AuthApiFault.GARBAGE:
            return Response("<!doctype html><title>Welcome</title><h1>It works!</h1>", mimetype="text/html")
        case AuthApiFault.THROTTLED:
            return _error(429, "THROTTLED", "Too many requests.", {"Retry-After": "60"})
        case _:
            return None


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    answer = jsonify(success=False, error={"code": code, "message": message})
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


def _json_object() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        msg = "The body must be a JSON object."
        raise InvalidRequestError(msg)
    return body


def _registration(body: dict[str, Any]) -> Registration:
    phone = _text(body, "phone_number")
    if not _PHONE.fullmatch(phone):
        msg = "phone_number must be an Indian mobile number like +919876543210."
        raise InvalidRequestError(msg)
    metadata = _object(body, "metadata")
    answers = _object(metadata, "onboarding_data")
    if _text(body, "user_type") != "MSME" or _text(metadata, "source") != "whatsapp":
        msg = "user_type must be MSME and metadata.source must be whatsapp."
        raise InvalidRequestError(msg)
    return Registration(phone, _text(answers, "name"), _text(answers, "sector"), _text(answers, "pincode"))


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        msg = f"{name} must be an object."
        raise InvalidRequestError(msg)
    return value


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        msg = f"{name} must be a text."
        raise InvalidRequestError(msg)
    return value
