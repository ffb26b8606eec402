"""The transport: every ending has its name, tries keep one deadline, and nothing is sent where it does not belong."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from onboarding_bot.observability import metrics
from onboarding_bot.observability.tracing import Trace, follow
from onboarding_bot.services.circuit_breaker import CircuitBreaker
from onboarding_bot.services.transport import (
    LONGEST_RETRY_AFTER_SECONDS,
    ONE_TRY,
    SHORTEST_TRY_SECONDS,
    Answer,
    Failure,
    NoAnswer,
    RetryPolicy,
    TimeLimits,
    Transport,
)
from tests.servers import free_port
from tests.services.faulty_servers import (
    DRIP_SECONDS,
    Serve,
    broken_chunks,
    close,
    drip,
    half_a_body,
    hang,
    hang_in_the_body,
    listening,
    not_compressed,
    not_http,
    reset,
)

URL = "https://service.example/thing"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LARGEST_BODY = 1000


@dataclass
class Seconds:
    """A clock that stands still; sleeping moves it and is written down."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def internet() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def transport(seconds: Seconds, retries: RetryPolicy = ONE_TRY, deadline: float = 30.0, **options: Any) -> Transport:
    limits = TimeLimits(connect=3.0, read=10.0, deadline=deadline)
    return Transport(
        "service", limits, retries, largest_body=LARGEST_BODY, clock=seconds.clock, sleep=seconds.sleep, **options
    )


def over_sockets(deadline: float = 120, **options: Any) -> Transport:
    """One whose clock is the machine's own."""
    limits = TimeLimits(connect=3.0, deadline=deadline)
    return Transport("service", limits, largest_body=LARGEST_BODY, **options)


# --- every ending has its name -------------------------------------------------------------------------------------


def says(answer: bytes) -> Serve:
    """A server that gives this answer and closes the connection."""

    def serve(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    return serve


def an_answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


REDIRECT = an_answer("302 Found", b"", "Location: https://elsewhere.example/")


@pytest.mark.parametrize(
    ("serve", "status", "body", "is_whole"),
    [
        pytest.param(says(an_answer("200 OK", b'{"a": 1}')), 200, b'{"a": 1}', True, id="200"),
        pytest.param(says(an_answer("204 No Content")), 204, b"", True, id="no body"),
        pytest.param(says(an_answer("503 Out of order", b"later")), 503, b"later", True, id="503"),
        pytest.param(says(REDIRECT), 302, b"", True, id="a redirect is not followed"),
        pytest.param(
            says(an_answer("200 OK", b"x" * LARGEST_BODY)), 200, b"x" * LARGEST_BODY, True, id="as large as allowed"
        ),
        pytest.param(
            says(an_answer("200 OK", b"x" * 50_000)), 200, b"x" * LARGEST_BODY, False, id="an oversized body is cut"
        ),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fff\r\n" + b"x" * 4095 + b"\r\n"),
            *(200, b"x" * LARGEST_BODY, False),
            id="an endless one too",
        ),
    ],
)
def test_an_answer(serve: Serve, status: int, body: bytes, is_whole: bool) -> None:
    with listening(serve) as (url, heard):
        ending = over_sockets().call("GET", url).ending
    assert isinstance(ending, Answer)
    assert (ending.status, ending.body, ending.is_whole) == (status, body, is_whole)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("serve", "deadline", "failure"),
    [
        pytest.param(hang, 0.6, Failure.TIMEOUT, id="no answer in time"),
        pytest.param(hang_in_the_body, 0.6, Failure.TIMEOUT, id="no end of the answer in time"),
        pytest.param(drip(an_answer("200 OK", b"x" * 200)), 0.6, Failure.TIMEOUT, id="byte by byte"),
        pytest.param(reset, 120, Failure.CONNECTION_RESET, id="reset"),
        pytest.param(close, 120, Failure.CONNECTION_RESET, id="closed without an answer"),
        pytest.param(not_http, 120, Failure.CONNECTION_RESET, id="not HTTP"),
        pytest.param(half_a_body, 120, Failure.BROKEN_ANSWER, id="half a body"),
        pytest.param(broken_chunks, 120, Failure.BROKEN_ANSWER, id="broken chunks"),
        pytest.param(not_compressed, 120, Failure.BROKEN_ANSWER, id="broken compression"),
    ],
)
def test_a_request_that_was_heard_and_not_answered_may_have_arrived(
    serve: Serve, deadline: float, failure: Failure
) -> None:
    with listening(serve) as (url, heard):
        ending = over_sockets(deadline).call("POST", url, payload={}).ending
    assert isinstance(ending, NoAnswer)
    assert (ending.failure, ending.may_have_arrived) == (failure, True)
    assert len(heard) == 1


