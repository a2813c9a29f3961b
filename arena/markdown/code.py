"""Code -> spans with the short class names of Pygments, within bounds of size and time."""

import re
from functools import cache, lru_cache
from html import escape
from time import perf_counter
from typing import Final

LONGEST_HIGHLIGHTED: Final = 10_000
"""In characters."""
SLOWEST_HIGHLIGHTING: Final = 0.1
"""In seconds, as the caller's event loop waits for it."""


# What is coloured, by the short class names of Pygments; a token takes the class of its nearest ancestor.
COLOURED = {
    "Keyword": "k",
    "Operator.Word": "k",
    "Name.Builtin": "nb",
    "Name.Class": "nb",
    "Name.Exception": "nb",
    "Name.Function": "nf",
    "Name.Attribute": "nf",
    "Name.Decorator": "nf",
    "Name.Tag": "k",
    "Literal.String": "s",
    "Literal.Number": "m",
    "Keyword.Constant": "m",
    "Comment": "c",
    "Generic.Inserted": "gi",
    "Generic.Deleted": "gd",
    "Generic.Heading": "k",
    "Generic.Subheading": "k",
}
# Languages by the names models write. Others stay plain: looking for them would import every plugin there is.
LANGUAGES = """
    bash c c++ clojure cmake console cpp cs csharp css dart diff docker dockerfile elixir erlang fortran fsharp go
    golang graphql groovy haskell hcl hs html ini java javascript js json jsx julia kotlin latex less lisp lua
    make makefile matlab nginx objc objective-c ocaml perl php powershell proto protobuf ps1 py python python3 r
    rb ruby rust rs scala scheme scss sh shell solidity sql swift terraform tex toml ts tsx typescript vim
    xml yaml yml zig zsh
"""


# Many lexers take quadratic time for such text: minutes for a model that got stuck in a code block.
_MONOTONOUS = re.compile(r".{1000}|(?:[ \t]*\n){30}")


@lru_cache(maxsize=128)
def highlight(code: str, language: str) -> str:
    """Code as spans with the classes of `COLOURED`; plain where the language is unknown or the lexer too slow."""
    plain = escape(code, quote=False)
    if language not in LANGUAGES.split() or _MONOTONOUS.search(code):
        return plain
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]  # slow: only where needed

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    spans: list[tuple[str, list[str]]] = [("", [])]
    end = perf_counter() + SLOWEST_HIGHLIGHTING
    for token, text in lexer.get_tokens(code):
        if perf_counter() > end:
            return plain
        colour = _colour(token)
        if colour != spans[-1][0]:
            spans.append((colour, []))
        spans[-1][1].append(text)
    return "".join(_span(colour, "".join(texts)) for colour, texts in spans)


def _span(colour: str, text: str) -> str:
    text = escape(text, quote=False)
    return f'<span class="{colour}">{text}</span>' if colour else text


@cache
def _colour(token: tuple[str, ...]) -> str:
    """The class of a Pygments token type, which is a tuple of names from the general to the special."""
    names = list(token)
    while names and ".".join(names) not in COLOURED:
        names.pop()
    return COLOURED[".".join(names)] if names else ""
