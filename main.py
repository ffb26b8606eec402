"""Starts the bot from this folder: ``gunicorn -c gunicorn.conf.py main:app``, or ``python main.py`` to develop."""

from __future__ import annotations

from onboarding_bot.bot import WhatsAppBot
from onboarding_bot.conversation.session import OnboardingStep, UserSession
from onboarding_bot.wsgi import app, bot, settings

__all__ = ["OnboardingStep", "UserSession", "WhatsAppBot", "app", "bot"]

if __name__ == "__main__":
    app.run(host="127.0.0.1", port=settings.port, debug=settings.debug)
