"""French as a reader has it in a real browser: by Accept-Language or the switch, with JavaScript and without."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect

from tests.browser import PHONE, PROMPTS, Window, finish, open_chromium, open_window
from tests.house import House, open_house

pytestmark = pytest.mark.browser

NARROW = (320, 640)
PAGES = (
    "/",
    "/leaderboard",
    "/leaderboard/pictures",
    "/leaderboard/method",
    "/models",
    "/history",
    "/shortcuts",
    "/chat",
    "/side-by-side",
)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as browser:
        yield browser


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, prompts=PROMPTS) as house:
        yield house


async def starts_in_french(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await page.get_by_label("Votre message").fill("Pourquoi le ciel est-il bleu ?")
    await page.get_by_role("button", name="Commencer le duel").click()
    await page.wait_for_url("**/conversations/*")


async def language_of(page: Page) -> str:
    return str(await page.evaluate("document.documentElement.lang"))


async def is_no_wider_than_the_window(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def test_a_whole_battle_in_french(browser: Browser, house: House) -> None:
    async with open_window(browser, house, locale="fr-FR", reduced_motion="reduce") as window:
        page = window.page
        await starts_in_french(window)
        cues = await window.cues()
        cues["a"].say("Parce que A.")
        cues["a"].end()
        await expect(page.locator("#status")).to_have_text("La réponse A est complète.")
        cues["b"].say("Parce que B.")
        cues["b"].end()
        await window.is_in("vote")
        await expect(page.locator("#status")).to_have_text("Les deux réponses sont complètes. Vous pouvez voter.")
        await expect(page.get_by_role("heading", name="Quelle réponse est la meilleure ?")).to_be_visible()
        await page.get_by_role("button", name="A est meilleure").click()
        await window.is_in("revealed")
        await expect(page.get_by_role("heading", name="Votre vote : A est meilleure")).to_be_focused()
        assert await language_of(page) == "fr"
        assert not (await Axe().run(page)).response["violations"]


async def test_a_whole_battle_in_french_without_javascript(browser: Browser, house: House) -> None:
    async with open_window(browser, house, locale="fr-FR", java_script_enabled=False) as window:
        page = window.page
        await starts_in_french(window)
        await finish(await window.cues(), "Parce que A.", "Parce que B.")
        await window.is_in("vote")
        await page.get_by_role("button", name="Égalité").click()
        await window.is_in("revealed")
        await expect(page.get_by_role("heading", name="Votre vote : Égalité")).to_be_visible()


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_the_switch_changes_the_whole_page_and_stays_on_it(
    browser: Browser, house: House, has_scripts: bool
) -> None:
    async with open_window(browser, house, locale="en-GB", java_script_enabled=has_scripts) as window:
        page = window.page
        await page.goto("/models?q=aurora")
        await page.get_by_role("button", name="Français").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Modèles")
        assert page.url.endswith("/models?q=aurora")
        await expect(page.locator("html")).to_have_attribute("lang", "fr")
        await expect(page.locator("header.top")).to_contain_text("Classement")
        await expect(page.get_by_role("button", name="Français")).to_have_attribute("aria-current", "true")
        await page.get_by_role("link", name="Classement").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Classement")
        await page.get_by_role("button", name="English").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Leaderboard")
        await expect(page.locator("html")).to_have_attribute("lang", "en")


async def test_a_battle_goes_on_in_the_other_language(browser: Browser, house: House) -> None:
    async with open_window(browser, house, locale="en-GB") as window:
        page = window.page
        cues = await window.starts()
        cues["a"].say("One ")
        await window.reads("a", "One")
        await page.get_by_role("button", name="Français").click()
        await expect(page.get_by_role("button", name="Arrêter les deux")).to_be_visible()
        await window.reads("a", "One")
        await finish(cues, "two.", "Three.")
        await window.is_in("vote")
        await expect(page.get_by_role("button", name="Les deux sont mauvaises")).to_be_visible()


async def test_what_the_script_says_is_french(browser: Browser, house: House) -> None:
    async with open_window(browser, house, locale="fr-FR") as window:
        page = window.page
        await page.goto("/")
        await page.get_by_label("Votre message").fill("m" * 11_000)
        await expect(page.locator("[data-count]")).to_have_text(re.compile(r"11\s000 caractères sur 12\s000"))


@pytest.mark.parametrize("size", [NARROW, PHONE])
async def test_longer_words_fit_on_a_phone(browser: Browser, house: House, size: tuple[int, int]) -> None:
    async with open_window(browser, house, locale="fr-FR", size=size) as window:
        page = window.page
        wide = []
        for path in PAGES:
            await page.goto(path)
            if not await is_no_wider_than_the_window(page):
                wide.append(path)
        await starts_in_french(window)
        cues = await window.cues()
        wide += [] if await is_no_wider_than_the_window(page) else ["writing"]
        await finish(cues, "Parce que A.", "Parce que B.")
        await window.is_in("vote")
        wide += [] if await is_no_wider_than_the_window(page) else ["vote"]
        await page.get_by_role("button", name="A est meilleure").click()
        await window.is_in("revealed")
        wide += [] if await is_no_wider_than_the_window(page) else ["revealed"]
    assert not wide
