"""``serve``: runs the bot and its worker on this host, without Docker."""

from __future__ import annotations

import sys

import click

from onboarding_bot.cli import program_name


@click.command
def command() -> int:
    """Run the bot and its worker on this host, until a signal ends both."""
    from onboarding_bot.cli.env import check
    from onboarding_bot.observability.line_output import protect_standard_streams
    from onboarding_bot.supervisor import serve

    protect_standard_streams()
    check()
    name = program_name()

    def report_death() -> None:
        print(f"{name}: the bot or its worker has ended; the other one is asked to end as well", file=sys.stderr)

    return serve(on_death=report_death)
