"""Pictures in a real browser: picked, dropped and pasted, with and without scripts, on a phone, and by ear."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, FilePayload, Page, expect

from arena.app import create_app
from tests.browser import LAPTOP, PHONE, Window, finish, open_chromium, open_window
from tests.house import House, configure, open_house
from tests.photos import SEEING, gallery, photo
from tests.servers import serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

CAT: FilePayload = {"name": "cat.png", "mimeType": "image/png", "buffer": photo(400, 300, "PNG")}
DOG: FilePayload = {"name": "dog.jpg", "mimeType": "image/jpeg", "buffer": photo(300, 500)}
BROKEN: FilePayload = {"name": "broken.png", "mimeType": "image/png", "buffer": photo(40, 30, "PNG")[:50]}

HAND_IN = """([kind, files]) => {
  const data = new DataTransfer();
  for (const { name, type, text } of files) {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  document.querySelector(kind === "drop" ? "main" : "textarea").dispatchEvent(event);
  return event.defaultPrevented;
}"""
"""What a browser does when files are dropped or pasted."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, **gallery()) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser, house: House) -> AsyncIterator[Window]:
    async with open_window(browser, house, reduced_motion="reduce") as found:
        yield found


async def picks(page: Page, *files: FilePayload) -> None:
    await page.get_by_label("Add files").first.set_input_files(list(files))


async def hands_in(page: Page, kind: str, *files: FilePayload) -> bool:
    told = [
        {"name": f["name"], "type": f["mimeType"], "text": base64.b64encode(f["buffer"]).decode()} for f in files
    ]
    return bool(await page.evaluate(HAND_IN, [kind, told]))


async def sends(window: Window, prompt: str = "What is this?") -> None:
    await window.page.get_by_label("Your prompt").fill(prompt)
    await window.page.keyboard.press("Enter")
    await window.is_in("writing")


async def has_no_problems(page: Page) -> None:
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


async def test_a_picked_picture_is_listed_and_both_models_get_it(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await page.get_by_label("Your prompt").fill("Draft")
    await picks(page, CAT)
    shown = page.locator(".attached img")
    await expect(shown).to_have_attribute("alt", "cat.png")
    await expect(page.locator("#status")).to_have_text("Added: cat.png.")
    await expect(page.get_by_label("Your prompt")).to_be_focused()
    await expect(page.get_by_label("Your prompt")).to_have_value("Draft")
    assert await shown.evaluate("image => image.complete && image.naturalWidth") == 400
    await picks(page, DOG)
    await expect(shown).to_have_count(2)
    await has_no_problems(page)
    await sends(window)
    cues = await window.cues()
    assert all(len(cue.prompt.messages[0].images) == 2 for cue in cues.values())
    await expect(page.locator(".with img")).to_have_count(2)
    await finish(cues)
    await window.is_in("vote")
    await expect(page.locator(".after > .composer .attached img")).to_have_count(0)
    await has_no_problems(page)


@pytest.mark.parametrize("kind", ["drop", "paste"])
async def test_pictures_are_dropped_and_pasted(window: Window, kind: str) -> None:
    await window.page.goto("/")
    assert await hands_in(window.page, kind, CAT, DOG)
    await expect(window.page.locator(".attached img")).to_have_count(2)
    await expect(window.page.locator("#status")).to_have_text("Added: cat.png, dog.jpg.")
    await sends(window)
    assert all(len(cue.prompt.messages[0].images) == 2 for cue in (await window.cues()).values())


async def test_pasted_words_are_pasted(window: Window) -> None:
    await window.page.goto("/")
    assert not await hands_in(window.page, "paste")
    assert not await hands_in(window.page, "drop")


async def test_a_picture_is_removed_by_key_and_the_draft_stays(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await page.get_by_label("Your prompt").fill("Draft")
    await picks(page, CAT, DOG)
    await page.get_by_role("button", name="Remove cat.png").press("Enter")
    await expect(page.locator(".attached img")).to_have_count(1)
    await expect(page.locator("#status")).to_have_text("Removed.")
    await expect(page.get_by_label("Your prompt")).to_be_focused()
    await expect(page.get_by_label("Your prompt")).to_have_value("Draft")
    await picks(page, CAT)
    await expect(page.locator(".attached img")).to_have_count(2)
    await sends(window)
    (message,) = (await window.cues())["a"].prompt.messages
    assert len(message.images) == 2


async def test_a_file_that_cannot_be_read_is_said_where_it_was_added(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await picks(page, BROKEN, CAT)
    await expect(page.get_by_role("alert").filter(has_text="broken.png")).to_contain_text("could not be read")
    await expect(page.locator(".attached img")).to_have_count(1)
    await has_no_problems(page)
    await sends(window)


async def test_nothing_is_sent_while_a_picture_is_on_its_way(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await page.get_by_label("Your prompt").fill("What is this?")
    await picks(page, CAT)
    await page.get_by_label("Your prompt").press("Enter")
    await expect(page.locator(".attached img, .with img")).to_have_count(1)
    if "/conversations/" not in page.url:
        await page.get_by_label("Your prompt").press("Enter")
    await window.is_in("writing")
    assert all(len(cue.prompt.messages[0].images) == 1 for cue in (await window.cues()).values())


async def test_an_edited_prompt_keeps_its_picture(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await picks(page, CAT)
    await expect(page.locator(".attached img")).to_have_count(1)
    await sends(window)
    await finish(await window.cues())
    await window.is_in("vote")
    await page.get_by_text("Edit the prompt").click()
    box = page.locator(".edit .composer")
    await expect(box.locator(".attached img")).to_have_count(1)
    await box.get_by_label("Add files").set_input_files([DOG])
    await expect(box.locator(".attached img")).to_have_count(2)
    await box.get_by_label("Your prompt, in other words").fill("And these?")
    await page.keyboard.press("Enter")
    await window.is_in("writing")
    assert all(len(cue.prompt.messages[0].images) == 2 for cue in (await window.cues()).values())


async def test_without_scripts_a_picture_is_added_removed_and_sent(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        page = window.page
        await page.goto("/")
        await page.get_by_label("Your prompt").fill("What is this?")
        await picks(page, CAT, DOG)
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.locator(".attached img")).to_have_count(2)
        await page.get_by_role("button", name="Remove dog.jpg").click()
        await expect(page.locator(".attached img")).to_have_count(1)
        await expect(page.get_by_label("Your prompt")).to_have_value("What is this?")
        await page.get_by_role("button", name="Start the battle").click()
        await expect(page.locator(".with img")).to_have_attribute("alt", "cat.png")
        await finish(await window.cues())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE, (320, 640)])
async def test_it_fits_every_window_and_has_no_barrier(
    browser: Browser, house: House, size: tuple[int, int], scheme: str, tmp_path: Path
) -> None:
    async with open_window(browser, house, size=size, color_scheme=scheme, reduced_motion="reduce") as window:
        page = window.page
        await page.goto("/")
        await picks(page, CAT, DOG, BROKEN)
        await expect(page.locator(".attached img")).to_have_count(2)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await has_no_problems(page)
        await page.screenshot(path=tmp_path / f"composer-{size[0]}-{scheme}.png")
        await sends(window)
        await finish(await window.cues())
        await window.is_in("vote")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await has_no_problems(page)
        await page.screenshot(path=tmp_path / f"battle-{size[0]}-{scheme}.png", full_page=True)


async def test_a_whole_battle_about_a_picture_with_models_that_say_what_they_got(
    browser: Browser, tmp_path: Path
) -> None:
    providers = [
        {"name": name.split()[0].lower(), "format": "script", "answer": f"I see {{images}}, says {number}."}
        for number, name in enumerate(SEEING)
    ]
    config = configure(tmp_path, **gallery(providers=providers))
    app = create_app(config)
    async with serving(app) as url, open_window(browser, House(url, app, config, {})) as window:
        page = window.page
        await page.goto("/")
        await picks(page, CAT, DOG)
        await expect(page.locator(".attached img")).to_have_count(2)
        await page.get_by_label("Your prompt").fill("How many?")
        await page.keyboard.press("Enter")
        await window.is_in("vote")
        for side in ("a", "b"):
            await expect(page.locator(f"#t1{side}-text")).to_contain_text("I see 2")
        await page.get_by_label("Or keep asking").fill("Still?")
        await page.keyboard.press("Enter")
        await expect(page.locator("#t2a-text")).to_contain_text("I see 2")
        await window.is_in("vote")
        await page.get_by_role("button", name="Tie").click()
        for name in SEEING[:2]:
            await expect(page.locator(".faces")).to_contain_text(name)