def test_a_port_without_a_listener_is_known_to_have_heard_nothing() -> None:
    ending = over_sockets().call("GET", f"http://127.0.0.1:{free_port()}").ending
    assert isinstance(ending, NoAnswer)
    assert (ending.failure, ending.may_have_arrived) == (Failure.CONNECT_FAILED, False)


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    ending = over_sockets().call("GET", "http://service.invalid").ending
    assert isinstance(ending, NoAnswer)
    assert (ending.failure, ending.may_have_arrived) == (Failure.CONNECT_FAILED, False)


@pytest.mark.parametrize(
    ("error", "failure", "may_have_arrived"),
    [
        pytest.param(requests.ConnectTimeout(), Failure.CONNECT_TIMEOUT, False, id="no connection in time"),
        pytest.param(requests.ReadTimeout(), Failure.TIMEOUT, True, id="no answer in time"),
        pytest.param(requests.ConnectionError(), Failure.CONNECTION_RESET, True, id="a lost connection"),
        pytest.param(requests.exceptions.SSLError(), Failure.CONNECTION_RESET, True, id="TLS"),
        pytest.param(requests.exceptions.InvalidURL(), Failure.BROKEN_ANSWER, True, id="anything else"),
    ],
)
def test_what_the_library_raises(
    internet: responses.RequestsMock,
    seconds: Seconds,
    error: requests.RequestException,
    failure: Failure,
    may_have_arrived: bool,
) -> None:
    internet.get(URL, body=error)
    ending = transport(seconds).call("GET", URL).ending
    assert ending == NoAnswer(failure, error)
    assert isinstance(ending, NoAnswer)
    assert (ending.may_have_arrived, ending.reason) == (may_have_arrived, type(error).__name__)


def test_an_answer_that_comes_byte_by_byte_does_not_outlast_the_deadline() -> None:
    over = threading.Event()
    parts = an_answer("200 OK", b"x" * 400)

    def watched(connection: socket.socket, ends: threading.Event) -> None:
        drip(parts)(connection, ends)
        over.set()

    with listening(watched) as (url, _):
        ending = over_sockets(deadline=DRIP_SECONDS * 10).call("GET", url).ending
        assert not over.is_set(), "nobody waited for the whole of it"
    assert ending == NoAnswer(Failure.TIMEOUT)


def test_a_call_that_finds_no_free_thread_in_time_was_never_made() -> None:
    with listening(hang) as (url, heard):
        one_at_a_time = over_sockets(calls_at_once=1)
        first = threading.Thread(target=one_at_a_time.call, args=("GET", url), daemon=True)
        first.start()
        while not heard:
            first.join(0.01)
        assert one_at_a_time.call("GET", url, seconds_left=0.0).ending == NoAnswer(Failure.TOO_MANY_CALLS)
        assert len(heard) == 1
    first.join(120)


# --- what is sent --------------------------------------------------------------------------------------------------


