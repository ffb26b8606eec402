"""``deploy.sh catch-up``: writes to everybody whom an outage left without an answer."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta

from onboarding_bot.app import build_parts
from onboarding_bot.catch_up import FAILED, LONGEST, TOLD, Fate, Report
from onboarding_bot.config import load_settings, read_environment, span
from onboarding_bot.errors import BotError, SettingsError
from onboarding_bot.observability.logs import configure_logs


def main(arguments: list[str]) -> int:
    """Catch up, and say what became of how many people. 0: all went out; 1: see the summary; 2: called wrongly."""
    asked = _parser().parse_args(arguments)
    try:
        settings = load_settings(read_environment())
        configure_logs("WARNING" if settings.log_level in {"DEBUG", "INFO"} else settings.log_level)
        parts = build_parts(settings)
        begun = parts.now()
        report = parts.catch_up.run(asked.since, dry_run=asked.dry_run)
    except SettingsError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return 1
    except BotError as error:
        print(f"catch-up stopped: {error.code}: {error}", file=sys.stderr)
        print("Run it again: nobody is written to twice.", file=sys.stderr)
        return 1
    print("\n".join(_lines(report, begun - asked.since, dry_run=asked.dry_run)))
    return 1 if any(report.people[fate] for fate in FAILED) else 0


def _lines(report: Report, since: datetime, *, dry_run: bool) -> list[str]:
    told = sum(report.people[fate] for fate in TOLD)
    summary = f"{told} would be written to; this was a dry run" if dry_run else f"{told} were written to"
    return [
        f"{report.messages} messages from {report.people.total()} people since {since:%Y-%m-%d %H:%M:%S} UTC",
        *(f"{report.people[fate]:7}  {fate}" for fate in Fate if report.people[fate]),
        summary,
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy.sh catch-up", description="Write to everybody whom an outage left without an answer."
    )
    parser.add_argument(
        "--since", required=True, type=_since, metavar="SPAN", help="how far to look back: 90s, 30m or 2h, at most 24h"
    )
    parser.add_argument("--dry-run", action="store_true", help="only count, and say what would be done")
    return parser


def _since(raw: str) -> timedelta:
    try:
        return span(raw, LONGEST)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
