"""Where settings come from: whatever is wrong with ``.env`` is a line with the file, its line and the cure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from onboarding_bot import config
from onboarding_bot.config import NAMES_OF_OTHERS, load_settings, read_environment, setting_names
from onboarding_bot.environment import FoundEnvironment
from onboarding_bot.errors import SettingsError
from tests.command_line import run_command
from tests.settings import ENVIRONMENT

ROOT = Path(__file__).parent.parent
GOOD = "".join(f"{name}={value}\n" for name, value in ENVIRONMENT.items())
CANARY = "canary-canary-canary"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*setting_names(), *NAMES_OF_OTHERS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(".env")


def lines(file: Path) -> list[str]:
    """Every line that an operator is shown; none of them has a secret in it."""
    with pytest.raises(SettingsError) as caught:
        load_settings(read_environment(file))
    assert CANARY not in "\n".join(caught.value.lines)
    return caught.value.lines


def found(file: Path) -> FoundEnvironment:
    environ = read_environment(file)
    load_settings(environ)
    return environ


# --- the file as bytes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(GOOD.encode("utf-8-sig"), id="UTF-8 with its mark, as Notepad writes it"),
        pytest.param(GOOD.replace("\n", "\r\n").encode(), id="lines that end as on Windows"),
        pytest.param(GOOD.replace("\n", "\r\n").encode("utf-8-sig"), id="both"),
        pytest.param(GOOD.replace("\n", "\r").encode(), id="lines that end as on an old Mac"),
        pytest.param(GOOD.rstrip().encode(), id="no end of the last line"),
        pytest.param(("# पता ₹\n" + GOOD).encode(), id="a comment in Hindi"),
        pytest.param(GOOD.replace("=", " = ", 1).encode(), id="blanks round the ="),
        pytest.param("".join(f"export {line}\n" for line in GOOD.splitlines()).encode(), id="export"),
    ],
)
def test_a_file_that_is_read(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    environ = found(file)
    assert {name: environ[name] for name in ENVIRONMENT} == ENVIRONMENT
    assert environ.warnings == []


@pytest.mark.parametrize(
    ("raw", "line", "said"),
    [
        *(
            pytest.param(text.encode(encoding), 1, "UTF-16", id=f"{encoding} {name}")
            for encoding in ("utf-16", "utf-16-le", "utf-16-be")
            for name, text in (
                ("", GOOD),
                ("with Windows's ends", GOOD.replace("\n", "\r\n")),
                ("in Hindi", f"# पता\n{GOOD}"),
            )
        ),
        pytest.param(b"\xfe\xff" + GOOD.encode("utf-16-be"), 1, "UTF-16", id="UTF-16 BE with its mark"),
        pytest.param(GOOD.encode("utf-32"), 1, "UTF-32", id="UTF-32"),
        pytest.param(b"# caf\xe9\n" + GOOD.encode(), 1, "not UTF-8", id="Latin-1 in a comment"),
        pytest.param(GOOD.encode() + b"LOG_LEVEL=INFO # Andr\xe9\n", 12, "not UTF-8", id="Latin-1 behind a value"),
        pytest.param(GOOD.replace("0100", "caf\u00e9").encode("latin-1"), 11, "not UTF-8", id="Latin-1 in a value"),
        pytest.param(GOOD.encode() + b"# \x93quoted\x94\r\n", 12, "not UTF-8", id="Windows-1252"),
        pytest.param(GOOD.encode() + b"# cut \xe0\xa4", 12, "not UTF-8", id="cut within a letter"),
        pytest.param(GOOD.encode() + b"LOG_LEVEL=IN\0FO\n", 12, "NUL byte", id="a NUL byte in a value"),
        pytest.param(GOOD.encode() + b"\n# \0", 13, "NUL byte", id="a NUL byte in a comment"),
    ],
)
def test_what_is_not_utf_8_is_one_fault_with_its_line(file: Path, raw: bytes, line: int, said: str) -> None:
    file.write_bytes(raw)
    (fault,) = lines(file)
    assert fault.startswith(f".env, line {line}: ")
    assert said in fault


def test_a_file_in_another_encoding_hides_no_other_fault(file: Path) -> None:
    file.write_bytes((GOOD + "PORT=x\nLOG_LEVEL INFO\n").encode("utf-16"))
    assert [line.split(":")[0].split(" must")[0] for line in lines(file)] == [
        ".env, line 1",
        ".env, line 13",
        "setting PORT",
    ]


def test_each_wrong_line_is_told(file: Path) -> None:
    file.write_bytes(b"# \xe9\n\n# \xe9\nPORT=\0x\n")
    told = lines(file)
    assert [line.partition(":")[0] for line in told[:3]] == [".env, line 1", ".env, line 3", ".env, line 4"]
    assert any(line.startswith("setting PORT ") for line in told)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(a_directory, "is a directory", id="directory"),
        pytest.param(a_link_to_nothing, "link to a file that is not there", id="dangling link"),
        pytest.param(a_link_to_itself, "symbolic links", id="link to itself"),
    ],
)
def test_a_file_that_cannot_be_read(
    file: Path, make: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(file)
    for name, value in (ENVIRONMENT | {"PORT": "x"}).items():
        monkeypatch.setenv(name, value)
    of_file, of_setting = lines(file)
    assert of_file.startswith(".env cannot be read: ")
    assert said in of_file
    assert of_setting.startswith("setting PORT ")


def test_a_file_of_another_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert lines(file)[0].startswith(".env cannot be read: permission denied: let the user that runs the bot read it")


# --- the file as lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        pytest.param("LOG_LEVEL INFO", 12, "is not NAME=value", id="no ="),
        pytest.param("LOG_LEVEL: INFO", 12, "is not NAME=value", id="YAML"),
        pytest.param("<<<<<<< HEAD", 12, "is not NAME=value", id="a conflict"),
        pytest.param("=======", 12, "is not NAME=value", id="a conflict's middle"),
        pytest.param("set LOG_LEVEL=INFO", 12, "is not NAME=value", id="as in a Windows shell"),
        pytest.param("LOG_LEVEL", 12, "LOG_LEVEL has no =", id="a name alone"),
        pytest.param("LOG_LEVEL=INFO\n\n\nexport LOG_LEVEL", 15, "LOG_LEVEL has no =", id="exported afterwards"),
        pytest.param(f'LOG_LEVEL="{CANARY}', 12, "quote", id="a double quote that stays open"),
        pytest.param(f"LOG_LEVEL='{CANARY}\n# end", 12, "quote", id="a single quote that stays open"),
        pytest.param('LOG_LEVEL="INFO" please', 12, "quote", id="something behind the quote"),
        pytest.param("\n\n  LOG_LEVEL INFO", 14, "is not NAME=value", id="behind empty lines"),
        pytest.param("“LOG_LEVEL”=INFO", 12, "U+201C", id="curly quotes round a name"),
        pytest.param('"LOG_LEVEL"=INFO', 12, "without quotes", id="quotes round a name"),
        pytest.param("LOG\u200b_LEVEL=INFO", 12, "U+200B", id="a zero-width space in a name"),
        pytest.param("\ufeffLOG_LEVEL=INFO", 12, "U+FEFF", id="a mark in the middle"),
        pytest.param("$env:LOG_LEVEL=INFO", 12, "U+0024", id="as in PowerShell"),
        pytest.param("LOG-LEVEL=INFO", 12, "U+002D", id="a hyphen"),
        pytest.param("1LOG_LEVEL=INFO", 12, "digit", id="a digit at the beginning"),
        pytest.param("PORT=5000\nLOG_LEVEL=INFO\nPORT=5001", 14, "PORT stands in line 12 already", id="twice"),
        pytest.param("PERSON_ID_KEY=", 12, "PERSON_ID_KEY stands in line 10 already", id="twice, empty at last"),
    ],
)
def test_a_line_that_says_nothing_is_a_fault(file: Path, text: str, line: int, said: str) -> None:
    file.write_text(f"{GOOD}{text}\n")
    told = [fault for fault in lines(file) if fault.startswith(".env")]
    assert len(told) == 1
    assert told[0].startswith(f".env, line {line}: ")
    assert said in told[0]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("QUIET_HOUR", "QUIET_HOURS"),
        ("QUITE_HOURS", "QUIET_HOURS"),
        ("REDIS_URI", "REDIS_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("log_level", "LOG_LEVEL"),
        ("TWILIO_WHATSAPP_NUMBERS", "TWILIO_WHATSAPP_NUMBER"),
        ("WHATSAPP_DAILY_LIMITS", "WHATSAPP_DAILY_LIMIT"),
        ("SIMULATOR_PROT", "SIMULATOR_PORT"),
    ],
)
def test_a_name_that_was_not_spelled_well_is_a_fault(file: Path, name: str, meant: str) -> None:
    file.write_text(f"{GOOD}{name}=1\n")
    assert lines(file) == [f".env, line 12: {name} is no setting: did you mean {meant}?"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("TWILIO_MESSAGING_SERVICE_SID", True, id="with a prefix of ours"),
        pytest.param("ADMIN_API_KEYS", True, id="like one that is there as well"),
        pytest.param("NGROK_AUTHTOKEN", False, id="of another program"),
        pytest.param("COMPOSE_PROJECT_NAME", False, id="of Docker Compose"),
        pytest.param("TZ", False, id="of the system"),
    ],
)
def test_another_name_is_a_warning_when_it_looks_like_one_of_ours(file: Path, name: str, told: bool) -> None:
    file.write_text(f"{GOOD}{name}=1\n")
    expected = [f".env, line 12: {name} is no setting of the bot: nobody reads it"] if told else []
    assert found(file).warnings == expected


def test_a_slip_in_the_environment_is_a_warning(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shared with other programs, so it stops nothing."""
    file.write_text(GOOD)
    monkeypatch.setenv("QUIET_HOUR", "off")
    assert found(file).warnings == ["QUIET_HOUR in the environment is no setting: did you mean QUIET_HOURS?"]


