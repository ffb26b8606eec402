"""Settings for tests: complete, and valid nowhere else."""

from __future__ import annotations

import base64

from onboarding_bot.config import Settings, load_settings

ENVIRONMENT = {
    "FLASK_ENV": "production",
    "PUBLIC_BASE_URL": "https://bot.example.in",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token-of-the-tests",
    "AUTH_API_URL": "https://auth.example.in",
    "WEB_APP_URL": "https://app.example.in",
    "ADMIN_API_KEY": "admin-key-of-the-tests",
    "HANDOFF_API_KEY": "handoff-key-of-the-tests",
    "SESSION_ENCRYPTION_KEYS": base64.urlsafe_b64encode(b"k" * 32).decode(),
    "PERSON_ID_KEY": "person-key-of-the-tests",
    "SUPPORT_CONTACT": "+91 80 5550 0100",
}


def settings(**changes: str) -> Settings:
    """Valid settings with some variables changed."""
    return load_settings(ENVIRONMENT | changes)
