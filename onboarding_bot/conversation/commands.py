"""The words that work in every step, and what is a yes or a no; a word counts only where nothing else is said."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import groupby

from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.stopping import Ending, asked_to_end
from onboarding_bot.conversation.text_normalization import plain, words
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
    STOP_UPDATES = "stop updates"
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


THANKS = spellings("answers", "thanks")
AROUND_YES_OR_NO = spellings("answers", "around")
UNSURE = spellings("answers", "unsure")


def _spoken(written: Spellings) -> frozenset[str]:
    return frozenset(words(spelling) for spelling in written)


_COMMANDS = {spelling: command for command, written in SPELLINGS.items() for spelling in _spoken(written)}
_CONTINUE = _spoken(CONTINUE)
_POLITENESS = _spoken(POLITENESS)
_ENDINGS = {Ending.ALL: Command.STOP, Ending.NEWS: Command.STOP_UPDATES}
_YES, _NO, _UNSURE, _AROUND = "yes", "no", "unsure", "around"
_ANSWERS = Phrases(
    {
        _UNSURE: UNSURE,
        _YES: (*YES, *sorted(YES_SIGNS)),
        _NO: (*NO, *sorted(NO_SIGNS)),
        _AROUND: (*AROUND_YES_OR_NO, *POLITENESS, *THANKS),
    }
)
_SIGNS = re.compile(f"([{''.join(sorted(YES_SIGNS | NO_SIGNS))}])")


def find_command(text: str) -> Command | None:
    """The command that ``text`` is, in any case and with any punctuation; None when it says anything more.

    Politeness around it does not count: "Hello sir" and "please help" are commands, "Start Up Services" is not. What
    asks in whatever words that messages end is STOP, or STOP UPDATES where it speaks of news alone.
    """
    said = words(text)
    if command := _COMMANDS.get(said):
        return command
    bare = " ".join(word for word in said.split() if word not in _POLITENESS)
    if command := _COMMANDS.get(bare):
        return command
    ending = asked_to_end(text)
    return _ENDINGS[ending] if ending else None


def is_yes(text: str) -> bool:
    """Whether ``text`` is a yes and nothing else: "yes correct", "haan bilkul sahi hai", a thumb up."""
    return _answers_given(text) == {_YES}


def is_no(text: str) -> bool:
    """Whether ``text`` is a no and nothing else: "no wrong", "nahi, galat hai", a thumb down."""
    return _answers_given(text) == {_NO}


def is_continue(text: str) -> bool:
    """Whether ``text`` asks to go on where the person stopped days ago."""
    return words(text) in _CONTINUE


def _answers_given(text: str) -> set[str]:
    """What ``text`` answers; nothing when it says more, and more than one answer when it is not clear."""
    said: list[str] = []
    for part in _SIGNS.split(plain(text)):
        said.extend([part] if _SIGNS.fullmatch(part) else words(part).split())
    return set(_ANSWERS.kinds(said, _drawn_out) or ()) - {_AROUND}


def _squeezed(word: str) -> str:
    return "".join(letter for letter, _ in groupby(word))


_SHORT = {_squeezed(words(spelling)): kind for kind, written in ((_NO, NO), (_YES, YES)) for spelling in written}


def _drawn_out(word: str) -> str | None:
    """A yes or a no with its letters drawn out: "yesss", "nooo"."""
    return _SHORT.get(_squeezed(word))
