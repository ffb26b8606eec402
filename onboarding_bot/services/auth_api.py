"""MSMEBazaar's auth API: have an OTP sent, within one deadline, and say for certain what is known of the outcome."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as CallTimeoutError
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from onboarding_bot.conversation.turn import OtpResult, RequestOtp
from onboarding_bot.observability import metrics
from onboarding_bot.observability.logs import logger
from onboarding_bot.observability.tracing import current_trace
from onboarding_bot.services.breaker import CircuitBreaker

CONNECT_SECONDS = 2.0
PAUSE_SECONDS = 0.5
SHORTEST_CALL_SECONDS = 0.05
LONGEST_BODY = 64 * 1024
CALLS_AT_ONCE = 100
# So many OTP requests in a row that had no SMS sent make the API ill, for so long after the last of them.
IN_VAIN_IN_A_ROW = 5
IN_VAIN_SECONDS = 600.0

_NOT_PROCESSED = frozenset({429, 503})
_REFUSED = frozenset({400, 409, 422})
_OUR_FAULT = frozenset({401, 403, 404, 405})


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one call told: a result, and the seconds to wait where trying again makes sense."""

    result: OtpResult
    label: str
    retry_after: float | None = None
    service_is_well: bool = False


class AuthApi:
    """The client. One for each process: its connections are pooled, its breaker is shared by all threads."""

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
        self._deadline_seconds = deadline_seconds
        self.breaker = breaker or CircuitBreaker()
        self._clock = clock
        self._sleep = sleep
        self._in_vain, self._last_in_vain = 0, 0.0
        self._calls = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="auth-api")
        self._session = requests.Session()
        # Retries follow one deadline of our own; urllib3's would sleep through a Retry-After of any length.
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=CALLS_AT_ONCE, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def request_otp(self, request: RequestOtp, seconds_left: float) -> OtpResult:
        """Ask for an OTP, trying again while that is harmless and time is left.

        ``seconds_left`` is what the webhook can still wait. Never raises for what the network or the API does:
        every ending is one of OtpResult. The API's own words go nowhere.
        """
        started = self._clock()
        if not self.breaker.allows_call():
            self._log(_Attempt(OtpResult.NOT_SENT, "breaker_open"), tries=0, started=started)
            return OtpResult.NOT_SENT
        deadline = started + min(self._deadline_seconds, seconds_left)
        attempt, tries = self._try_once(request, deadline), 1
        while attempt.retry_after is not None and self._clock() + attempt.retry_after < deadline:
            self._sleep(attempt.retry_after)
            attempt, tries = self._try_once(request, deadline), tries + 1
        if attempt.service_is_well:
            self.breaker.succeeded()
        else:
            self.breaker.failed()
        self._log(attempt, tries, started)
        if attempt.result in {OtpResult.NOT_SENT, OtpResult.AMBIGUOUS}:
            self._in_vain, self._last_in_vain = self._in_vain + 1, self._clock()
        else:
            self._in_vain = 0
        return attempt.result

    def is_healthy(self, timeout_seconds: float) -> bool:
        """Whether ``GET /health`` answers 200, and OTP requests have not all been in vain of late, whatever it says."""
        if self._in_vain >= IN_VAIN_IN_A_ROW and self._clock() - self._last_in_vain < IN_VAIN_SECONDS:
            return False
        try:
            with self._session.get(
                self._health_url, timeout=timeout_seconds, allow_redirects=False, stream=True
            ) as response:
                return response.status_code == HTTPStatus.OK
        except requests.RequestException:
            return False

    def _try_once(self, request: RequestOtp, deadline: float) -> _Attempt:
        """One call. It has a thread of its own, for a time-out of a socket says nothing of an answer that drips in."""
        seconds = max(deadline - self._clock(), SHORTEST_CALL_SECONDS)
        call = self._calls.submit(self._call, request, current_trace().traceparent(), seconds)
        try:
            return call.result(timeout=seconds + SHORTEST_CALL_SECONDS)
        except CallTimeoutError:
            if call.cancel():
                return _Attempt(OtpResult.NOT_SENT, "too_many_calls")
            return _Attempt(OtpResult.AMBIGUOUS, "timeout")

    def _call(self, request: RequestOtp, traceparent: str, seconds: float) -> _Attempt:
        try:
            with self._session.post(
                self._otp_url,
                json=_payload(request),
                headers={"Idempotency-Key": request.intention_id, "traceparent": traceparent},
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._read(response)
        except requests.ConnectTimeout:
            return _Attempt(OtpResult.NOT_SENT, "connect_timeout", retry_after=PAUSE_SECONDS)
        except requests.ConnectionError as error:
            if _never_connected(error):
                return _Attempt(OtpResult.NOT_SENT, "connect_failed", retry_after=PAUSE_SECONDS)
            return _Attempt(OtpResult.AMBIGUOUS, "connection_reset")
        except requests.Timeout:
            return _Attempt(OtpResult.AMBIGUOUS, "timeout")
        except requests.RequestException:
            return _Attempt(OtpResult.AMBIGUOUS, "broken_answer")

    def _read(self, response: requests.Response) -> _Attempt:
        status = response.status_code
        label = f"http_{status}"
        if status in _NOT_PROCESSED:
            return _Attempt(OtpResult.NOT_SENT, label, retry_after=_retry_after(response))
        if status in _OUR_FAULT:
            return _Attempt(OtpResult.NOT_SENT, label, service_is_well=True)
        if status in _REFUSED:
            known = status == HTTPStatus.CONFLICT
            result = OtpResult.REFUSED_KNOWN_NUMBER if known else OtpResult.REFUSED
            return _Attempt(result, label, service_is_well=True)
        if status != HTTPStatus.OK:
            return _Attempt(OtpResult.AMBIGUOUS, label)
        match _success(response):
            case True:
                return _Attempt(OtpResult.SENT, "sent", service_is_well=True)
            case False:
                return _Attempt(OtpResult.REFUSED, "success_false", service_is_well=True)
            case _:
                return _Attempt(OtpResult.AMBIGUOUS, "not_json")

    def _log(self, attempt: _Attempt, tries: int, started: float) -> None:
        is_our_fault = attempt.label in {f"http_{status}" for status in _OUR_FAULT}
        log = logger().error if is_our_fault else logger().info
        seconds = self._clock() - started
        log("auth_api", outcome=attempt.label, tries=tries, duration=round(seconds, 4))
        metrics.auth_api_answered(attempt.label, seconds, self.breaker.state)


def _payload(request: RequestOtp) -> dict[str, Any]:
    return {
        "phone_number": request.data["phone"],
        "user_type": "MSME",
        "metadata": {
            "source": "whatsapp",
            "onboarding_data": {field: request.data[field] for field in ("name", "sector", "pincode")},
        },
    }


def _retry_after(response: requests.Response) -> float:
    """Seconds to wait; the header's date form and anything unreadable count as a short pause."""
    header = response.headers.get("Retry-After", "")
    return max(float(header), PAUSE_SECONDS) if header.isascii() and header.isdigit() else PAUSE_SECONDS


def _never_connected(error: requests.ConnectionError) -> bool:
    """Whether the request cannot have arrived: no name, no route, or nobody listening."""
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _success(response: requests.Response) -> bool | None:
    """The answer's ``success``, or None when the body is too long or not the JSON that it should be."""
    body = b""
    for chunk in response.iter_content(4096):
        body += chunk
        if len(body) > LONGEST_BODY:
            return None
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    success = answer.get("success") if isinstance(answer, dict) else None
    return success if isinstance(success, bool) else None
