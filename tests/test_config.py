"""Settings: all faults at once and without a secret, who needs what, and the demo that makes its own."""

from __future__ import annotations

import base64
import multiprocessing
import os
import re
import stat
from dataclasses import FrozenInstanceError, fields
from datetime import time, timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from onboarding_bot import config
from onboarding_bot.config import (
    Environment,
    Settings,
    load_settings,
    read_environment,
    setting_names,
)
from onboarding_bot.demo_secrets import read_demo_secrets
from onboarding_bot.errors import SettingsError
from onboarding_bot.quiet_hours import QuietHours
from tests.command_line import run_command
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
    assert settings.messages_per_second == 40
    assert settings.whatsapp_daily_limit == 250
    assert settings.quiet_hours == QuietHours(time(21), time(9))
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
        pytest.param(
            "VERIFY_URL", "https://www.example.in/p?n=1", "verify_url", "https://www.example.in/p?n=1", id="a page"
        ),
        pytest.param("TWILIO_MESSAGES_PER_SECOND", "400", "messages_per_second", 400, id="a faster sender"),
        pytest.param("WHATSAPP_DAILY_LIMIT", "100000", "whatsapp_daily_limit", 100_000, id="a good reputation"),
        pytest.param("QUIET_HOURS", "off", "quiet_hours", None, id="no rest"),
        pytest.param("QUIET_HOURS", "22:30 - 7:05", "quiet_hours", QuietHours(time(22, 30), time(7, 5)), id="rest"),
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
        settings.port = 1  # type: ignore[misc]  # what a frozen class refuses


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
        ("AUTH_API_OTP_PATH", "/api/send otp"),
        ("AUTH_API_OTP_PATH", "/api/send-otp#now"),
        ("AUTH_API_OTP_PATH", "/api/100%"),
        ("PORT", "9" * 5000),
        ("PORT", "+5000"),
        ("PORT", "5_000"),
        ("PORT", "0x1388"),
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
        ("VERIFY_URL", "http://www.example.in/whatsapp"),
        ("VERIFY_URL", "www.example.in/whatsapp"),
        ("VERIFY_URL", "https://"),
        ("VERIFY_URL", "https://www.example.in/whats app"),
        ("VERIFY_URL", "https://www.example.in/\u200bwhatsapp"),
        ("VERIFY_URL", "https://www.msmebazaar.in@evil.example/whatsapp"),
        ("VERIFY_URL", "https://www.example.in/" + "x" * 48),
        ("DEFAULT_LANGUAGE", "ta"),
        ("LOGIN_LINK_INCLUDE_PHONE", "perhaps"),
    ],
)
def test_values_that_are_refused_with_the_settings_name(name: str, raw: str) -> None:
    assert named(faults(ENVIRONMENT | {name: raw})) == {name}


