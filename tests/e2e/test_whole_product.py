"""A real conversation through real parts: signed webhooks into gunicorn, Redis, the auth API, and the login page."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import pytest
import requests

from onboarding_bot.storage import keys
from tests.e2e.world import PATIENCE_SECONDS, World, eventually
from tests.talker import new_sid

LOGIN = re.compile(r"http://\S+/login\?source=whatsapp&token=\S+")


def phone_of(owner: str) -> str:
    return owner.removeprefix("whatsapp:")


def test_an_owner_signs_up_on_the_phone_and_logs_in_with_the_otp(world: World, owner: str) -> None:
    assert "MSMEBazaar" in world.converse("Hi", owner)
    assert "Asha Devi" in world.converse("Asha Devi", owner)
    assert "Retail" in world.converse("retail", owner)
    assert "560001" in world.converse("५६०००१", owner)
    assert "YES" in world.converse("1", owner)
    link = LOGIN.search(world.converse("YES", owner))
    assert link
    page = requests.post(
        link[0], data={"phone": phone_of(owner), "otp": world.otp_sent_to(phone_of(owner))}, timeout=PATIENCE_SECONDS
    )
    assert "Welcome, Asha Devi" in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_a_webhook_that_twilio_delivers_twice_is_answered_alike(world: World, owner: str) -> None:
    world.set_fault(redeliver="lost_answer")
    world.converse("Hi", owner)
    assert "sector" in world.converse("Asha Devi", owner)


def test_an_outage_of_the_auth_api_ends_with_the_same_otp_request(world: World, owner: str) -> None:
    world.answer_everything(owner)
    world.set_fault(auth_api="garbage")
    assert "answers are kept" in world.post("YES", owner).text
    world.set_fault(auth_api="refusing")
    assert "seconds" in world.post("YES", owner).text, "the SMS may be out: a minute between two requests"


@pytest.mark.parametrize("fault", ["unavailable", "throttled", "refusing", "error", "down"])
def test_whatever_the_auth_api_does_the_owner_reads_our_words(world: World, owner: str, fault: str) -> None:
    for text in ("Hi", "Asha Devi", "7", "560001", "1"):
        world.post(text, owner)
    world.set_fault(auth_api=fault)
    answer = world.post("YES", owner)
    assert answer.status_code == 200
    assert "Send *NO* to correct" in answer.text if fault == "refusing" else "answers are kept" in answer.text


def test_three_yes_at_once_make_one_otp_request(world: World, owner: str) -> None:
    for text in ("Hi", "Asha Devi", "7", "560001", "1"):
        world.post(text, owner)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: world.post("YES", owner).text, range(3)))
    assert sum("token=" in answer for answer in answers) == 1
    phone = phone_of(owner)
    assert world.otp_sent_to(phone)
    assert sum(event["kind"] == "sms" and event["phone"] == phone for event in world.events()) == 1


def test_fifty_messages_of_one_person_at_once_lose_no_answer(world: World, owner: str) -> None:
    world.post("Hi", owner)
    texts = ["STATUS"] * 12 + ["Asha Devi"] + ["12"] * 12 + ["HELP"] * 12 + ["Ravi Kumar"] + ["hi"] * 12
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda text: world.post(text, owner), texts))
    assert [answer.status_code for answer in answers] == [200] * 50
    summary = world.post("STATUS", owner).text
    assert "Asha Devi" in summary or "Ravi Kumar" in summary
    assert "Other" in summary


def test_copies_in_both_processes_at_once_change_the_session_once(world: World, owner: str) -> None:
    world.post("Hi", owner)
    sid = new_sid()
    with ThreadPoolExecutor(20) as pool:
        answers = {answer.text for answer in pool.map(lambda _: world.post("Asha Devi", owner, sid), range(20))}
    assert len(answers) == 1


# --- the cost of a message -----------------------------------------------------------------------------------------


def commands_during(world: World, act: Callable[[], object]) -> list[str]:
    """Every command that Redis got from its clients while ``act`` ran; those inside scripts are marked ``lua``."""
    marker = world.redis_client()
    marker.ping()  # its connection is made before anybody looks
    with world.redis_client().monitor() as monitor:
        act()
        marker.echo("the end")
        seen: list[str] = []
        for line in monitor.listen():
            if "the end" in line["command"]:
                return seen
            # Off the path of any message, each process notes now and then that it heard from Twilio.
            if line["client_type"] != "lua" and keys.HEARTBEATS not in line["command"]:
                seen.append(line["command"].split()[0])
    raise AssertionError("MONITOR ended")


def warm_up(world: World) -> None:
    """Each worker opens its connections and loads its scripts with its first messages."""
    for number in range(40):
        world.post("Hi", f"whatsapp:+9191111{number:05}")


def test_a_message_costs_two_round_trips_and_an_otp_four(world: World, owner: str) -> None:
    warm_up(world)
    for text in ("Hi", "Asha Devi", "13", "7", "560001", "1"):
        assert commands_during(world, partial(world.post, text, owner)) == ["MGET", "EVALSHA"]
    assert commands_during(world, lambda: world.post("YES", owner)) in (
        ["MGET", "EVALSHA", "EVALSHA", "EVALSHA"],
        ["MGET", "EVALSHA", "EVALSHA", "EVAL", "EVALSHA"],
    )


def test_stats_scan_no_keys(world: World, owner: str) -> None:
    world.post("Hi", owner)
    seen = commands_during(world, world.stats)
    assert seen.count("EVAL") == 64
    assert not {"KEYS", "SCAN"} & set(seen)


# --- when things hang and fall -------------------------------------------------------------------------------------


def test_while_the_auth_api_hangs_everybody_else_is_answered(world: World, owner: str) -> None:
    hanging = [f"whatsapp:+9192222{number:05}" for number in range(50)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda sender: [world.post(t, sender) for t in ("Hi", "Asha Devi", "7", "560001", "1")], hanging))
    world.set_fault(auth_api="slow")
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(world.post, "YES", sender) for sender in hanging]
        for text in ("Hi", "Asha Devi", "7", "560001", "1", "STATUS", "HELP"):
            assert world.post(text, owner).status_code == 200
        nobody_waited_for_them = not any(answer.done() for answer in waiting)
        assert {answer.result().status_code for answer in waiting} == {200}
    assert nobody_waited_for_them
    world.restart_bot()  # its circuit breakers are open now


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /stats HTTP/1.1\r\nAuthorization Bearer {canary}\r\n\r\n",
        "GET /stats HTTP/1.1\r\nAuthorization: Bearer\r\n {canary}\r\n\r\n",
        "GET /stats HTTP/1.1\r\nIt's {canary}: 1\r\n\r\n",
        "GET /stats?{canary}\r\n\r\n",
        "GET / HTTP/{canary}\r\n\r\n",
        "POST /webhook HTTP/1.1\r\nContent-Length: 5\r\n\r\nBody=My+name+is+{canary}\r\n\r\n",
        "POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{canary}\r\n\r\n",
        "POST /webhook HTTP/1.1\r\nTransfer-Encoding: {canary}\r\n\r\n",
    ],
    ids=["no colon", "folded", "name", "line", "version", "beyond the length", "chunk", "coding"],
)
def test_what_gunicorn_cannot_read_is_not_quoted_in_the_log(world: World, request_text: str) -> None:
    canary = "Rukmini-whatsapp:+919999988888"
    before = world.bot.log.stat().st_size
    with socket.create_connection(
        (urlsplit(world.bot_url).hostname, urlsplit(world.bot_url).port), PATIENCE_SECONDS
    ) as connection:
        connection.sendall(request_text.format(canary=canary).encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    logged = world.bot.log.read_bytes()[before:].decode()
    # gunicorn reads the head of a request itself; it is the bot that asks for the chunks.
    assert ('"status": 400' if "chunked" in request_text else '"Invalid request: ') in logged
    assert not any(part in logged for part in ("Rukmini", "99999"))


def test_redis_gone_means_503_and_its_return_brings_everything_back(world: World, owner: str) -> None:
    world.post("Hi", owner)
    sid = new_sid()
    world.redis.kill()
    try:
        assert world.post("Asha Devi", owner, sid).status_code == 503
        health = requests.get(f"{world.bot_url}/health", timeout=PATIENCE_SECONDS)
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        assert requests.get(f"{world.bot_url}/health/ready", timeout=PATIENCE_SECONDS).status_code == 503
        assert requests.get(f"{world.bot_url}/health/live", timeout=PATIENCE_SECONDS).status_code == 200
        assert "send your last message again" in world.post("Asha Devi", owner, sid, "/webhook/fallback").text
    finally:
        world.redis.start()
    assert "Asha Devi" in eventually(
        lambda: (answer := world.post("Asha Devi", owner, sid)).status_code == 200 and answer.text, "the bot recovered"
    )
    assert "sector" in world.post("STATUS", owner).text


def test_a_stop_finishes_what_is_in_flight(world: World, owner: str) -> None:
    for text in ("Hi", "Asha Devi", "7", "560001", "1"):
        world.post(text, owner)
    world.set_fault(auth_api="slow")
    with ThreadPoolExecutor(1) as pool:
        in_flight = pool.submit(lambda: world.post("YES", owner))
        eventually(lambda: "being requested" in world.post("no", owner).text, "the request is under way")
        assert world.bot.stop() == 0
        assert in_flight.result().status_code == 200
        assert "answers are kept" in in_flight.result().text
    world.start_bot()
