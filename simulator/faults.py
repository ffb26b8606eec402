"""What is wrong with the outside world at the moment, as the engineers' drawer sets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from simulator.events import EventLog, Kind

Choice = TypeVar("Choice", bound=StrEnum)


class AuthApiFault(StrEnum):
    OK = "ok"
    DOWN = "down"
    SLOW = "slow"
    UNAVAILABLE = "unavailable"
    ERROR = "error"
    REFUSING = "refusing"
    GARBAGE = "garbage"
    THROTTLED = "throttled"


class Redelivery(StrEnum):
    """What Twilio does with a message beside delivering it once."""

    OFF = "off"
    TWICE = "twice"
    LOST_ANSWER = "lost_answer"


@dataclass(frozen=True, slots=True)
class Faults:
    """Healthy unless said otherwise."""

    auth_api: AuthApiFault = AuthApiFault.OK
    redeliver: Redelivery = Redelivery.OFF

    def as_dict(self) -> dict[str, str]:
        return {"auth_api": self.auth_api, "redeliver": self.redeliver}


class FaultSwitch:
    """Holds the faults of this run and tells the event log when they change."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.now = Faults()
        last = events.last_of_kind(Kind.FAULT)
        # A restart heals: whoever reads the log from its beginning must learn that too.
        if last and last.fields != self.now.as_dict():
            events.append(Kind.FAULT, None, **self.now.as_dict())

    def change(self, wanted: Mapping[str, Any]) -> Faults:
        """Set what ``wanted`` names and leave the rest; raises ValueError with what is wrong in plain words."""
        unknown = set(wanted) - {"auth_api", "redeliver"}
        if unknown:
            msg = f"there is no fault called {sorted(unknown)[0]}"
            raise ValueError(msg)
        changed = replace(
            self.now,
            auth_api=_member(AuthApiFault, "auth_api", wanted.get("auth_api", self.now.auth_api)),
            redeliver=_member(Redelivery, "redeliver", wanted.get("redeliver", self.now.redeliver)),
        )
        if changed != self.now:
            self.now = changed
            self._events.append(Kind.FAULT, None, **changed.as_dict())
        return self.now


def _member(choices: type[Choice], name: str, value: object) -> Choice:
    if not isinstance(value, str) or value not in set(choices):
        msg = f"{name} must be one of {', '.join(choices)}"
        raise ValueError(msg)
    return choices(value)
