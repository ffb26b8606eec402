"""How long GET /stats takes with a thousand, a hundred thousand and a million people, on one Redis and on a cluster.

``python -m bench.stats`` starts a redis-server of its own for each size, fills it with the keys that so many live
sessions and ninety days leave behind, asks as an operator does, and prints medians, ratios, and what Redis was asked.
"""

from __future__ import annotations

import base64
import random
import secrets
import shutil
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise

from flask import Flask
from redis import Redis

from bench.broadcast import answers_ping, until
from bench.worker_classes import free_port, process
from onboarding_bot.analytics.counter_layout import COUNTER_NAMES, position_of
from onboarding_bot.analytics.histograms import STEP_SECONDS, WEBHOOK_MILLISECONDS, bucket_of
from onboarding_bot.analytics.postal_circles import CIRCLES
from onboarding_bot.app import create_app
from onboarding_bot.config import load_settings
from onboarding_bot.conversation.contact import Contact
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.session import SESSION_LIFETIME, OnboardingStep, UserSession
from onboarding_bot.observability.logs import configure_logs
from onboarding_bot.storage.day_counters import day_at
from onboarding_bot.storage.encryption import Cipher
from onboarding_bot.storage.keys import SHARDS, Keys, counters_of, day_of_shard, shard_of
from onboarding_bot.storage.records import Sealer

SIZES = (1_000, 100_000, 1_000_000)
DAYS = 90
ASKED = 200
BATCH = 2_000
# A cluster's second port lies 10,000 above.
HIGHEST_PORT = 55_000
ADMIN_KEY = "admin-key-of-the-bench"
PERSON_KEY = "person-key-of-the-bench"
ENCRYPTION_KEY = secrets.token_bytes(32)
# The promises: milliseconds in the median, and how much more a million people may cost than a thousand.
ONE_DAY_MS, NINETY_DAYS_MS, MOST_TIMES = 15.0, 40.0, 1.5

