"""Writes docs/conversation.md from the table of questions, the commands and the catalogues."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import polib

from onboarding_bot.conversation.answer_rules import SUPPORT_AFTER_VOICE_NOTES, SUPPORT_AFTER_WRONG_ANSWERS
from onboarding_bot.conversation.command_rules import COMMAND_RULES
from onboarding_bot.conversation.commands import (
    CONTINUE,
    NO,
    NO_SIGNS,
    SPELLINGS,
    YES,
    YES_SIGNS,
    Command,
    language_name,
)
from onboarding_bot.conversation.contact import OTP_DAY, OTP_PAUSE, OTP_REQUESTS_A_DAY
from onboarding_bot.conversation.otp import LEASE
from onboarding_bot.conversation.sectors import SECTORS
from onboarding_bot.conversation.session import (
    REMEMBERED_FOR,
    REMEMBERED_REPLIES,
    SESSION_LIFETIME,
    OnboardingStep,
)
from onboarding_bot.conversation.sign_up import FIELDS, SIGN_UP, first_unanswered, step_before
from onboarding_bot.languages import CATALOGUE, FOLDER, REFERENCE_LANGUAGE, languages_with_catalogue

PAGE = Path(__file__).with_name("conversation.md")
LANGUAGES = {code: language_name(code) for code in languages_with_catalogue()}


def page() -> str:
    """The whole page."""
    catalogues = {language: _texts(language) for language in LANGUAGES}
    parts = [_HEAD, _diagram(), _steps(), _sectors(), _rules(), _commands(), _choices(), *_all_texts(catalogues)]
    return "\n\n".join(parts) + "\n"


_HEAD = """\
# The conversation

Made by `python docs/generate_conversation.py` from the table of questions, the commands and the catalogues; a test
compares it with them. Change those, not this page."""


def _diagram() -> str:
    lines = [
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> questions: the first message, answered with the welcome",
        "    [*] --> welcome: back after days, with unfinished answers",
        "    [*] --> completed: back after days, registered",
        "    state questions {",
        f"        [*] --> {SIGN_UP[0].step}",
        *(f"        {step} --> {after}: {field}" for step, field, after in _answers()),
        *(f"        {step} --> {before}: BACK" for step, before in _ways_back()),
        "    }",
        "    questions --> confirmation: all answered, or the one that was to be changed",
        "    welcome --> questions: 1 goes on, 2 starts over",
        "    welcome --> confirmation: 1, when all are answered",
        f"    confirmation --> questions: NO and then 1 to {len(SIGN_UP)}, or BACK",
        "    confirmation --> completed: YES, and the OTP was sent",
        "    confirmation --> confirmation: YES, but the OTP could not be sent",
        "    completed --> completed: LOGIN or RESEND",
        "    completed --> questions: RESTART, which works in every step",
        "```",
    ]
    return "\n".join(lines)


def _answers() -> Iterator[tuple[str, str, str]]:
    """Each question, the field that its answer fills, and what follows in a first sign-up."""
    for number, question in enumerate(SIGN_UP, start=1):
        after = first_unanswered(dict.fromkeys(FIELDS[:number], ""))
        yield question.step, question.field, "[*]" if after is OnboardingStep.CONFIRMATION else after


def _ways_back() -> Iterator[tuple[str, str]]:
    for question in SIGN_UP:
        if before := step_before(question.step):
            yield question.step, before


def _steps() -> str:
    rows = [
        (OnboardingStep.WELCOME, "`1` to continue, `2` to start over; for somebody with unfinished answers", ""),
        *((question.step, question.accepts, f"`{question.field}`") for question in SIGN_UP),
        (OnboardingStep.CONFIRMATION, "YES, or NO and then `1` to `4` for what to change", ""),
        (OnboardingStep.COMPLETED, "LOGIN, RESEND, RESTART", ""),
    ]
    return "## The steps\n\n" + _table(("step", "accepts", "stores"), rows)


def _sectors() -> str:
    rows = [(str(number), f"`{sector.value}`") for number, sector in enumerate(SECTORS, start=1)]
    return "## The sectors\n\n" + _table(("number", "stored as"), rows)


def _rules() -> str:
    return f"""\
