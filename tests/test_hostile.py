"""Hostile text in every place a visitor sees it, in a real browser: nothing runs, nothing breaks the page."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Dialog, Page, expect

from arena.app import create_app
from arena.providers.script import Cue
from tests import hostile
from tests.browser import LAPTOP, Window, finish, open_chromium, open_window
from tests.house import MODELS, House, configure, open_house
from tests.servers import serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NARROW = (320, 640)
PLAIN = "A plain answer, as it should be."
ROOMY = {"prompt_characters": 100_000, "body_bytes": 2_000_000}

STRANGE = """() => [...document.querySelectorAll(".answer *, .prompt *")].filter((node) =>
    node.matches("script, style, img, svg, iframe, object, embed, template, base, link, meta, video, audio")
    || node.matches("form:not([method])")
    || node.matches("button:not(.quiet)") && !node.closest("footer")
    || [...node.attributes].some(({ name }) => /^on|^hx-(?!boost|push)|^style$|^src/.test(name))
    || node.matches("a") && !/^(https?:|mailto:|#t|\\/conversations\\/)/.test(node.getAttribute("href"))
).map((node) => node.outerHTML.slice(0, 200))"""

# Words of the interface whose letters do not stand in the order they are written in.
TURNED = """() => {
    const turned = [], range = document.createRange();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (node.parentElement.closest(".text, .thoughts, .prompt p, textarea, .asked [dir], noscript")) continue;
        for (const { index, 0: word } of node.data.matchAll(/[A-Za-z]{2,}/g)) {
            const [first, last] = [index, index + word.length - 1].map((at) => {
                range.setStart(node, at);
                range.setEnd(node, at + 1);
                return range.getBoundingClientRect();
            });
            if (first.width && first.top === last.top && first.left >= last.left) turned.push(node.data.trim());
        }
    }
    return turned;
}"""

COVERED = """() => [...document.querySelectorAll("#bar button:not([hidden]), #bar textarea")].filter((control) => {
    if (!control.checkVisibility()) return false;
    control.scrollIntoView({ block: "center" });
    const { x, y, width, height } = control.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    return !control.contains(top) && !top?.contains(control);
}).map((control) => control.outerHTML)"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@asynccontextmanager
async def watched(browser: Browser, house: House, **options: Any) -> AsyncIterator[Window]:
    """A window in which nothing may open a dialog or another page."""
    async with open_window(browser, house, **options) as window:
        window.page.on("dialog", lambda dialog: _note(window, dialog))
        window.page.context.on("page", lambda page: window.complaints.heard.append(f"opened: {page.url}"))
        yield window


def _note(window: Window, dialog: Dialog) -> None:
    window.complaints.heard.append(f"dialog: {dialog.message}")
    asyncio.get_running_loop().create_task(dialog.dismiss())


@asynccontextmanager
async def reciting(folder: Path, answer: str) -> AsyncIterator[House]:
    """An arena of two script backends: the first recites this, the second something plain."""
    first, second = (name.split()[0].lower() for name in MODELS)
    scripts = [
        {"name": name, "format": "script", "answer": words, "words_per_second": 1e6}
        for name, words in ((first, answer), (second, PLAIN))
    ]
    config = configure(folder, providers=scripts)
    app = create_app(config)
    async with serving(app) as url:
        yield House(url, app, config, {})


async def begins(window: Window, prompt: str) -> None:
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill(prompt)
    await window.page.get_by_role("button", name="Start the battle").click()
    await window.page.wait_for_url("**/conversations/*")


async def is_whole(page: Page) -> None:
    """Nothing ran, and the page around is as it was, on a laptop and on a narrow phone."""
    for width, height in (LAPTOP, NARROW):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("window.owned") is None
        assert await page.evaluate(STRANGE) == []
        assert await page.evaluate(TURNED) == []
        assert await page.evaluate(COVERED) == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert await page.locator("#main, #bar, #battle, #t1a, #t1b").count() == 5
        assert await page.locator("[id]").evaluate_all("all => all.length - new Set(all.map(e => e.id)).size") == 0
        await expect(page.locator("header.top")).to_be_visible()
    await page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})


