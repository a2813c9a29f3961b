"""Reading an answer while it is written: nothing moves but the text. Phones, paper, and the end of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from arena.conversation import SIDES
from tests.browser import LAPTOP, PHONE, RICH, Window, finish, open_chromium, open_window
from tests.house import House, open_house

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

LINES = "\n\n".join(f"Line {number} of an answer that is longer than a window." for number in range(60))
SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => list.getEntries().forEach((shift) => {
        if (!shift.hadRecentInput) {
            const said = ({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 60);
            shifts.push([shift.value, ...shift.sources.map(said)]);
        }
    })).observe({ type: "layout-shift", buffered: true });
"""
SMALLEST = 0.001  # of a window times its height: the "Thinking…" line, as it makes way for a folded reasoning


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


# Nothing moves


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "wide"])
@pytest.mark.parametrize("scrolled", [0, 400])
async def test_nothing_moves_while_answers_are_written(
    browser: Browser, house: House, size: tuple[int, int], scrolled: int
) -> None:
    async with open_window(browser, house, size=size) as window:
        page = window.page
        await page.add_init_script(SHIFTS)
        cues = await window.starts()
        cues["a"].say(reasoning="Let me see.")
        cues["b"].say("The first words of B.")
        await window.reads("b", "The first words of B.")
        await page.evaluate("shifts.length = 0")
        for number, paragraph in enumerate((RICH + "\n\n" + LINES).split("\n\n")):
            cues["a"].say(f"{paragraph}\n\n")
            cues["b"].say(f" Some more of it in the same paragraph, {number}.")
            await page.locator("#t1b-text").get_by_text(f"paragraph, {number}.").wait_for()
            if number == 30:
                await page.evaluate("to => scrollTo(0, to)", scrolled)
        await _painted(page)
        assert await page.evaluate("scrollY") == scrolled
        shifts = await page.evaluate("shifts")
        assert sum(shift[0] for shift in shifts) <= SMALLEST, shifts
        cues["a"].end()
        cues["b"].end()
        await window.is_in("vote")
        await _painted(page)
        assert await page.evaluate("scrollY") == scrolled


# The end of it


async def test_a_button_leads_to_the_end_while_that_is_below_the_window(window: Window) -> None:
    page = window.page
    jump = page.get_by_role("button", name="Jump to the end")
    cues = await window.starts()
    cues["a"].say("Short so far.")
    await window.reads("a", "Short so far.")
    await _painted(page)
    await expect(jump).to_be_hidden()
    cues["a"].say(f"\n\n{LINES}\n\nand")
    await expect(jump).to_be_visible()
    assert await page.evaluate("scrollY") == 0
    await jump.click()
    await expect(page.locator("#t1a-text").get_by_text("Line 59")).to_be_in_viewport()
    await expect(jump).to_be_hidden()
    cues["a"].say(f" on\n\n{LINES}\n\nThe very end")
    await expect(jump).to_be_visible()
    await page.keyboard.press("j")
    await expect(page.locator("#t1a-text").get_by_text("The very end")).to_be_in_viewport()
    await finish(cues, "", "B.")
    await window.is_in("vote")
    await expect(jump).to_have_count(0)


