"""Every page in every state, and how a visitor comes to see it: what is tested for everybody, and looked at.

A page that comes new gets a line in `SIGHTS`.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from playwright.async_api import Browser, FilePayload, Page

from arena.backend import Status
from arena.errors import BackendBusy, BackendTimeout, ContentFiltered
from arena.providers.script import Cue
from tests import pdfs
from tests.browser import HALF, PLAIN, PROMPTS, RICH, Window, finish, open_window
from tests.crowd import Crowd, names, vote
from tests.house import MODELS, open_house, tables
from tests.operator import GUARDED, TOKEN, VARIABLE
from tests.photos import photo
from tests.test_mishaps import BrokenBackend

Lead = Callable[[Window], Awaitable[None]]

AURORA, BOREALIS = MODELS
TWELVE = names(12)
PAIR, CHAT = f"/side-by-side?a={AURORA}&b={BOREALIS}", f"/chat?model={AURORA}"
DOWN = Status("failed", "its engine did not start; the log says why")
LONG = f"{RICH}\n\n" + "\n\n".join(f"Paragraph {number}." for number in range(40))
ARABIC = """## لماذا السماء زرقاء؟

يشتت الهواء **الضوء الأزرق** أكثر من الضوء الأحمر:

1. الضوء الأزرق يأتي من كل مكان.
2. الضوء الأحمر يسير في خط مستقيم، كما يقول `scattering(450)`.

