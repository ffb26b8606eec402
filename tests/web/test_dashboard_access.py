"""Who gets into the dashboard, how long, and what a page lets into itself."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie

import pytest
from flask import Flask, Request
from redis import Redis
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from onboarding_bot.app import create_app
from onboarding_bot.web.dashboard.forms import SameOrigin
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import ENVIRONMENT, settings
from tests.stored_bytes import stored_value
from tests.web.visitor import KEY, Visitor

READER = "reader-key-of-the-tests"
NAMED = f"asha:read+send:{KEY},reader:read:{READER},sender:send:sender-key-of-the-tests"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def app_with(redis: Redis, clock: MovableClock, **changes: str) -> Flask:
    return create_app(settings(**changes), redis=redis, otp_service=FakeOtpService(), clock=clock.clock())


def cookie_of(visitor: Visitor, name: str = "__Host-dashboard") -> str | None:
    cookie = visitor.client.get_cookie(name, path="/")
    return cookie.value if cookie else None


# --- signing in ----------------------------------------------------------------------------------------------------


def test_an_admin_signs_in_and_sees_the_overview(visitor: Visitor) -> None:
    visitor.opens("/dashboard")
    assert "Admin key" in visitor.text
    visitor.signs_in()
    assert "Where people are" in visitor.text
    assert "Updated 12:00:00 IST" in visitor.text


def test_the_page_that_was_asked_for_comes_after_the_sign_in(visitor: Visitor) -> None:
    visitor.opens("/dashboard/broadcasts?page=1").submits("/dashboard/sign-in", {"key": KEY})
    assert "No broadcast was made yet" in visitor.text


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/dashboard",
        "//evil.example/dashboard",
        "/\\evil.example",
        "/dashboard\\@evil.example",
        "/dashboardish",
        "/stats",
        "javascript:alert(1)",
        "/dashboard\r\nX: y",
        "http:///dashboard",
        "//[",
        "//ex\u2100mple",
    ],
)
def test_nobody_is_led_elsewhere_by_a_sign_in(visitor: Visitor, target: str) -> None:
    visitor.opens("/dashboard")
    assert visitor.client.get("/dashboard/sign-in", query_string={"next": target}).status_code == 200
    form = visitor.form("/dashboard/sign-in").fields | {"key": KEY, "next": target}
    response = visitor.client.post("/dashboard/sign-in", data=form)
    assert (response.status_code, response.headers["Location"]) == (303, "/dashboard")


@pytest.mark.parametrize("key", ["wrong-key-of-the-tests", "", " ", "é", "a" * 10_000, ENVIRONMENT["HANDOFF_API_KEY"]])
def test_a_wrong_key_opens_nothing(visitor: Visitor, redis: Redis, key: str) -> None:
    visitor.signs_in(key, status=403)
    assert "This key does not open the dashboard" in visitor.text
    assert visitor.form("/dashboard/sign-in").fields["key"] == ""
    assert redis.keys("*sign-in*") == []
    visitor.opens("/dashboard")
    assert "Admin key" in visitor.text


def test_a_wrong_key_is_logged_without_the_key(visitor: Visitor, capsys: pytest.CaptureFixture[str]) -> None:
    visitor.signs_in("wrong-key-of-the-tests", status=403)
    log = capsys.readouterr().out
    assert "wrong_key" in log
    assert "wrong-key-of-the-tests" not in log


def test_who_signs_in_stands_in_the_log_by_name(
    redis: Redis, clock: MovableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    Visitor(app_with(redis, clock, ADMIN_API_KEY=NAMED)).signs_in(READER)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "dashboard.sign-in" in line]
    assert "reader" in line
    assert READER not in line


def test_a_key_that_may_not_read_does_not_open_it(redis: Redis, clock: MovableClock) -> None:
    Visitor(app_with(redis, clock, ADMIN_API_KEY=NAMED)).signs_in("sender-key-of-the-tests", status=403)


def test_who_is_signed_in_needs_no_second_sign_in(visitor: Visitor) -> None:
    visitor.signs_in().opens("/dashboard/sign-in")
    assert "Where people are" in visitor.text


def test_a_sign_out_ends_it_in_the_browser_and_here(visitor: Visitor, redis: Redis) -> None:
    visitor.signs_in()
    stolen = cookie_of(visitor)
    visitor.submits("/dashboard/sign-out")
    assert "Admin key" in visitor.text
    assert redis.keys("*sign-in*") == []
    assert stolen is not None
    visitor.client.set_cookie("__Host-dashboard", stolen)
    visitor.opens("/dashboard")
    assert "Admin key" in visitor.text


def test_after_eight_hours_it_is_over(visitor: Visitor, redis: Redis) -> None:
    visitor.signs_in()
    (name,) = redis.keys("*sign-in*")
    assert 8 * 3600 - 60 < redis.ttl(name) <= 8 * 3600
    redis.delete(name)
    visitor.opens("/dashboard")
    assert "Admin key" in visitor.text


def test_a_key_that_was_removed_opens_nothing_any_more(redis: Redis, clock: MovableClock) -> None:
    visitor = Visitor(app_with(redis, clock, ADMIN_API_KEY=NAMED)).signs_in(READER)
    cookie = cookie_of(visitor)
    assert cookie is not None
    for keys, heading in ((NAMED, "Where people are"), (f"asha:read+send:{KEY}", "Admin key")):
        later = Visitor(app_with(redis, clock, ADMIN_API_KEY=keys))
        later.client.set_cookie("__Host-dashboard", cookie)
        later.opens("/dashboard")
        assert heading in later.text


def test_a_role_that_was_taken_away_is_gone_at_once(redis: Redis, clock: MovableClock) -> None:
    visitor = Visitor(app_with(redis, clock, ADMIN_API_KEY=NAMED)).signs_in()
    cookie = cookie_of(visitor)
    assert cookie is not None
    later = Visitor(app_with(redis, clock, ADMIN_API_KEY=f"asha:read:{KEY}"))
    later.client.set_cookie("__Host-dashboard", cookie)
    later.opens("/dashboard/broadcasts/new", status=403)
    assert "it lacks the role send" in later.text


# --- too often -----------------------------------------------------------------------------------------------------


def test_who_guesses_keys_is_made_to_wait_and_who_has_one_is_let_in(visitor: Visitor) -> None:
    for _ in range(10):
        visitor.signs_in("wrong-key-of-the-tests", status=403)
    visitor.opens("/dashboard").submits("/dashboard/sign-in", {"key": "one-more-wrong-key"}, status=429)
    assert "Go on in" in visitor.text
    assert visitor.response is not None
    assert 1 <= int(visitor.response.headers["Retry-After"]) <= 60
    visitor.signs_in()
    assert "Where people are" in visitor.text


def test_a_page_that_renews_itself_is_no_flood(visitor: Visitor) -> None:
    visitor.signs_in()
    for _ in range(70):
        assert visitor.client.get("/dashboard/broadcasts").status_code == 200
    for _ in range(70):
        assert visitor.client.get("/dashboard/static/0/dashboard.css").status_code == 200
    visitor.submits("/dashboard/sign-out")
    for _ in range(60):
        visitor.client.get("/dashboard/sign-in")
    visitor.opens("/dashboard/sign-in", status=429)


# --- the cookie ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "name", "is_secure"),
    [("https://bot.example.in", "__Host-dashboard", True), ("http://127.0.0.1:5000", "dashboard", False)],
)
def test_the_cookie_keeps_itself_to_itself(
    redis: Redis, clock: MovableClock, base: str, name: str, is_secure: bool
) -> None:
    visitor = Visitor(app_with(redis, clock, PUBLIC_BASE_URL=base)).opens("/dashboard")
    form = visitor.form("/dashboard/sign-in").fields | {"key": KEY}
    for response in (visitor.client.get("/dashboard/sign-in"), visitor.client.post("/dashboard/sign-in", data=form)):
        given = SimpleCookie("; ".join(response.headers.getlist("Set-Cookie")))
        for morsel in given.values():
            assert morsel.key == name
            assert (bool(morsel["secure"]), morsel["httponly"], morsel["samesite"]) == (is_secure, True, "Strict")
            assert (morsel["path"], morsel["domain"], morsel["max-age"]) == ("/", "", "28800")
    assert list(given) == [name]


def test_neither_cookie_nor_redis_nor_page_holds_the_key(visitor: Visitor, redis: Redis) -> None:
    before = cookie_of(visitor.opens("/dashboard"))
    visitor.signs_in()
    cookie = cookie_of(visitor)
    assert cookie
    assert cookie != before, "somebody who had set the cookie before would be signed in, too"
    kept = {name: stored_value(redis, name) for name in redis.scan_iter("*sign-in*")}
    assert len(kept) == 1
    for secret in (KEY, cookie):
        assert secret.encode() not in b" ".join([*kept, *kept.values()])
    assert KEY not in cookie
    assert KEY not in visitor.html
    assert cookie not in visitor.html


def test_a_link_in_a_chat_does_not_sign_anybody_out(visitor: Visitor) -> None:
    """Browsers keep a strict cookie back on such a click: the page that comes sets none, and opens itself again."""
    for path in ("/dashboard", "/dashboard/sign-in", "/dashboard/broadcasts?page=1"):
        visitor.opens(path, Sec_Fetch_Site="cross-site")
        assert visitor.response is not None
        assert "Set-Cookie" not in visitor.response.headers
        assert '<meta http-equiv="refresh" content="0">' in visitor.html
        assert visitor.page.links == [path]


# --- forms ---------------------------------------------------------------------------------------------------------


URL = ENVIRONMENT["PUBLIC_BASE_URL"]
# What a browser says of the page that sent a form, and whether that was a page of the dashboard.
SENDERS = [
    pytest.param({"Sec-Fetch-Site": "same-origin"}, True, id="a page of the dashboard"),
    pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": URL}, True, id="a page of the dashboard, said twice"),
    pytest.param({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True, id="a page whose origin is kept back"),
    pytest.param({"Sec-Fetch-Site": "none"}, True, id="the person, by the reload button"),
    pytest.param({"Sec-Fetch-Site": "cross-site"}, False, id="another site"),
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": URL}, False, id="another site, whatever origin is named"),
    pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "https://blog.example.in"}, False, id="a sister domain"),
    pytest.param({"Sec-Fetch-Site": ""}, False, id="nothing under the name"),
    pytest.param({"Sec-Fetch-Site": "same-origin,cross-site"}, False, id="two words"),
    pytest.param({"Sec-Fetch-Site": "Same-Origin"}, False, id="no word of the standard"),
    pytest.param({"Origin": URL}, True, id="an old browser, a page of the dashboard"),
    pytest.param({"Origin": "https://evil.example"}, False, id="an old browser, another site"),
    pytest.param({"Origin": f"{URL}.evil.example"}, False, id="an old browser, a longer name"),
    pytest.param({"Origin": URL.replace("https:", "http:")}, False, id="an old browser, the same name without TLS"),
    pytest.param({"Origin": f"{URL}:8443"}, False, id="an old browser, another port"),
    pytest.param({"Origin": "null"}, False, id="an old browser, a page in a frame without an origin"),
    pytest.param({"Origin": ""}, False, id="an old browser, an empty origin"),
    pytest.param({"Origin": "http://localhost"}, False, id="an old browser, the name that the proxy calls"),
    pytest.param({}, False, id="a browser that says nothing"),
    pytest.param({"Referer": f"{URL}/dashboard"}, False, id="a browser that names the page alone"),
]


def says(visitor: Visitor, headers: dict[str, str]) -> Visitor:
    """The same visitor, whose browser says this of every form from now on."""
    visitor.client.environ_base.pop("HTTP_SEC_FETCH_SITE", None)
    for name, value in headers.items():
        visitor.client.environ_base[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return visitor


@pytest.mark.parametrize(("headers", "is_own"), SENDERS)
def test_only_a_page_of_the_dashboard_signs_in(visitor: Visitor, headers: dict[str, str], is_own: bool) -> None:
    """A page elsewhere could have somebody work under a key that it knows."""
    before = cookie_of(visitor.opens("/dashboard"))
    says(visitor, headers).submits("/dashboard/sign-in", {"key": KEY}, status=200 if is_own else 403)
    assert ("Where people are" if is_own else "Open the page again, and repeat it there") in visitor.text
    assert (cookie_of(visitor) != before) is is_own


@pytest.mark.parametrize(("headers", "is_own"), SENDERS)
def test_only_a_page_of_the_dashboard_signs_out(visitor: Visitor, headers: dict[str, str], is_own: bool) -> None:
    visitor.signs_in()
    says(visitor, headers).submits("/dashboard/sign-out", status=200 if is_own else 403)
    visitor.client.environ_base.clear()
    visitor.opens("/dashboard")
    assert ("Admin key" if is_own else "Where people are") in visitor.text


@pytest.mark.parametrize(
    ("base", "host", "origin", "is_own"),
    [
        ("https://bot.example.in:443", "bot:5000", "https://bot.example.in", True),
        ("https://Bot.example.in/whatsapp", "bot:5000", "https://bot.example.in", True),
        ("https://bot.example.in:8443", "bot:5000", "https://bot.example.in:8443", True),
        ("https://bot.example.in", "bot:5000", "http://bot:5000", False),
        ("http://127.0.0.1:5000", "127.0.0.1:5000", "http://127.0.0.1:5000", True),
        ("http://127.0.0.1:5000", "192.168.1.7:5000", "http://192.168.1.7:5000", True),
        ("http://127.0.0.1:5000", "[fd00::7]:5000", "http://[fd00::7]:5000", True),
        ("http://127.0.0.1:80", "127.0.0.1", "http://127.0.0.1", True),
        ("http://127.0.0.1:5000", "192.168.1.7:5000", "http://192.168.1.8:5000", False),
        ("http://127.0.0.1:5000", "192.168.1.7:5000", "http://evil.example", False),
    ],
)
def test_where_sec_fetch_site_is_not_sent_the_origin_decides(base: str, host: str, origin: str, is_own: bool) -> None:
    """Over plain http no browser sends it but to its own machine; the demo is opened from a phone that way."""
    builder = EnvironBuilder(base_url=f"http://{host}/", method="POST", headers=Headers({"Origin": origin}))
    assert SameOrigin(base).sent(Request(builder.get_environ())) is is_own


def test_a_page_of_an_earlier_release_is_still_taken(visitor: Visitor) -> None:
    """While a new release is rolled out; its token is passed over."""
    visitor.opens("/dashboard").submits("/dashboard/sign-in", {"key": KEY, "csrf_token": "0" * 64})
    assert "Where people are" in visitor.text


def test_a_browser_that_keeps_no_cookies_is_told_so(visitor: Visitor) -> None:
    form = visitor.opens("/dashboard").form("/dashboard/sign-in").fields
    visitor.client.delete_cookie("__Host-dashboard")
    visitor._shows(visitor.client.post("/dashboard/sign-in", data=form | {"key": KEY}), 403)
    assert "Your browser sent no cookie" in visitor.text
    assert "https" in visitor.text


# --- what a page lets in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "status"), [("", 200), ("/broadcasts", 200), ("/broadcasts/new", 200), ("/x", 404)])
def test_a_page_takes_nothing_from_elsewhere(visitor: Visitor, path: str, status: int) -> None:
    visitor.signs_in(at="/dashboard/broadcasts").opens(f"/dashboard{path}", status)
    assert visitor.response is not None
    headers = visitor.response.headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src", "form-action")} == {"'self'"}
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert not re.search(r"https?://", visitor.html)
    assert not re.search(r"<style|<script(?![^>]* src=)|\son\w+=|\sstyle=", visitor.html)


def test_behind_a_path_prefix_links_lead_back_through_it(redis: Redis, clock: MovableClock) -> None:
    client = app_with(redis, clock, PUBLIC_BASE_URL="https://example.in/whatsapp").test_client()
    sent_on = client.get("/dashboard?days=30").headers["Location"]
    assert sent_on == "/whatsapp/dashboard/sign-in?next=/whatsapp/dashboard?days%3D30"
    page = client.get("/dashboard/sign-in?next=/whatsapp/dashboard?days%3D30").get_data(as_text=True)
    assert not re.search(r'(?:href|src|action|value)="/(?!whatsapp/)', page)
    form = {"key": KEY, "next": "/whatsapp/dashboard?days=30"}
    own = {"Origin": "https://example.in"}
    assert (
        client.post("/dashboard/sign-in", data=form, headers=own).headers["Location"] == "/whatsapp/dashboard?days=30"
    )
    page = client.get("/dashboard?days=30").get_data(as_text=True)
    assert "in 30 days" in page
    assert not re.search(r'(?:href|src|action)="/(?!whatsapp/)', page)


def test_looks_and_script_are_kept_for_a_year_under_a_name_that_changes(visitor: Visitor) -> None:
    visitor.opens("/dashboard")
    addresses = set(re.findall(r'(?:href|src)="(/dashboard/static/[^"]+)"', visitor.html))
    assert {address.rpartition(".")[2] for address in addresses} == {"css", "js", "svg"}
    for address in addresses:
        response = visitor.client.get(address)
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in response.headers
    earlier = visitor.client.get(re.sub("static/[0-9a-f]+", "static/000000000000", address))
    assert (earlier.status_code, earlier.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["../routes.py", "%2e%2e/routes.py", "x.css", "/etc/passwd", ""])
def test_nothing_else_is_served(visitor: Visitor, name: str) -> None:
    response = visitor.client.get(f"/dashboard/static/0/{name}", follow_redirects=True)
    assert response.status_code == 404 or b"Admin key" in response.data
    assert b"Blueprint" not in response.data
