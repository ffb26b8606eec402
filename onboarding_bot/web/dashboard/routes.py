"""The blueprint of the dashboard: its pages, their headers, and the variables of all templates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus

from flask import Blueprint, Response, abort, g
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined

from onboarding_bot.admin_keys import Role
from onboarding_bot.broadcasts.audience import Audience
from onboarding_bot.broadcasts.service import BroadcastService
from onboarding_bot.services.twilio_content_api import Content
from onboarding_bot.web.dashboard import display_formats
from onboarding_bot.web.dashboard.access import Access, this_page
from onboarding_bot.web.dashboard.assets import add_assets
from onboarding_bot.web.dashboard.broadcast_pages import add_broadcast_pages
from onboarding_bot.web.dashboard.compose_pages import add_compose_pages
from onboarding_bot.web.dashboard.error_pages import add_error_pages
from onboarding_bot.web.dashboard.overview import Overview, add_overview
from onboarding_bot.web.dashboard.sign_in_pages import add_sign_in_pages
from onboarding_bot.web.dashboard.whatsapp_markup import as_whatsapp

# A page loads nothing from other origins, runs no inline script, and is shown in no frame.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def dashboard_routes(
    access: Access,
    overview: Overview,
    service: BroadcastService,
    audience: Audience,
    approved_templates: Callable[[], Sequence[Content]],
    languages: list[str],
    now: Callable[[], datetime],
) -> Blueprint:
    """``/dashboard`` and everything below it."""
    routes = Blueprint("dashboard", __name__, url_prefix="/dashboard", template_folder="templates")
    add_assets(routes)
    add_sign_in_pages(routes, access)
    add_overview(routes, access, overview)
    add_broadcast_pages(routes, access, service)
    add_compose_pages(routes, access, service, audience, approved_templates, languages)
    add_error_pages(routes)

    @routes.route("/<path:_rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    @access.signed_in()
    def nothing(_rest: str) -> ResponseReturnValue:
        abort(HTTPStatus.NOT_FOUND)

    @routes.context_processor
    def for_all_templates() -> dict[str, object]:
        visitor = g.get("admin_key")
        return {
            "w": display_formats,
            "as_whatsapp": as_whatsapp,
            "now": now(),
            "visitor": visitor,
            "may_send": visitor is not None and Role.SEND in visitor.roles,
            "this_page": this_page,
        }

    @routes.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    @routes.record_once
    def set_up_templates(state: BlueprintSetupState) -> None:
        # A template with an unknown variable raises an error, and does not leave a gap in the page.
        state.app.jinja_env.undefined = StrictUndefined
        state.app.jinja_env.trim_blocks = state.app.jinja_env.lstrip_blocks = True

    return routes
