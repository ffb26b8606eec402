"""What goes wrong with messages to chosen people, as tests and engineers set it by address or by a number's end."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.twilio_errors import status_of

_SUFFIX = re.compile(r"[A-Za-z0-9_]{1,64}")
_ERROR_CODES = (10_000, 99_999)
_FINAL_FAILURES = ("failed", "undelivered")
# What may follow all the same: Twilio's failures are not always final.
_AFTER_ALL = {"delivered": ("delivered",), "read": ("delivered", "read")}
_LONGEST_SILENCE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class SendFault:
    """What the REST call comes to: an error, a silence that ends in a lost connection, or that at once.

    ``sent`` is whether Twilio had taken the message before things went wrong.
    """

    status: int | None
    code: int | None
    silence_seconds: float | None
    sent: bool

    @classmethod
    def parse(cls, given: object) -> SendFault:
        body = _object("on_send", given, {"status", "code", "silence_seconds", "reset", "sent"})
        sent = body.get("sent", False)
        if type(sent) is not bool:
            raise ValueError("on_send.sent must be true or false")
        outcomes = [name for name in ("silence_seconds", "reset") if name in body]
        if "status" in body or "code" in body:
            outcomes.append("status")
        if len(outcomes) != 1:
            raise ValueError("on_send must have one of status (or code), silence_seconds and reset")
        if "reset" in body:
            if body["reset"] is not True:
                raise ValueError("on_send.reset can only be true")
            return cls(None, None, None, sent)
        if "silence_seconds" in body:
            return cls(None, None, _seconds(body["silence_seconds"]), sent)
        code = _whole("on_send.code", body["code"], _ERROR_CODES) if "code" in body else None
        status = _whole("on_send.status", body["status"], (400, 599)) if "status" in body else status_of(code or 0)
        return cls(status, code or (20500 if status >= 500 else 20001), None, sent)

    def as_dict(self) -> dict[str, Any]:
        if self.status is not None:
            return {"status": self.status, "code": self.code, "sent": self.sent}
        if self.silence_seconds is not None:
            return {"silence_seconds": self.silence_seconds, "sent": self.sent}
        return {"reset": True, "sent": self.sent}


@dataclass(frozen=True, slots=True)
class CallbackFault:
    """How a message ends that Twilio had accepted: ``failed`` or ``undelivered``, and with which code.

    ``then`` are the statuses that follow when it arrives after all.
    """

    status: str
    code: int
    then: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: object) -> CallbackFault:
        body = _object("on_callback", given, {"status", "code", "then"})
        status = body.get("status", "undelivered")
        if status not in _FINAL_FAILURES:
            raise ValueError(f"on_callback.status must be one of {', '.join(_FINAL_FAILURES)}")
        then = body.get("then")
        if then is not None and then not in _AFTER_ALL:
            raise ValueError(f"on_callback.then must be one of {', '.join(_AFTER_ALL)}")
        return cls(status, _whole("on_callback.code", body.get("code"), _ERROR_CODES), _AFTER_ALL.get(then or "", ()))

    def as_dict(self) -> dict[str, Any]:
        return {"status": self.status, "code": self.code} | ({"then": self.then[-1]} if self.then else {})


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to the first ``times`` messages of each person whom it is about; None is to all of them."""

    on_send: SendFault | None = None
    on_callback: CallbackFault | None = None
    times: int | None = None

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Rule:
        """Raises ValueError with what is wrong in plain words."""
        rule = _object("a rule", body, {"on_send", "on_callback", "times"})
        if "on_send" not in rule and "on_callback" not in rule:
            raise ValueError("a rule must have on_send, on_callback or both")
        times = rule.get("times")
        return cls(
            on_send=SendFault.parse(rule["on_send"]) if "on_send" in rule else None,
            on_callback=CallbackFault.parse(rule["on_callback"]) if "on_callback" in rule else None,
            times=None if times is None else _whole("times", times, (1, 1_000_000)),
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "on_send": self.on_send and self.on_send.as_dict(),
            "on_callback": self.on_callback and self.on_callback.as_dict(),
            "times": self.times,
        }


NO_RULE = Rule()


class SendRules:
    """The rules of this run: one about an address wins over those about suffixes, and of these the longest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_address: dict[str, Rule] = {}
        self._by_suffix: dict[str, Rule] = {}
        self._used: Counter[tuple[str, str]] = Counter()

    def set_for(self, address: str, rule: Rule) -> None:
        with self._lock:
            self._by_address[address] = rule
            del self._used[address, address]

    def remove_for(self, address: str) -> None:
        with self._lock:
            self._by_address.pop(address, None)

    def replace_suffixes(self, given: object) -> None:
        """Put these rules, a list of objects with a ``suffix`` each, in the place of all others about suffixes."""
        if not isinstance(given, list):
            raise ValueError("the rules must be a list")
        rules = dict(_suffix_rule(entry) for entry in given)
        with self._lock:
            # The longest first: the first that fits is the one that holds.
            self._by_suffix = dict(sorted(rules.items(), key=lambda entry: -len(entry[0])))
            self._used = Counter({key: count for key, count in self._used.items() if key[0] in self._by_address})

    def by_address(self) -> dict[str, dict[str, Any]]:
        return {address: rule.as_dict() for address, rule in self._by_address.items()}

    def by_suffix(self) -> list[dict[str, Any]]:
        return [{"suffix": suffix} | rule.as_dict() for suffix, rule in self._by_suffix.items()]

    def take(self, address: str) -> Rule:
        """The rule for one more message to this address, which uses it up once."""
        if not self._by_address and not self._by_suffix:
            return NO_RULE
        with self._lock:
            about, rule = self._find(address)
            if rule.times is not None:
                if self._used[about, address] >= rule.times:
                    return NO_RULE
                self._used[about, address] += 1
            return rule

    def _find(self, address: str) -> tuple[str, Rule]:
        if address in self._by_address:
            return address, self._by_address[address]
        for suffix, rule in self._by_suffix.items():
            if address.endswith(suffix):
                return suffix, rule
        return "", NO_RULE


def _suffix_rule(entry: object) -> tuple[str, Rule]:
    if not isinstance(entry, dict):
        raise ValueError("each rule must be an object")
    suffix = entry.get("suffix")
    if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
        raise ValueError("suffix must be the end of a number, like 17")
    return suffix, Rule.parse({name: value for name, value in entry.items() if name != "suffix"})


def _object(name: str, given: object, fields: set[str]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping) or not fields.issuperset(given):
        raise ValueError(f"{name} must be an object with nothing but {', '.join(sorted(fields))}")
    return given


def _whole(name: str, value: object, bounds: tuple[int, int]) -> int:
    if type(value) is not int or not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"{name} must be a whole number from {bounds[0]} to {bounds[1]}")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_SILENCE_SECONDS:
        raise ValueError(f"on_send.silence_seconds must be a number up to {_LONGEST_SILENCE_SECONDS}")
    return float(value)
