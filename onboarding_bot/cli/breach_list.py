"""``breach-list``: writes everybody whose data are kept as CSV to standard output, for telling them of a breach."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from onboarding_bot.cli import Parsed
from onboarding_bot.renamed_commands import become

ACTION = "list everybody for a breach"


def _name(raw: str) -> str:
    if not raw.strip() or not raw.isprintable() or len(raw) > 80:
        raise ValueError("must be a name of 80 characters at most")
    return raw.strip()


def _moment(raw: str) -> datetime:
    wrong = ValueError("must be a moment with an offset, like 2026-11-01T00:00:00+05:30")
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise wrong from None
    if moment.tzinfo is None:
        raise wrong
    return moment


@click.command
@click.option("--by", type=Parsed("NAME", _name), required=True, help="Who asks, for the audit line.")
@click.option(
    "--since", type=Parsed("MOMENT", _moment), help="Only who wrote then or later: 2026-11-01T00:00:00+05:30."
)
def command(*, by: str, since: datetime | None) -> int:
    """List everybody whose data are kept, also after STOP, as CSV.

    The audit line goes to standard error before the list begins. Fails when the list is missing or not whole, as the
    last line of standard error says.
    """
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.errors import BotError
    from onboarding_bot.observability.logs import audit_line, configure_logs
    from onboarding_bot.people.breach_list import write_breach_list
    from onboarding_bot.wiring import build_parts

    configure_logs("CRITICAL")
    settings = load_settings(read_environment())
    try:
        contacts = build_parts(settings).storage.contacts
        # Nobody is shown before it is written down who asked.
        print(audit_line(action=ACTION, key=by, since=since and since.isoformat()), file=sys.stderr, flush=True)
        listed = write_breach_list(contacts.everybody(since), sys.stdout, settings.default_language)
    except (BotError, OSError) as error:
        print(f"the list is not whole: {error}; run it again", file=sys.stderr)
        return 1
    print(f"{listed.people} people", file=sys.stderr)
    if listed.unreadable:
        print(
            f"the list is not whole: {listed.unreadable} records cannot be read with SESSION_ENCRYPTION_KEYS",
            file=sys.stderr,
        )
    return 1 if listed.unreadable else 0


if __name__ == "__main__":
    become("breach-list")
