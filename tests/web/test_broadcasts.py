"""Broadcasts over HTTP: what admins may ask for, and what they are told."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import fakeredis
import pytest
import responses
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from onboarding_bot.app import create_app
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.outbound.broadcast_definition import Definition, Purpose
from onboarding_bot.outbound.broadcast_states import BroadcastStatus, RecipientState
from onboarding_bot.storage.keys import idempotency, shard_of
from onboarding_bot.storage.recipients import Recipient, Recipients
from tests.broadcasts.people import add, add_many, sender_of
from tests.broadcasts.world import TEXT, World
from tests.fakes import NOON, FakeOtpService, MovableClock
from tests.outbound.test_broadcast_definition import FAULTS, SID
from tests.settings import ENVIRONMENT, settings

S = BroadcastStatus
KEY = {"Authorization": f"Bearer {ENVIRONMENT['ADMIN_API_KEY']}"}
URL = ENVIRONMENT["PUBLIC_BASE_URL"]
UNKNOWN = "0" * 24
ACTIONS = ["pause", "resume", "cancel", "resend-uncertain"]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def world(redis: Redis, clock: MovableClock) -> World:
    """The worker's side of the same Redis."""
    return World(redis=redis, clock=clock)


def send(client: FlaskClient, key: str | None = None, **body: Any) -> TestResponse:
    headers = KEY | ({"Idempotency-Key": key} if key is not None else {})
    return client.post("/send-broadcast", json=body, headers=headers)


def begin(client: FlaskClient, **body: Any) -> str:
    response = send(client, **({"message": "The fair opens on Monday."} | body))
    assert response.status_code == 202, response.get_json()
    broadcast_id = response.get_json()["broadcast_id"]
    assert isinstance(broadcast_id, str)
    return broadcast_id


def one(client: FlaskClient, broadcast_id: str) -> dict[str, Any]:
    response = client.get(f"/broadcasts/{broadcast_id}", headers=KEY)
    assert response.status_code == 200
    details = response.get_json()
    assert isinstance(details, dict)
    return details


def act(client: FlaskClient, broadcast_id: str, action: str) -> TestResponse:
    return client.post(f"/broadcasts/{broadcast_id}/{action}", headers=KEY)


def stored(redis: Redis) -> dict[bytes, bytes | None]:
    """What there is in Redis, except for the count of requests."""
    return {key: redis.dump(key) for key in redis.scan_iter() if not key.startswith(b"limits:")}


def expect_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/problem+json"
    problem = response.get_json()
    assert problem["type"] == f"urn:msmebazaar:problem:{code}"
    assert isinstance(problem, dict)
    return problem


# --- who may -------------------------------------------------------------------------------------------------------

