"""The Lua scripts, loaded from their files: every key and argument has a name, and shared parts stand in front.

The first lines of a script name what it takes, in the order in which the caller's values are sent::

    -- KEYS session, contact, step...
    -- ARGV now, life, counters...

Each name becomes a Lua local of the script: a key as ``session_key``, an argument as ``now``. A name that ends with
``...`` stands for a list of any length, and becomes a table: ``step_keys`` and ``counters``. A long list of names goes
on in lines that begin with ``--   ``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.cluster import RedisCluster
from redis.commands.core import Script
from redis.exceptions import RedisError

from onboarding_bot.storage.connection import AnyRedis

# A value for each name that the script's first lines give; a list where the name ends with "...".
Named = Mapping[str, Any]
# The keys of a script, all of one shard, and its arguments. Sequences are sent as they are.
Call = tuple[Named | Sequence[str], Named | Sequence[Any]]

FOLDER = Path(__file__).parent / "lua"
SHARED: Mapping[str, tuple[str, ...]] = {
    "commit": ("consents", "day"),
    "amend": ("consents",),
    "count_ended": ("day",),
    "add_recipients": ("permit", "recipients"),
    "claim": ("permit", "recipients"),
    "release_claim": ("permit", "recipients"),
    "record_send": ("permit", "recipients"),
    "apply_callback": ("permit", "recipients"),
    "send_again": ("permit", "recipients"),
    "take_broadcast_slot": ("slots",),
    "take_transactional_slot": ("slots",),
    "pause_slots": ("slots",),
    "slots_paused": ("slots",),
    "erase": ("day", "recipients"),
    "absorb": ("recipients", "skip_recipient"),
    "skip_recipients": ("recipients", "skip_recipient"),
}
_LIST = "..."
_SIZES = "list_sizes"


@dataclass(frozen=True, slots=True)
class Signature:
    """The names of a script's keys and arguments, in the order in which they are sent."""

    keys: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def needs_sizes(self) -> bool:
        """Whether the script must be told how long its lists are; a single list at the end needs no size."""
        return any(
            name.endswith(_LIST) and (number < len(names) - 1 or sum(other.endswith(_LIST) for other in names) > 1)
            for names in (self.keys, self.arguments)
            for number, name in enumerate(names)
        )

    def values(self, keys: Named, arguments: Named) -> tuple[list[Any], list[Any]]:
        """KEYS and ARGV as Redis takes them. Raises KeyError for a name without a value, TypeError for a stray one."""
        sizes: list[int] = []
        sent_keys, sent = _flat(self.keys, keys, sizes), _flat(self.arguments, arguments, sizes)
        if self.needs_sizes:
            sent.insert(0, " ".join(map(str, sizes)))
        return sent_keys, sent

    def locals(self) -> str:
        """The Lua that gives every value its name."""
        lines = []
        if self.needs_sizes:
            lines.append(f"local {_SIZES} = {{}}")
            lines.append(f"for size in string.gmatch(ARGV[1], '%d+') do {_SIZES}[#{_SIZES} + 1] = tonumber(size) end")
        first_list = 1
        for array, names, suffix, first in (
            ("KEYS", self.keys, "_key", 1),
            ("ARGV", self.arguments, "", 2 if self.needs_sizes else 1),
        ):
            at = str(first)
            for name in names:
                if not name.endswith(_LIST):
                    lines.append(f"local {name}{suffix} = {array}[{at}]")
                    at = _plus(at, "1")
                    continue
                local = name.removesuffix(_LIST) + ("_keys" if suffix else "")
                end = ""
                if self.needs_sizes:
                    size = f"{_SIZES}[{first_list}]"
                    end = f", {at} + {size} - 1"
                lines.append(f"local {local} = {{unpack({array}, {at}{end})}}")
                if self.needs_sizes:
                    at = _plus(at, size)
                    first_list += 1
        return "".join(f"{line}\n" for line in lines)


