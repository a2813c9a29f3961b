"""The terms: asked for before a conversation begins or goes on, and nothing that was typed is lost."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from starlette.routing import Route

from arena.app import ROUTES
from arena.errors import StoreError
from tests.house import House, Screen, Visitor, open_house
from tests.operator import TOKEN, VARIABLE, open_guarded
from tests.test_texts import write

TERMS = (
    "# House rules\n\nBy playing here you agree that your **prompts** are kept for research.\n\n## Privacy\n\nYes."
)
PROMPT = 'Why is <the> "sky"\n  & the sea blue?\n\nÜber 🙂'


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, pages=write(tmp_path, terms=TERMS)) as found:
        yield found


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the form that accepts the terms."""
    form = re.search(r'<form[^>]* action="/terms".*?</form>', page, re.DOTALL)
    assert form
    return {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form[0])}


def draft(page: str) -> str:
    """What stands in the prompt box."""
    box = re.search(r'<textarea id="prompt".*?>\n(.*?)</textarea>', page, re.DOTALL)
    assert box
    return unescape(box[1])


async def accepts(visitor: Visitor, page: httpx.Response) -> httpx.Response:
    """Press "I accept" on this page."""
    return await visitor.posts("/terms", **fields(page.text))


async def agrees(visitor: Visitor) -> None:
    """Accept the terms as they are now."""
    reply = await accepts(visitor, await visitor.gets("/terms"))
    assert reply.status_code == 303


# Asked for


async def test_a_battle_does_not_begin_before_the_terms_are_accepted(house: House, visitor: Visitor) -> None:
    reply = await visitor.posts("/conversations", prompt=PROMPT)
    assert reply.status_code == 428
    page = Screen(reply.text)
    assert "Please accept these terms first. What you wrote is kept." in page.text
    assert "By playing here you agree that your prompts are kept" in page.text
    assert re.findall(r"<h(\d)", reply.text) == ["1", "2", "3"]
    assert "I accept" in page.text
    assert "set-cookie" not in reply.headers
    assert await house.sql("SELECT count(*) FROM conversations") == [(0,)]


async def test_after_accepting_the_prompt_stands_in_the_box_of_the_start_page(
    house: House, visitor: Visitor
) -> None:
    reply = await accepts(visitor, await visitor.posts("/conversations", prompt=PROMPT))
    assert reply.status_code == 200
    assert reply.headers["hx-push-url"] == "/"
    assert "Start the battle" in reply.text
    assert draft(reply.text) == PROMPT
    await visitor.plays(draft(reply.text))
    assert await house.sql("SELECT prompt FROM turns") == [(PROMPT,)]


async def test_an_acceptance_is_kept_with_version_time_and_voter(house: House, visitor: Visitor) -> None:
    await agrees(visitor)
    await visitor.plays()
    ((voter, version, moment),) = await house.sql("SELECT voter_id, version, accepted_at FROM acceptances")
    assert version == house.context.texts["terms"].version
    assert (
        timedelta(0)
        <= datetime.now(UTC) - datetime.fromisoformat(moment).replace(tzinfo=UTC)
        < timedelta(minutes=1)
    )
    assert await house.sql("SELECT voter_id FROM conversations") == [(voter,)]


async def test_the_terms_are_accepted_once(house: House, visitor: Visitor) -> None:
    await agrees(visitor)
    before = await house.sql("SELECT * FROM acceptances")
    version = house.context.texts["terms"].version
    for _ in range(2):
        assert (await visitor.posts("/terms", version=version)).status_code == 303
    assert await house.sql("SELECT * FROM acceptances") == before
    await visitor.plays()
    await visitor.votes("a")
    await visitor.starts("Another one?")


async def test_what_one_visitor_accepts_binds_no_other(house: House, visitor: Visitor) -> None:
    await agrees(visitor)
    ((voter,),) = await house.sql("SELECT voter_id FROM acceptances")
    async with house.visitor() as other:
        await agrees(other)
        await other.starts()
        await house.sql(f"DELETE FROM acceptances WHERE voter_id != '{voter}'")
        assert (await other.posts("/conversations", prompt="Why?")).status_code == 428


def posts() -> list[str]:
    """Every address that a form about a conversation goes to."""
    routes = [route for route in ROUTES if isinstance(route, Route)]
    paths = [
        route.path
        for route in routes
        if route.path.startswith("/conversations") and "POST" in (route.methods or ())
    ]
    assert len(paths) > 4
    return [path.replace("{id:uuid}", "KEY") for path in paths]


