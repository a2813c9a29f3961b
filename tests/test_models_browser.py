"""The models' cards in a real browser: found, read, wide and narrow, light and dark, kept from blind battles."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, expect

from arena.views.pages import card_path
from tests.browser import LAPTOP, open_chromium, open_window
from tests.crowd import Crowd, names, vote
from tests.house import MODELS, House, open_house

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

SIX = names(6)
LONG = "works/" + "unbreakable-name-" * 5
LONE, GONE = "Lone", "Gone"
NARROW = (320, 640)
Scheme = Literal["light", "dark"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Models with much and with little to say of them, one without votes, and one that has left."""
    models: list[dict[str, Any]] = [
        {
            "name": name,
            "backends": ["seeded"],
            "organisation": "Foundation of Works",
            "licence": "Community Licence 3",
            "description": "A middling model that explains itself at length, with headings and examples. "
            * number,
            "link": "https://works.example/cards/" + "and-so-on-" * 12,
            "vision": number % 2 == 1,
            "battle_only": number == 2,
            "price_in": 0.05 * number,
            "price_out": 0.5 + number,
            "context_length": 4096 << number,
        }
        for number, name in enumerate((*SIX, LONG))
    ]
    providers = [{"name": "seeded", "format": "script"}]
    async with open_house(
        tmp_path, models=[*models, {"name": LONE, "backends": ["seeded"]}], providers=providers
    ) as found:
        vote(found.config.path("arena.db"), Crowd((*SIX, LONG, GONE), 800))
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, NARROW], ids=["wide", "narrow"])
async def test_axe_finds_nothing_and_no_card_is_wider_than_its_window(
    browser: Browser, house: House, scheme: Scheme, size: tuple[int, int]
) -> None:
    async with open_window(browser, house, color_scheme=scheme, size=size, reduced_motion="reduce") as window:
        for path in ("/models", "/models?q=nonsense", *map(card_path, (SIX[1], LONG, LONE, GONE))):
            await window.page.goto(path)
            found = await Axe().run(window.page)
            assert not found.violations_count, f"{path}: {found.generate_snapshot()}"
            assert await window.page.evaluate("document.documentElement.scrollWidth") <= size[0], path


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_a_card_is_sought_found_and_left_again(browser: Browser, house: House, has_scripts: bool) -> None:
    async with open_window(browser, house, java_script_enabled=has_scripts) as window:
        page = window.page
        await page.goto("/")
        await page.get_by_role("link", name="Models").click()
        await page.get_by_role("searchbox").fill("unbreakable works")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/models?q=unbreakable+works")
        await expect(page.get_by_role("article")).to_have_count(1)
        await page.get_by_role("link", name=LONG).click()
        await expect(page.get_by_role("heading", name=LONG, level=1)).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("searchbox")).to_have_value("unbreakable works")


async def test_the_board_leads_to_a_card(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        await window.page.goto("/leaderboard")
        await window.page.get_by_role("table", name="Standings").get_by_role("link", name=LONG).click()
        await expect(window.page.get_by_role("heading", name=LONG, level=1)).to_be_visible()


async def test_a_blind_battle_shows_no_way_to_the_cards_and_its_names_do(browser: Browser, tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_window(browser, house) as window:
        page, link = window.page, window.page.locator("a[href^='/models']:visible")
        await page.goto("/")
        await expect(link).to_have_count(1)
        await window.plays()
        await expect(link).to_have_count(0)
        await page.reload()
        await window.is_in("vote")
        await expect(link).to_have_count(0)
        await window.votes()
        await expect(link).to_have_count(3)
        await page.get_by_role("link", name=MODELS[0]).click()
        await expect(page.get_by_role("heading", name=MODELS[0], level=1)).to_be_visible()
