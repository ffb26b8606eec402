"""The simulator's settings: read once from the environment, checked together, and frozen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from dotenv import dotenv_values

# Twilio's own limits for connection overrides: the highest value of each, times in milliseconds.
_OVERRIDE_LIMITS = {"rc": 5, "ct": 10_000, "rt": 15_000, "tt": 15_000}
_REPEATABLE_FAILURES = frozenset({"ct", "rt", "4xx", "5xx"})


class SettingsError(Exception):
    """The environment cannot be used; ``faults`` lists everything that is wrong with it, without values."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOverrides:
    """How Twilio repeats a webhook: what may follow the ``#`` of its URL. The defaults are Twilio's."""

    retries: int = 1
    repeated: frozenset[str] = frozenset({"ct"})
    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    total_seconds: float = 15.0

    @classmethod
    def parse(cls, text: str) -> ConnectionOverrides:
        """Read ``rc=2&rp=ct,rt,5xx``; raises ValueError with what is wrong in plain words."""
        given = dict(parse_qsl(text, keep_blank_values=True))
        repeated = frozenset(given.pop("rp", "ct").split(","))
        if "all" in repeated:
            repeated = _REPEATABLE_FAILURES
        if not repeated <= _REPEATABLE_FAILURES:
            msg = "must have an rp of ct, rt, 4xx, 5xx or all, separated by commas"
            raise ValueError(msg)
        for name, value in given.items():
            if name not in _OVERRIDE_LIMITS:
                msg = "may only have rc, rp, ct, rt and tt"
                raise ValueError(msg)
            if not value.isascii() or not value.isdigit() or int(value) > _OVERRIDE_LIMITS[name]:
                msg = f"must have a whole number up to {_OVERRIDE_LIMITS[name]} as {name}"
                raise ValueError(msg)
        return cls(
            retries=int(given.get("rc", "1")),
            repeated=repeated,
            connect_seconds=int(given.get("ct", "5000")) / 1000,
            read_seconds=int(given.get("rt", "15000")) / 1000,
            total_seconds=int(given.get("tt", "15000")) / 1000,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the simulator; README.md explains each."""

    host: str
    port: int
    database: Path
    bot_url: str
    public_url: str
    public_base_url: str
    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    whatsapp_number: str
    handoff_api_key: str = field(repr=False)
    webhook_overrides: ConnectionOverrides


def read_environment(dotenv: Path = Path(".env")) -> dict[str, str]:
    """The process's environment, over what ``.env`` says, over the secrets that the bot made for the demo.

    Raises SettingsError when one of the files cannot be read.
    """
    own = _values_of(dotenv) | dict(os.environ)
    return _values_of(Path(own.get("DEMO_ENV_FILE") or "var/demo.env")) | {
        name: value for name, value in own.items() if value
    }


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read every setting from ``environ``; an empty value counts as absent.

    Raises SettingsError that lists all faults at once, each with the setting's name and never with its value.
    """
    reader = _Reader(environ)
    port = reader.port("SIMULATOR_PORT", "5050")
    bot_port = reader.port("PORT", "5000")
    local_bot = f"http://127.0.0.1:{bot_port}"
    public_base_url = reader.url("PUBLIC_BASE_URL", reader.text("SIMULATOR_BOT_URL", local_bot))
    settings = Settings(
        host=reader.text("SIMULATOR_HOST", "127.0.0.1"),
        port=port,
        database=Path(reader.text("SIMULATOR_DATABASE", "var/simulator.sqlite3")),
        bot_url=reader.url("SIMULATOR_BOT_URL", public_base_url),
        public_url=reader.url("SIMULATOR_PUBLIC_URL", f"http://127.0.0.1:{port}"),
        public_base_url=public_base_url,
        account_sid=reader.required("TWILIO_ACCOUNT_SID"),
        auth_tokens=tuple(token.strip() for token in reader.required("TWILIO_AUTH_TOKEN").split(",")),
        whatsapp_number=reader.whatsapp_number("TWILIO_WHATSAPP_NUMBER", "+14155238886"),
        handoff_api_key=reader.required("HANDOFF_API_KEY"),
        webhook_overrides=reader.overrides("SIMULATOR_WEBHOOK_OVERRIDES", "rc=2&rp=ct,rt,5xx&rt=10000"),
    )
    if reader.faults:
        raise SettingsError(reader.faults)
    return settings


def _values_of(file: Path) -> dict[str, str]:
    try:
        # As the bot reads it: a value is taken as it stands.
        return {name: value for name, value in dotenv_values(file, interpolate=False).items() if value}
    except UnicodeDecodeError:
        raise SettingsError([f"{file} is not UTF-8: save it as UTF-8 (./deploy.sh env names the lines)"]) from None
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "no reason is known"
        raise SettingsError([f"{file} cannot be read: {reason}"]) from None


class _Reader:
    """Reads one value after the other and notes what is wrong, so that all faults can be told together."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def required(self, name: str) -> str:
        value = self.text(name, "")
        if not value:
            self.faults.append(f"{name} is missing")
        return value

    def port(self, name: str, default: str) -> int:
        raw = self.text(name, default)
        if raw.isascii() and raw.isdigit() and len(raw) <= 5 and 1 <= int(raw) <= 65535:
            return int(raw)
        self.faults.append(f"{name} must be a whole number from 1 to 65535")
        return int(default)

    def url(self, name: str, default: str) -> str:
        raw = self.text(name, default)
        try:
            parts = urlsplit(raw)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment:
            self.faults.append(f"{name} must be a URL that begins with http:// or https://, without ? and #")
        return raw.rstrip("/")

    def whatsapp_number(self, name: str, default: str) -> str:
        number = self.text(name, default).removeprefix("whatsapp:")
        if not number.startswith("+") or not number[1:].isdigit() or not number.isascii():
            self.faults.append(f"{name} must look like whatsapp:+14155238886")
        return f"whatsapp:{number}"

    def overrides(self, name: str, default: str) -> ConnectionOverrides:
        try:
            return ConnectionOverrides.parse(self.text(name, default))
        except ValueError as fault:
            self.faults.append(f"{name} {fault}")
            return ConnectionOverrides.parse(default)
