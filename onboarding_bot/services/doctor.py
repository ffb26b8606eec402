"""The doctor: calls Twilio, and the bot through its public address, and tells an operator what to mend."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from twilio.request_validator import RequestValidator
from urllib3.exceptions import NameResolutionError

from onboarding_bot.config import Settings
from onboarding_bot.renamed_commands import become
from onboarding_bot.services.transport import Answer, Failure, NoAnswer, TimeLimits, Transport

LIMITS = TimeLimits(connect=5.0, read=10.0, deadline=20.0)
LARGEST_BODY = 64 * 1024
WEBHOOK_PATHS = ("/webhook", "/webhook/fallback")
NOT_WELL = ("unhealthy", "degraded")


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; ``advice`` says what to do where it failed, and is empty where it did not."""

    subject: str
    advice: str = ""

    @property
    def is_well(self) -> bool:
        """Whether the check succeeded."""
        return not self.advice

    def __str__(self) -> str:
        return f"ok    {self.subject}" if self.is_well else f"FAIL  {self.subject}: {self.advice}"


_PART_ADVICE = {
    "redis": "a part of the Redis cluster takes no writes, so some people get no reply: /health names its servers",
    "auth_api": "the auth API does not answer or sends no OTP: look at it, AUTH_API_URL and AUTH_API_OTP_PATH",
    "worker": "no worker runs, so broadcasts and reminders wait: start python -m onboarding_bot worker",
    "queue": "the worker's queue stands still or takes no jobs: look at QUEUE_REDIS_URL, and at the worker's log",
    "webhook": "no webhook was ever signed by Twilio: set the webhook's URL at Twilio, and write to the sender",
    "status_callback": "Twilio took messages and told nothing of them: let it through to /status-callback",
}


