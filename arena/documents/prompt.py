"""What models get of the documents that come with a prompt: their texts first, then the visitor's own words."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

NAME = 200  # characters
_FENCES = re.compile("`+")
_FENCE = 3
_HIDDEN = ("C", "Zl", "Zp")  # categories: controls, what changes the direction, ends of lines


@dataclass(frozen=True, slots=True)
class Document:
    """A text under the name of its file. `pages`: of a PDF."""

    name: str
    text: str
    pages: int | None = None


def prompt_with(documents: Iterable[Document], prompt: str) -> str:
    """The prompt as models get it.

    Each text stands, as it is, between two lines of backticks: more than it has itself anywhere, so that no
    document can end before its end.
    """
    return "".join(_fenced(document) for document in documents) + prompt


def plain_name(name: str) -> str:
    """The name of a file on one line, without what nobody sees."""
    shown = "".join(" " if unicodedata.category(letter).startswith(_HIDDEN) else letter for letter in name)
    return " ".join(shown.split())[:NAME].strip()


def _fenced(document: Document) -> str:
    longest = max(map(len, _FENCES.findall(document.text)), default=0)
    fence = "`" * max(longest + 1, _FENCE)
    pages = {None: "", 1: " (1 page)"}.get(document.pages, f" ({document.pages} pages)")
    end = "" if document.text.endswith("\n") else "\n"
    return f"Document: {plain_name(document.name)}{pages}\n{fence}\n{document.text}{end}{fence}\n\n"