_STEPS = tuple(OnboardingStep)


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians in milliseconds; ``first_ms`` is the question that rolls ninety days up."""

    one_day_ms: float
    first_ms: float
    ninety_days_ms: float
    commands: dict[str, int]


def counters_of_a_sign_up(chance: random.Random) -> tuple[OnboardingStep, list[str]]:
    """Where somebody stands, and what was counted on the way there."""
    reached = chance.randrange(1, len(_STEPS))
    names = ["started", "started:language:en"]
    for step, following in pairwise(_STEPS[1 : reached + 1]):
        waited = bucket_of(chance.lognormvariate(3, 1.5), STEP_SECONDS)
        names += [f"completed:{step}", f"seconds:{step}:{waited}", f"entered:{following}"]
    if reached > _STEPS.index(OnboardingStep.SECTOR):
        names.append(f"started:sector:{chance.choice(SECTORS)}")
    if reached > _STEPS.index(OnboardingStep.PINCODE):
        names.append(f"started:circle:{chance.choice(CIRCLES)}")
    for _ in range(reached):
        names += ["webhooks", f"milliseconds:{bucket_of(chance.lognormvariate(1, 1), WEBHOOK_MILLISECONDS)}"]
    if chance.random() < 0.2:
        names.append(f"invalid:name:{chance.choice(['name.short', 'name.characters', 'name.word'])}")
    return _STEPS[reached], names


def fill(redis_port: int, first: int, count: int, key: bytes) -> Counter[tuple[int, str]]:
    """Put people into the store in the middle of the sign-up; what they counted, by shard."""
    redis = Redis(port=redis_port)
    keys, sealer, now = Keys(PERSON_KEY), Sealer(Cipher([key])), datetime.now(UTC)
    counted: Counter[tuple[int, str]] = Counter()
    for start in range(first, first + count, BATCH):
        pipeline = redis.pipeline(transaction=False)
        for number in range(start, min(start + BATCH, first + count)):
            address = f"whatsapp:+9170{number:08}"
            person_id = keys.person_id(address)
            step, names = counters_of_a_sign_up(random.Random(number))  # the same people every time
            counted.update((shard_of(person_id), name) for name in names)
            session, contact = UserSession.start(step, now, {"name": "Asha Devi"}), Contact(address, "en", now, now)
            pipeline.set(keys.session(person_id), sealer.seal(session.to_record(), "session", person_id))
            pipeline.set(keys.contact(person_id), sealer.seal(contact.to_record(), "contact", person_id))
            pipeline.zadd(keys.contacts(person_id), {person_id: now.timestamp() * 1000})
            expiry = (now + SESSION_LIFETIME).timestamp() * 1000
            pipeline.zadd(keys.steps(person_id)[step], {person_id: expiry})
        pipeline.execute()
    return counted


def fill_all(redis_port: int, people: int) -> None:
    """Both cores at it; then the counters, today and for each day before it."""
    half = people // 2
    counted: Counter[tuple[int, str]] = Counter()
    with ProcessPoolExecutor(2) as pool:
        for begun in [
            pool.submit(fill, redis_port, first, count, ENCRYPTION_KEY)
            for first, count in ((0, half), (half, people - half))
        ]:
            counted += begun.result()
    rows = [[0] * len(COUNTER_NAMES) for _ in range(SHARDS)]
    for (shard, name), count in counted.items():
        rows[shard][position_of(name)] = count
    redis, today = Redis(port=redis_port), day_at(datetime.now(UTC))
    for shard, row in enumerate(rows):
        value = struct.pack(f">{len(row)}q", *row)
        pipeline = redis.pipeline(transaction=False)
        pipeline.hset(counters_of(shard), mapping={"webhooks": 9, "started": 9, "completed": 9, "failures": 1})
        for back in range(DAYS):
            pipeline.set(day_of_shard(shard, today - timedelta(days=back)), value)
        pipeline.execute()


@contextmanager
def running_redis(*, is_cluster: bool) -> Iterator[int]:
    """A redis-server of its own, alone or as a cluster of one node; its port."""
    binary, port = shutil.which("redis-server") or sys.exit("this bench needs redis-server"), free_port()
    while port >= HIGHEST_PORT:
        port = free_port()
    options = ("--cluster-enabled", "yes") if is_cluster else ()
    with (
        tempfile.TemporaryDirectory() as folder,
        process(binary, "--port", str(port), "--save", "", "--dir", folder, *options),
    ):
        until(lambda: answers_ping(port), "redis-server")
        if is_cluster:
            redis = Redis(port=port)
            redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            until(lambda: redis.execute_command("CLUSTER INFO")["cluster_state"] == "ok", "the cluster")
        yield port


def app_on(redis_url: str) -> Flask:
    """The bot on that Redis, with nobody else in reach."""
    return create_app(
        load_settings(
            {
                "FLASK_ENV": "production",
                "PUBLIC_BASE_URL": "http://127.0.0.1:1",
                "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
                "TWILIO_AUTH_TOKEN": "token-of-the-bench",
                "AUTH_API_URL": "http://127.0.0.1:1",
                "WEB_APP_URL": "http://127.0.0.1:1",
                "ADMIN_API_KEY": ADMIN_KEY,
                "HANDOFF_API_KEY": "handoff-key-of-the-bench",
                "SESSION_ENCRYPTION_KEYS": base64.urlsafe_b64encode(ENCRYPTION_KEY).decode(),
                "PERSON_ID_KEY": PERSON_KEY,
                "SUPPORT_CONTACT": "nobody",
                "REDIS_URL": redis_url,
            }
        )
    )


def ask(app: Flask, days: int) -> float:
    """The milliseconds of one answer."""
    client = app.test_client()
    began = time.perf_counter()
    answer = client.get(f"/stats?days={days}", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    took = (time.perf_counter() - began) * 1000
    if answer.status_code != HTTPStatus.OK:
        sys.exit(answer.get_data(as_text=True))
    return took


def measure(people: int, *, is_cluster: bool) -> Measured:
    """One size on one server."""
    with running_redis(is_cluster=is_cluster) as port:
        fill_all(port, people)
        app = app_on(f"{'redis+cluster' if is_cluster else 'redis'}://127.0.0.1:{port}")
        redis = Redis(port=port)
        ask(app, 1)
        redis.config_resetstat()
        one_day = [ask(app, 1) for _ in range(ASKED)]
        first = ask(app, DAYS)
        ninety_days = [ask(app, DAYS) for _ in range(ASKED)]
        commands = {name.removeprefix("cmdstat_"): each["calls"] for name, each in redis.info("commandstats").items()}
    return Measured(statistics.median(one_day), first, statistics.median(ninety_days), commands)


def main() -> int:
    """Print a line for each size and server; 1 when a promise is not kept."""
    configure_logs("WARNING")
    broken = 0
    for is_cluster in (False, True):
        print(f"{'cluster of one node' if is_cluster else 'one redis-server'}: medians of {ASKED}")
        print("   people   1 day ms   first 90 ms   90 days ms   to 1,000 people")
        base = None
        for people in SIZES:
            seen = measure(people, is_cluster=is_cluster)
            base = base or seen.one_day_ms
            times = seen.one_day_ms / base
            print(
                f"{people:>9,} {seen.one_day_ms:>10.1f} {seen.first_ms:>13.1f} {seen.ninety_days_ms:>12.1f}"
                f" {times:>17.2f}",
                flush=True,
            )
            scanned = {"keys", "scan", "sscan", "hscan", "zscan"} & seen.commands.keys()
            broken += bool(scanned) + (seen.one_day_ms > ONE_DAY_MS) + (seen.ninety_days_ms > NINETY_DAYS_MS)
            broken += times > MOST_TIMES
        print("   commands:", ", ".join(f"{name} {calls:,}" for name, calls in sorted(seen.commands.items())))
    print("every promise is kept" if not broken else f"{broken} promises are broken")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
