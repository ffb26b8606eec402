"""What is wrong with the outside world at the moment, as the engineers' drawer sets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from simulator.events import EventLog, Kind

OFF = "off"


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

    OFF = OFF
    TWICE = "twice"
    LOST_ANSWER = "lost_answer"


class Callbacks(StrEnum):
    """How the status callbacks of the bot's messages reach it."""

    OK = "ok"
    SHUFFLED = "shuffled"
    REPEATED = "repeated"
    DELAYED = "delayed"
    OFF = OFF


class Window(StrEnum):
    """Whether free text reaches those who have not written for 24 hours."""

    OFF = OFF
    ENFORCED = "enforced"


class UserIds(StrEnum):
    """Whether the REST API takes a WhatsApp user id for an address; it did not always."""

    OK = "ok"
    REFUSED = "refused"


class TemplateCategory(StrEnum):
    """What Meta makes of a template's category when it approves it."""

    AS_SUBMITTED = "as_submitted"
    MARKETING = "marketing"


class Switch(StrEnum):
    ON = "on"
    OFF = OFF


def _one_of(choices: type[StrEnum]) -> dict[str, Callable[[object], StrEnum]]:
    def parse(value: object) -> StrEnum:
        if not isinstance(value, str) or value not in set(choices):
            raise ValueError(f"must be one of {', '.join(choices)}")
        return choices(value)

    return {"parse": parse}


def _number(lowest: int, highest: int, *, can_be_off: bool = False) -> dict[str, Callable[[object], int | None]]:
    def parse(value: object) -> int | None:
        if can_be_off and value == OFF:
            return None
        if type(value) is not int or not lowest <= value <= highest:
            either = f', or "{OFF}"' if can_be_off else ""
            raise ValueError(f"must be a whole number from {lowest} to {highest}{either}")
        return value

    return {"parse": parse}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Healthy unless said otherwise."""

    auth_api: AuthApiFault = field(default=AuthApiFault.OK, metadata=_one_of(AuthApiFault))
    redeliver: Redelivery = field(default=Redelivery.OFF, metadata=_one_of(Redelivery))
    messages_per_second: int | None = field(default=None, metadata=_number(1, 10_000, can_be_off=True))
    retry_after_seconds: int | None = field(default=None, metadata=_number(0, 3600, can_be_off=True))
    send_delay_ms: int = field(default=0, metadata=_number(0, 60_000))
    callbacks: Callbacks = field(default=Callbacks.OK, metadata=_one_of(Callbacks))
    callback_delay_ms: int = field(default=3000, metadata=_number(0, 600_000))
    window: Window = field(default=Window.OFF, metadata=_one_of(Window))
    advanced_opt_out: Switch = field(default=Switch.OFF, metadata=_one_of(Switch))
    template_approval_seconds: int = field(default=6, metadata=_number(0, 86_400))
    template_category: TemplateCategory = field(
        default=TemplateCategory.AS_SUBMITTED, metadata=_one_of(TemplateCategory)
    )
    user_ids: UserIds = field(default=UserIds.OK, metadata=_one_of(UserIds))
    record_events: Switch = field(default=Switch.ON, metadata=_one_of(Switch))

    def as_dict(self) -> dict[str, str | int]:
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        return {name: OFF if value is None else value for name, value in values.items()}


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
        parsers = {setting.name: setting.metadata["parse"] for setting in fields(Faults)}
        changes = {}
        for name, value in wanted.items():
            if name not in parsers:
                msg = f"there is no fault called {name}"
                raise ValueError(msg)
            try:
                changes[name] = parsers[name](value)
            except ValueError as fault:
                msg = f"{name} {fault}"
                raise ValueError(msg) from None
        changed = replace(self.now, **changes)
        if changed != self.now:
            self.now = changed
            self._events.append(Kind.FAULT, None, **changed.as_dict())
        return self.now
