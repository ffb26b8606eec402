"""An outage that is longer than Twilio's retries: people write to a bot that is gone, and hear from it afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from onboarding_bot.catch_up import CatchUpReport, CatchUpResult
from onboarding_bot.clock import Clock
from onboarding_bot.config import load_settings
from onboarding_bot.wiring import build_parts
from tests.e2e.world import PATIENCE_SECONDS, ROOT, World, eventually


def program(world: World, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What ``deploy.sh catch-up`` runs."""
    return subprocess.run(
        [sys.executable, "-m", "onboarding_bot", "catch-up", *arguments],
        cwd=ROOT,
        env=world.environment | settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def catch_up_two_minutes_later(world: World) -> CatchUpReport:
    """An operator's run, when Twilio has surely given up."""
    clock = Clock(now=lambda: datetime.now(UTC) + timedelta(minutes=2))
    return build_parts(load_settings(world.environment), clock=clock).conversation.catch_up.run(
        timedelta(minutes=30), dry_run=False
    )


def sent_by_itself(world: World) -> list[tuple[str, str]]:
    """Every message that came to a phone without being the TwiML reply to one."""
    return [
        (event["person"], event["text"])
        for event in world.events()
        if event["kind"] == "reply" and not event["in_reply_to"]
    ]


def test_after_an_outage_everybody_hears_from_the_bot_once(world: World) -> None:
    before = len(sent_by_itself(world))
    named, finishing, leaving, happy, newcomer = (f"whatsapp:+91900001{number:04}" for number in range(5))
    for text in ("Hi", "Asha Devi"):
        world.post(text, named)
    world.answer_everything(finishing)
    world.post("Hi", leaving)
    world.converse("Hi", happy)

    assert world.bot.stop() == 0
    lost = [
        world.write(*wrote) for wrote in (("Retail", named), ("YES", finishing), ("STOP", leaving), ("Hi", newcomer))
    ]
    lost.append(world.write("7", named))
    eventually(lambda: is_given_up(world, lost), "Twilio gave up")
    world.start_bot()

    told = program(world, "--since", "30m", "--dry-run")
    assert (told.returncode, told.stderr) == (0, "")
    assert "left to Twilio's own retries" in told.stdout
    assert "+91" not in told.stdout

    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: catch_up_two_minutes_later(world), range(2)))
    results = runs[0].results + runs[1].results
    assert (results[CatchUpResult.BACK], results[CatchUpResult.WELCOMED], results[CatchUpResult.STOPPED]) == (2, 1, 1)
    heard = dict(eventually(lambda: len(found := sent_by_itself(world)[before:]) >= 4 and found, "four messages"))
    assert Counter(person for person, _ in sent_by_itself(world)[before:]) == Counter(
        [named, finishing, leaving, newcomer]
    )
    assert "We are back" in heard[named]
    assert "Retail" in heard[named]
    assert "YES" in heard[finishing]
    assert "Welcome to MSMEBazaar" in heard[newcomer]
    assert heard[leaving].startswith("Done: you will get no reminders")

    assert "Thank you" in world.converse("Ravi Kumar", newcomer)
    assert "pincode" in world.converse("7", named)
    assert "token=" in world.converse("YES", finishing)
    later = catch_up_two_minutes_later(world).results
    assert not later[CatchUpResult.BACK] + later[CatchUpResult.WELCOMED] + later[CatchUpResult.STOPPED]


def is_given_up(world: World, sids: list[str]) -> bool:
    failed = {
        event["message_sid"] for event in world.events() if event["kind"] == "status" and event["status"] == "failed"
    }
    return failed >= set(sids)


def test_without_twilio_it_says_what_is_wrong(world: World) -> None:
    told = program(world, "--since", "30m", TWILIO_AUTH_TOKEN="another-token-than-the-real-one")
    assert told.returncode == 1
    assert "TWILIO_AUTH_TOKEN" in told.stderr
    assert "nobody is written to twice" in told.stderr
