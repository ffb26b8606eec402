"""Asks the bot that runs on this machine over HTTP, as an operator would."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from onboarding_bot.admin_keys import Role, parse_admin_keys
from onboarding_bot.config import demo_env_file
from onboarding_bot.environment import read_dotenv
from onboarding_bot.errors import BotError

ANSWER_SECONDS = 10.0


class NotAskedError(BotError):
    """The bot could not be asked, or does not answer; the message says in one line what to do, and shows no key."""

    code = "running_bot.not_asked"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot said, indented where it is JSON."""

    text: str
    is_success: bool


def ask(environ: Mapping[str, str], path: str, key: str | None = None) -> Answer:
    """What ``GET path`` answers on PORT, with ``key`` as the bearer. Raises NotAskedError."""
    request = urllib.request.Request(f"http://127.0.0.1:{environ.get('PORT') or '5000'}{path}")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(request, timeout=ANSWER_SECONDS) as response:
            return Answer(_indented(response.read()), is_success=True)
    except urllib.error.HTTPError as error:
        return Answer(_indented(error.read()), is_success=error.code < http.client.BAD_REQUEST)
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise NotAskedError(f"{request.full_url} does not answer: {reason}") from None
    except (http.client.HTTPException, ValueError):
        # Its own words may quote the key.
        raise NotAskedError(
            "the bot cannot be asked: PORT or ADMIN_API_KEY is wrong, and ./deploy.sh env says how"
        ) from None


def reading_key(environ: Mapping[str, str]) -> str:
    """The first key that may read, out of ADMIN_API_KEY or the demo's file. Raises NotAskedError."""
    keys = environ.get("ADMIN_API_KEY") or read_dotenv(demo_env_file(environ)).values.get("ADMIN_API_KEY")
    if not keys:
        raise NotAskedError("ADMIN_API_KEY is set neither in the environment nor in .env")
    try:
        key = parse_admin_keys(keys).first_with(Role.READ)
    except ValueError as fault:
        raise NotAskedError(f"ADMIN_API_KEY {fault}") from None
    if key is None:
        raise NotAskedError("no key in ADMIN_API_KEY has the role read")
    return key.secret


def _indented(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
