"""The group of commands: help for each, quickly, and exit codes that a script can rely on."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onboarding_bot import progress
from onboarding_bot.cli import COMMANDS
from tests.command_line import run_command
from tests.settings import ENVIRONMENT

ROOT = Path(__file__).parents[2]
SUBCOMMANDS = [["templates", "sync"], ["consent", "review"], ["erasure", "list"]]
EVERY_COMMAND = [*([name] for name in COMMANDS), *SUBCOMMANDS]
# Whatever takes its time to be loaded, and no --help needs.
HEAVY = ("flask", "redis", "requests", "dramatiq", "twilio", "cryptography", "structlog", "gevent", "prometheus_client")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_group_lists_every_command(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(option) == 0
    listed = re.findall(r"^  ([a-z-]+) +[A-Z]", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_every_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(*command, "--help") == 0
    told = capsys.readouterr().out
    assert re.match(rf"Usage: .* {' '.join(command)} ", told)
    assert re.search(r"\n\n  [A-Z][^.]+\.", told), "what it does is a sentence"


@pytest.mark.parametrize("command", [[], *EVERY_COMMAND], ids=" ".join)
def test_no_help_waits_for_what_only_the_work_needs(command: list[str]) -> None:
    look = "import sys\nfrom onboarding_bot.cli import main\nmain([*sys.argv[1:], '--help'])\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", look, *command], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([], "Usage: ", id="no command"),
        pytest.param(["frobnicate"], "error: No such command 'frobnicate'", id="an unknown command"),
        pytest.param(["consent"], "Usage: ", id="a group without its command"),
        pytest.param(["env", "now"], "error: Got unexpected extra argument", id="an argument too many"),
        pytest.param(["restore"], "error: the following arguments are required: FILE", id="an argument too few"),
        pytest.param(["catch-up"], "error: the following arguments are required: --since", id="an option too few"),
        pytest.param(["backup", "--now"], "error: No such option", id="an unknown option"),
    ],
)
def test_a_wrong_call_is_told_on_standard_error(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(*arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Usage: ")
    assert says in told.err


def test_settings_faults_are_all_told_whatever_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (ENVIRONMENT | {"PORT": "x", "LOG_LEVEL": "LOUD"}).items():
        monkeypatch.setenv(name, value)
    told = set()
    for command in (["env"], ["doctor"], ["backup"], ["erasure", "list"], ["consent", "review"], ["serve"]):
        assert run_command(*command) == 1
        told.add(capsys.readouterr().err)
    (lines,) = told
    assert sorted(line.split()[1] for line in lines.splitlines()) == ["LOG_LEVEL", "PORT"]


def test_the_caller_may_have_another_name_and_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called = ["--called-as", "deploy.sh", "--called-from", str(tmp_path)]
    assert run_command(*called, "catch-up") == 2
    assert capsys.readouterr().err.startswith("Usage: deploy.sh catch-up [OPTIONS]\ndeploy.sh catch-up: error: ")
    assert run_command(*called, "restore", "--with-compose", "night.rdb") == 1
    assert capsys.readouterr().err == f"deploy.sh: {tmp_path / 'night.rdb'} does not exist\n"


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    """Where the tests run in the background, SIGINT is ignored, and children inherit that."""
    code = "import signal, time, onboarding_bot.cli as cli\nfrom onboarding_bot.services import doctor\n"
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "doctor.Doctor.examine = lambda self: (print('asking', flush=True), time.sleep(60))\n"
    code += "raise SystemExit(cli.main(['doctor']))"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | ENVIRONMENT,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asking:
        assert asking.stdout
        assert asking.stdout.readline() == "asking\n"
        asking.send_signal(signal.SIGINT)
        _, complaints = asking.communicate(timeout=60)
    assert (asking.returncode, complaints.strip()) == (130, "")


# --- progress ------------------------------------------------------------------------------------------------------

LONG_WORK = """
from onboarding_bot import progress
progress.SHOWN_EVERY_SECONDS = 0
with progress.shown_on_terminal() as tell:
    for number in (1, 1000, 2000):
        tell("keys restored", number, 2000)
    tell("people", 7, None)
print("2000 keys restored")
"""


def run_on_terminal(code: str) -> tuple[str, str]:
    """Standard output, and what a terminal in the place of standard error shows."""
    terminal, far_end = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=far_end, text=True, check=True, cwd=ROOT
    )
    os.close(far_end)
    shown = os.read(terminal, 4096).decode()
    os.close(terminal)
    return done.stdout, shown


def test_progress_is_one_line_of_the_terminal_and_goes_with_the_work() -> None:
    out, shown = run_on_terminal(LONG_WORK)
    assert out == "2000 keys restored\n"
    states = [state.rstrip() for state in shown.split("\r")]
    assert states == [
        "",
        "keys restored: 1 of 2,000",
        "keys restored: 1,000 of 2,000",
        "keys restored: 2,000 of 2,000",
        "people: 7",
        "",
        "",
    ]


def test_nobody_sees_progress_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown_on_terminal() as tell:
        tell("keys restored", 1, 2)
    assert capsys.readouterr() == ("", "")
