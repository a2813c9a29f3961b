"""Documents in a real browser: picked, read, cut, sent; with JavaScript and without."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, FilePayload, Page, expect

from tests import hostile, pdfs
from tests.browser import PHONE, Window, finish, open_chromium, open_window
from tests.house import House, open_house

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

REPORT: FilePayload = {
    "name": "report.pdf",
    "mimeType": "application/pdf",
    "buffer": pdfs.written("All is well.\nSo far.", "The end"),
}
LONG: FilePayload = {"name": "long.txt", "mimeType": "text/plain", "buffer": b"word " * 500}
ASKED = (
    "Document: report.pdf (2 pages)\n```\nAll is well.\nSo far.\n\nThe end\n```\n\n"
    "Document: long.txt (its first 971 characters)\n```\n" + ("word " * 500)[:971] + "\n```\n\nSum it up."
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, limits={"document_characters": 1000}) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser, house: House) -> AsyncIterator[Window]:
    async with open_window(browser, house) as found:
        yield found


async def looks_right(page: Page, name: str) -> None:
    """axe finds nothing, and nothing is wider than the window, in light and dark."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour is halfway
        results = await Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


async def test_a_pdf_is_picked_read_cut_and_sent(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await page.get_by_label("Your prompt").fill("Sum it up.")
    await page.get_by_label("Add files").set_input_files([REPORT, LONG])
    await page.locator("summary", has_text="report.pdf").click()
    await expect(page.get_by_role("region", name="What the models read of report.pdf")).to_have_text(
        "All is well.\nSo far.\n\nThe end", use_inner_text=True
    )
    await expect(page.locator(".attached")).to_contain_text("1,529 characters more than the 1,000")
    await looks_right(page, "over")
    window.foresees("status of 422")
    await page.get_by_role("button", name="Start the battle").click()
    await expect(page.locator(".problem")).to_contain_text("Nothing was sent: The documents have 1,529")
    await page.get_by_role("button", name="Use the first 971 characters").click()
    await expect(page.locator(".attached")).to_contain_text("long.txt (its first 971 characters)")
    await expect(page.locator(".attached")).not_to_contain_text("more than")
    await expect(page.locator("#status")).to_have_text("Now there is long.txt (its first 971 characters).")
    await expect(page.get_by_label("Your prompt")).to_have_value("Sum it up.")

    await page.get_by_role("button", name="Start the battle").click()
    await window.is_in("writing")
    cues = await window.cues()
    assert [cue.prompt.messages[0].content for cue in cues.values()] == [ASKED, ASKED]
    await finish(cues)
    await window.is_in("vote")
    await expect(page.locator(".prompt")).to_contain_text("2 pages, 29 characters")
    await page.locator(".prompt").get_by_text("report.pdf").click()
    await expect(page.locator(".prompt .words")).to_contain_text("So far.")
    await looks_right(page, "asked")


async def test_without_javascript_a_document_is_added_read_cut_and_sent(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        page = window.page
        window.foresees("status of 422")
        await page.goto("/")
        await page.get_by_label("Your prompt").fill("Sum it up.")
        await page.get_by_label("Add files").set_input_files([REPORT, LONG])
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.get_by_label("Your prompt")).to_have_value("Sum it up.")
        await page.locator("summary", has_text="report.pdf").click()
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="What the models read").first.click()
        shown = await opened.value
        await expect(shown.get_by_role("region")).to_contain_text("All is well.")
        await shown.close()
        await page.get_by_role("button", name="Start the battle").click()
        await expect(page.get_by_role("heading", name="Nothing was sent: The documents have")).to_be_visible()
        await page.get_by_role("button", name="Use the first 971 characters").click()
        await expect(page.get_by_label("Your prompt")).to_have_value("Sum it up.")
        await page.get_by_role("button", name="Start the battle").click()
        await page.wait_for_url("**/conversations/*")
        cues = await window.cues()
        assert [cue.prompt.messages[0].content for cue in cues.values()] == [ASKED, ASKED]
        await finish(cues)


async def test_a_file_that_cannot_be_read_says_why_beside_the_prompt(window: Window) -> None:
    page = window.page
    await page.goto("/")
    await page.get_by_label("Your prompt").fill("Sum it up.")
    scan: FilePayload = {"name": "scan.pdf", "mimeType": "application/pdf", "buffer": pdfs.scanned()}
    await page.get_by_label("Add files").set_input_files([scan, REPORT])
    await expect(page.locator(".attached .wrong")).to_contain_text("scan.pdf: There is no text in this PDF")
    await expect(page.locator(".attached li")).to_have_count(1)
    await page.get_by_role("button", name="Remove report.pdf").click()
    await expect(page.locator(".attached li")).to_have_count(0)


async def test_hostile_names_and_texts_run_nowhere_and_fit_on_a_phone(browser: Browser, house: House) -> None:
    async with open_window(browser, house, size=(320, PHONE[1])) as window:
        page = window.page
        await page.goto("/")
        await page.get_by_label("Your prompt").fill("Sum it up.")
        text = hostile.answer().replace("\0", "")[:900].encode(errors="ignore")
        names = [name for name in hostile.names() if name.strip()][::30]
        for name in names:
            file: FilePayload = {"name": name, "mimeType": "text/plain", "buffer": text}
            count = await page.locator(".attached li").count()
            await page.get_by_label("Add files").set_input_files([file])
            await expect(page.locator(".attached li")).to_have_count(count + 1)
        for summary in await page.locator(".attached summary").all():
            await summary.click()
        await expect(page.locator(".words")).to_have_count(len(names))
        await looks_right(page, "hostile")
        assert await page.evaluate("window.owned") is None
