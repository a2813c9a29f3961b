"""For everybody: every page in every state, by axe, in narrow windows and enlarged; keys, focus, and stillness.

The pages and states are those of tests/sights.py.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect

from arena.conversation import SIDES
from tests.browser import LAPTOP, PHONE, RICH, Window, finish, open_chromium, open_window
from tests.house import House, open_house
from tests.sights import SIGHTS, open_sight

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NARROW, ENLARGED = (320, 640), (LAPTOP[0] // 2, LAPTOP[1] // 2)  # a laptop at 200 % has half as many CSS pixels


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser, house: House) -> AsyncIterator[Window]:
    async with open_window(browser, house) as found:
        yield found


# Every page and state


@pytest.mark.parametrize("sight", SIGHTS)
async def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    browser: Browser, tmp_path: Path, sight: str
) -> None:
    """In light and dark, wide, narrow, and enlarged to 200 %."""
    async with open_sight(browser, tmp_path, sight) as window:
        for size in (LAPTOP, ENLARGED, PHONE, NARROW):
            await window.page.set_viewport_size({"width": size[0], "height": size[1]})
            assert await _overhang(window.page) <= 0, size
            if size in (LAPTOP, PHONE):
                for scheme in ("light", "dark"):
                    await window.page.emulate_media(color_scheme=scheme)
                    assert await _violations(window.page) == "", (size, scheme)


@pytest.mark.parametrize("sight", ["battle-waiting", "battle-streaming", "battle-vote", "battle-revealed"])
async def test_nothing_moves_by_itself_for_who_wants_no_motion(
    browser: Browser, tmp_path: Path, sight: str
) -> None:
    async with open_sight(browser, tmp_path, sight, size=PHONE) as window:
        answers = window.page.locator(".answers").first
        assert await window.page.evaluate("document.getAnimations().length") == 0
        assert await answers.evaluate("it => getComputedStyle(it).scrollBehavior") == "auto"


# Keys


async def test_a_question_mark_lists_the_keys_over_any_page(window: Window) -> None:
    page = window.page
    await window.plays()
    for by_key in (True, False):
        await (page.keyboard.press("?") if by_key else page.get_by_role("link", name="Keyboard").click())
        await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_contain_text("Both are bad")
        await page.keyboard.press("a")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
    await window.is_in("vote")
    await page.keyboard.press("?")
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_a_question_mark_in_a_prompt_is_a_question_mark(window: Window) -> None:
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").press_sequentially("Why?")
    await expect(window.page.get_by_label("Your prompt")).to_have_value("Why?")
    await expect(window.page.get_by_role("dialog")).to_be_hidden()


async def test_all_keys_are_switched_off_in_their_list(window: Window) -> None:
    page = window.page
    await window.plays()
    await page.keyboard.press("?")
    await page.get_by_label("Shortcuts of one key are on").uncheck()
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Vote by key")).not_to_be_checked()
    for key in "?abtn":
        await page.keyboard.press(key)
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await window.is_in("vote")
    await page.reload()
    await page.keyboard.press("a")
    await page.get_by_role("link", name="Keyboard").click()
    await expect(page.get_by_label("Shortcuts of one key are on")).not_to_be_checked()


async def test_the_list_of_keys_is_a_page_without_scripts(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        await window.page.goto("/")
        await window.page.get_by_role("link", name="Keyboard").click()
        await expect(window.page.get_by_role("heading", name="Keyboard", level=1)).to_be_visible()


async def test_s_stops_both_sides(window: Window) -> None:
    cues = await window.starts()
    for side in SIDES:
        cues[side].say("Half")
        await window.reads(side, "Half")
    await window.page.keyboard.press("s")
    await window.is_in("vote")


async def test_keys_work_where_the_browser_keeps_nothing(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        await window.page.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied'); } })"
        )
        await window.plays()
        await window.page.get_by_label("Vote by key").uncheck()
        await window.page.keyboard.press("a")
        await window.page.get_by_label("Vote by key").check()
        await window.is_in("vote")
        await window.page.keyboard.press("b")
        await window.is_in("revealed")


# Focus


async def test_the_focus_goes_to_the_vote_when_both_are_done_and_then_to_the_names(window: Window) -> None:
    page = window.page
    await window.plays()
    await expect(page.get_by_role("form", name="Vote", exact=True)).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="A is better")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="You voted: A is better")).to_be_focused()


async def test_the_focus_is_taken_from_nobody_who_is_somewhere_else(window: Window) -> None:
    page = window.page
    cues = await window.starts()
    cues["a"].say(RICH)
    code = page.locator("#t1a pre")
    await code.focus()
    await finish(cues, "", "B.")
    await window.is_in("vote")
    await expect(code).to_be_focused()


async def test_the_focus_is_taken_from_nobody_who_selects(window: Window) -> None:
    page = window.page
    cues = await window.starts()
    cues["a"].say("A sentence.\n\nAnother.\n\nA third")
    await page.get_by_text("A third").wait_for()
    await page.get_by_text("A sentence.").select_text()
    await finish(cues, "", "B.")
    await window.is_in("vote")
    await expect(page.get_by_role("form", name="Vote", exact=True)).not_to_be_focused()
    assert await page.evaluate("getSelection().toString()") == "A sentence."


async def _violations(page: Page) -> str:
    """What axe finds, in words; empty where it finds nothing."""
    found: Any = await Axe().run(page)
    places = [node["html"] for one in found.response["violations"] for node in one["nodes"]]
    return f"{found.generate_snapshot()}\n{places}" if found.violations_count else ""


async def _overhang(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    root = "document.documentElement"
    return int(await page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))
