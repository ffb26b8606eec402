"""The demo's secrets: created once in a file of their own, then read by every process of the demo."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from onboarding_bot.environment import Dotenv, read_dotenv
from onboarding_bot.setting_rules import ENCRYPTION_KEY_BYTES

DEMO_ENV_FILE = "DEMO_ENV_FILE"


def demo_env_file(environ: Mapping[str, str]) -> Path:
    """The file with the demo's secrets, which DEMO_ENV_FILE may name."""
    return Path(environ.get(DEMO_ENV_FILE) or "var/demo.env")


def read_demo_secrets(path: Path) -> Dotenv:
    """The secrets in ``path``, which is created first (mode 0600) where it does not exist; faults as of any file."""
    try:
        if not path.exists():
            _write_once(path, _new_secrets())
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "no usable name"
        return Dotenv(faults=[f"{path} cannot be written: {reason}: let {DEMO_ENV_FILE} name another file"])
    return read_dotenv(path)


def _new_secrets() -> dict[str, str]:
    return {
        "TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
        "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
        "ADMIN_API_KEY": secrets.token_urlsafe(24),
        "HANDOFF_API_KEY": secrets.token_urlsafe(24),
        "SESSION_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode(),
        "PERSON_ID_KEY": secrets.token_urlsafe(32),
    }


def _write_once(path: Path, values: Mapping[str, str]) -> None:
    """Write a file unless it exists. Of several processes at once the first link wins; all read the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent)  # created with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        Path(draft).unlink()
