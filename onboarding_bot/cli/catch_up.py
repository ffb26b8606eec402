"""``catch-up``: writes to everybody whom an outage left without an answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from onboarding_bot.cli import Parsed
from onboarding_bot.renamed_commands import become

if TYPE_CHECKING:
    from onboarding_bot.catch_up import Report


def _span(raw: str) -> timedelta:
    from onboarding_bot.catch_up import LONGEST
    from onboarding_bot.config import span

    return span(raw, LONGEST)


@click.command
@click.option(
    "--since", type=Parsed("SPAN", _span), required=True, help="How far to look back: 90s, 30m or 2h, at most 24h."
)
@click.option("--dry-run", is_flag=True, help="Only count, and say what would be done.")
def command(*, since: timedelta, dry_run: bool) -> int:
    """After an outage of up to 24h: write once to everybody whom nobody answered."""
    from onboarding_bot.app import build_parts
    from onboarding_bot.catch_up import FAILED
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.errors import BotError
    from onboarding_bot.observability.logs import configure_logs
    from onboarding_bot.progress import shown_on_terminal

    settings = load_settings(read_environment())
    configure_logs("WARNING" if settings.log_level in {"DEBUG", "INFO"} else settings.log_level)
    try:
        parts = build_parts(settings)
        begun = parts.now()
        with shown_on_terminal() as progress:
            report = parts.catch_up.run(since, dry_run=dry_run, progress=progress)
    except BotError as error:
        print(f"catch-up stopped: {error.code}: {error}", file=sys.stderr)
        print("Run it again: nobody is written to twice.", file=sys.stderr)
        return 1
    print("\n".join(_lines(report, begun - since, dry_run=dry_run)))
    return 1 if any(report.people[fate] for fate in FAILED) else 0


def _lines(report: Report, since: datetime, *, dry_run: bool) -> Iterator[str]:
    from onboarding_bot.catch_up import TOLD, Fate

    yield f"{report.messages} messages from {report.people.total()} people since {since:%Y-%m-%d %H:%M:%S} UTC"
    yield from (f"{report.people[fate]:7}  {fate}" for fate in Fate if report.people[fate])
    told = sum(report.people[fate] for fate in TOLD)
    yield f"{told} would be written to; this was a dry run" if dry_run else f"{told} were written to"


if __name__ == "__main__":
    become("catch-up")
