"""The dashboard in a real browser: at every size and in the dark, by keyboard alone, and free of barriers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, ViewportSize, expect, sync_playwright

from onboarding_bot.config import load_settings
from onboarding_bot.outbound.broadcast_definition import Definition
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.services.twilio_content_api import ContentApi
from onboarding_bot.storage.heartbeats import Heartbeat, Heartbeats
from tests.broadcasts.people import add, add_many, sender_of
from tests.broadcasts.world import World as Broadcasts
from tests.e2e.people_of_a_week import let_them_sign_up
from tests.e2e.world import ROOT, World, running_world
from tests.fakes import MovableClock
from tests.servers import missing
from tests.settings import ENVIRONMENT

PHONE, DESK = ViewportSize(width=360, height=740), ViewportSize(width=1280, height=800)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
KEY = ENVIRONMENT["ADMIN_API_KEY"]
FAIR = (
    "*MSMEBazaar fair* in Bengaluru on Saturday.\nStalls are _free_ for registered sellers: shall we keep one for you?"
)
STALL = "Your stall at the *fair* in {{1}} is kept until Friday."
RENEWS_AFTER_MS = 5000

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A bot of its own, whose figures no other test moves, and one approved template at its Twilio."""
    with running_world(tmp_path_factory.mktemp("dashboard")) as running:
        running.set_fault(template_approval_seconds=0)
        api = ContentApi(load_settings(running.environment))
        form = {"friendly_name": "stall", "language": "en", "variables": {"1": "Mysuru"}}
        api.submit(api.create(form | {"types": {"twilio/text": {"body": STALL}}}).sid, "stall", "UTILITY")
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def broadcasts(world: World) -> Broadcasts:
    """Nobody is known yet; and the worker's side, run by hand."""
    world.redis_client().flushall()
    return Broadcasts(redis=world.redis_client(), clock=MovableClock(datetime.now(UTC)))


Open = Callable[..., Page]


@pytest.fixture
def opens(browser: Browser, world: World) -> Iterator[Open]:
    """Opens a page in a browser of its own; every complaint of the browser's is a failure."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def hear(kind: str, text: str) -> None:
        # A page that there is not, or that is not allowed, is what some tests ask for.
        if kind == "error" and not text.startswith("Failed to load resource"):
            complaints.append(text)

    def open_page(path: str = "/dashboard", size: ViewportSize = DESK, **options: Any) -> Page:
        context = browser.new_context(viewport=size, locale="en-IN", timezone_id="Asia/Kolkata", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: hear(message.type, message.text))
        page.goto(world.bot_url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(page: Page) -> Page:
    page.get_by_label("Admin key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


def fair_under_way(broadcasts: Broadcasts) -> str:
    """A broadcast of which about a half is out; its id."""
    broadcast_id = broadcasts.sending(Definition(message=FAIR))
    broadcasts.records.set_fields(broadcast_id, counted_at="1", rate="11.4")
    people = sorted(broadcasts.by_person(broadcast_id).items())
    for number, (person_id, row) in enumerate(people[: len(people) * 6 // 10]):
        if row.state is RecipientState.PENDING:
            broadcasts.recipients.claim(broadcast_id, person_id, Definition(message=FAIR), broadcasts.now())
            state = {3: RecipientState.UNCERTAIN, 7: RecipientState.FAILED}.get(number % 31, RecipientState.SENT)
            broadcasts.recipients.record_send(
                broadcast_id,
                person_id,
                state,
                code="63024" if state is RecipientState.FAILED else "",
                message_sid=f"SM{number}",
            )
            if state is RecipientState.SENT and number % 4:
                told = "read" if number % 4 == 1 else "delivered"
                broadcasts.callbacks.apply(broadcast_id, person_id, f"SM{number}", told, 0)
    return broadcast_id


def fill_with_a_week(broadcasts: Broadcasts) -> str:
    """People, and broadcasts in every state; the id of the one under way."""
    let_them_sign_up(broadcasts.redis, per_day=24)
    # As if a worker looked after its work, and Twilio called back.
    heard = dict.fromkeys((Heartbeat.WORKER, Heartbeat.STATUS_CALLBACK), datetime.now(UTC))
    Heartbeats(broadcasts.redis, broadcasts.redis).write(heard)
    add_many(broadcasts.store, 30, first=60_000, wrote_at=broadcasts.now())
    add(broadcasts.store, sender_of(70_000), wrote_at=broadcasts.now(), has_stopped=True)
    done = broadcasts.sending(Definition(message="Our help desk is open on Sunday too, 10 to 4."))
    broadcasts.send_all(done)
    for _ in range(4):
        broadcasts.scheduler.tick()
        broadcasts.clock.pass_(seconds=1)
    assert broadcasts.status(done) is BroadcastStatus.COMPLETED
    broadcasts.service.cancel(broadcasts.create(Definition(message="The portal is down tonight from 23:00.")))
    stopped = broadcasts.sending(Definition(content_sid="HX" + "a" * 32, content_variables={"1": "Asha"}))
    broadcasts.records.transition(stopped, BroadcastStatus.STOPPED, list(BroadcastStatus), "Twilio error 63041")
    broadcasts.create(
        Definition(message="Your login link is waiting.", schedule_at=broadcasts.now() + timedelta(days=1))
    )
    return fair_under_way(broadcasts)


# --- looks, and barriers -------------------------------------------------------------------------------------------


def fits(page: Page) -> None:
    """Nothing is wider than the screen."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


