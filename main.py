"""The way in: ``gunicorn -c gunicorn.conf.py main:app``, or ``python main.py`` while developing."""

from __future__ import annotations

import sys

from onboarding_bot.app import BOT, create_app
from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.config import all_warnings, load_settings, read_environment
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.errors import SettingsError
from onboarding_bot.observability.logs import configure_logs, logger

__all__ = ["OnboardingStep", "UserSession", "WhatsAppBot", "app", "bot"]

environ = read_environment()
try:
    settings = load_settings(environ)
except SettingsError as error:
    sys.exit("\n".join(error.lines))

configure_logs(settings.log_level)
for warning in all_warnings(environ, settings):
    logger().warning("setting", warning=warning)

app = create_app(settings)
bot: WhatsAppBot = app.extensions[BOT]

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=settings.port, debug=settings.debug)
