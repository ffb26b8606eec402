"""A week of people at the sign-up, for pages that show figures: real turns, on a clock that runs ahead of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from redis import Redis

from onboarding_bot.app import create_app
from onboarding_bot.storage.day_counters import day_at
from onboarding_bot.storage.keys import day_of_all
from onboarding_bot.wiring import build_parts
from tests.fakes import FakeOtpService, MovableClock
from tests.settings import settings
from tests.talker import Talker

ANSWERS = ("Hi", "Asha Devi", "7", "560001", "98765 4{:04}", "YES")
STUMBLES = {"7": "tailoring of dreams", "560001": "56001"}


def let_them_sign_up(redis: Redis, per_day: int, seed: int = 7) -> None:
    """``per_day`` people a day for a week, until a moment ago; some stumble, some stop, most arrive."""
    chance = Random(seed)
    now = datetime.now(UTC)
    clock = MovableClock(now - timedelta(days=6, minutes=30))
    otp_service = FakeOtpService()
    app = create_app(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())
    parts = build_parts(settings(), redis=redis, otp_service=otp_service, clock=clock.clock())
    # Whoever has looked at these days before has closed their books.
    redis.delete(*(day_of_all(day_at(now) - timedelta(days=back)) for back in range(7)))
    number = 0
    for day in range(7):
        clock.moment = now - timedelta(days=6 - day, minutes=30)
        parts.storage.store.count_expired_sessions(clock.moment)
        for _ in range(per_day + chance.randint(-per_day // 3, per_day // 3)):
            number += 1
            talker = Talker(app, f"whatsapp:+9190000{number:05}")
            stops_after = chance.choice((1, 2, 3, 4, 5, 6, 6, 6, 6, 6))
            for answer in ANSWERS[:stops_after]:
                if answer in STUMBLES and chance.random() < 0.2:
                    talker.says(STUMBLES[answer])
                otp_service.during = lambda: clock.pass_(milliseconds=chance.choice((180, 240, 320, 900)))
                talker.says(answer.format(number))
                clock.pass_(seconds=chance.choice((3, 5, 8)))