class Scripts:
    """Runs scripts by name; each is sent to the server once, and again when the server has forgotten it."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client
        self._texts = _all_sources()
        # Those that have run: a process builds a dozen of these, and each of them needs a few scripts only.
        self._scripts: dict[str, Script] = {}

    def run(self, name: str, keys: Named | Sequence[str], arguments: Named | Sequence[Any]) -> Any:
        """The script's answer."""
        sent_keys, sent = self._values(name, keys, arguments)
        if name not in self._scripts:
            self._scripts[name] = self._client.register_script(self._texts[name])
        return self._scripts[name](keys=sent_keys, args=sent)

    def run_in_all(self, name: str, calls: Sequence[Call]) -> list[Any]:
        """The script's answers to several calls, with one pipeline for each server that has a part in them.

        A cluster's own pipeline refuses scripts by their hash, and asks the server for the keys of each by its text.
        """
        sent = [self._values(name, *call) for call in calls]
        answers: dict[int, Any] = {}
        for server, numbers in self._by_server([keys for keys, _ in sent]).items():
            pipeline = server.pipeline(transaction=False)
            for number in numbers:
                keys, arguments = sent[number]
                pipeline.eval(self._texts[name], len(keys), *keys, *arguments)
            answers.update(zip(numbers, pipeline.execute(raise_on_error=False), strict=True))
        for number, answer in answers.items():
            if isinstance(answer, RedisError):
                # The shard has just moved to another server, where the client finds it; or else this raises.
                answers[number] = self.run(name, *calls[number])
        return [answers[number] for number in range(len(calls))]

    def _values(
        self, name: str, keys: Named | Sequence[str], arguments: Named | Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        if isinstance(keys, Mapping) and isinstance(arguments, Mapping):
            return signature_of(name).values(keys, arguments)
        return list(keys), list(arguments)

    def _by_server(self, keys_of_calls: Sequence[Sequence[str]]) -> dict[Redis, list[int]]:
        if not isinstance(self._client, RedisCluster):
            return {self._client: list(range(len(keys_of_calls)))}
        found: dict[Redis, list[int]] = {}
        for number, keys in enumerate(keys_of_calls):
            node = self._client.get_node_from_key(keys[0])
            found.setdefault(self._client.get_redis_connection(node), []).append(number)
        return found


@cache
def _all_sources() -> Mapping[str, str]:
    """The scripts that run by themselves: read before there is work, whatever becomes of their files later."""
    shared = {part for parts in SHARED.values() for part in parts}
    return {path.stem: source_of(path.stem) for path in FOLDER.glob("*.lua") if path.stem not in shared}


@cache
def source_of(name: str) -> str:
    """A script with the names of its values and what it shares with others in front."""
    parts = (_text_of(part) for part in (*SHARED.get(name, ()), name))
    return signature_of(name).locals() + "\n".join(parts)


@cache
def signature_of(name: str) -> Signature:
    """What the first lines of a script say that it takes."""
    return Signature(_names("KEYS", _text_of(name)), _names("ARGV", _text_of(name)))


def _text_of(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def _names(array: str, text: str) -> tuple[str, ...]:
    listed = re.search(rf"^-- {array} (.+(?:\n--   .+)*)", text, re.MULTILINE)
    return tuple(re.findall(r"[a-z_0-9]+(?:\.\.\.)?", listed[1])) if listed else ()


def _flat(names: tuple[str, ...], given: Named, sizes: list[int]) -> list[Any]:
    if len(given) != len(names):
        raise TypeError(f"the script takes {', '.join(names)}, and was given {', '.join(given)}")
    sent: list[Any] = []
    for name in names:
        if name.endswith(_LIST):
            values = given[name.removesuffix(_LIST)]
            sent.extend(values)
            sizes.append(len(values))
        else:
            sent.append(given[name])
    return sent


def _plus(place: str, size: str) -> str:
    return str(int(place) + int(size)) if place.isdigit() and size.isdigit() else f"{place} + {size}"
