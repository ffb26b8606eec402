"""The variables of the process and of the file ``.env``, and the faults of that file."""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from onboarding_bot.setting_rules import REFERENCE, character, refuse_stray_characters

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_LINE_BREAK_BYTES = re.compile(rb"(\r\n|\n|\r)")
# The longer one comes first: UTF-32 in this order of bytes begins as UTF-16 does.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_AS_UTF8 = "save it as UTF-8 (Notepad: Save as, Encoding UTF-8; PowerShell 5: Set-Content -Encoding utf8)"
# Docker Compose puts a variable here, in values without quotes and in double quotes.
_REPLACED_BY_COMPOSE = re.compile(r"\$[A-Za-z_{$]")
# Docker Compose puts it into a URL, and into Redis's own settings, unencoded.
_PASSWORD_FOR_COMPOSE = "REDIS_PASSWORD"  # noqa: S105 - the name of one
_PLAIN = re.compile(r"[A-Za-z0-9._~+=!*,-]*")
# How similar an unknown name must be to a known one to count as misspelt; stricter in the process's environment, where
# other programs have variables too.
_MISSPELT, _MISSPELT_IN_ENVIRONMENT = 0.85, 0.9
_SHORTEST_MISSPELT_IN_ENVIRONMENT = 8


@dataclass(slots=True)
class Dotenv:
    """The variables in a file, and its faults, one line for each, never with a value.

    ``places`` names the file and line of each variable.
    """

    values: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)


