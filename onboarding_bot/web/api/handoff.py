"""Where the web app turns a login link's token into the answers of the sign-up."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.conversation.flow import FIELDS
from onboarding_bot.errors import LoginLinkError, LoginLinkExpiredError
from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.observability.logs import logger
from onboarding_bot.web.api.authentication import bearer_only
from onboarding_bot.web.api.json_body import json_fields
from onboarding_bot.web.api.problems import problem


def handoff_routes(bot: WhatsAppBot, api_key: str) -> Blueprint:
    """``POST /handoff``; a token in a body stays out of access logs, and link previews send no POSTs."""
    routes = Blueprint("handoff", __name__)

    @routes.post("/handoff")
    @bearer_only(api_key)
    def hand_over() -> ResponseReturnValue:
        try:
            token = json_fields("token", without="token").text("token")
        except InvalidFieldError as fault:
            if fault.name != "token":
                raise
            token = None
        if not token:
            detail = 'Send {"token": "…"} as JSON, with the token of the link.'
            return problem(HTTPStatus.BAD_REQUEST, "no-token", detail, field="token")
        try:
            answers = bot.hand_over(token)
        except LoginLinkExpiredError:
            return problem(
                HTTPStatus.GONE,
                "link-expired",
                "This link is too old or was replaced. RESEND in the chat makes a new one.",
            )
        except LoginLinkError:
            logger().warning("bad_login_token")
            return problem(HTTPStatus.UNAUTHORIZED, "bad-token", "This token was not made here.")
        response = jsonify({field: answers[field] for field in FIELDS})
        response.headers["Cache-Control"] = "no-store"
        return response

    return routes