PLACES = [
    ("POST", "/send-broadcast"),
    ("GET", "/broadcasts"),
    ("GET", f"/broadcasts/{UNKNOWN}"),
    ("GET", f"/broadcasts/{UNKNOWN}/recipients.csv"),
    ("POST", "/broadcasts/pause-all"),
    *(("POST", f"/broadcasts/{UNKNOWN}/{action}") for action in ACTIONS),
]


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no key"),
        pytest.param({"Authorization": "Bearer"}, 401, id="no key behind the scheme"),
        pytest.param({"Authorization": f"Basic {ENVIRONMENT['ADMIN_API_KEY']}"}, 401, id="another scheme"),
        pytest.param({"Authorization": "Bearer wrong-key-of-the-tests"}, 403, id="a wrong key"),
        pytest.param({"Authorization": f"Bearer {ENVIRONMENT['HANDOFF_API_KEY']}"}, 403, id="the web app's key"),
    ],
)
def test_only_admins_come_in(
    client: FlaskClient, redis: Redis, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = client.open(path, method=method, json={"message": "Hi"}, headers=headers)
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert stored(redis) == {}


# --- POST /send-broadcast ------------------------------------------------------------------------------------------


def test_a_new_broadcast_is_taken(client: FlaskClient, world: World) -> None:
    add(world.store)
    response = send(client, message="The fair opens on Monday.")
    assert response.status_code == 202
    taken = response.get_json()
    broadcast_id = taken["broadcast_id"]
    assert taken == {
        "broadcast_id": broadcast_id,
        "status": "counting",
        "reason": None,
        "recipient_count": None,
        "skipped": {"opted_out": 0, "outside_window": 0, "suppressed": 0, "no_consent": 0, "frequency": 0},
        "sent_count": 0,
        "status_url": f"{URL}/broadcasts/{broadcast_id}",
        "timestamp": NOON.isoformat(),
    }
    world.tick(6)
    assert world.twilio.addresses == ["whatsapp:+919876543210"]


def test_a_scheduled_one_says_so(client: FlaskClient) -> None:
    later = (NOON + timedelta(hours=1)).isoformat()
    assert send(client, message="Hi", schedule_at=later).get_json()["status"] == "scheduled"


@pytest.mark.parametrize(
    ("field", "body"),
    FAULTS,
    ids=[f"{field}: {str(body)[:50]!a}" for field, body in FAULTS],
)
def test_what_cannot_be_taken_names_the_field(client: FlaskClient, redis: Redis, field: str, body: Any) -> None:
    response = client.post("/send-broadcast", json=body, headers=KEY)
    problem = expect_problem(response, 400, "invalid-field")
    assert problem["field"] == field
    assert field in problem["detail"]
    assert stored(redis) == {}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"data": b""}, id="nothing"),
        pytest.param({"data": b"{", "content_type": "application/json"}, id="half of JSON"),
        pytest.param({"data": b"\xff", "content_type": "application/json"}, id="not even text"),
        pytest.param({"data": b"message=Hi"}, id="a form"),
        pytest.param({"data": b"null", "content_type": "application/json"}, id="null"),
        pytest.param({"data": b"[" * 60_000, "content_type": "application/json"}, id="nested too deeply"),
    ],
)
def test_what_is_no_json_is_a_bad_request(client: FlaskClient, body: dict[str, Any]) -> None:
    response = client.post("/send-broadcast", headers=KEY, **body)
    assert expect_problem(response, 400, "invalid-field")["field"] == "body"


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("seconds", [-3600, 0])
def test_a_schedule_in_the_past_is_refused(client: FlaskClient, redis: Redis, seconds: int, dry_run: bool) -> None:
    past = (NOON + timedelta(seconds=seconds)).isoformat()
    problem = expect_problem(send(client, message="Hi", schedule_at=past, dry_run=dry_run), 400, "invalid-field")
    assert problem["field"] == "schedule_at"
    assert stored(redis) == {}


def test_only_posts_are_taken(client: FlaskClient) -> None:
    assert client.get("/send-broadcast", headers=KEY).status_code == 405
    assert client.delete(f"/broadcasts/{UNKNOWN}", headers=KEY).status_code == 405


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert send(client, message="x" * 70_000).status_code == 413


# --- the same again ------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_are_the_same_broadcast(client: FlaskClient, world: World) -> None:
    first = send(client, "key-1", message="Hi", purpose="service").get_json()
    world.tick(6)
    again = send(client, "key-1", purpose="service", message="Hi")
    assert again.status_code == 202
    assert again.get_json()["broadcast_id"] == first["broadcast_id"]
    assert again.get_json()["status"] == "completed"
    assert len(client.get("/broadcasts", headers=KEY).get_json()["broadcasts"]) == 1


@pytest.mark.parametrize(
    "again",
    [
        pytest.param({"schedule_at": "2026-12-01T04:30:00Z"}, id="in UTC"),
        pytest.param({"schedule_at": "2026-12-01T04:30:00.000+00:00"}, id="in thousandths"),
        pytest.param({"schedule_at": "20261201T100000+0530"}, id="in ISO's short form"),
        pytest.param({"schedule_at": "2026-11-30T23:30:00-05:00"}, id="on another day elsewhere"),
        pytest.param({"purpose": "service", "include_completed": True, "dry_run": False}, id="with its defaults"),
        pytest.param({"content_variables": {}}, id="with no values"),
    ],
)
def test_the_same_body_said_otherwise_is_the_same_broadcast(client: FlaskClient, again: dict[str, Any]) -> None:
    body = {"message": "Hi", "schedule_at": "2026-12-01T10:00:00+05:30"}
    first = send(client, "key-1", **body).get_json()
    assert send(client, "key-1", **body | again).get_json()["broadcast_id"] == first["broadcast_id"]
    other = send(client, "key-1", **body | {"schedule_at": "2026-12-01T10:00:01+05:30"})
    expect_problem(other, 409, "idempotency-key-in-use")
    assert len(client.get("/broadcasts", headers=KEY).get_json()["broadcasts"]) == 1


