"""What the pages cost a browser: bytes, requests and movement, from its own network log, within a budget."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, CDPSession, Page

from tests.browser import PHONE, PROMPTS, RICH, finish, open_chromium, open_window
from tests.house import open_house

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

START_PAGE_BYTES = 30_000
"""HTML, styles, scripts and the icon of a first visit, packed as they travel, heads of the replies not counted."""
HEADS_BYTES = 1_000
"""For each reply, at most."""
REQUESTS = 7  # the page, two styles, three scripts and the icon
NODES = 1_500

OBSERVE = """() => {
    window.shifts = 0;
    new PerformanceObserver(list => list.getEntries().forEach(entry => { window.shifts += entry.value; }))
        .observe({ type: "layout-shift", buffered: true });
    new PerformanceObserver(list => { window.largest = list.getEntries().at(-1); })
        .observe({ type: "largest-contentful-paint", buffered: true });
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@dataclass
class Log:
    """The network log of a page: what each reply weighed on the wire, by its address."""

    urls: dict[str, str] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    wire: dict[str, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    blocking: list[str] = field(default_factory=list)

    async def listen(self, page: Page) -> CDPSession:
        session = await page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)
        await session.send("Network.enable")
        return session

    def _sent(self, event: dict[str, Any]) -> None:
        self.urls[event["requestId"]] = event["request"]["url"]
        self.types[event["requestId"]] = event["type"]
        if event.get("renderBlockingBehavior") == "Blocking":
            self.blocking.append(event["request"]["url"])

    def _received(self, event: dict[str, Any]) -> None:
        self.heads[event["requestId"]] = event["response"]["encodedDataLength"]

    def _finished(self, event: dict[str, Any]) -> None:
        self.wire[event["requestId"]] = event["encodedDataLength"]

    @property
    def bodies(self) -> dict[str, int]:
        """Bytes of each body, packed, by the last part of its address."""
        return {
            self.urls[key].rsplit("/", 1)[-1] or "/": total - self.heads.get(key, 0)
            for key, total in self.wire.items()
        }


async def budget(page: Page) -> None:
    """What holds for every page, as Lighthouse looks at it."""
    assert await page.locator("html[lang]").count() == 1
    assert await page.title()
    assert await page.locator("meta[name=viewport][content*='width=device-width']").count() == 1
    assert await page.locator("h1").count() == 1
    assert await page.locator("script[src]:not([defer], [async], [type=module])").count() == 0
    assert await page.locator("script:not([src]), style, [style]").count() == 0
    assert await page.locator("link[rel=preload], link[rel=prefetch], link[rel=modulepreload]").count() == 0
    assert await page.locator("*").count() < NODES
    assert await page.evaluate("Math.max(...[...document.querySelectorAll('*')].map(e => e.children.length))") < 60
    assert await page.locator("img:not([width][height])").count() == 0
    await page.evaluate(OBSERVE)
    await page.wait_for_function("window.largest")
    assert await page.evaluate("window.shifts") == 0
    assert await page.evaluate("window.largest.url") == ""  # text, which needs no other request
    rules = await page.evaluate(
        "[...document.styleSheets].flatMap(s => [...s.cssRules]).map(r => r.cssText).join()"
    )
    assert "@import" not in rules
    assert "@font-face" not in rules


@pytest.mark.parametrize("size", [None, PHONE])
async def test_the_start_page_is_light(browser: Browser, tmp_path: Path, size: tuple[int, int] | None) -> None:
    log = Log()
    options = {"size": size} if size else {}
    async with open_house(tmp_path, prompts=PROMPTS) as house, open_window(browser, house, **options) as window:
        await log.listen(window.page)
        await window.page.goto("/", wait_until="networkidle")
        print(sum(log.bodies.values()), log.bodies, sum(log.wire.values()))  # noqa: T201 - a figure to be read
        assert sum(log.bodies.values()) < START_PAGE_BYTES
        assert all(log.heads[key] < HEADS_BYTES for key in log.wire)
        assert len({log.urls[key] for key in log.wire}) <= REQUESTS
        assert all(url.startswith(f"{house.url}/") for url in log.urls.values())
        assert {log.types[key] for key in log.wire} <= {"Document", "Stylesheet", "Script", "Image", "Other"}
        assert not [url for url in log.blocking if url.endswith(".js")]
        await budget(window.page)


async def test_a_second_page_asks_for_nothing_but_itself(browser: Browser, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_window(browser, house) as window:
        await window.page.goto("/", wait_until="networkidle")
        log = Log()
        await log.listen(window.page)
        await window.page.goto("/leaderboard", wait_until="networkidle")
        asked = [log.urls[key] for key, size in log.wire.items() if size]
        assert asked == [f"{house.url}/leaderboard"]


async def test_a_battle_is_light_and_nothing_moves(browser: Browser, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_window(browser, house) as window:
        await finish(await window.starts(), RICH, RICH)
        await window.is_in("vote")
        log = Log()
        await log.listen(window.page)
        await window.page.reload(wait_until="networkidle")
        document = next(key for key, kind in log.types.items() if kind == "Document")
        assert log.wire[document] < 12_000
        assert all(url.startswith(f"{house.url}/") for url in log.urls.values())
        await budget(window.page)
