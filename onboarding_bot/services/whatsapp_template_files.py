"""The WhatsApp templates in their JSON files, checked against WhatsApp's rules before any call is made."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "whatsapp_templates"
# Other products may keep templates in the same account.
PREFIX = "msmebazaar"

BODY_MAX_LENGTH = 1024
# In an approved template; in a conversation WhatsApp allows three.
BUTTONS_MAX = 10
BUTTON_TITLE_MAX_LENGTH = 20
BUTTON_ID_MAX_LENGTH = 200

_VARIABLE = re.compile(r"\{\{([1-9][0-9]*)\}\}")
_NAME = re.compile(r"[a-z0-9_]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_UNSENDABLE_IN_A_VALUE = re.compile(r"[\n\r\t]| {5}")
_FIELDS: Mapping[str, type] = {
    "name": str,
    "language": str,
    "category": str,
    "variables": dict,
    "body": str,
    "buttons": list,
}
_OPTIONAL = frozenset({"buttons"})


class TemplateCategory(StrEnum):
    """The purpose of a template, which decides which consent it needs."""

    SERVICE = "service"
    MARKETING = "marketing"

    @property
    def meta_name(self) -> str:
        """The category's name at Meta."""
        return "UTILITY" if self is TemplateCategory.SERVICE else "MARKETING"

    @classmethod
    def of_meta(cls, name: str) -> TemplateCategory | None:
        """The category by Meta's name; None for a category that the bot does not send."""
        return next((category for category in cls if category.meta_name == name), None)


@dataclass(frozen=True, slots=True)
class Button:
    """A quick reply: the title that it shows, and the id that the webhook carries when it is tapped."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class WhatsAppTemplate:
    """One template in one language; ``variables`` are samples by number, which Meta's reviewers read."""

    file: str
    name: str
    language: str
    category: str
    variables: Mapping[str, str]
    body: str
    buttons: tuple[Button, ...] = ()

    @property
    def friendly_name(self) -> str:
        """Its name at Twilio and Meta; what is there cannot be edited, so each version has a name of its own."""
        content = json.dumps([self.definition(), self.category], sort_keys=True, ensure_ascii=False)
        return f"{self.family}_{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    @property
    def family(self) -> str:
        """The beginning of the names of all its versions."""
        return f"{PREFIX}_{self.name}"

    def is_version(self, friendly_name: str) -> bool:
        """Whether content of that name is a version of this template, the present one or an earlier one."""
        return re.fullmatch(rf"{self.family}_[0-9a-f]{{8}}", friendly_name) is not None

    def definition(self) -> dict[str, Any]:
        """The body of the Content API's request, without the name."""
        if not self.buttons:
            content: dict[str, Any] = {"twilio/text": {"body": self.body}}
        else:
            actions = [{"type": "QUICK_REPLY", "title": button.title, "id": button.id} for button in self.buttons]
            content = {"twilio/quick-reply": {"body": self.body, "actions": actions}}
        return {"language": self.language, "variables": dict(self.variables), "types": content}

    def filled(self) -> str:
        """The body with the samples for the variables."""
        return _VARIABLE.sub(lambda match: self.variables.get(match[1], match[0]), self.body)


def read_whatsapp_templates(folder: Path = FOLDER) -> tuple[list[WhatsAppTemplate], list[str]]:
    """The templates in the folder's files, and all faults of the files, each with its file and the rule."""
    templates, faults = [], []
    for path in sorted(folder.glob("*.json")):
        record, faults_of_form = _read(path)
        faults += faults_of_form
        if not faults_of_form:
            template = _template(path.name, record)
            templates.append(template)
            faults += [f"{path.name}: {fault}" for fault in _faults(template)]
    if not templates and not faults:
        faults.append(f"{folder.name}: there is no template in it")
    return templates, faults + _differences(templates)


def _read(path: Path) -> tuple[Mapping[str, Any], list[str]]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}, [f"{path.name}: it is not JSON in UTF-8"]
    if not isinstance(record, dict):
        return {}, [f"{path.name}: it must be one JSON object"]
    faults = [f"{name} is no field of a template" for name in sorted(record.keys() - _FIELDS.keys())]
    faults += [f"{name} is missing" for name in sorted(_FIELDS.keys() - record.keys() - _OPTIONAL)]
    faults += [
        f"{name} must be a JSON {'string' if kind is str else 'object' if kind is dict else 'array'}"
        for name, kind in _FIELDS.items()
        if name in record and not isinstance(record[name], kind)
    ]
    if not faults:
        if not _are_strings(record["variables"].values()):
            faults.append("each sample must be a string")
        if not all(_is_button(button) for button in record.get("buttons", [])):
            faults.append("each button must be an object with id and title, both strings")
    return record, [f"{path.name}: {fault}" for fault in faults]


def _is_button(button: object) -> bool:
    return isinstance(button, dict) and button.keys() == {"id", "title"} and _are_strings(button.values())


