"""``deploy.sh restore``: brings a backup into an empty Redis, and erases again who was erased after it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from redis import Redis

from onboarding_bot.app import Parts, build_parts
from onboarding_bot.cli.erasure_list import SUFFIX, ErasureList, beside
from onboarding_bot.config import Settings, load_settings, read_environment
from onboarding_bot.errors import BotError, SettingsError
from onboarding_bot.observability.logs import configure_logs
from onboarding_bot.storage.aliases import Alias
from onboarding_bot.storage.connection import AnyRedis, connect
from onboarding_bot.storage.session_store import SessionStore, StoredPerson
from onboarding_bot.storage.snapshot import SnapshotError, copy, loaded, refuse_unless_empty, snapshot_files

ANSWER_SECONDS = 60.0
# So many records are opened to see whether the keys fit: single ones may be older than the oldest key.
SAMPLE = 100


def main(arguments: list[str]) -> int:
    """Restore, and say what was done. 0: done; 1: failed; 2: called wrongly."""
    asked = _parser().parse_args(arguments)
    configure_logs("CRITICAL")
    try:
        settings = load_settings(read_environment())
        target = connect(settings.redis_url, answer_seconds=ANSWER_SECONDS)
        erased = _erasures(asked.file, asked.erasures)
        refuse_unless_empty(target)
        with ExitStack() as stack:
            copied = 0
            for source in _sources(asked.file, asked.loaded_port, target, stack):
                _check_keys(settings, source)
                copied += copy(source, target)
        again, paused = _forget_again(build_parts(settings, redis=target), erased)
    except SettingsError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return 1
    except (BotError, OSError, ValueError) as error:
        print(f"not restored: {error}", file=sys.stderr)
        return 1
    print(f"{copied} keys restored; {again} people erased again; {paused} broadcasts paused")
    if erased.complete_until is None:
        print("No list of erasures was found: give the bot's log since the backup with --erasures", file=sys.stderr)
    else:
        until = f"{erased.complete_until:%Y-%m-%d %H:%M:%S} UTC"
        print(f"Who was erased after {until} is known only from logs: give them with --erasures", file=sys.stderr)
    return 0


def _check_keys(settings: Settings, source: Redis) -> None:
    """Raises SnapshotError when the keys at hand fit none of some records in the snapshot."""
    store = build_parts(settings, redis=source).store
    names = islice(source.scan_iter(match="{s*}:contact:*", count=1000), SAMPLE)
    people = [name.decode().rpartition(":")[2] for name in names]
    opened = [person for person in map(store.load, people) if person.contact and person.contact.address]
    if people and not opened:
        raise SnapshotError("SESSION_ENCRYPTION_KEYS holds no key that this backup was written with")
    if opened and not any(_is_found(store, person) for person in opened):
        raise SnapshotError("PERSON_ID_KEY is not the one that this backup was written with")


def _is_found(store: SessionStore, person: StoredPerson) -> bool:
    """Whether one of the person's addresses leads to the record, by its own hash or by an alias under that."""
    address = person.contact.address if person.contact else ""
    for own in map(store.identify, {address, *(person.link.addresses if person.link else ())}):
        alias = Alias.from_value(store.load(own).alias)
        if person.person_id in {own, alias.person_id if alias else own}:
            return True
    return False


def _sources(file: Path, loaded_port: int | None, target: AnyRedis, stack: ExitStack) -> Iterator[Redis]:
    """Each server that holds a part of the snapshot: one that somebody started, or our own for each file."""
    database = 0 if not isinstance(target, Redis) else int(target.connection_pool.connection_kwargs.get("db") or 0)
    if loaded_port:
        if not isinstance(target, Redis):
            raise SnapshotError("--loaded-port is for a single Redis")
        options = target.connection_pool.connection_kwargs | {"port": loaded_port}
        pool = type(target.connection_pool)(connection_class=target.connection_pool.connection_class, **options)
        yield Redis(connection_pool=pool)
        return
    for part in snapshot_files(file):
        yield stack.enter_context(loaded(part, database))


def _erasures(file: Path, named: list[Path]) -> ErasureList:
    """All that is known of erasures: what was named, and the lists beside this backup and those in its folder."""
    erased = ErasureList()
    found = sorted(file.parent.glob(f"*{SUFFIX}")) if file.parent.is_dir() else []
    for path in {beside(file), *found, *named}:
        if path in named or path.is_file():
            with path.open(errors="replace") as lines:
                erased.read(lines)
    return erased


def _forget_again(parts: Parts, erased: ErasureList) -> tuple[int, int]:
    """How many people were erased again, and how many broadcasts held: what they sent since is not in the backup."""
    known = dict(parts.erasures.log.erased_since(datetime.fromtimestamp(0, UTC)))
    again = {
        person_id: at
        for person_id, at in erased.latest.items()
        if (person_id not in known or at > known[person_id]) and not _is_back(parts, person_id, at)
    }
    for person_id, at in again.items():
        # As of then: what the person wrote since is somebody's who came back, here and in Twilio's record.
        parts.erasures.repeat(person_id, at)
    return len(again), len(parts.broadcasts.pause_all())


def _is_back(parts: Parts, person_id: str, erased_at: datetime) -> bool:
    """Whether the backup has this person only as they came back; the list in Redis forgets old erasures."""
    person = parts.store.load(person_id)
    alias = Alias.from_value(person.alias)
    # The hash of a further address leads to whoever has it; that person may have come back.
    contact = parts.store.load(alias.person_id).contact if alias and alias.is_same_person else person.contact
    return contact is not None and bool(contact.address) and contact.first_inbound_at > erased_at


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.sh restore", description="Bring a backup into an empty Redis.")
    parser.add_argument("file", type=Path, metavar="FILE", help="what deploy.sh backup wrote")
    parser.add_argument(
        "--erasures",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a list of erasures, or a log of the bot; may be given several times",
    )
    parser.add_argument("--loaded-port", type=int, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
