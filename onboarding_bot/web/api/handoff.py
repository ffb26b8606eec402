"""The endpoint where the web app turns a login link's token into the answers of the sign-up."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from onboarding_bot.errors import LoginLinkError, LoginLinkExpiredError
from onboarding_bot.fields import InvalidFieldError
from onboarding_bot.handoff import HandoffService
from onboarding_bot.observability.logs import logger
from onboarding_bot.web.api.endpoints import Endpoints
from onboarding_bot.web.api.operations.handoff import HAND_OFF, HandoffRequest, SignUpAnswers
from onboarding_bot.web.api.operations.problem_kinds import BAD_TOKEN, LINK_EXPIRED, NO_TOKEN
from onboarding_bot.web.api.problems import invalid_field, problem


def handoff_routes(service: HandoffService, api_key: str) -> Blueprint:
    """``POST /handoff``; a token in a body stays out of access logs, and link previews send no POSTs."""
    routes = Blueprint("handoff", __name__)

    @Endpoints(routes, web_app_key=api_key).add(HAND_OFF)
    def hand_off(body: HandoffRequest) -> ResponseReturnValue:
        answers = service.answers(body.token)
        shown: SignUpAnswers = {
            "name": answers["name"],
            "sector": answers["sector"],
            "pincode": answers["pincode"],
            "phone": answers["phone"],
        }
        return jsonify(shown)

    @routes.errorhandler(InvalidFieldError)
    def no_token(error: InvalidFieldError) -> Response:
        if error.name != "token":
            return invalid_field(error)
        return problem(NO_TOKEN, field=error.name)

    @routes.errorhandler(LoginLinkExpiredError)
    def link_expired(_error: LoginLinkExpiredError) -> Response:
        return problem(LINK_EXPIRED)

    @routes.errorhandler(LoginLinkError)
    def bad_token(_error: LoginLinkError) -> Response:
        logger().warning("bad_login_token")
        return problem(BAD_TOKEN)

    return routes