> هذا هو تشتت رايلي.
"""
HEBREW = "האוויר מפזר אור כחול יותר מאור אדום.\n\n- כחול: 450 nm\n- אדום: 700 nm"

CAT: FilePayload = {"name": "cat.png", "mimeType": "image/png", "buffer": photo(400, 300, "PNG")}
DOG: FilePayload = {"name": "dog.jpg", "mimeType": "image/jpeg", "buffer": photo(300, 500)}
REPORT: FilePayload = {
    "name": "report.pdf",
    "mimeType": "application/pdf",
    "buffer": pdfs.written("All is well.\nSo far.", "The end"),
}
NOTES: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"word " * 500}
BROKEN: FilePayload = {"name": "broken.png", "mimeType": "image/png", "buffer": photo(40, 30, "PNG")[:50]}


@dataclass(frozen=True)
class Sight:
    """How to come there, in an arena with these changes, as somebody who speaks this language."""

    lead: Lead
    changes: dict[str, Any] | None = None
    locale: str = "en-GB"


@asynccontextmanager
async def open_sight(browser: Browser, folder: Path, name: str, **options: Any) -> AsyncIterator[Window]:
    """The window of a newcomer who has been led there, in an arena of their own."""
    sight = SIGHTS[name]
    for text in ("about", "rules", "terms"):
        (folder / f"{text}.md").write_text(f"# Our {text}\n\n{RICH}")
    arena = {"models": _models(), "prompts": PROMPTS, "pages": TEXTS, "access": GUARDED} | (sight.changes or {})
    options = {"reduced_motion": "reduce", "locale": sight.locale} | options
    with patch.dict(os.environ, {VARIABLE: TOKEN}):
        async with open_house(folder, **arena) as house, open_window(browser, house, **options) as window:
            window.foresees("the server responded with a status of")
            await sight.lead(window)
            yield window


def _models() -> list[dict[str, Any]]:
    """One model of which everything is said, and one of which little is."""
    first, second = tables()["models"]
    more = {
        "licence": "Apache-2.0", "price_in": 0.5, "price_out": 1.5, "context_length": 131072, "vision": True,
        "temperature": 0.7, "max_tokens": 300, "system_prompt": "Be terse.",
    }  # fmt: skip
    return [first | more, second | {"vision": True}]


TEXTS = {"about": "about.md", "rules": "rules.md"}
ON_REQUEST: dict[str, Any] = {"blind": {"reveal": "on_request"}}
TERMS: dict[str, Any] = {"pages": TEXTS | {"terms": "terms.md"}}
SHORT: dict[str, Any] = {"limits": {"document_characters": 1000}}
FAULTY: dict[str, Any] = {"backend": BrokenBackend}
CROWDED: dict[str, Any] = {
    "providers": [{"name": "seeded", "format": "script"}],
    "models": [
        {"name": name, "backends": ["seeded"], "organisation": "Foundation of Works", "price_in": 1.0}
        | {"licence": "Community Licence 3", "price_out": 2.0 + number}
        for number, name in enumerate(TWELVE)
    ],
    "leaderboard": {"refresh_seconds": 0.2},
}


# The start page


def at(address: str) -> Lead:
    """The page of this address."""

    async def lead(window: Window) -> None:
        await window.page.goto(address)

    return lead


async def loading(window: Window) -> None:
    for backend in window.house.backends.values():
        backend.become(Status("loading", "loading the weights", 0.4))
    await window.page.goto("/")


async def down(window: Window) -> None:
    window.house.backends["aurora"].become(DOWN)
    await window.page.goto("/")


async def drawing(window: Window) -> None:
    await loading(window)
    await window.page.fill("#prompt", "Why is the sky blue?")
    await window.page.keyboard.press("Enter")
    await window.is_in("drawing")


async def unavailable(window: Window) -> None:
    await drawing(window)
    window.house.backends["aurora"].become(DOWN)
    await window.is_in("unavailable")


async def too_long(window: Window) -> None:
    await window.page.goto("/")
    await window.page.get_by_label("Your prompt").fill("word " * 2401)


async def refused(window: Window) -> None:
    await too_long(window)
    await window.page.keyboard.press("Enter")
    await window.page.get_by_text("The prompt has").first.wait_for()


# A battle


async def waiting(window: Window) -> None:
    await window.starts("Why is the sky blue?\nPlease answer for a curious child, with an example.")


async def streaming(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say(reasoning="Let me see.\n" * 60)
    cues["a"].say(LONG)
    cues["b"].say(HALF)
    await window.page.get_by_role("button", name="Jump to the end").wait_for()


async def thinking_aloud(window: Window) -> None:
    await streaming(window)
    await window.page.locator("#t1a summary").click()


async def broken(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say(RICH)
    cues["a"].end()
    cues["b"].fail(BackendTimeout("too slow"))
    await window.is_in("broken")


async def to_be_voted_on(window: Window) -> None:
    await window.plays(RICH, PLAIN)


async def much_to_read(window: Window) -> None:
    await window.plays(LONG, RICH)


async def second_turn(window: Window) -> None:
    await window.plays(RICH, PLAIN)
    cues = await window.asks_on("And at sunset?")
    cues["a"].say("Then the light travels through more air, which takes the blue out.")
    cues["b"].say("Red.")
    cues["b"].end()
    await window.page.locator("#t2a-text").get_by_text("Then the light").wait_for()


async def stopped(window: Window) -> None:
    await second_turn(window)
    await window.page.get_by_role("button", name="Stop both").click()
    await window.is_in("vote")


async def written_again(window: Window) -> None:
    await window.plays()
    await window.page.get_by_role("button", name="Regenerate A", exact=True).click()
    await window.is_in("writing")
    _say(await window.backend("a").asked(), "The second.")
    await window.is_in("vote")
    await window.page.get_by_text("Edit the prompt").click()


async def an_earlier_version(window: Window) -> None:
    await written_again(window)
    await window.page.goto(f"{window.page.url}/answers/1/a/1")


async def from_right_to_left(window: Window) -> None:
    await finish(await window.starts("لماذا السماء زرقاء؟"), ARABIC, HEBREW)
    await window.is_in("vote")


async def revealed(window: Window) -> None:
    await window.plays(RICH, PLAIN)
    await window.votes()


async def why_is_said(window: Window) -> None:
    await revealed(window)
    page = window.page
    await page.locator(".reasons fieldset").first.get_by_label("Clear", exact=True).check()
    await page.get_by_label("In your own words").fill("It was clear.")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Saved.").last.wait_for()


async def why_was_said(window: Window) -> None:
    await why_is_said(window)
    address = window.page.url
    await window.plays()
    await window.page.goto(address)


# Names that wait to be asked for


async def voted(window: Window) -> None:
    await window.plays(RICH, PLAIN)
    await window.page.get_by_role("button", name="A is better").click()
    await window.is_in("voted")


async def to_be_voted_on_again(window: Window) -> None:
    await voted(window)
    await finish(await window.asks_on(), "Then A.", "Then B.")
    await window.is_in("vote")


async def voted_twice(window: Window) -> None:
    await to_be_voted_on_again(window)
    await window.page.get_by_role("button", name="Tie").click()
    await window.is_in("voted")


async def names_shown(window: Window) -> None:
    await voted_twice(window)
    await window.page.get_by_role("button", name="Show the names").click()
    await window.is_in("revealed")


# Files


async def attached(window: Window) -> None:
    await _attach(window, CAT, DOG, REPORT)
    await window.page.locator("summary", has_text="report.pdf").click()
    await window.page.get_by_role("region", name="report.pdf").wait_for()


async def over_the_limit(window: Window) -> None:
    await _attach(window, REPORT, NOTES, BROKEN)


async def sent_with_files(window: Window) -> None:
    await _attach(window, CAT, DOG, REPORT)
    await window.page.fill("#prompt", "What do these have in common?")
    await window.page.keyboard.press("Enter")
    await window.is_in("writing")
    await finish(await window.cues(), RICH, PLAIN)
    await window.is_in("vote")
    await window.page.get_by_text("Edit the prompt").click()


async def document(window: Window) -> None:
    await _attach(window, REPORT)
    key = await window.page.locator("[name=attachment]").get_attribute("value")
    await window.page.goto(f"/attachments/{key}")


async def _attach(window: Window, *files: FilePayload) -> None:
    await window.page.goto("/")
    await window.page.get_by_label("Add files").first.set_input_files(list(files))
    kept = len([file for file in files if file is not BROKEN])
    await window.page.locator(f".attached li:nth-child({kept})").wait_for()


# Models chosen by name


async def chosen_while_one_loads(window: Window) -> None:
    window.house.backends["aurora"].become(Status("loading", "weights", 0.5))
    await window.page.goto(PAIR)
    await window.page.get_by_text("Settings", exact=True).click()


async def pair_streaming(window: Window) -> None:
    for cue in await _ask(window, PAIR):
        cue.say(RICH[:400])
    await window.page.locator("#t1b-text").get_by_text("Red light").wait_for()


async def pair_open(window: Window) -> None:
    for cue in await _ask(window, PAIR):
        _say(cue, RICH)
    await window.is_in("open")


async def pair_voted(window: Window) -> None:
    await pair_open(window)
    await window.page.get_by_role("button", name="Tie").click()
    await window.page.get_by_role("heading", name="You voted").wait_for()


async def chat_waiting(window: Window) -> None:
    await _ask(window, CHAT)


async def chat_streaming(window: Window) -> None:
    (cue,) = await _ask(window, CHAT)
    cue.say(RICH[:400])
    await window.page.locator("#t1a-text").get_by_text("Red light").wait_for()


async def chat_broken(window: Window) -> None:
    (cue,) = await _ask(window, CHAT)
    cue.fail(ContentFiltered("no"))
    await window.is_in("broken")


async def chat_open(window: Window) -> None:
    (cue,) = await _ask(window, CHAT)
    _say(cue, RICH)
    await window.is_in("open")
    for name in ("Good", "Flag"):
        await window.page.get_by_role("button", name=name).click()
        await window.page.locator("[aria-pressed=true]", has_text=name).wait_for()


async def chat_settings(window: Window) -> None:
    await chat_open(window)
    await window.page.get_by_text("Settings", exact=True).first.click()
    await window.page.get_by_text("Edit the prompt").click()


async def _ask(window: Window, address: str) -> list[Cue]:
    """Ask the models of that page; returns the cue of each."""
    await window.page.goto(address)
    await window.page.fill("#prompt", "Why is the sky blue?")
    await window.page.keyboard.press("Enter")
    await window.page.wait_for_url("**/conversations/*")
    asked = ("aurora", "borealis") if address == PAIR else ("aurora",)
    return [await window.house.backends[name].asked() for name in asked]


def _say(cue: Cue, text: str) -> None:
    cue.say(text)
    cue.end()


# What is kept, and shown to others


async def past(window: Window) -> None:
    """A chat, a battle that is shared, a long and an Arabic one."""
    await chat_open(window)
    await shared(window)
    await finish(await window.starts("And why, " * 60 + "x" * 200))
    await from_right_to_left(window)
    await window.page.goto("/history")


async def past_searched(window: Window) -> None:
    await window.plays()
    await window.page.goto("/history?q=sky")


async def about_to_delete(window: Window) -> None:
    await revealed(window)
    await window.page.goto(f"{window.page.url}/delete")


async def all_deleted(window: Window) -> None:
    await about_to_delete(window)
    await window.page.get_by_role("button", name="Delete for good").click()
    await window.page.get_by_text("The conversation is deleted.").wait_for()


async def about_to_share(window: Window) -> None:
    await window.plays(RICH, PLAIN)
    await window.page.goto(f"{window.page.url}/share")


async def shared(window: Window) -> None:
    await about_to_share(window)
    await window.page.get_by_role("button", name="Make a link").click()
    await window.page.locator("#link").wait_for()


async def shared_blind(window: Window) -> None:
    await shared(window)
    await window.page.locator("#link").click()


async def shared_with_names(window: Window) -> None:
    await shared(window)
    link = await window.page.locator("#link").inner_text()
    await window.page.get_by_role("link", name="Back to the conversation").click()
    await window.votes()
    await window.page.goto(link)


async def shared_no_longer(window: Window) -> None:
    await shared(window)
    link = await window.page.locator("#link").inner_text()
    await window.page.get_by_role("button", name="Stop sharing").click()
    await window.page.get_by_role("button", name="Make a link").wait_for()
    await window.page.goto(link)


# Texts and refusals


async def terms_first(window: Window) -> None:
    await window.page.goto("/")
    await window.page.fill("#prompt", "One line\n\n  and <another>")
    await window.page.keyboard.press("Enter")
    await window.page.get_by_text("What you wrote", exact=True).click()


async def terms_accepted(window: Window) -> None:
    await terms_first(window)
    await window.page.get_by_role("button", name="I accept").click()
    await window.page.locator("#prompt").wait_for()
    await window.page.goto("/terms")


async def the_list_of_keys(window: Window) -> None:
    await window.page.goto("/")
    await window.page.get_by_role("link", name="Keyboard").click()
    await window.page.get_by_role("dialog").wait_for()


async def too_late(window: Window) -> None:
    await window.plays()
    other = Window(window.house, await window.page.context.new_page(), window.complaints)
    await other.page.goto(window.page.url)
    await other.votes()
    await other.page.close()
    await window.page.get_by_role("button", name="B is better").click()
    await window.page.locator(".problem").wait_for()


async def too_large(window: Window) -> None:
    await _submit(window.page, "x" * 300_000)


async def of_no_use(window: Window) -> None:
    await _submit(window.page, "word " * 3000)


async def no_record(window: Window) -> None:
    await window.house.sql("CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'full'); END")
    await _submit(window.page, "Why is the sky blue?")


async def _submit(page: Page, prompt: str) -> None:
    """Send a prompt as a browser without scripts does."""
    await page.goto("/")
    await page.fill("#prompt", prompt)
    async with page.expect_navigation():
        await page.evaluate("document.querySelector('.composer').submit()")


# The board and its operator


def crowded(lead: Lead) -> Lead:
    """First a crowd has voted."""

    async def leads(window: Window) -> None:
        vote(window.house.config.path("arena.db"), Crowd(TWELVE, 300, leaks=0.02))
        await lead(window)

    return leads


async def every_way_to_look(window: Window) -> None:
    await window.page.goto("/leaderboard?style=on")
    details = window.page.locator("details", has_text="More ways to look at it")
    if await details.get_attribute("open") is None:
        await details.locator("summary").click()


def operated(lead: Lead) -> Lead:
    """By whoever runs the arena, who has logged in."""

    async def leads(window: Window) -> None:
        await window.page.goto("/admin/login")
        await window.page.get_by_label("Admin token").fill(TOKEN)
        await window.page.keyboard.press("Enter")
        await window.page.wait_for_url("**/admin")
        await lead(window)

    return leads


async def wrong_token(window: Window) -> None:
    await window.page.goto("/admin/login")
    await window.page.get_by_label("Admin token").fill("wrong-horse-battery-staple")
    await window.page.keyboard.press("Enter")
    await window.page.get_by_role("alert").filter(has_text="That is not").wait_for()


async def one_battle(window: Window) -> None:
    await names_shown(window)
    key = window.key
    await window.page.get_by_label("In your own words").fill("It was clear.")
    await window.page.get_by_role("button", name="Save").click()
    await window.page.get_by_text("Saved.").last.wait_for()
    await window.page.goto(f"/admin/battles/{key}")


async def voters(window: Window) -> None:
    because = "set_aside_at = created_at, set_aside_because = 'tosses a coin'"
    await window.house.sql(f"UPDATE voters SET {because} WHERE id = 'voter-003'")
    await window.page.goto("/admin/voters")
    await window.page.get_by_text("set aside…").first.click()


async def in_trouble(window: Window) -> None:
    cues = await window.starts()
    cues["a"].say("Well,")
    cues["a"].fail(BackendBusy('429 Too Many Requests: {"error": "rate_limit_exceeded", "limit": 60}'))
    cues["b"].end()
    await window.is_in("broken")
    window.house.backends["aurora"].become(Status("loading", "reading weights", 0.4))
    await window.page.goto("/admin/models?still")


# In French


async def french_vote(window: Window) -> None:
    await window.page.goto("/")
    await window.page.fill("#prompt", "Pourquoi le ciel est-il bleu ?")
    await window.page.keyboard.press("Enter")
    await window.is_in("writing")
    await finish(await window.cues(), RICH, PLAIN)
    await window.is_in("vote")


async def french_names(window: Window) -> None:
    await french_vote(window)
    await window.page.locator("[name=choice][value=a]").click()
    await window.is_in("revealed")


async def french_past(window: Window) -> None:
    await french_names(window)
    await window.page.goto("/history")


async def french_chat(window: Window) -> None:
    (cue,) = await _ask(window, CHAT)
    _say(cue, RICH)
    await window.is_in("open")


def french(lead: Lead, changes: dict[str, Any] | None = None) -> Sight:
    return Sight(lead, changes, "fr-FR")


SIGHTS: dict[str, Sight] = {
    "start": Sight(at("/")),
    "start-filled": Sight(at("/?prompt=a-weekend-for-little-money")),
    "start-loading": Sight(loading),
    "start-down": Sight(down),
    "start-too-long": Sight(too_long),
    "start-refused": Sight(refused),
    "battle-drawing": Sight(drawing),
    "battle-unavailable": Sight(unavailable),
    "battle-waiting": Sight(waiting),
    "battle-streaming": Sight(streaming),
    "battle-thinking-aloud": Sight(thinking_aloud),
    "battle-broken": Sight(broken),
    "battle-vote": Sight(to_be_voted_on),
    "battle-much-to-read": Sight(much_to_read),
    "battle-second-turn": Sight(second_turn),
    "battle-stopped": Sight(stopped),
    "battle-written-again": Sight(written_again),
    "battle-earlier-version": Sight(an_earlier_version),
    "battle-right-to-left": Sight(from_right_to_left),
    "battle-revealed": Sight(revealed),
    "battle-too-late": Sight(too_late),
    "remarks-saved": Sight(why_is_said),
    "remarks-closed": Sight(why_was_said),
    "on-request-voted": Sight(voted, ON_REQUEST),
    "on-request-vote-again": Sight(to_be_voted_on_again, ON_REQUEST),
    "on-request-voted-twice": Sight(voted_twice, ON_REQUEST),
    "on-request-revealed": Sight(names_shown, ON_REQUEST),
    "files-attached": Sight(attached),
    "files-over": Sight(over_the_limit, SHORT),
    "files-sent": Sight(sent_with_files),
    "document": Sight(document),
    "pair-choose": Sight(at("/side-by-side")),
    "pair-unknown": Sight(at(f"/side-by-side?a={AURORA}&b=Boreal")),
    "pair-chosen": Sight(chosen_while_one_loads),
    "pair-streaming": Sight(pair_streaming),
    "pair-open": Sight(pair_open),
    "pair-voted": Sight(pair_voted),
    "chat-choose": Sight(at("/chat")),
    "chat-unknown": Sight(at("/chat?model=Boreal")),
    "chat-chosen": Sight(at(CHAT)),
    "chat-waiting": Sight(chat_waiting),
    "chat-streaming": Sight(chat_streaming),
    "chat-broken": Sight(chat_broken),
    "chat-open": Sight(chat_open),
    "chat-settings": Sight(chat_settings),
    "history-empty": Sight(at("/history")),
    "history": Sight(past),
    "history-found": Sight(past_searched),
    "history-deleted": Sight(all_deleted),
    "delete": Sight(about_to_delete),
    "share": Sight(about_to_share),
    "share-made": Sight(shared),
    "shared-blind": Sight(shared_blind),
    "shared-revealed": Sight(shared_with_names),
    "shared-revoked": Sight(shared_no_longer),
    "terms": Sight(at("/terms"), TERMS),
    "terms-first": Sight(terms_first, TERMS),
    "terms-accepted": Sight(terms_accepted, TERMS),
    "about": Sight(at("/about")),
    "rules": Sight(at("/rules")),
    "keys": Sight(at("/shortcuts")),
    "keys-dialog": Sight(the_list_of_keys),
    "leaderboard-empty": Sight(at("/leaderboard")),
    "leaderboard": Sight(crowded(at("/leaderboard")), CROWDED),
    "leaderboard-looks": Sight(crowded(every_way_to_look), CROWDED),
    "leaderboard-pictures": Sight(crowded(at("/leaderboard/pictures")), CROWDED),
    "leaderboard-history": Sight(crowded(at("/leaderboard/history")), CROWDED),
    "leaderboard-fragile": Sight(crowded(at("/leaderboard/fragile")), CROWDED),
    "leaderboard-method": Sight(at("/leaderboard/method")),
    "models": Sight(at("/models")),
    "models-many": Sight(crowded(at("/models")), CROWDED),
    "models-none-found": Sight(at("/models?q=zzz")),
    "model": Sight(at(f"/models/{AURORA}")),
    "model-rated": Sight(crowded(at(f"/models/{TWELVE[2]}")), CROWDED),
    "admin-login": Sight(at("/admin/login")),
    "admin-wrong-token": Sight(wrong_token),
    "admin": Sight(crowded(operated(at("/admin"))), CROWDED),
    "admin-battles": Sight(crowded(operated(at("/admin/battles"))), CROWDED),
    "admin-battle": Sight(operated(one_battle), ON_REQUEST),
    "admin-voters": Sight(crowded(operated(voters)), CROWDED),
    "admin-models": Sight(operated(in_trouble)),
    "error-404": Sight(at("/nowhere")),
    "error-413": Sight(too_large),
    "error-422": Sight(of_no_use),
    "error-500": Sight(at("/"), FAULTY),
    "error-503": Sight(no_record),
    "french-start": french(at("/")),
    "french-pair": french(at(PAIR)),
    "french-vote": french(french_vote),
    "french-names": french(french_names),
    "french-chat": french(french_chat),
    "french-history": french(french_past),
    "french-leaderboard": french(crowded(at("/leaderboard")), CROWDED),
}