class FoundEnvironment(dict[str, str]):
    """The variables as the bot reads them, with the faults of the file and of the environment.

    ``faults`` and ``warnings`` are whole lines; ``hidden`` says for a setting why its value in the file is not read.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.faults: list[str] = []
        self.warnings: list[str] = []
        self.hidden: dict[str, str] = {}


def find_environment(
    file: Path, environ: Mapping[str, str], settings: Collection[str], others: Collection[str]
) -> FoundEnvironment:
    """The variables of ``file`` and of ``environ``, which wins, also with an empty value.

    ``settings`` are the names that the bot reads, ``others`` those that only Docker Compose or the simulator read.
    """
    dotenv = read_dotenv(file)
    found = FoundEnvironment(dotenv.values | dict(environ))
    found.faults = dotenv.faults
    found.warnings = dotenv.warnings
    for name in (*settings, *others):
        if name in environ and not environ[name].strip() and dotenv.values.get(name, "").strip():
            found.hidden[name] = (
                f"is empty in the environment, which hides its value in {dotenv.places[name]}: "
                f"unset it there (unset {name}), or take it out of the file"
            )
    _check_names(found, dotenv, environ, [*settings, *others])
    _check_values_of_others(found, dotenv, others)
    return found


def read_dotenv(path: Path) -> Dotenv:
    """Read ``NAME=value`` lines, and put nothing into a value. A file that does not exist has no variables."""
    dotenv = Dotenv()
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            dotenv.faults.append(f"{path} cannot be read: it is a link to a file that is not there: mend or delete it")
        return dotenv
    except IsADirectoryError:
        dotenv.faults.append(
            f"{path} cannot be read: it is a directory, as Docker makes one in the place of a missing file: "
            "put a file there"
        )
        return dotenv
    except PermissionError:
        dotenv.faults.append(
            f"{path} cannot be read: permission denied: let the user that runs the bot read it (chown, chmod 600)"
        )
        return dotenv
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "no usable name"
        dotenv.faults.append(f"{path} cannot be read: {reason}: put a readable file there, or take it away")
        return dotenv
    for binding in parse_stream(io.StringIO(_decoded(path, raw, dotenv.faults), newline="")):
        _add(path, binding, dotenv)
    return dotenv


# --- from bytes to text --------------------------------------------------------------------------------------------


def _decoded(path: Path, raw: bytes, faults: list[str]) -> str:
    """The file's text in any encoding, so that one wrong byte hides no other fault."""
    if encoding := _wide_encoding(raw):
        faults.append(f"{path}, line 1: the file is {encoding[:6].upper()}, not UTF-8: {_AS_UTF8}")
        return raw.decode(encoding, errors="replace").removeprefix("\ufeff").replace("\0", "")
    lines = []
    for number, line in enumerate(_lines(raw.removeprefix(codecs.BOM_UTF8)), start=1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            faults.append(
                f"{path}, line {number}: a letter is not UTF-8, but Latin-1 or Windows-1252 perhaps: "
                "type it anew, and save the file as UTF-8"
            )
            text = line.decode("cp1252", errors="replace")
        if "\0" in text:
            faults.append(f"{path}, line {number}: has a NUL byte in it: write the line anew")
        lines.append(text.replace("\0", ""))
    return "".join(lines)


def _wide_encoding(raw: bytes) -> str | None:
    """UTF-16 or UTF-32, found by the byte order mark or by the NUL byte beside each letter; None for others."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return encoding
    units = len(raw) // 2
    if units and raw[1::2].count(0) > units * 0.7:
        return "utf-16-le"
    if units and raw[0::2].count(0) > units * 0.7:
        return "utf-16-be"
    return None


def _lines(raw: bytes) -> Iterator[bytes]:
    """The lines with their line breaks, as an editor counts them."""
    pieces = _LINE_BREAK_BYTES.split(raw)
    for index in range(0, len(pieces), 2):
        yield b"".join(pieces[index : index + 2])


# --- from text to variables ----------------------------------------------------------------------------------------


def _add(path: Path, binding: Binding, dotenv: Dotenv) -> None:
    written = binding.original.string
    statement = written.lstrip()
    blank_lines = len(_LINE_BREAK.findall(written[: len(written) - len(statement)]))
    place = f"{path}, line {binding.original.line + blank_lines}"
    if binding.error:
        dotenv.faults.append(f"{place}: {_why_unreadable(statement)}")
        return
    if binding.key is None:
        return
    name = binding.key
    if not _NAME.fullmatch(name):
        dotenv.faults.append(f"{place}: {_why_no_name(name)}")
        return
    if binding.value is None:
        dotenv.faults.append(f"{place}: {name} has no = behind it: write {name}=value, or take the line out")
        return
    if name in dotenv.places:
        dotenv.faults.append(f"{place}: {name} stands in line {_number(dotenv.places[name])} already: keep one of them")
    dotenv.values[name] = binding.value
    dotenv.places[name] = place
    if REFERENCE.search(binding.value):
        dotenv.warnings.append(
            f"{place}: {name} holds ${{…}}, which is taken as it stands; earlier releases put a variable's value "
            "there: where that was meant, write the value itself"
        )
    is_literal = re.search(r"=[^\S\r\n]*'", statement)
    if _REPLACED_BY_COMPOSE.search(binding.value) and not is_literal:
        dotenv.warnings.append(
            f"{place}: {name} holds a $ outside of single quotes: the bot takes it as it stands, Docker Compose "
            "would put a variable there: write the value in single quotes"
        )


def _number(place: str) -> str:
    return place.rpartition(" ")[2]


def _why_unreadable(statement: str) -> str:
    _, equals, value = statement.partition("=")
    if equals and value.lstrip()[:1] in {"'", '"'}:
        return "a quote is not closed, or something stands behind the closing one: mend the quotes"
    return "is not NAME=value: write it so, or put a # before it"


def _why_no_name(name: str) -> str:
    stray = next((char for char in name if not (char.isascii() and (char.isalnum() or char == "_"))), "")
    if not stray:
        return "a name begins with a digit: names are of letters, digits and _"
    return f"a name has {character(stray)} in it: names are of the letters A to Z, digits and _, without quotes"


def _check_names(found: FoundEnvironment, dotenv: Dotenv, environ: Mapping[str, str], known: Collection[str]) -> None:
    """Report names that nothing reads and that resemble a name that is read."""
    prefixes = tuple({f"{name.partition('_')[0]}_" for name in known if "_" in name})
    for name in dotenv.values:
        if name in known:
            continue
        meant = get_close_matches(name.upper(), known, n=1, cutoff=_MISSPELT)
        place = dotenv.places[name]
        if meant and not found.get(meant[0], "").strip():
            found.faults.append(f"{place}: {name} is no setting: did you mean {meant[0]}?")
        elif meant or name.startswith(prefixes):
            found.warnings.append(f"{place}: {name} is no setting of the bot: nobody reads it")
    for name in environ:
        if name in known or name in dotenv.values or len(name) < _SHORTEST_MISSPELT_IN_ENVIRONMENT:
            continue
        meant = get_close_matches(name, known, n=1, cutoff=_MISSPELT_IN_ENVIRONMENT)
        if meant and not found.get(meant[0], "").strip():
            found.warnings.append(f"{name} in the environment is no setting: did you mean {meant[0]}?")


def _check_values_of_others(found: FoundEnvironment, dotenv: Dotenv, others: Collection[str]) -> None:
    """Report faults in the values that Docker Compose or the simulator read, and do not check."""
    for name in others:
        value = dotenv.values.get(name, "")
        try:
            if name in found.hidden:
                raise ValueError(found.hidden[name])
            refuse_stray_characters(value, free_text=False)
            if name == _PASSWORD_FOR_COMPOSE and not _PLAIN.fullmatch(value):
                raise ValueError("must be of letters and digits: Docker Compose puts it into a URL as it stands")
        except ValueError as fault:
            found.faults.append(f"{dotenv.places[name]}: {name} {fault}")