PASSWORD = "with a password that has"
REDIS_FAULTS = [
    pytest.param("redis://:pa@ss@host:6379/0", "%40", id=f"{PASSWORD} a raw @"),
    pytest.param("redis://user:@@host", "%40", id=f"{PASSWORD} only an @"),
    pytest.param("redis://:pa#ss@host:6379/0", "%23", id=f"{PASSWORD} a raw #"),
    pytest.param("redis://:pass@host:6379/0#1", "%23", id="with a fragment"),
    pytest.param("redis://:pa/ss@host:6379/0", "%2F", id=f"{PASSWORD} a raw /"),
    pytest.param("redis://:12/ss@host:6379/0", "%2F", id=f"{PASSWORD} a raw / behind digits"),
    pytest.param("redis://:pa?ss@host:6379/0", "%3F", id=f"{PASSWORD} a raw ?"),
    pytest.param("redis://:p@a?s@host:6379/0", "%3F", id=f"{PASSWORD} a raw @ and ?"),
    pytest.param("redis://:p@a/s@host:6379/0", "%40", id=f"{PASSWORD} a raw @ and /"),
    pytest.param("redis://:pa%ss@host:6379/0", "%25", id=f"{PASSWORD} a raw %"),
    pytest.param("redis://:100%@host:6379/0", "%25", id=f"{PASSWORD} a % at its end"),
    pytest.param("redis://:pa%e0ss@host:6379/0", "%25", id=f"{PASSWORD} a % that encodes no text"),
    pytest.param("redis://:pa ss@host:6379/0", "%20", id=f"{PASSWORD} a space"),
    pytest.param("redis://:pa[ss@host:6379/0", "%5B", id=f"{PASSWORD} a bracket"),
    pytest.param("redis://:pa[s]s@host:6379/0", "%5B", id=f"{PASSWORD} two brackets"),
    pytest.param("redis://:paßs@host:6379/0", "percent-encoded", id=f"{PASSWORD} another letter"),
    pytest.param("redis://:pa\u200bss@host:6379/0", "U+200B", id=f"{PASSWORD} a zero-width space"),
    pytest.param("redis://secret@host:6379/0", ":password@", id="with a password without its colon"),
    pytest.param("redis://:your-password@host/0", "example", id="with an example's password"),
    pytest.param("redis://:<password>@host/0", "example", id="with a placeholder for a password"),
    pytest.param("redis://host:6379/-1", "number", id="with a negative database"),
    pytest.param("redis://host:6379/one", "number", id="with a database's name"),
    pytest.param("redis://host:6379/1.5", "number", id="with a broken database"),
    pytest.param("redis://host:6379/²", "percent-encoded", id="with a superscript database"),
    pytest.param("redis://host:6379/%31", "number", id="with an encoded database"),
    pytest.param("redis://host:6379/1/2", "number", id="with two databases"),
    pytest.param("redis://host:6379/" + "9" * 5000, "number", id="with an endless database"),
    pytest.param("redis://host:6379?db=one", "db", id="with a database behind the ? that is no number"),
    pytest.param("redis://host:6379?db=-1", "db", id="with a negative database behind the ?"),
    pytest.param("redis://host:6379/1?db=2", "twice", id="with a database in two places"),
    pytest.param("redis://host:6379?db=1&db=2", "twice", id="with two databases behind the ?"),
    pytest.param("redis://host:6379/0?ssl_cert_reqs=none", "?", id="with TLS's options and no TLS"),
    pytest.param("rediss://host:6379/0?ssl_cert_reqs=never", "ssl_cert_reqs", id="with an unknown way of TLS"),
    pytest.param("redis://host:6379/0?timeout", "?", id="with half an option"),
    pytest.param("redis://host:6379/0?colour=red", "?", id="with an unknown option"),
    pytest.param("redis://host:6379/0?socket_timeout=soon", "socket_timeout", id="with an option that does not fit"),
    pytest.param("redis://one:6379,two:6379/0", "redis+cluster://", id="with several hosts"),
    pytest.param("redis://host:/0", "port", id="with an empty port"),
    pytest.param("redis://host:65536/0", "port", id="with a port that is too high"),
    pytest.param("redis://host:-1/0", "port", id="with a negative port"),
    pytest.param("redis://host:６３７９/0", "percent-encoded", id="with a port in wide digits"),
    pytest.param("redis://127.0.0.256/0", "host", id="with an address that is none"),
    pytest.param("redis://ho_st-/0", "host", id="with a host that ends in a hyphen"),
    pytest.param("redis://[::1::2]/0", "IPv6", id="with an IPv6 address that is none"),
    pytest.param("redis://[host]/0", "IPv6", id="with brackets round a name"),
    pytest.param("REDIS://host/0", "scheme", id="with its scheme in capitals"),
    pytest.param("redis:/host/0", "scheme", id="with one slash"),
    pytest.param("redis:host", "scheme", id="without slashes"),
    pytest.param("host:6379", "scheme", id="without a scheme"),
    pytest.param("unix:///run/redis.sock", "scheme", id="with a socket"),
    pytest.param("redis+cluster://one:7000,two:7001/1", "no numbered databases", id="of a cluster with a database"),
    pytest.param("redis+cluster://one:7000/0", "no numbered databases", id="of a cluster with the database 0"),
    pytest.param("rediss+cluster://one:7000/first", "no numbered databases", id="of a cluster with a path"),
    pytest.param("redis+cluster://one:7000?db=1", "?", id="of a cluster with a database behind the ?"),
    pytest.param("rediss+cluster://one:7000?ssl_cert_reqs=none", "?", id="of a cluster with options"),
    pytest.param("redis+cluster://:pa@ss@one:7000,two:7001", "%40", id="of a cluster, with a raw @"),
    pytest.param("redis+cluster://one:7000,user:pass@two:7001", "first host", id="of a cluster, with a late password"),
    pytest.param("redis+cluster://one:7000,two:70000", "port", id="of a cluster with one wrong port"),
    pytest.param("redis+cluster://one:7000, two:7001", "%20", id="of a cluster with a space"),
    pytest.param("redis+sentinel://one:26379", "service", id="of Sentinel without a service"),
    pytest.param("redis+sentinel://one:26379/0", "service", id="of Sentinel with a number for a service"),
    pytest.param("redis+sentinel://one:26379//0", "service", id="of Sentinel with an empty service"),
    pytest.param("redis+sentinel://one:26379/my%20master/0", "service", id="of Sentinel with an encoded service"),
    pytest.param("redis+sentinel://one:26379/mymaster/one", "number", id="of Sentinel with a database's name"),
    pytest.param("redis+sentinel://one:26379/mymaster/-1", "number", id="of Sentinel with a negative database"),
    pytest.param("redis+sentinel://one:26379/mymaster/0/1", "number", id="of Sentinel with two databases"),
    pytest.param("redis+sentinel://:p#ss@one:26379/mymaster", "%23", id="of Sentinel with a raw #"),
    pytest.param("redis+sentinel://one/mymaster?password=x", "sentinel_password", id="of Sentinel with another option"),
    pytest.param("redis+sentinel://one:0/mymaster", "port", id="of Sentinel with port 0"),
]


