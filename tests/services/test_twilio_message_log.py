"""Twilio's list of messages: every page, nothing too old, and credentials only where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses

from onboarding_bot.services.twilio_message_log import MOST_TRIES, Direction, LoggedMessage, MessageLog, MessageLogError

ACCOUNT, TOKEN = "AC" + "0" * 32, "token-of-the-tests"
API = "https://api.twilio.example"
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
BOT, OWNER = "whatsapp:+14155238886", "whatsapp:+919876543210"
TEN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture
def twilio() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def log(pauses: list[float]) -> MessageLog:
    return MessageLog(API, ACCOUNT, TOKEN, sleep=pauses.append)


def record(sid: str = "SM1", at: str = "Sun, 22 Nov 2026 10:00:00 +0000", **fields: Any) -> dict[str, Any]:
    return {
        "sid": sid,
        "from": OWNER,
        "to": BOT,
        "direction": "inbound",
        "body": "Asha Devi",
        "date_created": at,
        "date_sent": at,
        "num_media": "0",
    } | fields


def page(twilio: responses.RequestsMock, *records: dict[str, Any], following: str | None = None) -> None:
    twilio.get(API + PATH, json={"messages": list(records), "next_page_uri": following})


def query(twilio: responses.RequestsMock, call: int = 0) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(str(twilio.calls[call].request.url)).query))


def test_a_message_as_twilio_remembers_it(twilio: responses.RequestsMock, log: MessageLog) -> None:
    page(twilio, record(num_media="2"))
    assert list(log.messages()) == [LoggedMessage("SM1", OWNER, BOT, Direction.INBOUND, "Asha Devi", TEN, 2)]


def test_what_is_asked_for(twilio: responses.RequestsMock, log: MessageLog) -> None:
    page(twilio)
    assert list(log.messages(sender=OWNER, recipient=BOT, since=TEN)) == []
    assert query(twilio) == {"From": OWNER, "To": BOT, "DateSent>": "2026-11-22T10:00:00Z", "PageSize": "1000"}


def test_every_page_is_read(twilio: responses.RequestsMock, log: MessageLog) -> None:
    page(twilio, record("SM3"), record("SM2"), following=f"{PATH}?PageSize=1000&Page=1&PageToken=PASM2")
    page(twilio, record("SM1"))
    assert [message.sid for message in log.messages()] == ["SM3", "SM2", "SM1"]
    assert query(twilio, 1) == {"PageSize": "1000", "Page": "1", "PageToken": "PASM2"}


def test_a_list_by_days_is_cut_to_the_moment(twilio: responses.RequestsMock, log: MessageLog) -> None:
    page(twilio, record("SM2"), record("SM1", "Sun, 22 Nov 2026 09:59:59 +0000"))
    assert [message.sid for message in log.messages(since=TEN.replace(microsecond=500))] == ["SM2"]


@pytest.mark.parametrize(
    ("named", "direction"),
    [
        ("inbound", Direction.INBOUND),
        ("outbound-reply", Direction.REPLY),
        ("outbound-api", Direction.SENT),
        ("outbound-call", Direction.SENT),
        ("something new", Direction.SENT),
    ],
)
def test_whose_message_it_is(twilio: responses.RequestsMock, log: MessageLog, named: str, direction: Direction) -> None:
    page(twilio, record(direction=named))
    assert [message.direction for message in log.messages()] == [direction]


def test_a_message_without_a_time_is_not_on_its_way_yet(twilio: responses.RequestsMock, log: MessageLog) -> None:
    page(twilio, record(date_sent=None, date_created=None), record("SM2", date_sent=None))
    assert [message.sid for message in log.messages()] == ["SM2"]


# --- what goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_fails_in_passing_is_tried_again(
    twilio: responses.RequestsMock, log: MessageLog, pauses: list[float], status: int
) -> None:
    twilio.get(API + PATH, status=status, headers={"Retry-After": "7"})
    page(twilio, record())
    assert len(list(log.messages())) == 1
    assert pauses == [7.0]


def test_a_connection_that_breaks_is_tried_again(
    twilio: responses.RequestsMock, log: MessageLog, pauses: list[float]
) -> None:
    twilio.get(API + PATH, body=requests.ReadTimeout())
    page(twilio, record())
    assert len(list(log.messages())) == 1
    assert pauses == [0.5]


def test_an_outage_ends_in_a_line_without_numbers(
    twilio: responses.RequestsMock, log: MessageLog, pauses: list[float]
) -> None:
    twilio.get(API + PATH, body=requests.ConnectionError(f"…{OWNER}…"))
    with pytest.raises(MessageLogError, match=r"^Twilio cannot be reached \(ConnectionError\)$"):
        list(log.messages(sender=OWNER))
    assert len(twilio.calls) == MOST_TRIES
    assert pauses == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "TWILIO_AUTH_TOKEN"), (403, "TWILIO_AUTH_TOKEN"), (404, "answered 404"), (302, "answered 302")],
)
def test_a_refusal_is_final(twilio: responses.RequestsMock, log: MessageLog, status: int, says: str) -> None:
    twilio.get(API + PATH, status=status, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(MessageLogError, match=says):
        list(log.messages())
    assert len(twilio.calls) == 1


@pytest.mark.parametrize("following", ["https://elsewhere.example/Messages.json", "@elsewhere.example/", 5])
def test_credentials_go_to_no_other_host(twilio: responses.RequestsMock, log: MessageLog, following: Any) -> None:
    page(twilio, record(), following=following)
    with pytest.raises(MessageLogError, match="not its own"):
        list(log.messages())
    assert len(twilio.calls) == 1


@pytest.mark.parametrize(
    "answer", [{"messages": 5}, {"messages": [5]}, {"messages": [{"date_sent": "yesterday"}]}, [], {}]
)
def test_another_form_is_said_plainly(twilio: responses.RequestsMock, log: MessageLog, answer: Any) -> None:
    twilio.get(API + PATH, json=answer)
    with pytest.raises(MessageLogError, match="another form"):
        list(log.messages())


def test_an_answer_that_is_no_json(twilio: responses.RequestsMock, log: MessageLog) -> None:
    twilio.get(API + PATH, body="<html>")
    with pytest.raises(MessageLogError, match="no JSON"):
        list(log.messages())


# --- deleting ------------------------------------------------------------------------------------------------------

MESSAGE = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/SM1"


def logged(media: int = 0) -> LoggedMessage:
    return LoggedMessage("SM1", OWNER, BOT, Direction.INBOUND, "", TEN, media)


def test_a_message_is_deleted(twilio: responses.RequestsMock, log: MessageLog) -> None:
    twilio.delete(f"{API}{MESSAGE}.json", status=204)
    assert log.delete(logged())


def test_its_media_go_first(twilio: responses.RequestsMock, log: MessageLog) -> None:
    twilio.get(f"{API}{MESSAGE}/Media.json", json={"media_list": [{"sid": "ME1"}, {"sid": "ME2"}]})
    for medium in ("ME1", "ME2"):
        twilio.delete(f"{API}{MESSAGE}/Media/{medium}.json", status=204)
    twilio.delete(f"{API}{MESSAGE}.json", status=204)
    assert log.delete(logged(media=2))
    assert [call.request.method for call in twilio.calls] == ["GET", "DELETE", "DELETE", "DELETE"]


def test_what_is_gone_already_is_deleted(twilio: responses.RequestsMock, log: MessageLog) -> None:
    twilio.get(f"{API}{MESSAGE}/Media.json", status=404, json={"code": 20404})
    twilio.delete(f"{API}{MESSAGE}.json", status=404, json={"code": 20404})
    assert log.delete(logged(media=1))


@pytest.mark.parametrize("what", ["the message", "its medium"])
def test_what_is_still_on_its_way_is_not(twilio: responses.RequestsMock, log: MessageLog, what: str) -> None:
    if what == "the message":
        twilio.delete(f"{API}{MESSAGE}.json", status=409, json={"code": 20009})
        assert not log.delete(logged())
        return
    twilio.get(f"{API}{MESSAGE}/Media.json", json={"media_list": [{"sid": "ME1"}]})
    twilio.delete(f"{API}{MESSAGE}/Media/ME1.json", status=409, json={"code": 20009})
    assert not log.delete(logged(media=1))


def test_a_deletion_that_fails_in_passing_is_tried_again(
    twilio: responses.RequestsMock, log: MessageLog, pauses: list[float]
) -> None:
    twilio.delete(f"{API}{MESSAGE}.json", status=429, headers={"Retry-After": "3"})
    twilio.delete(f"{API}{MESSAGE}.json", status=204)
    assert log.delete(logged())
    assert pauses == [3.0]


def test_a_deletion_that_is_refused_is_said(twilio: responses.RequestsMock, log: MessageLog) -> None:
    twilio.delete(f"{API}{MESSAGE}.json", status=401)
    with pytest.raises(MessageLogError, match="TWILIO_AUTH_TOKEN"):
        log.delete(logged())
