"""The names of a script's keys and arguments: as its first lines give them, in Lua as in Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import fakeredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding_bot.storage import scripts
from onboarding_bot.storage.scripts import Signature

PLAIN = Signature(("session", "contact"), ("now", "life"))
ONE_LIST = Signature(("session", "step..."), ("now", "counters..."))
TWO_LISTS = Signature(("step...", "session", "day..."), ("names...", "now"))


def echo(signature: Signature, keys: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """What a script that takes this sees under each name."""
    names = [name.removesuffix("...") + ("_keys" if name.endswith("...") else "_key") for name in signature.keys]
    names += [name.removesuffix("...") for name in signature.arguments]
    text = f"{signature.locals()}return {{{', '.join(names)}}}"
    sent_keys, sent = signature.values(keys, arguments)
    return fakeredis.FakeRedis(decode_responses=True).eval(text, len(sent_keys), *sent_keys, *sent)


@pytest.mark.parametrize(
    ("signature", "keys", "arguments", "seen"),
    [
        pytest.param(PLAIN, {"session": "s", "contact": "c"}, {"now": 1, "life": 2}, ["s", "c", "1", "2"], id="plain"),
        pytest.param(
            PLAIN, {"contact": "c", "session": "s"}, {"life": 2, "now": 1}, ["s", "c", "1", "2"], id="in any order"
        ),
        pytest.param(
            ONE_LIST,
            {"session": "s", "step": ["a", "b"]},
            {"now": 1, "counters": ["x", 3, "y", 4]},
            ["s", ["a", "b"], "1", ["x", "3", "y", "4"]],
            id="a list at the end",
        ),
        pytest.param(
            ONE_LIST, {"session": "s", "step": []}, {"now": 1, "counters": []}, ["s", [], "1", []], id="empty lists"
        ),
        pytest.param(
            TWO_LISTS,
            {"step": ["a", "b"], "session": "s", "day": ["d"]},
            {"names": ["n", "m"], "now": 1},
            [["a", "b"], "s", ["d"], ["n", "m"], "1"],
            id="lists anywhere",
        ),
    ],
)
def test_a_script_sees_each_value_under_its_name(
    signature: Signature, keys: Mapping[str, Any], arguments: Mapping[str, Any], seen: list[Any]
) -> None:
    assert echo(signature, keys, arguments) == seen


words = st.text("abc", min_size=1, max_size=3)
lists = st.lists(words, max_size=5)


@given(step=lists, session=words, day=lists, names=lists, now=words)
def test_lists_of_any_length_come_whole(
    step: list[str], session: str, day: list[str], names: list[str], now: str
) -> None:
    seen = echo(TWO_LISTS, {"step": step, "session": session, "day": day}, {"names": names, "now": now})
    assert seen == [step, session, day, names, now]


def test_a_list_may_be_longer_than_unpack_takes() -> None:
    broadcasts = [f"{number}" for number in range(9_000)]
    seen = echo(TWO_LISTS, {"step": broadcasts, "session": "s", "day": ["d"]}, {"names": broadcasts, "now": 1})
    assert seen == [broadcasts, "s", ["d"], broadcasts, "1"]


def test_a_value_without_a_name_and_a_name_without_a_value_are_refused() -> None:
    with pytest.raises(TypeError, match="takes session, contact, and was given session, contact, draft"):
        PLAIN.values({"session": "s", "contact": "c", "draft": "d"}, {"now": 1, "life": 2})
    with pytest.raises(KeyError, match="life"):
        PLAIN.values({"session": "s", "contact": "c"}, {"now": 1, "live": 2})


def test_names_go_on_in_further_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "wide.lua").write_text(
        "-- Does it.\n-- KEYS session,\n--   step...\n-- ARGV now\n-- now: in ms.\nreturn 1\n"
    )
    monkeypatch.setattr(scripts, "FOLDER", tmp_path)
    assert scripts.signature_of("wide") == Signature(("session", "step..."), ("now",))


SCRIPTS = sorted(path.stem for path in scripts.FOLDER.glob("*.lua"))
PARTS = {part for parts in scripts.SHARED.values() for part in parts}


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_counts_positions(name: str) -> None:
    text = (scripts.FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    assert re.findall(r"(?:KEYS|ARGV)\s*\[|#(?:KEYS|ARGV)|unpack\((?:KEYS|ARGV)", text) == []
    assert re.findall(r"\w+\[[0-9]+\]", text) == [], "each value of an answer gets a name"


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in PARTS])
def test_every_script_names_its_keys_and_uses_all_that_it_takes(name: str) -> None:
    signature = scripts.signature_of(name)
    assert signature.keys
    text = "\n".join((scripts.FOLDER / f"{part}.lua").read_text() for part in (*scripts.SHARED.get(name, ()), name))
    lua = re.sub(r"--[^\n]*", "", text)
    taken = [f"{key.removesuffix('...')}_key{'s' if key.endswith('...') else ''}" for key in signature.keys]
    taken += [argument.removesuffix("...") for argument in signature.arguments]
    assert [value for value in taken if not re.search(rf"\b{value}\b", lua)] == []


@pytest.mark.parametrize("part", sorted(PARTS))
def test_what_scripts_share_takes_nothing_of_its_own(part: str) -> None:
    assert scripts.signature_of(part) == Signature((), ())