def has_no_barrier(page: Page) -> None:
    """axe-core finds no violation of any of its rules."""
    if not AXE.exists():
        missing("axe-core (npm ci --prefix tests/e2e/axe)")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    assert found["testEngine"]["name"] == "axe-core"
    violations = [
        (rule["id"], rule["help"], [(node["html"], node["failureSummary"]) for node in rule["nodes"]])
        for rule in found["violations"]
    ]
    assert violations == [], f"{page.url}\n{json.dumps(violations, indent=1)}"


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["360 px, dark", "1280 px, light"])
def test_every_page_fits_and_has_no_barrier(
    opens: Open, broadcasts: Broadcasts, world: World, size: ViewportSize, scheme: str, tmp_path: Path
) -> None:
    page = opens(size=size, color_scheme=scheme)
    folder = ROOT / "docs" if os.environ.get("UPDATE_PICTURES") else tmp_path

    def look(at: str = "", picture: str = "") -> None:
        if at:
            page.goto(world.bot_url + at)
        fits(page)
        if picture:
            page.screenshot(path=folder / f"{picture}.png", full_page=size is PHONE)
        has_no_barrier(page)

    look()
    page.get_by_label("Admin key").fill("wrong-key-of-the-tests")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not open")
    look()
    sign_in(page)
    look("/dashboard")
    expect(page.locator("#broadcasts")).to_contain_text("No broadcast yet.")
    running = fill_with_a_week(broadcasts)
    # All who were signed in are forgotten with the rest when a test begins; this one came after.
    look("/dashboard?days=7", picture="dashboard" if size is DESK else "")
    for details in page.locator("details").all():
        details.locator("summary").click()
    look()
    look("/dashboard/broadcasts")
    look(f"/dashboard/broadcasts/{running}")
    look(f"/dashboard/broadcasts/{running}/cancel")
    look("/dashboard/broadcasts/new")
    page.get_by_label("Approved template").check()
    look()
    page.get_by_role("button", name="Count the recipients").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("ContentSid")).to_be_focused()
    look()
    page.get_by_label("Text", exact=True).first.check()
    page.get_by_role("textbox", name="Text").fill(FAIR)
    page.get_by_role("button", name="Count the recipients").click()
    expect(page.get_by_role("button", name="Continue")).to_be_focused()
    look()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Send this broadcast?")
    look(picture="dashboard-phone" if size is PHONE else "")
    look("/dashboard/no/such/page")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")


# --- with the keyboard alone ---------------------------------------------------------------------------------------


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until it is there; whatever is passed on the way can be seen to have the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if target.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError("Tab does not lead there")