async def test_there_are_two_hundred_strings_and_no_two_are_the_same() -> None:
    assert len(hostile.STRINGS) >= 200
    assert len(set(hostile.STRINGS)) == len(hostile.STRINGS)
    assert len(hostile.LONG_LINE) > 1_000_000


async def test_a_hostile_answer_runs_nothing_and_breaks_nothing(browser: Browser, tmp_path: Path) -> None:
    answer = hostile.answer()
    async with reciting(tmp_path, answer) as house, watched(browser, house) as window:
        await begins(window, "Why is the sky blue?")
        await window.is_in("vote")
        for _ in ("streamed", "reloaded"):
            plain, wild = await _sides(window)
            await window.reads(plain, PLAIN)
            for words in ("deep", "quoted 500 deep", "this fence is never closed", "reversed and never closed"):
                await expect(window.page.locator(f"#t1{wild}-text")).to_contain_text(words)
            await is_whole(window.page)
            await window.page.reload()
        await window.votes("Tie")
        await is_whole(window.page)


@pytest.mark.parametrize(
    ("start", "text"),
    [("one line without", hostile.LONG_LINE), ("quoted", hostile.DEEP), ("this", hostile.UNCLOSED)],
    ids=["long", "deep", "unclosed"],
)
async def test_an_enormous_answer_leaves_the_page_usable(
    browser: Browser, tmp_path: Path, start: str, text: str
) -> None:
    async with reciting(tmp_path, text) as house, watched(browser, house) as window:
        await begins(window, "Why is the sky blue?")
        await expect(window.page.locator("#bar[data-phase=vote]")).to_be_attached(timeout=30_000)
        plain, wild = await _sides(window)
        await window.reads(plain, PLAIN)
        await expect(window.page.locator(f"#t1{wild}-text")).to_contain_text(start)
        await is_whole(window.page)
        await window.votes("Tie")


async def test_a_hostile_prompt_is_shown_as_it_was_written(browser: Browser, tmp_path: Path) -> None:
    prompt = "\n".join(hostile.STRINGS)
    async with open_house(tmp_path, limits=ROOMY) as house, watched(browser, house) as window:
        await begins(window, prompt)
        cues = await window.cues()
        assert cues["a"].prompt.messages[-1].content == re.sub("\r\n?", "\n", prompt)
        await finish(cues, PLAIN, PLAIN)
        await window.is_in("vote")
        for _ in ("swapped", "reloaded"):
            shown = await window.page.locator(".prompt p").text_content()
            assert shown == re.sub("\r\n?", "\n", prompt)
            assert await window.page.locator("#edit").input_value() == shown
            assert await window.page.locator(".prompt p *").count() == 0
            await is_whole(window.page)
            await window.page.reload()
        await window.votes("Tie")


async def test_a_hostile_prompt_that_is_refused_is_given_back_as_it_was_written(
    browser: Browser, tmp_path: Path
) -> None:
    prompt = "\n".join(hostile.STRINGS)[:30_000].rstrip()
    limits = ROOMY | {"prompt_characters": 1000}
    async with (
        open_house(tmp_path, limits=limits) as house,
        watched(browser, house, java_script_enabled=False) as window,
    ):
        window.foresees("status of 422")
        await window.page.goto("/")
        await window.page.get_by_label("Your prompt").fill(prompt)
        await window.page.get_by_role("button", name="Start the battle").click()
        await expect(window.page.get_by_role("region", name="Problem")).to_be_visible()
        await expect(window.page.get_by_label("Your prompt")).to_have_value(re.sub("\r\n?", "\n", prompt))
        assert await window.page.locator("main script, main img, main svg").count() == 0


