"""The templates against the simulator's Content API: brought there once, approved by its Meta, found by the bot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from onboarding_bot.config import load_settings
from onboarding_bot.services.twilio_content_api import ContentApi
from onboarding_bot.services.whatsapp_template_lookup import ApprovedTemplates
from tests.e2e.world import PATIENCE_SECONDS, ROOT, World


@pytest.fixture
def quick_meta(world: World) -> Iterator[World]:
    """Meta decides at once, and in our favour."""
    world.set_fault(template_approval_seconds=0)
    yield world
    world.set_fault(template_approval_seconds=6, template_category="as_submitted")


def sync(world: World, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "onboarding_bot", "templates", "sync", *options]
    return subprocess.run(
        command, cwd=ROOT, env=world.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def lookup(world: World) -> ApprovedTemplates:
    return ApprovedTemplates(ContentApi(load_settings(world.environment)))


def test_templates_are_brought_approved_and_found(quick_meta: World) -> None:
    world = quick_meta
    planned = sync(world, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("would be created") == 6
    assert lookup(world).approved() == []

    assert "6 created, 6 submitted to WhatsApp." in sync(world).stdout
    again = sync(world)
    assert again.stdout.count("  ready") == 6
    assert again.stdout.endswith("Everything is at Twilio already; nothing was changed.\n")

    found = lookup(world).approved()
    assert len(found) == 6
    nudge = next(content for content in found if "_nudge_" in content.friendly_name and content.language == "hi")
    assert nudge.sid in again.stdout
    assert lookup(world).category_of(nudge.sid) == "service"

    world.set_fault(template_category="marketing")
    assert "Meta made it MARKETING" in sync(world).stdout
    assert lookup(world).category_of(nudge.sid) == "marketing"