def test_a_broadcast_is_sent_with_the_keyboard_alone(opens: Open, broadcasts: Broadcasts) -> None:
    add_many(broadcasts.store, 3, wrote_at=broadcasts.now())
    page = opens()
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    tab_to(page, page.get_by_role("link", name="Skip to the content"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Today"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "true")
    tab_to(page, page.locator("#new-broadcast"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New broadcast")
    tab_to(page, page.get_by_role("textbox", name="Text"))
    page.keyboard.type("*Hello* all")
    tab_to(page, page.get_by_role("button", name="Count the recipients"))
    page.keyboard.press("Enter")
    expect(page.locator("#counted")).to_contain_text("3")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Send this broadcast?")
    tab_to(page, page.get_by_role("button", name="Send to 3 people"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("The broadcast has begun")).to_be_visible()
    assert [broadcasts.record(one).definition.message for one in broadcasts.records.newest(0, 9)] == ["*Hello* all"]


# --- alive ---------------------------------------------------------------------------------------------------------


def test_the_page_renews_itself_and_leaves_the_reader_alone(opens: Open, broadcasts: Broadcasts, world: World) -> None:
    page = sign_in(opens())
    page.clock.install()
    page.goto(f"{world.bot_url}/dashboard")
    assert world.post("Hi").status_code == 200
    page.clock.fast_forward(RENEWS_AFTER_MS)
    expect(page.locator("#now")).to_contain_text("In conversation1")
    page.locator("#table-messages summary").focus()
    page.keyboard.press("Enter")
    assert world.post("Asha Devi").status_code == 200
    page.clock.fast_forward(RENEWS_AFTER_MS)
    expect(page.locator("#chart-messages")).to_contain_text("2 in 7 days")
    expect(page.locator("#table-messages")).to_have_attribute("open", "")
    focused = page.evaluate("document.activeElement.closest('details')?.id")
    assert focused == "table-messages", "the keyboard was thrown out of its place"


def test_a_hidden_page_asks_for_nothing_and_a_shown_one_at_once(
    opens: Open, broadcasts: Broadcasts, world: World
) -> None:
    page = sign_in(opens())
    page.clock.install()
    page.goto(f"{world.bot_url}/dashboard")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None)
    show = """hidden => {
        Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(show, True)
    page.clock.fast_forward(10 * RENEWS_AFTER_MS)
    assert asked == []
    with page.expect_response(f"{world.bot_url}/dashboard"):
        page.evaluate(show, False)


def test_when_the_server_does_not_answer_the_page_says_so_and_comes_back(
    opens: Open, broadcasts: Broadcasts, world: World
) -> None:
    page = sign_in(opens())
    page.clock.install()
    page.goto(f"{world.bot_url}/dashboard")

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/dashboard", cut)
    page.clock.fast_forward(RENEWS_AFTER_MS)
    expect(page.get_by_role("status")).to_contain_text("no answer, trying again")
    page.unroute("**/dashboard", cut)
    page.clock.fast_forward(RENEWS_AFTER_MS)
    expect(page.get_by_role("status")).to_be_empty()


def test_who_is_signed_out_elsewhere_is_asked_for_the_key(opens: Open, broadcasts: Broadcasts, world: World) -> None:
    page = sign_in(opens())
    page.clock.install()
    page.goto(f"{world.bot_url}/dashboard")
    world.redis_client().flushall()
    page.clock.fast_forward(RENEWS_AFTER_MS)
    expect(page.get_by_label("Admin key")).to_be_visible()


def test_a_message_is_shown_as_it_is_written(opens: Open, broadcasts: Broadcasts, world: World) -> None:
    page = sign_in(opens())
    page.goto(f"{world.bot_url}/dashboard/broadcasts/new")
    page.get_by_role("textbox", name="Text").fill("*Fair* <img src=x onerror=alert(1)>")
    bubble = page.locator(".bubble")
    expect(bubble.locator("strong")).to_have_text("Fair")
    expect(bubble).to_contain_text("<img src=x onerror=alert(1)>")


def test_an_approved_template_is_found_and_shown_with_its_values(
    opens: Open, broadcasts: Broadcasts, world: World
) -> None:
    page = sign_in(opens())
    page.goto(f"{world.bot_url}/dashboard/broadcasts/new")
    page.get_by_label("Approved template").check()
    option = page.locator("#templates option")
    expect(option).to_have_text("stall · English · Utility")
    page.get_by_label("ContentSid").fill(option.get_attribute("value") or "")
    page.get_by_label("Values").fill("1 = Bengaluru")
    expect(page.locator(".bubble")).to_have_text("Your stall at the fair in Bengaluru is kept until Friday.")
    expect(page.locator(".bubble strong")).to_have_text("fair")


def test_an_impatient_finger_sends_once(opens: Open, broadcasts: Broadcasts, world: World) -> None:
    add_many(broadcasts.store, 2, wrote_at=broadcasts.now())
    page = sign_in(opens())
    page.goto(f"{world.bot_url}/dashboard/broadcasts/new")
    page.get_by_role("textbox", name="Text").fill("Once")
    page.get_by_role("button", name="Count the recipients").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Send to 2 people").dblclick()
    expect(page.get_by_text("The broadcast has begun")).to_be_visible()
    assert len(broadcasts.records.newest(0, 9)) == 1


# --- without --------------------------------------------------------------------------------------------------------


def test_a_date_typed_in_part_does_not_mean_at_once(opens: Open, broadcasts: Broadcasts, world: World) -> None:
    page = sign_in(opens())
    page.goto(f"{world.bot_url}/dashboard/broadcasts/new")
    page.get_by_role("textbox", name="Text").fill("The fair opens.")
    page.get_by_label("Begin at, Indian time").click()
    page.keyboard.type("12")
    page.get_by_role("button", name="Count the recipients").click()
    expect(page.get_by_role("button", name="Count the recipients")).to_be_visible()
    expect(page.get_by_label("Begin at, Indian time")).to_be_focused()
    assert page.get_by_role("button", name="Continue: confirm").count() == 0


def test_without_a_script_everything_can_be_read_and_held(opens: Open, broadcasts: Broadcasts, world: World) -> None:
    add_many(broadcasts.store, 3, wrote_at=broadcasts.now())
    broadcast_id = fair_under_way(broadcasts)
    page = sign_in(opens(java_script_enabled=False))
    expect(page.locator("#funnel")).to_contain_text("Sector")
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.locator(f"#pause-{broadcast_id}").click()
    expect(page.locator("#broadcasts")).to_contain_text("Paused by an admin.")
    assert broadcasts.status(broadcast_id) is BroadcastStatus.PAUSED


def test_nothing_moves_for_those_who_want_it_still(opens: Open) -> None:
    page = opens(reduced_motion="reduce")
    button = page.get_by_role("button", name="Sign in")
    assert button.evaluate("node => getComputedStyle(node).transitionDuration") == "0s"


def test_a_link_in_a_chat_leads_in(opens: Open, broadcasts: Broadcasts, world: World) -> None:
    """The browser keeps a strict cookie back on a click from elsewhere; who is signed in gets in all the same."""
    page = sign_in(opens())
    page.goto(f"{world.simulator_url}/sim/faults")
    page.evaluate("url => { location.href = url }", f"{world.bot_url}/dashboard/broadcasts")
    expect(page.get_by_role("heading", level=1)).to_have_text("Broadcasts")


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param("http://another.example/", id="another site"),
        pytest.param("http://127.0.0.1:59999/", id="another port, which the browser sends the cookie from"),
    ],
)
def test_a_form_on_another_site_does_nothing(opens: Open, broadcasts: Broadcasts, world: World, elsewhere: str) -> None:
    """Neither as somebody who is signed in, nor to have them work under a key that its owner knows."""
    page = sign_in(opens())
    form = '<form method="post" action="{url}"><input name="key" value="{key}"><button>Win</button></form>'
    for path in ("/dashboard/sign-out", "/dashboard/sign-in"):
        html = form.format(url=world.bot_url + path, key=KEY)
        page.route(elsewhere, lambda route, _request, html=html: route.fulfill(body=html, content_type="text/html"))
        page.goto(elsewhere)
        page.get_by_role("button", name="Win").click()
        expect(page.get_by_role("heading", name="This is not allowed")).to_be_visible()
    page.goto(f"{world.bot_url}/dashboard")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
