"""Whatever people do, nobody leaves a step who has not entered it, and nobody leaves it twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import fakeredis
import pytest
import time_machine

from onboarding_bot.analytics.counter_layout import counters_in
from onboarding_bot.clock import Clock
from onboarding_bot.conversation.session import OnboardingStep
from onboarding_bot.conversation.turn import InboundMessage, OptOutType, OtpResult
from onboarding_bot.conversation.unanswered import UnansweredMessage
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.services.twilio_messages import SendResult, Sent
from onboarding_bot.wiring import Parts, build_parts
from tests.fakes import NOON, FakeOtpService
from tests.settings import settings
from tests.talker import new_sid

PEOPLE = [f"whatsapp:+9198765432{number:02}" for number in range(4)]
ANSWERS = {
    OnboardingStep.WELCOME: "1",
    OnboardingStep.NAME: "Asha Devi",
    OnboardingStep.SECTOR: "7",
    OnboardingStep.PINCODE: "560001",
    OnboardingStep.PHONE: "98765 43210",
    OnboardingStep.CONFIRMATION: "YES",
}
WORDS = ["Hi", "1", "2", "NO", "YES", "x", "BACK", "RESTART", "LOGIN", "RESEND", "STOP", "START", "MY DATA"]
WORDS += ["DELETE MY DATA", "HELP"]
# The last ones lie on the edge of a session's life.
PAUSES = [1, 30, 61, 7200, 82_800, 259_200, 86_399, 86_400, 86_401]
ACTS = {"write": 14, "are looked after": 2, "are erased": 1, "are caught up with": 1, "are counted": 1, "wait": 3}


class Town:
    """Some people, a bot, a worker and an admin, all of them doing something at random, one after the other."""

    def __init__(self, seed: int, travel: time_machine.Traveller) -> None:
        self.chance = random.Random(seed)
        self.travel = travel
        self.otp_service = FakeOtpService()
        self.parts: Parts = build_parts(
            settings(MESSAGES_PER_MINUTE="10000"),
            redis=fakeredis.FakeRedis(),
            otp_service=self.otp_service,
            clock=Clock(now, monotonic=time.time, sleep=travel.shift),
        )
        for sender in (self.parts.conversation.reminders, self.parts.conversation.otp_retry):
            sender._send = lambda _address, _text: Sent(SendResult.ACCEPTED)

    def act(self) -> None:
        (what,) = self.chance.choices(list(ACTS), list(ACTS.values()))
        acts: dict[str, Callable[[], object]] = {
            "write": self.write,
            "are looked after": self.look_after,
            "are erased": lambda: self.parts.people.service.erase(self.chance.choice(PEOPLE)),
            "are caught up with": self.catch_up,
            "are counted": lambda: self.parts.storage.store.count_expired_sessions(now()),
            "wait": lambda: self.travel.shift(self.chance.choice(PAUSES)),
        }
        acts[what]()

    def write(self) -> None:
        sender = self.chance.choice(PEOPLE)
        session = self.parts.storage.store.load(self.parts.storage.store.identify(sender)).session
        answer = ANSWERS.get(session.current_step) if session else None
        text = answer if answer and self.chance.random() < 0.6 else self.chance.choice(WORDS)
        self.otp_service.result = self.chance.choice([OtpResult.SENT, *OtpResult][:6])
        heard = self.chance.choice([*OptOutType]) if self.chance.random() < 0.05 else None
        self.parts.conversation.bot.answer(InboundMessage(new_sid(), sender, text, opt_out=heard))

    def look_after(self) -> None:
        for work, person_id in self.parts.storage.store.take_due(now(), timedelta(minutes=1)):
            if work is DueWork.REMINDER:
                self.parts.conversation.reminders.remind(person_id)
            elif work is DueWork.OTP:
                self.parts.conversation.otp_retry.retry(person_id)

    def catch_up(self) -> None:
        sender, catch_up = self.chance.choice(PEOPLE), self.parts.conversation.catch_up
        known = self.parts.storage.store.load(self.parts.storage.store.identify(sender))
        message = InboundMessage(new_sid(), sender, self.chance.choice(WORDS))
        unanswered = UnansweredMessage(message, now() - timedelta(hours=1))
        turn = catch_up._engine.answer_unanswered(
            known.session, known.contact, [unanswered], is_answered=self.chance.random() < 0.2, is_reachable=True
        )
        if turn:
            catch_up._committer.commit(known, turn)

    def counted(self) -> tuple[Counter[str], Counter[OnboardingStep]]:
        """What was counted since the beginning, and who is in which step now."""
        sums = self.parts.storage.store.add_up(now(), 90)
        counters: Counter[str] = Counter()
        for row in sums.days.values():
            counters.update(counters_in(row))
        return counters, Counter(sums.sessions)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("seed", range(6))
def test_whoever_left_a_step_had_entered_it(seed: int) -> None:
    with time_machine.travel(NOON, tick=False) as travel:
        town = Town(seed, travel)
        for _ in range(80):
            town.act()
        counters, live = town.counted()
        assert all(count >= 0 for count in counters.values())
        assert not counters["unlisted"]
        for step in OnboardingStep:
            left = counters[f"completed:{step}"] + counters[f"ended:{step}"]
            if step is not OnboardingStep.COMPLETED:  # who is registered comes back to it, and enters nothing
                assert counters[f"entered:{step}"] >= left + live[step], step
            timed = sum(count for name, count in counters.items() if name.startswith(f"seconds:{step}:"))
            assert timed == counters[f"completed:{step}"], step
