"""The web app's login page: asks for the OTP, and only then fetches the answers from the bot."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import requests
from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from simulator.faults import AuthApiFault, FaultSwitch
from simulator.logs import log
from simulator.otp import OtpService, Verdict, Verification
from simulator.settings import Settings

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HANDOFF_SECONDS = (3.05, 8.0)
_AUTH_API_WORKS = {AuthApiFault.OK, AuthApiFault.SLOW}
_VERDICTS = {
    Verdict.EXPIRED: "This code is older than 5 minutes. Send RESEND in WhatsApp and use the new one.",
    Verdict.TOO_MANY_TRIES: "That was the last try for this code. Send RESEND in WhatsApp and use the new one.",
    Verdict.ALREADY_USED: "This code has been used already. Send RESEND in WhatsApp and use the new one.",
    Verdict.NO_CODE: "No code was sent to this number. Please check the number.",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A page that ends the visit: what has happened, and what to do now."""

    heading: str
    text: str
    status: HTTPStatus = HTTPStatus.OK


_NO_TOKEN = Notice(
    "Open this page from WhatsApp",
    "The link to log in is in your chat with MSMEBazaar. Send RESEND there to get a new one.",
    HTTPStatus.BAD_REQUEST,
)
_EXPIRED = Notice("This link has expired", "Send RESEND in WhatsApp to get a new link and a new code.", HTTPStatus.GONE)
_ANOTHER_NUMBER = Notice(
    "This link belongs to another number",
    "Log in with the number that you gave in the chat, or send RESEND in WhatsApp to get a new link.",
    HTTPStatus.FORBIDDEN,
)
_OUT_OF_ORDER = Notice(
    "We cannot log you in just now",
    "Your answers are safe. Please send RESEND in WhatsApp in a few minutes and use the new link and code.",
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_CODE_NOT_CHECKED = "We cannot check codes just now. Please try again in a minute: this code still counts."


@dataclass(frozen=True, slots=True)
class LoginForm:
    """The form as it is shown again: what is wrong with which field, and what was typed that may be shown."""

    masked_phone: str
    typed_phone: str = ""
    phone_error: str = ""
    otp_error: str = ""


def web_app(settings: Settings, otp: OtpService, faults: FaultSwitch) -> Blueprint:
    blueprint = Blueprint("web_app", __name__)
    http = requests.Session()

    @blueprint.after_request
    def protect(response: Response) -> Response:
        # The token is in the address: nothing may keep it, load from elsewhere with it, or pass it on.
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.get("/login")
    def show() -> ResponseReturnValue:
        # A link preview opens the page too: looking at it changes nothing, here or at the bot.
        if not request.args.get("token"):
            return _notice(_NO_TOKEN)
        return _form(LoginForm(_masked(_indian_mobile(request.args.get("phone", "")))))

    @blueprint.post("/login")
    def log_in() -> ResponseReturnValue:
        token = request.args.get("token", "")
        if not token:
            return _notice(_NO_TOKEN)
        in_link = _indian_mobile(request.args.get("phone", ""))
        typed = request.form.get("phone", "")[:30]
        phone = in_link or _indian_mobile(typed)
        code = _digits(request.form.get("otp", ""))
        form = _checked(LoginForm(_masked(in_link), typed), phone, code)
        if form.phone_error or form.otp_error:
            return _form(form, HTTPStatus.UNPROCESSABLE_ENTITY)
        if faults.now.auth_api not in _AUTH_API_WORKS:
            return _form(replace(form, otp_error=_CODE_NOT_CHECKED), HTTPStatus.SERVICE_UNAVAILABLE)
        result = otp.verify(phone, code)
        if result.verdict is not Verdict.RIGHT:
            return _form(replace(form, otp_error=_reason(result)), HTTPStatus.UNPROCESSABLE_ENTITY)
        return _welcome(token, phone)

    def _welcome(token: str, phone: str) -> ResponseReturnValue:
        answers = _hand_off(token)
        if isinstance(answers, Notice):
            return _notice(answers)
        if answers.get("phone") != phone:
            return _notice(_ANOTHER_NUMBER)
        return render_template("login.html", page="welcome", answers=answers)

    def _hand_off(token: str) -> dict[str, Any] | Notice:
        """The answers behind the token, or what to tell the person instead."""
        try:
            answer = http.post(
                f"{settings.bot_url}/handoff",
                json={"token": token},
                headers={"Authorization": f"Bearer {settings.handoff_api_key}"},
                timeout=_HANDOFF_SECONDS,
                allow_redirects=False,
            )
            log("handoff", status=answer.status_code)
            if answer.status_code == HTTPStatus.GONE:
                return _EXPIRED
            answers = answer.json() if answer.ok else None
        except requests.RequestException as error:
            log("handoff", error=type(error).__name__)
            return _OUT_OF_ORDER
        return answers if isinstance(answers, dict) else _OUT_OF_ORDER

    return blueprint


def _checked(form: LoginForm, phone: str, code: str) -> LoginForm:
    phone_error = "" if phone else "Please type the 10 digits of your mobile number, like 98765 43210."
    otp_error = "" if re.fullmatch(r"[0-9]{6}", code) else "The code has 6 digits. It came by SMS."
    return replace(form, phone_error=phone_error, otp_error=otp_error)


def _reason(result: Verification) -> str:
    if result.verdict is Verdict.WRONG:
        tries = f"{result.tries_left} {'try' if result.tries_left == 1 else 'tries'} left"
        return f"That is not the code that we sent. Please check the SMS: {tries}."
    return _VERDICTS[result.verdict]


def _form(form: LoginForm, status: HTTPStatus = HTTPStatus.OK) -> ResponseReturnValue:
    return render_template("login.html", page="form", form=form), status


def _notice(notice: Notice) -> ResponseReturnValue:
    return render_template("login.html", page="notice", notice=notice), notice.status


def _indian_mobile(typed: str) -> str:
    """``+91XXXXXXXXXX`` from the usual ways to write it, or an empty text."""
    match = re.fullmatch(r"(?:00?91|91|0)?([6-9][0-9]{9})", _digits(typed))
    return f"+91{match[1]}" if match else ""


def _digits(typed: str) -> str:
    """The digits of any script as 0 to 9; whatever stands between them falls away."""
    return "".join(str(unicodedata.decimal(character)) for character in typed if character.isdecimal())


def _masked(phone: str) -> str:
    return f"+91 •••••• {phone[-4:]}" if phone else ""
