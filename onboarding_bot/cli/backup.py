"""``deploy.sh backup``: a snapshot of Redis while everything runs, and beside it the list of those who were erased."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from onboarding_bot.app import build_parts
from onboarding_bot.cli.erasure_list import beside, written
from onboarding_bot.config import load_settings, read_environment
from onboarding_bot.errors import BotError, SettingsError
from onboarding_bot.observability.logs import configure_logs
from onboarding_bot.storage.connection import connect
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.snapshot import take_snapshot

# Where backups go that were given no name; these alone are cleared away.
PREFIX = "backup-"
ANSWER_SECONDS = 60.0


def main(arguments: list[str]) -> int:
    """Make a backup, and say where it is. 0: done; 1: failed, and nothing is left of it; 2: called wrongly."""
    asked = _parser().parse_args(arguments)
    configure_logs("CRITICAL")
    try:
        settings = load_settings(read_environment())
        erasures = build_parts(settings).erasures
        if asked.erasures_only:
            print(_erasure_list(erasures), end="")
            return 0
        now = datetime.now(UTC)
        path = asked.file or asked.folder / f"{PREFIX}{now:%Y%m%dT%H%M%SZ}.rdb"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = take_snapshot(connect(settings.redis_url, answer_seconds=ANSWER_SECONDS), path)
        _write(beside(path), _erasure_list(erasures))
    except SettingsError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return 1
    except (BotError, OSError) as error:
        print(f"no backup was made: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"{file}  {file.stat().st_size} bytes" for file in [*files, beside(path)]))
    if not asked.file:
        for old in _older_than(asked.folder, now - timedelta(days=settings.backup_retention_days)):
            old.unlink()
            print(f"{old}  deleted: older than BACKUP_RETENTION_DAYS")
    return 0


def _erasure_list(erasures: Erasures) -> str:
    # Asked for after the snapshot, so that nobody who is missing in one is missing in the other.
    until = datetime.now(UTC)
    return written(dict(erasures.log.erased_since(datetime.fromtimestamp(0, UTC))), until)


def _write(path: Path, text: str) -> None:
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(unfinished).replace(path)


def _older_than(folder: Path, moment: datetime) -> list[Path]:
    return sorted(path for path in folder.glob(f"{PREFIX}*") if path.stat().st_mtime < moment.timestamp())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.sh backup", description="Write down all that Redis holds.")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="by default one of its own in var/backups")
    parser.add_argument("--folder", type=Path, default=Path("var", "backups"), help=argparse.SUPPRESS)
    parser.add_argument("--erasures-only", action="store_true", help="print who was erased, by keyed hash, and no more")
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
