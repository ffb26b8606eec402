"""What every part of Twilio's REST API has in common: its credentials, its errors and its pages."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from simulator.lost_connection import lost_connection
from simulator.send_desk import ConnectionLostError
from simulator.settings import Settings
from simulator.twilio_errors import TwilioError

_PAGE_SIZES = (1, 1000)
_USUAL_PAGE_SIZE = 50


def guard(blueprint: Blueprint, settings: Settings) -> None:
    """Ask for the account's credentials before everything in the blueprint, and answer errors as Twilio does."""

    @blueprint.before_request
    def authenticate() -> None:
        given = request.authorization
        password = (given and given.password) or ""
        known = [hmac.compare_digest(password.encode(), token.encode()) for token in settings.auth_tokens]
        if not given or given.username != settings.account_sid or not any(known):
            raise TwilioError(20003)
        if (request.view_args or {}).get("account", settings.account_sid) != settings.account_sid:
            raise TwilioError(20404)

    @blueprint.errorhandler(TwilioError)
    def answer_error(error: TwilioError) -> ResponseReturnValue:
        return error.answer()

    @blueprint.errorhandler(ConnectionLostError)
    def hang_up(_error: ConnectionLostError) -> ResponseReturnValue:
        return lost_connection()


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that a request asks for, and where the parts beside it are."""

    number: int
    size: int

    @classmethod
    def asked_for(cls) -> Page:
        return cls(
            number=_argument("Page", 0, (0, 1_000_000)),
            size=_argument("PageSize", _USUAL_PAGE_SIZE, _PAGE_SIZES),
        )

    @property
    def offset(self) -> int:
        return self.number * self.size

    def address(self, number: int) -> str:
        """The path and query of a page of this list, with the filters that the request has."""
        filters = [(name, value) for name, value in request.args.items() if name not in {"Page", "PageSize"}]
        return f"{request.path}?{urlencode([*filters, ('PageSize', self.size), ('Page', number)])}"

    def next(self, found: int) -> str | None:
        """``found`` is how many there were when one more than a page was looked for."""
        return self.address(self.number + 1) if found > self.size else None

    def previous(self) -> str | None:
        return self.address(self.number - 1) if self.number else None


def _argument(name: str, default: int, bounds: tuple[int, int]) -> int:
    raw = request.args.get(name, str(default))
    if not raw.isascii() or not raw.isdigit():
        raise TwilioError(20001, f"{name} is not a number")
    # As Twilio does: what is too much becomes the most.
    return min(max(int(raw), bounds[0]), bounds[1])
