"""Sending through Twilio: what is known for certain after each answer, and where the credentials go."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
import responses
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from onboarding_bot.services.twilio_messages import SendResult, Sent, TwilioMessages
from tests.servers import free_port
from tests.talker import signature

ACCOUNT, TOKEN = "AC" + "0" * 32, "token-of-the-tests"
API = "https://api.twilio.example"
URL = f"{API}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
OWNER = "whatsapp:+919876543210"


def client_for(api: str = API) -> TwilioMessages:
    return TwilioMessages(api, ACCOUNT, TOKEN, "whatsapp:+14155238886", "https://bot.example.in")


@pytest.fixture
def twilio() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def form_of(twilio: responses.RequestsMock) -> dict[str, str]:
    body = twilio.calls[0].request.body
    assert body is not None
    return dict(parse_qsl(body if isinstance(body, str) else body.decode(), keep_blank_values=True))


def accept(twilio: responses.RequestsMock) -> None:
    twilio.post(URL, json={"sid": "SM1", "status": "queued"}, status=201)


# --- what is asked -------------------------------------------------------------------------------------------------


def test_free_text(twilio: responses.RequestsMock) -> None:
    accept(twilio)
    assert client_for().send_text(OWNER, "नमस्ते & welcome") == Sent(SendResult.ACCEPTED, message_sid="SM1")
    assert form_of(twilio) == {"From": "whatsapp:+14155238886", "To": OWNER, "Body": "नमस्ते & welcome"}


def test_a_template(twilio: responses.RequestsMock) -> None:
    accept(twilio)
    assert client_for().send_template(OWNER, "HX1", {"1": "आशा"}).message_sid == "SM1"
    form = form_of(twilio)
    assert (form["ContentSid"], json.loads(form["ContentVariables"])) == ("HX1", {"1": "आशा"})
    assert "Body" not in form


def test_a_template_without_variables(twilio: responses.RequestsMock) -> None:
    accept(twilio)
    client_for().send_template(OWNER, "HX1", {})
    assert "ContentVariables" not in form_of(twilio)


def test_a_person_without_a_number_is_written_to_as_well(twilio: responses.RequestsMock) -> None:
    accept(twilio)
    client_for().send_text("whatsapp:IN.1234567890", "Hi")
    assert form_of(twilio)["To"] == "whatsapp:IN.1234567890"


@pytest.mark.parametrize("to", ["+919876543210", "messenger:1234", "whatsapp:", ""])
def test_an_address_that_is_not_on_whatsapp_is_not_sent_to(twilio: responses.RequestsMock, to: str) -> None:
    """An earlier release kept people who had written an SMS."""
    assert client_for().send_text(to, "Hi") == Sent(SendResult.REFUSED, code=21910)
    assert client_for().send_template(to, "HX1", {}) == Sent(SendResult.REFUSED, code=21910)
    assert len(twilio.calls) == 0


def test_the_callback_says_what_it_is_about_and_can_be_signed(twilio: responses.RequestsMock) -> None:
    accept(twilio)
    client_for().send_text(OWNER, "Hi", {"broadcast": "b 1", "row": "r&1"})
    url = form_of(twilio)["StatusCallback"]
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://bot.example.in/status-callback"
    assert parse_qs(parts.query) == {"broadcast": ["b 1"], "row": ["r&1"]}
    assert parts.fragment == "rc=2&rp=ct,rt,5xx"
    assert signature(url, {"MessageSid": "SM1"})


def test_the_credentials_and_the_trace_go_along(twilio: responses.RequestsMock) -> None:
    accept(twilio)
    client_for().send_text(OWNER, "Hi")
    headers = twilio.calls[0].request.headers
    assert headers["Authorization"] == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert headers["traceparent"].startswith("00-")


# --- how it ended --------------------------------------------------------------------------------------------------


def refusal(status: int, code: Any, **headers: str) -> dict[str, Any]:
    return {"json": {"code": code, "message": "no", "status": status}, "status": status, "headers": headers}


def connection_error(reason: Exception) -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(HTTPSConnectionPool("api.twilio.example"), URL, reason))


UNCERTAIN, NOT_PROCESSED = Sent(SendResult.UNCERTAIN), Sent(SendResult.NOT_PROCESSED)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({"json": {"sid": "SM1"}, "status": 201}, Sent(SendResult.ACCEPTED, "SM1"), id="201"),
        pytest.param({"json": {"sid": "SM1"}, "status": 200}, Sent(SendResult.ACCEPTED, "SM1"), id="200"),
        pytest.param({"body": "fine", "status": 201}, UNCERTAIN, id="201 without JSON"),
        pytest.param({"json": {}, "status": 201}, UNCERTAIN, id="201 without a SID"),
        pytest.param({"json": {"sid": 5}, "status": 201}, UNCERTAIN, id="201 with a SID that is none"),
        pytest.param({"json": ["SM1"], "status": 201}, UNCERTAIN, id="201 with a list"),
        pytest.param(refusal(400, 21610), Sent(SendResult.REFUSED, code=21610), id="refused"),
        pytest.param(refusal(400, 63016), Sent(SendResult.REFUSED, code=63016), id="refused for another reason"),
        pytest.param({"body": "no", "status": 400}, Sent(SendResult.REFUSED), id="refused without JSON"),
        pytest.param(refusal(400, "21610"), Sent(SendResult.REFUSED), id="a code that is none"),
        pytest.param(refusal(400, True), Sent(SendResult.REFUSED), id="a code that is true"),
        pytest.param(refusal(400, None), Sent(SendResult.REFUSED), id="refused without a code"),
        pytest.param(refusal(404, 20404), Sent(SendResult.REFUSED, code=20404), id="404"),
        pytest.param(refusal(401, 20003), Sent(SendResult.REFUSED, code=20003), id="401"),
        pytest.param({"body": "", "status": 401}, Sent(SendResult.REFUSED, code=20003), id="401 without JSON"),
        pytest.param({"body": "", "status": 403}, Sent(SendResult.REFUSED, code=20003), id="403 without JSON"),
        pytest.param(
            refusal(429, 20429), Sent(SendResult.NOT_PROCESSED, code=20429, retry_after=1.0), id="429 without a wish"
        ),
        pytest.param(
            refusal(429, 20429, **{"Retry-After": "7"}),
            Sent(SendResult.NOT_PROCESSED, code=20429, retry_after=7.0),
            id="429 with Retry-After",
        ),
        pytest.param(
            refusal(429, 63010), Sent(SendResult.NOT_PROCESSED, code=20429, retry_after=1.0), id="429 with another code"
        ),
        *(
            pytest.param(
                refusal(status, 63018, **headers),
                Sent(SendResult.NOT_PROCESSED, code=63018, retry_after=wish),
                id=f"the sender's limit, {status} {wish}",
            )
            for status in (400, 429)
            for headers, wish in (({}, 1.0), ({"Retry-After": "7"}, 7.0))
        ),
        pytest.param(
            refusal(400, 20429), Sent(SendResult.NOT_PROCESSED, code=20429, retry_after=1.0), id="its code on a 400"
        ),
        *(
            pytest.param(
                refusal(429, 20429, **{"Retry-After": header}),
                Sent(SendResult.NOT_PROCESSED, code=20429, retry_after=expected),
                id=f"Retry-After {header[:20]}",
            )
            for header, expected in [
                ("soon", 1.0),
                ("-5", 1.0),
                ("0", 1.0),
                ("9" * 400, 300.0),
                ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
            ]
        ),
        *(pytest.param({"body": "", "status": status}, UNCERTAIN, id=str(status)) for status in (500, 502, 503, 504)),
        pytest.param(refusal(500, 20500), UNCERTAIN, id="500 with a code"),
        pytest.param(
            {"body": "", "status": 503, "headers": {"Retry-After": "20"}},
            Sent(SendResult.UNCERTAIN, retry_after=20.0),
            id="503 with Retry-After",
        ),
        pytest.param({"body": requests.ConnectTimeout()}, NOT_PROCESSED, id="no connection in time"),
        pytest.param({"body": requests.ReadTimeout()}, UNCERTAIN, id="no answer in time"),
        pytest.param(
            {"body": connection_error(NewConnectionError(HTTPSConnection("api.twilio.example"), "refused"))},
            NOT_PROCESSED,
            id="nobody listens",
        ),
        pytest.param({"body": connection_error(ProtocolError("reset"))}, UNCERTAIN, id="cut off in the middle"),
        pytest.param({"body": requests.ConnectionError()}, UNCERTAIN, id="cut off, nobody knows when"),
        pytest.param({"body": requests.exceptions.ChunkedEncodingError()}, UNCERTAIN, id="half an answer"),
        pytest.param({"body": requests.exceptions.SSLError("bad certificate")}, UNCERTAIN, id="TLS"),
    ],
)
def test_every_answer_is_a_result(twilio: responses.RequestsMock, answer: dict[str, Any], expected: Sent) -> None:
    twilio.post(URL, **answer)
    assert client_for().send_text(OWNER, "Hi") == expected
    assert len(twilio.calls) == 1, "it never tries anything twice by itself"


def test_a_port_that_nobody_listens_on_is_known_to_have_sent_nothing() -> None:
    assert client_for(f"http://127.0.0.1:{free_port()}").send_text(OWNER, "Hi") == NOT_PROCESSED


# --- where it goes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed_elsewhere(twilio: responses.RequestsMock, status: int) -> None:
    """The credentials would go along."""
    twilio.post(URL, status=status, headers={"Location": "https://evil.example/collect"})
    assert client_for().send_text(OWNER, "Hi").result is SendResult.REFUSED
    assert [call.request.url for call in twilio.calls] == [URL]


class HangingUp(http.server.BaseHTTPRequestHandler):
    """Takes a message, and hangs up without an answer."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True

    def log_message(self, *_args: object) -> None:
        """Nothing to say."""


def test_a_connection_that_ends_without_an_answer_is_uncertain() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), HangingUp)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert client_for(f"http://127.0.0.1:{server.server_port}").send_text(OWNER, "Hi") == UNCERTAIN
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
