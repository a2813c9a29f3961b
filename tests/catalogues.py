"""Catalogues as tests see them: what is said in code and templates, a language in brackets, words outside."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from arena.export import FORMATS
from arena.words import CATALOGUE, LOCALES

ROOT = Path(__file__).parent.parent
FOLDERS = ("arena", "templates")

LETTER = re.compile(r"[^\W\d_]")
OPEN, CLOSE = "⟦", "⟧"
INNERMOST = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")
BRACKETED = "eo"  # whatever a language is called: no arena speaks this one

SPOKEN = ("aria-label", "title", "placeholder", "alt", "label")
UNREAD = {"script", "style", "code", "kbd", "math", "template"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
NAMES = {"A", "B", "T", "N", "UTC", "CSV", "JSON", "script", *FORMATS}
"""What has letters and is the same in every language."""


def extracted() -> Catalog:
    """The messages that `make words` finds."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["babel"]["mappings"]
    methods = [(mapping["pattern"], mapping["method"]) for mapping in mappings]
    options = {mapping["pattern"]: mapping for mapping in mappings}
    found = Catalog()
    for folder in FOLDERS:
        for file, _, message, comments, context in extract_from_dir(ROOT / folder, methods, options):
            found.add(message, None, [(f"{folder}/{file}", 0)], auto_comments=comments, context=context)
    return found


def kept(folder: Path) -> Catalog:
    """The catalogue of a language."""
    with (folder / CATALOGUE).open("rb") as file:
        return read_po(file, locale=folder.name)


def locales() -> list[Path]:
    """The folders of all languages but English."""
    return sorted(file.parent.parent for file in LOCALES.glob(f"*/{CATALOGUE}"))


def messages(catalogue: Catalog) -> dict[str | tuple[str, ...], Message]:
    """Without the header."""
    return {key(message): message for message in catalogue if message.id}


def key(message: Message) -> str | tuple[str, ...]:
    return tuple(message.id) if isinstance(message.id, list | tuple) else str(message.id)


def forms(text: str | Sequence[str] | None) -> list[str]:
    """One text, or one for each number."""
    return [text or ""] if text is None or isinstance(text, str) else list(text)


def write_bracketed(folder: Path) -> None:
    """A catalogue in which every message is itself in brackets."""
    made = Catalog(locale=BRACKETED)
    for message in messages(extracted()).values():
        said = [f"{OPEN}{text}{CLOSE}" for text in forms(message.id)]
        made.add(message.id, said if len(said) > 1 else said[0], flags=message.flags)
    file = folder / BRACKETED / CATALOGUE
    file.parent.mkdir(parents=True)
    with file.open("wb") as out:
        write_po(out, made)


def loose_words(html: str) -> list[str]:
    """Texts and spoken attributes that have letters outside of all brackets."""
    page = _Page()
    page.feed(html)
    page.close()
    return page.found


def is_word(text: str) -> bool:
    """Whether it has letters, and is no address and no name."""
    return (
        bool(LETTER.search(text))
        and text[0] not in "/#-"
        and "://" not in text
        and text.strip(".,:;()·–") not in NAMES
    )


@dataclass
class _Element:
    name: str
    is_read: bool


@dataclass
class _Page(HTMLParser):
    """Reads in the order of the page: a message may begin in one element and end in another."""

    found: list[str] = field(default_factory=list)
    depth: int = 0
    inside: list[_Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def is_read(self) -> bool:
        return all(element.is_read for element in self.inside)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        is_ours = values.get("lang", BRACKETED) == BRACKETED
        if self.is_read and is_ours:
            said = [values[name] for name in values if name in SPOKEN or name.startswith("data-")]
            if values.get("name", values.get("property")) in ("description", "og:title", "og:description"):
                said.append(values.get("content", ""))
            for text in said:
                self._note(text, " " in text or OPEN in text or text[:1].isupper())
        if tag not in VOID:
            self.inside.append(_Element(tag, is_ours and tag not in UNREAD))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while any(element.name == tag for element in self.inside) and self.inside.pop().name != tag:
            continue

    def handle_data(self, data: str) -> None:
        if not self.is_read:
            return
        loose = "".join(self._outside(data))
        if any(is_word(word) for word in loose.split()):
            self.found.append(" ".join(data.split()))

    def _outside(self, data: str) -> Iterator[str]:
        for character in data:
            if character == OPEN:
                self.depth += 1
            elif character == CLOSE:
                self.depth -= 1
            elif not self.depth:
                yield character

    def _note(self, text: str, is_said: bool) -> None:
        before, loose = "", text
        while before != loose:  # brackets in brackets
            before, loose = loose, INNERMOST.sub("", loose)
        if is_said and any(is_word(word) for word in loose.split()):
            self.found.append(text)