@pytest.mark.parametrize("name", ["REDIS_URL", "QUEUE_REDIS_URL"])
@pytest.mark.parametrize(("url", "advice"), REDIS_FAULTS)
def test_a_url_of_redis_that_would_be_read_otherwise(name: str, url: str, advice: str) -> None:
    (fault,) = faults(ENVIRONMENT | {name: url})
    assert fault.startswith(f"{name} ")
    assert advice in fault


@pytest.mark.parametrize(
    "url",
    [
        "redis://:p%40s%23s%2F%3F%25@host:6379/0",
        "redis://user:pa:ss@host",
        "redis://:p+a=s,s!~*@host",
        "redis://redis_1:6379",
        "redis://redis.internal.:6379/15",
        "redis://host/0?socket_keepalive=true&health_check_interval=30",
        "redis://host?db=1",
        "rediss://host/0?ssl_ca_certs=/etc/ssl/own.pem&ssl_cert_reqs=required",
        "redis+sentinel://:pw@a:26379,b/my-master_1.x/0?sentinel_password=watch",
        "redis+sentinel://a/mymaster",
        "redis+cluster://user:pw@a:7000,[2001:db8::1]:7001",
        "redis+cluster://a:7000/",
    ],
)
def test_a_url_of_redis_that_is_good(url: str) -> None:
    assert load_settings(ENVIRONMENT | {"REDIS_URL": url}).redis_url == url


