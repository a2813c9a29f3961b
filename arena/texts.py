"""Texts of whoever runs the arena, from Markdown files: about, rules, terms. Knows the files, not the pages."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from arena.config import Config
from arena.errors import ConfigError
from arena.markdown import clean, document
from arena.words import N_, _

TITLES = {"about": N_("About this arena"), "rules": N_("Rules"), "terms": N_("Terms")}
TOPS = {"about": 2, "rules": 2, "terms": 3}  # the level of the highest headings: the terms stand below one of ours
FIRST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Text:
    """A page from a file. `version` changes when the text does; `words`: how it begins, below its title.

    `own_title`: nothing where the file gives it none.
    """

    name: str
    own_title: str
    html: Markup
    version: str
    words: str

    @property
    def title(self) -> str:
        return self.own_title or _(TITLES[self.name])


def read(config: Config) -> dict[str, Text]:
    """Those texts that config.toml names, by name. Raises `ConfigError`."""
    files = {name: getattr(config.pages, name) for name in TITLES}
    return {
        name: _text(name, _source(f"pages.{name}", config.path(file)))
        for name, file in files.items()
        if file is not None
    }


def _source(setting: str, file: Path) -> str:
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError as exc:
        raise ConfigError(f"{setting}: there is no file {file}. Write it, or remove the setting.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{setting}: {file} is not UTF-8: {exc}. Save it as UTF-8.") from exc
    except OSError as exc:
        words = exc.strerror or exc
        raise ConfigError(f"{setting}: {file} cannot be read: {words}. Name a file that can.") from exc
    if not text.strip():
        raise ConfigError(f"{setting}: {file} is empty. Write something into it, or remove the setting.")
    return clean(text).strip()


def _text(name: str, source: str) -> Text:
    page = document(source, TOPS[name])
    words = page.words.split()
    more = " …" if len(words) > FIRST_WORDS else ""
    return Text(
        name=name,
        own_title=page.title or "",
        html=Markup(page.html),
        version=hashlib.sha256(source.encode()).hexdigest()[:12],
        words=" ".join(words[:FIRST_WORDS]) + more,
    )