def test_values_in_another_order_are_the_same_broadcast(client: FlaskClient) -> None:
    first = send(client, "key-1", content_sid=SID, content_variables={"1": "Asha", "2": "Surat"})
    again = send(client, "key-1", content_variables={"2": "Surat", "1": "Asha"}, content_sid=SID)
    assert again.get_json()["broadcast_id"] == first.get_json()["broadcast_id"]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(("days", "status"), [(364, 200), (367, 400), (100_000, 400)])
def test_a_schedule_is_at_most_a_year_ahead(
    client: FlaskClient, redis: Redis, days: int, status: int, dry_run: bool
) -> None:
    response = send(client, message="Hi", schedule_at=(NOON + timedelta(days=days)).isoformat(), dry_run=dry_run)
    if status == 400:
        assert expect_problem(response, 400, "invalid-field")["field"] == "schedule_at"
        assert stored(redis) == {}
    else:
        assert response.status_code == (200 if dry_run else 202)


def test_what_an_earlier_release_took_under_a_key_is_still_that_broadcast(
    client: FlaskClient, world: World, redis: Redis
) -> None:
    """It remembered the definition with the offset that was given."""
    body = {"message": "Hi", "schedule_at": "2026-12-01T10:00:00+05:30"}
    first = send(client, "key-1", **body).get_json()["broadcast_id"]
    redis.hdel(idempotency("key-1"), "same")
    assert send(client, "key-1", **body).get_json()["broadcast_id"] == first


def test_an_earlier_release_finds_what_this_one_took(client: FlaskClient, redis: Redis) -> None:
    send(client, "key-1", message="Hi", schedule_at="2026-12-01T10:00:00+05:30")
    as_it_was_given: dict[str, object] = {
        "content_sid": None,
        "content_variables": {},
        "include_completed": True,
        "language": None,
        "message": "Hi",
        "pincode_prefix": None,
        "purpose": "service",
        "schedule_at": "2026-12-01T10:00:00+05:30",
        "sector": None,
        "target_step": None,
    }
    text = json.dumps(as_it_was_given, ensure_ascii=False, sort_keys=True)
    assert redis.hget(idempotency("key-1"), "definition") == hashlib.sha256(text.encode()).hexdigest().encode()


def test_another_body_with_that_key_is_a_conflict(client: FlaskClient) -> None:
    send(client, "key-1", message="Hi")
    expect_problem(send(client, "key-1", message="Hello"), 409, "idempotency-key-in-use")
    expect_problem(send(client, "key-1", message="Hi", language="hi"), 409, "idempotency-key-in-use")
    assert send(client, "key-2", message="Hello").status_code == 202
    assert len(client.get("/broadcasts", headers=KEY).get_json()["broadcasts"]) == 2


def test_a_repeat_that_comes_after_the_scheduled_moment_is_the_same_broadcast(
    client: FlaskClient, clock: MovableClock
) -> None:
    body = {"message": "Hi", "schedule_at": (NOON + timedelta(hours=1)).isoformat()}
    first = send(client, "key-1", **body).get_json()
    clock.pass_(hours=2)
    assert send(client, "key-1", **body).get_json()["broadcast_id"] == first["broadcast_id"]
    assert expect_problem(send(client, "key-2", **body), 400, "invalid-field")["field"] == "schedule_at"


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_that_is_none_is_refused(client: FlaskClient, key: str) -> None:
    assert expect_problem(send(client, key, message="Hi"), 400, "invalid-field")["field"] == "Idempotency-Key"


# --- a dry run -----------------------------------------------------------------------------------------------------


CONTENTS = "https://content.twilio.com/v1/ContentAndApprovals"