HTTP_FAULTS = [
    pytest.param("bot.example.in", "https://", id="no scheme"),
    pytest.param("//bot.example.in", "https://", id="two slashes alone"),
    pytest.param("https:/bot.example.in", "https://", id="one slash"),
    pytest.param("https//bot.example.in", "https://", id="no colon"),
    pytest.param("htps://bot.example.in", "https://", id="a slip in the scheme"),
    pytest.param("https://https://bot.example.in", "host", id="the scheme twice"),
    pytest.param("https://bot example.in", "space", id="a space in the host"),
    pytest.param("https://bot.example.in/a b", "space", id="a space in the path"),
    pytest.param("https://bot.example.in?", "?", id="an empty query"),
    pytest.param("https://bot.example.in#", "#", id="an empty fragment"),
    pytest.param("https://bot.example.in:", "port", id="an empty port"),
    pytest.param("https://bot.example.in:0", "port", id="port 0"),
    pytest.param("https://bot.example.in:४४३", "port", id="a port in other digits"),
    pytest.param("https://bot..example.in", "host", id="two dots"),
    pytest.param("https://bot.example.in,other.example.in", "host", id="two hosts"),
    pytest.param("https://१२७.0.0.1", "host", id="an address in other digits"),
    pytest.param("https://1.2.3", "host", id="half an address"),
    pytest.param("https://bot\u200b.example.in", "U+200B", id="a zero-width space"),
    pytest.param("https://bot.example.in\u200b", "U+200B", id="a zero-width space at the end"),
    pytest.param("https://bot.example.in/\u00a0x", "U+00A0", id="a no-break space"),
    pytest.param("https://bot.example.in/x²", "percent-encoded", id="a superscript in the path"),
    pytest.param("https://bot.example.in/100%", "%25", id="a raw %"),
    pytest.param("“https://bot.example.in”", "quotes", id="curly quotes"),
    pytest.param("'https://bot.example.in'", "quotes", id="quotes that remained"),
    pytest.param("https://your-domain.com", "example", id="an example's host"),
    pytest.param("https://<your-host>/", "example", id="a placeholder"),
    pytest.param("https://user:pa/ss@bot.example.in", "%2F", id="a raw / in a password"),
    pytest.param("https://user:p@ss@bot.example.in", "%40", id="a raw @ in a password"),
]


@pytest.mark.parametrize("name", ["PUBLIC_BASE_URL", "AUTH_API_URL", "WEB_APP_URL", "TWILIO_API_BASE_URL"])
@pytest.mark.parametrize(("url", "advice"), HTTP_FAULTS)
def test_a_url_that_leads_nowhere(name: str, url: str, advice: str) -> None:
    (fault,) = faults(ENVIRONMENT | {name: url})
    assert fault.startswith(f"{name} ")
    assert advice in fault


@pytest.mark.parametrize(
    "url",
    ["https://बाज़ार.भारत", "http://auth_api:8000", "https://bot.example.in/a%20b", "https://[::1]:5000", "https://x"],
)
def test_a_url_that_is_good(url: str) -> None:
    assert load_settings(ENVIRONMENT | {"AUTH_API_URL": url}).auth_api_url == url


def test_a_login_link_shows_no_password() -> None:
    assert load_settings(ENVIRONMENT | {"PUBLIC_BASE_URL": "https://user:pass@x.in"})
    assert named(faults(ENVIRONMENT | {"WEB_APP_URL": "https://user:pass@x.in"})) == {"WEB_APP_URL"}


DIGITS = [
    pytest.param("\u00b2", id="superscript"),
    pytest.param("\u2085", id="subscript"),
    pytest.param("\u096b", id="Devanagari"),
    pytest.param("\u0665", id="Arabic"),
    pytest.param("\uff15", id="wide"),
    pytest.param("\u2464", id="circled"),
    pytest.param("\U0001d7d3", id="bold"),
    pytest.param("\u00bd", id="half"),
]
NUMBERS = {
    "TWILIO_WHATSAPP_NUMBER": "whatsapp:+1415523888{}",
    "PORT": "500{}",
    "WEB_CONCURRENCY": "{}",
    "WORKER_METRICS_PORT": "919{}",
    "AUTH_API_DEADLINE_SECONDS": "{}",
    "DRAFT_RETENTION_DAYS": "{}",
    "CONTACT_RETENTION_DAYS": "1{}",
    "BROADCAST_RETENTION_DAYS": "1{}",
    "BACKUP_RETENTION_DAYS": "1{}",
    "MESSAGES_PER_MINUTE": "1{}",
    "TWILIO_MESSAGES_PER_SECOND": "1{}",
    "WHATSAPP_DAILY_LIMIT": "25{}",
    "QUIET_HOURS": "21:00-09:0{}",
    "BROADCAST_WAVES": "2,1{}",
    "NUDGE_AFTER": "{}h",
    "TRUSTED_PROXIES": "10.0.0.{}",
    "METRICS_ALLOWED_ADDRESSES": "10.0.0.0/{}",
    "REDIS_URL": "redis://localhost/{}",
    "QUEUE_REDIS_URL": "redis://localhost:637{}",
    "PUBLIC_BASE_URL": "https://bot.example.in:844{}",
}


