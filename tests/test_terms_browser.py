"""The terms and the operator's other texts in a real browser: accept and go on, without losing a word."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, expect

from tests.browser import LAPTOP, PHONE, RICH, Window, finish, open_chromium, open_window
from tests.house import House, open_house
from tests.test_texts import ABOUT, write

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NARROW = (320, 640)
TERMS = f"# Terms of this arena\n\nPrompts are kept.\n\n{RICH}\n\n## Privacy\n\n" + "Nobody is named.\n\n" * 30
PROMPT = "One line\n\n  and <another>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    pages = write(tmp_path, about=ABOUT, rules="Be fair.\n\n- Read both.", terms=TERMS)
    async with open_house(tmp_path, pages=pages) as found:
        yield found


async def sends(window: Window, prompt: str = PROMPT) -> None:
    """As far as the terms, which are asked for."""
    window.foresees("the server responded with a status of 428")
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill(prompt)
    await window.page.get_by_role("button", name="Start the battle").click()
    await expect(window.page.get_by_role("heading", level=1)).to_contain_text("Please accept these terms first.")


async def violations(window: Window) -> str:
    """What axe finds, in words; empty where it finds nothing."""
    found = await Axe().run(window.page)
    return str(found.generate_snapshot()) if found.violations_count else ""


async def fits(window: Window) -> bool:
    """Whether nothing scrolls sideways."""
    return bool(
        await window.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    )


@pytest.mark.parametrize("has_script", [True, False])
async def test_who_accepts_the_terms_is_back_at_the_prompt(
    browser: Browser, house: House, has_script: bool
) -> None:
    async with open_window(browser, house, java_script_enabled=has_script) as window:
        await sends(window)
        await window.page.get_by_role("button", name="I accept").click()
        box = window.page.get_by_label("Your prompt")
        await expect(box).to_have_value(PROMPT)
        if has_script:
            await expect(window.page).to_have_url(f"{house.url}/")
            await expect(box).to_be_focused()
        await window.page.get_by_role("button", name="Start the battle").click()
        await window.page.wait_for_url("**/conversations/*")
        await expect(window.page.locator(".prompt p")).to_have_text(PROMPT, use_inner_text=True)
        await finish(await window.cues())


async def test_keys_alone_lead_through_the_terms(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        await sends(window)
        await expect(window.page.get_by_role("heading", level=1)).to_be_focused()
        accept = window.page.get_by_role("button", name="I accept")
        for _ in range(30):
            await window.page.keyboard.press("Tab")
            if await accept.evaluate("button => button === document.activeElement"):
                break
        await window.page.keyboard.press("Enter")
        await expect(window.page.get_by_label("Your prompt")).to_be_focused()


async def test_a_battle_goes_on_where_it_was_when_the_terms_change(browser: Browser, house: House) -> None:
    async with open_window(browser, house) as window:
        await sends(window)
        await window.page.get_by_role("button", name="I accept").click()
        await window.page.get_by_role("button", name="Start the battle").click()
        await window.is_in("writing")
        await finish(await window.cues())
        await window.is_in("vote")
        address = window.page.url
        await house.sql("DELETE FROM acceptances")
        await window.page.get_by_label("Or keep asking").fill(PROMPT)
        await window.page.keyboard.press("Enter")
        await window.page.get_by_role("button", name="I accept").click()
        await expect(window.page.get_by_label("Or keep asking")).to_have_value(PROMPT)
        await expect(window.page).to_have_url(address)
        await window.reads("a", "Because A.")
        await finish(await window.asks_on(), "Then A.", "Then B.")
        await window.reads("b", "Then B.", 2)
        await window.votes()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE, NARROW])
async def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    browser: Browser, house: House, scheme: Literal["light", "dark"], size: tuple[int, int]
) -> None:
    async with open_window(browser, house, size=size, color_scheme=scheme) as window:
        for path in ("/about", "/rules", "/terms"):
            await window.page.goto("/")
            await window.page.get_by_role("contentinfo").locator(f'a[href="{path}"]').click()
            await window.page.wait_for_url(f"**{path}")
            assert (await violations(window), await fits(window)) == ("", True), path
        await sends(window, f"{PROMPT} {'x' * 400}")
        await window.page.get_by_text("What you wrote", exact=True).click()
        await expect(window.page.locator(".written")).to_be_visible()
        assert (await violations(window), await fits(window)) == ("", True)
        await window.page.get_by_role("button", name="I accept").click()
        await expect(window.page.get_by_label("Your prompt")).to_be_visible()
        assert (await violations(window), await fits(window)) == ("", True)
        await window.page.goto("/terms")
        await expect(window.page.get_by_text("You accepted this text on")).to_be_visible()
        assert (await violations(window), await fits(window)) == ("", True)
