"""The commands that work in every step, and what is a yes or a no; each counts only where a message says no more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from onboarding_bot.conversation.opt_out_phrases import OptOutScope, opt_out_request
from onboarding_bot.conversation.phrases import Phrases
from onboarding_bot.conversation.text_normalization import lowercase_words, normalize, squeeze_letters
from onboarding_bot.languages.lexicon import Spellings, spellings


class Command(StrEnum):
    """A command by its name; its spellings stand in the lexicons, its rule in ``command_rules``."""

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


# The command that goes on in a language; it is called as the language is in English.
LANGUAGE_COMMANDS: Mapping[str, Command] = {"en": Command.ENGLISH, "hi": Command.HINDI}

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

_COMMANDS = {lowercase_words(spelling): command for command, written in SPELLINGS.items() for spelling in written}
_CONTINUE = frozenset(map(lowercase_words, CONTINUE))
_POLITENESS = frozenset(map(lowercase_words, POLITENESS))
_OPT_OUT_COMMANDS = {OptOutScope.ALL: Command.STOP, OptOutScope.NEWS: Command.STOP_UPDATES}
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


def language_name(language: str) -> str:
    """The name of a language in English; of one without a command, its code."""
    return LANGUAGE_COMMANDS[language].title() if language in LANGUAGE_COMMANDS else language


def find_command(text: str) -> Command | None:
    """The command that ``text`` is, in any case and with any punctuation; None when it says anything more.

    Politeness around it does not count: "Hello sir" and "please help" are commands, "Start Up Services" is not. A
    message that opts out in other words is STOP, or STOP UPDATES where it speaks of news alone.
    """
    words = lowercase_words(text)
    if command := _COMMANDS.get(words):
        return command
    without_politeness = " ".join(word for word in words.split() if word not in _POLITENESS)
    if command := _COMMANDS.get(without_politeness):
        return command
    scope = opt_out_request(text)
    return _OPT_OUT_COMMANDS[scope] if scope else None


def is_yes(text: str) -> bool:
    """Whether ``text`` is a yes and nothing else: "yes correct", "haan bilkul sahi hai", a thumb up."""
    return _answers_in(text) == {_YES}


def is_no(text: str) -> bool:
    """Whether ``text`` is a no and nothing else: "no wrong", "nahi, galat hai", a thumb down."""
    return _answers_in(text) == {_NO}


def is_continue(text: str) -> bool:
    """Whether ``text`` asks to continue an unfinished sign-up."""
    return lowercase_words(text) in _CONTINUE


def _answers_in(text: str) -> set[str]:
    """The answers in ``text``: none when it says anything else, and several when it is not clear."""
    words: list[str] = []
    for part in _SIGNS.split(normalize(text)):
        words.extend([part] if _SIGNS.fullmatch(part) else lowercase_words(part).split())
    return set(_ANSWERS.kinds(words, _drawn_out) or ()) - {_AROUND}


_SQUEEZED = {
    squeeze_letters(lowercase_words(spelling)): kind
    for kind, written in ((_NO, NO), (_YES, YES))
    for spelling in written
}


def _drawn_out(word: str) -> str | None:
    """A yes or a no with its letters drawn out: "yesss", "nooo"."""
    return _SQUEEZED.get(squeeze_letters(word))
