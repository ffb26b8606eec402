"""Broadcasts on the chat page, in a real browser: they arrive, are counted as unread, and their buttons work."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers import missing
from tests.simulator.running_simulator import RunningSimulator, running_simulator

HERE, ELSEWHERE = "whatsapp:+919876543210", "whatsapp:+919812345678"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
TEMPLATE = {
    "friendly_name": "fair",
    "language": "en",
    "types": {
        "twilio/quick-reply": {
            "body": "*MSMEBazaar fair* in {{1}} on Saturday, {{2}}: shall we keep a stall for you?",
            "actions": [{"title": "Yes, please", "id": "yes"}, {"title": "Not this time", "id": "no"}],
        }
    },
}
_numbers = itertools.count(1)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with running_simulator(tmp_path_factory.mktemp("chat")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[360, 1280], ids=["360 px", "1280 px"])
def page(request: pytest.FixtureRequest, browser: Browser, simulator: RunningSimulator) -> Iterator[Page]:
    requests.put(f"{simulator.url}/sim/faults", json={"callbacks": "ok", "messages_per_second": "off"}, timeout=120)
    context = browser.new_context(viewport={"width": request.param, "height": 760}, locale="en-IN")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{simulator.url}/#{HERE}")
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def held(page: Page, simulator: RunningSimulator) -> str:
    """The phone in hand is one that nobody has used, and the drawer is open."""
    person = f"whatsapp:+9181000{next(_numbers):05}"
    page.goto(f"{simulator.url}/#{person}")
    page.get_by_test_id("drawer-toggle").click()
    return person


def shown(address: str) -> str:
    """The number as the page shows it."""
    return re.sub(r"whatsapp:\+91(\d{5})(\d{5})", r"+91 \1 \2", address)


def is_narrow(page: Page) -> bool:
    return bool(page.viewport_size and page.viewport_size["width"] == 360)


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_broadcast_arrives_and_waits_to_be_read(page: Page, simulator: RunningSimulator, tmp_path: Path) -> None:
    for person in (HERE, ELSEWHERE):
        simulator.send(To=person, Body="The office is closed on Monday.")
    bubble = page.locator("[data-testid=bubble][data-unasked]").last
    expect(bubble).to_contain_text("The office is closed")
    expect(bubble).to_contain_text("not a reply")
    if is_narrow(page):
        expect(page.locator("#elsewhere")).to_be_visible()
        page.locator("#to-people").click()
    other = page.locator(f'[data-testid=person][data-person="{ELSEWHERE}"]')
    expect(other.locator(".badge")).to_contain_text("unread")
    fits(page)
    page.screenshot(path=tmp_path / "unread.png")
    other.click()
    expect(page.get_by_test_id("log")).to_contain_text("The office is closed")
    expect(page.locator("#elsewhere")).to_be_hidden()


def test_a_templates_button_answers_for_the_owner(page: Page, simulator: RunningSimulator, tmp_path: Path) -> None:
    sid = simulator.create_template(TEMPLATE)
    simulator.send(To=HERE, ContentSid=sid, ContentVariables='{"1": "Pune", "2": "5 December"}')
    expect(page.get_by_test_id("log")).to_contain_text("MSMEBazaar fair in Pune on Saturday, 5 December")
    page.screenshot(path=tmp_path / "template.png")
    page.get_by_role("button", name="Yes, please").last.click()
    expect(page.locator('[data-testid=bubble][data-direction="out"]').last).to_contain_text("Yes, please")
    fits(page)


def test_the_drawer_switches_what_twilio_does(page: Page, simulator: RunningSimulator, tmp_path: Path) -> None:
    page.get_by_test_id("drawer-toggle").click()
    for name, value in {
        "messages-per-second": "80",
        "callbacks": "shuffled",
        "window": "enforced",
        "advanced-opt-out": "on",
        "user-ids": "refused",
    }.items():
        page.get_by_test_id(f"{name}-fault").select_option(value)
        expect(page.locator(f"#{name}-meaning")).not_to_be_empty()
    expect(page.locator("#fault-alarm")).to_be_visible()
    page.get_by_test_id("messages-per-second-fault").scroll_into_view_if_needed()
    fits(page)
    page.screenshot(path=tmp_path / "drawer.png")
    faults = simulator.faults()
    assert (faults["messages_per_second"], faults["callbacks"]) == (80, "shuffled")
    assert (faults["window"], faults["advanced_opt_out"], faults["user_ids"]) == ("enforced", "on", "refused")
    requests.put(f"{simulator.url}/sim/faults", json={"messages_per_second": 37, "callbacks": "ok"}, timeout=120)
    expect(page.get_by_test_id("messages-per-second-fault")).to_have_value("37")
    healthy = {"messages_per_second": "off", "window": "off", "advanced_opt_out": "off", "user_ids": "ok"}
    requests.put(f"{simulator.url}/sim/faults", json=healthy, timeout=120)
    expect(page.locator("#fault-alarm")).to_be_hidden()


def test_a_list_of_hundreds_stays_short(page: Page, simulator: RunningSimulator) -> None:
    for number in range(150):
        simulator.send(To=f"whatsapp:+9180000{number:05}", Body="News")
    if is_narrow(page):
        page.locator("#to-people").click()
    expect(page.locator("#people-more")).to_contain_text("more phones")
    assert page.locator("[data-testid=person]").count() <= 101


def test_the_drawer_hides_the_number_with_the_keyboard(
    page: Page, simulator: RunningSimulator, held: str, tmp_path: Path
) -> None:
    sees, hide = page.get_by_test_id("number-sees"), page.get_by_role("switch", name="Hide my number")
    expect(sees).to_have_text(f"The bot sees {shown(held)} and an id.")
    expect(hide).not_to_be_checked()
    hide.focus()
    page.keyboard.press("Space")
    expect(sees).to_contain_text("nothing but the id IN.")
    expect(page.locator("#number-outcome")).to_contain_text("hidden from the next message on")
    assert simulator.phone(held)["hides_number"]
    expect(page.locator("#note")).to_contain_text(f"{shown(held)} (hidden)")
    fits(page)
    hide.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "hidden-number.png")
    page.reload()
    page.get_by_test_id("drawer-toggle").click()
    expect(hide).to_be_checked()
    hide.focus()
    page.keyboard.press("Space")
    expect(sees).to_contain_text(f"The bot sees {shown(held)} and the id IN.")


def test_the_drawer_gives_the_phone_a_new_number(page: Page, simulator: RunningSimulator, held: str) -> None:
    page.get_by_role("button", name="New number").press("Enter")
    expect(page.locator("#number-outcome")).to_contain_text("This phone has the number +91")
    phone = simulator.phone(held)
    assert phone["number"] != held
    expect(page.get_by_test_id("number-sees")).to_contain_text(f"The bot sees {shown(phone['number'])} and the id IN.")
    expect(page.locator("#note")).to_contain_text(shown(phone["number"]))
    fits(page)


def test_the_drawer_passes_the_number_on_and_opens_the_other_phone(
    page: Page, simulator: RunningSimulator, held: str, tmp_path: Path
) -> None:
    page.get_by_role("button", name="Number passed on").press("Enter")
    expect(page.locator("#number-outcome")).to_contain_text(f"somebody else, who has {shown(held)} now")
    expect(page.locator("#note")).to_contain_text(f"You hold the phone of {shown(held)}.")
    expect(page).not_to_have_url(f"{simulator.url}/#{held}")
    simulator.send(To=held, Body="For whoever has the number")
    expect(page.get_by_test_id("log")).to_contain_text("For whoever has the number")
    fits(page)
    page.get_by_test_id("pass-number-on").scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "passed-on.png")
    page.keyboard.press("Escape")
    if is_narrow(page):
        page.locator("#to-people").click()
    page.locator(f'[data-testid=person][data-person="{held}"]').click()
    expect(page.locator("#note")).to_contain_text("You hold the phone of IN.")
    expect(page.get_by_test_id("log")).not_to_contain_text("For whoever has the number")
    page.get_by_test_id("drawer-toggle").click()
    expect(page.get_by_test_id("number-sees")).to_contain_text("This phone has no number. The bot sees nothing but")
    expect(page.get_by_test_id("hide-number")).to_be_disabled()
    expect(page.get_by_test_id("pass-number-on")).to_be_disabled()
    page.get_by_test_id("new-number").click()
    expect(page.get_by_test_id("hide-number")).to_be_enabled()
    expect(page.get_by_test_id("hide-number")).not_to_be_checked()
    fits(page)


def test_the_form_for_a_new_person_opens_the_phone_that_has_the_number(
    page: Page, simulator: RunningSimulator, held: str
) -> None:
    page.get_by_test_id("pass-number-on").click()
    expect(page).not_to_have_url(f"{simulator.url}/#{held}")
    other = page.url
    page.keyboard.press("Escape")
    page.goto(f"{simulator.url}/#{HERE}")
    if is_narrow(page):
        page.locator("#to-people").click()
    page.get_by_test_id("new-person").click()
    page.get_by_label("Number or WhatsApp id").fill(held)
    page.get_by_role("button", name="Start chat").click()
    expect(page).to_have_url(other)
