"""MSMEBazaar's auth API: request an OTP within one deadline, and say for certain what is known of the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from onboarding_bot.conversation.turn import OtpResult, RequestOtp
from onboarding_bot.observability import metrics
from onboarding_bot.observability.logs import logger
from onboarding_bot.services.circuit_breaker import CircuitBreaker
from onboarding_bot.services.transport import Answer, Call, Ending, NoAnswer, RetryPolicy, TimeLimits, Transport

CONNECT_SECONDS = 2.0
PAUSE_SECONDS = 0.5
LARGEST_BODY = 64 * 1024
CALLS_AT_ONCE = 100
# After this many OTP requests in a row without an SMS the API counts as unhealthy, until so long after the last one.
FAILED_REQUESTS_IN_A_ROW = 5
FAILED_REQUESTS_SECONDS = 600.0

_NOT_PROCESSED = frozenset({429, 503})
_REFUSED = frozenset({400, 409, 422})
_WRONG_SETTINGS = frozenset({401, 403, 404, 405})


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an ending means; ``label`` names it in the log and in metrics."""

    result: OtpResult
    label: str
    service_is_well: bool = False


class AuthApi:
    """The client. One for each process: its connections are pooled, and all threads share its breaker."""

    def __init__(
        self,
        url: str,
        otp_path: str,
        deadline_seconds: float,
        breaker: CircuitBreaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._otp_url = f"{url}{otp_path}"
        self._health_url = f"{url}/health"
        self.breaker = breaker or CircuitBreaker()
        self._clock = clock
        self._failed_requests, self._last_failed_at = 0, 0.0
        limits = TimeLimits(connect=CONNECT_SECONDS, deadline=deadline_seconds)
        self._transport = Transport(
            "auth_api",
            limits,
            RetryPolicy(statuses=_NOT_PROCESSED, pause=PAUSE_SECONDS),
            largest_body=LARGEST_BODY,
            calls_at_once=CALLS_AT_ONCE,
            breaker=self.breaker,
            is_well=lambda answer: _outcome(answer).service_is_well,
            clock=clock,
            sleep=sleep,
        )
        # OTP requests that hang keep no probe waiting, and an open breaker stops none.
        self._health_transport = Transport("auth_api_health", limits, largest_body=LARGEST_BODY, clock=clock)

    def request_otp(self, request: RequestOtp, seconds_left: float) -> OtpResult:
        """Request an OTP, again while that is harmless and time is left.

        ``seconds_left`` is what the webhook can still wait. Never raises for what the network or the API does:
        every ending is one of OtpResult. The API's own words go nowhere.
        """
        call = self._transport.call(
            "POST",
            self._otp_url,
            payload=_payload(request),
            # The same for each try: the API sends one SMS for it.
            headers={"Idempotency-Key": request.intention_id},
            seconds_left=seconds_left,
        )
        outcome = _outcome(call.ending)
        self._log(outcome, call)
        if outcome.result not in {OtpResult.NOT_SENT, OtpResult.AMBIGUOUS}:
            self._failed_requests = 0
        elif call.tries:
            self._failed_requests, self._last_failed_at = self._failed_requests + 1, self._clock()
        return outcome.result

    def is_healthy(self, timeout_seconds: float) -> bool:
        """Whether ``GET /health`` answers 200; false while all recent OTP requests have failed, also with a 200."""
        if (
            self._failed_requests >= FAILED_REQUESTS_IN_A_ROW
            and self._clock() - self._last_failed_at < FAILED_REQUESTS_SECONDS
        ):
            return False
        ending = self._health_transport.call("GET", self._health_url, seconds_left=timeout_seconds).ending
        return isinstance(ending, Answer) and ending.status == HTTPStatus.OK

    def _log(self, outcome: _Outcome, call: Call) -> None:
        is_our_fault = outcome.label in {f"http_{status}" for status in _WRONG_SETTINGS}
        log = logger().error if is_our_fault else logger().info
        log("auth_api", outcome=outcome.label, tries=call.tries, duration=round(call.seconds, 4))
        metrics.auth_api_answered(outcome.label, call.seconds, self.breaker.state)


def _payload(request: RequestOtp) -> dict[str, Any]:
    return {
        "phone_number": request.data["phone"],
        "user_type": "MSME",
        "metadata": {
            "source": "whatsapp",
            "onboarding_data": {field: request.data[field] for field in ("name", "sector", "pincode")},
        },
    }


def _outcome(ending: Ending) -> _Outcome:
    if isinstance(ending, NoAnswer):
        return _Outcome(OtpResult.AMBIGUOUS if ending.may_have_arrived else OtpResult.NOT_SENT, ending.failure)
    status, label = ending.status, f"http_{ending.status}"
    if status in _NOT_PROCESSED:
        return _Outcome(OtpResult.NOT_SENT, label)
    if status in _WRONG_SETTINGS:
        return _Outcome(OtpResult.NOT_SENT, label, service_is_well=True)
    if status in _REFUSED:
        is_known_number = status == HTTPStatus.CONFLICT
        result = OtpResult.REFUSED_KNOWN_NUMBER if is_known_number else OtpResult.REFUSED
        return _Outcome(result, label, service_is_well=True)
    if status != HTTPStatus.OK:
        return _Outcome(OtpResult.AMBIGUOUS, label)
    match ending.members().get("success"):
        case True:
            return _Outcome(OtpResult.SENT, "sent", service_is_well=True)
        case False:
            return _Outcome(OtpResult.REFUSED, "success_false", service_is_well=True)
        case _:
            return _Outcome(OtpResult.AMBIGUOUS, "not_json")
