"""Who may see the dashboard: visitors sign in with an admin key, and a cookie stands for the sign-in."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from flask import Response, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from onboarding_bot.admin_keys import AdminKey, AdminKeys, Role
from onboarding_bot.storage.sign_ins import SIGN_IN_LIFE, SignIns
from onboarding_bot.web.api.audit import begin_audit
from onboarding_bot.web.dashboard.forms import SameOrigin

View = Callable[..., ResponseReturnValue]
_READS = frozenset({"GET", "HEAD"})
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Access:
    """Finds the visitor behind a request, and guards the views.

    A visitor's cookie is a random token. Signing in makes a new one, and stores under its hash a MAC of the admin key
    under the token: so neither the cookie nor Redis holds the key, and a key that is taken out of the settings opens
    nothing any more.
    """

    def __init__(self, sign_ins: SignIns, admin_keys: AdminKeys, same_origin: SameOrigin) -> None:
        self._sign_ins = sign_ins
        self._admin_keys = admin_keys
        self._same_origin = same_origin
        # With this prefix a browser takes the cookie from this very host only, and over TLS only.
        self._cookie = "__Host-dashboard" if same_origin.is_https else "dashboard"

    def find_key(self, given: str) -> AdminKey | None:
        """The admin key that a visitor typed, if it is valid and has the role read."""
        key = self._admin_keys.find(given)
        return key if key and Role.READ in key.roles else None

    def sign_in(self, key: AdminKey, response: Response) -> None:
        """Sign the visitor in with this key, under a new token."""
        self._end(self._token())
        token = secrets.token_urlsafe(32)
        self._sign_ins.begin(token, _mac(token, f"key {key.secret}"))
        self._give(response, token)

    def sign_out(self, response: Response) -> None:
        """End the sign-in in Redis and in the browser."""
        self._end(self._token())
        response.delete_cookie(self._cookie, secure=self._same_origin.is_https, httponly=True, samesite="Strict")

    def is_cookie_kept_back(self) -> bool:
        """Whether the visitor follows a link on another site, or in a chat: then browsers do not send a strict cookie.

        A page that reloads itself gets the cookie, and a visitor who is signed in is not asked for the key.
        """
        return self._token() is None and request.headers.get("Sec-Fetch-Site") == "cross-site"

    def visitor(self) -> AdminKey | None:
        """The key that this visitor signed in with, None for nobody; looked up once in each request."""
        if "visitor" not in g:
            g.visitor = self._look_up()
        found: AdminKey | None = g.visitor
        return found

    def _look_up(self) -> AdminKey | None:
        token = self._token()
        mark = self._sign_ins.find(token) if token else None
        if token is None or mark is None:
            return None
        found = None
        for key in self._admin_keys.keys:
            if hmac.compare_digest(mark, _mac(token, f"key {key.secret}")) and Role.READ in key.roles:
                found = key
        return found

    def same_origin_only(self, view: View) -> View:
        """Let a view be called by a form that a page of the dashboard sends: 403 for any other."""

        @wraps(view)
        def guarded(**path: str) -> ResponseReturnValue:
            self._refuse_other_origins()
            return view(**path)

        guarded.guarded_by = "same origin"  # type: ignore[attr-defined]
        return guarded

    def try_cookie(self, response: Response) -> None:
        """Give a visitor without a cookie one that stands for no sign-in; ``check_cookie`` looks for it."""
        if self._token() is None:
            self._give(response, secrets.token_urlsafe(32))

    def check_cookie(self) -> None:
        """Refuse a browser that did not keep the cookie of the sign-in page: it would not keep a sign-in either."""
        if self._token() is None:
            secure = ", and open it at its https address" if self._same_origin.is_https else ""
            abort(HTTPStatus.FORBIDDEN, f"Your browser sent no cookie. Let it keep those of the dashboard{secure}.")

    def signed_in(self, role: Role = Role.READ, *, audit: str = "") -> Callable[[View], View]:
        """Let a view be called by visitors who signed in with a key that has ``role``; others are asked to sign in.

        A form has to come from a page of the dashboard as well. ``audit`` names the action in the audit log.
        """

        def guard(view: View) -> View:
            @wraps(view)
            def guarded(**path: str) -> ResponseReturnValue:
                if request.method not in _READS:
                    self._refuse_other_origins()
                visitor = self.visitor()
                if visitor is None:
                    return self._ask_to_sign_in()
                g.admin_key = visitor
                if audit:
                    begin_audit(audit, visitor)
                if role not in visitor.roles:
                    abort(HTTPStatus.FORBIDDEN, f"Your key “{visitor.name}” may not do this: it lacks the role {role}.")
                return view(**path)

            guarded.guarded_by = f"sign-in: {role}"  # type: ignore[attr-defined]
            return guarded

        return guard

    def _refuse_other_origins(self) -> None:
        if not self._same_origin.sent(request):
            abort(HTTPStatus.FORBIDDEN, "No page of the dashboard sent this. Open the page again, and repeat it there.")

    def _ask_to_sign_in(self) -> ResponseReturnValue:
        if request.method not in _READS:
            abort(HTTPStatus.UNAUTHORIZED, "You are signed out. Sign in, and do it again.")
        if self.is_cookie_kept_back():
            return render_template("dashboard/reload.html")
        return redirect(url_for(".sign_in", next=this_page()), HTTPStatus.SEE_OTHER)

    def _token(self) -> str | None:
        given = request.cookies.get(self._cookie, "")
        return given if _TOKEN.fullmatch(given) else None

    def _end(self, token: str | None) -> None:
        if token:
            self._sign_ins.end(token)

    def _give(self, response: Response, token: str) -> None:
        response.set_cookie(
            self._cookie,
            token,
            max_age=SIGN_IN_LIFE,
            secure=self._same_origin.is_https,
            httponly=True,
            samesite="Strict",
        )


def this_page() -> str:
    """The path and query of the page at hand, as the browser shows them."""
    return request.script_root + request.full_path.rstrip("?")


def safe_target(given: str | None, otherwise: str) -> str:
    """The page of the dashboard that a form names as the next one; ``otherwise`` for any other address."""
    home = url_for(".overview")
    if not given or "\\" in given or not given.isprintable():
        return otherwise
    return given if given == home or given.startswith((f"{home}/", f"{home}?")) else otherwise


def _mac(token: str, what: str) -> str:
    return hmac.digest(token.encode(), what.encode(), "sha256").hex()
