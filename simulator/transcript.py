"""Turns the events of one person into a test transcript."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from simulator.events import Event, Kind


def transcript(name: str, person: str, events: Iterable[Event]) -> dict[str, Any]:
    """One turn for each message of the owner, with the bot's first reply to it, or None where it stayed silent.

    A message that was delivered again is no turn of its own, and what the bot sent unasked is in no turn.
    """
    turns: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.kind is Kind.INBOUND:
            inbound = {"type": event.fields["type"], "text": event.fields["text"]}
            turns[event.fields["message_sid"]] = {"inbound": inbound, "reply": None}
        elif event.kind is Kind.REPLY and event.fields["in_reply_to"] in turns:
            turn = turns[event.fields["in_reply_to"]]
            turn["reply"] = turn["reply"] or _without_token(event.fields["text"])
    return {"name": name, "person": person, "turns": list(turns.values())}


def _without_token(text: str) -> str:
    """A login link's token is a secret, and another one in every run."""
    return re.sub(r"\btoken=[^\s&]+", "token=TOKEN", text)