async def test_every_form_about_a_conversation_asks_for_them(tmp_path: Path) -> None:
    pages = write(tmp_path, terms=TERMS)
    async with open_house(tmp_path, pages=pages) as house, house.visitor() as visitor:
        await agrees(visitor)
        await visitor.plays()
        before = await house.sql("SELECT count(*) FROM turns UNION ALL SELECT count(*) FROM answers")
    pages = write(tmp_path, terms=f"{TERMS} Changed.")
    async with open_house(tmp_path, pages=pages) as house, house.visitor(visitor) as again:
        for path in posts():
            reply = await again.posts(path.replace("KEY", again.key), prompt="And then?", choice="a", side="a")
            assert reply.status_code == 428, path
            assert fields(reply.text)["to"] == ("/" if path == "/conversations" else again.path)
        assert await house.sql("SELECT count(*) FROM turns UNION ALL SELECT count(*) FROM answers") == before
        assert await house.sql("SELECT * FROM votes") == []


async def test_reading_asks_for_nothing(house: House, visitor: Visitor) -> None:
    for path in ("/", "/leaderboard", "/leaderboard/method", "/terms", "/healthz"):
        assert (await visitor.gets(path)).status_code == 200


async def test_the_operator_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    async with open_guarded(tmp_path, pages=write(tmp_path, terms=TERMS)) as house, house.visitor() as operator:
        assert (await operator.posts("/admin/login", token=TOKEN)).status_code == 303
        assert (await operator.posts("/admin/voters/restore", voter="nobody")).status_code == 404


async def test_without_terms_nobody_looks_for_acceptances(tmp_path: Path) -> None:
    async with open_house(tmp_path, pages=write(tmp_path, about="Us.")) as house, house.visitor() as visitor:
        del house.context.store.terms
        await visitor.plays()
        assert (await visitor.votes("a")).status_code == 303


# Changed


async def test_a_changed_text_is_asked_for_again_and_votes_so_far_stay(tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, pages=write(tmp_path, terms=TERMS)) as house,
        house.visitor() as visitor,
    ):
        await agrees(visitor)
        await visitor.plays()
        await visitor.votes("a")
        votes = await house.sql("SELECT * FROM votes")
    pages = write(tmp_path, terms=TERMS.replace("research", "ever"))
    async with open_house(tmp_path, pages=pages) as house, house.visitor(visitor) as again:
        assert "You voted: A is better" in await again.sees()
        assert (await again.posts("/conversations", prompt="Why?")).status_code == 428
        assert await house.sql("SELECT * FROM votes") == votes
        await agrees(again)
        await again.starts("Why?")
        assert await house.sql("SELECT count(DISTINCT version), count(DISTINCT voter_id) FROM acceptances") == [
            (2, 1)
        ]
        assert await house.sql("SELECT * FROM votes") == votes
    async with open_house(tmp_path, pages=write(tmp_path, terms=TERMS)) as house, house.visitor(visitor) as again:
        await again.starts("And with the old text?")


async def test_who_accepts_a_text_that_has_changed_meanwhile_is_shown_the_new_one(tmp_path: Path) -> None:
    async with open_house(tmp_path, pages=write(tmp_path, terms=TERMS)) as house, house.visitor() as visitor:
        old = await visitor.posts("/conversations", prompt=PROMPT)
    pages = write(tmp_path, terms="All new.")
    async with open_house(tmp_path, pages=pages) as house, house.visitor(visitor) as again:
        reply = await accepts(again, old)
        assert reply.status_code == 428
        assert "The terms have changed." in reply.text
        assert "All new." in reply.text
        assert await house.sql("SELECT * FROM acceptances") == []
        assert draft((await accepts(again, reply)).text) == PROMPT


@pytest.mark.parametrize("form", [{}, {"version": ""}, {"version": "0" * 12}])
async def test_nothing_is_accepted_unread(house: House, visitor: Visitor, form: dict[str, str]) -> None:
    assert (await visitor.posts("/terms", **form)).status_code == 428
    assert await house.sql("SELECT * FROM acceptances") == []


# Back where the visitor was


@pytest_asyncio.fixture
async def renewed(tmp_path: Path) -> AsyncIterator[Visitor]:
    """Somebody at the vote of their battle, when the terms have changed."""
    async with open_house(tmp_path, pages=write(tmp_path, terms=TERMS)) as house, house.visitor() as visitor:
        await agrees(visitor)
        await visitor.plays("Why?", "Because of A.", "Because of B.")
    pages = write(tmp_path, terms="All new.")
    async with open_house(tmp_path, pages=pages) as house, house.visitor(visitor) as again:
        yield again


async def test_a_follow_up_stands_in_the_box_of_its_battle(renewed: Visitor) -> None:
    reply = await accepts(renewed, await renewed.posts(f"{renewed.path}/turns", prompt=PROMPT))
    assert reply.status_code == 200
    assert reply.headers["hx-push-url"] == renewed.path
    assert "Because of A." in Screen(reply.text).text
    assert draft(reply.text) == PROMPT
    await renewed.asks(draft(reply.text))


