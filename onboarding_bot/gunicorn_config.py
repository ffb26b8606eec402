"""How gunicorn serves the bot, in production and in the demo alike.

gunicorn runs this file, and again whenever it reloads: what stands here holds the settings of that moment.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers import base  # type: ignore[import-untyped]
from gunicorn.workers.workertmp import WorkerTmp  # type: ignore[import-untyped]

from onboarding_bot.config import METRICS_FOLDER, keep_metrics_in, load_settings, read_environment
from onboarding_bot.errors import SettingsError
from onboarding_bot.listen_addresses import all_addresses
from onboarding_bot.observability.line_output import STANDARD_ERROR, protect_standard_streams
from onboarding_bot.observability.logs import LineHandler, describe
from onboarding_bot.observability.metrics_folder import folder_of_this_process, make_anew, remove

# The library looks at this when it is first imported.
_metrics_folder = folder_of_this_process("web", read_environment().get(METRICS_FOLDER, ""))
keep_metrics_in(_metrics_folder)

from onboarding_bot.observability.metrics_files import process_ended  # noqa: E402

_FIRST_PROCESS = os.getpid()
# This one comes with its words in it; behind the kind of fault stands what was there instead of a request.
_REFUSED = re.compile(r"Invalid request from ip=\S* (?P<fault>[A-Za-z ]+)")


class JsonLines(logging.Formatter):
    """gunicorn's own lines in the shape of the bot's: one JSON object each.

    The first process speaks of processes and signals. A worker may speak of requests: their addresses, paths and
    headers stay out, and numbers stay in.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON: ``event``, ``text``, ``pid``, ``level``, ``time``, and an error by its kind and place."""
        line = {
            "event": "gunicorn",
            "text": record.getMessage() if record.process == _FIRST_PROCESS else _without_words(record),
            "pid": record.process,
            "level": record.levelname.lower(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info and record.exc_info[1]:
            line |= describe(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _without_words(record: logging.LogRecord) -> str:
    if not isinstance(record.msg, str):
        return type(record.msg).__name__
    if refused := _REFUSED.match(record.msg):
        return f"Invalid request: {refused['fault'].rstrip()}"
    if not record.args or not isinstance(record.args, tuple):
        # It may have been filled in already: in gunicorn's own words that is behind one of these.
        fixed = re.split("[=:'\"/]", record.msg, maxsplit=1)[0]
        return record.msg if fixed == record.msg else f"{fixed}…"
    return record.msg % tuple(word if isinstance(word, int) else "…" for word in record.args)


class JsonLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger: one JSON object a line, and no request waits until a line is read."""

    def setup(self, cfg: Config) -> None:
        """Write all of gunicorn's lines to standard error, as JSON."""
        protect_standard_streams()
        super().setup(cfg)
        handler = LineHandler(STANDARD_ERROR)
        handler.setFormatter(JsonLines())
        self.error_log.handlers = [handler]


class HeartbeatInMemory(WorkerTmp):  # type: ignore[misc]
    """The file by whose time a worker says that it lives, without a folder: one that is full would end gunicorn."""

    def __init__(self, _cfg: Config) -> None:
        self._tmp = os.fdopen(os.memfd_create("gunicorn-heartbeat"), "w+b", 0)


# Not every system has such files.
if hasattr(os, "memfd_create"):
    base.WorkerTmp = HeartbeatInMemory


try:
    _settings = load_settings(read_environment())
except SettingsError as error:
    sys.exit(error.report)

bind = [
    f"[{address}]:{_settings.port}" if ":" in address else f"{address}:{_settings.port}" for address in all_addresses()
]
workers = _settings.web_concurrency
# Greenlets: a message that waits for the auth API costs a little memory and no worker.
worker_class = "gevent"
worker_connections = 1000

# A request may take 13 s, and SIGTERM lets it finish; a worker whose loop stands still is replaced.
graceful_timeout = 20
timeout = 30
# An idle connection holds a stopping worker up for this long.
keepalive = 2

# Twilio's requests have short lines and few headers; its form is in the body.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

control_socket_disable = True

# The bot logs each request itself, without what people wrote; an access log would repeat it with addresses.
accesslog = None
errorlog = "-"
loglevel = _settings.log_level
logger_class = JsonLogger


def on_starting(_arbiter: Arbiter) -> None:
    """A new start counts from 0; a reload goes on counting."""
    make_anew(_metrics_folder)


def child_exit(_arbiter: Arbiter, worker: base.Worker) -> None:
    """What the worker has counted stays, its state does not."""
    process_ended(_metrics_folder, worker.pid)


def on_exit(_arbiter: Arbiter) -> None:
    """Nobody reads them any more."""
    remove(_metrics_folder)
