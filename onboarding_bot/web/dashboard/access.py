"""Who may see the dashboard: a cookie for each visitor, an admin key to sign in, and a token on every form."""

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
from onboarding_bot.web.dashboard.same_origin import SameOrigin

View = Callable[..., ResponseReturnValue]
_READS = frozenset({"GET", "HEAD"})
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Access:
    """Knows the visitor behind a request.

    A visitor's cookie is a random token from the first page on. Signing in replaces it, and writes down beside the new
    one which key was given: as a MAC of the key under the token, so that neither holds the key, and that a key which
    was taken out of the settings opens nothing any more. What a form carries is a MAC under the same token.
    """

    def __init__(self, sign_ins: SignIns, admin_keys: AdminKeys, same_origin: SameOrigin) -> None:
        self._sign_ins = sign_ins
        self._admin_keys = admin_keys
        self._same_origin = same_origin
        # With this prefix a browser takes the cookie from this very host only, and over TLS only.
        self._cookie = "__Host-dashboard" if same_origin.is_https else "dashboard"

    def find_key(self, given: str) -> AdminKey | None:
        """The admin key that somebody typed, when it may read."""
        key = self._admin_keys.find(given)
        return key if key and Role.READ in key.roles else None

    def sign_in(self, key: AdminKey, response: Response) -> None:
        """From now on the visitor is the holder of this key."""
        self._end(self._token())
        token = secrets.token_urlsafe(32)
        self._sign_ins.begin(token, _mac(token, f"key {key.secret}"))
        self._give(response, token)

    def sign_out(self, response: Response) -> None:
        """End it here and in the browser."""
        self._end(self._token())
        response.delete_cookie(self._cookie, secure=self._same_origin.is_https, httponly=True, samesite="Strict")

    def must_come_again(self) -> bool:
        """Whether a link elsewhere led here, in a chat perhaps: browsers then keep a strict cookie back.

        A new cookie would sign out whoever is signed in; a page that opens itself once more gets the one there is.
        """
        return self._token() is None and request.headers.get("Sec-Fetch-Site") == "cross-site"

    def visitor(self) -> AdminKey | None:
        """The key that this visitor signed in with, None before that; it is looked up once for each request."""
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
        """Let a view take what a page of the dashboard sends, and nothing else: 403."""

        @wraps(view)
        def guarded(**path: str) -> ResponseReturnValue:
            self._refuse_other_origins()
            return view(**path)

        guarded.guarded_by = "same origin"  # type: ignore[attr-defined]
        return guarded

    def try_cookie(self, response: Response) -> None:
        """Give a new visitor a token that stands for nobody: whether it comes back tells whether cookies are kept."""
        if self._token() is None:
            self._give(response, secrets.token_urlsafe(32))

    def check_cookie(self) -> None:
        """Refuse a browser that did not keep the cookie of the sign-in page: it would be asked for its key for ever."""
        if self._token() is None:
            secure = ", and open it at its https address" if self._same_origin.is_https else ""
            abort(HTTPStatus.FORBIDDEN, f"Your browser sent no cookie. Let it keep those of the dashboard{secure}.")

    def signed_in(self, role: Role = Role.READ, *, audit: str = "") -> Callable[[View], View]:
        """Let a view be seen by those who signed in with a key that has ``role``; the others are sent to sign in.

        ``audit`` names the action in a line of the log, as for the JSON endpoints.
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
        if self.must_come_again():
            return render_template("dashboard/again.html")
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
    """The address of the page that was asked for, as the browser knows it."""
    return request.script_root + request.full_path.rstrip("?")


def safe_target(given: str | None, otherwise: str) -> str:
    """Where to go next: the page of the dashboard that a form names, and never another site."""
    home = url_for(".overview")
    if not given or "\\" in given or not given.isprintable():
        return otherwise
    return given if given == home or given.startswith((f"{home}/", f"{home}?")) else otherwise


def _mac(token: str, what: str) -> str:
    return hmac.digest(token.encode(), what.encode(), "sha256").hex()
