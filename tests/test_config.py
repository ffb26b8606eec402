"""Settings: all faults at once and without a secret, who needs what, and the demo that makes its own."""

from __future__ import annotations

import base64
import multiprocessing
import os
import re
import stat
from dataclasses import FrozenInstanceError, fields
from datetime import time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from onboarding_bot import config
from onboarding_bot.config import (
    Environment,
    Settings,
    demo_secrets,
    load_settings,
    main,
    read_environment,
    setting_names,
)
from onboarding_bot.errors import SettingsError
from onboarding_bot.rest_hours import RestHours
from tests.settings import ENVIRONMENT

ROOT = Path(__file__).parent.parent
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
SECRETS = [
    "TWILIO_AUTH_TOKEN",
    "SESSION_ENCRYPTION_KEYS",
    "PERSON_ID_KEY",
    "ADMIN_API_KEY",
    "HANDOFF_API_KEY",
]
DEVELOPMENT = {
    "FLASK_ENV": "development",
    **{name: ENVIRONMENT[name] for name in ("TWILIO_ACCOUNT_SID", "AUTH_API_URL", "WEB_APP_URL", *SECRETS)},
}


def faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.faults


def named(found: list[str]) -> set[str]:
    return {fault.split(" ")[0] for fault in found}


# --- what is good --------------------------------------------------------------------------------------------------


def test_defaults() -> None:
    settings = load_settings(ENVIRONMENT)
    assert settings.environment is Environment.PRODUCTION
    assert settings.port == 5000
    assert settings.log_level == "INFO"
    assert settings.debug is False
    assert settings.auth_api_otp_path == "/api/send-otp"
    assert settings.twilio_api_base_url == "https://api.twilio.com"
    assert settings.draft_retention_days == 7
    assert settings.login_link_include_phone is False
    assert settings.redis_url == "redis://localhost:6379/0"
    assert settings.default_language == "en"
    assert settings.queue_url == settings.redis_url
    assert settings.messages_per_second == 80
    assert settings.whatsapp_daily_limit == 250
    assert settings.quiet_hours == RestHours(time(21), time(9))
    assert settings.broadcast_waves == (2, 10)
    assert settings.nudge_after == timedelta(hours=2)
    assert settings.warnings == []


