"""Words of the interface: all in catalogues, French complete, and no word on a page that is in none."""

import ast
import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from babel.messages.catalog import Message
from jinja2 import Environment

from arena import words
from arena.app import ROUTES
from arena.backend import READY, Status
from arena.errors import ContentFiltered
from tests import catalogues
from tests.catalogues import BRACKETED, forms, kept, locales, loose_words, messages, write_bracketed
from tests.crowd import Crowd, vote
from tests.house import House, Visitor, open_house
from tests.operator import GUARDED, TOKEN, VARIABLE, log_in

ROOT = Path(__file__).parent.parent
TEMPLATES = sorted((ROOT / "templates").glob("*.html"))
MODULES = sorted((ROOT / "arena").rglob("*.py"))
ENGLISH_ALONE = (
    "arena/cli/",
    "arena/config/",
    "arena/endpoints/",
    "arena/intake/",
    "arena/export/",
    "arena/providers/",
)
"""What speaks to whoever runs the server, at a terminal or in the log."""

LANGUAGES = pytest.mark.parametrize("folder", locales(), ids=lambda folder: folder.name)
PERCENT = re.compile(r"%\(\w+\)s|%%|%")
TAG = re.compile(r"</?[a-z][^>]*>")


# Catalogues


@pytest.fixture(scope="module")
def said() -> dict[str | tuple[str, ...], Message]:
    """What code and templates say."""
    return messages(catalogues.extracted())


def test_there_is_french() -> None:
    assert [folder.name for folder in locales()] == ["fr"]
    assert words.codes() == ("en", "fr")


@LANGUAGES
def test_every_message_is_in_the_catalogue_and_no_other(folder: Path, said: dict[str, Message]) -> None:
    there = messages(kept(folder))
    assert not [message for message in said if message not in there], "run `make words`, then translate these"
    assert not [message for message in there if message not in said], "run `make words`: nobody says these"


@LANGUAGES
def test_every_message_is_translated_and_looked_through(folder: Path) -> None:
    there = messages(kept(folder))
    assert not [name for name, message in there.items() if not all(forms(message.string))]
    assert not [name for name, message in there.items() if message.fuzzy]


@LANGUAGES
def test_a_translation_puts_in_what_the_message_puts_in(folder: Path) -> None:
    for name, message in messages(kept(folder)).items():
        plural = forms(message.id)[-1]
        for text in forms(message.string):
            assert fields(text) in [fields(form) for form in forms(message.id)], name
            assert TAG.findall(text) in [TAG.findall(plural), TAG.findall(forms(message.id)[0])], name


def fields(text: str) -> tuple[list[str], list[str]]:
    """The names that are put in, by `%` and by `format`."""
    return sorted(PERCENT.findall(text)), sorted(name for _, name, _, _ in Formatter().parse(text) if name)


@LANGUAGES
def test_a_language_writes_all_its_plurals(folder: Path) -> None:
    catalogue = kept(folder)
    assert all(len(forms(m.string)) == catalogue.num_plurals for m in catalogue if isinstance(m.id, list | tuple))


# Code and templates


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


REFUSALS = (
    "BadRequest", "Unauthorized", "Forbidden", "NotFound", "Conflict", "TooLarge", "Unprocessable",
    "TermsNotAccepted", "TooManyRequests", "Unavailable", "Refusal",
)  # fmt: skip


def test_every_refusal_speaks_the_visitors_language() -> None:
    loose = [
        f"{name_of(path)}:{call.lineno}"
        for path in MODULES
        for call in calls(path, *REFUSALS)
        if call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]
    assert not loose


def test_a_message_is_a_text_that_can_be_found() -> None:
    """What varies is put in afterwards: a catalogue cannot hold every text that may come of it."""
    for path in MODULES:
        for call in calls(path, "_", "N_", "ngettext"):
            texts = call.args[: 2 if isinstance(call.func, ast.Name) and call.func.id == "ngettext" else 1]
            assert not [text for text in texts if isinstance(text, ast.JoinedStr | ast.BinOp)], (
                f"{name_of(path)}:{call.lineno}"
            )


def test_no_message_stands_inside_of_another_text() -> None:
    """There the tool that collects messages does not look."""
    for path in MODULES:
        inside = [
            call
            for text in ast.walk(tree(path))
            if isinstance(text, ast.JoinedStr)
            for call in ast.walk(text)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("_", "ngettext")
        ]
        assert not inside, name_of(path)


