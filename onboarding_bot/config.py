"""The bot's settings: read once from the environment, checked together, and frozen."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onboarding_bot.admin_keys import AdminKeys, looks_mistyped, parse_admin_keys
from onboarding_bot.demo_secrets import DEMO_ENV_FILE, demo_env_file, read_demo_secrets
from onboarding_bot.environment import FoundEnvironment, find_environment
from onboarding_bot.errors import SettingsError
from onboarding_bot.languages import REFERENCE_LANGUAGE, languages_with_catalogue
from onboarding_bot.quiet_hours import QuietHours
from onboarding_bot.renamed_commands import become
from onboarding_bot.setting_rules import (
    BAD_PER_CENT,
    ENCRYPTION_KEY_BYTES,
    REFERENCE,
    is_placeholder,
    refuse_other_than_ascii,
    refuse_stray_characters,
    whole_number,
)
from onboarding_bot.setting_rules import http_url as _http_url
from onboarding_bot.setting_rules import page_url as _page
from onboarding_bot.setting_rules import redis_url as _redis_url

SECRET_MIN_LENGTH = 16
# prometheus_client's own variable; the first process of a server sets it.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
REAL_TWILIO_API = "https://api.twilio.com"
# The second reminder goes out 23 hours after a person's last message; the first one has to come before it.
LATEST_NUDGE = timedelta(hours=23)
# Variables of Docker Compose, the simulator and the demo, which share .env with the bot.
NAMES_OF_OTHERS = (
    "REDIS_PASSWORD",
    "PROMETHEUS_API_KEY",
    "BOT_ENV_FILE",
    DEMO_ENV_FILE,
    METRICS_FOLDER,
    "SIMULATOR_PORT",
    "SIMULATOR_HOST",
    "SIMULATOR_DATABASE",
    "SIMULATOR_BOT_URL",
    "SIMULATOR_PUBLIC_URL",
    "SIMULATOR_WEBHOOK_OVERRIDES",
)
# Owners see these in the chat.
_SHOWN_TO_OWNERS = ("WEB_APP_URL", "VERIFY_URL")
_HIGHEST_PORT = 65535
_E164 = re.compile(r"\+[1-9][0-9]{5,14}")
_BLANKS = " \t\r\n"


class Environment(StrEnum):
    """The kind of installation, from ``FLASK_ENV``: production's rules are strict, the demo reaches no real account."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    DEMO = "demo"


# Each parser takes a setting's text and returns its value, or raises ValueError with the fault in plain words.


def _text(max_length: int) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if len(raw) > max_length:
            raise ValueError(f"is longer than {max_length} characters")
        return raw

    return parse


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return raw

    return parse


def _flag(raw: str) -> bool:
    lowered = raw.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("must be true or false")


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        number = whole_number(raw)
        if number is None or not lowest <= number <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}, in digits 0 to 9")
        return number

    return parse


def _port_or_off(raw: str) -> int | None:
    if raw.lower() == "off":
        return None
    try:
        return _number(1, 65535)(raw)
    except ValueError:
        raise ValueError("must be off, or a port from 1 to 65535") from None


def _path(raw: str) -> str:
    if not raw.startswith("/"):
        raise ValueError("must begin with /")
    refuse_other_than_ascii(raw, "write it percent-encoded")
    if "#" in raw or " " in raw or BAD_PER_CENT.search(raw):
        raise ValueError("must be a path without spaces and #, and with two hexadecimal digits behind each %")
    return raw


def _whatsapp_number(raw: str) -> str:
    number = raw.removeprefix("whatsapp:")
    if not _E164.fullmatch(number):
        raise ValueError("must look like whatsapp:+14155238886, with the digits 0 to 9 alone behind the +")
    return f"whatsapp:{number}"


def _secret(raw: str) -> str:
    if len(raw) < SECRET_MIN_LENGTH:
        raise ValueError(f"must have at least {SECRET_MIN_LENGTH} characters")
    return raw


def _token(raw: str) -> str:
    """A secret for an HTTP header, or one that an operator copies from a console: ASCII alone."""
    refuse_other_than_ascii(raw)
    return _secret(raw)


def _twilio_credential(raw: str) -> str:
    if " " in raw:
        raise ValueError("has a space in it: copy it anew; between two tokens stands a comma")
    return _token(raw)


def _twilio_tokens(raw: str) -> tuple[str, ...]:
    return tuple(_twilio_credential(part.strip()) for part in raw.split(","))