async def test_who_wanted_to_vote_is_back_at_the_vote(renewed: Visitor) -> None:
    reply = await accepts(renewed, await renewed.posts(f"{renewed.path}/vote", choice="a"))
    assert (reply.status_code, reply.headers["location"]) == (303, renewed.path)
    assert "Which answer is better?" in await renewed.sees()
    assert (await renewed.votes("a")).status_code == 303


async def test_a_prompt_that_fits_nowhere_any_more_is_given_back(renewed: Visitor) -> None:
    asked = await renewed.posts(f"{renewed.path}/turns", prompt=PROMPT)
    await agrees(renewed)
    await renewed.votes("a")
    reply = await accepts(renewed, asked)
    assert reply.status_code == 200
    assert "What you wrote is still here." in reply.text
    assert draft(reply.text) == PROMPT
    assert f'action="{renewed.path}/turns"' in reply.text


async def test_the_battle_of_another_is_not_shown_to_who_accepts(renewed: Visitor) -> None:
    async with renewed.house.visitor() as other:
        reply = await accepts(other, await other.posts(f"{renewed.path}/turns", prompt=PROMPT))
        assert "Because of A." not in reply.text
        assert draft(reply.text) == PROMPT


@pytest.mark.parametrize(
    ("referer", "to"),
    [
        ("/leaderboard?style=on&order=-votes", "/leaderboard?style=on&order=-votes"),
        ("/terms", "/"),
        ("", "/"),
    ],
)
async def test_who_reads_the_terms_is_led_back_to_where_the_link_was(
    house: House, visitor: Visitor, referer: str, to: str
) -> None:
    reply = await accepts(
        visitor, await visitor.gets("/terms", referer=f"{house.url}{referer}" if referer else "")
    )
    assert (reply.status_code, reply.headers["location"]) == (303, to)
    assert (await visitor.gets(to)).status_code == 200


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%2F/evil",
        "javascript:alert(1)",
        "/\r\nX: y",
        "\t//e",
        "",
    ],
)
async def test_no_form_leads_to_another_site(house: House, visitor: Visitor, to: str) -> None:
    reply = await visitor.posts("/terms", version=house.context.texts["terms"].version, to=to)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")


async def test_who_comes_from_another_site_is_not_led_back_there(visitor: Visitor) -> None:
    for referer in ("https://evil.example/leaderboard", "//evil.example", "nonsense"):
        assert fields((await visitor.gets("/terms", referer=referer)).text)["to"] == "/"


@pytest.mark.parametrize(
    "action", ["https://evil.example/", "/admin/logout", "/conversations/../admin", "//conversations", '"><b>']
)
async def test_a_prompt_goes_to_no_other_address(house: House, visitor: Visitor, action: str) -> None:
    version = house.context.texts["terms"].version
    reply = await visitor.posts("/terms", version=version, action=action, prompt="Why?")
    assert (reply.status_code, reply.headers["location"]) == (303, "/")


async def test_another_site_cannot_accept_for_a_visitor(house: House, visitor: Visitor) -> None:
    version = house.context.texts["terms"].version
    form = f"version={version}".encode()
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert (await visitor.sends("/terms", form, **headers)).status_code == 403
    assert await house.sql("SELECT * FROM acceptances") == []


# Read


async def test_the_page_says_when_this_visitor_accepted_which_version(house: House, visitor: Visitor) -> None:
    text = house.context.texts["terms"]
    fresh = Screen((await visitor.gets("/terms")).text).text
    for words in ("House rules", f"Version {text.version}: “By playing here you agree that your prompts …”"):
        assert words in fresh
    await agrees(visitor)
    known = await visitor.gets("/terms")
    assert f"You accepted this text on {datetime.now(UTC):%Y-%m-%d}" in Screen(known.text).text
    assert text.version in known.text
    assert 'action="/terms"' not in known.text


# What goes wrong


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"prompt=%FF", "application/x-www-form-urlencoded", 400),
        (b"x" * 300_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 400),
    ],
)
async def test_what_cannot_be_read_is_refused_as_ever(
    visitor: Visitor, house: House, body: bytes, kind: str, status: int
) -> None:
    reply = await visitor.sends("/conversations", body, **{"content-type": kind})
    assert reply.status_code == status


async def test_the_longest_form_that_is_read_can_be_accepted(house: House, visitor: Visitor) -> None:
    prompt = "x" * (house.config.limits.body_bytes - len("prompt="))
    reply = await accepts(visitor, await visitor.posts("/conversations", prompt=prompt))
    assert reply.status_code == 200
    assert draft(reply.text) == prompt


async def test_a_database_that_fails_is_said_to_fail(
    house: House, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agrees(visitor)

    async def fail(*_: object) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(house.context.store.terms, "accepted_at", fail)
    reply = await visitor.posts("/conversations", prompt="Why?")
    assert reply.status_code == 503
    assert "Nothing was stored" in reply.text
