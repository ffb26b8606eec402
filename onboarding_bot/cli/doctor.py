"""``doctor``: checks the way from Twilio to the bot, step by step."""

from __future__ import annotations

import click


@click.command
def command() -> int:
    """Check Twilio's credentials, and send a signed request through PUBLIC_BASE_URL."""
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.services.doctor import Doctor

    is_all_well = True
    for finding in Doctor(load_settings(read_environment())).examine():
        print(finding, flush=True)
        is_all_well &= finding.is_well
    return 0 if is_all_well else 1