@pytest.mark.parametrize("digit", DIGITS)
@pytest.mark.parametrize("name", NUMBERS)
def test_only_the_digits_of_ascii_make_a_number(name: str, digit: str) -> None:
    assert named(faults(ENVIRONMENT | {name: NUMBERS[name].format(digit)})) == {name}


@pytest.mark.parametrize(
    "raw", ["+14155238886 ext 1", "++14155238886", "whatsapp:whatsapp:+14155238886", "+04155238886", "+1415", "+1" * 9]
)
def test_a_sender_that_is_no_number(raw: str) -> None:
    assert named(faults(ENVIRONMENT | {"TWILIO_WHATSAPP_NUMBER": raw})) == {"TWILIO_WHATSAPP_NUMBER"}


STRAY = [
    pytest.param("\u200b", "zero width space", id="zero-width space"),
    pytest.param("\u200d", "zero width joiner", id="joiner"),
    pytest.param("\u2060", "word joiner", id="word joiner"),
    pytest.param("\ufeff", "zero width no-break space", id="mark of an encoding"),
    pytest.param("\u00ad", "soft hyphen", id="soft hyphen"),
    pytest.param("\u202e", "right-to-left override", id="direction"),
    pytest.param("\u00a0", "no-break space", id="no-break space"),
    pytest.param("\u3000", "ideographic space", id="wide space"),
    pytest.param("\u2028", "line separator", id="line separator"),
    pytest.param("\u3164", "hangul filler", id="filler"),
    pytest.param("\0", "NUL byte", id="NUL byte"),
    pytest.param("\x1b", "control character", id="escape"),
    pytest.param("\x7f", "control character", id="delete"),
    pytest.param("\t", "a tab", id="tab"),
    pytest.param("\n", "a line break", id="line break"),
    pytest.param("\u201c", "left double quotation mark", id="curly quote"),
    pytest.param("\u2019", "right single quotation mark", id="curly apostrophe"),
]
TEXTS = [*SECRETS, "FLASK_ENV", "TWILIO_ACCOUNT_SID", "PUBLIC_BASE_URL", "WEB_APP_URL", "AUTH_API_OTP_PATH"]


@pytest.mark.parametrize(("char", "called"), STRAY)
@pytest.mark.parametrize("name", TEXTS)
def test_what_nobody_typed_on_purpose_is_named(name: str, char: str, called: str) -> None:
    value = ENVIRONMENT.get(name, "/api/send-otp")
    (fault,) = faults(ENVIRONMENT | {name: f"{value[:5]}{char}{value[5:]}"})
    assert fault.startswith(f"{name} has ")
    assert called in fault
    assert "as character 6" in fault


@pytest.mark.parametrize("quotes", ["“”", "‘’", "„“", "«»", "''", '""', "＂＂", "``", "””"])
@pytest.mark.parametrize("name", [*TEXTS, "SUPPORT_CONTACT", "PORT"])
def test_quotes_round_a_value_are_told(name: str, quotes: str) -> None:
    value = ENVIRONMENT.get(name, "5000")
    (fault,) = faults(ENVIRONMENT | {name: f"{quotes[0]}{value}{quotes[1]}"})
    assert fault.startswith(f"{name} stands in quotes")


