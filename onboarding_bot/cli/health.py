"""``health``: prints the health of the bot that runs here."""

from __future__ import annotations

import sys

import click

from onboarding_bot.cli import Failed, program_name


@click.command
def command() -> int:
    """Ask the running bot how it is."""
    return show("/health")


def show(path: str, *, needs_key: bool = False) -> int:
    """Print what the running bot answers; 0 when that is a success. Faults of ``.env`` keep nobody from asking."""
    from onboarding_bot.config import read_environment
    from onboarding_bot.services.running_bot import NotAskedError, ask, reading_key

    environ = read_environment()
    for fault in environ.faults:
        print(f"{program_name()}: {fault}", file=sys.stderr)
    try:
        answer = ask(environ, path, reading_key(environ) if needs_key else None)
    except NotAskedError as error:
        raise Failed(str(error)) from None
    print(answer.text)
    return 0 if answer.is_success else 1
