"""``deploy.sh consent review``: takes back the yeses to service messages that rest on no name."""

from __future__ import annotations

import argparse
import sys

from onboarding_bot.app import build_parts
from onboarding_bot.config import load_settings, read_environment
from onboarding_bot.errors import BotError, SettingsError
from onboarding_bot.observability.logs import configure_logs
from onboarding_bot.people.consent_review import ReviewReport

# So much of a person's keyed hash is printed: enough to find the audit line, too little for anything else.
SHOWN = 8


def main(arguments: list[str]) -> int:
    """Review, and say what was done. 0: done; 1: stopped half-way, or records are unreadable; 2: called wrongly."""
    asked = _parser().parse_args(arguments)
    try:
        settings = load_settings(read_environment())
        configure_logs("WARNING" if settings.log_level in {"DEBUG", "INFO"} else settings.log_level)
        report = build_parts(settings).consent_review.run(dry_run=asked.dry_run)
    except SettingsError as error:
        print("\n".join(f"setting {fault}" for fault in error.faults), file=sys.stderr)
        return 1
    except BotError as error:
        print(f"consent review stopped: {error.code}: {error}", file=sys.stderr)
        print("Run it again: it goes on where it ended.", file=sys.stderr)
        return 1
    print("\n".join(_lines(report, dry_run=asked.dry_run)))
    return 1 if report.unreadable else 0


def _lines(report: ReviewReport, *, dry_run: bool) -> list[str]:
    return [
        *(f"{person_id[:SHOWN]}…  the stored name is none" for person_id in report.taken_back),
        f"{report.kept + len(report.taken_back)} yeses to service messages that were not reviewed",
        f"{report.kept:7}  {'would hold' if dry_run else 'hold, and count again'}",
        f"{len(report.taken_back):7}  {'would be taken back' if dry_run else 'taken back'}",
        *([f"{report.unreadable:7}  unreadable: they go on counting as none"] if report.unreadable else []),
        *(["this was a dry run"] if dry_run else []),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy.sh consent", description="Take back the yeses to service messages that rest on no name."
    )
    parser.add_argument("action", choices=["review"])
    parser.add_argument("--dry-run", action="store_true", help="only count, and say what would be done")
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
