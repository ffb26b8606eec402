"""Runs the bot and its worker on one host, without Docker: two processes that start and end together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# The file rather than the module: gunicorn reads it anew whenever it reloads.
GUNICORN_CONFIG = Path(__file__).with_name("gunicorn_config.py")
WEB_SERVER = ("-m", "gunicorn", "--config", str(GUNICORN_CONFIG), "onboarding_bot.wsgi:app")
WORKER = ("-m", "onboarding_bot", "worker")
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def serve(on_death: Callable[[], None]) -> int:
    """Run both until a signal asks them to end: 0 when both ended well, or else an exit code.

    When one of them ends by itself, ``on_death`` is called and the other is asked to end; the exit code is that of a
    failure then, also after an exit code of 0.
    """
    return asyncio.run(_serve(on_death))


async def _serve(on_death: Callable[[], None]) -> int:
    asked = asyncio.Event()
    for number in SIGNALS:
        # What the shell had ignored, as nohup does, stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, asked.set)
    children = [await _start(WEB_SERVER), await _start(WORKER)]
    waiting = [asyncio.create_task(child.wait()) for child in children]
    await asyncio.wait([asyncio.create_task(asked.wait()), *waiting], return_when=asyncio.FIRST_COMPLETED)
    failure = 0
    if not asked.is_set():
        failure = max(_exit_code(child) for child in children) or 1
        on_death()
    for child in children:
        _ask_to_end(child)
    await asyncio.gather(*waiting)
    return failure or max(_exit_code(child) for child in children)


async def _start(arguments: tuple[str, ...]) -> Process:
    """In a process group of its own, so that a terminal's Ctrl-C reaches it through here alone."""
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL, process_group=0
    )


def _ask_to_end(child: Process) -> None:
    """Its own processes must hear it once only: from itself, or from here when it has gone."""
    with suppress(ProcessLookupError):
        if child.returncode is None:
            child.terminate()
        else:
            os.killpg(child.pid, signal.SIGTERM)


def _exit_code(child: Process) -> int:
    """As a shell has it: 128 and the signal's number for who was ended by one; 0 while it runs."""
    code = child.returncode or 0
    return 128 - code if code < 0 else code