def test_each_try_is_a_span_of_its_own_in_the_trace_at_hand(internet: responses.RequestsMock, seconds: Seconds) -> None:
    follow(Trace("0af7651916cd43dd8448eb211c80319c"))
    internet.get(URL, status=503)
    internet.get(URL)
    transport(seconds, RetryPolicy(statuses={503})).call("GET", URL, headers={"X-Own": "kept"})
    spans = [call.request.headers["traceparent"] for call in internet.calls]
    assert all(re.fullmatch("00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01", span) for span in spans)
    assert len(set(spans)) == 2
    assert {call.request.headers["X-Own"] for call in internet.calls} == {"kept"}


def test_credentials_are_the_transport_s_or_the_call_s(internet: responses.RequestsMock, seconds: Seconds) -> None:
    internet.get(URL)
    own = transport(seconds, auth=("user", "password"))
    own.call("GET", URL)
    own.call("GET", URL, auth=("another", "password"))
    transport(seconds).call("GET", URL)
    sent = [call.request.headers.get("Authorization") for call in internet.calls]
    assert sent == [
        requests.auth._basic_auth_str("user", "password"),
        requests.auth._basic_auth_str("another", "password"),
        None,
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_follow_no_redirect(internet: responses.RequestsMock, seconds: Seconds, status: int) -> None:
    internet.post(URL, status=status, headers={"Location": "https://elsewhere.example/"})
    transport(seconds, auth=("user", "password")).call("POST", URL, form={"a": "b"})
    assert [call.request.url for call in internet.calls] == [URL]


# --- tries ---------------------------------------------------------------------------------------------------------

LOST = requests.ConnectionError()
UNREACHED = requests.ConnectTimeout()
PATIENT = RetryPolicy(statuses=frozenset({429, 503}), pause=0.5)
DOUBLING = RetryPolicy(
    most_tries=5, statuses=frozenset({429, *range(500, 600)}), after_uncertain=True, pause=1.0, growth=2.0
)


@pytest.mark.parametrize(
    ("retries", "endings", "pauses"),
    [
        pytest.param(ONE_TRY, [503], [], id="one try"),
        pytest.param(ONE_TRY, [UNREACHED], [], id="one try that never arrived"),
        pytest.param(PATIENT, [503, 429, 200], [0.5, 0.5], id="until it works"),
        pytest.param(PATIENT, [UNREACHED, 200], [0.5], id="what never arrived"),
        pytest.param(PATIENT, [LOST], [], id="what may have arrived is not sent twice"),
        pytest.param(PATIENT, [503, 500], [0.5], id="nor what met another status"),
        pytest.param(DOUBLING, [LOST, 500, 200], [1.0, 2.0], id="unless that does no harm"),
        pytest.param(DOUBLING, [503, 503, 503, 503, 503], [1.0, 2.0, 4.0, 8.0], id="a few tries, ever more slowly"),
        pytest.param(DOUBLING, [404], [], id="a refusal is final"),
    ],
)
def test_which_endings_are_tried_again(
    internet: responses.RequestsMock,
    seconds: Seconds,
    retries: RetryPolicy,
    endings: Sequence[int | Exception],
    pauses: list[float],
) -> None:
    for ending in endings:
        internet.get(URL, **({"status": ending} if isinstance(ending, int) else {"body": ending}))
    call = transport(seconds, retries).call("GET", URL)
    assert seconds.pauses == pauses
    assert (call.tries, call.seconds) == (len(endings), sum(pauses))
    assert len(internet.calls) == len(endings)


@pytest.mark.parametrize(
    ("wish", "pause"),
    [
        pytest.param("7", 7.0, id="longer than the pause"),
        pytest.param("1", 2.0, id="shorter than the pause"),
        pytest.param("900", 20.0, id="longer than the longest pause"),
        pytest.param("soon", 2.0, id="unreadable"),
    ],
)
def test_a_pause_is_as_long_as_the_service_asks_for(
    internet: responses.RequestsMock, seconds: Seconds, wish: str, pause: float
) -> None:
    internet.get(URL, status=503, headers={"Retry-After": wish})
    internet.get(URL)
    transport(seconds, RetryPolicy(statuses={503}, pause=2.0, longest_pause=20.0)).call("GET", URL)
    assert seconds.pauses == [pause]


def test_a_pause_that_ends_after_the_deadline_is_not_waited(internet: responses.RequestsMock, seconds: Seconds) -> None:
    internet.get(URL, status=503, headers={"Retry-After": "30"})
    call = transport(seconds, PATIENT, deadline=30.0).call("GET", URL)
    assert (call.tries, seconds.pauses) == (1, [])


STATUSES = st.sampled_from([200, 429, 500, 503])


@given(
    steps=st.lists(st.tuples(STATUSES, st.floats(0, 5), st.integers(0, 20)), min_size=1, max_size=20),
    deadline=st.floats(0, 20),
    seconds_left=st.floats(0, 20),
    most_tries=st.integers(1, 6),
)
@hypothesis_settings(deadline=None, max_examples=50)
def test_all_tries_keep_one_deadline(
    steps: list[tuple[int, float, int]], deadline: float, seconds_left: float, most_tries: int
) -> None:
    seconds, begun = Seconds(), []
    answers = iter(steps)

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        status, took, wish = next(answers, (200, 0.0, 0))
        begun.append((seconds.now - 1000.0, vars(request)["req_kwargs"]["timeout"]))
        seconds.now += took
        return status, {"Retry-After": str(wish)}, ""

    with responses.RequestsMock() as internet:
        internet.add_callback(responses.GET, URL, callback=answer)
        policy = RetryPolicy(most_tries=most_tries, statuses={429, 503}, growth=2.0)
        call = transport(seconds, policy, deadline).call("GET", URL, seconds_left=seconds_left)
    allowed = min(deadline, seconds_left)
    assert 1 <= call.tries == len(begun) <= most_tries
    for moment, (connect, read) in begun:
        assert moment < allowed or moment == 0
        assert 0 < connect <= read <= max(allowed - moment, SHORTEST_TRY_SECONDS) + 1e-6


# --- Retry-After ---------------------------------------------------------------------------------------------------


def after(retry_after: str | None, date: str | None = format_datetime(NOON, usegmt=True)) -> float | None:
    headers = {"Retry-After": retry_after, "Date": date}
    return Answer(503, {name: text for name, text in headers.items() if text is not None}).retry_after


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, None, id="no header"),
        pytest.param("", None, id="empty"),
        pytest.param("0", 0.0, id="now"),
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 7 ", 7.0, id="spaces around it"),
        pytest.param("3600", 300.0, id="too long a wish"),
        pytest.param("9" * 400, 300.0, id="more digits than a number has"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1.5", None, id="a fraction"),
        pytest.param("²", None, id="a digit that is none"),
        pytest.param("१", None, id="a digit of another script"),
        pytest.param("nan", None, id="not a number"),
        pytest.param("soon", None, id="a word"),
        pytest.param("Sun, 22 Nov 2026 12:00:30 GMT", 30.0, id="a date"),
        pytest.param("Sunday, 22-Nov-26 12:00:30 GMT", 30.0, id="a date as RFC 850 writes it"),
        pytest.param("Sun Nov 22 12:00:30 2026", 30.0, id="a date as asctime writes it"),
        pytest.param("Sun, 22 Nov 2026 11:00:00 GMT", 0.0, id="a date that is over"),
        pytest.param("Mon, 23 Nov 2026 12:00:00 GMT", 300.0, id="a date that is far"),
        pytest.param("Sun, 99 Nov 2026 12:00:00 GMT", None, id="a date that does not exist"),
    ],
)
def test_the_forms_of_retry_after(header: str | None, expected: float | None) -> None:
    assert after(header) == expected


