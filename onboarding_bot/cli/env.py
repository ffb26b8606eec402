"""``env``: lists the settings as this machine has them, and every fault in them."""

from __future__ import annotations

import sys

import click


@click.command
def command() -> None:
    """Check the settings and list every fault."""
    from onboarding_bot.observability.line_output import protect_standard_streams

    # ``serve`` calls ``check`` too, and protects its streams itself.
    protect_standard_streams()
    check()


def check() -> None:
    """Say that the settings are good, after their warnings. Raises SettingsError with every fault."""
    from onboarding_bot.config import all_warnings, load_settings, read_environment

    environ = read_environment()
    settings = load_settings(environ)
    for warning in all_warnings(environ, settings):
        print(f"warning: {warning}", file=sys.stderr)
    print(f"settings are good for {settings.environment}")
