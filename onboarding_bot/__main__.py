"""Runs the command line for ``python -m onboarding_bot``."""

from __future__ import annotations

from onboarding_bot.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
