"""What a visitor sees and does in a real browser. Nothing sleeps: answers come by cues, pages are waited for."""

from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from arena.backend import READY, Status
from arena.conversation import SIDES, Side
from arena.errors import BackendTimeout
from arena.providers.script import Cue
from tests.browser import PHONE, PROMPTS, RICH, Window, finish, open_chromium, open_line, open_window
from tests.house import MODELS, House, open_house

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

LINES = "\n\n".join(f"Line {number} of an answer that is longer than a window." for number in range(60))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium; every test has a profile of its own in it."""
    async with open_chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, prompts=PROMPTS) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser, house: House) -> AsyncIterator[Window]:
    async with open_window(browser, house) as found:
        yield found


# The prompt


async def test_enter_sends_and_shift_enter_breaks_the_line(window: Window) -> None:
    await window.page.goto("/")
    await expect(window.page.get_by_label("Your prompt")).to_be_focused()
    await window.page.keyboard.type("One")
    await window.page.keyboard.press("Shift+Enter")
    await window.page.keyboard.type("two")
    await window.page.keyboard.press("Enter")
    await window.is_in("writing")
    await expect(window.page.locator(".prompt p")).to_have_text("One\ntwo", use_inner_text=True)


async def test_enter_on_an_empty_prompt_sends_nothing(window: Window) -> None:
    await window.page.goto("/")
    await window.page.keyboard.press("Enter")
    await expect(window.page.get_by_label("Your prompt")).to_be_focused()
    assert await window.page.locator("#bar").count() == 0
    assert not any(backend.prompts for backend in window.house.backends.values())


async def test_a_double_click_on_start_creates_one_battle(window: Window) -> None:
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill("Why?")
    async with window.page.expect_event("request", lambda request: request.method == "POST"):
        await window.page.get_by_role("button", name="Start the battle").dblclick()
    cues = await _after(window, "writing")
    await finish(cues)
    await window.is_in("vote")
    assert sum(len(backend.prompts) for backend in window.house.backends.values()) == 2


async def test_a_prompt_that_is_too_long_shows_the_count_and_keeps_the_text(window: Window) -> None:
    window.foresees("status of 422")
    text = "word " * 2500
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill(text)
    await expect(window.page.locator("[data-count]")).to_have_text("12,500 of 12,000 characters")
    await window.page.keyboard.press("Enter")
    await expect(window.page.locator(".problem")).to_contain_text("The prompt has 12,500 characters")
    await expect(window.page.locator(".problem")).to_be_in_viewport()
    await expect(window.page.get_by_label("Your prompt")).to_have_value(text)
    await expect(window.page.get_by_label("Your prompt")).to_be_focused()
    await expect(window.page.get_by_role("heading", name="How it works")).to_be_visible()

    await window.page.get_by_label("Your prompt").fill("Shorter.")
    await window.page.keyboard.press("Enter")
    await window.is_in("writing")


async def test_a_long_prompt_scrolls_in_itself(window: Window) -> None:
    await window.starts("A line.\n" * 100)
    box = await window.page.locator(".prompt").bounding_box()
    assert box is not None
    assert box["height"] < 300


# Answers as they come


async def test_both_answers_stream_at_the_same_time(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("Light ")
    cues["b"].say("Dust ")
    await window.reads("a", "Light")
    await window.reads("b", "Dust")
    cues["a"].say("scatters.")
    await window.reads("a", "Light scatters.")
    await window.is_in("writing")


async def test_a_block_that_is_shown_is_not_touched_again(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("First.\n\nSecond.\n\nThird")
    await window.page.get_by_text("Third").wait_for()
    await window.page.get_by_text("First.").evaluate("block => { block.isOurs = true; window.ours = block; }")
    cues["a"].say(" goes on.\n\nFourth.")
    cues["a"].end()
    cues["b"].say("B.")
    cues["b"].end()
    await window.is_in("vote")
    await window.reads("a", "First.\n\nSecond.\n\nThird goes on.\n\nFourth.")
    assert await window.page.evaluate("ours.isConnected && ours.isOurs")


async def test_selection_and_scroll_position_stay_while_an_answer_grows(window: Window) -> None:
    page = window.page
    cues = await window.starts()
    cues["a"].say(f"{LINES}\n\nand")
    await page.get_by_text("Line 59").wait_for()
    await page.get_by_text("Line 12 ").scroll_into_view_if_needed()
    await page.get_by_text("Line 12 ").select_text()
    position = await page.evaluate("scrollY")
    cues["a"].say(f" on\n\n{LINES}")
    cues["b"].say(LINES)
    await page.locator("#t1b-text").get_by_text("Line 59").wait_for()
    assert "Line 12 of" in await page.evaluate("getSelection().toString()")
    assert await page.evaluate("scrollY") == position > 0


async def test_a_reload_in_the_middle_loses_and_repeats_nothing(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("One.\n\nTwo ")
    await window.reads("a", "One.\n\nTwo")
    await window.page.reload()
    await window.reads("a", "One.\n\nTwo")
    cues["a"].say("and a half.\n\nThree.")
    await window.reads("a", "One.\n\nTwo and a half.\n\nThree.")


async def test_a_second_tab_sees_the_same(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("One.\n\nTwo ")
    await window.reads("a", "One.\n\nTwo")
    second = await _open_tab(window)
    await second.reads("a", "One.\n\nTwo")
    cues["a"].say("too.")
    for tab in (window, second):
        await tab.reads("a", "One.\n\nTwo too.")
    await finish(cues, "", "B.")
    for tab in (window, second):
        await tab.is_in("vote")


async def test_a_connection_cut_in_the_middle_is_taken_up_where_it_broke(browser: Browser, house: House) -> None:
    async with open_line(house.url) as (line, url), open_window(browser, house, base_url=url) as window:
        window.foresees("net::ERR_")
        window.foresees("Failed to fetch")
        window.foresees("network error")
        cues = await window.starts()
        cues["a"].say("One.\n\nTwo ")
        await window.reads("a", "One.\n\nTwo")
        line.is_down = True
        line.cut()
        await expect(window.page.get_by_role("alert")).to_have_text(
            "The connection is lost. It comes back by itself."
        )
        cues["a"].say("came while nobody heard.\n\nThree")
        line.is_down = False
        await window.reads("a", "One.\n\nTwo came while nobody heard.\n\nThree")
        await expect(window.page.get_by_role("alert")).to_have_text("")
        await finish(cues, ".", "B.")
        await window.is_in("vote")
        await window.reads("a", "One.\n\nTwo came while nobody heard.\n\nThree.")


async def test_a_stream_that_could_not_begin_is_tried_again(window: Window) -> None:
    window.foresees("net::ERR_")
    window.foresees("Failed to fetch")
    await window.page.route("**/events?*", lambda route: route.abort(), times=1)
    cues = await window.starts()
    await expect(window.page.get_by_role("alert")).to_have_text("The connection is lost. It comes back by itself.")
    await finish(cues)
    await window.is_in("vote")
    await window.reads("a", "Because A.")


async def test_a_hidden_tab_goes_on_reading(window: Window) -> None:
    """It must: an answer that nobody watches is stopped after a while."""
    cues = await window.starts()
    cues["a"].say("One.\n\nTwo ")
    await window.reads("a", "One.\n\nTwo")
    await _hide(window.page, True)
    cues["a"].say("in the background.")
    await window.reads("a", "One.\n\nTwo in the background.")
    turn = window.house.context.live.turn(window.key)
    assert turn is not None
    assert turn.unwatched_seconds(monotonic()) == 0
    await finish(cues, "", "B.")
    await window.is_in("vote")


async def test_while_models_load_the_pages_show_it_and_go_on_by_themselves(window: Window) -> None:
    first, second = window.house.backends.values()
    for backend in (first, second):
        backend.become(Status("loading", "loading the weights", 0.25))
    await window.page.goto("/")
    bar = window.page.get_by_role("progressbar", name=MODELS[0])
    await expect(bar).to_have_js_property("value", 0.25)
    await window.page.get_by_label("Your prompt").fill("Already typed")
    first.become(Status("loading", "warming up", 0.75))
    await expect(bar).to_have_js_property("value", 0.75)
    await expect(window.page.get_by_label("Your prompt")).to_have_value("Already typed")

    await window.page.keyboard.press("Enter")
    await window.is_in("drawing")
    await expect(window.page.locator("#loading")).to_have_text("0 of 2 models are up, 2 on their way.")
    for backend in (first, second):
        backend.become(READY)
    cues = await _after(window, "writing")
    await finish(cues)
    await window.is_in("vote")


async def test_the_start_page_stops_asking_once_all_models_are_up(window: Window) -> None:
    first, _ = window.house.backends.values()
    first.become(Status("loading", "", 0.5))
    await window.page.goto("/")
    await window.page.get_by_role("progressbar").wait_for()
    first.become(READY)
    await expect(window.page.locator("#models")).to_contain_text("2 models are in the draw.")
    assert await window.page.locator("#models[hx-get]").count() == 0


# Going on


async def test_a_follow_up_empties_the_box_keeps_the_earlier_turn_and_comes_into_view(window: Window) -> None:
    await window.plays(a=LINES)
    await finish(await window.asks_on("And at night?"), "Black.", "Dark.")
    await window.is_in("vote")
    await window.reads("b", "Because B.")
    await window.reads("a", "Black.", turn=2)
    await expect(window.page.locator(".prompt p").last).to_be_in_viewport()
    await expect(window.page.get_by_role("form", name="Vote", exact=True)).to_be_focused()
    await expect(window.page.get_by_label("Or keep asking")).to_have_value("")


async def test_stop_keeps_the_text_and_opens_the_vote(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("Half an ")
    cues["b"].say("Also half")
    await window.reads("a", "Half an")
    await window.reads("b", "Also half")
    await window.page.get_by_role("button", name="Stop both").press("Enter")
    await window.is_in("vote")
    await expect(window.page.get_by_role("form", name="Vote", exact=True)).to_be_focused()
    await window.reads("a", "Half an")
    await expect(window.page.locator("#t1a")).to_contain_text("You stopped this answer.")
    await cues["a"].cancelled.wait()


async def test_one_side_is_regenerated_by_itself(window: Window) -> None:
    await window.plays()
    await window.page.get_by_role("button", name="Regenerate A").click()
    await window.is_in("writing")
    cue = await window.backend("a").asked()
    await window.reads("b", "Because B.")
    cue.say("On second thoughts.")
    cue.end()
    await window.is_in("vote")
    await window.reads("a", "On second thoughts.")
    await window.reads("b", "Because B.")


async def test_the_last_prompt_is_edited_and_asked_again(window: Window) -> None:
    await window.plays()
    await window.page.get_by_text("Edit the prompt").click()
    box = window.page.get_by_label("Your prompt, in other words")
    await expect(box).to_have_value("Why is the sky blue?")
    await box.fill("Why is it red?")
    await window.page.keyboard.press("Enter")
    await window.is_in("writing")
    await expect(window.page.locator(".prompt p")).to_have_text("Why is it red?")
    for side in SIDES:
        cue = await window.backend(side).asked()
        cue.say("Because.")
        cue.end()
    await window.is_in("vote")
    await window.page.get_by_role("link", name="Version 1").first.click()
    await expect(window.page.locator("#t1a .asked")).to_contain_text("Why is the sky blue?")


async def test_one_side_is_stopped_by_itself(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("All of A")
    cues["b"].say("Half of B")
    await window.reads("a", "All of A")
    await window.reads("b", "Half of B")
    await window.page.get_by_role("button", name="Stop B", exact=True).click()
    await expect(window.page.locator("#t1b")).to_contain_text("You stopped this answer.")
    cues["a"].end()
    await window.is_in("vote")


async def test_earlier_versions_are_read_in_their_place(window: Window) -> None:
    await window.plays(a="The first.")
    await window.page.get_by_role("button", name="Regenerate A").click()
    await window.is_in("writing")
    cue = await window.backend("a").asked()
    cue.say("The second.")
    cue.end()
    await window.is_in("vote")
    address = window.page.url
    await window.page.get_by_role("link", name="Version 1").click()
    await window.reads("a", "The first.")
    await window.reads("b", "Because B.")
    await expect(window.page.locator("#t1a")).to_contain_text("1 of 2")
    await window.page.get_by_role("link", name="Version 2").click()
    await window.reads("a", "The second.")
    assert window.page.url == address
    await window.votes()


async def test_a_side_that_fails_is_tried_again_and_then_voted_on(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("A stands.")
    cues["a"].end()
    cues["b"].say("B broke")
    cues["b"].fail(BackendTimeout("too slow"))
    await window.is_in("broken")
    await expect(window.page.locator("#t1b")).to_contain_text("This side took too long to answer.")
    await window.reads("a", "A stands.")
    assert await window.page.get_by_role("button", name="A is better").count() == 0

    await window.page.get_by_role("button", name="Try side B again").click()
    await window.is_in("writing")
    cue = await window.backend("b").asked()
    cue.say("B mended.")
    cue.end()
    await window.is_in("vote")
    await window.reads("b", "B mended.")
    await window.votes()


async def test_copy_takes_the_text_of_the_answer(window: Window) -> None:
    await window.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await window.plays(a="A **bold** claim.\n\n- one\n- two")
    await window.page.locator("#t1a").get_by_role("button", name="Copy").click()
    await expect(window.page.get_by_role("status")).to_have_text("Copied")
    copied = await window.page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == ["A", "bold", "claim.", "one", "two"]


# The vote


@pytest.mark.parametrize(
    ("words", "choice"), [("A is better", "a"), ("B is better", "b"), ("Tie", "tie"), ("Both are bad", "both_bad")]
)
async def test_a_vote_by_click_is_kept(window: Window, words: str, choice: str) -> None:
    await window.plays()
    await window.votes(words)
    await expect(window.page.get_by_role("heading", name=f"You voted: {words}")).to_be_focused()
    assert await _kept_choice(window) == choice


@pytest.mark.parametrize(("key", "choice"), [("a", "a"), ("B", "b"), ("t", "tie"), ("n", "both_bad")])
async def test_a_vote_by_key_is_kept(window: Window, key: str, choice: str) -> None:
    await window.plays()
    await window.page.keyboard.press(key)
    await window.is_in("revealed")
    assert await _kept_choice(window) == choice


async def test_keys_do_nothing_before_both_answers_are_complete(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("A.")
    cues["a"].end()
    await window.page.locator('#t1a-foot[data-ended="a"]').wait_for(state="attached")
    await window.page.keyboard.press("a")
    cues["b"].say("B.")
    cues["b"].end()
    await window.is_in("vote")
    assert await _kept_choice(window) is None


async def test_keys_do_nothing_while_somebody_types(window: Window) -> None:
    await window.plays()
    await window.page.get_by_label("Or keep asking").press_sequentially("batn")
    await expect(window.page.get_by_label("Or keep asking")).to_have_value("batn")
    await window.is_in("vote")
    assert await _kept_choice(window) is None


async def test_keys_do_nothing_together_with_control(window: Window) -> None:
    await window.plays()
    for key in ("Control+b", "Alt+b", "Meta+b"):
        await window.page.keyboard.press(key)
    await window.is_in("vote")
    assert await _kept_choice(window) is None


async def test_keys_and_their_hints_can_be_switched_off_for_good(window: Window) -> None:
    await window.plays()
    hints = window.page.locator(".choices kbd")
    assert [await hint.inner_text() for hint in await hints.all()] == ["A", "B", "T", "N"]
    await expect(hints.first).to_be_visible()
    await window.page.get_by_label("Vote by key").uncheck()
    await expect(hints.first).to_be_hidden()
    await window.page.reload()
    await expect(window.page.get_by_label("Vote by key")).not_to_be_checked()
    await expect(hints.first).to_be_hidden()
    await window.page.keyboard.press("a")
    await window.page.get_by_label("Vote by key").check()
    await expect(hints.first).to_be_visible()
    assert await _kept_choice(window) is None
    await window.page.keyboard.press("a")
    await window.is_in("revealed")


async def test_names_appear_with_organisation_and_description_and_nothing_of_them_before(window: Window) -> None:
    await window.plays(a=LINES, b=LINES)
    before = await window.page.content()
    assert not any(name in before for name in MODELS)
    await window.votes()
    for name in MODELS:
        face = window.page.locator(".face", has_text=name)
        await expect(face).to_contain_text(f"{name.split()[0]} Works")
        await expect(face).to_contain_text(f"The {name.split()[1]} of its kind.")
    await expect(window.page.get_by_role("heading", name="You voted: A is better")).to_be_in_viewport()


async def test_new_battle_is_the_main_button_after_a_vote(window: Window) -> None:
    await window.plays()
    await window.votes()
    button = window.page.locator("#bar a.main")
    await expect(button).to_have_text("New battle")
    await button.click()
    await expect(window.page.get_by_label("Your prompt")).to_be_focused()
    await finish(await window.starts("Something else"))
    await window.is_in("vote")


async def test_a_different_vote_in_another_tab_is_refused_with_a_way_back(window: Window) -> None:
    window.foresees("status of 409")
    await window.plays()
    second = await _open_tab(window)
    await second.is_in("vote")
    await window.votes("A is better")
    await second.page.get_by_role("button", name="B is better").click()
    await expect(second.page.locator("#bar .problem")).to_contain_text("already")
    await expect(second.page.get_by_role("button", name="B is better")).to_be_focused()
    await second.reads("a", "Because A.")
    assert second.key == window.key
    await second.page.get_by_role("link", name="Show how it stands now").click()
    await second.is_in("revealed")
    assert await _kept_choice(window) == "a"


# Getting about


async def test_back_and_forward_show_what_is_true_now(window: Window) -> None:
    page = window.page
    cues = await window.starts()
    battle = page.url
    await page.go_back()
    await expect(page.get_by_role("button", name="Start the battle")).to_be_visible()
    await finish(cues)
    await page.go_forward()
    await window.is_in("vote")
    assert page.url == battle
    await window.reads("a", "Because A.")
    await window.votes()
    await page.go_back()
    await expect(page.get_by_role("button", name="Start the battle")).to_be_visible()
    await page.go_forward()
    await window.is_in("revealed")


async def test_a_battle_is_one_step_back_whatever_was_done_in_it(window: Window) -> None:
    await window.plays()
    await finish(await window.asks_on())
    await window.is_in("vote")
    await window.votes()
    await window.page.go_back()
    await expect(window.page.get_by_role("button", name="Start the battle")).to_be_visible()


async def test_coming_back_from_another_page_shows_what_is_true_now(window: Window) -> None:
    cues = await window.starts()
    window.foresees("status of 404")  # a picture has no icon
    await window.page.goto("/static/icon.svg")
    await finish(cues)
    await window.page.go_back()
    await window.is_in("vote")
    await window.reads("b", "Because B.")
    await window.votes()


async def test_a_page_that_the_browser_had_kept_is_asked_for_again(window: Window) -> None:
    await window.plays()
    second = await _open_tab(window)
    await second.votes()
    kept = (
        'dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))'  # what no headless browser does
    )
    await window.page.evaluate(kept)
    await window.is_in("revealed")


async def test_an_error_inside_a_request_leaves_a_way_back_and_a_usable_address(window: Window) -> None:
    window.foresees("status of 409")
    await window.plays()
    second = await _open_tab(window)
    await second.is_in("vote")
    await window.page.get_by_role("button", name="Regenerate both").click()
    await window.is_in("writing")
    await second.page.get_by_label("Or keep asking").fill("Too early")
    await second.page.keyboard.press("Enter")
    await expect(second.page.locator("#bar .problem")).to_be_in_viewport()
    await expect(second.page.get_by_label("Or keep asking")).to_have_value("Too early")
    await second.reads("a", "Because A.")
    await second.page.reload()
    await second.is_in("writing")


async def test_a_server_out_of_reach_is_said_and_the_text_stays(browser: Browser, house: House) -> None:
    async with open_line(house.url) as (line, url), open_window(browser, house, base_url=url) as window:
        window.foresees("net::ERR_")
        window.foresees("Failed to fetch")
        await window.page.goto("/")
        await window.page.get_by_label("Your prompt").fill("Kept")
        line.is_down = True
        line.cut()
        await window.page.keyboard.press("Enter")
        await expect(window.page.get_by_role("alert")).to_contain_text("The arena could not be reached.")
        await expect(window.page.get_by_label("Your prompt")).to_have_value("Kept")
        line.is_down = False
        await window.page.keyboard.press("Enter")
        await window.is_in("writing")
        await expect(window.page.get_by_role("alert")).to_have_text("")


async def test_a_broken_gateway_in_between_takes_no_page_away(window: Window) -> None:
    window.foresees("status of 502")
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill("Kept")
    await window.page.route(
        "**/conversations", lambda route: route.fulfill(status=502, body="Bad gateway"), times=1
    )
    await window.page.keyboard.press("Enter")
    await expect(window.page.get_by_role("alert")).to_contain_text("The arena could not be reached.")
    await expect(window.page.get_by_label("Your prompt")).to_have_value("Kept")


# Look


@pytest.mark.parametrize("width", [320, 1200])
async def test_a_page_never_scrolls_sideways_and_code_scrolls_in_itself(
    browser: Browser, house: House, width: int
) -> None:
    async with open_window(browser, house, size=(width, 700)) as window:
        await window.page.goto("/")
        assert await _is_too_wide(window.page) is False
        table = f"|{'a column |' * 30}\n|{'-|' * 30}\n"
        code = f"```python\n{'wide ' * 100}\n```\n\n{'unbreakable' * 40}\n\n"
        await window.plays(a=code + table, b=f"`{'y' * 400}`\n\n$${'x+' * 200}x$$")
        assert await _is_too_wide(window.page) is False
        block = window.page.locator("#t1a pre")
        assert await block.evaluate("block => block.scrollWidth > block.clientWidth")
        await window.votes()
        assert await _is_too_wide(window.page) is False


async def test_on_a_phone_the_links_lead_from_side_to_side(browser: Browser, house: House) -> None:
    async with open_window(browser, house, size=PHONE, has_touch=True) as window:
        await window.plays()
        links = window.page.get_by_role("navigation", name="Answers of turn 1").get_by_role("link")
        await expect(links.first).to_have_attribute("aria-current", "true")
        await links.last.click()
        await expect(links.last).to_have_attribute("aria-current", "true")
        await expect(window.page.get_by_text("Because B.")).to_be_in_viewport(ratio=1)
        await links.first.click()
        await expect(links.first).to_have_attribute("aria-current", "true")
        assert "#" not in window.page.url


async def test_the_vote_is_in_view_while_a_long_answer_is_read(window: Window) -> None:
    await window.plays(a=LINES)
    await window.page.evaluate("scrollTo(0, 0)")
    await expect(window.page.get_by_role("button", name="A is better")).to_be_in_viewport(ratio=1)


async def test_dark_mode_is_dark(browser: Browser, house: House) -> None:
    async with open_window(browser, house, color_scheme="dark") as window:
        await window.page.goto("/")
        assert await _style(window.page.locator("body"), "backgroundColor") == "rgb(20, 23, 28)"


@pytest.mark.parametrize(("wish", "animation"), [("reduce", "none"), ("no-preference", "pulse")])
async def test_nothing_moves_for_who_wants_no_motion(
    browser: Browser, house: House, wish: Literal["reduce", "no-preference"], animation: str
) -> None:
    async with open_window(browser, house, reduced_motion=wish) as window:
        await window.starts()
        assert await _style(window.page.locator("#t1a .thinking span"), "animationName") == animation


# For everybody


async def test_the_whole_loop_works_without_javascript(browser: Browser, house: House) -> None:
    async with open_window(browser, house, java_script_enabled=False) as window:
        cues = await window.starts()
        cues["a"].say("A, in the ")
        await window.page.get_by_text("A, in the").wait_for()  # the page asks again by itself
        await finish(cues, "end.", "B.")
        await window.is_in("vote")
        await window.reads("a", "A, in the end.")

        await window.page.get_by_label("Or keep asking").fill("Go on")
        await window.page.get_by_role("button", name="Send").click()
        await expect(window.page.locator(".turn")).to_have_count(2)
        cues = await window.cues()
        for cue in cues.values():
            cue.say("Half")
            await cue.heard()
        await window.page.get_by_role("button", name="Stop both").click()
        await window.is_in("vote")
        await window.reads("b", "Half", turn=2)
        await window.votes("Tie")
        await expect(window.page.locator("#bar")).to_contain_text(MODELS[0])
        await window.page.locator("#bar").get_by_role("link", name="New battle").click()
        await expect(window.page.get_by_role("button", name="Start the battle")).to_be_visible()


async def test_every_control_is_reached_by_tab_with_a_visible_focus(window: Window) -> None:
    await window.page.goto("/")
    await _tabs_through(window.page)
    await finish(await window.starts(), RICH, "B.")
    await window.is_in("vote")
    await _tabs_through(window.page)
    await window.page.keyboard.press("n")
    await window.is_in("revealed")
    await _tabs_through(window.page)


async def test_a_battle_is_played_by_keyboard_alone(window: Window) -> None:
    keyboard = window.page.keyboard
    await window.page.goto("/")
    await keyboard.type("Why?")
    await keyboard.press("Enter")
    await finish(await _after(window, "writing"))
    await window.is_in("vote")
    await keyboard.press("t")
    await window.is_in("revealed")
    while await window.page.evaluate("document.activeElement.textContent") != "New battle":
        await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(window.page.get_by_label("Your prompt")).to_be_focused()


async def test_milestones_are_announced_and_tokens_are_not(window: Window) -> None:
    status = window.page.get_by_role("status")
    cues = await window.starts()
    cues["a"].say("Words, ")
    await window.reads("a", "Words,")
    await expect(status).to_have_text("")
    cues["a"].say("words.")
    cues["a"].end()
    await expect(status).to_have_text("Answer A is complete.")
    await finish(cues, "", "B.")
    await expect(status).to_have_text("Both answers are complete. You can vote now.")
    assert await window.page.locator("[aria-live]:has(.text), [role=log]").count() == 0


HOSTILE = """<script>window.evil = 1</script>

