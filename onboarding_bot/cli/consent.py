"""``consent``: reviews by the rules of this release what people have agreed to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from onboarding_bot.renamed_commands import become

if TYPE_CHECKING:
    from onboarding_bot.people.consent_review import ReviewReport

# So much of a person's keyed hash is printed: enough to find the audit line, too little for anything else.
SHOWN = 8


@click.group
def command() -> None:
    """What people have agreed to."""


@command.command
@click.option("--dry-run", is_flag=True, help="Only count, and say what would be done.")
def review(*, dry_run: bool) -> int:
    """Once after an upgrade: take back the yeses to service messages that rest on no name, let the others count.

    Fails when it stopped half-way, or when records are unreadable.
    """
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.errors import BotError
    from onboarding_bot.observability.logs import configure_logs
    from onboarding_bot.progress import shown_on_terminal
    from onboarding_bot.wiring import build_parts

    settings = load_settings(read_environment())
    configure_logs("WARNING" if settings.log_level in {"DEBUG", "INFO"} else settings.log_level)
    try:
        with shown_on_terminal() as progress:
            report = build_parts(settings).people.consent_review.run(dry_run=dry_run, progress=progress)
    except BotError as error:
        print(f"consent review stopped: {error.code}: {error}", file=sys.stderr)
        print("Run it again: it goes on where it ended.", file=sys.stderr)
        return 1
    print("\n".join(_lines(report, dry_run=dry_run)))
    return 1 if report.unreadable else 0


def _lines(report: ReviewReport, *, dry_run: bool) -> Iterator[str]:
    yield from (f"{person_id[:SHOWN]}…  the stored name is none" for person_id in report.taken_back)
    yield f"{report.kept + len(report.taken_back)} yeses to service messages that were not reviewed"
    yield f"{report.kept:7}  {'would hold' if dry_run else 'hold, and count again'}"
    yield f"{len(report.taken_back):7}  {'would be taken back' if dry_run else 'taken back'}"
    if report.unreadable:
        yield f"{report.unreadable:7}  unreadable: they go on counting as none"
    if dry_run:
        yield "this was a dry run"


if __name__ == "__main__":
    become("consent")