def _encryption_keys(raw: str) -> tuple[bytes, ...]:
    msg = f"must be keys of {ENCRYPTION_KEY_BYTES} bytes each in urlsafe base64, separated by commas"
    try:
        keys = tuple(base64.b64decode(part.strip(), altchars=b"-_", validate=True) for part in raw.split(","))
    except (binascii.Error, ValueError):
        raise ValueError(msg) from None
    if any(len(key) != ENCRYPTION_KEY_BYTES for key in keys):
        raise ValueError(msg)
    return keys


def _percentages(raw: str) -> tuple[int, ...]:
    if raw.lower() == "off":
        return ()
    per_cent = _number(1, 100)
    try:
        shares = {per_cent(part.strip()) for part in raw.split(",")}
    except ValueError:
        raise ValueError("must be off, or whole per cents from 1 to 100 separated by commas, like 2,10") from None
    return tuple(sorted(shares))


def _quiet_hours(raw: str) -> QuietHours | None:
    if raw.lower() == "off":
        return None
    try:
        refuse_other_than_ascii(raw)
        # QuietHours adds the time zone.
        begin, end = (datetime.strptime(part.strip(), "%H:%M").time() for part in raw.split("-"))  # noqa: DTZ007
    except ValueError:
        raise ValueError("must be off, or two times of day like 21:00-09:00") from None
    if begin == end:
        raise ValueError("must end at another time than it begins")
    return QuietHours(begin, end)


def _networks(raw: str) -> tuple[IPv4Network | IPv6Network, ...]:
    if raw.lower() == "off":
        return ()
    try:
        return tuple(ip_network(part.strip()) for part in raw.split(","))
    except ValueError:
        raise ValueError(
            "must be off, or addresses and networks separated by commas, like 127.0.0.1,10.0.0.0/8"
        ) from None


