"""Renders a reply, which is codes and values, as the text of a message in one language."""

from __future__ import annotations

from onboarding_bot.conversation.reply import Part, Reply, TextRef, Url, Value
from onboarding_bot.languages.catalogue import Texts, harmless


class ReplyRenderer:
    """Renders replies; what a person typed is made harmless on the way."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def render(self, reply: Reply, language: str | None) -> str:
        """The text of one message, with an empty line between its parts; None stands for the default language."""
        return "\n\n".join(self._render_part(part, language) for part in reply)

    def _render_part(self, part: Part, language: str | None) -> str:
        values = {name: self._shown(value, language) for name, value in part.values.items()}
        return self._texts.render(part.code, values, language)

    def _shown(self, value: Value, language: str | None) -> str | int:
        match value:
            case TextRef(code):
                return self._texts.render(code, {}, language)
            case Url(url):
                return url
            case str():
                return harmless(value)
            case _:
                return value
