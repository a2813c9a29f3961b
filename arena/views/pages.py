"""Templates -> HTML, and the addresses of static files. Knows no request and no battle."""

import hashlib
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from arena import words
from arena.config import Config
from arena.conversation import Choice
from arena.markdown import formula

# What a browser may do with a reply: scripts, styles and images of this server alone, nothing inline, no frames.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

CHOICE_WORDS: dict[Choice, str] = {
    "a": "A is better",
    "b": "B is better",
    "tie": "Tie",
    "both_bad": "Both are bad",
}
CHOICE_KEYS: dict[Choice, str] = {"a": "A", "b": "B", "tie": "T", "both_bad": "N"}


def folder(name: str) -> Path:
    """A folder of the project: beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def _formula(latex: str) -> Markup:
    """A formula of our own, on a line of its own; keys scroll over it where the window is narrow."""
    mathml = Markup(formula(latex, is_display=True))
    return Markup('<div class="wide" role="group" tabindex="0" aria-label="Formula">{}</div>').format(mathml)


def category_words(name: str) -> str:
    """A category as people read it: `language:en` is `Language: en`."""
    if name == "all":
        return "All votes"
    words = name.replace(":", ": ").replace("_", " ")
    return words[:1].upper() + words[1:]


def card_path(name: str) -> str:
    """The address of a model's card."""
    return f"/models/{quote(name, safe='')}"


class Pages:
    """Renders the templates of one arena."""

    def __init__(self, config: Config) -> None:
        self._static = folder("static")
        self._templates = Environment(
            loader=FileSystemLoader(folder("templates")),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._templates.install_gettext_callables(words._, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
        self._templates.globals.update(
            title=config.server.title,
            texts=[name for name in ("about", "rules", "terms") if getattr(config.pages, name) is not None],
            static=lru_cache(maxsize=None)(self._address),
            choices=CHOICE_WORDS,
            keys=CHOICE_KEYS,
            prompt_characters=config.limits.prompt_characters,
            formula=_formula,
            category_words=category_words,
            card_path=card_path,
        )

    def render(self, template: str, **values: Any) -> Markup:
        """The HTML of a template or partial."""
        return Markup(self._templates.get_template(template).render(values))

    def page(self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> HTMLResponse:
        """A whole page. It is never kept by a cache: it shows a moment."""
        headers = {"Cache-Control": "no-store"}
        if status >= HTTPStatus.BAD_REQUEST:
            headers["HX-Push-Url"] = "false"  # the address stays that of the page the visitor was on
        return HTMLResponse(self.render(template, **values), status, headers)

    def _address(self, name: str) -> str:
        """The address of a static file, which changes with its content, so that it may be kept for a year."""
        digest = hashlib.sha256((self._static / name).read_bytes()).hexdigest()[:12]
        return f"/static/{name}?v={digest}"
