"""The simulator's settings: defaults, files and faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.settings import ConnectionOverrides, SettingsError, load_settings, read_environment

NEEDED = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "one, two", "HANDOFF_API_KEY": "key"}


def test_defaults_fit_one_machine() -> None:
    settings = load_settings(NEEDED)
    assert (settings.host, settings.port) == ("127.0.0.1", 5050)
    assert settings.bot_url == settings.public_base_url == "http://127.0.0.1:5000"
    assert settings.public_url == "http://127.0.0.1:5050"
    assert settings.whatsapp_number == "whatsapp:+14155238886"
    assert settings.auth_tokens == ("one", "two")
    assert "one" not in repr(settings)


def test_the_bot_may_be_reached_elsewhere_than_it_is_signed_for() -> None:
    environ = NEEDED | {"PUBLIC_BASE_URL": "https://bot.example/", "SIMULATOR_BOT_URL": "http://127.0.0.1:7000"}
    settings = load_settings(environ)
    assert (settings.public_base_url, settings.bot_url) == ("https://bot.example", "http://127.0.0.1:7000")


def test_all_faults_are_told_at_once_without_values() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                "SIMULATOR_PORT": "70000",
                "PUBLIC_BASE_URL": "bot.example",
                "SIMULATOR_PUBLIC_URL": "http://[",
                "TWILIO_WHATSAPP_NUMBER": "14155238886",
                "SIMULATOR_WEBHOOK_OVERRIDES": "rc=9",
            }
        )
    text = str(caught.value)
    for name in (
        "SIMULATOR_PORT",
        "PUBLIC_BASE_URL",
        "SIMULATOR_PUBLIC_URL",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_WHATSAPP_NUMBER",
        "HANDOFF_API_KEY",
        "SIMULATOR_WEBHOOK_OVERRIDES",
    ):
        assert name in text
    assert "bot.example" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("TWILIO_WHATSAPP_NUMBER", "+1415523888\u00b2", id="a superscript in the sender"),
        pytest.param("SIMULATOR_PORT", "505\u00b2", id="a superscript in the port"),
        pytest.param("SIMULATOR_PORT", "9" * 5000, id="an endless port"),
        pytest.param("SIMULATOR_PUBLIC_URL", "http://bot:99999", id="a port that is too high"),
    ],
)
def test_what_is_no_number_is_a_fault(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(NEEDED | {name: value})
    assert [fault.split(" ")[0] for fault in caught.value.faults] == [name]


def test_nothing_is_put_into_a_value_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot reads the same file, and both must find the same key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HANDOFF_API_KEY", raising=False)
    Path(".env").write_text("HANDOFF_API_KEY='key-of-${HOME}'\n")
    assert read_environment()["HANDOFF_API_KEY"] == "key-of-${HOME}"


def test_the_environment_wins_over_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo, dotenv = tmp_path / "demo.env", tmp_path / ".env"
    demo.write_text("HANDOFF_API_KEY=demo\nTWILIO_ACCOUNT_SID=demo\nTWILIO_AUTH_TOKEN=demo\n")
    dotenv.write_text("HANDOFF_API_KEY=dotenv\nTWILIO_ACCOUNT_SID=dotenv\n")
    monkeypatch.setenv("DEMO_ENV_FILE", str(demo))
    monkeypatch.setenv("HANDOFF_API_KEY", "own")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "")
    monkeypatch.delenv("TWILIO_ACCOUNT_SID", raising=False)
    found = read_environment(dotenv)
    values = [found[name] for name in ("HANDOFF_API_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")]
    assert values == ["own", "dotenv", "demo"]


def test_connection_overrides_are_twilios() -> None:
    assert ConnectionOverrides.parse("") == ConnectionOverrides()
    parsed = ConnectionOverrides.parse("rc=2&rp=ct,rt,5xx&rt=4000")
    assert (parsed.retries, parsed.read_seconds) == (2, 4.0)
    assert parsed.repeated == {"ct", "rt", "5xx"}
    assert ConnectionOverrides.parse("rp=all").repeated == {"ct", "rt", "4xx", "5xx"}


@pytest.mark.parametrize("wrong", ["rc=6", "rt=15001", "ct=x", "rp=often", "zz=1", "rc=-1"])
def test_overrides_that_twilio_would_refuse(wrong: str) -> None:
    with pytest.raises(ValueError, match="m"):
        ConnectionOverrides.parse(wrong)