@pytest.fixture
def internet() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def test_a_dry_run_counts_and_sends_and_keeps_nothing(
    redis: Redis, clock: MovableClock, world: World, internet: responses.RequestsMock
) -> None:
    internet.get(CONTENTS, json={"contents": [], "meta": {"next_page_url": None}})
    client = create_app(
        settings(WHATSAPP_DAILY_LIMIT="2"), redis=redis, otp_service=FakeOtpService(), clock=clock.clock()
    ).test_client()
    add_many(world.store, 5, wrote_at=NOON - timedelta(days=3), wants_news=True)
    add(world.store, sender_of(50), has_stopped=True)
    add(world.store, sender_of(51), wrote_at=NOON - timedelta(days=3))
    before = stored(redis)
    response = send(client, "key-1", content_sid=SID, dry_run=True)
    assert response.status_code == 200
    assert response.get_json() == {
        "dry_run": True,
        "recipient_count": 5,
        "skipped": {"opted_out": 1, "outside_window": 0, "suppressed": 0, "no_consent": 1, "frequency": 0},
        "days": 3,
        "timestamp": NOON.isoformat(),
    }
    assert stored(redis) == before
    world.tick(3)
    assert world.twilio.sent == []
    assert send(client, "key-1", message="Hi").status_code == 202, "the key is still free"


def test_a_dry_run_says_how_many_wait_for_the_review_of_their_consent(
    client: FlaskClient, redis: Redis, world: World
) -> None:
    person_id = add(world.store)
    assert "consent_review_due" not in send(client, message="Hi", dry_run=True).get_json()
    redis.hdel(f"{{s{shard_of(person_id)}}}:permit:{person_id}", "service_rule")
    told = send(client, message="Hi", dry_run=True).get_json()
    assert (told["recipient_count"], told["skipped"]["no_consent"], told["consent_review_due"]) == (0, 1, 1)


def test_without_twilio_s_word_on_a_template_nothing_is_counted(
    client: FlaskClient, internet: responses.RequestsMock
) -> None:
    internet.get(CONTENTS, status=503)
    response = send(client, content_sid=SID, dry_run=True)
    expect_problem(response, 503, "templates-unknown")
    assert response.headers["Retry-After"] == "10"


def test_a_dry_run_looks_at_one_step(client: FlaskClient, world: World) -> None:
    add_many(world.store, 3, step=OnboardingStep.PHONE)
    add_many(world.store, 4, first=10, step=OnboardingStep.NAME)
    assert send(client, message="Hi", target_step="phone", dry_run=True).get_json()["recipient_count"] == 3


# --- watching ------------------------------------------------------------------------------------------------------


def test_one_broadcast_with_all_its_figures(client: FlaskClient, world: World) -> None:
    people = add_many(world.store, 4)
    add(world.store, sender_of(50), has_stopped=True)
    broadcast_id = begin(client)
    world.tick(6)
    recipients = world.by_person(broadcast_id)
    world.callbacks.apply(broadcast_id, people[0], recipients[people[0]].message_sid, "read", 0)
    world.callbacks.apply(broadcast_id, people[1], recipients[people[1]].message_sid, "undelivered", 63016)
    found = one(client, broadcast_id)
    assert found["status"] == "completed"
    assert (found["recipient_count"], found["sent_count"], found["audience"]) == (4, 4, 5)
    assert {state: count for state, count in found["counts"].items() if count} == {
        "sent": 2,
        "read": 1,
        "failed": 1,
        "skipped": 1,
    }
    assert set(found["counts"]) == {state.value for state in RecipientState}
    assert found["skipped"]["opted_out"] == 1
    assert found["errors"] == {"63016": 1}
    assert datetime.fromisoformat(found["created_at"]) == NOON
    assert found["rate_per_second"] >= 0
    assert (found["eta"], found["rests_until"], found["reason"]) == (None, None, None)


def test_the_count_of_what_twilio_took_never_falls(client: FlaskClient, world: World) -> None:
    (person_id,) = add_many(world.store, 1)
    broadcast_id = begin(client)
    world.tick(6)
    for status, code in (("sent", 0), ("failed", 63018), ("read", 0)):
        world.callbacks.apply(broadcast_id, person_id, "SM1", status, code)
        assert one(client, broadcast_id)["sent_count"] == 1