@pytest.mark.parametrize(
    ("name", "raw", "field", "value"),
    [
        pytest.param(
            "PUBLIC_BASE_URL", "https://x.in/bot/", "public_base_url", "https://x.in/bot", id="slash at the end"
        ),
        pytest.param("PUBLIC_BASE_URL", " https://x.in ", "public_base_url", "https://x.in", id="spaces around"),
        pytest.param("PUBLIC_BASE_URL", "https://x.in:8443", "public_base_url", "https://x.in:8443", id="a port"),
        pytest.param("TWILIO_AUTH_TOKEN", "a" * 16, "twilio_auth_tokens", ("a" * 16,), id="one token"),
        pytest.param(
            "TWILIO_AUTH_TOKEN", f"{'a' * 16}, {'b' * 16}", "twilio_auth_tokens", ("a" * 16, "b" * 16), id="two tokens"
        ),
        pytest.param(
            "TWILIO_WHATSAPP_NUMBER", "+14155238886", "twilio_whatsapp_number", "whatsapp:+14155238886", id="+"
        ),
        pytest.param("SESSION_ENCRYPTION_KEYS", KEY, "session_encryption_keys", (b"k" * 32,), id="one key"),
        pytest.param(
            "SESSION_ENCRYPTION_KEYS",
            f"{base64.urlsafe_b64encode(bytes([251]) * 32).decode()},{KEY}",
            "session_encryption_keys",
            (bytes([251]) * 32, b"k" * 32),
            id="two keys, one with - and _",
        ),
        pytest.param("FLASK_DEBUG", "off", "debug", False, id="off"),
        pytest.param("PORT", "8080", "port", 8080, id="port"),
        *(
            pytest.param("REDIS_URL", url, "redis_url", url, id=url.split(":")[0])
            for url in (
                "redis://:pw@localhost:6379/1",
                "rediss://localhost",
                "redis+cluster://a:7000,b:7001",
                "rediss+cluster://a",
                "redis+sentinel://:pw@a:26379,b:26379/mymaster/0",
            )
        ),
        *(
            pytest.param(name, url, field, url, id=f"{name} {url}")
            for name, field in (("REDIS_URL", "redis_url"), ("QUEUE_REDIS_URL", "queue_url"))
            for url in (
                "redis://:pw@[2001:db8::1]:6380/1",
                "redis+cluster://[2001:db8::1]:7000,[2001:db8::2]:7001",
                "redis+sentinel://[2001:db8::1]/mymaster",
            )
        ),
        pytest.param("REDIS_URL", "redis://queue-and-all/1", "queue_url", "redis://queue-and-all/1", id="one Redis"),
        pytest.param("DEFAULT_LANGUAGE", "hi", "default_language", "hi", id="language"),
        pytest.param("TWILIO_MESSAGES_PER_SECOND", "400", "messages_per_second", 400, id="a faster sender"),
        pytest.param("WHATSAPP_DAILY_LIMIT", "100000", "whatsapp_daily_limit", 100_000, id="a good reputation"),
        pytest.param("QUIET_HOURS", "off", "quiet_hours", None, id="no rest"),
        pytest.param("QUIET_HOURS", "22:30 - 7:05", "quiet_hours", RestHours(time(22, 30), time(7, 5)), id="rest"),
        pytest.param("BROADCAST_WAVES", "OFF", "broadcast_waves", (), id="no waves"),
        pytest.param("BROADCAST_WAVES", "5", "broadcast_waves", (5,), id="one wave before all"),
        pytest.param("BROADCAST_WAVES", "10, 2,10", "broadcast_waves", (2, 10), id="waves in any order"),
        pytest.param("NUDGE_AFTER", "off", "nudge_after", None, id="no nudges"),
        pytest.param("NUDGE_AFTER", "90s", "nudge_after", timedelta(seconds=90), id="seconds"),
        pytest.param("NUDGE_AFTER", "30m", "nudge_after", timedelta(minutes=30), id="minutes"),
        pytest.param("NUDGE_AFTER", "23h", "nudge_after", timedelta(hours=23), id="hours"),
        pytest.param("LOGIN_LINK_INCLUDE_PHONE", "yes", "login_link_include_phone", True, id="yes"),
    ],
)
def test_values_that_are_taken(name: str, raw: str, field: str, value: object) -> None:
    assert getattr(load_settings(ENVIRONMENT | {name: raw}), field) == value


@pytest.mark.parametrize(("raw", "value"), [("1", True), ("TRUE", True), ("yes", True), ("no", False), ("0", False)])
def test_debug_is_for_developers(raw: str, value: bool) -> None:
    assert load_settings(DEVELOPMENT | {"FLASK_DEBUG": raw}).debug is value
    if value:
        assert named(faults(ENVIRONMENT | {"FLASK_DEBUG": raw})) == {"FLASK_DEBUG"}


def test_settings_do_not_change() -> None:
    settings = load_settings(ENVIRONMENT)
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_an_empty_value_counts_as_absent() -> None:
    assert load_settings(ENVIRONMENT | {"PORT": "", "LOG_LEVEL": "  "}).port == 5000
    assert faults(ENVIRONMENT | {"ADMIN_API_KEY": "  "}) == ["ADMIN_API_KEY is missing"]


def test_http_is_allowed_with_a_warning() -> None:
    settings = load_settings(ENVIRONMENT | {"AUTH_API_URL": "http://auth:8000", "WEB_APP_URL": "http://app"})
    assert [warning.split(" ")[0] for warning in settings.warnings] == ["AUTH_API_URL", "WEB_APP_URL"]


