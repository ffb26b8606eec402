"""``worker``: runs the process that sends what is not a reply."""

from __future__ import annotations

import click


@click.command
def command() -> int:
    """Run a worker, until a signal ends it; any number may run, on any number of machines."""
    from onboarding_bot.config import keep_metrics_in, metrics_folder
    from onboarding_bot.observability.metrics_folder import folder_of_this_process, make_anew

    if metrics_folder() is None:
        folder = folder_of_this_process("worker")
        make_anew(folder)
        keep_metrics_in(folder)
    from onboarding_bot.worker import main

    return main()