def span(raw: str, longest: timedelta) -> timedelta:
    """A span of time such as 90s, 30m or 2h. Raises ValueError with the fault in plain words."""
    units = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
    try:
        unit = units[raw[-1:]]
        return _number(1, longest // unit)(raw[:-1]) * unit
    except (KeyError, ValueError):
        raise ValueError(f"must be a span like 90s, 30m or 2h, at most {longest // units['h']}h") from None


def _span_or_off(longest: timedelta) -> Callable[[str], timedelta | None]:
    def parse(raw: str) -> timedelta | None:
        if raw.lower() == "off":
            return None
        try:
            return span(raw, longest)
        except ValueError as fault:
            raise ValueError(str(fault).replace("must be", "must be off, or", 1)) from None

    return parse


def _setting(
    name: str,
    parse: Callable[[str], Any],
    default: str | None = None,
    *,
    needed_in: tuple[Environment, ...] = (),
    secret: bool = False,
) -> Any:
    """Declare a setting: its variable, its parser, its default as text, and the environments that must set it.

    A ``secret`` stays out of ``repr``.
    """
    metadata = {"name": name, "parse": parse, "default": default, "needed_in": needed_in}
    return field(metadata=metadata, repr=not secret)


_EVERYWHERE = tuple(Environment)
_PRODUCTION = (Environment.PRODUCTION,)
_DEMO_ADVICE = "the demo must never reach a real account: change it, or leave FLASK_ENV=demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of the bot; ``.env.example`` explains each."""

    environment: Environment = _setting("FLASK_ENV", Environment, "production")
    debug: bool = _setting("FLASK_DEBUG", _flag, "false")
    log_level: str = _setting("LOG_LEVEL", _choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO")
    port: int = _setting("PORT", _number(1, 65535), "5000")
    web_concurrency: int = _setting("WEB_CONCURRENCY", _number(1, 64), "2")
    public_base_url: str = _setting("PUBLIC_BASE_URL", _http_url, needed_in=_PRODUCTION)

    twilio_account_sid: str = _setting("TWILIO_ACCOUNT_SID", _twilio_credential, needed_in=_EVERYWHERE)
    twilio_auth_tokens: tuple[str, ...] = _setting(
        "TWILIO_AUTH_TOKEN", _twilio_tokens, needed_in=_EVERYWHERE, secret=True
    )
    twilio_whatsapp_number: str = _setting("TWILIO_WHATSAPP_NUMBER", _whatsapp_number, "whatsapp:+14155238886")
    twilio_api_base_url: str = _setting("TWILIO_API_BASE_URL", _http_url, REAL_TWILIO_API)

    auth_api_url: str = _setting("AUTH_API_URL", _http_url, needed_in=_EVERYWHERE)
    auth_api_otp_path: str = _setting("AUTH_API_OTP_PATH", _path, "/api/send-otp")
    auth_api_deadline_seconds: int = _setting("AUTH_API_DEADLINE_SECONDS", _number(1, 8), "8")
    web_app_url: str = _setting("WEB_APP_URL", _http_url, needed_in=_EVERYWHERE)
    login_link_include_phone: bool = _setting("LOGIN_LINK_INCLUDE_PHONE", _flag, "false")

    redis_url: str = _setting("REDIS_URL", _redis_url, "redis://localhost:6379/0", secret=True)
    session_encryption_keys: tuple[bytes, ...] = _setting(
        "SESSION_ENCRYPTION_KEYS", _encryption_keys, needed_in=_EVERYWHERE, secret=True
    )
    person_id_key: str = _setting("PERSON_ID_KEY", _secret, needed_in=_EVERYWHERE, secret=True)
    draft_retention_days: int = _setting("DRAFT_RETENTION_DAYS", _number(1, 90), "7")
    contact_retention_days: int = _setting("CONTACT_RETENTION_DAYS", _number(1, 3650), "180")
    broadcast_retention_days: int = _setting("BROADCAST_RETENTION_DAYS", _number(7, 3650), "90")
    backup_retention_days: int = _setting("BACKUP_RETENTION_DAYS", _number(1, 3650), "30")

    admin_keys: AdminKeys = _setting("ADMIN_API_KEY", parse_admin_keys, needed_in=_EVERYWHERE, secret=True)
    handoff_api_key: str = _setting("HANDOFF_API_KEY", _token, needed_in=_EVERYWHERE, secret=True)
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = _setting("TRUSTED_PROXIES", _networks, "off")
    messages_per_minute: int = _setting("MESSAGES_PER_MINUTE", _number(1, 100_000), "60")
    metrics_allowed_addresses: tuple[IPv4Network | IPv6Network, ...] = _setting(
        "METRICS_ALLOWED_ADDRESSES", _networks, "off"
    )
    worker_metrics_port: int | None = _setting("WORKER_METRICS_PORT", _port_or_off, "off")

    queue_redis_url: str = _setting("QUEUE_REDIS_URL", _redis_url, secret=True)
    messages_per_second: int = _setting("TWILIO_MESSAGES_PER_SECOND", _number(1, 10_000), "40")
    whatsapp_daily_limit: int = _setting("WHATSAPP_DAILY_LIMIT", _number(1, 10_000_000), "250")
    quiet_hours: QuietHours | None = _setting("QUIET_HOURS", _quiet_hours, "21:00-09:00")
    broadcast_waves: tuple[int, ...] = _setting("BROADCAST_WAVES", _percentages, "2,10")
    nudge_after: timedelta | None = _setting("NUDGE_AFTER", _span_or_off(LATEST_NUDGE), "2h")

    support_contact: str = _setting("SUPPORT_CONTACT", _text(120), needed_in=_PRODUCTION)
    verify_url: str | None = _setting("VERIFY_URL", _page)
    default_language: str = _setting("DEFAULT_LANGUAGE", _choice(*languages_with_catalogue()), REFERENCE_LANGUAGE)

    @property
    def queue_url(self) -> str:
        """The Redis with the worker's queue: one of its own, or the one with the sessions."""
        return self.queue_redis_url or self.redis_url

    @property
    def warnings(self) -> list[str]:
        """What is allowed, and unsafe where real people's data pass."""
        found = [
            f"{setting.metadata['name']} is not https: what passes there can be read on the way"
            for setting in fields(self)
            if setting.metadata["parse"] is _http_url and getattr(self, setting.name).startswith("http://")
        ]
        if is_placeholder(self.person_id_key):
            found.append("PERSON_ID_KEY is an example's: make a real one, unless people are known under it already")
        if looks_mistyped(self.admin_keys):
            found.append("ADMIN_API_KEY is taken as one key with all roles: no entry in it names a known role")
        return found


def setting_names() -> list[str]:
    """The environment variables that the bot reads, in the order of ``Settings``."""
    return [setting.metadata["name"] for setting in fields(Settings)]


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read all settings from ``environ``; an empty value counts as none.

    Raises SettingsError that lists all faults, each with the setting's name and never with its value.
    """
    found = environ if isinstance(environ, FoundEnvironment) else FoundEnvironment(environ)
    given = {name: found[name].strip(_BLANKS) for name in setting_names() if found.get(name, "").strip()}
    environment = _environment(given)
    of_files = list(found.faults)
    faults: list[str] = []
    if environment is not Environment.PRODUCTION:
        given = _local_defaults(given) | given
    if environment is Environment.DEMO:
        demo = read_demo_secrets(demo_env_file(found))
        of_files += demo.faults
        faults += _credentials_of_others(given, demo.values)
        given = demo.values | given
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        name = setting.metadata["name"]
        try:
            if name in found.hidden:
                raise ValueError(found.hidden[name])
            values[setting.name] = _value(setting, given, environment)
        except ValueError as fault:
            faults.append(f"{name} {fault}")
    if environment is Environment.DEMO and _is_twilios_own(values.get("twilio_api_base_url", "")):
        faults.append(f"TWILIO_API_BASE_URL is Twilio's own: {_DEMO_ADVICE}")
    if environment is Environment.PRODUCTION and values.get("debug"):
        faults.append("FLASK_DEBUG must be off in production: its error pages show everything")
    if faults or of_files:
        raise SettingsError(faults, of_files)
    return Settings(**values)


def read_environment(dotenv: Path = Path(".env")) -> FoundEnvironment:
    """The variables of the process and of ``.env``; the process wins.

    Never fails: the file's faults come with the variables, and ``load_settings`` lists them.
    """
    return find_environment(dotenv, os.environ, setting_names(), NAMES_OF_OTHERS)


def all_warnings(environ: Mapping[str, str], settings: Settings) -> list[str]:
    """What an operator should change about these settings or their file, although the bot may run."""
    of_files = environ.warnings if isinstance(environ, FoundEnvironment) else []
    return [*of_files, *settings.warnings]


def metrics_folder() -> Path | None:
    """The folder with the metrics of this server's processes, None for a process that keeps its own.

    Only the process's own environment counts, as for prometheus_client.
    """
    folder = os.environ.get(METRICS_FOLDER, "")
    return Path(folder) if folder else None


def keep_metrics_in(folder: Path) -> None:
    """Make ``folder`` the place for the metrics of this process and of those that it starts.

    Call it before the first import of prometheus_client, which reads the variable then.
    """
    os.environ[METRICS_FOLDER] = str(folder)


def _environment(given: Mapping[str, str]) -> Environment:
    raw = given.get("FLASK_ENV", Environment.PRODUCTION)
    # An unknown environment is reported with the other faults, which are those of production.
    return Environment(raw) if raw in set(Environment) else Environment.PRODUCTION


def _value(setting: Field[Any], given: Mapping[str, str], environment: Environment) -> Any:
    raw = given.get(setting.metadata["name"], setting.metadata["default"])
    if raw is None:
        if environment in setting.metadata["needed_in"]:
            raise ValueError("is missing")
        return ""
    refuse_stray_characters(raw, free_text=setting.metadata["name"] == "SUPPORT_CONTACT")
    if REFERENCE.fullmatch(raw):
        raise ValueError("is ${…} and no value: nothing is put there any more, so write the value itself")
    if setting.metadata["name"] != "PERSON_ID_KEY" and any(is_placeholder(part.strip()) for part in raw.split(",")):
        raise ValueError("is still the example's: write the real one")
    if setting.metadata["parse"] is Environment and raw not in set(Environment):
        raise ValueError(f"must be one of {', '.join(Environment)}")
    value = setting.metadata["parse"](raw)
    if setting.metadata["name"] in _SHOWN_TO_OWNERS and "@" in raw:
        raise ValueError("must be without a name and password: owners see it")
    return value


def _local_defaults(given: Mapping[str, str]) -> dict[str, str]:
    # A faulty port is reported once, as a fault of PORT.
    port = whole_number(given.get("PORT", "")) or 5000
    return {
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port if port <= _HIGHEST_PORT else 5000}",
        "SUPPORT_CONTACT": "+91 80 5550 0100",
    }


def _credentials_of_others(given: Mapping[str, str], demo: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is set, and not the demo's own: {_DEMO_ADVICE}"
        for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
        if name in given and given[name] != demo.get(name)
    ]


def _is_twilios_own(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "twilio.com" or host.endswith(".twilio.com")


if __name__ == "__main__":
    become("env")