def test_what_the_neighbours_read_is_what_the_example_documents() -> None:
    documented = re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text())
    assert set(documented) - set(setting_names()) == set(NAMES_OF_OTHERS) - {"BOT_ENV_FILE", config.METRICS_FOLDER}


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("a-key-of-${HOME}-and-more", id="bare"),
        pytest.param("'a-key-of-${HOME}-and-more'", id="single quotes"),
        pytest.param('"a-key-of-${HOME}-and-more"', id="double quotes"),
        pytest.param("a-key-of-${NOBODY:-a default}-and-more", id="with a default"),
        pytest.param("a-key-of-${TWILIO_ACCOUNT_SID}-and-more", id="another one of the file"),
    ],
)
def test_nothing_is_put_into_a_value(file: Path, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(re.sub(r"(?m)^PERSON_ID_KEY=.*", lambda _: f"PERSON_ID_KEY={written}", GOOD))
    keys = set()
    for home in ("/root", "/var/spool/cron"):
        monkeypatch.setenv("HOME", home)
        environ = found(file)
        keys.add(load_settings(environ).person_id_key)
    assert keys == {written.strip("'\"")}
    assert environ.warnings[0].startswith(".env, line 10: PERSON_ID_KEY holds ${…}, which is taken as it stands")
    assert any("Docker Compose" in warning for warning in environ.warnings) is not written.startswith("'")


@pytest.mark.parametrize("written", ["a-key-with-$HOME-in-it", '"a-key-with-$$-in-it"'])
def test_a_dollar_that_docker_compose_reads_otherwise_is_a_warning(file: Path, written: str) -> None:
    file.write_text(re.sub(r"(?m)^PERSON_ID_KEY=.*", lambda _: f"PERSON_ID_KEY={written}", GOOD))
    (warning,) = found(file).warnings
    assert "write the value in single quotes" in warning
    file.write_text(re.sub(r"(?m)^PERSON_ID_KEY=.*", lambda _: "PERSON_ID_KEY='{}'".format(written.strip('"')), GOOD))
    assert found(file).warnings == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("HANDOFF_API_KEY", "${HANDOFF_API_KEY_LIVE}", id="a secret"),
        pytest.param("SUPPORT_CONTACT", "${PHONE}", id="a text"),
        pytest.param("REDIS_URL", "redis://:${REDIS_PASSWORD}@redis:6379/0", id="within Redis's URL"),
        pytest.param("WEB_APP_URL", "https://${HOST}", id="within a URL"),
    ],
)
def test_who_meant_another_variable_is_told(file: Path, name: str, value: str) -> None:
    lines_but_one = "".join(line for line in GOOD.splitlines(True) if not line.startswith(f"{name}="))
    file.write_text(f"{lines_but_one}{name}='{value}'\n")
    (fault,) = lines(file)
    assert fault.startswith(f"setting {name} ")
    assert "${…}" in fault
    assert "write the value itself" in fault


