"""The leaderboard and the operator's pages in a real browser: live, sorted, on a phone, in the dark, on paper."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, expect

from tests.browser import LAPTOP, Window, open_chromium, open_window
from tests.crowd import Crowd, names, vote
from tests.house import House, open_house
from tests.operator import TOKEN, VARIABLE, open_guarded

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

TWELVE = names(12)
PHONE = (390, 844)
VIEWS = ("", "?style=on&order=-votes", "?anytime=on&set_aside=with&still=on")
PAGES = (*VIEWS, "/pictures", "/history", "/fragile", "/method")
NEWCOMER = "Newcomer"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \" '' " + "x" * 400
Scheme = Literal["light", "dark"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """An arena of twelve models in which a crowd has voted."""
    monkeypatch.setenv(VARIABLE, TOKEN)
    models: list[dict[str, Any]] = [
        {
            "name": name,
            "backends": ["seeded"],
            "organisation": "Foundation of Works",
            "licence": "Community Licence 3",
            "price_in": 1.0,
            "price_out": 2.0 + number,
        }
        for number, name in enumerate(TWELVE)
    ]
    providers = [{"name": "seeded", "format": "script"}]
    quick = {"refresh_seconds": 0.2}
    async with open_guarded(tmp_path, models=models, providers=providers, leaderboard=quick) as found:
        await crowd(found, 600)
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser, house: House) -> AsyncIterator[Window]:
    async with open_window(browser, house) as found:
        yield found


async def crowd(house: House, votes: int, seed: int = 7) -> None:
    vote(house.config.path("arena.db"), Crowd(TWELVE, votes, leaks=0.02, seed=seed))


async def log_in(window: Window) -> None:
    await window.page.goto("/admin/login")
    await window.page.get_by_label("Admin token").fill(TOKEN)
    await window.page.keyboard.press("Enter")
    await window.page.wait_for_url("**/admin")


async def violations(window: Window) -> str:
    """What axe finds, in words; empty where it finds nothing."""
    found = await Axe().run(window.page)
    return str(found.generate_snapshot()) if found.violations_count else ""


async def width(window: Window) -> int:
    found: int = await window.page.evaluate("document.documentElement.scrollWidth")
    return found


async def test_an_open_board_refreshes_itself_and_keeps_focus_and_scroll(window: Window) -> None:
    page = window.page
    await page.goto("/leaderboard")
    link = page.get_by_role("link", name="Tokens/s")
    await link.focus()
    await page.evaluate("scrollTo(0, 180)")
    for seed in (8, 9):  # the page that was refreshed goes on
        before = await page.locator("#board strong").first.inner_text()
        await crowd(window.house, 20, seed)
        await expect(page.locator("#board strong").first).not_to_have_text(before)
        await expect(link).to_be_focused()
        assert await page.evaluate("scrollY") == 180
    assert page.url.endswith("/leaderboard")


async def test_a_button_stops_it_and_another_click_goes_on(window: Window) -> None:
    page = window.page
    await page.goto("/leaderboard")
    await page.get_by_role("link", name="Stop refreshing").click()
    await page.wait_for_url("**/leaderboard?still=on")
    await expect(page.get_by_role("link", name="Keep up to date")).to_be_visible()
    before = await page.locator("#board strong").first.inner_text()
    await crowd(window.house, 20, 8)
    await page.evaluate("fetch('/healthz')")
    await expect(page.locator("#board strong").first).to_have_text(before)
    await page.get_by_role("link", name="Keep up to date").click()
    await expect(page.locator("#board strong").first).not_to_have_text(before)


async def test_it_is_sorted_and_filtered_without_leaving_the_page(window: Window) -> None:
    page = window.page
    await page.goto("/leaderboard")
    await page.get_by_role("link", name="Votes", exact=True).click()
    await page.wait_for_url("**/leaderboard?order=votes")
    await expect(page.locator("th[aria-sort]")).to_have_text("Votes")
    await page.get_by_label("Category").select_option("code")
    await page.get_by_text("More ways to look at it").click()
    await page.get_by_label("Sure at every look").check()
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url("**/leaderboard?category=code&anytime=on&order=votes")
    await expect(page.get_by_label("Sure at every look")).to_be_checked()
    await expect(page.get_by_label("Category")).to_have_value("code")
    await page.go_back()
    await expect(page.get_by_label("Category")).to_have_value("all")


async def test_sorting_keeps_focus_and_scroll(window: Window) -> None:
    page = window.page
    await page.goto("/leaderboard")
    link = page.get_by_role("table", name="Standings").get_by_role("link", name="Win rate")
    await link.focus()
    await page.evaluate("scrollTo(0, 180)")
    for order in ("win_rate", "-win_rate"):
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/leaderboard?order={order}")
        await expect(page.get_by_label("Order")).to_have_value(order)
        await expect(link).to_be_focused()
        assert await page.evaluate("scrollY") == 180


async def test_a_laptop_shows_every_column_at_once(window: Window) -> None:
    await window.page.goto("/leaderboard")
    table = window.page.get_by_role("region", name="Standings")
    assert await table.evaluate("it => it.scrollWidth <= it.clientWidth")


async def test_neighbours_and_history_come_when_they_come_into_view(window: Window) -> None:
    page = window.page
    await page.goto("/leaderboard")
    await page.locator("#fragile").scroll_into_view_if_needed()
    await expect(page.get_by_role("table", name="How few votes hold neighbours apart")).to_be_visible()
    await page.get_by_role("link", name="Pictures").click()
    await page.locator("#history").scroll_into_view_if_needed()
    await expect(page.get_by_role("img", name="Ratings over time")).to_be_visible()
    assert page.url.endswith("/leaderboard/pictures")


async def test_a_file_is_downloaded(window: Window) -> None:
    await window.page.goto("/leaderboard")
    async with window.page.expect_download() as download:
        await window.page.get_by_role("link", name="CSV").click()
    assert (await download.value).suggested_filename.endswith(".csv")


async def test_all_of_it_works_without_javascript(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        page = window.page
        await page.goto("/leaderboard")
        await expect(page.get_by_role("link", name="Load it again")).to_be_visible()
        await page.get_by_role("link", name="Rating", exact=True).click()
        await page.get_by_label("Category").select_option("code")
        await page.get_by_role("button", name="Show").click()
        assert page.url.endswith("/leaderboard?category=code&order=rating")
        await page.get_by_role("link", name="How few votes hold neighbours apart").click()
        await expect(page.get_by_role("table", name="How few votes hold neighbours apart")).to_be_visible()
        await page.goto("/leaderboard/pictures")
        await page.get_by_text("The same as a table").first.click()
        await expect(page.get_by_role("table", name="Ratings and their 95 % intervals")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE])
async def test_axe_finds_nothing_and_no_page_is_wider_than_its_window(
    browser: Browser, house: House, scheme: Scheme, size: tuple[int, int]
) -> None:
    async with open_window(browser, house, color_scheme=scheme, size=size, reduced_motion="reduce") as window:
        vote(house.config.path("arena.db"), Crowd((NEWCOMER, TWELVE[0]), 3, days=1))
        for path in PAGES:
            await window.page.goto(f"/leaderboard{path}")
            assert await violations(window) == "", path
            assert await width(window) <= size[0], path
        await log_in(window)
        for path in ("", "/battles", "/voters"):
            await window.page.goto(f"/admin{path}")
            assert await violations(window) == "", path
            assert await width(window) <= size[0], path
        await window.page.goto("/admin/battles")
        await window.page.locator(".prompt-line a").first.click()
        await window.page.wait_for_url("**/battles/*")
        assert await violations(window) == ""
        assert await width(window) <= size[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_an_empty_board(browser: Browser, tmp_path: Path, scheme: Scheme) -> None:
    async with open_house(tmp_path) as house, open_window(browser, house, color_scheme=scheme) as window:
        for path in PAGES:
            await window.page.goto(f"/leaderboard{path}")
            assert await violations(window) == "", path


async def test_what_people_and_models_wrote_is_shown_and_does_nothing(browser: Browser, house: House) -> None:
    quoted = HOSTILE.replace("'", "''")
    await house.sql(f"UPDATE turns SET prompt = '{quoted}'")
    await house.sql(f"UPDATE answers SET text = '{quoted}', reasoning = '{quoted}'")
    await house.sql(f"UPDATE voters SET set_aside_at = created_at, set_aside_because = '{quoted}'")
    async with open_window(browser, house, size=PHONE) as window:
        await log_in(window)
        for path in ("/admin/battles", f"/admin/battles?{urlencode({'q': HOSTILE[:60], 'voter': 'voter-004'})}"):
            await window.page.goto(path)
            await expect(window.page.locator(".prompt-line").first).to_contain_text("<script>alert(1)</script>")
            assert await width(window) <= PHONE[0]
        await window.page.locator(".prompt-line a").first.click()
        await expect(window.page.locator(".answer .text").first).to_contain_text("<script>alert(1)</script>")
        assert await width(window) <= PHONE[0]
        await window.page.goto("/admin/voters")
        away = window.page.get_by_role("table", name="Set aside")
        await expect(away).to_contain_text("<script>alert(1)</script>")
        assert await width(window) <= PHONE[0]
        assert await violations(window) == ""


async def test_on_paper_there_is_the_board_and_nothing_to_click(window: Window) -> None:
    await window.page.emulate_media(media="print")
    await window.page.goto("/leaderboard")
    await expect(window.page.get_by_role("table", name="Standings")).to_be_visible()
    for gone in (".top", ".looks", "#toggle"):
        await expect(window.page.locator(gone)).to_be_hidden()


async def test_the_operator_sets_a_voter_aside_and_restores_them(window: Window) -> None:
    page = window.page
    await log_in(window)
    await page.get_by_role("link", name="voters").first.click()
    row = page.get_by_role("table", name="All voters").get_by_role("row").filter(has_text="voter-004")
    await row.get_by_text("set aside…").click()
    await row.get_by_label("Because").fill("tosses a coin")
    await row.get_by_role("button", name="Set voter-004 aside").click()
    away = page.get_by_role("table", name="Set aside")
    await expect(away).to_contain_text("tosses a coin")
    await away.get_by_role("button", name="Restore voter-004").click()
    await expect(away).to_have_count(0)
    await expect(row.get_by_text("set aside…")).to_be_visible()


async def test_the_operator_searches_reads_and_exports(window: Window) -> None:
    page = window.page
    await log_in(window)
    await page.get_by_role("navigation", name="Operator").get_by_role("link", name="Battles").click()
    await page.get_by_role("searchbox").fill("palindromes")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_role("link", name="What about palindromes?").first.click()
    await expect(page.get_by_text("It depends on palindromes").first).to_be_visible()
    await page.get_by_role("link", name="Overview").click()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="jsonl").click()
    assert (await download.value).suggested_filename.startswith("arena-votes-")