# --- what is not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("FLASK_ENV", "prod"),
        ("FLASK_DEBUG", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "5000.5"),
        ("PORT", "-1"),
        ("PORT", "५०००"),
        ("PORT", "²"),
        ("WEB_CONCURRENCY", "0"),
        ("PUBLIC_BASE_URL", "bot.example.in"),
        ("PUBLIC_BASE_URL", "ftp://bot.example.in"),
        ("PUBLIC_BASE_URL", "https://"),
        ("PUBLIC_BASE_URL", "https://bot.example.in/?x=1"),
        ("PUBLIC_BASE_URL", "https://bot.example.in/#rc=2"),
        ("PUBLIC_BASE_URL", "https://[::1"),
        ("AUTH_API_URL", "https://auth.example.in:eighty"),
        ("AUTH_API_URL", "https://auth.example.in:99999"),
        ("AUTH_API_OTP_PATH", "api/send-otp"),
        ("AUTH_API_DEADLINE_SECONDS", "9"),
        ("TWILIO_WHATSAPP_NUMBER", "14155238886"),
        ("TWILIO_WHATSAPP_NUMBER", "whatsapp:"),
        ("TWILIO_WHATSAPP_NUMBER", "whatsapp:+"),
        ("TWILIO_WHATSAPP_NUMBER", "+1 415"),
        ("TWILIO_AUTH_TOKEN", "short"),
        ("TWILIO_AUTH_TOKEN", f"{'a' * 16},short"),
        ("TWILIO_AUTH_TOKEN", f"{'a' * 16},"),
        ("ADMIN_API_KEY", "a" * 15),
        ("HANDOFF_API_KEY", "a" * 15),
        ("PERSON_ID_KEY", "a" * 15),
        ("SESSION_ENCRYPTION_KEYS", "not base64!"),
        ("SESSION_ENCRYPTION_KEYS", base64.urlsafe_b64encode(b"k" * 31).decode()),
        ("SESSION_ENCRYPTION_KEYS", f"{KEY},"),
        ("SESSION_ENCRYPTION_KEYS", KEY.rstrip("=")),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://localhost:port/0"),
        ("REDIS_URL", "redis+cluster://one:port,two"),
        ("REDIS_URL", "redis+sentinel://localhost:26379"),
        ("REDIS_URL", "redis+sentinel://localhost:26379/mymaster/first"),
        ("REDIS_URL", "redis://localhost:0/0"),
        ("REDIS_URL", "redis://localhost/first"),
        ("REDIS_URL", "redis://2001:db8::1/0"),
        ("REDIS_URL", "redis+cluster://one:7000,,two"),
        ("QUEUE_REDIS_URL", "amqp://localhost"),
        ("QUEUE_REDIS_URL", "redis://localhost:port/0"),
        ("TWILIO_MESSAGES_PER_SECOND", "0"),
        ("TWILIO_MESSAGES_PER_SECOND", "0.5"),
        ("WHATSAPP_DAILY_LIMIT", "0"),
        ("WHATSAPP_DAILY_LIMIT", "off"),
        ("QUIET_HOURS", "21-9"),
        ("QUIET_HOURS", "21:00"),
        ("QUIET_HOURS", "21:00-24:00"),
        ("QUIET_HOURS", "21:00-09:00-10:00"),
        ("QUIET_HOURS", "21:00+05:30-09:00+05:30"),
        ("QUIET_HOURS", "21:00-21:00"),
        ("QUIET_HOURS", "on"),
        ("BROADCAST_WAVES", "0"),
        ("BROADCAST_WAVES", "2,101"),
        ("BROADCAST_WAVES", "2,"),
        ("BROADCAST_WAVES", "2 %"),
        ("BROADCAST_WAVES", "²"),
        ("TRUSTED_PROXIES", "localhost"),
        ("TRUSTED_PROXIES", "on"),
        ("TRUSTED_PROXIES", "127.0.0.1,"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("NUDGE_AFTER", "2"),
        ("NUDGE_AFTER", "h"),
        ("NUDGE_AFTER", "0h"),
        ("NUDGE_AFTER", "1d"),
        ("NUDGE_AFTER", "1.5h"),
        ("NUDGE_AFTER", "²h"),
        ("NUDGE_AFTER", "24h"),
        ("NUDGE_AFTER", "9" * 30 + "h"),
        ("DRAFT_RETENTION_DAYS", "0"),
        ("CONTACT_RETENTION_DAYS", "many"),
        ("BROADCAST_RETENTION_DAYS", "6"),
        ("BACKUP_RETENTION_DAYS", "0"),
        ("SUPPORT_CONTACT", "x" * 121),
        ("DEFAULT_LANGUAGE", "ta"),
        ("LOGIN_LINK_INCLUDE_PHONE", "perhaps"),
    ],
)
def test_values_that_are_refused_with_the_settings_name(name: str, raw: str) -> None:
    assert named(faults(ENVIRONMENT | {name: raw})) == {name}


