"""The auth API's client: every answer and every failure becomes one result, within one deadline, and without a word."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import responses
import structlog

from onboarding_bot.conversation.session import Reservation
from onboarding_bot.conversation.turn import OtpResult, RequestOtp
from onboarding_bot.observability.tracing import Trace, follow
from onboarding_bot.services.auth_api import (
    FAILED_REQUESTS_IN_A_ROW,
    FAILED_REQUESTS_SECONDS,
    LARGEST_BODY,
    PAUSE_SECONDS,
    AuthApi,
)
from onboarding_bot.services.circuit_breaker import CircuitBreaker
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
from tests.services.manual_clock import ManualClock

URL = "https://auth.example.in"
SEND_OTP = f"{URL}/api/send-otp"
DEADLINE = 8.0
THEIR_WORDS = "their-own-words"
REQUEST = RequestOtp(
    intention_id="0b0e7a3c-intention",
    message_sid="SM1",
    reservation=Reservation("0b0e7a3c-intention.1", "+919876543210"),
    data={"name": "आशा देवी", "sector": "Food & Beverage", "pincode": "560001", "phone": "+919876543210"},
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def api(clock: ManualClock) -> AuthApi:
    breaker = CircuitBreaker(clock=clock.clock)
    return AuthApi(URL, "/api/send-otp", DEADLINE, breaker, clock=clock.clock, sleep=clock.sleep)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def ask(api: AuthApi, seconds_left: float = 12.0) -> OtpResult:
    return api.request_otp(REQUEST, seconds_left)


# --- what is sent --------------------------------------------------------------------------------------------------


def test_the_request_has_the_agreed_shape(api: AuthApi, mock: responses.RequestsMock) -> None:
    mock.post(SEND_OTP, json={"success": True})
    follow(Trace("0af7651916cd43dd8448eb211c80319c"))
    assert ask(api) is OtpResult.SENT
    (call,) = mock.calls
    assert json.loads(call.request.body or "") == {
        "phone_number": "+919876543210",
        "user_type": "MSME",
        "metadata": {
            "source": "whatsapp",
            "onboarding_data": {"name": "आशा देवी", "sector": "Food & Beverage", "pincode": "560001"},
        },
    }
    assert call.request.headers["Content-Type"] == "application/json"
    assert call.request.headers["Idempotency-Key"] == "0b0e7a3c-intention"
    assert re.fullmatch("00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01", call.request.headers["traceparent"])


def test_every_try_has_the_same_key_and_a_span_of_its_own(api: AuthApi, mock: responses.RequestsMock) -> None:
    follow(Trace("0af7651916cd43dd8448eb211c80319c"))
    for status in (503, 429):
        mock.post(SEND_OTP, status=status)
    mock.post(SEND_OTP, json={"success": True})
    assert ask(api) is OtpResult.SENT
    assert [call.request.headers["Idempotency-Key"] for call in mock.calls] == [REQUEST.intention_id] * 3
    assert len({call.request.headers["traceparent"] for call in mock.calls}) == 3
    assert len({call.request.body for call in mock.calls}) == 1


def test_a_path_of_its_own(mock: responses.RequestsMock) -> None:
    mock.post(f"{URL}/v2/otp", json={"success": True})
    assert ask(AuthApi(URL, "/v2/otp", DEADLINE)) is OtpResult.SENT


# --- what the answers mean -----------------------------------------------------------------------------------------

NOT_SENT, AMBIGUOUS, REFUSED = OtpResult.NOT_SENT, OtpResult.AMBIGUOUS, OtpResult.REFUSED


@pytest.mark.parametrize(
    ("answer", "result", "tries"),
    [
        pytest.param({"json": {"success": True}}, OtpResult.SENT, "one", id="200 success true"),
        pytest.param({"json": {"success": True, "id": 5}}, OtpResult.SENT, "one", id="200 success true and more"),
        pytest.param({"json": {"success": False}}, REFUSED, "one", id="200 success false"),
        pytest.param({"status": 400}, REFUSED, "one", id="400"),
        pytest.param({"status": 409}, OtpResult.REFUSED_KNOWN_NUMBER, "one", id="409"),
        pytest.param({"status": 422}, REFUSED, "one", id="422"),
        pytest.param({"status": 401}, NOT_SENT, "one", id="401"),
        pytest.param({"status": 403}, NOT_SENT, "one", id="403"),
        pytest.param({"status": 404}, NOT_SENT, "one", id="404"),
        pytest.param({"status": 405}, NOT_SENT, "one", id="405"),
        pytest.param({"status": 429}, NOT_SENT, "many", id="429"),
        pytest.param({"status": 503}, NOT_SENT, "many", id="503"),
        pytest.param({"status": 500}, AMBIGUOUS, "one", id="500"),
        pytest.param({"status": 502}, AMBIGUOUS, "one", id="502"),
        pytest.param({"status": 504}, AMBIGUOUS, "one", id="504"),
        pytest.param({"status": 418}, AMBIGUOUS, "one", id="a status that nobody agreed on"),
        pytest.param({"status": 201, "json": {"success": True}}, AMBIGUOUS, "one", id="201"),
        pytest.param({"status": 204}, AMBIGUOUS, "one", id="204"),
        pytest.param({"status": 302, "headers": {"Location": f"{URL}/x"}}, AMBIGUOUS, "one", id="a redirection"),
        pytest.param({"body": "<html>OK</html>"}, AMBIGUOUS, "one", id="not JSON"),
        pytest.param({"body": ""}, AMBIGUOUS, "one", id="an empty body"),
        pytest.param({"body": b"\xff\xfe\x00"}, AMBIGUOUS, "one", id="not even text"),
        pytest.param({"json": []}, AMBIGUOUS, "one", id="a list"),
        pytest.param({"json": "success"}, AMBIGUOUS, "one", id="a string"),
        pytest.param({"json": {}}, AMBIGUOUS, "one", id="no success"),
        pytest.param({"json": {"success": "true"}}, AMBIGUOUS, "one", id="success as a string"),
        pytest.param({"json": {"success": 1}}, AMBIGUOUS, "one", id="success as a number"),
        pytest.param({"json": {"success": None}}, AMBIGUOUS, "one", id="success null"),
        pytest.param({"body": '{"success": true'}, AMBIGUOUS, "one", id="half a body"),
        pytest.param({"body": " " * (LARGEST_BODY + 1) + '{"success": true}'}, AMBIGUOUS, "one", id="a huge body"),
        pytest.param({"body": "[" * 60_000}, AMBIGUOUS, "one", id="brackets without end"),
        pytest.param({"body": '{"success": ' + "9" * 6000 + "}"}, AMBIGUOUS, "one", id="a number without end"),
        pytest.param({"body": requests.ConnectTimeout()}, NOT_SENT, "many", id="connecting takes too long"),
        pytest.param({"body": requests.ReadTimeout()}, AMBIGUOUS, "one", id="answering takes too long"),
        pytest.param({"body": requests.ConnectionError("reset")}, AMBIGUOUS, "one", id="connection lost"),
        pytest.param({"body": requests.exceptions.ChunkedEncodingError()}, AMBIGUOUS, "one", id="broken chunks"),
        pytest.param({"body": requests.exceptions.ContentDecodingError()}, AMBIGUOUS, "one", id="broken compression"),
    ],
)
def test_every_answer_is_one_result(
    api: AuthApi, mock: responses.RequestsMock, answer: dict[str, Any], result: OtpResult, tries: str
) -> None:
    mock.post(SEND_OTP, **answer)
    assert ask(api) is result
    assert (len(mock.calls) > 1) == (tries == "many")


def test_a_redirection_is_not_followed_with_the_answers(api: AuthApi, mock: responses.RequestsMock) -> None:
    mock.post(SEND_OTP, status=307, headers={"Location": "https://elsewhere.example/"})
    mock.post("https://elsewhere.example/", json={"success": True})
    assert ask(api) is AMBIGUOUS
    assert len(mock.calls) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_short_outage_is_waited_out(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock, status: int
) -> None:
    mock.post(SEND_OTP, status=status, headers={"Retry-After": "2"})
    mock.post(SEND_OTP, json={"success": True})
    assert ask(api) is OtpResult.SENT
    assert clock.pauses == [2.0]


def test_an_ambiguous_answer_after_a_retry_ends_the_tries(api: AuthApi, mock: responses.RequestsMock) -> None:
    mock.post(SEND_OTP, status=503)
    mock.post(SEND_OTP, status=500)
    mock.post(SEND_OTP, json={"success": True})
    assert ask(api) is AMBIGUOUS
    assert len(mock.calls) == 2


# --- the deadline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", ["8", "9", "3600", "9" * 400])
def test_a_retry_after_beyond_the_deadline_ends_the_turn_at_once(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock, status: int, retry_after: str
) -> None:
    mock.post(SEND_OTP, status=status, headers={"Retry-After": retry_after})
    assert ask(api) is NOT_SENT
    assert len(mock.calls) == 1
    assert clock.pauses == []


@pytest.mark.parametrize(
    "retry_after",
    ["0", "-1", "0.1", "", "soon", "²", "१", "Sun, 22 Nov 2026 07:28:00 GMT", "nan", "inf"],
)
def test_a_retry_after_that_says_nothing_counts_as_a_short_pause(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock, retry_after: str
) -> None:
    mock.post(SEND_OTP, status=503, headers={"Retry-After": retry_after})
    mock.post(SEND_OTP, json={"success": True})
    assert ask(api) is OtpResult.SENT
    assert clock.pauses == [PAUSE_SECONDS]


@pytest.mark.parametrize(
    ("seconds_left", "allowed"),
    [
        pytest.param(12.0, DEADLINE, id="its own deadline"),
        pytest.param(3.0, 3.0, id="the webhook has less"),
        pytest.param(0.0, 0.0, id="the webhook has nothing left"),
    ],
)
def test_all_tries_together_keep_one_deadline(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock, seconds_left: float, allowed: float
) -> None:
    started = clock.now
    begun: list[float] = []

    def unavailable(_request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        begun.append(clock.now - started)
        clock.now += 0.7
        return 503, {}, ""

    mock.add_callback(responses.POST, SEND_OTP, callback=unavailable)
    assert ask(api, seconds_left) is NOT_SENT
    assert begun[0] == 0
    assert len(begun) > 1 or allowed < 0.7
    assert all(moment < allowed for moment in begun[1:])
    assert clock.now - started <= allowed + 0.7 + 1e-6
    for moment, call in zip(begun, mock.calls, strict=True):
        connect, read = vars(call.request)["req_kwargs"]["timeout"]
        assert 0 < connect <= read
        assert read <= max(allowed - moment, 0.05) + 1e-6


# --- what is logged ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        pytest.param({"status": 401, "body": THEIR_WORDS}, "error", id="401"),
        pytest.param({"status": 403, "body": THEIR_WORDS}, "error", id="403"),
        pytest.param({"status": 404, "body": THEIR_WORDS}, "error", id="404"),
        pytest.param({"status": 405, "body": THEIR_WORDS}, "error", id="405"),
        pytest.param({"status": 422, "json": {"error": THEIR_WORDS}}, "info", id="422"),
        pytest.param({"status": 500, "body": THEIR_WORDS}, "info", id="500"),
        pytest.param({"status": 503, "headers": {"Retry-After": "99", "X": THEIR_WORDS}}, "info", id="503"),
        pytest.param({"json": {"success": False, "message": THEIR_WORDS}}, "info", id="success false"),
        pytest.param({"body": f"<p>{THEIR_WORDS}</p>"}, "info", id="not JSON"),
        pytest.param({"body": requests.ConnectionError(THEIR_WORDS)}, "info", id="connection lost"),
    ],
)
def test_the_log_has_the_outcome_and_neither_their_words_nor_the_person(
    api: AuthApi,
    mock: responses.RequestsMock,
    answer: dict[str, Any],
    level: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mock.post(SEND_OTP, **answer)
    with structlog.testing.capture_logs() as lines:
        ask(api)
    (line,) = lines
    assert (line["event"], line["log_level"], line["tries"]) == ("auth_api", level, 1)
    written = repr(lines) + caplog.text + "".join(capfd.readouterr())
    for secret in (THEIR_WORDS, "9876543210", "आशा", "560001"):
        assert secret not in written


# --- the breaker ---------------------------------------------------------------------------------------------------


def test_after_five_failed_requests_it_is_left_alone(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock
) -> None:
    mock.post(SEND_OTP, status=500)
    assert [ask(api) for _ in range(6)] == [AMBIGUOUS] * 5 + [NOT_SENT]
    assert len(mock.calls) == 5
    assert api.breaker.state == "open"


def test_tries_within_one_request_count_once(api: AuthApi, mock: responses.RequestsMock) -> None:
    mock.post(SEND_OTP, status=503)
    ask(api)
    assert len(mock.calls) > 5
    assert api.breaker.state == "closed"


def test_one_trial_finds_out_that_it_is_well_again(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock
) -> None:
    outage = mock.post(SEND_OTP, status=500)
    for _ in range(5):
        ask(api)
    clock.now += 10
    mock.remove(outage)
    meanwhile: list[OtpResult] = []

    def answer(_request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        meanwhile.append(ask(api))
        return 200, {}, '{"success": true}'

    mock.add_callback(responses.POST, SEND_OTP, callback=answer)
    assert ask(api) is OtpResult.SENT
    assert meanwhile == [NOT_SENT]
    assert api.breaker.state == "closed"


@pytest.mark.parametrize("answer", [{"status": 422}, {"status": 404}, {"json": {"success": False}}])
def test_an_answer_that_refuses_shows_that_it_is_well(
    api: AuthApi, mock: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    mock.post(SEND_OTP, **answer)
    for _ in range(8):
        ask(api)
    assert len(mock.calls) == 8
    assert api.breaker.state == "closed"


# --- health --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        pytest.param({"json": {"status": "ok"}}, True, id="200"),
        pytest.param({"status": 204}, False, id="204"),
        pytest.param({"status": 301, "headers": {"Location": f"{URL}/x"}}, False, id="a redirection"),
        pytest.param({"status": 503}, False, id="503"),
        pytest.param({"body": requests.ConnectionError()}, False, id="connection lost"),
        pytest.param({"body": requests.ReadTimeout()}, False, id="too slow"),
    ],
)
def test_health(api: AuthApi, mock: responses.RequestsMock, answer: dict[str, Any], healthy: bool) -> None:
    mock.get(f"{URL}/health", **answer)
    assert api.is_healthy(1.0) is healthy


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        pytest.param({"status": 404}, False, id="AUTH_API_OTP_PATH leads nowhere"),
        pytest.param({"status": 401}, False, id="it does not let us in"),
        pytest.param({"status": 500}, False, id="it breaks"),
        pytest.param({"body": requests.ConnectionError()}, False, id="connections are lost"),
        pytest.param({"status": 422}, True, id="it refuses numbers"),
        pytest.param({"json": {"success": True}}, True, id="it sends"),
    ],
)
def test_its_health_is_not_believed_while_no_otp_is_sent(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock, answer: dict[str, Any], healthy: bool
) -> None:
    mock.get(f"{URL}/health", json={"status": "ok"})
    outage = mock.post(SEND_OTP, **answer)
    for _ in range(FAILED_REQUESTS_IN_A_ROW - 1):
        ask(api)
    assert api.is_healthy(1.0)
    ask(api)
    assert api.is_healthy(1.0) is healthy
    mock.remove(outage)
    mock.post(SEND_OTP, json={"success": True})
    clock.now += 10
    ask(api)
    assert api.is_healthy(1.0)


def test_nobody_asking_for_an_otp_is_no_sign_of_an_illness(
    api: AuthApi, mock: responses.RequestsMock, clock: ManualClock
) -> None:
    mock.get(f"{URL}/health", json={"status": "ok"})
    mock.post(SEND_OTP, status=404)
    for _ in range(FAILED_REQUESTS_IN_A_ROW):
        ask(api)
    assert not api.is_healthy(1.0)
    clock.now += FAILED_REQUESTS_SECONDS
    assert api.is_healthy(1.0)


# --- a real connection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "serve", [hang, reset, close, half_a_body, hang_in_the_body, broken_chunks, not_compressed, not_http]
)
def test_a_request_that_was_received_and_not_answered_is_ambiguous_and_not_repeated(serve: Serve) -> None:
    with listening(serve) as (url, received):
        api = AuthApi(url, "/api/send-otp", deadline_seconds=0.4)
        assert ask(api) is AMBIGUOUS
        assert len(received) == 1


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = b'{"success": true, "message": "this takes a while to arrive"}'


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(ANSWER % len(BODY) + BODY, id="from the first byte"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20 + b"0\r\n\r\n", id="in chunks"
        ),
    ],
)
def test_an_answer_that_drips_in_does_not_outlast_the_deadline(parts: bytes) -> None:
    with listening(drip(parts)) as (url, _):
        api = AuthApi(url, "/api/send-otp", deadline_seconds=0.5)
        started = time.monotonic()
        assert ask(api) is AMBIGUOUS
        assert time.monotonic() - started < DRIP_SECONDS * len(parts), "nobody waited for the whole of it"


def test_a_body_that_drips_in_does_not_outlast_the_deadline() -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(ANSWER % len(BODY))
        drip(BODY)(connection, over)

    with listening(serve) as (url, _):
        api = AuthApi(url, "/api/send-otp", deadline_seconds=0.5)
        started = time.monotonic()
        assert ask(api) is AMBIGUOUS
        assert time.monotonic() - started < DRIP_SECONDS * len(BODY), "nobody waited for the whole of it"


def test_where_nobody_listens_it_is_tried_again_until_the_deadline(clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    api = AuthApi(url, "/api/send-otp", DEADLINE, clock=clock.clock, sleep=clock.sleep)
    started = clock.now
    assert ask(api) is NOT_SENT
    assert len(clock.pauses) > 5
    assert clock.now - started <= DEADLINE


def test_a_name_that_nobody_knows_is_not_sent(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    api = AuthApi("http://auth.invalid", "/api/send-otp", DEADLINE, clock=clock.clock, sleep=clock.sleep)
    assert ask(api, seconds_left=1.0) is NOT_SENT


def test_many_calls_are_under_way_at_once_over_connections_that_are_kept() -> None:
    """A call that waited for another one would never let the barrier open."""
    at_once = 8
    barrier = threading.Barrier(at_once)
    ports: set[int] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            ports.add(self.client_address[1])
            barrier.wait(timeout=120)
            body = b'{"success": true}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    api = AuthApi(f"http://127.0.0.1:{server.server_port}", "/api/send-otp", DEADLINE)
    results: list[OtpResult] = []
    try:
        for _ in range(2):
            threads = [threading.Thread(target=lambda: results.append(ask(api))) for _ in range(at_once)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=120)
    finally:
        server.shutdown()
        server.server_close()
    assert results == [OtpResult.SENT] * 2 * at_once
    assert len(ports) == at_once
