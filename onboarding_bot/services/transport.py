"""HTTP to one service: connections, time limits, tries, and what is known of a request that got no answer.

A client of a service names its paths, its payloads, what a status means, and its RetryPolicy. Everything else about
HTTP is here: pooled connections, one deadline over all tries, Retry-After, a limit on the answer's size, the trace
header, metrics for each service, and a circuit breaker where a client has one. No redirect is ever followed: what is
sent along, credentials above all, is for the configured host alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as CallTimeoutError
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError
from werkzeug.http import parse_date

from onboarding_bot.observability import metrics
from onboarding_bot.observability.tracing import current_trace
from onboarding_bot.services.circuit_breaker import CircuitBreaker

# A try that begins at its deadline gets this long; a caller waits this much longer than the deadline for a try's end.
SHORTEST_TRY_SECONDS = 0.05
# A longer Retry-After is more likely a mistake of the service than its wish.
LONGEST_RETRY_AFTER_SECONDS = 300.0
_CHUNK_BYTES = 16 * 1024

# What a service says that has not processed a request, or is out of order for a moment.
TOO_MANY_REQUESTS = 429
SERVER_ERRORS = range(500, 600)


class Failure(StrEnum):
    """Why there is no answer. The first four mean that the request never reached the service."""

    BREAKER_OPEN = "breaker_open"
    TOO_MANY_CALLS = "too_many_calls"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILED = "connect_failed"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT = "timeout"
    BROKEN_ANSWER = "broken_answer"


_NEVER_ARRIVED = frozenset(
    {Failure.BREAKER_OPEN, Failure.TOO_MANY_CALLS, Failure.CONNECT_TIMEOUT, Failure.CONNECT_FAILED}
)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A request without an answer; ``error`` is what the HTTP library raised, None where a limit of ours ended it."""

    failure: Failure
    error: requests.RequestException | None = None

    @property
    def may_have_arrived(self) -> bool:
        """Whether the service may have processed the request all the same: what it does then is uncertain."""
        return self.failure not in _NEVER_ARRIVED

    @property
    def reason(self) -> str:
        """A word for an operator, without anything that was sent: the library's name for it, or ours."""
        return type(self.error).__name__ if self.error else self.failure


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered; ``is_whole`` is false for a body that was cut at the client's limit."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = True

    @property
    def text(self) -> str:
        """The body as UTF-8, with a replacement character for each byte that is none."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The JSON value in the body, None where it is none, or was cut."""
        try:
            return json.loads(self.body) if self.is_whole else None
        except (ValueError, RecursionError):
            return None

    def members(self) -> Mapping[str, Any]:
        """The members of the JSON object in the body; empty where the body is no object."""
        value = self.json()
        return value if isinstance(value, dict) else {}

    @property
    def retry_after(self) -> float | None:
        """The seconds that Retry-After asks for, 300 at most; None without the header, or for one that is unreadable.

        A date counts from the answer's own Date, so that it needs no clock that agrees with the service's
        (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).
        """
        header = self.headers.get("Retry-After", "").strip()
        if header.isascii() and header.isdigit():
            return min(float(header), LONGEST_RETRY_AFTER_SECONDS)
        then, now = parse_date(header), parse_date(self.headers.get("Date"))
        if then is None or now is None:
            return None
        return min(max((then - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_SECONDS)


Ending = Answer | NoAnswer


@dataclass(frozen=True, slots=True)
class Call:
    """One call with all its tries: the ending of the last one, how many there were, and how long it took (seconds)."""

    ending: Ending
    tries: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds: ``connect`` and ``read`` for one wait on the socket, ``deadline`` for the call with tries and pauses."""

    connect: float
    read: float = float("inf")
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which endings are followed by another try, and after which pause (seconds).

    A request that never arrived is tried again, and an answer with one of ``statuses``. With ``after_uncertain`` also
    one that may have arrived: that is for requests which do no harm twice. A pause is as long as Retry-After asks for,
    but no shorter than ``pause``, which grows by ``growth`` with each try, and no longer than ``longest_pause``.
    """

    most_tries: float = float("inf")
    statuses: Container[int] = frozenset()
    after_uncertain: bool = False
    pause: float = 0.5
    growth: float = 1.0
    longest_pause: float = float("inf")

    def pause_after(self, ending: Ending, tries: int) -> float | None:
        """The pause before the next try, None when there is none; ``tries`` have been made."""
        if tries >= self.most_tries:
            return None
        if isinstance(ending, Answer):
            is_passing, wish = ending.status in self.statuses, ending.retry_after
        else:
            is_passing, wish = self.after_uncertain or not ending.may_have_arrived, None
        return (
            min(max(self.pause * self.growth ** (tries - 1), wish or 0.0), self.longest_pause) if is_passing else None
        )


ONE_TRY = RetryPolicy(most_tries=1)


def _is_no_server_error(answer: Answer) -> bool:
    return answer.status not in SERVER_ERRORS


class Transport:
    """The way to one service. One for each process; any number of threads use it at once, and they share its breaker.

    ``service`` names it in metrics. ``largest_body`` is in bytes: an answer is read no further. ``is_well`` tells the
    breaker from an answer whether the service works.
    """

    def __init__(
        self,
        service: str,
        limits: TimeLimits,
        retries: RetryPolicy = ONE_TRY,
        *,
        auth: tuple[str, str] | None = None,
        largest_body: int,
        calls_at_once: int = 10,
        breaker: CircuitBreaker | None = None,
        is_well: Callable[[Answer], bool] = _is_no_server_error,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service = service
        self._limits = limits
        self._retries = retries
        self._largest_body = largest_body
        self._breaker = breaker
        self._is_well = is_well
        self._clock = clock
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(calls_at_once, thread_name_prefix=service)
        self._session = requests.Session()
        self._session.auth = auth
        # urllib3's own retries would sleep through a Retry-After of any length.
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=calls_at_once, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def call(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        payload: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        seconds_left: float = float("inf"),
    ) -> Call:
        """Make a request, again as the RetryPolicy says, until the deadline or for ``seconds_left``.

        ``payload`` goes as JSON; ``auth`` (user, password) is used instead of the transport's own. Never raises for
        what the network or the service does. While the breaker is open no request is made.
        """
        request = {"method": method, "url": url, "data": form, "json": payload, "auth": auth}
        started = self._clock()
        if self._breaker and not self._breaker.allows_call():
            return Call(NoAnswer(Failure.BREAKER_OPEN), 0, 0.0)
        deadline = started + min(self._limits.deadline, seconds_left)
        ending, tries = self._try(request, headers or {}, deadline), 1
        while (pause := self._retries.pause_after(ending, tries)) is not None and self._clock() + pause < deadline:
            self._sleep(pause)
            ending, tries = self._try(request, headers or {}, deadline), tries + 1
        if self._breaker:
            is_well = isinstance(ending, Answer) and self._is_well(ending)
            (self._breaker.succeeded if is_well else self._breaker.failed)()
        return Call(ending, tries, self._clock() - started)

    def _try(self, request: Mapping[str, Any], headers: Mapping[str, str], deadline: float) -> Ending:
        """One request, in a thread of its own: a socket's time-out does not end an answer that arrives byte by byte."""
        began = self._clock()
        seconds = max(deadline - began, SHORTEST_TRY_SECONDS)
        # Each try is a span of its own.
        traced = {**headers, "traceparent": current_trace().traceparent()}
        answering = self._threads.submit(self._exchange, request, traced, seconds, began + seconds)
        try:
            ending = answering.result(timeout=seconds + SHORTEST_TRY_SECONDS)
        except CallTimeoutError:
            ending = NoAnswer(Failure.TOO_MANY_CALLS if answering.cancel() else Failure.TIMEOUT)
        metrics.outgoing_request_ended(self._service, _outcome(ending), self._clock() - began)
        return ending

    def _exchange(
        self, request: Mapping[str, Any], headers: Mapping[str, str], seconds: float, deadline: float
    ) -> Ending:
        try:
            with self._session.request(
                **request,
                headers=headers,
                timeout=(min(self._limits.connect, seconds), min(self._limits.read, seconds)),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._read(response, deadline)
        except requests.ConnectTimeout as error:
            return NoAnswer(Failure.CONNECT_TIMEOUT, error)
        except requests.ConnectionError as error:
            return NoAnswer(_connection_failure(error), error)
        except requests.Timeout as error:
            return NoAnswer(Failure.TIMEOUT, error)
        except requests.RequestException as error:
            return NoAnswer(Failure.BROKEN_ANSWER, error)

    def _read(self, response: requests.Response, deadline: float) -> Ending:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._largest_body:
                return Answer(response.status_code, response.headers, bytes(body[: self._largest_body]), is_whole=False)
            if self._clock() > deadline + SHORTEST_TRY_SECONDS:
                # The caller waits no more.
                return NoAnswer(Failure.TIMEOUT)
        return Answer(response.status_code, response.headers, bytes(body))


def _connection_failure(error: requests.ConnectionError) -> Failure:
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError):
        # No name, no route, or a port without a listener.
        return Failure.CONNECT_FAILED
    # The library reports a body that does not go on as a lost connection.
    return Failure.TIMEOUT if isinstance(cause, ReadTimeoutError) else Failure.CONNECTION_RESET


def _outcome(ending: Ending) -> str:
    """The label of a metric: ``http_2xx`` and the like, ``http_429``, or the failure."""
    if isinstance(ending, NoAnswer):
        return ending.failure
    is_throttled = ending.status == TOO_MANY_REQUESTS
    return f"http_{TOO_MANY_REQUESTS}" if is_throttled else f"http_{ending.status // 100}xx"
