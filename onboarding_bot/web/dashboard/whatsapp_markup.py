"""WhatsApp's formatting (bold, italic, struck through, monospace) as HTML; everything else in a message is escaped."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_STYLED = {
    "*": Markup("<strong>{}</strong>"),
    "_": Markup("<em>{}</em>"),
    "~": Markup("<s>{}</s>"),
}
_MONO = Markup("<code>{}</code>")
# A mark opens before a visible character at the beginning of a word, and closes behind one at a word's end, on the
# same line. Between three backticks nothing is a mark, and lines may break.
_SPAN = re.compile(
    r"```(?P<mono>.+?)```"
    r"|(?<!\w)(?P<mark>[*_~])(?=\S)(?P<inside>(?:(?!(?P=mark))[^\n])+)(?<!\s)(?P=mark)(?!\w)",
    re.DOTALL,
)


def plain(text: str) -> str:
    """The message on one line, without the marks."""
    return as_whatsapp(text).striptags()


def as_whatsapp(text: str) -> Markup:
    """The message as safe HTML; its line breaks stay, and the style sheet shows them."""
    shown, written = Markup(), 0
    for found in _SPAN.finditer(text):
        mono, inside = found["mono"], found["inside"]
        shown += escape(text[written : found.start()])
        shown += _MONO.format(mono) if mono is not None else _STYLED[found["mark"]].format(as_whatsapp(inside))
        written = found.end()
    return shown + escape(text[written:])
