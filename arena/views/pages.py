"""Templates -> HTML. Knows no request and no battle."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from arena import documents, words
from arena.config import Config
from arena.conversation import CHOICE_WORDS, Choice
from arena.markdown import formula
from arena.views.statics import address, folder
from arena.words import N_, Language, _

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

CATEGORY_WORDS = {
    "all": N_("All votes"),
    "code": N_("Code"),
    "math": N_("Math"),
    "image": N_("Image"),
    "document": N_("Document"),
    "turns:one": N_("Turns: one"),
    "turns:many": N_("Turns: many"),
    "prompt:short": N_("Prompt: short"),
    "prompt:long": N_("Prompt: long"),
}
KIND_WORDS = {"language": N_("Language: {which}"), "tag": N_("Tag: {which}")}
# What the choice of files offers at once. iOS turns the photographs of its camera into one of these pictures.
ACCEPTED = (
    "image/jpeg,image/png,image/webp,image/gif,.pdf,text/*,"
    ".md,.json,.csv,.toml,.yaml,.log,.py,.js,.ts,.rs,.go,.java,.c,.cpp"
)
CHOICE_KEYS: dict[Choice, str] = {"a": "A", "b": "B", "tie": "T", "both_bad": "N"}


def _formula(latex: str) -> Markup:
    """A formula of our own, on a line of its own; keys scroll over it where the window is narrow."""
    mathml = Markup(formula(latex, is_display=True))
    group = Markup('<div class="wide" role="group" tabindex="0" aria-label="{}">{}</div>')
    return group.format(_("Formula"), mathml)


def category_words(name: str) -> str:
    """A category as people read it: `language:en` is `Language: en`."""
    if known := CATEGORY_WORDS.get(name):
        return _(known)
    kind, _colon, which = name.partition(":")
    if kind in KIND_WORDS:
        return _(KIND_WORDS[kind]).format(which=which)
    return name[:1].upper() + name[1:].replace(":", ": ").replace("_", " ")


def step_words(detail: str) -> str:
    """What a backend is doing, or why it failed; as it said it itself, where that is nothing of ours."""
    return _(detail) if detail else ""


def card_path(name: str) -> str:
    """The address of a model's card."""
    return f"/models/{quote(name, safe='')}"


class Pages:
    """Renders the templates of one arena."""

    def __init__(self, config: Config, languages: Sequence[Language] = ()) -> None:
        self.languages = languages
        self._templates = Environment(
            loader=FileSystemLoader(folder("templates")),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._templates.policies["ext.i18n.trimmed"] = True
        self._templates.install_gettext_callables(words._, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
        self._templates.globals.update(
            title=config.server.title,
            modes=config.modes,
            texts=[name for name in ("about", "rules", "terms") if getattr(config.pages, name) is not None],
            static=address,
            keys=CHOICE_KEYS,
            accepted=ACCEPTED,
            prompt_characters=config.limits.prompt_characters,
            formula=_formula,
            category_words=category_words,
            card_path=card_path,
            excess=partial(documents.excess, limit=config.limits.document_characters),
            excess_words=partial(documents.excess_words, limit=config.limits.document_characters),
            first_characters=partial(documents.first_characters, limit=config.limits.document_characters),
            languages=languages,
            numeral=words.number,
            figures_of=words.figures,
            moment=words.moment,
            to_second=words.second,
            day=words.day,
            step_words=step_words,
        )

    def render(self, template: str, **values: Any) -> Markup:
        """The HTML of a template or partial."""
        said: dict[str, Any] = {name: _(choice) for name, choice in CHOICE_WORDS.items()}
        values = {"language": words.language(), "choices": said} | values
        return Markup(self._templates.get_template(template).render(values))

    def page(self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> HTMLResponse:
        """A whole page. It is never kept by a cache: it shows a moment."""
        headers = {
            "Cache-Control": "no-store",
            "Content-Language": words.language().code,
            "Vary": "Accept-Language, Cookie",
        }
        if status >= HTTPStatus.BAD_REQUEST:
            headers["HX-Push-Url"] = "false"  # the address stays that of the page the visitor was on
        return HTMLResponse(self.render(template, **values), status, headers)