def test_the_newest_come_first_page_by_page(client: FlaskClient, clock: MovableClock) -> None:
    ids = []
    for _ in range(5):
        ids.append(begin(client))
        clock.pass_(seconds=1)
    path: str | None = "/broadcasts?size=2"
    found: list[str] = []
    for _ in range(4):
        page = client.get(path or "", headers=KEY).get_json()
        assert page["size"] == 2
        found += [broadcast["broadcast_id"] for broadcast in page["broadcasts"]]
        path = page["next"]
        if path is None:
            break
    assert found == ids[::-1]
    assert path is None


def test_an_empty_page_is_a_page(client: FlaskClient) -> None:
    assert client.get("/broadcasts?page=7", headers=KEY).get_json() == {
        "broadcasts": [],
        "page": 7,
        "size": 20,
        "next": None,
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("page=" + "9" * 30, "page"),
        ("page=²", "page"),
        ("size=0", "size"),
        ("size=101", "size"),
        ("size=ten", "size"),
    ],
)
def test_a_page_that_there_cannot_be(client: FlaskClient, query: str, field: str) -> None:
    assert expect_problem(client.get(f"/broadcasts?{query}", headers=KEY), 400, "invalid-field")["field"] == field


def lines_of(response: TestResponse) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.get_data(as_text=True))))


def test_the_file_has_a_line_for_everybody(client: FlaskClient, world: World) -> None:
    person_id = add(world.store)
    add(world.store, sender_of(1), has_stopped=True)
    gone = add(world.store, sender_of(2))
    broadcast_id = begin(client)
    world.tick(6)
    sid = world.recipient(broadcast_id, person_id).message_sid
    world.redis.delete(world.store._keys.contact(gone))
    response = client.get(f"/broadcasts/{broadcast_id}/recipients.csv", headers=KEY)
    assert response.status_code == 200
    assert response.mimetype == "text/csv"
    assert f'filename="broadcast-{broadcast_id}.csv"' in response.headers["Content-Disposition"]
    assert response.headers["Cache-Control"] == "no-store"
    lines = {line["recipient"]: line for line in lines_of(response)}
    accepted_at = world.recipient(broadcast_id, person_id).accepted_at
    assert accepted_at is not None
    assert lines["whatsapp:+919876543210"] == {
        "recipient": "whatsapp:+919876543210",
        "state": "sent",
        "code": "",
        "message_sid": sid,
        "accepted_at": accepted_at.isoformat(timespec="seconds"),
        "changed_at": accepted_at.isoformat(timespec="seconds"),
    }
    assert lines[sender_of(1)]["accepted_at"] == ""
    assert lines[sender_of(1)]["code"] == "opted_out"
    assert lines["unknown"]["state"] == "sent"


def test_the_file_hides_addresses_from_a_key_without_the_role_data(world: World, clock: MovableClock) -> None:
    person_id = add(world.store)
    keys = {role: {"Authorization": f"Bearer key-of-{role}-only"} for role in ("send", "read")}
    app = create_app(
        settings(ADMIN_API_KEY="a:send:key-of-send-only,b:read:key-of-read-only"),
        redis=world.redis,
        otp_service=FakeOtpService(),
        clock=clock.clock(),
    )
    client = app.test_client()
    broadcast_id = client.post("/send-broadcast", json={"message": "Hi"}, headers=keys["send"]).get_json()[
        "broadcast_id"
    ]
    world.tick(6)
    response = client.get(f"/broadcasts/{broadcast_id}/recipients.csv", headers=keys["read"])
    (line,) = lines_of(response)
    assert line["recipient"] == "whatsapp:+91******3210"
    assert line["message_sid"] == world.recipient(broadcast_id, person_id).message_sid