@pytest.mark.parametrize("date", [None, "", "noon"])
def test_a_date_without_the_service_s_own_clock_says_nothing(date: str | None) -> None:
    assert after("Sun, 22 Nov 2026 12:00:30 GMT", date) is None


@given(header=st.text(max_size=60), date=st.text(max_size=60))
@hypothesis_settings(deadline=None)
def test_any_header_is_seconds_or_nothing(header: str, date: str) -> None:
    found = after(header, date)
    assert found is None or 0 <= found <= LONGEST_RETRY_AFTER_SECONDS


@given(seconds=st.integers(-100_000, 100_000))
def test_both_forms_say_the_same(seconds: int) -> None:
    date = format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)
    assert after(date) == after(str(max(seconds, 0)))


# --- bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "members"),
    [
        pytest.param(b'{"a": 1}', {"a": 1}, id="an object"),
        pytest.param('{"a": "आशा"}'.encode("utf-16"), {"a": "आशा"}, id="UTF-16"),
        pytest.param(b"[1]", {}, id="a list"),
        pytest.param(b"", {}, id="nothing"),
        pytest.param(b'{"a": 1', {}, id="half an object"),
        pytest.param(b"\xff\xfe\x00", {}, id="no text"),
        pytest.param(b"[" * 60_000, {}, id="brackets without end"),
        pytest.param(b'{"a": ' + b"9" * 6000 + b"}", {}, id="a number without end"),
    ],
)
def test_the_members_of_a_body(body: bytes, members: dict[str, Any]) -> None:
    assert Answer(200, {}, body).members() == members


