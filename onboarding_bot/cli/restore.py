"""``restore``: brings a backup into an empty Redis, without the people who were erased since."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from onboarding_bot.cli import Failed, Parsed, given_path
from onboarding_bot.renamed_commands import become


@click.command
@click.argument("file", type=Parsed("FILE", given_path))
@click.option(
    "--erasures",
    "lists",
    type=Parsed("FILE", given_path),
    multiple=True,
    help="A list of erasures, or a log of the bot; may be given several times.",
)
@click.option("--loaded-port", type=int, hidden=True)
@click.option("--with-compose", is_flag=True, hidden=True)
def command(*, file: Path, lists: tuple[Path, ...], loaded_port: int | None, with_compose: bool) -> None:
    """Bring a backup into an empty Redis, without the people who were erased since."""
    if with_compose:
        _restore_with_compose(file, lists)
    else:
        _restore(file, lists, loaded_port)


def _restore(file: Path, lists: tuple[Path, ...], loaded_port: int | None) -> None:
    """Restore into the Redis of REDIS_URL."""
    from onboarding_bot.backups.restore import Restore
    from onboarding_bot.config import load_settings, read_environment
    from onboarding_bot.errors import BotError
    from onboarding_bot.observability.logs import configure_logs
    from onboarding_bot.progress import shown_on_terminal
    from onboarding_bot.storage.connection import connect
    from onboarding_bot.storage.snapshot import ANSWER_SECONDS
    from onboarding_bot.wiring import build_parts

    configure_logs("CRITICAL")
    settings = load_settings(read_environment())
    try:
        target = connect(settings.redis_url, answer_seconds=ANSWER_SECONDS)
        parts = build_parts(settings, redis=target)
        restore = Restore(
            target,
            parts.storage.store,
            parts.storage.erasures,
            store_on=lambda source: build_parts(settings, redis=source).storage.store,
            pause_broadcasts=parts.broadcasts.service.pause_all,
        )
        with shown_on_terminal() as progress:
            done = restore.run(file, list(lists), loaded_port, progress)
    except (BotError, OSError, ValueError) as error:
        raise click.ClickException(f"not restored: {error}") from None
    print(f"{done.keys} keys restored; {done.erased} people erased again; {done.paused} broadcasts paused")
    if done.erasures_until is None:
        print("No list of erasures was found: give the bot's log since the backup with --erasures", file=sys.stderr)
    else:
        until = f"{done.erasures_until:%Y-%m-%d %H:%M:%S} UTC"
        print(f"Who was erased after {until} is known only from logs: give them with --erasures", file=sys.stderr)


def _restore_with_compose(file: Path, lists: tuple[Path, ...]) -> None:
    """Restore into the Redis that runs in a container."""
    from onboarding_bot.backups import compose

    try:
        compose.restore(file, lists)
    except compose.ComposeError as error:
        raise Failed(str(error)) from None
    print("Start the bot: ./deploy.sh start")


if __name__ == "__main__":
    become("restore")
