"""A load of signed webhooks from many owners at once, and how long each of them waited."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from twilio.request_validator import RequestValidator

NO_ANSWER = 0
PATIENCE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load saw: answers a second, and the waiting times in milliseconds."""

    per_second: float
    median_ms: float
    p95_ms: float
    failures: int


class Owner:
    """One phone with a connection of its own."""

    def __init__(self, bot_url: str, auth_token: str, sender: str) -> None:
        self._url = f"{bot_url}/webhook"
        self._validator = RequestValidator(auth_token)
        self._sender = sender
        self._connection = http.client.HTTPConnection(urlsplit(bot_url).netloc, timeout=PATIENCE_SECONDS)
        self._sent = 0

    def says(self, text: str) -> int:
        """Deliver one message; the status of the answer, or NO_ANSWER."""
        self._sent += 1
        form = {"From": self._sender, "MessageSid": f"SM{self._sender[-10:]}{self._sent:020}", "Body": text}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": self._validator.compute_signature(self._url, form),
        }
        try:
            self._connection.request("POST", "/webhook", urlencode(form), headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next message opens it again
            return NO_ANSWER
        return answer.status

    def answers_everything(self) -> None:
        """From the first Hi to the summary."""
        for text in ("Hi", "Asha Devi", "7", "560001", "9876543210"):
            self.says(text)


def measure(owners: list[Owner], seconds: float) -> Measured:
    """All owners write STATUS again and again, each waiting for the answer before the next."""
    waits: list[float] = []
    failures: list[int] = []
    end = time.perf_counter() + seconds

    def chat(owner: Owner) -> None:
        while (started := time.perf_counter()) < end:
            if owner.says("STATUS") != HTTPStatus.OK:
                failures.append(1)
            waits.append((time.perf_counter() - started) * 1000)

    threads = [threading.Thread(target=chat, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Measured(
        per_second=len(waits) / seconds,
        median_ms=statistics.median(waits),
        p95_ms=statistics.quantiles(waits, n=20)[-1],
        failures=len(failures),
    )
