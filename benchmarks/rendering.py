"""What hostile Markdown costs: time and memory of an answer against its size, rendered at once and as it streams.

    python -m benchmarks.rendering [--sizes 25,50,100,200] [--tricks quotes,stars] [--piece 100]

Each figure comes from a process of its own, forked after the imports: the best CPU time of `--repeats`, and by how
much the process grew at its peak. `growth` is the exponent k in time ~ size^k between the smallest and the largest
size: 1 is linear, 2 quadratic. Above `SUSPICIOUS` a row is marked, and the exit status is 1.
"""

import argparse
import multiprocessing
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from math import log
from multiprocessing.connection import Connection
from time import process_time
from typing import Final

from arena.markdown import Rendering, clean, looks
from arena.markdown.page import to_html

SUSPICIOUS: Final = 1.35
FORMULA, CODE = "$x^2$ and `x` ", "x = [1, 2]\n"


def _repeated(piece: str) -> Callable[[int], str]:
    return lambda size: (piece * (size // len(piece) + 1))[:size]


def _nested(opening: str, closing: str) -> Callable[[int], str]:
    def made(size: int) -> str:
        times = size // (len(opening) + len(closing))
        return opening * times + "x" + closing * times

    return made


def _steps(line: Callable[[int], str]) -> Callable[[int], str]:
    """Lines that differ by their number, up to the size."""

    def made(size: int) -> str:
        lines, length = list[str](), 0
        for number in count():
            if length >= size:
                return "".join(lines)
            lines.append(line(number))
            length += len(lines[-1])
        raise AssertionError

    return made


def _growing_ticks(size: int) -> str:
    return " ".join("`" * number for number in range(int((2 * size) ** 0.5)))


def _wide_table(size: int) -> str:
    columns = int(size**0.5) // 2
    return "|a" * columns + "|\n" + "|-" * columns + "|\n" + "|x\n" * (size // 6)


TRICKS: Mapping[str, Callable[[int], str]] = {
    "prose": _repeated("Light is *scattered* by the air.\nBlue more than **red**, as `n` says.\n\n"),
    "one paragraph": _repeated("Light is *scattered* by the air. "),
    "one word": _repeated("x"),
    "one line": _repeated("word "),
    "lines": _repeated("a\n"),
    "blank lines": _repeated("\n"),
    "quotes, 500 deep": _repeated(">" * 500 + " x\n\n"),
    "quotes, ever deeper": lambda size: ">" * size + " x",
    "quoted lines": _repeated("> > a\n"),
    "list": _repeated("- a\n"),
    "lists, 200 deep": _repeated("".join("  " * depth + "- x\n" for depth in range(200)) + "\nx\n\n"),
    "lists on one line": _repeated("- "),
    "loose list": _repeated("1. a\n\n"),
    "list of fences": _repeated("- ```\n  x\n  ```\n"),
    "unclosed fence": lambda size: "```python\n" + _repeated(CODE)(size),
    "unclosed tildes": lambda size: "~~~\n" + _repeated("```\n")(size),
    "fences": _repeated("```\nx\n```\n"),
    "coloured code": lambda size: f"```python\n{_repeated(CODE)(size)}```\n",
    "code with one string": lambda size: '```python\n"' + _repeated("'\\\"")(size) + "\n```\n",
    "indented code": _repeated("    x\n"),
    "ticks": _repeated("`"),
    "growing ticks": _growing_ticks,
    "half code": _repeated("`a``b "),
    "stars": _repeated("*"),
    "starred": _repeated("*a **b "),
    "underscores": _repeated("_a__b"),
    "emphasis in emphasis": _nested("*a ", " b*"),
    "struck": _repeated("~~a ~b"),
    "brackets": _repeated("["),
    "closed brackets": _nested("[", "]"),
    "images": _repeated("!["),
    "links": _repeated("[a](http://b)"),
    "half links": _repeated("[a]("),
    "half links with spaces": _repeated("[a](<b "),
    "links in links": _nested("[", "](u)"),
    "autolinks": _repeated("<http:a "),
    "definitions": _steps(lambda number: f"[{number}]: http://x\n"),
    "uses of definitions": lambda size: (
        "".join(f"[{n}]: u\n" for n in range(size // 40)) + "\n" + "[1]" * (size // 6)
    ),
    "uses of nothing": _steps(lambda number: f"[{number}] "),
    "escapes": _repeated("\\*"),
    "ampersands": _repeated("&"),
    "ampersands in code": lambda size: "```\n" + "&<" * (size // 2) + "\n```\n",
    "entities": _repeated("&amp;"),
    "half entities": _repeated("&a"),
    "tags": _repeated("<b>"),
    "half tags": _repeated("<a "),
    "half tags with values": _repeated('<a b="'),
    "comments": _repeated("<!-- a --> "),
    "half comments": _repeated("<!-- "),
    "half instructions": _repeated("<? "),
    "half declarations": _repeated("<!A "),
    "half CDATA": _repeated("<![CDATA["),
    "block of HTML": lambda size: "<script>\n" + _repeated("x\n")(size),
    "dollars": _repeated("$"),
    "amounts": _repeated("$1 "),
    "formulas": _repeated(FORMULA),
    "different formulas": _steps(lambda number: f"$x_{{{number}}}$ "),
    "half formulas": _repeated(r"\[ \{ "),
    "braces": lambda size: "$" + "{" * (size // 2) + "}" * (size // 2) + "$",
    "table": lambda size: "|a|b|\n|-|-|\n" + _repeated("|x|y|\n")(size),
    "table of one row": lambda size: "|a" * (size // 4) + "|\n" + "|-" * (size // 4) + "|\n",
    "table of empty cells": _wide_table,
    "tables": _repeated("|a|\n|-|\n|x|\n\n"),
    "half tables": _repeated("|a|\n|-\n\n"),
    "headings": _repeated("# a\n"),
    "underlined": _repeated("a\n===\n"),
    "rules": _repeated("***\n"),
    "bidi": _repeated("\u202ea\u2066b"),
    "zalgo": _repeated("a\u0301\u0351\u0489"),
    "carriage returns": _repeated("a\r"),
    "controls": _repeated("\x01\x02"),
    "emoji": _repeated("\U0001f468\u200d\U0001f469 "),
    "strings of attack": _repeated("<img src=x onerror=alert(1)>\n\n[x](javascript:alert(1)) "),
}


@dataclass(frozen=True)
class Figure:
    """Of one text: seconds and MB of growth, rendered at once and as a stream."""

    whole: float
    stream: float
    looks: float
    megabytes: float


def measure(text: str, piece: int, repeats: int) -> Figure:
    """In a process of its own."""
    near, far = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=_work, args=(far, text, piece, repeats))
    process.start()
    far.close()
    try:
        found: Figure = near.recv()
    finally:
        process.join()
    return found


def _work(out: Connection, text: str, piece: int, repeats: int) -> None:
    before = _peak()
    whole = min(_timed(lambda: to_html(clean(text))) for _ in range(repeats))
    stream = min(_timed(lambda: _streamed(text, piece)) for _ in range(repeats))
    counted = _timed(lambda: looks(text))
    out.send(Figure(whole, stream, counted, _peak() - before))


def _streamed(text: str, piece: int) -> None:
    rendering = Rendering()
    for start in range(0, len(text), piece):
        rendering.feed(text[start : start + piece])
        rendering.update()
    rendering.finish()


def _timed(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def growth(sizes: list[int], seconds: list[float]) -> float:
    """The exponent of a power law through the first and the last figure; times below 5 ms say nothing."""
    first, last = max(seconds[0], 0.005), max(seconds[-1], 0.005)
    return log(last / first) / log(sizes[-1] / sizes[0])


def row(name: str, sizes: list[int], figures: list[Figure]) -> tuple[str, bool]:
    """A line of the table, and whether it grows faster than it may."""
    whole, stream = [f.whole for f in figures], [f.stream for f in figures]
    grows = [growth(sizes, seconds) for seconds in (whole, stream)]
    is_bad = max(grows) > SUSPICIOUS
    times = [" / ".join(f"{1000 * second:.0f}" for second in seconds) for seconds in (whole, stream)]
    cells = [name + (" **!**" if is_bad else ""), times[0], f"{grows[0]:.2f}", times[1], f"{grows[1]:.2f}"]
    return " | ".join(
        ("", *cells, f"{1000 * figures[-1].looks:.0f}", f"{figures[-1].megabytes:.0f}", "")
    ).strip(), is_bad


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="25,50,100,200", help="of the answers, in thousands of characters")
    parser.add_argument("--tricks", default="", help="a part of the names of those to measure; all")
    parser.add_argument("--piece", type=int, default=100, help="characters that arrive at once")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    sizes = [1000 * int(size) for size in options.sizes.split(",")]
    to_html("# warm\n\n```python\nx\n```\n$x$ " * 2)
    names = [name for name in TRICKS if any(part in name for part in options.tricks.split(","))]
    print("| trick | whole, ms | growth | stream, ms | growth | looks, ms | MB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    bad = 0
    for name in names:
        figures = [measure(TRICKS[name](size), options.piece, options.repeats) for size in sizes]
        line, is_bad = row(name, sizes, figures)
        bad += is_bad
        print(line, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
