"""``erasure``: lists who was erased, for the list beside a backup that was not made by ``backup``."""

from __future__ import annotations

import click


@click.group
def command() -> None:
    """Who was erased."""


@command.command(name="list")
def list_erasures() -> None:
    """Print who was erased and when, by keyed hash, as restore reads it."""
    from onboarding_bot.errors import StoreUnavailableError

    try:
        print_list()
    except StoreUnavailableError as error:
        raise click.ClickException(f"no list was made: {error}") from None


def print_list() -> None:
    """Print the list. Raises SettingsError and StoreUnavailableError."""
    from onboarding_bot.backups.backup import erasure_list
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.observability.logs import configure_logs
    from onboarding_bot.wiring import build_parts

    configure_logs("CRITICAL")
    print(erasure_list(build_parts(load_settings(read_environment())).storage.erasures), end="")
