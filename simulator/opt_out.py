"""Advanced Opt-Out: Twilio itself answers STOP, START and HELP, and remembers who has had enough."""

from __future__ import annotations

from enum import StrEnum

from simulator.database import Database


class OptOutType(StrEnum):
    """What a keyword means; the webhook says so."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


_KEYWORDS = {
    OptOutType.STOP: {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"},
    OptOutType.START: {"START", "UNSTOP"},
    OptOutType.HELP: {"HELP", "INFO"},
}
ANSWERS = {
    OptOutType.STOP: "Twilio: you will get no more messages from this number. Reply START to get them again.",
    OptOutType.START: "Twilio: you will get messages from this number again. Reply STOP to end them.",
    OptOutType.HELP: "Twilio: reply STOP to end the messages from this number, START to get them again.",
}


def opt_out_type(text: str) -> OptOutType | None:
    """What the text means to Twilio when it is a keyword and nothing else."""
    word = text.strip().upper()
    return next((type_ for type_, words in _KEYWORDS.items() if word in words), None)


class OptOuts:
    """The addresses from which somebody told Twilio to stop; an id and a number are two to Twilio."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, address: str, type_: OptOutType) -> None:
        with self._database.transaction() as connection:
            if type_ is OptOutType.STOP:
                connection.execute("INSERT OR IGNORE INTO opt_outs (person) VALUES (?)", (address,))
            elif type_ is OptOutType.START:
                connection.execute("DELETE FROM opt_outs WHERE person = ?", (address,))

    def includes(self, address: str) -> bool:
        return self._database.row("SELECT person FROM opt_outs WHERE person = ?", address) is not None