## What holds in every step

- A session lives {_hours(SESSION_LIFETIME)} hours after the last message; unfinished answers wait longer, for
  `DRAFT_RETENTION_DAYS`.
- Wrong answer number {SUPPORT_AFTER_WRONG_ANSWERS} in a row shows the people to call, and so does voice note number
  {SUPPORT_AFTER_VOICE_NOTES} in a row.
- The same `MessageSid` again gets the same reply: the last {REMEMBERED_REPLIES} messages are remembered for
  {REMEMBERED_FOR.seconds // 60} minutes.
- An OTP can be asked for {OTP_REQUESTS_A_DAY} times in {_hours(OTP_DAY)} hours and once in {OTP_PAUSE.seconds} seconds,
  for each phone number and for each sender. While one is being requested, other answers wait, {LEASE.seconds} seconds
  at most.
- Six bare digits after an OTP was requested are taken for that OTP, except where a pincode is asked for: they are
  neither stored nor shown.
- Of one person `MESSAGES_PER_MINUTE` messages are read in a minute. The next one is answered with a request to slow
  down, and until the minute is over nothing more is read or answered, except that a STOP is obeyed.
- A no in the person's own words counts as well, by the tables `[refusals]` of the lexicons. "Not interested", "wrong
  number", "I do not agree": no answer and no consent is kept, and an opt-out is; whoever is registered stays so. "Don't
  contact me" is a STOP. "I want to delete my data" is a DELETE MY DATA, and is asked about.
- A question that no answer fits to gets the people to ask, and the pending question again.
- Only a name is a yes to what the welcome says, and no later answer is. A text that is not recognised as a name is
  asked about before it is kept: `1` or a yes takes it, `2` or a no asks again, any other text is a new answer.
- A command counts only when it stands alone; politeness around it ("please help", "hello sir") does not matter.
- STOP is heard in any words that ask for no more messages ("please stop sending messages", "msg mat bhejo", "S T O P",
  🛑), and STOP UPDATES in any that ask for no more news ("Stop promotions"): every word has to stand in the tables
  `[stop]` of the lexicons, or one sentence has to say it. "Bus stop stationery" is an answer.
- Of a button or a list's row, the words that were seen on it count beside its id; neither is ever a name."""


def _commands() -> str:
    rows = [(f"**{command.upper()}**", COMMAND_RULES[command].does, _joined(SPELLINGS[command])) for command in Command]
    return "## Words that work in every step\n\n" + _table(("command", "does", "also written"), rows)


def _choices() -> str:
    rows = [
        ("yes", f"{_joined(YES)}, {_joined(sorted(YES_SIGNS))}"),
        ("no", f"{_joined(NO)}, {_joined(sorted(NO_SIGNS))}"),
        ("continue", _joined(CONTINUE)),
    ]
    return "## Yes, no, continue\n\n" + _table(("meaning", "written"), rows)


def _all_texts(catalogues: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Every text in every language, grouped by the word before the dot."""
    yield "## Every text\n\n`{…}` is filled in; where a text has two forms, the number in it chooses."
    for group, codes in groupby(catalogues[REFERENCE_LANGUAGE], key=lambda code: code.partition(".")[0]):
        rows = [(f"`{code}`", *(texts[code] for texts in catalogues.values())) for code in codes]
        yield f"### {group}\n\n" + _table(("code", *LANGUAGES.values()), rows)


def _texts(language: str) -> dict[str, str]:
    entries = polib.pofile(str(FOLDER / language / CATALOGUE))
    return {entry.msgid: "\n\n".join(_forms(entry)) for entry in entries}


def _forms(entry: polib.POEntry) -> list[str]:
    forms: list[str] = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    return list(dict.fromkeys(forms))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def _joined(words: Iterable[str]) -> str:
    return ", ".join(words)


def _hours(span: timedelta) -> int:
    return span // timedelta(hours=1)


if __name__ == "__main__":
    PAGE.write_text(page())
