"""Nobody is revealed: canaries go down every path that fails, and no process sings of them afterwards."""

from __future__ import annotations

import itertools
import json
import re
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from onboarding_bot.conversation.session import OnboardingStep
from tests.e2e.outbound import Admin, Monitor, Worker, wait_for
from tests.e2e.people import settle, store_at
from tests.e2e.test_tracing import let_time_pass
from tests.e2e.test_whole_product import LOGIN
from tests.e2e.world import PATIENCE_SECONDS, World, eventually, running_world
from tests.servers import free_port
from tests.settings import ENVIRONMENT
from tests.talker import new_sid, signature, webhook_form

pytestmark = pytest.mark.redis_server

PHONE = "9876501234"
SENDER = f"whatsapp:+91{PHONE}"
NAME = "Zarquonia Bibblethorpe"
CHATTER = "flibbertigibbet"
# What the log says of each. The breaker opens after five in a row, so what refuses without being ill stands between.
AUTH_API_FAULTS = {
    "slow": "sent",
    "garbage": "not_json",
    "down": "timeout",
    "refusing": "http_422",
    "error": "http_500",
    "unavailable": "http_503",
    "throttled": "http_429",
}
WRONG_KEY = "quetzalcoatl-is-no-key-of-ours"
BROADCAST = "Quixotry opens on Monday"
ADMIN = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
HANDOFF = {"Authorization": f"Bearer {ENVIRONMENT['HANDOFF_API_KEY']}"}
WRONG = {"Authorization": f"Bearer {WRONG_KEY}"}
SECRETS = [value for name, value in ENVIRONMENT.items() if name.endswith(("_KEY", "_KEYS", "_TOKEN"))]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = {"LOG_LEVEL": "DEBUG", "AUTH_API_DEADLINE_SECONDS": "1", "NUDGE_AFTER": "1s", "QUIET_HOURS": "off"}
    with running_world(tmp_path, "--appendonly", "yes", "--appendfsync", "always", settings=settings) as running:
        yield running


@pytest.fixture
def worker(world: World, tmp_path: Path) -> Iterator[Worker]:
    settings = {"WORKER_METRICS_PORT": str(free_port())}
    worker = Worker.beside(world, tmp_path, **settings)
    worker.start()
    yield worker
    worker.end()


def post(world: World, path: str, **request: Any) -> requests.Response:
    return requests.post(f"{world.bot_url}{path}", timeout=PATIENCE_SECONDS, **request)


def signed(world: World, path: str, form: Mapping[str, str]) -> requests.Response:
    sign = signature(f"{world.bot_url}{path}", dict(form))
    return post(world, path, data=form, headers={"X-Twilio-Signature": sign})


# --- what goes wrong -----------------------------------------------------------------------------------------------


def strangers_knock(world: World) -> None:
    form = webhook_form(CHATTER, SENDER, ProfileName=NAME)
    for path in ("/webhook", f"/webhook?phone={PHONE}", f"/webhook/{PHONE}", f"/{CHATTER}/{PHONE}", "/status-callback"):
        ids = {"X-Request-Id": f"{PHONE}-{CHATTER}", "traceparent": SENDER, "X-Twilio-Signature": CHATTER}
        post(world, path, data=form, headers=ids)
    post(world, "/webhook", data={"Body": CHATTER * 9_000})
    for path in ("/handoff", "/send-broadcast", "/people/lookup", "/people/erase", f"/broadcasts/{PHONE}/pause"):
        for key in ({}, WRONG, ADMIN, HANDOFF):
            post(world, path, data=f'{{"token": "{CHATTER}", "address": "{SENDER}', headers=key)
            post(world, path, json=[SENDER, CHATTER, NAME], headers=key)
            post(world, path, json={"token": CHATTER, "message": None, "target_step": NAME, NAME: PHONE}, headers=key)
    for path in (f"/broadcasts/{PHONE}", f"/stats?days={PHONE}", "/metrics", f"/dashboard/{CHATTER}"):
        for key in ({}, WRONG, ADMIN):
            requests.get(f"{world.bot_url}{path}", headers=key, timeout=PATIENCE_SECONDS)
    post(world, "/dashboard/sign-in", data={"key": WRONG_KEY, "next": f"/{CHATTER}"})
    post(world, "/dashboard/sign-in", data={"key": ENVIRONMENT["ADMIN_API_KEY"]})


