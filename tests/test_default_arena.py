"""The arena out of the box, with the real engine and its default contenders: one battle in a real browser."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from arena import config as configuration
from arena.app import create_app
from arena.conversation import SIDES
from arena.engines import smollm2
from tests.browser import Window, open_chromium, open_window
from tests.house import House
from tests.servers import serving

ROOT = Path(__file__).parent.parent
PATIENCE_MS = 200_000
"""How long an engine may take to load, or two answers to be written, on a machine without a GPU."""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"),
]


async def test_a_battle_is_played_from_the_first_visit_to_the_names(tmp_path: Path) -> None:
    for name in ("config.toml", "prompts.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "models").symlink_to(smollm2.prepare(ROOT, print).parent)
    config = configuration.read(tmp_path / "config.toml")
    app = create_app(config)
    async with (
        serving(app) as url,
        open_chromium() as browser,
        open_window(browser, House(url, app, config, {})) as window,
    ):
        await plays(window)
        names = await window.page.locator(".face h3 a").all_text_contents()
        assert len(set(names)) == 2
        assert set(names) <= {model.name for model in config.models}


async def plays(window: Window) -> None:
    """Types, watches both, reloads in the middle, asks on, has one side answer again, and votes by key."""
    page = window.page
    await page.goto("/")
    await page.get_by_label("Your prompt").fill("Tell me a long story about the sea.")
    await page.keyboard.press("Enter")
    await both_speak(page, 1)
    await page.reload()
    await both_speak(page, 1)
    await is_over(page)
    story = [await said(page, 1, side) for side in SIDES]
    assert all(len(text) > 100 for text in story)

    await page.get_by_label("Or keep asking").fill("Tell me another long story, about a mountain.")
    await page.keyboard.press("Enter")
    await both_speak(page, 2)
    await page.get_by_role("button", name="Stop both").click()
    await is_over(page)
    assert [await said(page, 1, side) for side in SIDES] == story

    kept = await said(page, 2, "b")
    await page.get_by_role("button", name="Regenerate A", exact=True).click()
    await expect(page.locator("#t2a .versions")).to_contain_text("2 of 2", timeout=PATIENCE_MS)
    await is_over(page)
    assert await said(page, 2, "b") == kept

    await page.keyboard.press("b")
    await window.is_in("revealed")
    await expect(page.get_by_role("heading", name="You voted: B is better")).to_be_visible()


async def said(page: Page, turn: int, side: str) -> str:
    return await page.locator(f"#t{turn}{side}-text").inner_text()


async def both_speak(page: Page, turn: int) -> None:
    """Wait until there are words of the models on both sides."""
    for side in SIDES:
        answer = page.locator(f"#t{turn}{side}-text").filter(has_not=page.locator(".thinking"))
        await expect(answer).to_have_text(re.compile(r"\w+\W+\w+"), timeout=PATIENCE_MS)


async def is_over(page: Page) -> None:
    await expect(page.locator("#bar")).to_have_attribute("data-phase", "vote", timeout=PATIENCE_MS)
