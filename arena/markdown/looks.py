"""How an answer looks, in counts: what a visitor may like in it apart from what it says."""

from typing import NamedTuple

from arena.markdown.formulas import mark_math
from arena.markdown.text import PARSER, clean, kind_of

_MATH = ("InlineMath", "DisplayMath")


class Looks(NamedTuple):
    """`characters` of the whole text; the others as Markdown has them: list items, not lists."""

    characters: int = 0
    headers: int = 0
    lists: int = 0
    bold: int = 0
    code_blocks: int = 0
    formulas: int = 0


def looks(text: str) -> Looks:
    """The looks of an answer that is complete."""
    counts = dict.fromkeys(("Heading", "Item", "Strong", "CodeBlock", *_MATH), 0)
    marked, _ = mark_math(clean(text))
    for event in PARSER.events(marked):
        if isinstance(event, dict) and "End" not in event:
            kind = kind_of(event) if "Start" in event else next(iter(event))
            if kind in counts:
                counts[kind] += 1
    formulas = sum(counts[kind] for kind in _MATH)
    return Looks(len(text), counts["Heading"], counts["Item"], counts["Strong"], counts["CodeBlock"], formulas)
