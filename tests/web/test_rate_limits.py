"""How often JSON endpoints may be called, whoever calls and whatever Redis does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import fakeredis
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from onboarding_bot.app import create_app, create_metrics_app
from onboarding_bot.storage.connection import AnyRedis, connect
from tests.observability.test_logs import recorded
from tests.servers import running_cluster, running_redis
from tests.settings import ENVIRONMENT, settings
from tests.talker import new_sid, post_signed, webhook_form

OPS, MARKETING, GUESS = "key-of-the-operators", "key-of-the-marketing", "a-guess-at-somebodys-key"
KEYS = f"ops:read:{OPS},marketing:read+send:{MARKETING}"
ELSEWHERE = {"REMOTE_ADDR": "198.51.100.7"}
PER_ADDRESS, PER_KEY, GUESSES = 60, 600, 10


def build(redis: AnyRedis, **changes: str) -> Flask:
    return create_app(settings(ADMIN_API_KEY=KEYS, **changes), redis=redis)


@pytest.fixture
def client(redis: Redis) -> FlaskClient:
    return build(redis).test_client()


@pytest.fixture
def minute() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(1_800_000_000, tick=False) as now:
        yield now


def stats(client: FlaskClient, key: str = "", forwarded_for: str = "", **environ: str) -> TestResponse:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if forwarded_for:
        headers["X-Forwarded-For"] = forwarded_for
    return client.get("/stats", headers=headers, environ_overrides=environ)


def statuses(client: FlaskClient, times: int, key: str = "", **environ: str) -> list[int]:
    return [stats(client, key, **environ).status_code for _ in range(times)]


def refused_page(client: FlaskClient, key: str) -> int:
    """A call that costs little, because Redis is not asked for anything but the count."""
    return client.get("/broadcasts?page=none", headers={"Authorization": f"Bearer {key}"}).status_code


def expect_too_many(response: TestResponse, seconds: int) -> None:
    assert response.status_code == 429
    assert response.mimetype == "application/problem+json"
    assert response.get_json()["type"] == "urn:msmebazaar:problem:too-many-requests"
    assert response.headers["Retry-After"] == str(seconds)
    assert response.get_json()["detail"] == f"Try again in {seconds} s."


def test_an_address_without_a_key_has_60_calls_a_minute(client: FlaskClient, minute: time_machine.Traveller) -> None:
    assert set(statuses(client, PER_ADDRESS)) == {401}
    minute.shift(15)
    expect_too_many(stats(client), 45)
    assert stats(client, **ELSEWHERE).status_code == 401
    assert stats(client, OPS).status_code == 200
    minute.shift(timedelta(seconds=46))
    assert stats(client).status_code == 401


def test_a_key_has_600_calls_a_minute_wherever_they_come_from(
    redis: Redis, client: FlaskClient, minute: time_machine.Traveller
) -> None:
    assert {refused_page(client, OPS) for _ in range(PER_KEY - 1)} == {400}
    # Another process, another endpoint, another address: the same key.
    other = build(redis).test_client()
    assert other.get("/broadcasts", headers={"Authorization": f"Bearer {OPS}"}).status_code == 200
    expect_too_many(stats(client, OPS, **ELSEWHERE), 60)
    assert stats(client, MARKETING).status_code == 200


def test_a_name_is_counted_not_its_keys(redis: Redis, minute: time_machine.Traveller) -> None:
    app = create_app(settings(ADMIN_API_KEY=f"ops:read:{OPS},ops:read:{MARKETING}"), redis=redis)
    client = app.test_client()
    assert {refused_page(client, OPS) for _ in range(PER_KEY)} == {400}
    assert stats(client, MARKETING).status_code == 429


def test_the_web_app_has_600_calls_as_well(client: FlaskClient, minute: time_machine.Traveller) -> None:
    headers = {"Authorization": f"Bearer {ENVIRONMENT['HANDOFF_API_KEY']}"}
    assert {client.post("/handoff", headers=headers).status_code for _ in range(PER_KEY)} == {400}
    expect_too_many(client.post("/handoff", headers=headers), 60)


# --- wrong keys ----------------------------------------------------------------------------------------------------


def test_wrong_keys_are_slowed_after_ten(client: FlaskClient, minute: time_machine.Traveller) -> None:
    assert [stats(client, f"{GUESS}-{n}").status_code for n in range(GUESSES)] == [403] * GUESSES
    expect_too_many(stats(client, f"{GUESS}-one-more"), 60)
    assert stats(client).status_code == 401, "who sends no key is not guessing"
    assert stats(client, OPS).status_code == 200, "nobody can lock out the holder of a key"
    assert stats(client, GUESS, **ELSEWHERE).status_code == 403
    minute.shift(61)
    assert stats(client, GUESS).status_code == 403


def test_guesses_at_the_web_apps_key_count_too(client: FlaskClient, minute: time_machine.Traveller) -> None:
    headers = {"Authorization": f"Bearer {GUESS}"}
    assert {client.post("/handoff", headers=headers).status_code for _ in range(GUESSES)} == {401}
    expect_too_many(stats(client, GUESS), 60)


def test_guesses_at_the_workers_metrics_are_slowed_without_redis(minute: time_machine.Traveller) -> None:
    client = create_metrics_app(settings(ADMIN_API_KEY=KEYS)).test_client()

    def scraped(key: str) -> TestResponse:
        return client.get("/metrics", headers={"Authorization": f"Bearer {key}"})

    assert {scraped(GUESS).status_code for _ in range(GUESSES)} == {403}
    expect_too_many(scraped(GUESS), 60)
    assert scraped(OPS).status_code == 200


def test_a_valid_key_in_the_wrong_place_is_no_guess(client: FlaskClient) -> None:
    assert set(statuses(client, GUESSES + 1, ENVIRONMENT["HANDOFF_API_KEY"])) == {403}


def test_guesses_are_logged_without_the_key(redis: Redis) -> None:
    with recorded() as lines:
        statuses(build(redis).test_client(), GUESSES + 1, GUESS)
        logged = lines()
    assert [line["event"] for line in logged].count("wrong_key") == GUESSES
    (slowed,) = [line for line in logged if line["event"] == "too_many_requests"]
    assert (slowed["path"], slowed["caller"], slowed["level"]) == ("/stats", "127.0.0.1", "warning")
    assert GUESS not in json.dumps(logged)


# --- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", ["off", "127.0.0.1"])
def test_a_made_up_header_escapes_nothing(redis: Redis, trusted: str) -> None:
    client = build(redis, TRUSTED_PROXIES=trusted).test_client()
    # What the proxy adds stands at the end, behind whatever its caller wrote.
    answers = [stats(client, forwarded_for=f"10.0.0.{n}, 203.0.113.9") for n in range(PER_ADDRESS + 1)]
    assert [answer.status_code for answer in answers[-2:]] == [401, 429]


def test_callers_behind_a_trusted_proxy_are_told_apart(redis: Redis) -> None:
    client = build(redis, TRUSTED_PROXIES="127.0.0.1").test_client()
    for _ in range(PER_ADDRESS + 1):
        last = stats(client, forwarded_for="203.0.113.9")
    assert last.status_code == 429
    assert stats(client, forwarded_for="203.0.113.10").status_code == 401


def test_a_network_of_ipv6_is_one_caller(redis: Redis) -> None:
    client = build(redis).test_client()
    answers = [stats(client, REMOTE_ADDR=f"2001:db8::{n:x}") for n in range(PER_ADDRESS + 1)]
    assert answers[-1].status_code == 429
    assert stats(client, REMOTE_ADDR="2001:db8:0:1::1").status_code == 401


def test_no_key_and_no_address_can_be_read_in_redis(redis: Redis, client: FlaskClient) -> None:
    for key in (OPS, GUESS, ENVIRONMENT["HANDOFF_API_KEY"], ""):
        stats(client, key, **ELSEWHERE)
    stored = b" ".join([*redis.scan_iter("limits:*"), *(redis.dump(key) or b"" for key in redis.scan_iter())])
    assert b"key:ops" in stored
    for secret in (OPS, GUESS, ENVIRONMENT["HANDOFF_API_KEY"], "198.51.100.7"):
        assert secret.encode() not in stored


# --- what has no limit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_has_no_limit(client: FlaskClient, path: str) -> None:
    assert {client.get(path).status_code for _ in range(PER_ADDRESS + 5)} <= {200}


def test_signed_webhooks_have_no_limit(client: FlaskClient) -> None:
    form = webhook_form("Hi", "whatsapp:+919876543210", new_sid())
    assert {post_signed(client, form).status_code for _ in range(PER_ADDRESS + 5)} == {200}


@pytest.mark.parametrize("path", ["/webhook", "/webhook/fallback", "/status-callback"])
def test_unsigned_ones_cost_no_round_trip_to_redis(redis: Redis, client: FlaskClient, path: str) -> None:
    assert {client.post(path).status_code for _ in range(PER_ADDRESS + 5)} == {403}
    assert list(redis.scan_iter()) == []


# --- Redis ---------------------------------------------------------------------------------------------------------


def test_without_redis_the_process_counts_alone_and_comes_back(minute: time_machine.Traveller) -> None:
    server = fakeredis.FakeServer()
    redis = fakeredis.FakeRedis(server=server)
    client = build(redis).test_client()
    server.connected = False
    assert set(statuses(client, PER_ADDRESS)) == {401}
    expect_too_many(stats(client), 60)
    assert stats(client, OPS).get_json()["type"] == "urn:msmebazaar:problem:store-unavailable"
    server.connected = True
    minute.shift(120)
    assert stats(client).status_code == 401
    assert list(redis.scan_iter("limits:*")) != []


def test_a_body_that_cannot_be_read_does_not_pass_for_a_redis_that_is_gone(redis: Redis) -> None:
    clients = [build(redis).test_client() for _ in range(2)]
    for client in clients:
        assert client.get("/dashboard/sign-in").status_code == 200
        too_large = {"data": {"key": "k" * 70_000}, "headers": {"Sec-Fetch-Site": "same-origin"}}
        assert client.post("/dashboard/sign-in", **too_large).status_code == 413
    for n in range(PER_ADDRESS - 4):
        assert stats(clients[n % 2]).status_code == 401
    assert [stats(client).status_code for client in clients] == [429, 429]


@pytest.mark.redis_server
def test_processes_count_together_in_a_real_redis(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        clients = [build(connect(server.url)).test_client() for _ in range(2)]
        for n in range(PER_ADDRESS):
            assert stats(clients[n % 2]).status_code == 401
        assert [stats(client).status_code for client in clients] == [429, 429]
        server.kill()
        assert stats(clients[0]).status_code == 401
        assert stats(clients[0], OPS).status_code == 503


@pytest.mark.redis_server
def test_a_cluster_counts_as_well(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as server:
        client = build(connect(server.cluster_url)).test_client()
        assert set(statuses(client, GUESSES, GUESS)) == {403}
        expected = stats(client, GUESS)
        assert expected.status_code == 429
        assert 1 <= int(expected.headers["Retry-After"]) <= 60
        assert stats(client, OPS).status_code == 200