@pytest.mark.parametrize(
    "password", ["p@ss", "p#ss", "p/ss", "p?ss", "p%ss", "'p ss'", "p:ss", "'p$s'", "p²", '"p\'s"']
)
def test_the_password_that_docker_compose_puts_into_a_url(file: Path, password: str) -> None:
    file.write_text(f"{GOOD}REDIS_PASSWORD={password}\n")
    (fault,) = lines(file)
    assert fault.startswith(".env, line 12: REDIS_PASSWORD must be of letters and digits")


# --- what hides what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", " ", "\t", "\u00a0"])
def test_an_empty_variable_that_hides_the_files_value_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    file.write_text(f"{GOOD}PORT=5001\n")
    for name in ("PORT", "PERSON_ID_KEY"):
        monkeypatch.setenv(name, value)
    told = lines(file)
    assert [line.partition(":")[0] for line in told] == [
        "setting PORT is empty in the environment, which hides its value in .env, line 12",
        "setting PERSON_ID_KEY is empty in the environment, which hides its value in .env, line 10",
    ]
    assert "unset PORT" in told[0]


def test_an_empty_variable_that_hides_nothing_is_no_fault(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"{GOOD}LOG_LEVEL=\n")
    for name in ("PORT", "LOG_LEVEL"):
        monkeypatch.setenv(name, "")
    assert load_settings(found(file)).port == 5000


