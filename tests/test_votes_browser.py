"""After the vote, in a real browser: undone, cast again, the next turn voted on, names asked for, and why."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser import Window, finish, open_chromium, open_window
from tests.house import MODELS, House, open_house

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, blind={"reveal": "on_request"}) as found:
        yield found


async def presses(window: Window, words: str) -> None:
    await window.page.get_by_role("button", name=words).click()


async def votes(window: Window, words: str) -> None:
    await presses(window, words)
    await expect(window.page.get_by_role("heading", name=f"You voted: {words}")).to_be_focused()


async def plays_without_scripts(window: Window) -> None:
    """A battle as far as its vote, by loading its page again."""
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill("Why is the sky blue?")
    await presses(window, "Start the battle")
    await finish(await window.cues())
    await window.page.get_by_role("heading", name="Which answer is better?").wait_for()


async def test_a_vote_is_undone_and_cast_again_the_next_turn_voted_on_and_the_names_asked_for(
    browser: Browser, house: House
) -> None:
    async with open_window(browser, house) as window:
        page = window.page
        await window.plays()
        await votes(window, "A is better")
        await presses(window, "Undo the vote")
        await window.is_in("vote")
        await page.keyboard.press("b")
        await window.is_in("voted")
        await page.keyboard.press("u")
        await window.is_in("vote")
        await page.keyboard.press("t")
        await window.is_in("voted")
        await finish(await window.asks_on())
        await window.is_in("vote")
        await expect(page.locator(".chose")).to_have_text("You voted: Tie")
        await votes(window, "B is better")
        assert not [name for name in MODELS if name in await page.content()]
        await presses(window, "Show the names")
        await expect(page.get_by_role("heading", name="You voted: Tie")).to_be_focused()
        for name in MODELS:
            await expect(page.locator(".face").get_by_text(name)).to_be_visible()


async def test_the_offer_to_undo_goes_by_itself_and_leaves_what_is_being_typed(
    browser: Browser, tmp_path: Path
) -> None:
    blind = {"reveal": "on_request", "undo_seconds": 1.5}
    async with open_house(tmp_path, blind=blind) as house, open_window(browser, house) as window:
        await window.plays()
        await votes(window, "A is better")
        button = window.page.get_by_role("button", name="Undo the vote")
        await expect(button).to_be_visible()
        box = window.page.get_by_label("Or keep asking")
        await box.fill("And what about")
        await expect(button).to_have_count(0)
        await expect(box).to_have_value("And what about")
        await expect(box).to_be_focused()


async def test_why_is_said_changed_and_closed_by_the_next_battle(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        page = window.page
        await window.plays()
        await votes(window, "A is better")
        await presses(window, "Show the names")
        await window.is_in("revealed")
        await page.get_by_role("group").nth(0).get_by_label("Clear", exact=True).check()
        await page.get_by_label("In your own words").fill("It was clear.")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("#status")).to_have_text("Saved.")
        await expect(page.locator("#comment-hint")).to_contain_text("Saved.")
        await expect(page.get_by_role("button", name="Save")).to_be_focused()
        await page.get_by_label("In your own words").fill("It was very clear.")
        await page.get_by_role("button", name="Save").click()
        await page.wait_for_function("document.querySelector('#comment').defaultValue == 'It was very clear.'")
        address = page.url
        await page.reload()
        await expect(page.get_by_role("group").nth(0).get_by_label("Clear", exact=True)).to_be_checked()
        await finish(await window.starts())
        await page.goto(address)
        await expect(page.get_by_role("button", name="Save")).to_have_count(0)
        await expect(page.locator("#remarks")).to_contain_text("It was very clear.")
        await expect(page.locator("#remarks")).to_contain_text("Clear")


async def test_a_form_that_the_next_battle_has_closed_says_so_where_it_is(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        window.foresees("the server responded with a status of 409")
        page = window.page
        await window.plays()
        await votes(window, "A is better")
        await presses(window, "Show the names")
        await window.is_in("revealed")
        other = Window(house, await page.context.new_page(), window.complaints)
        await finish(await other.starts())
        await page.get_by_label("In your own words").fill("Too late.")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert").filter(has_text="another battle")).to_be_visible()
        await expect(page.get_by_label("In your own words")).to_have_value("Too late.")


async def test_without_scripts_all_of_it_works_with_plain_forms(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        page = window.page
        await plays_without_scripts(window)
        await presses(window, "A is better")
        await presses(window, "Undo the vote")
        await presses(window, "Both are bad")
        await page.get_by_label("Or keep asking").fill("And then?")
        await presses(window, "Send")
        await finish(await window.cues())
        await page.get_by_role("heading", name="Which answer is better?").wait_for()
        await presses(window, "B is better")
        await presses(window, "Show the names")
        await expect(page.get_by_role("heading", name="You voted: Both are bad")).to_be_visible()
        await page.get_by_label("Too long").first.check()
        await page.get_by_label("In your own words").fill("Neither.")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("#comment-hint")).to_contain_text("Saved.")
        await expect(page.get_by_label("Too long").first).to_be_checked()
