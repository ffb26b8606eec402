"""The Content API's client: pages, retries within a deadline, plain errors, and where credentials go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import requests
import responses

from onboarding_bot.services.twilio_content_api import Approval, ContentApi, ContentApiError, content_api_url
from tests.fakes import MovableClock
from tests.settings import ENVIRONMENT, settings

BASE = "https://content.twilio.com"
LIST = f"{BASE}/v1/ContentAndApprovals"
TOKEN = ENVIRONMENT["TWILIO_AUTH_TOKEN"]


@pytest.fixture
def internet() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def client(clock: MovableClock | None = None, deadline: float = 30, **changes: str) -> ContentApi:
    time = (clock or MovableClock()).clock()
    return ContentApi(settings(**changes), deadline, clock=time.monotonic, sleep=time.sleep)


def record(sid: str = "HX1", **changes: object) -> dict[str, object]:
    return {
        "sid": sid,
        "friendly_name": "msmebazaar_nudge_0123abcd",
        "language": "en",
        "variables": {"1": "pincode"},
        "date_created": "2026-11-22T06:30:00Z",
        "types": {"twilio/text": {"body": "Hello"}},
        "approval_requests": {"name": "nudge", "category": "UTILITY", "status": "approved", "rejection_reason": ""},
        **changes,
    }


def page(*records: dict[str, object], following: str | None = None) -> dict[str, object]:
    return {"contents": list(records), "meta": {"next_page_url": following}}


@pytest.mark.parametrize(
    ("configured", "derived"),
    [
        ("https://api.twilio.com", "https://content.twilio.com"),
        ("http://127.0.0.1:5050", "http://127.0.0.1:5050"),
        ("https://twilio.example.in", "https://twilio.example.in"),
    ],
)
def test_the_address_follows_from_the_api_s(configured: str, derived: str) -> None:
    assert content_api_url(configured) == derived


def test_a_template_with_its_approval(internet: responses.RequestsMock) -> None:
    internet.get(LIST, json=page(record()))
    (content,) = client().list_contents()
    assert (content.sid, content.friendly_name, content.language) == ("HX1", "msmebazaar_nudge_0123abcd", "en")
    assert content.variables == {"1"}
    assert content.created_at == datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
    assert content.approval == Approval("approved", "UTILITY", "")
    assert content.body == "Hello"


@pytest.mark.parametrize(
    ("types", "body"),
    [
        ({"twilio/quick-reply": {"body": "Hello", "actions": []}}, "Hello"),
        ({"twilio/card": {"title": "Hello"}, "twilio/text": {"body": "The same"}}, "The same"),
        ({"twilio/media": {"media": []}}, ""),
        ({"twilio/text": {"body": None}}, ""),
        ({"twilio/text": "Hello"}, ""),
        (["Hello"], ""),
        (None, ""),
    ],
)
def test_the_text_of_a_template(internet: responses.RequestsMock, types: object, body: str) -> None:
    internet.get(LIST, json=page(record(types=types)))
    (content,) = client().list_contents()
    assert content.body == body


@pytest.mark.parametrize(
    ("approval", "expected"),
    [
        pytest.param(None, Approval(), id="none"),
        pytest.param({}, Approval(), id="empty"),
        pytest.param({"status": "unsubmitted"}, Approval(), id="not submitted"),
        pytest.param(
            {"whatsapp": {"status": "Rejected", "category": "utility", "rejection_reason": "too\nvague"}},
            Approval("rejected", "UTILITY", "too vague"),
            id="below the channel",
        ),
        pytest.param({"whatsapp": None}, Approval(), id="no channel"),
        pytest.param({"status": "in_appeal", "category": None}, Approval("in_appeal"), id="a state that is new"),
    ],
)
def test_the_forms_of_an_approval(internet: responses.RequestsMock, approval: object, expected: Approval) -> None:
    internet.get(LIST, json=page(record(approval_requests=approval)))
    assert client().list_contents()[0].approval == expected


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sun, 22 Nov 2026 06:30:00 +0000", datetime(2026, 11, 22, 6, 30, tzinfo=UTC)),
        ("2026-11-22T06:30:00", datetime(2026, 11, 22, 6, 30, tzinfo=UTC)),
        ("yesterday", datetime.min.replace(tzinfo=UTC)),
        (None, datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_the_forms_of_a_date(internet: responses.RequestsMock, date: object, expected: datetime) -> None:
    internet.get(LIST, json=page(record(date_created=date, variables=None)))
    assert client().list_contents()[0].created_at == expected


def test_every_page_is_read_with_the_credentials_at_the_configured_host_alone(internet: responses.RequestsMock) -> None:
    internet.get(LIST, json=page(record("HX1"), following="https://elsewhere.example/v1/ContentAndApprovals?Page=1"))
    internet.get(LIST, json=page(record("HX2")))
    assert [content.sid for content in client().list_contents()] == ["HX1", "HX2"]
    assert {urlsplit(call.request.url or "").hostname for call in internet.calls} == {"content.twilio.com"}
    assert internet.calls[1].request.url == f"{LIST}?Page=1"
    assert all(call.request.headers["Authorization"].startswith("Basic ") for call in internet.calls)


def test_a_list_without_end_is_given_up(internet: responses.RequestsMock) -> None:
    internet.get(LIST, json=page(following=LIST))
    with pytest.raises(ContentApiError, match="does not end"):
        client().list_contents()


def test_create_and_submit(internet: responses.RequestsMock) -> None:
    internet.post(f"{BASE}/v1/Content", status=201, json=record("HX9", approval_requests=None))
    internet.post(
        f"{BASE}/v1/Content/HX9/ApprovalRequests/whatsapp",
        status=201,
        json={"name": "nudge_1", "category": "UTILITY", "status": "received", "rejection_reason": ""},
    )
    assert client().create({"friendly_name": "nudge_1"}).sid == "HX9"
    assert client().submit("HX9", "nudge_1", "UTILITY") == Approval("received", "UTILITY")
    assert [json.loads(call.request.body or "") for call in internet.calls] == [
        {"friendly_name": "nudge_1"},
        {"name": "nudge_1", "category": "UTILITY", "allow_category_change": True},
    ]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_fails_in_passing_is_tried_again(internet: responses.RequestsMock, status: int) -> None:
    internet.get(LIST, status=status)
    internet.get(LIST, body=requests.ConnectionError("refused"))
    internet.get(LIST, json=page(record()))
    clock = MovableClock()
    before = clock.moment
    assert len(client(clock).list_contents()) == 1
    assert (clock.moment - before).total_seconds() == 1.5


def test_retry_after_is_kept(internet: responses.RequestsMock) -> None:
    internet.get(LIST, status=429, headers={"Retry-After": "7"})
    internet.get(LIST, json=page())
    clock = MovableClock()
    before = clock.moment
    assert client(clock).list_contents() == []
    assert (clock.moment - before).total_seconds() == 7


def test_a_wait_beyond_the_deadline_ends_it_at_once(internet: responses.RequestsMock) -> None:
    internet.get(LIST, status=429, json={"code": 20429, "message": "Too Many Requests"}, headers={"Retry-After": "60"})
    with pytest.raises(ContentApiError) as caught:
        client().list_contents()
    assert str(caught.value) == "content.twilio.com answered 429, error 20429: Too Many Requests"


def test_it_is_tried_a_few_times_only(internet: responses.RequestsMock) -> None:
    failing = internet.get(LIST, status=503)
    with pytest.raises(ContentApiError, match="answered 503"):
        client().list_contents()
    assert failing.call_count == 4


@pytest.mark.parametrize(
    ("status", "body", "line"),
    [
        pytest.param(401, {"code": 20003, "message": "Authenticate"}, "TWILIO_AUTH_TOKEN, error 20003: Auth", id="401"),
        pytest.param(403, {}, "refuses the credentials", id="403"),
        pytest.param(302, {}, "redirects, and credentials are not sent on", id="redirect"),
        pytest.param(400, {"code": 20001, "message": "bad\nname " + "x" * 300}, "error 20001: bad name x", id="400"),
        pytest.param(404, ["none"], "answered 404", id="404"),
        pytest.param(200, ["none"], "answered no JSON object", id="no object"),
        pytest.param(200, {"contents": "none"}, "another form than Twilio's", id="no list"),
        pytest.param(200, {"contents": [{}]}, "without a ContentSid", id="no sid"),
    ],
)
def test_other_errors_are_one_plain_line(
    internet: responses.RequestsMock, status: int, body: object, line: str
) -> None:
    internet.get(LIST, status=status, json=body, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(ContentApiError) as caught:
        client().list_contents()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 350
    assert TOKEN not in str(caught.value)


def test_an_answer_that_is_not_json(internet: responses.RequestsMock) -> None:
    internet.get(LIST, body="<html>")
    with pytest.raises(ContentApiError, match="no JSON object"):
        client().list_contents()


def test_while_tokens_are_rotated_the_first_one_is_used(internet: responses.RequestsMock) -> None:
    internet.get(
        LIST, json=page(), match=[responses.matchers.header_matcher({"Authorization": basic("the-new-token-of-two")})]
    )
    assert client(TWILIO_AUTH_TOKEN="the-new-token-of-two, the-old-token-of-two").list_contents() == []


def basic(token: str) -> str:
    return requests.auth._basic_auth_str(ENVIRONMENT["TWILIO_ACCOUNT_SID"], token)