def test_nothing_else_is_called_like_the_function_that_translates() -> None:
    for path in MODULES:
        names = [
            alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) for alias in node.names
        ]
        if "_" not in names:
            continue
        bound = [
            node.lineno
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)
        ]
        assert not bound, f"{name_of(path)}:{bound}"


TRANS = re.compile(r"{%-?\s*trans\b.*?endtrans\s*-?%}", re.DOTALL)
MESSAGE = re.compile(r"""\b(?:_|ngettext)\(\s*"[^"]*"(?:,\s*"[^"]*")?""")
SENTENCE = re.compile(r"""(["'])([A-Z][a-z]+|[A-Za-z][\w’]* [a-z][\w’ ]*)\1""")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    html, code = taken_apart(path.read_text("utf-8"))
    assert not loose_words(html)
    assert not [found[0] for found in SENTENCE.finditer(MESSAGE.sub("", code))]


def taken_apart(source: str) -> tuple[str, str]:
    """The HTML of a template, with a number in the place of every expression; and all else that is in it."""
    source = TRANS.sub("", source)
    html, code = [], []
    for _line, kind, text in Environment().lex(source):
        if kind == "data":
            html.append(text)
        elif kind == "variable_begin":
            html.append(" 0 ")
        code.append(text if kind not in ("data", "comment") else "\n")
    return "".join(html), "".join(code)


def test_the_script_has_no_words_of_its_own() -> None:
    script = re.sub(r"//.*", "", (ROOT / "static/arena.js").read_text("utf-8"))
    strings = [found[2] for found in re.finditer(r"""(["'`])((?:\\.|(?!\1).)*)\1""", script)]
    assert strings
    assert not [text for text in strings if re.search(r"^[A-Z][a-z]+[ .]|[a-z]{2,} [a-z]{2,} [a-z]{2,}", text)]


@pytest.mark.parametrize(
    ("html", "loose"),
    [
        ("<p>Words</p>", ["Words"]),
        ("<p>⟦Words⟧</p>", []),
        ("<p>⟦One <b>word</b> here⟧</p>", []),
        ("<p>⟦One⟧ word</p>", ["⟦One⟧ word"]),
        ("<p>12 UTC</p>", []),
        ('<a aria-label="Words">⟦x⟧</a>', ["Words"]),
        ('<input placeholder="⟦Words ⟦more⟧⟧">', []),
        ('<p data-label="Some words">1</p>', ["Some words"]),
        ("<script>let words;</script><p lang=fr>mots</p>", []),
    ],
)
def test_a_word_outside_the_catalogues_would_be_found(html: str, loose: list[str]) -> None:
    assert loose_words(html) == loose


# Pages in a language of brackets


NAMES = ("⟦1⟧", "⟦2⟧")
PROMPT = "⟦3 + 4?⟧"


@pytest_asyncio.fixture
async def bracketed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """An arena that speaks the bracketed language, and in which all other names and texts are in brackets."""
    locales = tmp_path / "locales"
    write_bracketed(locales)
    monkeypatch.setattr(words, "LOCALES", locales)
    monkeypatch.setenv(VARIABLE, TOKEN)
    for name in ("about", "rules", "terms"):
        (tmp_path / f"{name}.md").write_text("# ⟦5⟧\n\n⟦6⟧", "utf-8")
    prompt = {"title": "⟦p 1⟧", "text": "⟦7 [8] [9]⟧", "language": BRACKETED, "category": "⟦0⟧"}
    (tmp_path / "prompts.toml").write_text(
        "[[prompts]]\n" + "\n".join(f'{name} = "{value}"' for name, value in prompt.items()), "utf-8"
    )
    models = [
        {"name": name, "backends": [str(n)], "organisation": "⟦7⟧", "licence": "⟦8⟧", "description": "⟦9⟧"}
        for n, name in enumerate(NAMES)
    ]
    changes: dict[str, Any] = {
        "server": {"title": "⟦0⟧", "languages": [BRACKETED]},
        "providers": [{"name": str(n), "format": "script"} for n, _ in enumerate(NAMES)],
        "models": [*({**m, "vision": True, "price_in": 1.0, "price_out": 2.0} for m in models)],
        "pages": {"about": "about.md", "rules": "rules.md", "terms": "terms.md"},
        "prompts": "prompts.toml",
        "leaderboard": {"min_votes": 1, "currency": "⟦$⟧", "tags": {"⟦0⟧": "3"}},
        "access": GUARDED,
    }
    async with open_house(tmp_path, **changes) as house:
        yield house
    words.known.cache_clear()


