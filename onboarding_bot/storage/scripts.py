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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
# The keys of a script, all of one shard, and its arguments.
Call = tuple[Named, Named]

FOLDER = Path(__file__).parent / "lua"
SHARED: Mapping[str, tuple[str, ...]] = {
    "commit": ("version", "consents", "day_counters"),
    "amend": ("version", "consents"),
    "assign_address": ("alias",),
    "begin_join": ("version", "alias"),
    "finish_join": ("version", "alias", "recipients", "skip_recipient"),
    "hide_silent_record": ("version",),
    "release_number": ("version",),
    "forget_due": ("version",),
    "count_expired_sessions": ("day_counters",),
    "erase": ("version", "day_counters", "recipients"),
    "add_recipients": ("permit", "recipients"),
    "claim": ("permit", "recipients"),
    "release_claim": ("permit", "recipients"),
    "record_send": ("permit", "recipients"),
    "apply_callback": ("permit", "recipients"),
    "send_again": ("permit", "recipients"),
    "skip_recipients": ("recipients", "skip_recipient"),
    "take_broadcast_slot": ("slots",),
    "take_transactional_slot": ("slots",),
    "pause_slots": ("slots",),
    "slots_paused": ("slots",),
}
_LIST = "..."
# unpack is the quickest, and fails from 8,000 values on.
_LIST_OF = """\
local function list_of(values, first, size)
  if size < 1000 then
    return {unpack(values, first, first + size - 1)}
  end
  local list = {}
  for index = 1, size do
    list[index] = values[first + index - 1]
  end
  return list
end"""


class _Fields:
    """The names of a script's keys, or of its arguments, and where among them lists stand."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = [name.removesuffix(_LIST) for name in names]
        self.lists = [place for place, name in enumerate(names) if name.endswith(_LIST)]
        # A list at the end needs no size: it holds the rest.
        self.sized = [place for place in self.lists if place < len(names) - 1]

    def values(self, given: Named) -> tuple[list[Any], list[int]]:
        """What is sent, and the sizes of the lists that need one."""
        if len(given) != len(self.names):
            raise TypeError(f"the script takes {', '.join(self.names)}, and was given {', '.join(given)}")
        values = [given[name] for name in self.names]
        sizes = [len(values[place]) for place in self.sized]
        for place in reversed(self.lists):
            values[place : place + 1] = values[place]
        return values, sizes

    def locals(self, array: str, suffix: str, first: int, sizes: Iterator[str]) -> Iterator[str]:
        """The Lua that gives each value of ``array``, from ``first`` on, its name; ``sizes`` are those of the lists."""
        at = str(first)
        for place, name in enumerate(self.names):
            if place not in self.lists:
                yield f"local {name}{suffix} = {array}[{at}]"
                at = _plus(at, "1")
                continue
            size = next(sizes) if place in self.sized else f"#{array} + 1 - ({at})"
            yield f"local {name}{suffix and suffix + 's'} = list_of({array}, {at}, {size})"
            at = _plus(at, size)


@dataclass(frozen=True, slots=True)
class Signature:
    """The names of a script's keys and arguments, in the order in which they are sent."""

    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    _keys: _Fields = field(init=False, repr=False, compare=False)
    _arguments: _Fields = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Worked out once: a commit asks for its values with every message.
        object.__setattr__(self, "_keys", _Fields(self.keys))
        object.__setattr__(self, "_arguments", _Fields(self.arguments))

    def values(self, keys: Named, arguments: Named) -> tuple[list[Any], list[Any]]:
        """KEYS and ARGV as Redis takes them. Raises KeyError for a name without a value, TypeError for a stray one."""
        sent_keys, sizes = self._keys.values(keys)
        sent, more_sizes = self._arguments.values(arguments)
        return sent_keys, [*sizes, *more_sizes, *sent]

    def locals(self) -> str:
        """The Lua that gives every value its name."""
        count = len(self._keys.sized) + len(self._arguments.sized)
        sizes = [f"size_{number}" for number in range(1, count + 1)]
        lines = [_LIST_OF] if self._keys.lists or self._arguments.lists else []
        lines += [f"local {size} = tonumber(ARGV[{number}])" for number, size in enumerate(sizes, 1)]
        unused = iter(sizes)
        lines += self._keys.locals("KEYS", "_key", 1, unused)
        lines += self._arguments.locals("ARGV", "", 1 + count, unused)
        return "".join(f"{line}\n" for line in lines)


class Scripts:
    """Runs scripts by name; each is sent to the server once, and again when the server has forgotten it."""

    def __init__(self, client: AnyRedis) -> None:
        self._client = client
        self._texts = dict(_all_sources())
        # Those that have run: a process builds a dozen of these, and each of them needs a few scripts only.
        self._scripts: dict[str, Script] = {}

    def run(self, name: str, keys: Named, arguments: Named) -> Any:
        """The script's answer. Raises RedisError, and KeyError or TypeError for values that it does not take."""
        sent_keys, sent = signature_of(name).values(keys, arguments)
        if name not in self._scripts:
            self._scripts[name] = self._client.register_script(source_of(name))
        return self._scripts[name](keys=sent_keys, args=sent)

    def run_in_all(self, name: str, calls: Sequence[Call]) -> list[Any]:
        """The script's answers to several calls, with one pipeline for each server that has a part in them.

        A cluster's own pipeline refuses scripts by their hash, and asks the server for the keys of each by its text.
        """
        signature = signature_of(name)
        sent = [signature.values(*call) for call in calls]
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
    """The scripts that run by themselves: read at the start, so that a later release may replace their files."""
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


def _plus(place: str, size: str) -> str:
    """The Lua of a sum, worked out where it can be."""
    return str(int(place) + int(size)) if place.isdigit() and size.isdigit() else f"{place} + {size}"
