"""``templates``: brings the WhatsApp templates of this release to Twilio."""

from __future__ import annotations

import sys

import click


@click.group
def command() -> None:
    """WhatsApp's templates."""


@command.command
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
def sync(*, dry_run: bool) -> int:
    """Create and submit the WhatsApp templates, and show where each stands."""
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.errors import SettingsError
    from onboarding_bot.services.twilio_content_api import ContentApi, ContentApiError
    from onboarding_bot.services.whatsapp_template_files import read_whatsapp_templates
    from onboarding_bot.services.whatsapp_template_sync import TemplateSync, table

    templates, faults = read_whatsapp_templates()
    try:
        settings = load_settings(read_environment())
    except SettingsError as error:
        faults += error.lines
    if faults:
        raise SettingsError([], faults)
    templates_at_twilio = TemplateSync(ContentApi(settings), templates, dry_run=dry_run)
    try:
        rows = templates_at_twilio.run()
    except ContentApiError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(rows))
    print(templates_at_twilio.summary())
    return 1 if any(row.is_trouble for row in rows) else 0
