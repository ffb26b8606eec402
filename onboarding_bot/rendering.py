"""From reply codes to the words that go out, in one language."""

from __future__ import annotations

from onboarding_bot.conversation.reply import Link, Part, Reply, TextRef, Value
from onboarding_bot.languages.catalogue import Texts, harmless


class ReplyRenderer:
    """Puts a reply's parts into words; what a person typed is made harmless on the way."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def render(self, reply: Reply, language: str | None) -> str:
        """One message, its parts set apart by empty lines. None stands for the default language."""
        return "\n\n".join(self._render_part(part, language) for part in reply)

    @property
    def languages(self) -> list[str]:
        """The languages that replies can be put into."""
        return self._texts.languages

    def language_of(self, chosen: str | None) -> str:
        """The language that somebody reads who has chosen this one, or none."""
        return chosen or self._texts.default_language

    def _render_part(self, part: Part, language: str | None) -> str:
        values = {name: self._shown(value, language) for name, value in part.values.items()}
        return self._texts.render(part.code, values, language)

    def _shown(self, value: Value, language: str | None) -> str | int:
        match value:
            case TextRef(code):
                return self._texts.render(code, {}, language)
            case Link(url):
                return url
            case str():
                return harmless(value)
            case _:
                return value