def test_all_faults_are_listed_at_once() -> None:
    found = faults(
        ENVIRONMENT | {"PORT": "x", "FLASK_ENV": "x", "REDIS_URL": "x", "ADMIN_API_KEY": "", "LOG_LEVEL": "x"}
    )
    assert [fault.split(" ")[0] for fault in found] == ["FLASK_ENV", "LOG_LEVEL", "PORT", "REDIS_URL", "ADMIN_API_KEY"]


def test_an_unknown_environment_is_held_to_the_rules_of_production() -> None:
    assert {"FLASK_ENV", "PUBLIC_BASE_URL", "SUPPORT_CONTACT"} <= named(faults({"FLASK_ENV": "staging"}))


CANARY = "canary-canary-canary"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        *((name, f"{CANARY},short") for name in SECRETS),
        *((name, "canary") for name in SECRETS),
        ("REDIS_URL", f"http://:{CANARY}@localhost"),
        ("REDIS_URL", f"redis://:{CANARY}℀@localhost/0"),
        ("REDIS_URL", f"redis://:{CANARY}@[localhost/0"),
        ("AUTH_API_URL", f"https://user:{CANARY}℀@localhost"),
        ("AUTH_API_URL", f"https://user:{CANARY}@localhost:{CANARY}"),
        ("REDIS_URL", f"redis://:secret/{CANARY}@localhost/0"),
        ("QUEUE_REDIS_URL", f"redis://:{CANARY}℀@localhost/0"),
        ("WEB_APP_URL", f"{CANARY}://localhost"),
    ],
)
def test_no_fault_shows_a_value(name: str, raw: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(ENVIRONMENT | {name: raw, "PORT": "x"})
    assert "canary" not in str(caught.value) + repr(caught.value) + repr(caught.value.faults)


@given(raw=st.text(max_size=40), name=st.sampled_from(setting_names()))
@hypothesis_settings(deadline=None, max_examples=300)
def test_any_value_is_taken_or_is_a_fault(raw: str, name: str) -> None:
    if name == "FLASK_ENV" and raw.strip() == "demo":
        return
    found: list[str] = []
    try:
        load_settings(ENVIRONMENT | {name: raw})
    except SettingsError as error:
        found = error.faults
    assert named(found) <= {name}


def test_secrets_stay_out_of_repr() -> None:
    shown = repr(load_settings(ENVIRONMENT | {"REDIS_URL": f"redis://:{CANARY}@localhost/0"}))
    assert CANARY not in shown
    for name in SECRETS:
        assert ENVIRONMENT[name] not in shown
    assert repr(b"k" * 32) not in shown
    assert "auth.example.in" in shown


# --- who needs what ------------------------------------------------------------------------------------------------


def test_production_needs_its_secrets_and_a_name_for_itself() -> None:
    assert named(faults({})) == {
        "PUBLIC_BASE_URL",
        "SUPPORT_CONTACT",
        "TWILIO_ACCOUNT_SID",
        "AUTH_API_URL",
        "WEB_APP_URL",
        *SECRETS,
    }
    assert load_settings({**ENVIRONMENT, "FLASK_ENV": ""}).environment is Environment.PRODUCTION


@pytest.mark.parametrize("name", sorted(set(ENVIRONMENT) - {"FLASK_ENV"}))
def test_production_does_not_start_without(name: str) -> None:
    assert faults({key: value for key, value in ENVIRONMENT.items() if key != name}) == [f"{name} is missing"]


def test_development_makes_do_with_less() -> None:
    settings = load_settings(DEVELOPMENT | {"PORT": "5001"})
    assert settings.public_base_url == "http://127.0.0.1:5001"
    assert settings.support_contact
    assert named(faults({"FLASK_ENV": "development"})) == {
        "TWILIO_ACCOUNT_SID",
        "AUTH_API_URL",
        "WEB_APP_URL",
        *SECRETS,
    }


# --- the demo ------------------------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path: Path) -> dict[str, str]:
    return {
        "FLASK_ENV": "demo",
        "AUTH_API_URL": "http://127.0.0.1:5050",
        "WEB_APP_URL": "http://127.0.0.1:5050",
        "TWILIO_API_BASE_URL": "http://127.0.0.1:5050",
        "DEMO_ENV_FILE": str(tmp_path / "var" / "demo.env"),
    }


def test_the_demo_makes_its_secrets_once(demo: dict[str, str]) -> None:
    first = load_settings(demo)
    assert load_settings(demo) == first
    assert len(first.session_encryption_keys[0]) == 32
    assert first.twilio_account_sid.startswith("AC")
    path = Path(demo["DEMO_ENV_FILE"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["demo.env"]


def test_two_demos_have_different_secrets(demo: dict[str, str], tmp_path: Path) -> None:
    other = load_settings(demo | {"DEMO_ENV_FILE": str(tmp_path / "other.env")})
    first = load_settings(demo)
    assert other.person_id_key != first.person_id_key
    assert other.twilio_auth_tokens != first.twilio_auth_tokens
    assert other.session_encryption_keys != first.session_encryption_keys


def _read_in_a_process(path: str, barrier: object, found: object) -> None:
    barrier.wait(timeout=120)  # type: ignore[attr-defined]
    found.put(demo_secrets(Path(path)))  # type: ignore[attr-defined]


def test_processes_that_start_at_once_share_the_secrets(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for round_ in range(3):
        path = tmp_path / str(round_) / "demo.env"
        barrier, found = context.Barrier(6), context.Queue()
        processes = [context.Process(target=_read_in_a_process, args=(str(path), barrier, found)) for _ in range(6)]
        for process in processes:
            process.start()
        secrets = [found.get(timeout=120) for _ in processes]
        for process in processes:
            process.join(timeout=120)
        assert all(other == secrets[0] for other in secrets)
        assert secrets[0] == demo_secrets(path)
        assert [entry.name for entry in path.parent.iterdir()] == ["demo.env"]


def test_a_file_that_was_there_before_is_left_alone(demo: dict[str, str]) -> None:
    made = load_settings(demo)
    path = Path(demo["DEMO_ENV_FILE"])
    before = path.read_bytes()
    assert load_settings(demo) == made
    assert path.read_bytes() == before


def test_a_demo_file_that_lacks_a_secret_is_a_fault(demo: dict[str, str]) -> None:
    """A release that needs one more secret finds the file of the release before."""
    load_settings(demo)
    path = Path(demo["DEMO_ENV_FILE"])
    for name in SECRETS:
        complete = path.read_text()
        path.write_text("".join(line for line in complete.splitlines(True) if not line.startswith(name)))
        assert name in named(faults(demo))
        path.write_text(complete)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        pytest.param("TWILIO_ACCOUNT_SID", "AC" + "1" * 32, id="account"),
        pytest.param("TWILIO_AUTH_TOKEN", "1" * 32, id="token"),
        pytest.param("TWILIO_API_BASE_URL", "https://api.twilio.com", id="API"),
        pytest.param("TWILIO_API_BASE_URL", "https://API.twilio.com/", id="API in capitals"),
        pytest.param("TWILIO_API_BASE_URL", "https://api.ie1.twilio.com", id="API of a region"),
        pytest.param("TWILIO_API_BASE_URL", "", id="API by default"),
        pytest.param("TWILIO_API_BASE_URL", "https://[api.twilio.com", id="no URL at all"),
    ],
)
def test_the_demo_refuses_real_twilio_credentials(demo: dict[str, str], name: str, raw: str) -> None:
    found = faults(demo | {name: raw})
    assert named(found) == {name}
    assert "1" * 32 not in found[0]


def test_the_demos_own_credentials_are_no_real_ones(demo: dict[str, str]) -> None:
    """The process that starts the others may hand the secrets on in the environment."""
    made = demo_secrets(Path(demo["DEMO_ENV_FILE"]))
    assert load_settings(demo | made) == load_settings(demo)


def test_the_demo_takes_other_settings_from_the_environment(demo: dict[str, str]) -> None:
    settings = load_settings(demo | {"PORT": "5007", "ADMIN_API_KEY": "a-key-of-the-environment"})
    assert settings.admin_keys.find("a-key-of-the-environment") is not None
    assert settings.public_base_url == "http://127.0.0.1:5007"


# --- .env ----------------------------------------------------------------------------------------------------------


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "PORT=5001\nLOG_LEVEL=DEBUG # a comment\nexport WEB_CONCURRENCY=3\nADMIN_API_KEY='with # sign'\nEMPTY\n"
    )
    monkeypatch.setenv("PORT", "5002")
    for name in ("LOG_LEVEL", "WEB_CONCURRENCY", "ADMIN_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    environ = read_environment(file)
    assert environ["PORT"] == "5002"
    assert environ["LOG_LEVEL"] == "DEBUG"
    assert environ["WEB_CONCURRENCY"] == "3"
    assert environ["ADMIN_API_KEY"] == "with # sign"
    assert "EMPTY" not in environ


def test_no_file_is_no_fault_and_reading_changes_nothing(tmp_path: Path) -> None:
    before = dict(os.environ)
    assert read_environment(tmp_path / "absent") == before
    assert dict(os.environ) == before


# --- python -m onboarding_bot.config -------------------------------------------------------------------------------


def test_the_check_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(config, "read_environment", lambda: {"PORT": "x"})
    assert main() == 1
    said = capsys.readouterr()
    assert "setting PORT must be a whole number" in said.err
    assert "setting ADMIN_API_KEY is missing" in said.err
    assert said.out == ""


def test_the_check_says_that_all_is_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(config, "read_environment", lambda: ENVIRONMENT | {"WEB_APP_URL": "http://app"})
    assert main() == 0
    said = capsys.readouterr()
    assert "production" in said.out
    assert "warning: WEB_APP_URL" in said.err


# --- .env.example --------------------------------------------------------------------------------------------------


def test_every_setting_has_a_name_and_a_parser() -> None:
    assert len(setting_names()) == len(set(setting_names())) == len(fields(Settings))


EXAMPLE = (ROOT / ".env.example").read_text()
# Behind the bot's own settings stand those of Docker Compose and of the demo's other process.
BOT_SECTION, *OTHER_SECTIONS = re.split(r"(?m)^# --- .* ---$", EXAMPLE)
ENTRY = re.compile(r"(?m)(?P<about>(?:^# .*\n)+)^(?P<unset>#?)(?P<name>[A-Z][A-Z0-9_]+)=(?P<value>.*)$")


def test_the_example_documents_exactly_the_settings() -> None:
    documented = re.findall(r"(?m)^#? ?([A-Z][A-Z0-9_]+)=", BOT_SECTION)
    assert documented == [entry["name"] for entry in ENTRY.finditer(BOT_SECTION)], "each has an explanation above it"
    assert sorted(documented) == sorted(setting_names())
    elsewhere = re.findall(r"(?m)^#? ?([A-Z][A-Z0-9_]+)=", "".join(OTHER_SECTIONS))
    assert not set(elsewhere) & set(setting_names())


def test_the_example_tells_the_defaults() -> None:
    defaults = {setting.metadata["name"]: setting.metadata["default"] for setting in fields(Settings)}
    for entry in ENTRY.finditer(BOT_SECTION):
        default = defaults[entry["name"]]
        told = entry["about"].splitlines()[-1].removeprefix("# Default: ")
        if default is None:
            assert told.startswith("none"), entry["name"]
            assert (entry["unset"], entry["value"]) == ("", ""), entry["name"]
        else:
            assert told.split(" ")[0] == default, entry["name"]
            assert (entry["unset"], entry["value"]) == ("#", default), entry["name"]


def test_a_copy_of_the_example_lacks_only_what_has_no_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    copy = tmp_path / ".env"
    copy.write_text(EXAMPLE)
    assert faults(read_environment(copy)) == faults({})
