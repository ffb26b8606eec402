"""``backup``: writes a snapshot of Redis and the list of who was erased, while everything runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from onboarding_bot.cli import Failed, Parsed, given_path
from onboarding_bot.cli.erasure import print_list
from onboarding_bot.renamed_commands import become


@click.command
@click.argument("file", type=Parsed("FILE", given_path), required=False)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("var", "backups"), hidden=True)
@click.option("--erasures-only", is_flag=True, hidden=True)
@click.option("--with-compose", is_flag=True, hidden=True)
def command(*, file: Path | None, folder: Path, erasures_only: bool, with_compose: bool) -> None:
    """Write down all that Redis holds, while everything runs.

    Without FILE it goes into var/backups, where backups older than BACKUP_RETENTION_DAYS are deleted.
    """
    from onboarding_bot.backups.backup import delete_old, new_path
    from onboarding_bot.errors import StoreUnavailableError

    if erasures_only:
        try:
            print_list()
        except StoreUnavailableError as error:
            raise click.ClickException(f"no backup was made: {error}") from None
        return
    now = datetime.now(UTC)
    path = file or new_path(folder, now)
    back_up = _back_up_with_compose if with_compose else _back_up
    back_up(path)
    if file is None:
        for old in delete_old(folder, now, _retention_days(with_compose=with_compose)):
            print(f"{old}  deleted: older than BACKUP_RETENTION_DAYS")


def _back_up(path: Path) -> None:
    """Back up the Redis of REDIS_URL."""
    from onboarding_bot.backups.backup import back_up
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
        erasures = build_parts(settings).storage.erasures
        client = connect(settings.redis_url, answer_seconds=ANSWER_SECONDS)
        with shown_on_terminal() as progress:
            files = back_up(client, erasures, path, progress)
    except (BotError, OSError) as error:
        raise click.ClickException(f"no backup was made: {error}") from None
    print("\n".join(f"{file}  {file.stat().st_size} bytes" for file in files))


def _back_up_with_compose(path: Path) -> None:
    """Back up the Redis that runs in a container."""
    from onboarding_bot.backups import compose
    from onboarding_bot.progress import shown_on_terminal

    try:
        with shown_on_terminal() as progress:
            erasures = compose.back_up(path, progress)
    except (compose.ComposeError, OSError):
        # What went wrong has been said by Docker.
        raise Failed("no backup was made") from None
    print(f"{path}, and beside it {erasures.name}")


def _retention_days(*, with_compose: bool) -> int:
    """For how many days the bot's backups are kept."""
    from onboarding_bot.backups import compose
    from onboarding_bot.config import load_settings, read_environment

    return compose.retention_days() if with_compose else load_settings(read_environment()).backup_retention_days


if __name__ == "__main__":
    become("backup")