async def test_nothing_leads_to_the_end_of_an_answer_that_has_ended(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say(LINES)
    cues["a"].end()
    await expect(window.page.locator('#t1a-foot[data-ended="a"]')).to_be_attached()
    cues["b"].say("Short.")
    await window.reads("b", "Short.")
    await _painted(window.page)
    await expect(window.page.locator("[data-jump]")).to_be_hidden()


async def test_without_scripts_nothing_offers_to_jump(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        await window.starts()
        await expect(window.page.locator("[data-jump]")).to_be_hidden()


# Phones


async def test_a_swipe_leads_to_the_other_side_and_the_switch_says_so_wherever_one_reads(
    browser: Browser, house: House
) -> None:
    async with open_window(browser, house, size=PHONE, has_touch=True, is_mobile=True) as window:
        page = window.page
        await window.plays(a=LINES, b=f"{LINES}\n\nThe end of B.")
        links = page.get_by_role("navigation", name="Answers of turn 1").get_by_role("link")
        await page.locator("#t1a-text").get_by_text("Line 30").scroll_into_view_if_needed()
        for side, distance in (("b", -280), ("a", 280), ("b", -280)):
            await _swipe(page, distance)
            here, away = (links.last, links.first) if side == "b" else (links.first, links.last)
            await expect(here).to_have_attribute("aria-current", "true")
            await expect(away).not_to_have_attribute("aria-current", "true")
            await expect(page.locator(f"#t1{side}-text").get_by_text("Line 30")).to_be_in_viewport(ratio=1)
            await expect(here).to_be_in_viewport(ratio=1)
            middle = await page.locator(f"#t1{side}").evaluate("({ offsetWidth }) => offsetWidth")
            assert middle > PHONE[0] * 0.8


async def test_wide_screens_show_both_sides_and_no_switch(window: Window) -> None:
    await window.plays()
    left, right = [await window.page.locator(f"#t1{side}").bounding_box() for side in SIDES]
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    assert left["y"] == right["y"]
    await expect(window.page.get_by_role("navigation", name="Answers of turn 1")).to_be_hidden()


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "wide"])
async def test_wide_code_and_tables_scroll_in_themselves_by_keyboard(
    browser: Browser, house: House, size: tuple[int, int]
) -> None:
    async with open_window(browser, house, size=size) as window:
        page = window.page
        await window.plays(a=f"```\n{'wide ' * 100}\n```\n\n|{'a column |' * 30}\n|{'-|' * 30}\n|{'b |' * 30}\n")
        for place in (page.locator("#t1a pre"), page.locator("#t1a .table")):
            await place.focus()
            for _ in range(3):
                await page.keyboard.press("ArrowRight")
            await expect(place).not_to_have_js_property("scrollLeft", 0)
            assert await page.evaluate("scrollX") == 0


# Paper


async def test_on_paper_there_are_the_answers_whole_and_nothing_to_click(window: Window) -> None:
    page = window.page
    cues = await window.starts("A line of the prompt.\n" * 40)
    await finish(cues, f"```\n{'wide ' * 100}\n```\n\n{RICH}", LINES)
    await window.is_in("vote")
    await page.emulate_media(media="print", color_scheme="dark")
    for gone in (".top", ".foot", ".vote", ".composer", ".again", ".skip", "[data-copy]"):
        await expect(page.locator(gone).first).to_be_hidden()
    for place in (".prompt .long", "#t1a pre >> nth=0", "#t1a .table"):
        cut = "it => it.scrollWidth > it.clientWidth + 1 || it.scrollHeight > it.clientHeight + 1"
        assert not await page.locator(place).evaluate(cut), place
    top, below = [await page.locator(f"#t1{side}").bounding_box() for side in SIDES]
    assert top is not None
    assert below is not None
    assert top["y"] + top["height"] <= below["y"]
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)"
    await window.page.emulate_media(media="screen", color_scheme="light")
    await window.votes()
    await page.emulate_media(media="print")
    await expect(page.locator(".face").first).to_be_visible()
    assert (await page.pdf(format="A4")).startswith(b"%PDF")


async def _painted(page: Page) -> None:
    """Two frames later: what was to be drawn is drawn, and observers have been told."""
    frame = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
    await page.evaluate(f"{frame}.then(() => {frame})")


async def _swipe(page: Page, distance: int) -> None:
    """A finger over the middle of the screen."""
    session = await page.context.new_cdp_session(page)
    middle = PHONE[0] / 2
    steps = [{"x": middle + distance * (step / 10 - 0.5), "y": PHONE[1] / 3} for step in range(11)]
    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": steps[:1]})
    for step in steps[1:]:
        await session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [step]})
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
