"""A restore: brings a backup into an empty Redis, and erases again who was erased after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from redis import Redis

from onboarding_bot.backups.erasure_list import SUFFIX, ErasureList, beside
from onboarding_bot.progress import Progress
from onboarding_bot.storage.aliases import Alias
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.erasure import Erasures
from onboarding_bot.storage.session_store import SessionStore, StoredPerson
from onboarding_bot.storage.snapshot import SnapshotError, copy, loaded, refuse_unless_empty, snapshot_files

# So many records are opened to see whether the keys fit: single ones may be older than the oldest key.
SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Restored:
    """How many keys were copied, how many people erased again, how many broadcasts paused.

    ``erasures_until`` is the moment until which all erasures are known; None: no list of erasures was found.
    """

    keys: int
    erased: int
    paused: int
    erasures_until: datetime | None


class Restore:
    """Copies a backup into ``target``. ``store_on`` makes the store of another Redis, to read the backup's people.

    ``pause_broadcasts`` pauses all broadcasts that are under way and returns their ids: what they sent since the backup
    is not in it.
    """

    def __init__(
        self,
        target: AnyRedis,
        store: SessionStore,
        erasures: Erasures,
        *,
        store_on: Callable[[Redis], SessionStore],
        pause_broadcasts: Callable[[], list[str]],
    ) -> None:
        self._target = target
        self._store = store
        self._erasures = erasures
        self._store_on = store_on
        self._pause_broadcasts = pause_broadcasts

    def run(self, file: Path, lists: list[Path], loaded_port: int | None, progress: Progress) -> Restored:
        """Restore ``file``; ``lists`` are lists of erasures and logs beside those in the folder of the file.

        ``loaded_port`` is where a server beside ``target`` has the snapshot in memory already. Raises SnapshotError,
        StoreUnavailableError, OSError, and ValueError for a list that is none.
        """
        erased = _known_erasures(file, lists)
        refuse_unless_empty(self._target)
        with ExitStack() as stack:
            copied = 0
            for source in self._sources(file, loaded_port, stack):
                self._check_keys(source)
                copied += copy(source, self._target, progress)
        erased_count = self._repeat_erasures(erased)
        return Restored(copied, erased_count, len(self._pause_broadcasts()), erased.complete_until)

    def _sources(self, file: Path, loaded_port: int | None, stack: ExitStack) -> Iterator[Redis]:
        """Each server that holds a part of the snapshot: the one that is loaded already, or our own for each file."""
        target = self._target
        if not loaded_port:
            database = target.connection_pool.connection_kwargs.get("db") if isinstance(target, Redis) else None
            for part in snapshot_files(file):
                yield stack.enter_context(loaded(part, int(database or 0)))
            return
        if not isinstance(target, Redis):
            raise SnapshotError("--loaded-port is for a single Redis")
        options = target.connection_pool.connection_kwargs | {"port": loaded_port}
        pool = type(target.connection_pool)(connection_class=target.connection_pool.connection_class, **options)
        yield Redis(connection_pool=pool)

    def _check_keys(self, source: Redis) -> None:
        """Raises SnapshotError when the keys at hand fit none of some records in the snapshot."""
        store = self._store_on(source)
        names = islice(source.scan_iter(match="{s*}:contact:*", count=1000), SAMPLE)
        people = [name.decode().rpartition(":")[2] for name in names]
        opened = [person for person in map(store.load, people) if person.contact and person.contact.address]
        if people and not opened:
            raise SnapshotError("SESSION_ENCRYPTION_KEYS holds no key that this backup was written with")
        if opened and not any(_is_found(store, person) for person in opened):
            raise SnapshotError("PERSON_ID_KEY is not the one that this backup was written with")

    def _repeat_erasures(self, erased: ErasureList) -> int:
        """Erase the people who were erased after the backup was taken; how many."""
        known = dict(self._erasures.log.erased_since(datetime.fromtimestamp(0, UTC)))
        to_erase = {
            person_id: at
            for person_id, at in erased.latest.items()
            if (person_id not in known or at > known[person_id]) and not self._is_back(person_id, at)
        }
        for person_id, at in to_erase.items():
            # As of that time: what the person wrote after coming back stays, here and in Twilio's record.
            self._erasures.repeat(person_id, at)
        return len(to_erase)

    def _is_back(self, person_id: str, erased_at: datetime) -> bool:
        """Whether the backup has this person only as they came back; the list in Redis forgets old erasures."""
        person = self._store.load(person_id)
        alias = Alias.from_value(person.alias)
        # The hash of a further address leads to the person who has it now, and who may have come back.
        contact = self._store.load(alias.person_id).contact if alias and alias.is_same_person else person.contact
        return contact is not None and bool(contact.address) and contact.first_inbound_at > erased_at


def _is_found(store: SessionStore, person: StoredPerson) -> bool:
    """Whether one of the person's addresses leads to the record, by its own hash or by an alias under that."""
    address = person.contact.address if person.contact else ""
    for own in map(store.identify, {address, *(person.link.addresses if person.link else ())}):
        alias = Alias.from_value(store.load(own).alias)
        if person.person_id in {own, alias.person_id if alias else own}:
            return True
    return False


def _known_erasures(file: Path, named: list[Path]) -> ErasureList:
    """All that is known of erasures: what was named, and the lists beside this backup and those in its folder."""
    erased = ErasureList()
    found = sorted(file.parent.glob(f"*{SUFFIX}")) if file.parent.is_dir() else []
    for path in {beside(file), *found, *named}:
        if path in named or path.is_file():
            with path.open(errors="replace") as lines:
                erased.read(lines)
    return erased
