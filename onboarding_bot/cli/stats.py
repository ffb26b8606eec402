"""``stats``: prints the figures of the bot that runs here."""

from __future__ import annotations

import click

from onboarding_bot.cli.health import show


@click.command
def command() -> int:
    """Show the running bot's figures; needs a key in ADMIN_API_KEY that may read."""
    return show("/stats", needs_key=True)
