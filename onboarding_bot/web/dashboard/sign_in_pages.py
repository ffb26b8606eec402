"""The page on which an admin signs in with a key, and the form that signs out."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from onboarding_bot.observability.logs import logger
from onboarding_bot.web.api.audit import begin_audit
from onboarding_bot.web.dashboard.access import Access, safe_target
from onboarding_bot.web.dashboard.forms import check_form


def add_sign_in_pages(routes: Blueprint, access: Access) -> None:
    """``/dashboard/sign-in`` and ``/dashboard/sign-out``."""

    @routes.get("/sign-in")
    def sign_in() -> ResponseReturnValue:
        if access.is_cookie_kept_back():
            return render_template("dashboard/reload.html")
        target = safe_target(request.args.get("next"), url_for(".overview"))
        if access.visitor():
            return redirect(target, HTTPStatus.SEE_OTHER)
        page = make_response(render_template("dashboard/sign_in.html", target=target, fault=None))
        access.try_cookie(page)
        return page

    @routes.post("/sign-in")
    @access.same_origin_only
    def take_key() -> ResponseReturnValue:
        access.check_cookie()
        check_form("next", "key")
        target = safe_target(request.form.get("next"), url_for(".overview"))
        key = access.find_key(request.form.get("key", "").strip())
        if key is None:
            logger().warning("wrong_key", path=request.path)
            fault = "This key does not open the dashboard."
            return render_template("dashboard/sign_in.html", target=target, fault=fault), HTTPStatus.FORBIDDEN
        begin_audit("dashboard.sign-in", key)
        response = make_response(redirect(target, HTTPStatus.SEE_OTHER))
        access.sign_in(key, response)
        return response

    @routes.post("/sign-out")
    @access.same_origin_only
    def sign_out() -> ResponseReturnValue:
        check_form()
        response = make_response(redirect(url_for(".sign_in"), HTTPStatus.SEE_OTHER))
        access.sign_out(response)
        return response
