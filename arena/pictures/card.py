"""The picture that a chat shows beside a shared link: what kind of conversation it is, and how it begins.

Drawn with Pillow in Noto Sans, which has Latin, Greek, Cyrillic and Devanagari, with Noto Sans Arabic beside it. A
prompt in a script that neither has is left out: a title is better than boxes.
"""

import threading
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT = 1200, 630
EDGE = 72
KEPT = 100  # cards
LOOKED_AT = 600  # characters of a prompt
MARKS = 2  # accents on one letter
JOINERS = "\u200c\u200d"
UNKNOWN_SHARE = 0.15  # of a prompt's characters, above which it is left out

PAPER, CARD, INK, SOFT, LINE = "#fbfaf7", "#ffffff", "#1c2430", "#566070", "#d8d7d1"
SIDE_A, SIDE_B = "#8a5a00", "#0b5a86"

FONTS = (
    ("fontpkg_noto_sans", "NotoSans[wdth,wght].ttf"),
    ("fontpkg_noto_sans_arabic", "NotoSansArabic[wdth,wght].ttf"),
)
_TOFU = "\U0010ffff"
_pen = threading.Lock()  # a font is no thing for two threads at once


@dataclass(frozen=True, slots=True)
class Card:
    """What stands on it. `names`: who answered on each side, where all may know; `sides`: how many there are."""

    site: str
    kind: str
    prompt: str
    names: tuple[str, ...] = ()
    sides: int = 2


@lru_cache(maxsize=KEPT)
def png(card: Card) -> bytes:
    """The card as PNG, 1200 x 630. Takes some hundredths of a second the first time."""
    from PIL import Image, ImageDraw

    with _pen:
        image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        draw = ImageDraw.Draw(image)
        _frame(draw, card)
        foot = HEIGHT - EDGE - 74
        _lines(draw, (EDGE, EDGE + 76), _readable(card.prompt) or _readable(card.kind), 46, INK, 500, foot)
        if card.names:
            _names(draw, card.names, foot)
        else:
            _letters(draw, card.sides, foot)
        out = BytesIO()
        image.save(out, "PNG", optimize=True)
    return out.getvalue()


