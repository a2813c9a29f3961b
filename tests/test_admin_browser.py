"""The operator's pages in a real browser: log in, watch the tables change, log out."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, expect

from arena.backend import READY, Status
from arena.errors import BackendBusy
from tests.browser import LAPTOP, PHONE, Window, open_chromium, open_window
from tests.house import MODELS, House
from tests.operator import TOKEN, VARIABLE, open_guarded

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv(VARIABLE, TOKEN)
    async with open_guarded(tmp_path) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser, house: House) -> AsyncIterator[Window]:
    async with open_window(browser, house) as found:
        found.foresees("the server responded with a status of 401")
        yield found


async def log_in(window: Window) -> None:
    """From the form to the tables."""
    await window.page.goto("/admin/models")
    await expect(window.page.get_by_label("Admin token")).to_be_focused()
    await window.page.keyboard.type(TOKEN)
    await window.page.keyboard.press("Enter")
    await expect(window.page.get_by_role("table", name="Models")).to_be_visible()


async def violations(window: Window) -> str:
    """What axe finds, in words; empty where it finds nothing."""
    found = await Axe().run(window.page)
    return str(found.generate_snapshot()) if found.violations_count else ""


async def test_the_operator_logs_in_sees_every_model_and_logs_out(window: Window) -> None:
    await log_in(window)
    for name in MODELS:
        row = window.page.get_by_role("table", name="Models").get_by_role("row").filter(has_text=name)
        await expect(row.get_by_role("rowheader")).to_contain_text(name)
        await expect(row).to_contain_text("up")
    await window.page.get_by_role("button", name="Log out").click()
    await expect(window.page.get_by_label("Admin token")).to_be_visible()
    await window.page.goto("/admin/models")
    await expect(window.page.get_by_label("Admin token")).to_be_visible()


async def test_a_wrong_token_is_said_beside_the_field(window: Window) -> None:
    await window.page.goto("/admin/login")
    await window.page.get_by_label("Admin token").fill("wrong-horse-battery-staple")
    await window.page.get_by_role("button", name="Log in").click()
    await expect(window.page.get_by_role("alert").filter(has_text="That is not the admin token.")).to_be_visible()
    await expect(window.page.get_by_label("Admin token")).to_be_focused()
    assert await violations(window) == ""


async def test_the_tables_bring_themselves_up_to_date_where_they_are_read(window: Window) -> None:
    await log_in(window)
    still = window.page.get_by_role("link", name="Stop refreshing")
    await still.focus()
    window.house.backends["aurora"].become(Status("loading", "reading weights", 0.4))
    backends = window.page.get_by_role("table", name="Backends")
    await expect(backends.get_by_role("row").filter(has_text="aurora")).to_contain_text("reading weights")
    window.house.backends["aurora"].become(READY)
    await expect(backends.get_by_role("row").filter(has_text="aurora")).to_contain_text("up")
    await expect(still).to_be_focused()


async def test_a_page_that_is_told_to_be_still_is(window: Window) -> None:
    page = window.page
    await page.clock.install()
    await log_in(window)
    async with page.expect_request("**/admin/models"):
        await page.clock.fast_forward(2000)
    await page.get_by_role("link", name="Stop refreshing").click()
    await expect(page.get_by_role("link", name="Keep up to date")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.fast_forward(60_000)
    await page.evaluate("fetch('/healthz')")  # whatever was asked before is here as well
    assert not [url for url in asked if "/admin/" in url]


async def test_a_login_that_ends_brings_the_form(window: Window) -> None:
    await log_in(window)
    await window.page.context.clear_cookies()
    await expect(window.page.get_by_label("Admin token")).to_be_visible()


async def test_it_works_without_javascript(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        window.foresees("the server responded with a status of 401")
        await window.page.goto("/admin/models")
        await window.page.get_by_label("Admin token").fill(TOKEN)
        await window.page.get_by_role("button", name="Log in").click()
        await expect(window.page.get_by_role("table", name="Backends")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE])
async def test_axe_finds_nothing_whatever_the_tables_show(
    browser: Browser, house: House, scheme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    async with open_window(browser, house, color_scheme=scheme, size=size, reduced_motion="reduce") as window:
        window.foresees("the server responded with a status of 401")
        await window.page.goto("/admin/models")
        assert await violations(window) == ""
        await log_in(window)
        assert await violations(window) == ""
        await trouble(window)
        await window.page.goto("/admin/models?still")
        assert await violations(window) == ""
        width = await window.page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], "the page is wider than the window"


async def trouble(window: Window) -> None:
    """One backend fails in mid-answer, the other loads."""
    cues = await window.starts()
    cues["a"].say("Well,")
    cues["a"].fail(BackendBusy('429 Too Many Requests: {"error": "rate_limit_exceeded", "limit": 60}'))
    cues["b"].end()
    await window.is_in("broken")
    window.house.backends["aurora"].become(Status("loading", "reading weights", 0.4))