<img src=x onerror="window.evil = 2"> <svg onload="window.evil = 3"></svg>

[a link](javascript:window.evil=4) <a href="javascript:window.evil=5" onclick="window.evil=6">another</a>

![seen](https://tracker.example/pixel.png) [quote](https://example.org/<hx-partial)

</p></div></div></article></main></body></html>

<hx-partial hx-target="#bar" hx-swap="outerHTML"><p>replaced</p></hx-partial>

<template hx type="partial" hx-target="#bar"><p>replaced</p></template>

<div hx-get="/healthz" hx-trigger="load" hx-target="body">hx</div> <p hx-swap-oob="true" id="bar">oob</p>

<form action="/conversations" method="post"><button>press</button></form>

`<hx-partial hx-target="#bar">code</hx-partial>`

```html
</code></pre><script>window.evil = 7</script><hx-partial hx-target="#bar">fence</hx-partial>
```

<style>body { display: none }</style><meta http-equiv="refresh" content="0;url=https://tracker.example/">

event: done
data: x

id: 99

The end of it."""


async def test_a_hostile_answer_runs_nothing_and_breaks_nothing(window: Window) -> None:
    cues = await window.starts(f"{HOSTILE[:400]}</p></textarea>")
    for start in range(0, len(HOSTILE), 7):
        cues["a"].say(HOSTILE[start : start + 7])
        await cues["a"].heard()
    await window.page.locator("#t1a-text").get_by_text("The end of it.").wait_for()
    await window.is_in("writing")
    await finish(cues, "", HOSTILE)
    await window.is_in("vote")
    for _ in ("streamed", "reloaded"):
        for side in ("a", "b"):
            text = window.page.locator(f"#t1{side}-text")
            await expect(text).to_contain_text("The end of it.")
            await expect(text).to_contain_text("event: done")
            strange = "script, img, svg, style, meta, form, template, [onclick], [onerror], [onload]"
            assert await text.locator(strange).count() == 0
            assert await text.locator("[hx-get], [hx-target], [hx-swap-oob], a[href^=javascript]").count() == 0
        assert await window.page.evaluate("window.evil") is None
        await expect(window.page.get_by_role("heading", name="Which answer is better?")).to_be_visible()
        await window.page.reload()
    await window.votes()


# What the tests ask and do


async def _after(window: Window, phase: str) -> dict[Side, Cue]:
    """The cues of the turn that this phase of the battle on the page belongs to."""
    await window.is_in(phase)
    return await window.cues()


async def _open_tab(window: Window) -> Window:
    """The battle of this window in a second tab of the same visitor."""
    page = await window.page.context.new_page()
    await page.goto(window.page.url)
    return Window(window.house, page, window.complaints)


async def _hide(page: Page, is_hidden: bool) -> None:
    """Tell the page that its tab is behind another one, or in front again: no headless tab ever is."""
    await page.evaluate(
        """isHidden => {
            Object.defineProperty(document, "hidden", { get: () => isHidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


async def _kept_choice(window: Window) -> str | None:
    """The vote on the page's battle, as it lies in the store."""
    context = window.house.context
    (cookie,) = await window.page.context.cookies()
    voter = cookie.get("value", "").rsplit(".", 1)[0]
    vote = (await context.store.conversation(window.key, voter)).vote
    return vote.choice if vote else None


async def _is_too_wide(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


async def _style(place: Locator, name: str) -> str:
    return str(await place.evaluate("(element, name) => getComputedStyle(element)[name]", name))


async def _tabs_through(page: Page) -> None:
    """Every control comes up exactly once, with something drawn around it."""
    controls = "a[href], button, textarea, input:not([type=hidden]), [tabindex='0']"
    await page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    expected = await page.locator(controls).filter(visible=True).count()
    await page.locator("body").evaluate(
        "body => { body.tabIndex = -1; body.focus(); body.removeAttribute('tabindex'); }"
    )
    seen = []
    for _ in range(expected):
        await page.keyboard.press("Tab")
        focus = page.locator(":focus")
        assert await _style(focus, "outlineStyle") == "solid", await focus.evaluate("element => element.outerHTML")
        await expect(focus).to_be_in_viewport()
        seen.append(await focus.evaluate("element => [...document.querySelectorAll('*')].indexOf(element)"))
    assert len(set(seen)) == expected