def plain(prompt: str, characters: int = LOOKED_AT) -> str:
    """How a prompt begins, on one line, without what is invisible, piles up or turns text around."""
    text = " ".join("".join(_visible(prompt[: 4 * characters])).split())
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def _visible(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        marks = marks + 1 if kind == "Mn" else 0
        if character.isspace():
            yield " "
        elif marks <= MARKS and (kind[0] != "C" or character in JOINERS):
            yield character


# Fonts


@cache
def _font(size: int, weight: int, place: int = 0) -> "FreeTypeFont":
    from PIL import ImageFont

    package, name = FONTS[place]
    with (files(package) / "files" / name).open("rb") as file:
        font = ImageFont.truetype(BytesIO(file.read()), size)
    font.set_variation_by_axes([weight, 100])
    return font


@lru_cache(maxsize=10_000)
def _has(place: int, character: str) -> bool:
    """Whether a font has the character: one that it lacks is drawn as a box."""
    font = _font(32, 400, place)
    return bytes(font.getmask(character)) != bytes(font.getmask(_TOFU))


def _home(character: str) -> int | None:
    """The first font that has it."""
    return next((place for place in range(len(FONTS)) if _has(place, character)), None)


def _readable(text: str) -> str:
    """The text without the characters that no font has; nothing where those are many."""
    text = plain(text)
    known = [c for c in text if c in " …" or c in JOINERS or _home(c) is not None]
    lost = len(text) - len(known)
    return " ".join("".join(known).split()) if lost <= UNKNOWN_SHARE * max(1, len(text)) else ""


# Words and lines


@dataclass(frozen=True, slots=True)
class _Word:
    """A word in the font that has it. `is_rtl`: read from right to left."""

    text: str
    font: "FreeTypeFont"
    width: float
    is_rtl: bool


def _word(text: str, size: int, weight: int) -> _Word:
    homes = [_home(character) or 0 for character in text if character.isalpha()]
    font = _font(size, weight, max(homes, default=0))
    return _Word(text, font, font.getlength(text), _is_rtl(text))


def _is_rtl(text: str) -> bool:
    """By its first letter."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next((kind in ("R", "AL") for kind in kinds if kind in ("L", "R", "AL")), False)


def _pieces(text: str, size: int, weight: int, room: float) -> Iterator[_Word]:
    """Its words; one that is longer than a line is cut."""
    for word in text.split():
        while (found := _word(word, size, weight)).width > room:
            end = max(1, int(len(word) * room / found.width))
            yield _word(word[:end], size, weight)
            word = word[end:]
            if not word:
                break
        else:
            yield found


def _wrapped(words: Iterable[_Word], space: float, room: float) -> Iterator[list[_Word]]:
    line: list[_Word] = []
    for word in words:
        if line and sum(one.width + space for one in line) + word.width > room:
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _lines(draw: "ImageDraw", at: tuple[int, int], text: str, size: int, ink: str, weight: int, foot: int) -> None:
    """The text in lines, from `at` down to `foot`; what has no room becomes an ellipsis."""
    room, high = WIDTH - 2 * EDGE, int(size * 1.36)
    space = _font(size, weight).getlength(" ")
    most = max(1, (foot - at[1]) // high)
    lines = list(_wrapped(_pieces(text, size, weight, room - 40), space, room - 40))
    if len(lines) > most:
        last = lines[most - 1][-1]
        lines[most - 1][-1] = _word(last.text.rstrip(".,;:…") + "…", size, weight)
    is_rtl = _is_rtl(text)
    for number, line in enumerate(lines[:most]):
        _line(draw, (at[0], at[1] + number * high + size), line, space, ink, is_rtl=is_rtl)


def _line(
    draw: "ImageDraw", at: tuple[int, int], words: list[_Word], space: float, ink: str, *, is_rtl: bool
) -> None:
    """One line, as wide as it is, at the side where its text begins."""
    groups = [list(group) for _, group in groupby(words, key=lambda word: word.is_rtl)]
    order = [word for group in groups for word in (reversed(group) if group[0].is_rtl != is_rtl else group)]
    if is_rtl:
        order.reverse()
    wide = sum(word.width for word in order) + space * (len(order) - 1)
    x = float(WIDTH - at[0] - wide if is_rtl else at[0])
    for word in order:
        draw.text((x, at[1]), word.text, ink, word.font, anchor="ls")
        x += word.width + space


def _fitting(text: str, size: int, weight: int, room: float) -> str:
    """The text, or as much of it as has room."""
    text = _readable(text)
    while text and _font(size, weight).getlength(text) > room:
        text = text[:-2].rstrip("… ") + "…"
    return text


# The parts of a card


def _frame(draw: "ImageDraw", card: Card) -> None:
    draw.rectangle((0, 0, WIDTH // 2, 12), SIDE_A)
    draw.rectangle((WIDTH // 2, 0, WIDTH, 12), SIDE_B)
    site = _fitting(card.site, 30, 700, WIDTH / 2 - EDGE)
    draw.text((EDGE, EDGE + 26), site, INK, _font(30, 700), anchor="ls")
    kind = _fitting(card.kind, 28, 500, WIDTH / 2 - EDGE)
    draw.text((WIDTH - EDGE, EDGE + 26), kind, SOFT, _font(28, 500), anchor="rs")
    draw.line((EDGE, EDGE + 52, WIDTH - EDGE, EDGE + 52), LINE, 2)


def _mark(draw: "ImageDraw", letter: str, x: int, y: int) -> None:
    """A side's letter: A in a circle, B in a square."""
    ink, box = (SIDE_A if letter == "A" else SIDE_B), (x, y, x + 60, y + 60)
    if letter == "A":
        draw.ellipse(box, CARD, ink, 4)
    else:
        draw.rounded_rectangle(box, 10, CARD, ink, 4)
    draw.text((x + 30, y + 31), letter, ink, _font(32, 700), anchor="mm")


def _letters(draw: "ImageDraw", sides: int, foot: int) -> None:
    """Nobody has a name yet."""
    for number in range(sides if sides > 1 else 0):
        _mark(draw, "AB"[number], EDGE + 84 * number, foot + 14)


def _names(draw: "ImageDraw", names: tuple[str, ...], foot: int) -> None:
    room = (WIDTH - 2 * EDGE) / len(names) - (100 if len(names) > 1 else 0)
    for number, name in enumerate(names):
        x = EDGE + number * (WIDTH - 2 * EDGE) // len(names)
        if len(names) > 1:
            _mark(draw, "AB"[number], x, foot + 14)
            x += 80
        draw.text((x, foot + 44), _fitting(name, 34, 600, room), INK, _font(34, 600), anchor="lm")
