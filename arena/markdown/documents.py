"""A text of whoever runs the arena, for a page of its own: a title, and the rest as HTML below it."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from arena.markdown.page import to_html
from arena.markdown.text import PARSER, clean, kind_of

_TITLE = re.compile(r"\A(?:[ \t]*\n)* {0,3}#[ \t]+(\S[^\n]*?)(?:[ \t]+#+)?[ \t]*(?:\n|\Z)")
_UNDERLINED = re.compile(r"\A(?:[ \t]*\n)* {0,3}([^\s#>`~|*+-][^\n]*?)[ \t]*\n {0,3}=+[ \t]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Document:
    """`title`: the heading that the text begins with, as plain words, or nothing. `html`: the rest, sanitised."""

    title: str
    html: str

    @property
    def words(self) -> str:
        """The rest without its tags, on one line."""
        return _words(self.html)


def document(text: str, top: int) -> Document:
    """The text, whose highest headings below the title become `<h2>` or as `top` says."""
    text = clean(text)
    found = _TITLE.match(text) or _UNDERLINED.match(text)
    body = text[found.end() :] if found else text
    title = _words(to_html(f"# {found[1]}")) if found else ""
    return Document(title, to_html(body, deeper=top - _highest(body)))


def _words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def _highest(text: str) -> int:
    """The level of the highest heading."""
    starts: list[Any] = [event for event in PARSER.events(text) if kind_of(event) == "Heading"]
    return min((int(event["Start"]["Heading"]["level"][1]) for event in starts), default=1)
