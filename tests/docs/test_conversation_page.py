"""docs/conversation.md is what its generator writes."""

from __future__ import annotations

import subprocess
import sys

from docs.generate_conversation import PAGE, page
from onboarding_bot.conversation.command_rules import COMMAND_RULES
from onboarding_bot.conversation.commands import Command
from tests.docs.pages import ROOT


def test_the_page_is_what_the_generator_writes() -> None:
    assert PAGE.read_text() == page(), "run: python docs/generate_conversation.py"


def test_every_command_has_a_rule_and_says_what_it_does() -> None:
    assert set(COMMAND_RULES) == set(Command)
    assert all(rule.does for rule in COMMAND_RULES.values())


def test_the_generator_runs_from_anywhere() -> None:
    before = PAGE.stat().st_mtime_ns
    program = f"import runpy; runpy.run_path({str(ROOT / 'docs' / 'generate_conversation.py')!r}, run_name='tried')"
    subprocess.run([sys.executable, "-c", program], cwd="/", check=True, timeout=120)
    assert PAGE.stat().st_mtime_ns == before
