"""The Lua scripts, loaded from their files; what several of them share is put in front of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onboarding_bot.store.connection import AnyRedis

FOLDER = Path(__file__).parent / "lua"
SHARED: Mapping[str, tuple[str, ...]] = {
    "commit": ("day",),
    "count_ended": ("day",),
    "enrol": ("permit", "rows"),
    "claim": ("permit", "rows"),
    "put_back": ("permit", "rows"),
    "record": ("permit", "rows"),
    "callback": ("permit", "rows"),
    "send_again": ("permit", "rows"),
    "erase": ("day", "rows"),
}


class Scripts:
    """Runs scripts by name; each is sent to the server once, and again when the server has forgotten it."""

    def __init__(self, client: AnyRedis) -> None:
        names = (path.stem for path in FOLDER.glob("*.lua"))
        shared = {part for parts in SHARED.values() for part in parts}
        self._scripts = {name: client.register_script(source_of(name)) for name in names if name not in shared}

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """The script's answer."""
        return self._scripts[name](keys=keys, args=arguments)


def source_of(name: str) -> str:
    """A script with what it shares with others in front."""
    return "\n".join((FOLDER / f"{part}.lua").read_text() for part in (*SHARED.get(name, ()), name))