class Doctor:
    """Runs all checks, one after the other. No finding shows a secret, nor an error's words, which might."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._transport = Transport("doctor", LIMITS, largest_body=LARGEST_BODY, clock=clock)

    def examine(self) -> Iterator[Finding]:
        """The finding of each check, as soon as the check has ended."""
        tokens = self._settings.twilio_auth_tokens
        for number, token in enumerate(tokens, start=1):
            yield self._credentials(_numbered("auth token", number, len(tokens)), token)
        for path in WEBHOOK_PATHS:
            for number, token in enumerate(tokens, start=1):
                yield self._webhook(path, _numbered("auth token", number, len(tokens)), token)
        yield self._health()

    def _credentials(self, which: str, token: str) -> Finding:
        base, sid = self._settings.twilio_api_base_url, self._settings.twilio_account_sid
        subject = f"Twilio accepts the account SID with the {which}"
        url = f"{base}/2010-04-01/Accounts/{sid}.json"
        answer = self._transport.call("GET", url, auth=(sid, token)).ending
        if isinstance(answer, NoAnswer):
            return Finding(subject, f"{_shown(base)} {_no_answer_advice(answer)}")
        if answer.status == HTTPStatus.OK and answer.members().get("sid") == sid:
            status = str(answer.members().get("status", ""))
            return Finding(subject, "" if status == "active" else _not_active(status))
        return Finding(subject, _credentials_advice(answer.status))

    def _webhook(self, path: str, which: str, token: str) -> Finding:
        """A form without From and MessageSid: the bot verifies the signature, answers 400, and stores nothing."""
        url = f"{self._settings.public_base_url}{path}"
        subject = f"{_shown(url)} takes what is signed with the {which}"
        form = {"AccountSid": self._settings.twilio_account_sid, "Body": "doctor"}
        signature = RequestValidator(token).compute_signature(url, form)
        answer = self._transport.call("POST", url, form=form, headers={"X-Twilio-Signature": signature}).ending
        if isinstance(answer, NoAnswer):
            return Finding(subject, f"it {_no_answer_advice(answer)}")
        return Finding(subject, _webhook_advice(answer))

    def _health(self) -> Finding:
        url = f"{self._settings.public_base_url}/health"
        subject = f"{_shown(url)} says that all is well"
        answer = self._transport.call("GET", url).ending
        if isinstance(answer, NoAnswer):
            return Finding(subject, f"it {_no_answer_advice(answer)}")
        return Finding(subject, _health_advice(answer))


def _no_answer_advice(missing: NoAnswer) -> str:
    """What to do when no answer came, by the kind of failure."""
    cause = missing.error.args[0] if missing.error and missing.error.args else None
    match missing.error, missing.failure:
        case requests.exceptions.SSLError(), _:
            return "has no valid TLS certificate for this name: renew it, or serve the whole chain"
        case requests.exceptions.ProxyError(), _:
            return "is behind an HTTP proxy that does not answer: look at HTTPS_PROXY and NO_PROXY on this machine"
        case _, Failure.CONNECT_TIMEOUT:
            return "cannot be reached in time: look at firewalls and at the address in its DNS record"
        case _, Failure.CONNECT_FAILED if isinstance(getattr(cause, "reason", None), NameResolutionError):
            return "has a name that DNS does not know: look for a typing mistake, or add the record"
        case _, Failure.CONNECT_FAILED:
            return "refuses connections: start what is to listen there (the proxy, the tunnel), and look at its port"
        case _, Failure.CONNECTION_RESET:
            return "breaks the connection off: look at the log of the proxy in front of it"
        case _, Failure.BROKEN_ANSWER:
            return "is not an address that can be asked: look at how its URL is written"
        case _:
            return "takes the request but answers too late: look at what stands behind it"


def _credentials_advice(status: int) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND:
            return "it does not: copy both from the Twilio Console again, and take out a token that was replaced"
        case HTTPStatus.FORBIDDEN:
            return "it does not (403): test credentials receive no messages; take the live ones"
        case _ if 300 <= status < 400:
            return "it redirects, and credentials are not sent on: set TWILIO_API_BASE_URL to the API's own address"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return "it has had too many requests (429): try again in a minute"
        case _ if status >= 500:
            return f"it has trouble of its own ({status}): look at status.twilio.com, and try again"
        case _:
            return f"it answered {status}, which is not Twilio's way: look at TWILIO_API_BASE_URL"


def _not_active(status: str) -> str:
    return f"it does, but the account is {status or 'of an unknown status'}: mend that in the Twilio Console"


def _webhook_advice(answer: Answer) -> str:
    is_plain_word_of_the_bot = answer.text.startswith(("From and MessageSid", "The signature does not fit"))
    match answer.status:
        case HTTPStatus.BAD_REQUEST if is_plain_word_of_the_bot:
            return ""
        case HTTPStatus.FORBIDDEN if is_plain_word_of_the_bot:
            return (
                "the bot refuses the signature (403): restart it with this PUBLIC_BASE_URL and TWILIO_AUTH_TOKEN, "
                "and have the proxy pass path, query and form on unchanged; the log line signature_refused names "
                "the URL that was verified"
            )
        case HTTPStatus.FORBIDDEN | HTTPStatus.UNAUTHORIZED:
            return f"something in front of the bot refuses ({answer.status}): let Twilio through your firewall or proxy"
        case HTTPStatus.OK | HTTPStatus.BAD_REQUEST:
            return f"somebody else than the bot answered ({answer.status}): look at where the proxy sends this path"
        case _:
            return _proxy_advice(answer.status)


def _health_advice(answer: Answer) -> str:
    match answer.status, answer.members().get("status"):
        case HTTPStatus.OK, "healthy":
            return ""
        case HTTPStatus.OK, "degraded":
            return _parts_advice(answer)
        case HTTPStatus.SERVICE_UNAVAILABLE, "unhealthy":
            return "Redis takes no writes, so nobody gets a reply: /health has the reason; look at REDIS_URL"
        case HTTPStatus.OK, _:
            return "somebody else than the bot answered: look at where the proxy sends this path"
        case _:
            return _proxy_advice(answer.status)


def _parts_advice(answer: Answer) -> str:
    services = answer.members().get("services")
    parts = services.items() if isinstance(services, dict) else ()
    failing = [name for name, part in parts if isinstance(part, dict) and part.get("status") in NOT_WELL]
    advice = [_PART_ADVICE[name] for name in failing if name in _PART_ADVICE]
    return "; ".join(advice) or "a part is missing: look at /health"


def _proxy_advice(status: int) -> str:
    match status:
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return f"nothing takes this path ({status}): have the proxy pass it to the bot as it is"
        case HTTPStatus.BAD_GATEWAY | HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.GATEWAY_TIMEOUT:
            return f"the proxy does not reach the bot ({status}): start the bot, and have the proxy point at its PORT"
        case _ if 300 <= status < 400:
            return f"it redirects ({status}): set PUBLIC_BASE_URL to the final address, and that same one at Twilio"
        case _:
            return f"it answered {status}: look at the logs of the proxy and of the bot"


def _numbered(what: str, number: int, count: int) -> str:
    return what if count == 1 else f"{what} number {number}"


def _shown(url: str) -> str:
    """A URL without the user name and password that may be in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


if __name__ == "__main__":
    become("doctor")