class Reader:
    """Looks at pages for words that no catalogue has."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.loose: dict[str, list[str]] = {}

    async def gets(self, path: str, status: int = 200) -> str:
        reply = await self.visitor.http.get(path, headers={"accept": "text/html"})
        return self.reads(path, reply.status_code, reply.text, status)

    async def posts(self, path: str, status: int = 200, **form: str) -> str:
        reply = await self.visitor.http.post(path, data=form, headers={"accept": "text/html"})
        return self.reads(f"POST {path}", reply.status_code, reply.text, status)

    def reads(self, what: str, status: int, html: str, wanted: int) -> str:
        assert status == wanted, f"{what}: {status} {html[:2000]}"
        assert "⟦" in html or status == 303, what
        if found := loose_words(html):
            self.loose[what] = found
        return html


async def test_no_page_has_a_word_that_is_in_no_catalogue(bracketed: House) -> None:
    await asyncio.to_thread(vote, bracketed.config.path("arena.db"), Crowd((*NAMES, "⟦gone⟧"), 300))
    await bracketed.sql("UPDATE turns SET prompt = '⟦10⟧'")
    async with bracketed.visitor() as visitor:
        reader = Reader(visitor)
        await the_terms(bracketed, reader)
        await a_battle(bracketed, reader)
        await with_names(bracketed, reader)
        await what_is_kept(reader)
        await what_goes_wrong(reader)
        await all_plain_pages(reader)
        assert await log_in(visitor) == 303
        await all_plain_pages(reader)
        await the_operators_pages(reader)
    assert not reader.loose
    rendered = {name for _loader, name in bracketed.context.pages._templates.cache or {}}
    unseen = {path.name for path in TEMPLATES} - rendered
    assert not unseen


async def the_terms(house: House, reader: Reader) -> None:
    await reader.gets("/terms")
    page = await reader.posts("/conversations", 428, prompt=PROMPT)
    (version,) = re.findall(r'name="version" value="(\w+)"', page)
    await reader.posts("/terms", 428, version="old")
    await reader.posts("/terms", 303, version=version)
    await reader.gets("/terms")
    await reader.gets("/?prompt=p-1")


async def a_battle(house: House, reader: Reader) -> None:
    """Every phase of one, and what comes after."""
    visitor = reader.visitor
    first, second = house.backends.values()
    first.become(Status("loading", "loading", 0.4))
    await reader.gets("/")
    first.become(Status("failed", ""))
    await reader.gets("/")
    await reader.posts("/conversations", 503, prompt=PROMPT)
    for backend in (first, second):
        backend.become(READY)
    cues = await visitor.starts(PROMPT)
    await reader.gets(visitor.path)
    cues["a"].say("⟦Because⟧")
    cues["a"].end()
    cues["b"].fail(ContentFiltered("no"))
    await visitor.waits()
    await reader.gets(visitor.path)
    cue = await visitor.regenerates("b")
    cue.say("⟦So⟧")
    cue.end()
    await visitor.waits()
    await reader.gets(visitor.path)
    await reader.gets(f"{visitor.path}/answers/1/b/1")
    await visitor.hears(await visitor.asks(PROMPT), "⟦a⟧", "⟦b⟧")
    await reader.gets(visitor.path)
    await visitor.votes("tie")
    await reader.gets(visitor.path)
    for choice in ("a", "b", "both_bad"):
        await visitor.plays(PROMPT, "⟦ " + "* 1 2 3\n" * 3 + "⟧", "⟦4⟧")
        await visitor.votes(choice)


async def with_names(house: House, reader: Reader) -> None:
    """A chat with one model, and two side by side."""
    visitor = reader.visitor
    battle = visitor.path
    for form in ({"mode": "direct", "model": NAMES[0]}, {"mode": "side_by_side", "a": NAMES[0], "b": NAMES[1]}):
        page = "/chat" if form["mode"] == "direct" else "/side-by-side"
        await reader.gets(f"{page}?{urlencode({k: v for k, v in form.items() if k != 'mode'})}")
        await reader.posts("/conversations", 422, prompt=PROMPT, **{**form, "temperature": "7"})
        reply = await visitor.posts("/conversations", prompt=PROMPT, **form)
        visitor.path = reply.headers["location"]
        await reader.gets(visitor.path)
        for backend in list(house.backends.values())[: len(form) - 1]:
            cue = await backend.asked()
            cue.say("⟦So⟧")
            cue.end()
        await visitor.waits()
        await reader.gets(visitor.path)
    visitor.path = battle


async def what_is_kept(reader: Reader) -> None:
    """Files, the history, and what is shared of it."""
    visitor = reader.visitor
    files = {"file": ("⟦1.txt⟧", "⟦2⟧".encode(), "text/plain")}
    form = {"to": "/conversations", "box": "prompt"}
    reply = await visitor.http.post("/attachments", files=files, data=form, headers={"accept": "text/html"})
    html = reader.reads("POST /attachments", reply.status_code, reply.text, 200)
    for path in re.findall(r'href="(/attachments/[^"]+)"', html):
        await reader.gets(path)
    await reader.gets("/history")
    await reader.gets("/history?q=nothing")
    await reader.gets("/history/delete")
    await reader.gets(f"{visitor.path}/delete")
    await reader.gets(f"{visitor.path}/share")
    await reader.posts(f"{visitor.path}/share", 303)
    page = await reader.gets(f"{visitor.path}/share")
    for path in re.findall(r"/shared/[\w-]+", page)[:1]:
        await reader.gets(path)


async def what_goes_wrong(reader: Reader) -> None:
    path = reader.visitor.path
    await reader.gets("/nowhere", 404)
    await reader.gets("/conversations", 405)
    await reader.gets("/conversations/01a206f0-0000-7000-8000-000000000000", 404)
    await reader.posts("/conversations", 422, prompt=" ")
    reply = await reader.visitor.http.post(f"{path}/vote", data={"choice": "a"}, headers={"hx-request": "true"})
    reader.reads("a problem on its page", reply.status_code, reply.text, 409)
    await reader.posts("/conversations", 422, prompt="3" * 20_000)
    await reader.posts(f"{path}/vote", 409, choice="a")
    await reader.posts(f"{path}/vote", 422, choice="c")
    await reader.posts(f"{path}/turns", 409, prompt=PROMPT)
    await reader.posts(f"{path}/prompt", 409, prompt=PROMPT)
    await reader.posts(f"{path}/regenerate", 409)
    await reader.posts("/language", 422, to="xx")
    await reader.gets("/leaderboard?since=soon", 422)
    await reader.gets("/leaderboard?weighted=on&style=on", 422)
    await reader.gets("/models/nobody", 404)
    await reader.gets("/admin", 401)
    await reader.posts("/admin/login", 401, token="wrong")


async def all_plain_pages(reader: Reader) -> None:
    """Those whose address is not of one thing."""
    for route in ROUTES:
        if "GET" in (route.methods or set()) and "{" not in route.path:
            reply = await reader.visitor.http.get(route.path, headers={"accept": "text/html"})
            if reply.headers.get("content-type", "").startswith("text/html"):
                reader.reads(route.path, reply.status_code, reply.text, reply.status_code)


async def the_operators_pages(reader: Reader) -> None:
    await reader.gets("/leaderboard?style=on&order=-votes&anytime=on&set_aside=with&intervals=votes")
    await reader.gets("/leaderboard?weighted=on&still=on")
    await reader.gets("/models/%E2%9F%A61%E2%9F%A7")
    await reader.gets("/models?q=%E2%9F%A6")
    await reader.gets("/admin/battles?q=nothing")
    key = reader.visitor.key
    page = await reader.gets(f"/admin/battles/{key}")
    voter = re.findall(r"voter=([\w-]+)", page)[0]
    await reader.posts("/admin/voters/set-aside", 422, voter=voter, because="")
    await reader.posts("/admin/voters/set-aside", 303, voter=voter, because="⟦so⟧")
    await reader.gets("/admin/voters")
    await reader.gets("/leaderboard")
