"""History and shared links in a real browser: searched, deleted, opened by somebody else, with scripts or not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect

from tests.browser import LAPTOP, PHONE, RICH, Window, finish, open_chromium, open_window
from tests.house import MODELS, House, open_house
from tests.test_history import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NARROW = (320, 640)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as found:
        yield found


async def plays(window: Window, prompt: str, a: str = "Because A.", b: str = "Because B.") -> None:
    """A battle as far as its vote, with scripts or without."""
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill(prompt)
    await window.page.get_by_role("button", name="Start the battle").click()
    await window.page.wait_for_url("**/conversations/*")
    await finish(await window.cues(), a, b)
    await window.is_in("vote")


async def shares(window: Window) -> str:
    """Share the battle that is on the page; returns the link."""
    await window.page.get_by_role("link", name="Share", exact=True).click()
    await window.page.get_by_role("button", name="Make a link").click()
    link = window.page.locator("#link")
    await link.wait_for()
    return await link.inner_text()


async def fits(page: Page) -> bool:
    """Whether nothing scrolls sideways."""
    return bool(
        await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    )


async def violations(page: Page) -> str:
    """What axe finds, in words; empty where it finds nothing."""
    found = await Axe().run(page)
    return str(found.generate_snapshot()) if found.violations_count else ""


@pytest.mark.parametrize("has_script", [True, False])
async def test_history_is_searched_and_a_conversation_deleted(
    browser: Browser, house: House, has_script: bool
) -> None:
    async with open_window(browser, house, java_script_enabled=has_script) as window:
        page = window.page
        await plays(window, "Why is the sky blue?")
        await plays(window, "How deep is the sea?")
        await page.get_by_role("link", name="History").click()
        listed = page.locator(".past li h2")
        await expect(listed).to_have_text(["How deep is the sea?", "Why is the sky blue?"])
        await page.get_by_role("searchbox").fill("SKY")
        await page.get_by_role("button", name="Search").click()
        await expect(listed).to_have_text(["Why is the sky blue?"])
        await page.get_by_role("link", name="Why is the sky blue?", exact=True).click()
        await page.wait_for_url("**/conversations/*")
        await page.get_by_role("link", name="Delete", exact=True).click()
        await page.get_by_role("link", name="Keep").click()
        await window.is_in("vote")
        await page.get_by_role("link", name="Delete", exact=True).click()
        await page.get_by_role("button", name="Delete for good").click()
        await expect(page.get_by_text("The conversation is deleted.")).to_be_visible()
        await expect(listed).to_have_text(["How deep is the sea?"])
        await page.get_by_role("link", name="Delete all").click()
        await page.get_by_role("button", name="Delete for good").click()
        await expect(page.get_by_text("Nothing yet")).to_be_visible()


@pytest.mark.parametrize("has_script", [True, False])
async def test_a_link_opens_in_another_profile_blind_until_the_vote_and_not_after_it_is_revoked(
    browser: Browser, house: House, has_script: bool
) -> None:
    async with (
        open_window(browser, house, java_script_enabled=has_script) as window,
        open_window(browser, house, java_script_enabled=has_script) as reader,
    ):
        reader.foresees("the server responded with a status of 404")
        await plays(window, "Why is the sky blue?", RICH, "Because B.")
        battle = window.page.url
        link = await shares(window)
        await reader.page.goto(link)
        await expect(reader.page.get_by_role("heading", name="Why the sky is blue")).to_be_visible()
        await expect(reader.page.get_by_text("Who answers is not known yet")).to_be_visible()
        for model in MODELS:
            await expect(reader.page.get_by_text(model)).to_have_count(0)
        assert (
            await reader.page.locator("meta[name=robots]").get_attribute("content")
            == "noindex, nofollow, noarchive"
        )

        await window.page.goto(battle)
        await window.votes()
        await reader.page.reload()
        for model in MODELS:
            await expect(reader.page.get_by_role("heading", name=model)).to_be_visible()

        await window.page.get_by_role("link", name="Share", exact=True).click()
        await window.page.get_by_role("button", name="Stop sharing").click()
        await expect(window.page.get_by_role("button", name="Make a link")).to_be_visible()
        await reader.page.reload()
        await expect(reader.page.get_by_role("heading", level=1)).to_contain_text("shared no longer")


async def test_a_reader_changes_the_language_and_stays(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window, open_window(browser, house) as reader:
        await plays(window, "Why is the sky blue?")
        link = await shares(window)
        await reader.page.goto(link)
        await reader.page.get_by_role("button", name="Français").click()
        await expect(reader.page.locator("html")).to_have_attribute("lang", "fr")
        assert reader.page.url == link


async def test_a_file_is_saved_and_the_page_stays(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        await plays(window, "Why is the sky blue?")
        for place, name, ending in (
            (window.page.url, "Download", ".md"),
            ("/history", "Download as JSON", ".json"),
            ("/history", "Download as Markdown", ".md"),
        ):
            await window.page.goto(place)
            async with window.page.expect_download() as saving:
                await window.page.get_by_role("link", name=name, exact=True).click()
            saved = await saving.value
            assert saved.suggested_filename.endswith(ending)
            assert "Why is the sky blue?" in (await saved.path()).read_text("utf-8")


async def test_a_conversation_deleted_in_another_tab_ends_quietly_here(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        window.foresees("the server responded with a status of 404")
        cues = await window.starts()
        cues["a"].say("Half of it")
        await window.page.get_by_text("Half of it").wait_for()
        tab = await window.page.context.new_page()
        await tab.goto(f"{window.page.url}/delete")
        await tab.get_by_role("button", name="Delete for good").click()
        await tab.get_by_text("The conversation is deleted.").wait_for()
        await expect(window.page.locator("#bar")).not_to_have_attribute("data-phase", "writing")
        await expect(window.page.get_by_role("alert")).to_have_text("")
        assert house.context.live.in_flight == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE, NARROW])
async def test_every_page_is_accessible_and_fits(
    browser: Browser, house: House, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    async with open_window(browser, house, size=size, color_scheme=scheme, reduced_motion="reduce") as window:
        page = window.page
        window.foresees("the server responded with a status of 404")
        await page.goto("/history")
        assert await violations(page) == ""
        await plays(window, "w" * 3000)
        await plays(window, HOSTILE, RICH, "Because B.")
        battle = page.url
        link = await shares(window)
        await plays(window, "Why is the sky blue?\n" * 20, RICH, "x" * 2000)
        await window.votes()
        other = page.url
        revealed = await shares(window)
        places = (
            "/history", "/history?q=zzz", "/history/delete", battle, f"{battle}/delete", f"{battle}/share",
            f"{other}/delete", link, revealed, "/shared/unknown",
        )  # fmt: skip
        for place in places:
            await page.goto(place)
            assert await fits(page), place
            assert await violations(page) == "", place