def test_a_byte_in_the_environment_that_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(ENVIRONMENT | {"SUPPORT_CONTACT": os.fsdecode(b"caf\xe9")})
    assert caught.value.faults == ["SUPPORT_CONTACT has a byte that is not UTF-8 as character 4: type it anew"]


# --- the demo's file -----------------------------------------------------------------------------------------------

DEMO = {
    "FLASK_ENV": "demo",
    "AUTH_API_URL": "http://127.0.0.1:5050",
    "WEB_APP_URL": "http://127.0.0.1:5050",
    "TWILIO_API_BASE_URL": "http://127.0.0.1:5050",
}


def test_the_demos_file_is_held_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "demo.env"
    load_settings(DEMO | {"DEMO_ENV_FILE": str(path)})
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(SettingsError) as caught:
        load_settings(DEMO | {"DEMO_ENV_FILE": str(path)})
    assert [line.split(": ")[0] for line in caught.value.lines] == [f"{path}, line 1"]


@pytest.mark.parametrize("name", ["a-file/demo.env", "a\0file"])
def test_a_demo_file_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(SettingsError) as caught:
        load_settings(DEMO | {"DEMO_ENV_FILE": f"{tmp_path}/{name}"})
    assert "cannot be written" in caught.value.lines[0]


def test_an_empty_name_of_the_demos_file_counts_as_absent(file: Path) -> None:
    load_settings(DEMO | {"DEMO_ENV_FILE": ""})
    assert Path("var/demo.env").is_file()


# --- python -m onboarding_bot env, and everything else that reads settings -----------------------------------------


def test_the_check_shows_warnings_of_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{GOOD}TWILIO_API_KEY=1\n")
    assert run_command("env") == 0
    assert "warning: .env, line 12: TWILIO_API_KEY is no setting" in capsys.readouterr().err


PROGRAMS = {
    "env": ["-m", "onboarding_bot", "env"],
    "gunicorn": ["-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "main:app"],
    "main.py": [str(ROOT / "main.py")],
    "worker": ["-m", "onboarding_bot", "worker"],
    "serve": ["-m", "onboarding_bot", "serve"],
    "doctor": ["-m", "onboarding_bot", "doctor"],
    "templates": ["-m", "onboarding_bot", "templates", "sync", "--dry-run"],
    "catch-up": ["-m", "onboarding_bot", "catch-up", "--since", "1h"],
    "consent": ["-m", "onboarding_bot", "consent", "review"],
    "breach-list": ["-m", "onboarding_bot", "breach-list", "--by", "Meera"],
    "erasure": ["-m", "onboarding_bot", "erasure", "list"],
    "backup": ["-m", "onboarding_bot", "backup"],
    "restore": ["-m", "onboarding_bot", "restore", "nothing.rdb"],
}


def run(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_it_in_one_line_and_ends(file: Path, program: str) -> None:
    file.write_bytes(GOOD.encode("utf-16"))
    told = run(file.absolute().parent, PROGRAMS[program])
    assert told.returncode == 1, told.stderr
    assert [line.partition(": ")[0] for line in told.stderr.splitlines()] == [".env, line 1"]


def test_the_simulator_says_it_in_one_line_and_ends(file: Path) -> None:
    file.write_bytes(GOOD.encode("utf-16"))
    told = run(file.absolute().parent, ["-m", "simulator"])
    assert (told.returncode, len(told.stderr.splitlines())) == (1, 1)
    assert ".env is not UTF-8" in told.stderr


def test_the_demo_lists_what_the_bot_says_of_the_file(file: Path) -> None:
    file.write_bytes(f"{GOOD}LOG_LEVEL=LOUD\nLOG_LEVEL INFO\n".encode("utf-16"))
    told = run(file.absolute().parent, ["-m", "simulator.demo"])
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    for said in (".env, line 1: ", ".env, line 13: ", "setting LOG_LEVEL "):
        assert said in told.stderr


# Root may read everything, so the program reads the file as nobody when it has the choice.
AS_NOBODY = """
import os
from onboarding_bot import config
from onboarding_bot.cli import main
from onboarding_bot.config import read_environment

def read_as_nobody():
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        return read_environment()
    finally:
        os.seteuid(user)

config.read_environment = read_as_nobody
raise SystemExit(main(["env"]))
"""


def test_a_file_that_the_process_may_not_read_is_told_first(file: Path) -> None:
    file.write_text(GOOD)
    file.chmod(0)
    told = run(file.absolute().parent, ["-c", AS_NOBODY])
    assert told.returncode == 1
    assert told.stderr.splitlines()[0].startswith(".env cannot be read: permission denied")
    assert "Traceback" not in told.stderr
