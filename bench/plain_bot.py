"""A plain sign-up bot to measure against: Flask, one GET and one SETEX for each message, and no guard of any kind.

It checks no signature, encrypts nothing, answers a repeated message twice, counts nothing and limits nobody.
``gunicorn bench.plain_bot:app`` serves it; REDIS_URL and AUTH_API_URL say whom it talks to.
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime

import redis
import requests
from flask import Flask, Response, request
from twilio.twiml.messaging_response import MessagingResponse

SECTORS = (
    *("Manufacturing", "Retail", "Technology", "Healthcare", "Education", "Food & Beverage"),
    *("Textile", "Agriculture", "Construction", "Transportation", "Services", "Other"),
)
SESSION_SECONDS = 24 * 60 * 60
AUTH_API_SECONDS = 10

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger(__name__)


class WhatsAppBot:
    """Six steps, kept as JSON under the sender's number."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)

    def answer(self, sender: str, text: str) -> str:
        """The reply to one message; the session is stored before it is returned."""
        stored = self._redis.get(f"session:{sender}")
        session = json.loads(str(stored)) if stored else self._new_session()
        reply = self._step(session, text.strip())
        session["updated_at"] = datetime.now(UTC).isoformat()
        self._redis.setex(f"session:{sender}", SESSION_SECONDS, json.dumps(session))
        return reply

    def _new_session(self) -> dict[str, object]:
        return {"current_step": "welcome", "data": {}, "created_at": datetime.now(UTC).isoformat()}

    def _step(self, session: dict[str, object], text: str) -> str:
        data = session["data"]
        assert isinstance(data, dict)
        match session["current_step"]:
            case "welcome":
                session["current_step"] = "name"
                return "Welcome to MSMEBazaar! We will sign you up in a minute. What is your full name?"
            case "name":
                if len(text) < 2:
                    return "Please send your full name, with at least two letters."
                data["name"], session["current_step"] = text, "sector"
                menu = "\n".join(f"{number}. {sector}" for number, sector in enumerate(SECTORS, start=1))
                return f"Thank you, {text}. What is your sector?\n{menu}"
            case "sector":
                if not text.isdigit() or not 1 <= int(text) <= len(SECTORS):
                    return "Please send a number from 1 to 12."
                data["sector"], session["current_step"] = SECTORS[int(text) - 1], "pincode"
                return f"Sector: {data['sector']}. What is your pincode (6 digits)?"
            case "pincode":
                if not re.fullmatch("[1-9][0-9]{5}", text):
                    return "A pincode has 6 digits. Please send it again."
                data["pincode"], session["current_step"] = text, "phone"
                return f"Pincode: {text}. What is your mobile number?"
            case "phone":
                if not re.fullmatch("[6-9][0-9]{9}", text):
                    return "A mobile number has 10 digits. Please send it again."
                data["phone"], session["current_step"] = f"+91{text}", "confirmation"
                lines = "\n".join(f"{name}: {value}" for name, value in data.items())
                return f"Please check:\n{lines}\nReply YES to confirm or NO to start again."
            case "confirmation" if text.lower() == "yes":
                answer = requests.post(
                    f"{os.environ['AUTH_API_URL']}/api/send-otp",
                    json={"phone_number": data["phone"], "user_type": "MSME", "metadata": {"onboarding_data": data}},
                    timeout=AUTH_API_SECONDS,
                )
                answer.raise_for_status()
                session["current_step"] = "completed"
                return "Done! We have sent you an OTP by SMS. Log in at https://app.example.in/login?source=whatsapp"
            case "completed":
                return "You are signed up already. Log in at https://app.example.in/login?source=whatsapp"
            case _:
                session.update(self._new_session())
                return "Let us start again. What is your full name?"


app = Flask(__name__)
bot = WhatsAppBot()


@app.post("/webhook")
def webhook() -> Response:
    """Twilio's webhook."""
    sender, text = request.form["From"], request.form.get("Body", "")
    logger.info("message from %s", sender)
    twiml = MessagingResponse()
    twiml.message(bot.answer(sender, text))
    return Response(str(twiml), mimetype="text/xml")


@app.get("/health/live")
def live() -> str:
    """Whether the process answers at all."""
    return "alive"
