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
    from onboarding_bot.catch_up import CatchUpReport


def _span(raw: str) -> timedelta:
    from onboarding_bot.catch_up import LONGEST_LOOK_BACK
    from onboarding_bot.config import span

    return span(raw, LONGEST_LOOK_BACK)


@click.command
@click.option(
    "--since", type=Parsed("SPAN", _span), required=True, help="How far to look back: 90s, 30m or 2h, at most 24h."
)
@click.option("--dry-run", is_flag=True, help="Only count, and say what would be done.")
def command(*, since: timedelta, dry_run: bool) -> int:
    """After an outage of up to 24h: write once to everybody whom nobody answered."""
    from onboarding_bot.catch_up import FAILED
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.errors import BotError
    from onboarding_bot.observability.logs import configure_logs
    from onboarding_bot.progress import shown_on_terminal
    from onboarding_bot.wiring import build_parts

    settings = load_settings(read_environment())
    configure_logs("WARNING" if settings.log_level in {"DEBUG", "INFO"} else settings.log_level)
    try:
        parts = build_parts(settings)
        begun = parts.clock.now()
        with shown_on_terminal() as progress:
            report = parts.conversation.catch_up.run(since, dry_run=dry_run, progress=progress)
    except BotError as error:
        print(f"catch-up stopped: {error.code}: {error}", file=sys.stderr)
        print("Run it again: nobody is written to twice.", file=sys.stderr)
        return 1
    print("\n".join(_lines(report, begun - since, dry_run=dry_run)))
    return 1 if any(report.results[result] for result in FAILED) else 0


def _lines(report: CatchUpReport, since: datetime, *, dry_run: bool) -> Iterator[str]:
    from onboarding_bot.catch_up import WRITTEN_TO, CatchUpResult

    yield f"{report.messages} messages from {report.results.total()} people since {since:%Y-%m-%d %H:%M:%S} UTC"
    yield from (f"{report.results[result]:7}  {result}" for result in CatchUpResult if report.results[result])
    told = sum(report.results[result] for result in WRITTEN_TO)
    yield f"{told} would be written to; this was a dry run" if dry_run else f"{told} were written to"


if __name__ == "__main__":
    become("catch-up")
