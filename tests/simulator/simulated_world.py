"""The simulator and everything around it, in the words of those who use it; there is no network and no waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import responses
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from simulator.events import EventLog

ASHA = "whatsapp:+919876543210"
PHONE = "+919876543210"
PUBLIC_URL = "https://bot.example"
BOT_URL = "http://bot.internal:5000"
TOKEN = "t" * 32
OLD_TOKEN = "o" * 32
ACCOUNT = "AC" + "0" * 32
SENDER = "whatsapp:+14155238886"


def body_of(answer: TestResponse) -> Any:
    """The JSON of an answer that has to have some."""
    assert answer.is_json
    return answer.get_json()


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class Bot:
    """The bot as far as the simulator sees it: what it answers, and what it was sent."""

    def __init__(self, http: responses.RequestsMock) -> None:
        self.http = http

    def replies(self, *texts: str, path: str = "/webhook") -> None:
        messages = "".join(f"<Message>{escape(text)}</Message>" for text in texts)
        self.answers(f"<Response>{messages}</Response>", path=path)

    def answers(
        self, body: str | Exception = "", *, status: int = 200, path: str = "/webhook", content_type: str = "text/xml"
    ) -> None:
        self.http.post(BOT_URL + path, body=body, status=status, content_type=content_type)

    @property
    def requests(self) -> list[Any]:
        return [call.request for call in self.http.calls]

    @property
    def paths(self) -> list[str]:
        return [request.path_url for request in self.requests]

    @property
    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(request.body, keep_blank_values=True)) for request in self.requests]


@dataclass
class World:
    """The simulator with everything around it, in the words of those who use it."""

    client: FlaskClient
    log: EventLog
    clock: Clock
    bot: Bot
    pauses: list[float] = field(default_factory=list)

    def write(self, text: str = "Hi", *, person: str = ASHA, **more: Any) -> TestResponse:
        return self.client.post("/sim/messages", json={"from": person, "text": text} | more)

    def send(self, token: str = TOKEN, account: str = ACCOUNT, **form: str) -> TestResponse:
        """The bot sends a message over the REST API."""
        return self.client.post(
            f"/2010-04-01/Accounts/{account}/Messages.json",
            data={"To": ASHA, "From": SENDER} | form,
            auth=(account, token),
        )

    def twilio(self, method: str, path: str, **more: Any) -> TestResponse:
        """Any other call to the REST API, with credentials."""
        return self.client.open(path, method=method, auth=(ACCOUNT, TOKEN), **more)

    def rule(self, rule: dict[str, Any], person: str = ASHA) -> None:
        assert self.client.put(f"/sim/recipients/{person}", json=rule).status_code == 200

    @property
    def sent(self) -> Any:
        return body_of(self.client.get("/sim/sent"))

    def break_down(self, **faults: str | int) -> None:
        assert self.client.put("/sim/faults", json=faults).status_code == 200

    def happened(self, kind: str) -> list[dict[str, Any]]:
        return [event.fields for event in self.log.after(0) if event.kind == kind]

    def ask_for_code(self, key: str = "key-1", **changes: Any) -> TestResponse:
        answers = {"name": "Asha Patel", "sector": "Retail", "pincode": "400001"}
        body = {
            "phone_number": PHONE,
            "user_type": "MSME",
            "metadata": {"source": "whatsapp", "onboarding_data": answers},
        }
        return self.client.post("/api/send-otp", json=body | changes, headers={"Idempotency-Key": key})

    @property
    def code(self) -> str:
        return str(self.happened("sms")[-1]["code"])

    @property
    def another_code(self) -> str:
        return f"{(int(self.code) + 1) % 1_000_000:06}"