@pytest.mark.parametrize("address", ["+919876543210", "messenger:919876543210", "whatsapp:Asha 9876543210"])
def test_the_file_shows_nothing_of_an_address_that_is_none(world: World, clock: MovableClock, address: str) -> None:
    """An earlier release kept people who had written an SMS."""
    add(world.store, address)
    app = create_app(
        settings(ADMIN_API_KEY="a:send:key-of-send-only,b:read:key-of-read-only"),
        redis=world.redis,
        otp_service=FakeOtpService(),
        clock=clock.clock(),
    )
    client = app.test_client()
    send_key, read_key = ({"Authorization": f"Bearer key-of-{role}-only"} for role in ("send", "read"))
    answer = client.post("/send-broadcast", json={"message": "Hi"}, headers=send_key)
    world.tick(6)
    response = client.get(f"/broadcasts/{answer.get_json()['broadcast_id']}/recipients.csv", headers=read_key)
    assert [line["recipient"] for line in lines_of(response)] == ["******"]


def test_the_file_of_nobody_has_its_head(client: FlaskClient) -> None:
    response = client.get(f"/broadcasts/{begin(client)}/recipients.csv", headers=KEY)
    assert response.get_data(as_text=True) == "recipient,state,code,message_sid,accepted_at,changed_at\r\n"


