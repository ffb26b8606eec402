"""The command line: one group, with a file in this folder for each of its commands.

A command loads what it needs when it runs, so that ``--help`` is there at once. It returns its exit code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from onboarding_bot.errors import SettingsError

DONE, FAILED, CALLED_WRONGLY = 0, 1, 2
# What a shell makes of Ctrl-C.
INTERRUPTED = 130
# In the order in which --help lists them; each is the ``command`` of the module of its name.
COMMANDS = (
    "env",
    "doctor",
    "templates",
    "serve",
    "worker",
    "health",
    "stats",
    "openapi",
    "catch-up",
    "consent",
    "breach-list",
    "erasure",
    "backup",
    "restore",
)


class Failed(click.ClickException):
    """What a command could not do, in one line that begins with the program's name."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{program_name()}: {message}")


class Parsed(click.ParamType[Any]):
    """A value that a function reads, which raises ValueError with what is wrong with it."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the function makes of the value."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


class _Commands(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


def _name_program(context: click.Context, _option: click.Parameter, name: str | None) -> None:
    if name:
        context.info_name = name


def _remember_folder(context: click.Context, _option: click.Parameter, folder: str | None) -> None:
    context.obj = folder


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--called-as", hidden=True, is_eager=True, expose_value=False, callback=_name_program)
@click.option("--called-from", hidden=True, is_eager=True, expose_value=False, callback=_remember_folder)
def commands() -> None:
    """The programs of the MSMEBazaar WhatsApp bot. They answer by exit code: 0 done, 1 failed, 2 called wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments (by default those of the process) name; its exit code."""
    try:
        return int(commands.main(arguments, standalone_mode=False) or DONE)
    except SettingsError as error:
        print(error.report, file=sys.stderr)
        return FAILED
    except click.UsageError as error:
        print(_explained(error), file=sys.stderr)
        return CALLED_WRONGLY
    except click.ClickException as error:
        print(error.format_message(), file=sys.stderr)
        return FAILED
    except click.Abort:
        return INTERRUPTED


def program_name() -> str:
    """What the caller called this program: ``deploy.sh``, or else as Python was called."""
    return click.get_current_context().find_root().info_name or ""


def given_path(raw: str) -> Path:
    """A path as the caller meant it, who may have called from another folder than this process works in."""
    return Path(click.get_current_context().find_root().obj or "", raw)


def _explained(error: click.UsageError) -> str:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) or error.ctx is None:
        return error.format_message()
    fault = error.format_message()
    if isinstance(error, click.MissingParameter) and error.param:
        is_option = isinstance(error.param, click.Option)
        name = error.param.opts[0] if is_option else error.param.human_readable_name
        fault = f"the following arguments are required: {name}"
    return f"{error.ctx.get_usage()}\n{error.ctx.command_path}: error: {fault}"
