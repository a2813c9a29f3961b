"""The words of the interface, and its numbers and days, in the language of the request that is being served.

Messages stand in English where they are said; `arena/locales` has what they are in other languages
(docs/languages.md). Where nobody is served, as at a terminal or in the log, all is English.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Literal

LOCALES = Path(__file__).parent / "locales"
CATALOGUE = "LC_MESSAGES/arena.po"

Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True, slots=True)
class Language:
    """One that the interface speaks. `code` as in HTML (RFC 5646); `name`: what its own readers call it."""

    code: str
    name: str
    direction: Direction
    catalogue: NullTranslations


ENGLISH = Language("en", "English", "ltr", NullTranslations())

_spoken: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def language() -> Language:
    """The visitor's."""
    return _spoken.get()


def speak(language: Language) -> None:
    """From here on, in this task and in those it starts."""
    _spoken.set(language)


def _(message: str) -> str:
    """The message in the visitor's language. What varies comes in afterwards: `_("{n} turns").format(n=n)`."""
    return _spoken.get().catalogue.gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """The message for so many, in the visitor's language."""
    return _spoken.get().catalogue.ngettext(singular, plural, n)


def N_(message: str) -> str:  # the name that gettext's tools look for
    """Marks a message that is said later, by `_`, to a visitor who is not here yet."""
    return message


def number(value: float, digits: int = 0, *, signed: bool = False) -> str:
    """With so many digits after the point: 12,345.6 in English, 12 345,6 in French."""
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text if _spoken.get() is ENGLISH else _number(text.replace(",", ""), _spoken.get().code)


def figures(value: float, most: int = 6) -> str:
    """With so many figures at most, and without a comma: 0.5 in English, 0,5 in French."""
    text = f"{value:.{most}g}"
    return text if _spoken.get() is ENGLISH else text.replace(".", _point(_spoken.get().code))


def day(at: date) -> str:
    """A day in figures: 2026-01-31 in English, 31/01/2026 in French."""
    return _date(at, _("y-MM-dd"))


def moment(at: datetime) -> str:
    """A day and the minute, by the clock of `at`."""
    return _date(at, _("y-MM-dd HH:mm"))


def second(at: datetime) -> str:
    """A day and the second, by the clock of `at`."""
    return _date(at, _("y-MM-dd HH:mm:ss"))


def codes() -> tuple[str, ...]:
    """The codes of all languages there are, English first."""
    found = sorted(file.parent.parent.name.replace("_", "-") for file in LOCALES.glob(f"*/{CATALOGUE}"))
    return (ENGLISH.code, *found)


@cache
def known(code: str) -> Language:
    """The language of that code, with its catalogue. Raises `OSError` where there is none."""
    if code == ENGLISH.code:
        return ENGLISH
    from babel import Locale

    locale = Locale.parse(code, sep="-")
    name = str(locale.display_name)
    catalogue = _catalogue(LOCALES / code.replace("-", "_") / CATALOGUE)
    direction: Direction = "rtl" if locale.text_direction == "rtl" else "ltr"
    return Language(code, name[:1].upper() + name[1:], direction, catalogue)


def _catalogue(file: Path) -> GNUTranslations:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with file.open("rb") as source:
        written = read_po(source)
    made = BytesIO()
    write_mo(made, written)
    made.seek(0)
    return GNUTranslations(made)


@lru_cache(maxsize=10_000)
def _number(text: str, code: str) -> str:
    """A number as Python writes it, as the language does."""
    from babel import Locale
    from babel.numbers import format_decimal

    locale = Locale.parse(code, sep="-")
    whole = locale.decimal_formats[None].pattern.split(";")[0].split(".")[0]
    digits = len(text.partition(".")[2])
    written = format_decimal(text.lstrip("+"), f"{whole}.{'0' * digits}" if digits else whole, locale)
    return f"+{written}" if text.startswith("+") else written


@cache
def _point(code: str) -> str:
    from babel.numbers import get_decimal_symbol

    return get_decimal_symbol(code.replace("-", "_"))


def _date(at: date, pattern: str) -> str:
    """By a pattern of Unicode's CLDR."""
    from babel.dates import format_date, format_datetime

    locale = _spoken.get().code.replace("-", "_")
    if isinstance(at, datetime):
        return format_datetime(at, pattern, at.tzinfo, locale)
    return format_date(at, pattern, locale)
