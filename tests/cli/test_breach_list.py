"""The list for a breach: everybody whose data are kept, also those whom no broadcast may reach."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta

import pytest
from flask import Flask
from redis import Redis

from onboarding_bot import wiring
from onboarding_bot.cli import breach_list
from onboarding_bot.storage import keys
from tests.broadcasts.people import add_many
from tests.command_line import run_command
from tests.fakes import MovableClock
from tests.settings import ENVIRONMENT
from tests.talker import Talker

ASHA, RAVI, NOOR, HIDDEN = (
    "whatsapp:+919876543210",
    "whatsapp:+919876543211",
    "whatsapp:+919876543212",
    "whatsapp:IN.13491208655302741918",
)


@pytest.fixture(autouse=True)
def on_this_redis(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(wiring, "connect", lambda *_, **__: redis)


class Run:
    """One run of the program, with what it wrote where."""

    def __init__(self, *arguments: str) -> None:
        lines, log = io.StringIO(), io.StringIO()
        with redirect_stdout(lines), redirect_stderr(log):
            self.code = run_command("breach-list", "--by", "Meera", *arguments)
        self.rows = {row["address"]: row for row in csv.DictReader(io.StringIO(lines.getvalue()))}
        self.text, self.log = lines.getvalue(), log.getvalue()


def test_everybody_is_listed_also_after_a_stop(app: Flask, clock: MovableClock) -> None:
    Talker(app, ASHA).answers_everything().says("YES").says("STOP")
    Talker(app, RAVI).says_all("Hi", "Ravi Kumar")
    Talker(app, HIDDEN).says_all("नमस्ते", "Noor", "7", "560001", "98765 00000")
    Talker(app, NOOR).says_all("Hi", "Noor", "DELETE MY DATA", "YES")
    run = Run()
    assert run.code == 0
    assert set(run.rows) == {ASHA, RAVI, HIDDEN}, "and nobody who was erased"
    assert {address: row["opted_out"] for address, row in run.rows.items()} == {ASHA: "yes", RAVI: "no", HIDDEN: "no"}
    assert (run.rows[ASHA]["phone"], run.rows[HIDDEN]["phone"]) == ("+919876543210", "+919876500000")
    assert (run.rows[RAVI]["language"], run.rows[HIDDEN]["language"]) == ("en", "hi")
    assert run.rows[RAVI]["last_message_at"] == clock.moment.isoformat(timespec="seconds")
    assert run.log.endswith("3 people\n")


def test_only_who_wrote_since_a_moment(app: Flask, clock: MovableClock) -> None:
    Talker(app, ASHA).says("Hi")
    clock.pass_(days=2)
    Talker(app, RAVI).says("Hi")
    run = Run("--since", (clock.moment - timedelta(days=1)).isoformat())
    assert set(run.rows) == {RAVI}
    assert set(Run("--since", clock.moment.isoformat()).rows) == {RAVI}, "the moment itself counts"


def test_a_shard_with_more_than_a_batch_is_listed_whole(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Talker(app, ASHA).store
    monkeypatch.setattr("onboarding_bot.storage.contacts.BATCH", 3)
    add_many(store, 400)
    assert len(Run().rows) == 400


def test_the_audit_line_comes_first_and_names_nobody(app: Flask) -> None:
    Talker(app, ASHA).says("Hi")
    first, *_ = Run().log.splitlines()
    line = json.loads(first)
    assert (line["event"], line["key"], line["action"]) == ("audit", "Meera", breach_list.ACTION)
    assert "98765" not in first


class FullDisk(io.StringIO):
    """A log that takes nothing any more."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def test_nobody_is_shown_when_the_audit_line_cannot_be_written(app: Flask) -> None:
    Talker(app, ASHA).says("Hi")
    lines = io.StringIO()
    with redirect_stdout(lines), redirect_stderr(FullDisk()), pytest.raises(OSError, match="No space"):
        run_command("breach-list", "--by", "Meera")
    assert lines.getvalue() == ""


def test_a_record_that_cannot_be_read_is_told(app: Flask, redis: Redis) -> None:
    talker = Talker(app, ASHA).says("Hi")
    Talker(app, RAVI).says("Hi")
    redis.set(talker.store._keys.contact(talker.store.identify(ASHA)), b"damaged")
    run = Run()
    assert run.code == 1
    assert set(run.rows) == {RAVI}
    assert "not whole: 1 records cannot be read" in run.log


def test_whose_record_has_expired_is_not_listed(app: Flask, redis: Redis) -> None:
    talker = Talker(app, ASHA).says("Hi")
    redis.delete(talker.store._keys.contact(talker.store.identify(ASHA)))
    assert redis.zcard(keys.contacts_of(keys.shard_of(talker.store.identify(ASHA)))) == 1
    run = Run()
    assert (run.code, run.rows) == (0, {})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--by"),
        (["--by", " "], "must be a name"),
        (["--by", "Meera\nRavi"], "must be a name"),
        (["--by", "Meera", "--since", "yesterday"], "must be a moment with an offset"),
        (["--by", "Meera", "--since", "2026-11-01T00:00:00"], "must be a moment with an offset"),
    ],
)
def test_a_wrong_call_is_explained(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("breach-list", *arguments) == 2
    assert says in capsys.readouterr().err
