"""What deploy.sh says and answers: help, wrong calls, settings, the running bot, Docker Compose."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.deploy.clones import Clone, free_ports

VERBS = ["demo", "test", "check", "install", "lock", "env", "doctor", "serve", "health", "stats"]
VERBS += ["catch-up", "consent", "breach-list", "backup", "restore"]
VERBS += ["deploy", "start", "stop", "restart", "logs", "clean", "help"]
GOOD_SETTINGS = {
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "AUTH_API_URL": "https://auth.example.com",
    "WEB_APP_URL": "https://app.example.com",
    "PUBLIC_BASE_URL": "https://bot.example.com",
    "SUPPORT_CONTACT": "+91 80 5550 0100",
    "SESSION_ENCRYPTION_KEYS": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "PERSON_ID_KEY": "a-key-for-the-persons",
    "ADMIN_API_KEY": "a-key-for-the-admins",
    "HANDOFF_API_KEY": "a-key-for-the-web-app",
}


def test_help_names_every_verb(clone: Clone) -> None:
    told = clone.run("help")
    assert told.returncode == 0
    assert told.stderr == ""
    assert [verb for verb in VERBS if not re.search(rf"^  {verb}\b", told.stdout, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "a verb is missing"),
        (["frobnicate"], 'there is no verb "frobnicate"'),
        (["demo", "--fast"], "demo takes no arguments"),
        (["install", "--fast"], "install takes no arguments"),
        (["clean", "everything"], "clean takes only --volumes"),
        (["backup", "one", "two"], "backup takes one file at most"),
        (["backup", "--now"], "backup takes one file at most"),
        (["consent"], "consent takes review, or review --dry-run"),
        (["consent", "review", "--now"], "consent takes review, or review --dry-run"),
        (["restore"], "restore needs the file that backup wrote"),
        (["restore", "file", "--force"], "restore takes a file, and --erasures with a file"),
    ],
)
def test_a_wrong_call_shows_the_help_on_stderr(clone: Clone, arguments: list[str], complaint: str) -> None:
    told = clone.run(*arguments)
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr.startswith(f"deploy.sh: {complaint}\nUsage: ./deploy.sh VERB\n")


def test_no_colour_off_a_terminal(clone: Clone) -> None:
    told = clone.run("frobnicate", TERM="xterm-256color", CLICOLOR="1")
    assert "\x1b" not in told.stdout + told.stderr


def test_env_lists_every_fault_at_once_and_shows_no_value(clone: Clone) -> None:
    told = clone.run("env", PORT="70000", ADMIN_API_KEY="short-and-secret", LOG_LEVEL="LOUD", PERSON_ID_KEY="tiny")
    assert told.returncode == 1
    for name in ("PORT", "LOG_LEVEL", "PERSON_ID_KEY", "TWILIO_AUTH_TOKEN", "PUBLIC_BASE_URL", "SUPPORT_CONTACT"):
        assert re.search(rf"^setting {name} ", told.stderr, re.MULTILINE), name
    for value in ("70000", "LOUD", "tiny", "short-and-secret"):
        assert value not in told.stdout + told.stderr


def test_env_accepts_a_complete_dotenv_file(clone: Clone) -> None:
    dotenv = clone.folder / ".env"
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in GOOD_SETTINGS.items()))
    try:
        told = clone.run("env")
    finally:
        dotenv.unlink()
    assert (told.returncode, told.stdout, told.stderr) == (0, "settings are good for production\n", "")


GOOD_DOTENV = "".join(f"{name}={value}\n" for name, value in GOOD_SETTINGS.items())


@pytest.fixture
def dotenv(clone: Clone) -> Iterator[Path]:
    path = clone.folder / ".env"
    yield path
    path.unlink()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        pytest.param(GOOD_DOTENV.encode("utf-16"), [".env, line 1: the file is UTF-16"], id="UTF-16"),
        pytest.param(
            b"# caf\xe9\n" + GOOD_DOTENV.encode() + b"PORT=x\nLOG_LEVEL INFO\nQUIET_HOUR=off\n",
            [".env, line 1: a letter", ".env, line 13: is not", ".env, line 14: QUIET_HOUR", "setting PORT must"],
            id="a letter in Latin-1, and more",
        ),
    ],
)
def test_env_says_where_the_file_is_wrong(clone: Clone, dotenv: Path, raw: bytes, told: list[str]) -> None:
    dotenv.write_bytes(raw)
    answer = clone.run("env")
    assert (answer.returncode, answer.stdout) == (1, "")
    lines = answer.stderr.splitlines()
    assert [line for line, begins in zip(lines, told, strict=True) if not line.startswith(begins)] == []


def test_env_says_which_empty_variable_hides_a_value(clone: Clone, dotenv: Path) -> None:
    dotenv.write_text(GOOD_DOTENV)
    answer = clone.run("env", HANDOFF_API_KEY="")
    assert answer.returncode == 1
    assert answer.stderr.startswith("setting HANDOFF_API_KEY is empty in the environment")
    assert len(answer.stderr.splitlines()) == 1


def test_health_asks_although_the_file_is_wrong(clone: Clone, dotenv: Path, answering_bot: HTTPServer) -> None:
    dotenv.write_bytes(f"PORT={answering_bot.server_port}\n# caf".encode() + b"\xe9\n")
    answer = clone.run("health")
    assert (answer.returncode, json.loads(answer.stdout)["path"]) == (0, "/health")
    assert answer.stderr.startswith("deploy.sh: .env, line 2: a letter is not UTF-8")
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("verb", "name", "value"),
    [
        pytest.param("health", "PORT", "five thousand", id="a port in words"),
        pytest.param("stats", "ADMIN_API_KEY", "a-key-for\u200bthe-admins", id="a zero-width space in the key"),
        pytest.param("stats", "ADMIN_API_KEY", "a-key-for\nthe-admins", id="a line break in the key"),
    ],
)
def test_the_bot_cannot_be_asked_with_a_wrong_setting(clone: Clone, verb: str, name: str, value: str) -> None:
    answer = clone.run(verb, **{"PORT": str(free_ports(1)[0]), name: value})
    assert answer.returncode == 1
    assert answer.stderr.startswith("deploy.sh: the bot cannot be asked")
    assert len(answer.stderr.splitlines()) == 1


def test_serve_does_not_start_with_faulty_settings(clone: Clone) -> None:
    told = clone.run("serve", PORT=str(free_ports(1)[0]))
    assert told.returncode == 1
    assert "setting TWILIO_AUTH_TOKEN is missing" in told.stderr


class AnsweringBot(BaseHTTPRequestHandler):
    """Answers /health with what the test says, and /stats with the key that it got."""

    health_status = 200

    def do_GET(self) -> None:
        status = self.health_status if self.path == "/health" else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"path": self.path, "key": self.headers.get("Authorization")}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing: the answer is what the test looks at."""


