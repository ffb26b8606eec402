"""``worker``: runs the process that sends what is not a reply."""

from __future__ import annotations

import click


@click.command
def command() -> int:
    """Run a worker, until a signal ends it; any number may run, on any number of machines."""
    from onboarding_bot.worker import main

    return main()
