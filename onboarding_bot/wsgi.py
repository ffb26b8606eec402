"""The app that gunicorn serves: ``gunicorn --config …/onboarding_bot/gunicorn_config.py onboarding_bot.wsgi:app``."""

from __future__ import annotations

import sys

from onboarding_bot.app import BOT, create_app
from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.config import all_warnings, load_settings, read_environment
from onboarding_bot.errors import SettingsError
from onboarding_bot.observability.logs import configure_logs, logger

environ = read_environment()
try:
    settings = load_settings(environ)
except SettingsError as error:
    sys.exit(error.report)

configure_logs(settings.log_level)
for warning in all_warnings(environ, settings):
    logger().warning("setting", warning=warning)

app = create_app(settings)
bot: WhatsAppBot = app.extensions[BOT]