def test_what_was_cut_is_no_json_even_if_it_looks_like_it() -> None:
    assert Answer(200, {}, b'{"a": 1}', is_whole=False).json() is None


@given(body=st.binary(max_size=200))
def test_any_body_is_read(body: bytes) -> None:
    answer = Answer(200, {}, body)
    assert isinstance(answer.text, str)
    assert isinstance(answer.members(), dict)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert Answer(200, {}, json.dumps(value).encode()).json() == value


# --- the breaker, and metrics --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [
        pytest.param({"status": 200}, True, id="200"),
        pytest.param({"status": 404}, True, id="a refusal"),
        pytest.param({"status": 500}, False, id="a server's error"),
        pytest.param({"body": LOST}, False, id="no answer"),
        pytest.param({"body": UNREACHED}, False, id="no connection"),
    ],
)
def test_a_breaker_stops_calls_to_a_service_that_does_not_work(
    internet: responses.RequestsMock, seconds: Seconds, answer: dict[str, Any], is_well: bool
) -> None:
    internet.get(URL, **answer)
    guarded = transport(seconds, breaker=CircuitBreaker(failures_to_open=2, clock=seconds.clock))
    calls = [guarded.call("GET", URL) for _ in range(3)]
    assert [call.tries for call in calls] == [1, 1, int(is_well)]
    assert (calls[-1].ending == NoAnswer(Failure.BREAKER_OPEN)) is not is_well
    assert not NoAnswer(Failure.BREAKER_OPEN).may_have_arrived


def test_the_client_says_which_answer_shows_that_a_service_does_not_work(
    internet: responses.RequestsMock, seconds: Seconds
) -> None:
    internet.get(URL, status=404)
    breaker = CircuitBreaker(failures_to_open=1, clock=seconds.clock)
    transport(seconds, breaker=breaker, is_well=lambda answer: answer.status != 404).call("GET", URL)
    assert breaker.state == "open"


def counted() -> dict[str, float]:
    families = text_string_to_metric_families(metrics.exposition(None).decode())
    return {
        sample.labels["outcome"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "outgoing_requests_total" and sample.labels["service"] == "counted"
    }


def test_metrics_count_each_try_by_its_ending(internet: responses.RequestsMock, seconds: Seconds) -> None:
    endings: list[dict[str, Any]] = [{"status": 503}, {"status": 429}, {"body": UNREACHED}, {"status": 201}]
    for ending in endings:
        internet.get(URL, **ending)
    limits = TimeLimits(connect=3.0, deadline=30.0)
    Transport("counted", limits, PATIENT, largest_body=LARGEST_BODY, clock=seconds.clock, sleep=seconds.sleep).call(
        "GET", URL
    )
    assert counted() == {"http_5xx": 1, "http_429": 1, "connect_timeout": 1, "http_2xx": 1}
