"""Prompts to start from in a real browser: the box is filled, and what is in brackets is replaced by typing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser import PHONE, PROMPTS, Window, open_chromium, open_window
from tests.house import House, open_house

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

TWO_PARTS = "/?prompt=a-weekend-for-little-money"
SELECTED = "box => box.value.slice(box.selectionStart, box.selectionEnd)"
CLICK_AT = """([box, words]) => {
    const at = box.value.indexOf(words) + 3;
    box.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
    box.setSelectionRange(at, at);
    box.dispatchEvent(new MouseEvent("click", { bubbles: true }));
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium; every test has a profile of its own in it."""
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, prompts=PROMPTS) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser, house: House) -> AsyncIterator[Window]:
    async with open_window(browser, house, locale="en-GB") as found:
        yield found


async def is_selected(window: Window, words: str) -> None:
    """Wait until exactly these words of the prompt box are selected."""
    box = window.page.get_by_label("Your prompt")
    await window.page.wait_for_function(
        f"([box, words]) => ({SELECTED})(box) === words", arg=[await box.element_handle(), words]
    )


async def clicks_into(window: Window, words: str) -> None:
    """Click a few letters into these words, as a pointer would: it goes down, the caret is put, it is a click."""
    box = window.page.get_by_label("Your prompt")
    await window.page.evaluate(CLICK_AT, [await box.element_handle(), words])


async def test_a_click_fills_the_box_sends_nothing_and_leaves_the_list(window: Window) -> None:
    page, box = window.page, window.page.get_by_label("Your prompt")
    await page.goto("/")
    offered = await page.locator(".samples li").all_inner_texts()
    assert len(offered) == 6
    values = [""]
    for link in (page.locator(".samples a").nth(2), page.locator(".samples a").nth(5)):
        key = await link.get_attribute("href")
        await link.click()
        await page.wait_for_url(f"**{key}")
        await expect(box).not_to_have_value(values[-1])
        await expect(box).to_be_focused()
        values.append(await box.input_value())
        assert await page.locator(".samples li").all_inner_texts() == offered
    for value in reversed(values[:-1]):
        await page.go_back()
        await expect(box).to_have_value(value)
    assert not any(backend.prompts for backend in window.house.backends.values())


async def test_surprise_me_fills_in_another_one_each_time(window: Window) -> None:
    page, box = window.page, window.page.get_by_label("Your prompt")
    await page.goto("/")
    was = ""
    for _ in range(4):
        await page.get_by_role("link", name="Surprise me").click()
        await expect(box).not_to_have_value(was)
        was = await box.input_value()
    assert was


@pytest.mark.parametrize("language", ["fr-FR", "de-AT"])
async def test_a_visitor_is_offered_prompts_in_their_own_language(
    browser: Browser, house: House, language: str
) -> None:
    async with open_window(browser, house, locale=language) as window:
        await window.page.goto("/")
        assert await window.page.locator(f".samples li:not([lang={language[:2]}])").count() == 0
        assert await window.page.locator(".samples li").count() == 6


async def test_the_first_part_in_brackets_is_selected_and_typing_replaces_it(window: Window) -> None:
    await window.page.goto(TWO_PARTS)
    await is_selected(window, "[a city]")
    await window.page.keyboard.type("Ghent")
    await window.page.keyboard.press("Tab")
    await is_selected(window, "[old books and long walks]")
    await window.page.keyboard.type("bells")
    value = await window.page.get_by_label("Your prompt").input_value()
    assert value.startswith("Plan a weekend in Ghent for two people who love bells and want")


async def test_tab_goes_from_part_to_part_and_then_on(window: Window) -> None:
    page, box = window.page, window.page.get_by_label("Your prompt")
    await page.goto(TWO_PARTS)
    await page.keyboard.press("Tab")
    await is_selected(window, "[old books and long walks]")
    await page.keyboard.press("Shift+Tab")
    await is_selected(window, "[a city]")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Start the battle")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await is_selected(window, "[a city]")
    await page.keyboard.press("Shift+Tab")
    await expect(box).not_to_be_focused()


async def test_a_click_selects_a_part_as_a_whole_and_a_second_one_puts_the_caret_into_it(window: Window) -> None:
    await window.page.goto(TWO_PARTS)
    await is_selected(window, "[a city]")
    await clicks_into(window, "[old books")
    await is_selected(window, "[old books and long walks]")
    await clicks_into(window, "[old books")
    await is_selected(window, "")
    await clicks_into(window, "two people")
    await is_selected(window, "")


async def test_a_real_pointer_selects_a_part(window: Window) -> None:
    page, box = window.page, window.page.get_by_label("Your prompt")
    await page.goto("/?prompt=a-story-that-begins-at-the-end")
    await page.keyboard.press("Control+Home")
    await is_selected(window, "")
    place = await box.bounding_box()
    assert place
    for y in range(10, int(place["height"]), 8):
        for x in range(15, int(place["width"]) - 15, 40):
            await box.click(position={"x": x, "y": y})
            if await box.evaluate(SELECTED):
                await is_selected(window, "[a lighthouse]")
                await box.click(position={"x": x, "y": y})
                await is_selected(window, "")
                return
    raise AssertionError("no click found the part")


async def test_brackets_of_the_visitors_own_are_left_alone(window: Window) -> None:
    box = window.page.get_by_label("Your prompt")
    await window.page.goto(TWO_PARTS)
    await box.fill("What is scores[index] for?")
    await clicks_into(window, "[index]")
    await is_selected(window, "")
    await window.page.keyboard.press("Tab")
    await expect(box).not_to_be_focused()


async def test_a_prompt_without_brackets_leaves_the_caret_at_its_end(window: Window) -> None:
    await window.page.goto("/?prompt=why-is-the-sky-blue")
    await window.page.keyboard.type(" Please.")
    value = await window.page.get_by_label("Your prompt").input_value()
    assert value.endswith("a student of physics. Please.")


async def test_a_prompt_that_is_gone_says_so_with_a_way_on(window: Window) -> None:
    window.foresees("status of 404")
    await window.page.goto("/")
    link = window.page.locator(".samples a").first
    await link.evaluate("link => { link.href = '/?prompt=gone' }")
    await link.click()
    await expect(window.page.get_by_role("heading", level=1)).to_contain_text("There is no prompt to start from")
    await window.page.locator("#main").get_by_role("link", name="New battle").click()
    await expect(window.page.get_by_label("Your prompt")).to_have_value("")


async def test_without_javascript_a_link_fills_the_box_and_the_form_sends_it(
    browser: Browser, house: House
) -> None:
    async with open_window(browser, house, java_script_enabled=False, locale="fr-FR") as window:
        page = window.page
        await page.goto("/")
        await page.get_by_role("link", name="Les trois interrupteurs").click()
        value = await page.get_by_label("Votre message").input_value()
        assert value.startswith("Trois interrupteurs")
        await page.get_by_role("button", name="Commencer le duel").click()
        await page.wait_for_url("**/conversations/*")
        await expect(page.locator(".prompt p")).to_have_text(value)


async def test_a_narrow_phone_shows_everything_without_sideways_scrolling(browser: Browser, house: House) -> None:
    async with open_window(browser, house, size=(320, PHONE[1]), has_touch=True) as window:
        for path in ("/", TWO_PARTS):
            await window.page.goto(path)
            root = "document.documentElement"
            assert await window.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), path