async def test_hostile_reasoning_is_plain_text(browser: Browser, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, watched(browser, house) as window:
        await begins(window, "Why?")
        cues = await window.cues()
        await _thinks(cues["a"])
        await finish(cues, PLAIN, PLAIN)
        await window.is_in("vote")
        for _ in ("streamed", "reloaded"):
            thoughts = window.page.locator("#t1a-thoughts")
            await window.page.locator("#t1a .reasoning summary").click()
            await expect(thoughts).to_contain_text("$(touch /tmp/owned)")
            assert await thoughts.locator("*").count() == 0
            await is_whole(window.page)
            await window.page.reload()


async def test_an_image_in_an_answer_is_a_link_and_never_asked_for(browser: Browser, tmp_path: Path) -> None:
    answer = f"![A chart](https://{hostile.HOST}/chart.png) and <img src=https://{hostile.HOST}/pixel.gif>"
    async with reciting(tmp_path, answer) as house, watched(browser, house) as window:
        await begins(window, "Draw me a chart")
        await window.is_in("vote")
        link = window.page.get_by_role("link", name="A chart")
        assert await link.get_attribute("href") == f"https://{hostile.HOST}/chart.png"
        assert set((await link.get_attribute("rel") or "").split()) == {"nofollow", "noopener", "noreferrer"}
        assert await window.page.locator(".answer img").count() == 0


async def test_the_policy_stops_what_a_mistake_of_ours_would_let_through(browser: Browser, tmp_path: Path) -> None:
    """The second wall: were hostile HTML ever put on the page as it is, the browser itself refuses to run it."""
    tricks = (
        f"<img src=x onerror='{hostile.OWN}'>",
        f"<svg onload='{hostile.OWN}'></svg>",
        f"<img src=https://{hostile.HOST}/pixel.gif>",
        f"<iframe src=https://{hostile.HOST}/></iframe>",
        f"<iframe srcdoc='<script>parent.{hostile.OWN}</script>'></iframe>",
        f"<object data=https://{hostile.HOST}/o></object>",
        f"<link rel=stylesheet href=https://{hostile.HOST}/s.css>",
        f"<p style='background:url(https://{hostile.HOST}/b.png);color:red' id=styled>x</p>",
        f"<a href='javascript:{hostile.OWN}' id=click>x</a>",
    )
    async with open_house(tmp_path) as house, open_window(browser, house) as window:
        asked: dict[str, str | None] = {}
        window.foresees("Content Security Policy")
        window.foresees(f"asked a foreign host: https://{hostile.HOST}/")  # tried, and refused: see below
        window.foresees("404")
        window.page.on("requestfailed", lambda request: asked.update({request.url: request.failure}))
        await window.page.goto("/")
        for trick in tricks:
            await window.page.evaluate("html => find('#main').insertAdjacentHTML('beforeend', html)", trick)
        await window.page.evaluate("click.click()")
        for code in (f"eval('{hostile.OWN}')", f"Function('{hostile.OWN}')()", f"setTimeout('{hostile.OWN}')"):
            await window.page.evaluate(
                "code => document.body.append(Object.assign(document.createElement('script'), { text: code }))",
                code,
            )
        await window.page.evaluate(
            "html => new Promise(done => { requestAnimationFrame(() => setTimeout(done, 100)); })", ""
        )
        assert await window.page.evaluate("window.owned") is None
        assert await window.page.locator("#styled").evaluate("p => getComputedStyle(p).backgroundImage") == "none"
        assert {asked[url] for url in asked if not url.startswith(house.url)} == {"csp"}


async def _sides(window: Window) -> tuple[Any, Any]:
    """The side that is plain, and the other."""
    text = await window.page.locator("#t1a-text").inner_text()
    return ("a", "b") if text.strip() == PLAIN else ("b", "a")


async def _thinks(cue: Cue) -> None:
    for text in hostile.STRINGS:
        cue.say(reasoning=f"{text}\n")
    await cue.heard()
