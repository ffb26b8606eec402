"""The pages of existing broadcasts: the list, one with all its figures, its CSV file, and the forms that steer it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import Role
from onboarding_bot.broadcasts.service import BroadcastService
from onboarding_bot.fields import whole_number
from onboarding_bot.web.api.audit import audit_broadcast, audit_detail, require_audit_line
from onboarding_bot.web.api.authentication import current_admin
from onboarding_bot.web.api.recipients_csv import recipients_csv
from onboarding_bot.web.dashboard.access import Access, safe_target
from onboarding_bot.web.dashboard.broadcast_card import card
from onboarding_bot.web.dashboard.code_meanings import error_meaning
from onboarding_bot.web.dashboard.forms import check_form

PAGE_SIZE = 20
PAGE_MAX = 100_000


def add_broadcast_pages(routes: Blueprint, access: Access, service: BroadcastService) -> None:
    """Everything under ``/dashboard/broadcasts`` but the writing of a new one."""

    @routes.get("/broadcasts")
    @access.signed_in()
    def broadcasts() -> ResponseReturnValue:
        page = whole_number(request.args.get("page", ""), 1, PAGE_MAX) or 1
        # One more than the page shows tells whether there is a next page.
        views = service.newest((page - 1) * PAGE_SIZE, PAGE_SIZE + 1)
        return render_template(
            "dashboard/broadcasts.html",
            cards=[card(view) for view in views[:PAGE_SIZE]],
            page=page,
            has_next=len(views) > PAGE_SIZE,
        )

    @routes.post("/broadcasts/pause-all")
    @access.signed_in(Role.SEND, audit="broadcast.pause-all")
    def pause_all() -> ResponseReturnValue:
        check_form()
        audit_detail(broadcast_ids=service.pause_all())
        return redirect(url_for(".overview"), HTTPStatus.SEE_OTHER)

    @routes.get("/broadcasts/<broadcast_id>")
    @access.signed_in()
    def broadcast(broadcast_id: str) -> ResponseReturnValue:
        found = card(service.view(broadcast_id))
        return render_template(
            "dashboard/broadcast.html",
            card=found,
            is_new="new" in request.args and found.is_current,
            error_meaning=error_meaning,
        )

    @routes.get("/broadcasts/<broadcast_id>/recipients.csv")
    @access.signed_in(audit="broadcast.recipients")
    def recipients(broadcast_id: str) -> Response:
        audit_broadcast(broadcast_id)
        return recipients_csv(service, broadcast_id, shows_addresses=Role.DATA in current_admin().roles)

    def action(name: str, act: Callable[[str], Any], *, sends: bool = False) -> None:
        """An action that ``sends`` needs its audit line; one that pauses or cancels is never refused for want of it."""

        @routes.post(f"/broadcasts/<broadcast_id>/{name}", endpoint=name)
        @access.signed_in(Role.SEND, audit=f"broadcast.{name}")
        def run(broadcast_id: str) -> ResponseReturnValue:
            audit_broadcast(broadcast_id)
            check_form("next")
            if sends:
                require_audit_line()
            act(broadcast_id)
            here = url_for(".broadcast", broadcast_id=broadcast_id)
            return redirect(safe_target(request.form.get("next"), here), HTTPStatus.SEE_OTHER)

    def confirmation(name: str) -> None:
        @routes.get(f"/broadcasts/<broadcast_id>/{name}", endpoint=f"ask-{name}")
        @access.signed_in(Role.SEND)
        def ask(broadcast_id: str) -> ResponseReturnValue:
            found = card(service.view(broadcast_id))
            return render_template("dashboard/confirm_action.html", card=found, action=name)

    action("pause", service.pause)
    action("resume", service.resume, sends=True)
    action("cancel", service.cancel)
    confirmation("cancel")
    action("resend-uncertain", service.resend_uncertain, sends=True)
    confirmation("resend-uncertain")