def test_the_file_is_sent_as_it_is_read(client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless broadcast: whoever wanted all of it in memory would never answer."""
    broadcast_id = begin(client)
    recipient = Recipient(add(world.store), RecipientState.SENT, "", "SM1", 1)

    def endless(_recipients: Recipients, _broadcast_id: str) -> Iterator[list[Recipient]]:
        return itertools.repeat([recipient] * 100)

    monkeypatch.setattr(Recipients, "all", endless)
    response = client.get(f"/broadcasts/{broadcast_id}/recipients.csv", headers=KEY)
    pieces = list(itertools.islice(response.iter_encoded(), 1000))
    assert all(len(piece) < 20_000 for piece in pieces)
    assert b"whatsapp:+919876543210,sent,,SM1" in pieces[-1]
    response.close()


def test_in_the_quiet_hours_it_says_until_when(client: FlaskClient, redis: Redis) -> None:
    rests_until = "2026-11-23T09:00:00+05:30"
    broadcast_id = begin(client)
    redis.hset(f"{{outbound}}:broadcast:{broadcast_id}", mapping={"status": "sending", "rests_until": rests_until})
    assert one(client, broadcast_id)["rests_until"] == rests_until
    act(client, broadcast_id, "cancel")
    assert one(client, broadcast_id)["rests_until"] is None


# --- steering ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", "/recipients.csv", *(f"/{action}" for action in ACTIONS)], ids=["itself", "its file", *ACTIONS]
)
@pytest.mark.parametrize("broadcast_id", [UNKNOWN, "x", "%7Bs1%7D", "é"])
def test_what_there_is_not_is_404(client: FlaskClient, redis: Redis, path: str, broadcast_id: str) -> None:
    method = "POST" if path.strip("/") in ACTIONS else "GET"
    response = client.open(f"/broadcasts/{broadcast_id}{path}", method=method, headers=KEY)
    expect_problem(response, 404, "unknown-broadcast")
    assert stored(redis) == {}


def test_paused_resumed_cancelled(client: FlaskClient, world: World) -> None:
    add(world.store)
    broadcast_id = begin(client)
    paused = act(client, broadcast_id, "pause")
    assert (paused.status_code, paused.get_json()["status"]) == (200, "paused")
    assert paused.get_json()["reason"] == "paused by an admin"
    world.tick(5)
    assert world.twilio.sent == []
    resumed = act(client, broadcast_id, "resume").get_json()
    assert (resumed["status"], resumed["reason"]) == ("counting", None)
    world.tick(2)
    assert act(client, broadcast_id, "cancel").get_json()["status"] == "cancelled"
    world.tick(5)
    assert world.twilio.sent == []


@pytest.mark.parametrize("action", ["pause", "cancel", "resume"])
def test_the_same_word_twice_does_no_harm(client: FlaskClient, action: str) -> None:
    broadcast_id = begin(client)
    if action == "resume":
        act(client, broadcast_id, "pause")
    first, second = act(client, broadcast_id, action), act(client, broadcast_id, action)
    assert first.status_code == second.status_code == 200
    assert first.get_json()["status"] == second.get_json()["status"]


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (S.COMPLETED, "pause"),
        (S.COMPLETED, "resume"),
        (S.COMPLETED, "cancel"),
        (S.CANCELLED, "pause"),
        (S.CANCELLED, "resume"),
        (S.CANCELLED, "resend-uncertain"),
        (S.STOPPED, "pause"),
        (S.SCHEDULED, "resume"),
    ],
)
def test_what_comes_too_late_is_a_conflict(client: FlaskClient, world: World, status: S, action: str) -> None:
    broadcast_id = begin(client)
    world.records.transition(broadcast_id, status, list(S), "before")
    problem = expect_problem(act(client, broadcast_id, action), 409, "wrong-status")
    assert status in problem["detail"]
    assert (one(client, broadcast_id)["status"], one(client, broadcast_id)["reason"]) == (status, "before")


def test_a_stopped_one_shows_its_reason_and_goes_on_when_it_is_mended(client: FlaskClient, world: World) -> None:
    add(world.store)
    broadcast_id = world.sending()
    world.records.transition(broadcast_id, S.STOPPED, [S.SENDING], "Twilio error 20003")
    assert one(client, broadcast_id)["reason"] == "Twilio error 20003"
    assert act(client, broadcast_id, "resume").get_json()["status"] == "sending"
    world.tick(3)
    assert len(world.twilio.sent) == 1


def test_everything_is_held_at_once(client: FlaskClient, world: World) -> None:
    running = [begin(client) for _ in range(3)]
    scheduled = begin(client, schedule_at=(NOON + timedelta(hours=1)).isoformat())
    over = begin(client)
    act(client, over, "cancel")
    response = client.post("/broadcasts/pause-all", headers=KEY)
    assert response.status_code == 200
    assert sorted(response.get_json()["paused"]) == sorted([*running, scheduled])
    assert {one(client, broadcast_id)["status"] for broadcast_id in [*running, scheduled]} == {"paused"}
    assert one(client, over)["status"] == "cancelled"
    assert client.post("/broadcasts/pause-all", headers=KEY).get_json()["paused"] == []


def test_uncertain_ones_are_seen_and_sent_again(client: FlaskClient, world: World) -> None:
    person_id = add(world.store)
    broadcast_id = world.sending()
    world.recipients.claim(broadcast_id, person_id, TEXT, NOON)
    world.clock.pass_(seconds=20)
    world.tick(3)
    assert one(client, broadcast_id)["counts"]["uncertain"] == 1
    (line,) = lines_of(client.get(f"/broadcasts/{broadcast_id}/recipients.csv", headers=KEY))
    assert line["state"] == "uncertain"
    again = act(client, broadcast_id, "resend-uncertain")
    assert again.status_code == 200
    assert (again.get_json()["status"], again.get_json()["counts"]["pending"]) == ("sending", 1)
    world.tick(3)
    assert len(world.twilio.sent) == 1


def test_without_redis_every_answer_is_503(redis: Redis, clock: MovableClock) -> None:
    server = fakeredis.FakeServer()
    client = create_app(
        settings(), redis=fakeredis.FakeRedis(server=server), otp_service=FakeOtpService(), clock=clock.clock()
    ).test_client()
    server.connected = False
    for method, path in PLACES:
        body = {"message": "Hi"} if path == "/send-broadcast" else {}
        response = client.open(path, method=method, json=body, headers=KEY)
        expect_problem(response, 503, "store-unavailable")


def test_half_a_character_is_never_stored(client: FlaskClient, redis: Redis) -> None:
    body = b'{"message": "Hi \\ud800"}'
    response = client.post("/send-broadcast", data=body, content_type="application/json", headers=KEY)
    assert expect_problem(response, 400, "invalid-field")["field"] == "message"
    assert stored(redis) == {}


def test_what_is_stored_is_what_was_asked_for(client: FlaskClient, world: World) -> None:
    broadcast_id = begin(client, message="नमस्ते 👋", language="hi", purpose="marketing")
    expected = Definition(message="नमस्ते 👋", language="hi", purpose=Purpose.MARKETING)
    assert world.record(broadcast_id).definition == expected
