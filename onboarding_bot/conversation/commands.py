"""The words that work in every step, and the spellings of yes and no; a word counts only when it stands alone."""

from __future__ import annotations

from enum import StrEnum

from onboarding_bot.conversation.typed import plain, words
from onboarding_bot.languages.lexicon import Spellings, spellings


class Command(StrEnum):
    """What a person can ask for at any moment."""

    HELLO = "hello"
    START = "start"
    HELP = "help"
    RESTART = "restart"
    BACK = "back"
    STATUS = "status"
    SUPPORT = "support"
    PRIVACY = "privacy"
    MY_DATA = "my data"
    DELETE_MY_DATA = "delete my data"
    STOP = "stop"
    UPDATES = "updates"
    LOGIN = "login"
    RESEND = "resend"
    LANGUAGE = "language"
    ENGLISH = "english"
    HINDI = "hindi"


SPELLINGS: dict[Command, Spellings] = {command: spellings("commands", command.name.lower()) for command in Command}
YES = spellings("commands", "yes")
NO = spellings("commands", "no")
CONTINUE = spellings("commands", "continue")
POLITENESS = spellings("commands", "politeness")

YES_SIGNS = frozenset("👍✅👌✔")
NO_SIGNS = frozenset("👎❌✖")


def _spoken(written: Spellings) -> frozenset[str]:
    return frozenset(words(spelling) for spelling in written)


_COMMANDS = {spelling: command for command, written in SPELLINGS.items() for spelling in _spoken(written)}
_YES, _NO, _CONTINUE = _spoken(YES), _spoken(NO), _spoken(CONTINUE)
_POLITENESS = _spoken(POLITENESS)


def find_command(text: str) -> Command | None:
    """The command that ``text`` is, in any case and with any punctuation; None when it says anything more.

    Politeness around it does not count: "Hello sir" and "please help" are commands, "Start Up Services" is not.
    """
    said = words(text)
    bare = " ".join(word for word in said.split() if word not in _POLITENESS)
    return _COMMANDS.get(said) or _COMMANDS.get(bare)


def is_yes(text: str) -> bool:
    """Whether ``text`` is a yes in one of its usual spellings, or a thumb up."""
    return words(text) in _YES or _is_sign(text, YES_SIGNS)


def is_no(text: str) -> bool:
    """Whether ``text`` is a no in one of its usual spellings, or a thumb down."""
    return words(text) in _NO or _is_sign(text, NO_SIGNS)


def is_continue(text: str) -> bool:
    """Whether ``text`` asks to go on where the person stopped days ago."""
    return words(text) in _CONTINUE


def _is_sign(text: str, signs: frozenset[str]) -> bool:
    characters = plain(text)
    # A thumb may carry a skin tone (U+1F3FB to U+1F3FF) behind it.
    return bool(characters) and characters[0] in signs and all("🏻" <= tone <= "🏿" for tone in characters[1:])
