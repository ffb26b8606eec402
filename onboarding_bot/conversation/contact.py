"""The contact record: what outlives a session, such as address, language, consents and a finished sign-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from onboarding_bot.conversation.session import time_from_record, time_to_record

SCHEMA_VERSION = 1
# The purposes of consent: messages about the person's own sign-up, and news (marketing).
SERVICE = "service"
NEWS = "marketing"
OTP_DAY = timedelta(hours=24)
OTP_REQUESTS_A_DAY = 5
OTP_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent to one purpose: when, by which message (or admin), and to which version of the text.

    ``text_version`` is stored as ``wording``.
    """

    at: datetime
    source: str
    text_version: str


@dataclass(frozen=True, slots=True)
class OptOut:
    """An opt-out: when it was said, and its source: a MessageSid, an admin key or an erasure."""

    at: datetime
    source: str

    def to_record(self) -> dict[str, Any]:
        """The opt-out as a JSON object."""
        return {"at": self.at.isoformat(), "source": self.source}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The opt-out that ``to_record`` wrote. Raises KeyError, TypeError or ValueError when it is none."""
        return cls(datetime.fromisoformat(record["at"]), record["source"])


@dataclass(frozen=True, slots=True)
class Draft:
    """The answers of an unfinished sign-up."""

    data: Mapping[str, str]
    saved_at: datetime

    def to_record(self) -> dict[str, Any]:
        """The draft as a JSON object."""
        return {"data": dict(self.data), "saved_at": self.saved_at.isoformat()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The draft that ``to_record`` wrote. Raises KeyError, TypeError or ValueError when it is none."""
        return cls(dict(record["data"]), datetime.fromisoformat(record["saved_at"]))


@dataclass(frozen=True, slots=True)
class Retention:
    """How long after the last message the draft and the contact record are kept."""

    draft: timedelta = timedelta(days=7)
    contact: timedelta = timedelta(days=180)


USUAL_RETENTION = Retention()


@dataclass(frozen=True, slots=True)
class OtpRequest:
    """An OTP request of the last 24 hours that sent an SMS, or may have."""

    token: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """The contact record of one person; times are UTC.

    ``address`` is empty when only the opt-out is left. ``language`` is None until the person chose one;
    ``registration`` holds the answers of a finished sign-up; ``asked_for_messages_at`` is the last START or UPDATES,
    which lifts a suppression; ``news_ended`` is an opt-out of news alone that no UPDATES has taken back.
    """

    address: str
    language: str | None
    first_inbound_at: datetime
    last_inbound_at: datetime
    notice_version: str | None = None
    consents: Mapping[str, Consent] = field(default_factory=dict)
    opt_out: OptOut | None = None
    completed_at: datetime | None = None
    registration: Mapping[str, str] = field(default_factory=dict)
    draft: Draft | None = None
    otp_requests: tuple[OtpRequest, ...] = ()
    asked_for_messages_at: datetime | None = None
    news_ended: OptOut | None = None

    def with_otp_request(self, request: OtpRequest) -> Self:
        """This contact with one more OTP request in its daily limit; the same token counts once."""
        kept = [
            other for other in self.otp_requests if other.token != request.token and request.at - other.at < OTP_DAY
        ]
        return replace(self, otp_requests=(*kept, request))

    def without_otp_request(self, token: str) -> Self:
        """This contact without an OTP request that has certainly sent no SMS."""
        return replace(self, otp_requests=tuple(other for other in self.otp_requests if other.token != token))

    def to_record(self) -> dict[str, Any]:
        """The contact as a JSON object, without draft and opt-out, which have keys and lifetimes of their own."""
        return {
            "schema": SCHEMA_VERSION,
            "address": self.address,
            "language": self.language,
            "first_inbound_at": self.first_inbound_at.isoformat(),
            "last_inbound_at": self.last_inbound_at.isoformat(),
            "notice_version": self.notice_version,
            "consents": {
                purpose: {"at": consent.at.isoformat(), "source": consent.source, "wording": consent.text_version}
                for purpose, consent in self.consents.items()
            },
            "completed_at": time_to_record(self.completed_at),
            "registration": dict(self.registration),
            "asked_for_messages_at": time_to_record(self.asked_for_messages_at),
            **({"news_ended": self.news_ended.to_record()} if self.news_ended else {}),
            "otp_requests": [[request.token, request.at.isoformat()] for request in self.otp_requests],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The contact that any release wrote; a field that a release did not know takes its default.

        Raises KeyError, TypeError or ValueError when ``record`` is no contact.
        """
        try:
            return cls(
                address=record["address"],
                language=record["language"],
                first_inbound_at=datetime.fromisoformat(record["first_inbound_at"]),
                last_inbound_at=datetime.fromisoformat(record["last_inbound_at"]),
                notice_version=record.get("notice_version"),
                consents={
                    purpose: Consent(datetime.fromisoformat(given["at"]), given["source"], given["wording"])
                    for purpose, given in record.get("consents", {}).items()
                },
                asked_for_messages_at=time_from_record(record.get("asked_for_messages_at")),
                news_ended=OptOut.from_record(record["news_ended"]) if record.get("news_ended") else None,
                completed_at=time_from_record(record.get("completed_at")),
                registration=dict(record.get("registration", {})),
                otp_requests=tuple(
                    OtpRequest(token, datetime.fromisoformat(at)) for token, at in record.get("otp_requests", [])
                ),
            )
        except AttributeError as error:
            raise TypeError("a part of the record has another shape") from error
