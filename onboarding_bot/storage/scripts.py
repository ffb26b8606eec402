"""The Lua scripts, loaded from their files; what several of them share is put in front of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import RedisError

from onboarding_bot.storage.connection import AnyRedis

# The keys of a script, all of one shard, and its arguments.
Call = tuple[Sequence[str], Sequence[Any]]

FOLDER = Path(__file__).parent / "lua"
SHARED: Mapping[str, tuple[str, ...]] = {
    "commit": ("consents", "day"),
    "amend": ("consents",),
    "count_ended": ("day",),
    "enrol": ("permit", "rows"),
    "claim": ("permit", "rows"),
    "put_back": ("permit", "rows"),
    "record": ("permit", "rows"),
    "callback": ("permit", "rows"),
    "send_again": ("permit", "rows"),
    "erase": ("day", "rows"),
    "absorb": ("rows", "skip"),
    "skip_rows": ("rows", "skip"),
}


class Scripts:
    """Runs scripts by name; each is sent to the server once, and again when the server has forgotten it."""

    def __init__(self, client: AnyRedis) -> None:
        names = (path.stem for path in FOLDER.glob("*.lua"))
        shared = {part for parts in SHARED.values() for part in parts}
        self._client = client
        self._texts = {name: source_of(name) for name in names if name not in shared}
        self._scripts = {name: client.register_script(text) for name, text in self._texts.items()}

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """The script's answer."""
        return self._scripts[name](keys=keys, args=arguments)

    def run_in_all(self, name: str, calls: Sequence[Call]) -> list[Any]:
        """The script's answers to several calls, with one pipeline for each server that has a part in them.

        A cluster's own pipeline refuses scripts by their hash, and asks the server for the keys of each by its text.
        """
        answers: dict[int, Any] = {}
        for server, numbers in self._by_server(calls).items():
            pipeline = server.pipeline(transaction=False)
            for number in numbers:
                keys, arguments = calls[number]
                pipeline.eval(self._texts[name], len(keys), *keys, *arguments)
            answers.update(zip(numbers, pipeline.execute(raise_on_error=False), strict=True))
        for number, answer in answers.items():
            if isinstance(answer, RedisError):
                # The shard has just moved to another server, where the client finds it; or else this raises.
                answers[number] = self.run(name, *calls[number])
        return [answers[number] for number in range(len(calls))]

    def _by_server(self, calls: Sequence[Call]) -> dict[Redis, list[int]]:
        if not isinstance(self._client, RedisCluster):
            return {self._client: list(range(len(calls)))}
        found: dict[Redis, list[int]] = {}
        for number, (keys, _) in enumerate(calls):
            node = self._client.get_node_from_key(keys[0])
            found.setdefault(self._client.get_redis_connection(node), []).append(number)
        return found


@cache
def source_of(name: str) -> str:
    """A script with what it shares with others in front."""
    return "\n".join((FOLDER / f"{part}.lua").read_text() for part in (*SHARED.get(name, ()), name))
