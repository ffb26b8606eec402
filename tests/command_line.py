"""The command line inside a test's own process."""

from __future__ import annotations

import pytest

from onboarding_bot.cli import main
from onboarding_bot.observability import line_output


def run_command(*arguments: str) -> int:
    """Its exit code; what it prints goes where the test looks."""
    with pytest.MonkeyPatch.context() as streams:
        streams.setattr(line_output, "protect_standard_streams", lambda: None)
        return main(arguments)
