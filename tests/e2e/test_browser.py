"""An owner on the chat page, in a real browser: from Hi to the login page that greets by name."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.e2e.world import ROOT, World
from tests.servers import missing

PHONE = ViewportSize(width=360, height=740)
DESK = ViewportSize(width=1280, height=800)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[PHONE, DESK], ids=["360 px", "1280 px"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=request.param, locale="en-IN", timezone_id="Asia/Kolkata")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert complaints == []


def pictures(tmp_path: Path) -> Path:
    """Where pictures go: the documents' own are only replaced on request."""
    return ROOT / "docs" if os.environ.get("UPDATE_PICTURES") else tmp_path


def open_chat(page: Page, world: World, owner: str) -> None:
    page.goto(f"{world.simulator_url}/#{owner}")
    page.reload()
    expect(page.get_by_test_id("composer")).to_be_visible()


def say(page: Page, text: str) -> None:
    """Type as a person does, and wait until the bot has answered."""
    answered = page.locator('[data-testid=bubble][data-direction="in"]')
    before = answered.count()
    page.get_by_test_id("composer").fill(text)
    page.get_by_test_id("composer").press("Enter")
    expect(answered).to_have_count(before + 1, timeout=15_000)


def turn_in_drawer(page: Page, test_id: str) -> None:
    """Open the drawer, use one of its parts with the keyboard, wait for what it says, and close the drawer."""
    page.get_by_test_id("drawer-toggle").click()
    page.get_by_test_id(test_id).press("Space")
    expect(page.locator("#number-outcome")).not_to_be_empty()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("drawer")).to_be_hidden()


def log_in(page: Page, phone: str, code: str) -> Page:
    """Follow the latest login link, and enter the number and the code."""
    with page.expect_popup() as popup:
        page.get_by_role("link", name="login?source=whatsapp").last.click()
    login = popup.value
    login.set_viewport_size(page.viewport_size or PHONE)
    fits(login)
    login.get_by_label(re.compile("mobile", re.IGNORECASE)).fill(phone)
    login.get_by_label(re.compile("code", re.IGNORECASE)).fill(code)
    login.keyboard.press("Enter")
    return login


def fits(page: Page) -> None:
    """Nothing is wider than the screen."""
    # A page that has just been opened has no document yet.
    page.wait_for_function("document.documentElement !== null")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_an_owner_signs_up_and_logs_in(page: Page, world: World, owner: str, tmp_path: Path) -> None:
    open_chat(page, world, owner)
    for text in ("Hi", "Asha Devi", "texttile", "560 01", "560001", "1"):
        say(page, text)
    expect(page.get_by_test_id("log")).to_contain_text("Textile")
    size = page.viewport_size or PHONE
    name = "chat-phone" if size["width"] == PHONE["width"] else "chat"
    fits(page)
    page.screenshot(path=pictures(tmp_path) / f"{name}.png")
    say(page, "YES")
    code = page.get_by_test_id("sms-code").last.inner_text()
    login = log_in(page, owner.removeprefix("whatsapp:+91"), code)
    expect(login.get_by_text("Welcome, Asha Devi")).to_be_visible()


def test_an_owner_who_hides_the_number_in_the_middle_signs_up_and_logs_in(
    page: Page, world: World, owner: str, tmp_path: Path
) -> None:
    number = owner.removeprefix("whatsapp:+91")
    open_chat(page, world, owner)
    for text in ("Hi", "Asha Devi"):
        say(page, text)
    turn_in_drawer(page, "hide-number")
    for text in ("Retail", "560001", number):
        say(page, text)
    fits(page)
    page.screenshot(path=tmp_path / "hidden-number.png")
    say(page, "YES")
    login = log_in(page, number, page.get_by_test_id("sms-code").last.inner_text())
    expect(login.get_by_text("Welcome, Asha Devi")).to_be_visible()
    own = world.phone(owner)["user_id"]
    assert world.at_twilio(From=owner) == ["Asha Devi", "Hi"]
    assert world.at_twilio(From=own) == ["YES", number, "560001", "Retail"]
    # Shown again, the number leads to the same owner.
    turn_in_drawer(page, "hide-number")
    say(page, "STATUS")
    expect(page.get_by_test_id("log")).to_contain_text("Asha Devi")


def test_who_gets_the_number_of_an_owner_sees_nothing_of_hers(page: Page, world: World, owner: str) -> None:
    open_chat(page, world, owner)
    for text in ("Hi", "Meena Rao", "Retail"):
        say(page, text)
    turn_in_drawer(page, "pass-number-on")
    expect(page).not_to_have_url(f"{world.simulator_url}/#{owner}")
    log = page.get_by_test_id("log")
    for text in ("STATUS", "MY DATA", "Hi", "Ravi Kumar"):
        say(page, text)
    expect(log).to_contain_text("Welcome to MSMEBazaar")
    expect(log).to_contain_text("Ravi Kumar")
    for secret in ("Meena", "Sector: Retail"):
        expect(log).not_to_contain_text(secret)
    fits(page)
    theirs = page.url
    open_chat(page, world, owner)
    expect(page.locator('[data-testid=bubble][data-direction="in"]')).to_have_count(3)
    say(page, "560001")
    say(page, "STATUS")
    expect(log.locator("[data-testid=bubble]").last).to_contain_text("Meena Rao")
    expect(log).not_to_contain_text("Ravi")
    page.goto(theirs)
    page.reload()
    expect(log).to_contain_text("Ravi Kumar")
    say(page, "STATUS")
    expect(log).not_to_contain_text("Meena Rao")


def test_the_hard_cases_end_well(page: Page, world: World, owner: str) -> None:
    open_chat(page, world, owner)
    say(page, "Hi")
    page.get_by_test_id("drawer-toggle").click()
    expect(page.get_by_test_id("drawer")).to_be_visible()
    page.get_by_test_id("case-voice").click()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("log")).to_contain_text("voice note")
    fits(page)


def test_a_conversation_can_be_saved_as_a_transcript(page: Page, world: World, owner: str, tmp_path: Path) -> None:
    open_chat(page, world, owner)
    say(page, "Hi")
    page.get_by_test_id("drawer-toggle").click()
    with page.expect_download() as download:
        page.get_by_test_id("save-transcript").click()
    saved = tmp_path / "transcript.json"
    download.value.save_as(saved)
    assert '"Hi"' in saved.read_text()
