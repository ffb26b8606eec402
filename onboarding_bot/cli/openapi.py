"""``openapi``: prints the OpenAPI document of the JSON endpoints, without a bot that runs."""

from __future__ import annotations

import click


@click.command
@click.option("--url", metavar="URL", help="The bot's public address in the document; PUBLIC_BASE_URL by default.")
def command(url: str | None) -> int:
    """Print the OpenAPI document of the JSON endpoints."""
    import json

    from onboarding_bot.config import read_environment
    from onboarding_bot.languages import languages_with_catalogue
    from onboarding_bot.web.api.openapi import openapi_document

    public_base_url = url or read_environment().get("PUBLIC_BASE_URL", "") or "http://127.0.0.1:5000"
    print(json.dumps(openapi_document(public_base_url, languages_with_catalogue()), ensure_ascii=False, indent=2))
    return 0
