"""The sender's rate, what was sent when, and the fast lane for bulk."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.pywsgi import WSGIServer

from simulator.arrival import ArrivalHandler, waited_seconds
from simulator.sent_log import SentLog
from tests.simulator.simulated_world import ACCOUNT, ASHA, World, body_of


def numbered(number: int) -> str:
    return f"whatsapp:+9190000{number:05}"


def send_many(world: World, count: int, first: int = 0) -> list[int]:
    return [world.send(To=numbered(first + number), Body="News").status_code for number in range(count)]


def test_more_than_the_rate_in_a_sliding_second_is_refused(world: World) -> None:
    world.break_down(messages_per_second=3)
    assert send_many(world, 2) == [201, 201]
    world.clock.advance(milliseconds=600)
    assert send_many(world, 2, 2) == [201, 429]
    world.clock.advance(milliseconds=399)
    assert send_many(world, 1, 3) == [429]
    world.clock.advance(milliseconds=1)
    assert send_many(world, 3, 3) == [201, 201, 429]
    assert world.sent["total"] == 5


def test_the_refusal_is_twilios(world: World) -> None:
    world.break_down(messages_per_second=1)
    send_many(world, 1)
    answer = world.send(Body="News")
    assert answer.status_code == 429
    assert body_of(answer) == {
        "code": 20429,
        "message": "Too Many Requests",
        "more_info": "https://www.twilio.com/docs/errors/20429",
        "status": 429,
    }
    assert "Retry-After" not in answer.headers
    world.break_down(retry_after_seconds=2)
    assert world.send(Body="News").headers["Retry-After"] == "2"


def test_what_was_sent_is_counted_by_the_second_and_forgotten_on_request(world: World) -> None:
    for pause_ms, count in ((0, 2), (900, 3), (300, 1), (2000, 1)):
        world.clock.advance(milliseconds=pause_ms)
        send_many(world, count)
    assert world.sent == {
        "total": 7,
        "recipients": 3,
        "by_recipient_more_than_once": 2,
        "per_second": [5, 1, 0, 1],
        "max_in_any_second": 5,
        "first_at": "2026-11-22T10:00:00.000Z",
        "last_at": "2026-11-22T10:00:03.200Z",
        "elapsed_ms": 3200,
        "callbacks": {"posted": 0, "failed": 0, "messages_under_way": 0},
    }
    assert world.client.delete("/sim/sent").status_code == 204
    assert (world.sent["total"], world.sent["per_second"], world.sent["first_at"]) == (0, [], None)


def test_a_second_is_measured_wherever_it_begins(world: World) -> None:
    world.clock.advance(milliseconds=0)
    send_many(world, 1)
    world.clock.advance(milliseconds=700)
    send_many(world, 2)
    world.clock.advance(milliseconds=600)
    send_many(world, 2)
    assert (world.sent["per_second"], world.sent["max_in_any_second"]) == ([3, 2], 4)


def test_what_was_refused_is_not_counted(world: World) -> None:
    assert world.send(Body="").status_code == 400
    assert world.send(token="wrong", Body="News").status_code == 401
    assert world.sent["total"] == 0


@pytest.mark.parametrize("body", ["News", ""])
def test_every_answer_takes_its_time(world: World, body: str) -> None:
    world.break_down(send_delay_ms=50)
    world.send(Body=body)
    assert world.pauses[-1] == 0.05


def test_bulk_that_is_not_recorded_leaves_figures_and_callbacks_only(world: World) -> None:
    world.bot.http.post("https://bot.example.org/cb", status=204)
    world.break_down(record_events="off")
    answer = world.send(Body="News", StatusCallback="https://bot.example.org/cb?row=1")
    assert answer.status_code == 201
    sid = body_of(answer)["sid"]
    assert [form["MessageStatus"] for form in world.bot.forms] == ["queued", "sent", "delivered", "read"]
    assert {form["MessageSid"] for form in world.bot.forms} == {sid}
    assert world.happened("reply") == world.happened("status") == []
    assert world.twilio("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json").status_code == 404
    assert (world.sent["total"], world.sent["callbacks"]["posted"]) == (1, 4)
    assert world.send(Body="News", To=ASHA).status_code == 201
    assert world.sent["by_recipient_more_than_once"] == 1


def test_a_message_counts_from_its_arrival_however_late_it_is_read() -> None:
    clock = [10.0]
    log = SentLog(lambda: datetime(2026, 11, 25, tzinfo=UTC), lambda: clock[0])
    for waited in (0.0, 0.0, 1.5):
        log.note(ASHA, waited)
    summary = log.summary()
    assert (summary.total, summary.max_in_any_second, summary.elapsed_ms) == (3, 2, 1500)


def test_the_kernel_tells_for_how_long_a_request_waited() -> None:
    """The server reads nothing before ``serve``: what came meanwhile has waited for as long."""
    waited: list[float] = []

    def application(
        environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> list[bytes]:
        waited.append(waited_seconds(environ))
        start_response("200 OK", [])
        return [b""]

    listener = gevent.socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        sent_at = time.monotonic()
        while time.monotonic() - sent_at < 0.2:
            time.sleep(0.01)
        server = WSGIServer(listener, application, log=None, handler_class=ArrivalHandler)
        server.start()
        while not waited:
            gevent.sleep(0.01)
        longest = time.monotonic() - sent_at
        server.stop()
    assert 0.15 <= waited[0] <= longest