@pytest.fixture
def answering_bot() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), AnsweringBot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("status", "returncode"), [(200, 0), (503, 1)])
def test_health_tells_by_its_exit_code(
    clone: Clone, answering_bot: HTTPServer, monkeypatch: pytest.MonkeyPatch, status: int, returncode: int
) -> None:
    monkeypatch.setattr(AnsweringBot, "health_status", status)
    told = clone.run("health", PORT=str(answering_bot.server_port))
    assert told.returncode == returncode
    assert json.loads(told.stdout) == {"path": "/health", "key": None}


def test_health_of_a_bot_that_does_not_run_is_one_line(clone: Clone) -> None:
    told = clone.run("health", PORT=str(free_ports(1)[0]))
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1
    assert "does not answer" in told.stderr


def test_stats_sends_the_key(clone: Clone, answering_bot: HTTPServer) -> None:
    told = clone.run("stats", PORT=str(answering_bot.server_port), ADMIN_API_KEY="a-key-for-the-admins")
    assert told.returncode == 0
    assert json.loads(told.stdout) == {"path": "/stats", "key": "Bearer a-key-for-the-admins"}


@pytest.mark.parametrize(
    ("keys", "returncode", "said"),
    [
        ("a:send:a-key-that-sends-1,b:read:a-key-that-reads-1", 0, '"key": "Bearer a-key-that-reads-1"'),
        ("a:send:a-key-that-sends-1", 1, "deploy.sh: no key in ADMIN_API_KEY has the role read\n"),
        ("a:send:short", 1, "deploy.sh: ADMIN_API_KEY entry 1 must have at least 16 characters in its key\n"),
    ],
)
def test_stats_takes_a_key_that_may_read(
    clone: Clone, answering_bot: HTTPServer, keys: str, returncode: int, said: str
) -> None:
    told = clone.run("stats", PORT=str(answering_bot.server_port), ADMIN_API_KEY=keys)
    assert told.returncode == returncode
    assert said in told.stdout + told.stderr


def test_stats_without_a_key_says_so(clone: Clone, answering_bot: HTTPServer) -> None:
    told = clone.run("stats", PORT=str(answering_bot.server_port), DEMO_ENV_FILE="/nonexistent")
    assert told.returncode == 1
    assert told.stderr == "deploy.sh: ADMIN_API_KEY is set neither in the environment nor in .env\n"


