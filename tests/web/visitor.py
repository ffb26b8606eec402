"""Somebody at the dashboard: a client that signs in, follows links, and fills in the forms that the pages have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.settings import ENVIRONMENT

KEY = ENVIRONMENT["ADMIN_API_KEY"]


@dataclass
class Form:
    """A form of a page: where it goes, and what it holds."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[dict[str, str]] = field(default_factory=list)


class _Page(HTMLParser):
    """Collects what a visitor can see and use."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._select: dict[str, str | None] | None = None
        self._textarea: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.text.append(" ")
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag == "form":
            self.forms.append(Form(given.get("action") or ""))
        elif tag == "input" and self.forms:
            if given.get("type") not in {"radio", "checkbox"} or "checked" in given:
                self.forms[-1].fields[name] = value
        elif tag == "select":
            self._select = given
        elif tag == "option" and self._select is not None:
            holder = self._select.get("name") or ""
            if "selected" in given or holder not in self.forms[-1].fields:
                self.forms[-1].fields[holder] = value
        elif tag == "textarea":
            self._textarea = name
            self.forms[-1].fields[name] = ""
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append({key: text or "" for key, text in given.items()})

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea:
            # As in a browser, the first line break is the page's, and not the text's.
            fields = self.forms[-1].fields
            fields[self._textarea] = fields[self._textarea].removeprefix("\n")
            self._textarea = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1].fields[self._textarea] += data
        else:
            self.text.append(data)


class Visitor:
    """One browser without a script."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        # As browsers say it of the forms of a page.
        self.client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        self.response: TestResponse | None = None
        self.page = _Page("")

    def opens(self, path: str, status: int = 200, **headers: str) -> Visitor:
        """Go to a page, whatever redirects there are."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._shows(self.client.get(path, follow_redirects=True, headers=named), status)

    def signs_in(self, key: str = KEY, status: int = 200, at: str = "/dashboard") -> Visitor:
        """From a page through the sign-in back to it."""
        return self.opens(at).submits("/dashboard/sign-in", {"key": key}, status=status)

    def submits(
        self, action: str, changes: Mapping[str, str | None] | None = None, *, to: str = "", status: int = 200
    ) -> Visitor:
        """Fill in a form of the page, and send it; None takes a field out, ``to`` is a button's own address."""
        fields: dict[str, str | None] = {**self.form(action).fields, **(changes or {})}
        given = {name: value for name, value in fields.items() if value is not None}
        return self._shows(self.client.post(to or action, data=given, follow_redirects=True), status)

    def form(self, action: str) -> Form:
        """The page's form that goes there."""
        (found,) = [form for form in self.page.forms if form.action == action]
        return found

    @property
    def actions(self) -> set[str]:
        """Where the page's forms go."""
        return {form.action for form in self.page.forms}

    @property
    def text(self) -> str:
        """What can be read, on one line."""
        return re.sub(r"\s+", " ", "".join(self.page.text)).strip()

    @property
    def html(self) -> str:
        """The page as it came."""
        assert self.response is not None
        return self.response.get_data(as_text=True)

    def _shows(self, response: TestResponse, status: int) -> Visitor:
        self.response = response
        assert response.status_code == status, response.get_data(as_text=True)[:2000]
        assert response.mimetype == "text/html"
        self.page = _Page(self.html)
        return self