def _are_strings(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _template(file: str, record: Mapping[str, Any]) -> WhatsAppTemplate:
    buttons = tuple(Button(button["id"], button["title"]) for button in record.get("buttons", []))
    return WhatsAppTemplate(file=file, **{**record, "buttons": buttons})


def _faults(template: WhatsAppTemplate) -> list[str]:
    return [
        *_faults_of_identity(template),
        *_faults_of_body(template),
        *_faults_of_samples(template),
        *_faults_of_buttons(template.buttons),
    ]


def _faults_of_identity(template: WhatsAppTemplate) -> list[str]:
    faults = []
    if not _NAME.fullmatch(template.name):
        faults.append("the name may have only the letters a-z, digits and _")
    if not _LANGUAGE.fullmatch(template.language):
        faults.append("the language must be a code like en or pt_BR")
    if template.file != f"{template.name}.{template.language}.json":
        faults.append(f"the file must be called {template.name}.{template.language}.json")
    if template.category not in set(TemplateCategory):
        faults.append(f"the category must be one of {', '.join(TemplateCategory)}")
    return faults


def _faults_of_body(template: WhatsAppTemplate) -> list[str]:
    faults = []
    length = len(template.filled())
    if not template.body.strip():
        faults.append("the body is empty")
    if length > BODY_MAX_LENGTH:
        faults.append(f"the body has {length} characters with the samples filled in; {BODY_MAX_LENGTH} are allowed")
    before, *rest = texts = _VARIABLE.split(template.body)[::2]
    if any(sign in text for text in texts for sign in ("{{", "}}")):
        faults.append("a variable is written with a number, like {{1}}")
    if rest:
        faults += _faults_of_places(before, rest[:-1], rest[-1])
    numbers = {int(number) for number in _VARIABLE.findall(template.body)}
    if numbers and numbers != set(range(1, len(numbers) + 1)):
        faults.append("the variables must be numbered from 1 without gaps")
    words = sum(_has_word(word) for word in _VARIABLE.sub(" ", template.body).split())
    if numbers and words < 2 * len(numbers) + 1:
        faults.append(f"{len(numbers)} variables need at least {2 * len(numbers) + 1} other words; there are {words}")
    return faults


def _faults_of_places(before: str, between: Sequence[str], after: str) -> list[str]:
    """Faults of where the variables stand: Meta wants a word on each side, and ignores punctuation and spaces."""
    faults = []
    if not _has_word(before):
        faults.append("a variable may not stand first: put a word before it")
    if not _has_word(after):
        faults.append("a variable may not stand last: put a word behind it, punctuation is not enough")
    if not all(_has_word(text) for text in between):
        faults.append("two variables may not stand in a row: put a word between them")
    return faults


def _has_word(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def _faults_of_samples(template: WhatsAppTemplate) -> list[str]:
    used = set(_VARIABLE.findall(template.body))
    faults = [f"the variable {number} has no sample" for number in sorted(used) if not template.variables.get(number)]
    faults += [f"the sample {number} belongs to no variable" for number in sorted(template.variables.keys() - used)]
    faults += [
        f"the sample {number} may have no line breaks, tabs or long rows of spaces"
        for number, sample in sorted(template.variables.items())
        if _UNSENDABLE_IN_A_VALUE.search(sample)
    ]
    return faults


def _faults_of_buttons(buttons: Sequence[Button]) -> list[str]:
    faults = []
    if len(buttons) > BUTTONS_MAX:
        faults.append(f"there are {len(buttons)} buttons; {BUTTONS_MAX} are allowed")
    for button in buttons:
        if not 1 <= len(button.title.strip()) <= BUTTON_TITLE_MAX_LENGTH:
            faults.append(f"the button title “{button.title}” must have 1 to {BUTTON_TITLE_MAX_LENGTH} characters")
        if not 1 <= len(button.id.strip()) <= BUTTON_ID_MAX_LENGTH:
            faults.append(f"the id of the button “{button.title}” must have 1 to {BUTTON_ID_MAX_LENGTH} characters")
        if "{{" in button.title + button.id:
            faults.append(f"the button “{button.title}” may hold no variable")
    if len({button.title for button in buttons}) < len(buttons) or len({button.id for button in buttons}) < len(
        buttons
    ):
        faults.append("two buttons have the same title or id")
    return faults


def _differences(templates: Sequence[WhatsAppTemplate]) -> list[str]:
    """Differences between the languages of a template: variables, category and buttons must be the same in all."""
    by_name: dict[str, list[WhatsAppTemplate]] = defaultdict(list)
    for template in templates:
        by_name[template.name].append(template)
    languages = {template.language for template in templates}
    faults = []
    for name, versions in by_name.items():
        first, *others = versions
        for language in sorted(languages - {template.language for template in versions}):
            faults.append(f"{name}.{language}.json: the template {name} is missing in this language")
        for other in others:
            if other.variables.keys() != first.variables.keys():
                faults.append(f"{other.file}: it has other variables than {first.file}")
            if other.category != first.category:
                faults.append(f"{other.file}: it has another category than {first.file}")
            if [button.id for button in other.buttons] != [button.id for button in first.buttons]:
                faults.append(f"{other.file}: its buttons have other ids than those of {first.file}")
    return faults
