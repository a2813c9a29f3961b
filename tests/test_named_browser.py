"""Models chosen by name in a real browser: a chat with one, two side by side, as a person would do it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from arena.conversation import Side
from arena.providers.script import Cue
from tests.browser import Window, finish, open_chromium, open_window
from tests.house import MODELS, House, open_house, tables

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

AURORA, BOREALIS = MODELS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


def models() -> list[dict[str, Any]]:
    """One with parameters of its own, one without."""
    first, second = tables()["models"]
    return [first | {"temperature": 0.7, "max_tokens": 300, "system_prompt": "Be terse."}, second]


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, models=models()) as found:
        yield found


async def asked(window: Window, name: str) -> Cue:
    """The cue of a model by its name: here it is known to everybody."""
    return await window.house.backends[name.split()[0].lower()].asked()


async def says(cue: Cue, text: str) -> None:
    cue.say(text)
    cue.end()


async def begins_chat(window: Window, name: str = BOREALIS, prompt: str = "Why is the sky blue?") -> Cue:
    """From the start page to the first answer."""
    await window.page.goto("/")
    await window.page.get_by_role("link", name="Chat", exact=True).click()
    await window.page.get_by_label("Name").fill(name)
    await window.page.get_by_role("button", name="Choose").click()
    await expect(window.page.get_by_role("heading", level=1)).to_have_text(f"Chat with {name}")
    await window.page.get_by_label("Your prompt").fill(prompt)
    await window.page.get_by_role("button", name="Send").click()
    await window.page.wait_for_url("**/conversations/*")
    return await asked(window, name)


async def begins_pair(window: Window, prompt: str = "Why is the sky blue?") -> dict[Side, Cue]:
    """From the start page to both first answers."""
    await window.page.goto("/")
    await window.page.get_by_role("link", name="Side by side").click()
    await window.page.get_by_label("First model").fill(AURORA)
    await window.page.get_by_role("button", name="Choose").click()
    await window.page.get_by_role("link", name="A random second one").click()
    await expect(window.page.get_by_role("heading", level=1)).to_contain_text(BOREALIS)
    await window.page.get_by_label("Your prompt").fill(prompt)
    await window.page.get_by_role("button", name="Send to both").click()
    await window.page.wait_for_url("**/conversations/*")
    return {"a": await asked(window, AURORA), "b": await asked(window, BOREALIS)}


# A chat


async def test_a_person_chats_with_a_model_and_says_what_they_think(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        page = window.page
        cue = await begins_chat(window)
        cue.say("Light ")
        await window.reads("a", "Light")
        await page.reload()
        await window.reads("a", "Light")
        await says(cue, "scatters.")
        await window.is_in("open")
        await window.reads("a", "Light scatters.")
        await expect(page.locator("#status")).to_have_text("The answer is complete.")

        await page.get_by_role("button", name="Good").click()
        await expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
        await page.get_by_role("button", name="Bad").click()
        await expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "false")
        await page.get_by_role("button", name="Flag").click()
        await expect(page.get_by_text("The people who run this arena see it.")).to_be_visible()

        await page.get_by_label("Keep asking").fill("And then?")
        await page.keyboard.press("Enter")
        await says(await asked(window, BOREALIS), "Dust.")
        await window.reads("a", "Dust.", 2)
        await page.get_by_role("button", name="Regenerate").click()
        await says(await asked(window, BOREALIS), "More dust.")
        await window.reads("a", "More dust.", 2)
        await page.get_by_role("link", name="Version 1").click()
        await window.reads("a", "Dust.", 2)


async def test_settings_are_changed_on_the_way(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        page = window.page
        cue = await begins_chat(window)
        assert cue.prompt.sampling.temperature is None
        await says(cue, "Because.")
        await window.is_in("open")
        await page.get_by_text("Settings", exact=True).first.click()
        await page.get_by_label("Temperature").first.fill("1.5")
        await page.get_by_label("System prompt").first.fill("You are a pirate.")
        await page.keyboard.press("Enter")
        await page.keyboard.type("Say arr.")
        await page.get_by_label("Keep asking").fill("And then?")
        await page.keyboard.press("Enter")
        cue = await asked(window, BOREALIS)
        assert cue.prompt.sampling.temperature == 1.5
        assert cue.prompt.messages[0].content == "You are a pirate.\nSay arr."
        await says(cue, "Arr.")
        await window.is_in("open")
        await expect(page.get_by_text("Settings, changed").first).to_be_visible()


async def test_a_setting_out_of_range_is_told_where_it_was_made(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        window.foresees("status of 422")
        page = window.page
        await page.goto(f"/chat?model={AURORA}")
        await page.get_by_label("Your prompt").fill("Why?")
        await page.get_by_text("Settings", exact=True).click()
        await expect(page.get_by_label("Temperature")).to_have_attribute("placeholder", "0.7")
        await page.get_by_label("Longest answer").fill("301")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("a whole number of tokens from 1 to 300")).to_be_visible()
        await expect(page.get_by_label("Your prompt")).to_have_value("Why?")
        await expect(page.get_by_label("Longest answer")).to_have_value("301")


async def test_the_whole_chat_without_a_script(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        window.foresees("status of 422")
        page = window.page
        cue = await begins_chat(window)
        await says(cue, "Because.")
        await expect(page.locator("#t1a-text")).to_contain_text("Because.")
        await expect(page.get_by_label("Keep asking")).to_be_visible()
        await page.get_by_role("button", name="Good").click()
        await expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
        await page.get_by_role("button", name="Good").click()
        await expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "false")

        await page.get_by_text("Settings", exact=True).first.click()
        await page.get_by_label("Temperature").first.fill("9")
        await page.get_by_label("Keep asking").fill("And then?")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(
            "The temperature is a number from 0 to 2"
        )
        await expect(page.get_by_label("Your prompt")).to_have_value("And then?")
        await page.get_by_label("Temperature").fill("0.4")
        await page.get_by_role("button", name="Send").click()
        cue = await asked(window, BOREALIS)
        assert cue.prompt.sampling.temperature == 0.4
        await says(cue, "Then dust.")
        await expect(page.locator("#t2a-text")).to_contain_text("Then dust.")

        await page.get_by_text("Edit the prompt").click()
        await page.get_by_label("Your prompt, in other words").fill("And at night?")
        await page.get_by_role("button", name="Ask again").click()
        await says(await asked(window, BOREALIS), "Dark.")
        await expect(page.locator("#t2a-text")).to_contain_text("Dark.")
        await page.get_by_role("button", name="Regenerate").click()
        cue = await asked(window, BOREALIS)
        cue.say("Half")
        await cue.heard()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("#t2a")).to_contain_text("You stopped this answer.")


# Side by side


async def test_a_person_compares_two_models_and_votes_by_key(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        page = window.page
        await finish(await begins_pair(window))
        await window.is_in("open")
        await expect(page.locator("#t1a-name")).to_contain_text(AURORA)
        await page.locator("#t1a-text").click()
        await page.keyboard.press("b")
        await expect(page.get_by_role("heading", name="You voted: B is better")).to_be_visible()
        await page.get_by_label("Keep asking").fill("And then?")
        await page.keyboard.press("Enter")
        for name in MODELS:
            await says(await asked(window, name), f"Then {name}.")
        await window.reads("b", f"Then {BOREALIS}.", 2)
        await page.get_by_role("button", name="Regenerate A").click()
        await says(await asked(window, AURORA), "Again.")
        await window.reads("a", "Again.", 2)
        await page.get_by_role("button", name="Tie").click()
        await expect(page.get_by_role("heading", name="You voted: Tie")).to_be_visible()
    assert await house.sql("SELECT count(*) FROM ballots") == [(0,)]


async def test_the_whole_comparison_without_a_script(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        page = window.page
        cues = await begins_pair(window)
        cues["a"].say("Half")
        await cues["a"].heard()
        await page.get_by_role("button", name="Stop A").click()
        await says(cues["b"], "Because B.")
        await expect(page.get_by_role("heading", name="Which answer is better?")).to_be_visible()
        await page.get_by_role("button", name="Regenerate A").click()
        await says(await asked(window, AURORA), "Because A.")
        await expect(page.locator("#t1a-text")).to_contain_text("Because A.")
        await page.get_by_role("button", name="A is better").click()
        await expect(page.get_by_role("heading", name="You voted: A is better")).to_be_visible()
        await page.get_by_label("Keep asking").fill("And then?")
        await page.get_by_role("button", name="Send").click()
        for name in MODELS:
            await says(await asked(window, name), f"Then {name}.")
        await expect(page.locator("#t2b-text")).to_contain_text(f"Then {BOREALIS}.")
        await page.get_by_role("link", name="Start anew").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(AURORA)


async def test_a_battle_leads_on_to_its_two_models_side_by_side(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        await window.plays()
        nav = window.page.get_by_role("navigation", name="Main")
        await expect(nav.get_by_role("link", name="Side by side")).to_be_hidden()
        await expect(nav.get_by_role("link", name="Chat")).to_be_hidden()
        await window.votes()
        await expect(nav.get_by_role("link", name="Chat")).to_be_visible()
        await window.page.get_by_role("link", name="Go on with these two side by side").click()
        await expect(window.page.get_by_role("button", name="Send to both")).to_be_visible()
