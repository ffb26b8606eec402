"""Stand-ins for what the bot leans on: a clock that tests move, and an OTP service that does as it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from onboarding_bot.clock import Clock
from onboarding_bot.conversation.turn import OtpResult, RequestOtp

NOON = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)


@dataclass
class MovableClock:
    """A clock that stands still until somebody moves it; sleeping moves it."""

    moment: datetime = NOON

    def pass_(self, **span: float) -> None:
        """Let time pass: ``pass_(minutes=5)``."""
        self.moment += timedelta(**span)

    def _seconds(self) -> float:
        return self.moment.timestamp()

    def clock(self) -> Clock:
        """The bot's view of it."""
        return Clock(
            now=lambda: self.moment,
            monotonic=self._seconds,
            sleep=lambda seconds: self.pass_(seconds=seconds),
        )


@dataclass
class FakeOtpService:
    """Answers as ``result`` says and remembers every request; ``during`` runs while a request is under way."""

    result: OtpResult = OtpResult.SENT
    requests: list[RequestOtp] = field(default_factory=list)
    during: Callable[[], object] | None = None

    def request_otp(self, request: RequestOtp, seconds_left: float) -> OtpResult:
        self.requests.append(request)
        if self.during:
            act, self.during = self.during, None
            act()
        return self.result