# A docker that notes how it was called; `up` fails while the image that it would start is in $UNHEALTHY.
DOCKER = """#!/usr/bin/env bash
echo "$*" >>"$DOCKER_NOTES"
latest="$DOCKER_NOTES.latest"
case "$*" in
  "compose ps --quiet whatsapp-bot" | "compose ps --quiet redis") [[ -z $RUNNING ]] || echo container ;;
  inspect*) echo "$RUNNING" ;;
  "compose build") echo built >"$latest"; exit "${BUILD_STATUS:-0}" ;;
  "tag msmebazaar-whatsapp-bot:previous msmebazaar-whatsapp-bot:latest") echo "$RUNNING" >"$latest" ;;
  "compose up"*) [[ " $UNHEALTHY " != *" $(<"$latest") "* ]] ;;
  "compose exec -T redis redis-cli --rdb -") printf '%s' "${SNAPSHOT-}" ;;
  "compose exec -T whatsapp-bot test"* | "compose run --rm --no-deps -T whatsapp-bot test"*) [[ ! ${IS_OLD-} ]] ;;
  "compose exec -T whatsapp-bot python -m onboarding_bot"*" --erasures-only") echo "a list" ;;
  "compose run"*) cat >"$DOCKER_NOTES.erasures" ;;
  "compose logs"*) echo "the bot's last words" ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    """The environment in which that docker is found, with settings that let `deploy` begin."""
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    notes = tmp_path / "notes"
    return GOOD_SETTINGS | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DOCKER_NOTES": str(notes),
        "RUNNING": "sha256:old",
        "UNHEALTHY": "",
    }


def calls(docker: dict[str, str]) -> list[str]:
    """What docker was asked to do; looking does not count."""
    looking = re.compile(r"compose version|compose ps|inspect|image inspect|compose (exec|run) .*-T whatsapp-bot test ")
    return [line for line in Path(docker["DOCKER_NOTES"]).read_text().splitlines() if not looking.match(line)]


IN_CONTAINER = "compose exec -T whatsapp-bot python -m onboarding_bot --called-as deploy.sh"
UP = "compose up --detach --no-build --remove-orphans --wait --wait-timeout 120"
KEEP = "tag sha256:old msmebazaar-whatsapp-bot:previous"
GO_BACK = "tag msmebazaar-whatsapp-bot:previous msmebazaar-whatsapp-bot:latest"
LAST_WORDS = "compose logs --no-color --tail 50 whatsapp-bot worker"


def test_deploy_keeps_the_running_image_before_it_builds(clone: Clone, docker: dict[str, str]) -> None:
    told = clone.run("deploy", **docker)
    assert told.returncode == 0, told.stderr
    assert calls(docker) == [KEEP, "compose build", UP]


def test_deploy_goes_back_when_the_new_version_never_gets_healthy(clone: Clone, docker: dict[str, str]) -> None:
    told = clone.run("deploy", **docker | {"UNHEALTHY": "built"})
    assert told.returncode == 1
    assert calls(docker) == [KEEP, "compose build", UP, LAST_WORDS, GO_BACK, UP]
    assert "the bot's last words" in told.stderr
    assert told.stderr.endswith("the new version did not get healthy; the previous one runs again\n")


def test_deploy_says_when_there_is_nothing_to_go_back_to(clone: Clone, docker: dict[str, str]) -> None:
    told = clone.run("deploy", **docker | {"UNHEALTHY": "built", "RUNNING": ""})
    assert told.returncode == 1
    assert calls(docker) == ["compose build", UP, LAST_WORDS]
    assert "no earlier image to go back to" in told.stderr


def test_deploy_says_when_the_previous_image_is_ill_too(clone: Clone, docker: dict[str, str]) -> None:
    told = clone.run("deploy", **docker | {"UNHEALTHY": "built sha256:old"})
    assert told.returncode == 1
    assert told.stderr.endswith("the new version did not get healthy, and the previous one does not either\n")


def test_deploy_leaves_what_runs_alone_when_the_build_fails(clone: Clone, docker: dict[str, str]) -> None:
    told = clone.run("deploy", **docker | {"BUILD_STATUS": "1"})
    assert told.returncode == 1
    assert calls(docker) == [KEEP, "compose build"]


def test_deploy_checks_the_settings_before_it_touches_anything(clone: Clone, docker: dict[str, str]) -> None:
    told = clone.run("deploy", **docker | {"PERSON_ID_KEY": "tiny"})
    assert told.returncode == 1
    assert "setting PERSON_ID_KEY" in told.stderr
    assert calls(docker) == []


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["start"], UP),
        (["stop"], "compose --profile demo --profile monitoring stop"),
        (["restart"], f"{UP} --force-recreate"),
        (["logs", "-f"], "compose logs --tail 100 -f"),
        (["clean", "--volumes"], "compose --profile demo --profile monitoring down --remove-orphans --volumes"),
    ],
)
def test_the_other_verbs_of_compose(clone: Clone, docker: dict[str, str], arguments: list[str], call: str) -> None:
    Path(docker["DOCKER_NOTES"] + ".latest").write_text("built")
    told = clone.run(*arguments, **docker)
    assert told.returncode == 0, told.stderr
    assert calls(docker)[0] == call


def test_catching_up_happens_where_the_bot_runs(clone: Clone, docker: dict[str, str]) -> None:
    clone.run("catch-up", "--since", "30m", "--dry-run", **docker)
    (call,) = calls(docker)
    assert call == f"{IN_CONTAINER} catch-up --since 30m --dry-run"


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["catch-up", "--since", "30m"], "python -m onboarding_bot.cli.catch_up --since 30m"),
        (["consent", "review"], "python -m onboarding_bot.cli.consent review"),
        (["breach-list", "--by", "Meera"], "python -m onboarding_bot.cli.breach_list --by Meera"),
    ],
)
def test_a_container_of_the_release_before_is_spoken_to_in_its_own_words(
    clone: Clone, docker: dict[str, str], arguments: list[str], call: str
) -> None:
    clone.run(*arguments, **docker | {"IS_OLD": "yes"})
    assert calls(docker) == [f"compose exec -T whatsapp-bot {call}"]


def test_catching_up_without_compose_happens_here(clone: Clone, docker: dict[str, str]) -> None:
    told = clone.run("catch-up", **docker | {"RUNNING": ""})
    assert calls(docker) == []
    assert told.returncode == 2
    assert "deploy.sh catch-up: error: the following arguments are required: --since" in told.stderr


def test_the_list_for_a_breach_is_made_where_the_bot_runs(clone: Clone, docker: dict[str, str]) -> None:
    clone.run("breach-list", "--by", "Meera", **docker)
    (call,) = calls(docker)
    assert call == f"{IN_CONTAINER} breach-list --by Meera"


@pytest.mark.parametrize("is_old", ["", "yes"], ids=["this release", "the release before, not replaced yet"])
def test_a_backup_with_compose_comes_out_of_the_containers(
    clone: Clone, docker: dict[str, str], tmp_path: Path, is_old: str
) -> None:
    told = clone.run("backup", str(tmp_path / "night.rdb"), **docker | {"SNAPSHOT": "REDIS0011", "IS_OLD": is_old})
    assert told.returncode == 0, told.stderr
    assert calls(docker)[-1].endswith(
        "cli.backup --erasures-only" if is_old else "onboarding_bot backup --erasures-only"
    )
    files = {path.name: path for path in tmp_path.glob("night*")}
    assert set(files) == {"night.rdb", "night.rdb.erasures"}
    assert files["night.rdb"].read_text() == "REDIS0011"
    assert files["night.rdb.erasures"].read_text() == "a list\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}


def test_a_backup_that_failed_leaves_nothing(clone: Clone, docker: dict[str, str], tmp_path: Path) -> None:
    told = clone.run("backup", str(tmp_path / "night.rdb"), **docker)
    assert (told.returncode, told.stderr) == (1, "deploy.sh: no backup was made\n")
    assert list(tmp_path.glob("night*")) == []


def test_backups_with_compose_are_kept_for_their_days(clone: Clone, docker: dict[str, str]) -> None:
    folder = clone.folder / "var" / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    for name, days in (("backup-old.rdb", 31), ("backup-young.rdb", 29), ("mine.rdb", 99)):
        (folder / name).write_text("")
        os.utime(folder / name, (time.time() - days * 86400,) * 2)
    assert clone.run("backup", **docker | {"SNAPSHOT": "REDIS0011"}).returncode == 0
    kept = {path.name for path in folder.iterdir()}
    assert len(kept) == 4
    assert {"backup-young.rdb", "mine.rdb"} < kept


def test_a_restore_with_compose_copies_between_containers_while_the_bot_stands_still(
    clone: Clone, docker: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "night.rdb").write_text("REDIS0011")
    (tmp_path / "night.rdb.erasures").write_text("list 1\n")
    (tmp_path / "bot.log").write_text("list 2\n")
    told = clone.run("restore", str(tmp_path / "night.rdb"), "--erasures", str(tmp_path / "bot.log"), **docker)
    assert told.returncode == 0, told.stderr
    done = calls(docker)
    assert done[0] == "compose stop whatsapp-bot worker"
    copies = next(
        index for index, call in enumerate(done) if call.startswith("compose run --rm --no-deps -T whatsapp-bot")
    )
    assert "--loaded-port 7379" in done[copies]
    assert "shutdown nosave" in done[copies + 1]
    assert Path(docker["DOCKER_NOTES"] + ".erasures").read_text() == "list 1\nlist 2\n"


def test_without_compose_one_line_says_so(clone: Clone, docker: dict[str, str]) -> None:
    program = Path(docker["DOCKER_NOTES"]).parent / "docker"
    program.write_text("#!/bin/sh\nexit 1\n")
    told = clone.run("start", **docker)
    assert told.returncode == 1
    assert told.stderr == "deploy.sh: Docker with its Compose plugin is needed, and was not found\n"