@pytest.mark.parametrize("name", ["TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID", "HANDOFF_API_KEY"])
def test_a_letter_that_only_looks_right(name: str) -> None:
    assert named(faults(ENVIRONMENT | {name: f"{ENVIRONMENT[name]}\u0430"})) == {name}


@pytest.mark.parametrize(
    "raw", ["+91 80 5550 0100 (सहायता\u200d)", "“Asha” at the shop’s desk", "09:00\u00a0to 18:00", "a\nb"]
)
def test_what_people_read_may_have_what_texts_have(raw: str) -> None:
    assert load_settings(ENVIRONMENT | {"SUPPORT_CONTACT": raw}).support_contact == raw


def test_a_key_in_another_script_stays_what_it_was() -> None:
    assert load_settings(ENVIRONMENT | {"PERSON_ID_KEY": "चाबी है यह कुंजी नई"}).person_id_key == "चाबी है यह कुंजी नई"


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("TWILIO_AUTH_TOKEN", "your-auth-token-here"),
        ("TWILIO_AUTH_TOKEN", "your_twilio_auth_token"),
        ("TWILIO_ACCOUNT_SID", "AC<thirty-two letters>"),
        ("HANDOFF_API_KEY", "your-256-bit-secret"),
        ("ADMIN_API_KEY", "insert-the-key-here"),
        ("TWILIO_ACCOUNT_SID", "ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("ADMIN_API_KEY", "changeme-changeme"),
        ("ADMIN_API_KEY", "please-change-me-soon"),
        ("HANDOFF_API_KEY", "<the web app's key>"),
        ("HANDOFF_API_KEY", "replace-with-a-key"),
        ("SUPPORT_CONTACT", "your support contact"),
        ("SUPPORT_CONTACT", "+91 XXXXXXXXXX"),
    ],
)
def test_what_an_example_says_is_no_value(name: str, raw: str) -> None:
    assert faults(ENVIRONMENT | {name: raw}) == [f"{name} is still the example's: write the real one"]


def test_an_examples_key_that_people_may_be_known_under_is_a_warning() -> None:
    """It can be changed only while nobody is known."""
    (warning,) = load_settings(ENVIRONMENT | {"PERSON_ID_KEY": "changeme-changeme"}).warnings
    assert warning.startswith("PERSON_ID_KEY ")


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


@pytest.mark.parametrize("port", ["x", "70000", "²", "0", "9" * 5000])
def test_a_wrong_port_is_told_once(port: str) -> None:
    assert named(faults(DEVELOPMENT | {"PORT": port})) == {"PORT"}


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


def _read_in_a_process(path: str, barrier: Barrier, found: Queue[dict[str, str]]) -> None:
    barrier.wait(timeout=120)
    found.put(read_demo_secrets(Path(path)).values)


def test_processes_that_start_at_once_share_the_secrets(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for round_ in range(3):
        path = tmp_path / str(round_) / "demo.env"
        barrier = context.Barrier(6)
        found: Queue[dict[str, str]] = context.Queue()
        processes = [context.Process(target=_read_in_a_process, args=(str(path), barrier, found)) for _ in range(6)]
        for process in processes:
            process.start()
        secrets = [found.get(timeout=120) for _ in processes]
        for process in processes:
            process.join(timeout=120)
        assert all(other == secrets[0] for other in secrets)
        assert secrets[0] == read_demo_secrets(path).values
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
    made = read_demo_secrets(Path(demo["DEMO_ENV_FILE"])).values
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


# --- python -m onboarding_bot env ----------------------------------------------------------------------------------


def test_the_check_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(config, "read_environment", lambda: {"PORT": "x"})
    assert run_command("env") == 1
    said = capsys.readouterr()
    assert "setting PORT must be a whole number" in said.err
    assert "setting ADMIN_API_KEY is missing" in said.err
    assert said.out == ""


def test_the_check_says_that_all_is_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(config, "read_environment", lambda: ENVIRONMENT | {"WEB_APP_URL": "http://app"})
    assert run_command("env") == 0
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