def broken_requests_arrive(world: World) -> None:
    """gunicorn itself refuses these."""
    bot = ("127.0.0.1", int(world.environment["PORT"]))
    for line in (f"GET /{PHONE} HTTP/9.9", f"{CHATTER} {SENDER}", f"GET /{'x' * 5000}{PHONE} HTTP/1.1"):
        with socket.create_connection(bot, timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(f"{line}\r\nX-Name: {NAME}\r\n{CHATTER}\r\n\r\n".encode())
            connection.recv(4096)
    with socket.create_connection(bot, timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(f"POST /webhook?{PHONE} HTTP/1.1\r\nContent-Length: 999\r\n\r\nBody={CHATTER}".encode())


def the_sign_up_meets_every_fault_of_the_auth_api(world: World) -> None:
    for text in ("Hi", "1234", NAME, CHATTER, "7", "560001", CHATTER, PHONE):
        world.post(text, SENDER)
    signed(world, "/webhook", {"Body": CHATTER, "From": SENDER})
    signed(
        world, "/webhook", webhook_form("", SENDER, NumMedia="1", MediaUrl0=f"http://x/{PHONE}", MessageType="image")
    )
    # After a request that may have been one, the same owner would have to wait for a minute.
    owners = (f"{SENDER[:-3]}{number}" for number in itertools.count(110))

    def meets_it(fault: str) -> bool:
        owner = next(owners)
        for text in ("Hi", NAME, "7", "560001", "1"):
            world.post(text, owner)
        world.set_fault(auth_api=fault)
        world.post("YES", owner)
        world.post(CHATTER, owner)
        return AUTH_API_FAULTS[fault] in auth_api_outcomes(world)

    for fault in AUTH_API_FAULTS:
        # On a busy machine the deadline may be over before the API has answered.
        eventually(partial(meets_it, fault), fault)
    world.set_fault(auth_api="ok")


def auth_api_outcomes(world: World) -> set[str]:
    """How the bot's calls to the auth API have ended so far, by its log."""
    lines = [line for line in world.bot.log.read_text().splitlines() if '"auth_api"' in line]
    return {json.loads(line).get("outcome") for line in lines}


def an_owner_logs_in(world: World) -> tuple[str, str]:
    """The login link's token, and the OTP."""
    owner = f"{SENDER[:-2]}99"
    for text in ("Hi", NAME, "7", "560001", "1"):
        world.post(text, owner)
    (link,) = LOGIN.findall(world.post("YES", owner).text.replace("&amp;", "&"))
    phone = owner.removeprefix("whatsapp:")
    otp = world.otp_sent_to(phone)
    world.post(otp, owner)
    requests.get(link, timeout=PATIENCE_SECONDS)
    requests.post(link, data={"phone": phone, "otp": "000000"}, timeout=PATIENCE_SECONDS)
    requests.post(link, data={"phone": phone, "otp": otp}, timeout=PATIENCE_SECONDS)
    token = link.partition("token=")[2].removesuffix("</Message></Response>")
    post(world, "/handoff", json={"token": f"{token}x"}, headers=HANDOFF)
    post(world, "/handoff", json={"token": token}, headers=WRONG)
    assert post(world, "/handoff", json={"token": token}, headers=HANDOFF).json()["name"] == NAME
    post(world, "/people/lookup", json={"address": owner}, headers=ADMIN)
    return token, otp


def something_breaks_inside(world: World) -> None:
    redis, broken = world.redis_client(), "whatsapp:+919876501235"
    # A session that no release writes: at the confirmation, and without the answers.
    settle(store_at(world.redis.url), [broken], step=OnboardingStep.CONFIRMATION)
    assert "reference" in world.post("YES", broken).text
    for key in redis.keys("*:session:*"):
        redis.set(key, b"\x01what nobody can read")
    world.post(CHATTER, SENDER)


def twilio_fails_and_calls_back(world: World, worker: Worker) -> None:
    for text in ("Hi", NAME):
        world.post(text, f"{SENDER[:-2]}98")
    people = [f"whatsapp:+9198765012{number}" for number in range(36, 46)]
    # And so many with whom nothing goes wrong that the broadcast is not paused for its failures.
    people += [f"whatsapp:+91987652{hundred}{number}" for hundred in (10, 11) for number in range(50, 100)]
    settle(store_at(world.redis.url), people, wants_news=True)
    admin = Admin(world)
    admin.break_for(
        _36={"on_send": {"code": 63014}},
        _37={"on_send": {"status": 500, "sent": True}},
        _38={"on_send": {"reset": True, "sent": False}},
        _39={"on_send": {"code": 21211}},
        _40={"on_callback": {"status": "failed", "code": 63024}},
    )
    broadcast_id = admin.broadcast(message=BROADCAST)
    admin.wait_for_status(broadcast_id, "completed", 60)
    admin.recipients(broadcast_id)
    about = f"/status-callback?broadcast={broadcast_id}&row={PHONE}"
    told = {"MessageSid": new_sid(), "MessageStatus": CHATTER, "To": SENDER, "Body": CHATTER, "ErrorMessage": NAME}
    assert signed(world, about, told).status_code == 204
    post(world, about, data=told, headers={"X-Twilio-Signature": CHATTER})
    wait_for(lambda: '"nudge"' in worker.process.log.read_text(), "a reminder")


def redis_goes_away_in_the_middle(world: World, worker: Worker) -> None:
    world.redis.kill()
    assert world.post(CHATTER, SENDER).status_code == 503
    world.post(CHATTER, SENDER, path="/webhook/fallback")
    for path in ("/stats", "/broadcasts", "/metrics", "/dashboard"):
        requests.get(f"{world.bot_url}{path}", headers=ADMIN, timeout=PATIENCE_SECONDS)
    post(world, "/people/lookup", json={"address": SENDER}, headers=ADMIN)
    post(world, "/send-broadcast", json={"message": BROADCAST}, headers=ADMIN)
    wait_for(lambda: '"sweep_postponed"' in worker.process.log.read_text(), "the worker having missed Redis")
    world.redis.start()
    wait_for(lambda: world.post("STATUS", SENDER).status_code == 200, "the bot back at work")


# --- and who sings of it -------------------------------------------------------------------------------------------


def found_in(text: str, canaries: Mapping[str, str]) -> dict[str, str]:
    """Which canaries, with what stands around them. Digits count only by themselves: random ids hold any digits."""
    seen = {}
    for what, canary in canaries.items():
        pattern = re.escape(canary)
        if canary.isdigit() and len(canary) < 10:
            pattern = rf"(?<![0-9A-Za-z\\]){pattern}(?![0-9A-Za-z])"
        if match := re.search(pattern, text, re.IGNORECASE):
            seen[what] = text[max(0, match.start() - 150) : match.end() + 50]
    return seen


def test_nobody_sings(world: World, worker: Worker) -> None:
    with Monitor(world.redis.port).running() as monitor:
        token, otp = an_owner_logs_in(world)
        strangers_knock(world)
        broken_requests_arrive(world)
        the_sign_up_meets_every_fault_of_the_auth_api(world)
        let_time_pass(world)
        something_breaks_inside(world)
        twilio_fails_and_calls_back(world, worker)
        redis_goes_away_in_the_middle(world, worker)
        wait_for(monitor.is_connected, "MONITOR after the restart")
        world.post(CHATTER, SENDER)
        shown = [
            requests.get(f"{url}/metrics", headers=ADMIN, timeout=PATIENCE_SECONDS).text
            for url in (world.bot_url, f"http://127.0.0.1:{worker.process.environment['WORKER_METRICS_PORT']}")
        ]
    assert worker.stop() == 0

    canaries = {
        "the phone number": PHONE,
        "the phone number as it is spoken": f"{PHONE[:5]} {PHONE[5:]}",
        "others' phone numbers": PHONE[:-2],
        "the first name": NAME.partition(" ")[0],
        "the last name": NAME.partition(" ")[2],
        "a message": CHATTER,
        "the OTP": otp,
        "the login token": token,
        "a part of the login token": token[:40],
        "a wrong key": WRONG_KEY,
        **{f"secret {number}": secret for number, secret in enumerate(SECRETS)},
    }
    logs = {
        "web": world.bot.log.read_text(),
        "worker": worker.process.log.read_text(),
        "simulator": world.simulator.log.read_text(),
    }
    # The text of a broadcast is no person's message: Redis may have it, and nobody else.
    public = {**logs, "metrics": "\n".join(shown)}
    for where, text in public.items():
        assert found_in(text, canaries | {"a broadcast": BROADCAST}) == {}, where
    assert found_in("\n".join(monitor.commands), canaries) == {}, "Redis"
    # That all of it happened, and was listened to.
    events = {json.loads(line)["event"] for text in (logs["web"], logs["worker"]) for line in text.splitlines()}
    assert events >= {
        *("signature_refused", "wrong_key", "bad_form", "webhook_failed", "webhook_postponed", "store_unavailable"),
        *("fallback_without_store", "stored_value_unreadable", "auth_api", "bad_login_token", "gunicorn"),
        *("job", "nudge", "sweep_postponed"),
    }
    assert auth_api_outcomes(world) >= set(AUTH_API_FAULTS.values())
    assert BROADCAST in "\n".join(monitor.commands)
    assert len(monitor.commands) > 500


CANARIES: Mapping[str, str] = {"phone": PHONE, "otp": "481516"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param(f"To: +91{PHONE}", {"phone"}, id="a number"),
        pytest.param('"otp": "481516"', {"otp"}, id="an OTP"),
        pytest.param("trace_id 0af748151643dd", set(), id="digits of an id"),
        pytest.param("nothing", set(), id="nothing"),
    ],
)
def test_the_listener_knows_a_canary_when_it_hears_one(text: str, seen: set[str]) -> None:
    assert found_in(text, CANARIES).keys() == seen
