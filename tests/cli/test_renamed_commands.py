"""Commands under the names of the release before: they do what they did, and say on standard error what comes next."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis

from onboarding_bot.storage.keys import SCHEDULER_LEASE
from tests.servers import RedisServer, missing, running_redis, wait_for
from tests.settings import ENVIRONMENT

ROOT = Path(__file__).parents[2]
NOBODY = "redis://127.0.0.1:1/0"
# What stood behind `python -m`, what stands there now, and with which arguments.
RENAMED = {
    "crontab": ("onboarding_bot.cli.backup", "backup", ["--erasures-only"]),
    "crontab, without Redis": ("onboarding_bot.cli.backup", "backup", ["--erasures-only"]),
    "backup": ("onboarding_bot.cli.backup", "backup", ["night.rdb"]),
    "restore": ("onboarding_bot.cli.restore", "restore", ["nothing.rdb", "--erasures", "bot.log"]),
    "catch-up": ("onboarding_bot.cli.catch_up", "catch-up", ["--since", "30m", "--dry-run"]),
    "catch-up, wrongly": ("onboarding_bot.cli.catch_up", "catch-up", []),
    "consent, without Redis": ("onboarding_bot.cli.consent", "consent", ["review", "--dry-run"]),
    "consent": ("onboarding_bot.cli.consent", "consent", ["review", "--dry-run"]),
    "breach-list": ("onboarding_bot.cli.breach_list", "breach-list", ["--by", "Meera Rao"]),
    "env": ("onboarding_bot.config", "env", []),
    "doctor": ("onboarding_bot.services.doctor", "doctor", []),
    "templates": ("onboarding_bot.services.templates", "templates", ["sync", "--dry-run"]),
}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis"), "--repl-diskless-sync-delay", "0") as server:
        yield server


def environment(redis_url: str) -> dict[str, str]:
    # Nobody else is asked: what listens nowhere refuses at once.
    closed = "http://127.0.0.1:1"
    elsewhere = {"TWILIO_API_BASE_URL": closed, "TWILIO_CONTENT_API_BASE_URL": closed, "PUBLIC_BASE_URL": closed}
    return os.environ | ENVIRONMENT | elsewhere | {"REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)}


def run(folder: Path, redis_url: str, *words: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "bot.log").write_text("")
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", *words],
        cwd=folder,
        env=environment(redis_url),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", RENAMED)
def test_a_former_name_does_the_same_and_says_so(redis: RedisServer, tmp_path: Path, name: str) -> None:
    module, command, arguments = RENAMED[name]
    if command == "backup" and not shutil.which("redis-cli"):
        missing("redis-cli")
    url = NOBODY if "without Redis" in name else redis.url
    former = run(tmp_path / "former", url, module, *arguments)
    now = run(tmp_path / "now", url, "onboarding_bot", command, *arguments)
    warning, *complaints = former.stderr.splitlines()
    assert warning == (
        f"warning: python -m {module} is now python -m onboarding_bot {command}; "
        "the former name goes with the next release"
    )
    assert (former.returncode, bool(former.stdout)) == (now.returncode, bool(now.stdout))
    if name not in {"crontab", "breach-list"}:
        # Those two tell the time.
        assert (former.stdout, complaints) == (now.stdout, now.stderr.splitlines())
    assert sorted(path.name for path in (tmp_path / "former").iterdir()) == sorted(
        path.name for path in (tmp_path / "now").iterdir()
    )


def test_the_list_of_a_crontab_is_on_standard_output_alone(redis: RedisServer, tmp_path: Path) -> None:
    """``python -m onboarding_bot.cli.backup --erasures-only >FILE``, as SETUP.md had it."""
    told = run(tmp_path / "former", redis.url, "onboarding_bot.cli.backup", "--erasures-only")
    assert told.returncode == 0
    assert told.stdout.startswith("# all erasures until ")
    assert len(told.stdout.splitlines()) == len(told.stderr.splitlines()) == 1
    assert run(tmp_path / "now", redis.url, "onboarding_bot", "erasure", "list").stdout[:21] == told.stdout[:21]


def test_a_worker_under_its_former_name_is_the_same_process_and_ends_well(redis: RedisServer, tmp_path: Path) -> None:
    """Whoever supervises it has its process id."""
    client = Redis(port=redis.port)
    client.flushall()
    log = tmp_path / "log"
    with log.open("wb") as lines:
        worker = subprocess.Popen(
            [sys.executable, "-m", "onboarding_bot.worker"],
            env=environment(redis.url),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
        )
    try:
        wait_for(lambda: bool(client.exists(SCHEDULER_LEASE)), "a worker that schedules")
        told = Path("/proc", str(worker.pid), "cmdline").read_bytes().split(b"\0")
        assert told[1:4] == [b"-m", b"onboarding_bot", b"worker"]
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=120) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    warning, *rest = log.read_text().splitlines()
    assert warning.startswith("warning: python -m onboarding_bot.worker is now python -m onboarding_bot worker; ")
    assert not any(line.startswith("warning:") for line in rest)
