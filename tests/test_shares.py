"""Links to a conversation: who has one reads it, blind as long as it is blind, while its visitor likes."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from arena.errors import ConfigError
from arena.pictures import card
from arena.pictures.card import Card, plain, png
from tests.house import MODELS, House, Visitor, configure, open_house
from tests.test_history import HOSTILE, told

A_TOKEN = "A" * 43


async def shares(visitor: Visitor) -> str:
    """Share the battle; returns the link's path."""
    reply = await visitor.posts(f"{visitor.path}/share")
    assert reply.status_code == 303
    page = await visitor.gets(reply.headers["location"])
    link = re.search(r'href="http://127\.0\.0\.1:\d+(/shared/[\w-]{43})"', page.text)
    assert link, page.text
    return link[1]


@pytest.fixture
async def reader(house: House) -> AsyncIterator[Visitor]:
    """Somebody else."""
    async with house.visitor() as found:
        yield found


def properties(page: str) -> dict[str, str]:
    """The Open Graph properties of a page."""
    return {name: unescape(value) for name, value in re.findall(r'property="og:([\w:]+)" content="([^"]*)"', page)}


async def test_whoever_has_the_link_reads_the_conversation(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays("Why is the sky blue?", "Because **A**.", "Because B.")
    reply = await reader.gets(await shares(visitor))
    assert reply.status_code == 200
    assert all(words in reply.text for words in ("Why is the sky blue?", "<strong>A</strong>", "Because B."))
    assert "<form" not in re.sub(
        r'<form method="post" action="/language".*?</form>', "", reply.text, flags=re.DOTALL
    )
    assert visitor.key not in reply.text
    assert "set-cookie" not in reply.headers


async def test_a_link_is_for_no_index_no_cache_and_no_referrer(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays()
    link = await shares(visitor)
    for path in (link, f"{link}/card.png"):
        reply = await reader.gets(path)
        assert reply.headers["x-robots-tag"].startswith("noindex")
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cache-control"] == "no-store"
        assert "etag" not in reply.headers
    assert '<meta name="robots" content="noindex' in (await reader.gets(link)).text
    assert (await reader.gets("/")).headers["referrer-policy"] == "same-origin"


async def test_sharing_twice_gives_the_same_link_and_a_new_one_after_it_was_revoked(
    visitor: Visitor, reader: Visitor
) -> None:
    await visitor.plays()
    first = await shares(visitor)
    assert await shares(visitor) == first
    await visitor.posts(f"{visitor.path}/share/revoke")
    assert (await reader.gets(first)).status_code == 404
    assert "Make a link" in (await visitor.gets(f"{visitor.path}/share")).text
    second = await shares(visitor)
    assert second != first
    assert (await reader.gets(second)).status_code == 200
    assert (await reader.gets(first)).status_code == 404


async def test_a_revoked_link_looks_like_one_that_never_was(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays()
    link = await shares(visitor)
    await visitor.posts(f"{visitor.path}/share/revoke")
    pages = set()
    for path in (link, f"/shared/{A_TOKEN}", "/shared/x"):
        for ending in ("", "/card.png", "/images/cafe"):
            reply = await reader.gets(path + ending)
            assert reply.status_code == 404
            pages.add(re.sub(r"[\w-]{43}|<code>\w{8}</code>|href=\"[^\"]*\"", "", reply.text))
    assert len(pages) == 1


async def test_a_deleted_conversation_is_shared_no_longer(visitor: Visitor, reader: Visitor) -> None:
    for vote in (None, "tie"):
        await visitor.plays()
        if vote:
            await visitor.votes(vote)
        link = await shares(visitor)
        await visitor.posts(f"{visitor.path}/delete")
        assert (await reader.gets(link)).status_code == 404
        assert (await reader.gets(f"{link}/card.png")).status_code == 404
    assert await visitor.house.sql("SELECT * FROM shares") == []


async def test_the_link_begins_as_the_configuration_says(tmp_path: Path) -> None:
    server = {"public_url": "https://arena.example/"}
    async with open_house(tmp_path, server=server) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.posts(f"{visitor.path}/share")
        page = (await visitor.gets(f"{visitor.path}/share")).text
        assert re.search(r'href="https://arena\.example/shared/[\w-]{43}"', page)


async def test_a_change_of_language_leads_nowhere_else(visitor: Visitor) -> None:
    for back in ("//evil.example", "https://evil.example/", "/\\\\evil.example", "/nowhere", "/language", ""):
        reply = await visitor.posts("/language", to="fr", back=back)
        assert reply.headers["location"] == "/", back


# Blindness


async def test_readers_learn_the_names_when_their_visitor_does(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays()
    link = await shares(visitor)
    blind = (await reader.gets(link)).text
    before = (await reader.gets(f"{link}/card.png")).content
    assert "Who answers is not known yet" in blind
    assert "Two hidden models" in properties(blind)["description"]
    assert told(reader) == []
    assert told(visitor) == []

    await visitor.votes("b")
    page = (await reader.gets(link)).text
    assert all(model in page for model in MODELS)
    assert "B is better" in page
    assert all(model in properties(page)["description"] for model in MODELS)
    assert (await reader.gets(f"{link}/card.png")).content != before


async def test_the_readers_own_vote_elsewhere_opens_nothing(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays()
    link = await shares(visitor)
    assert (await reader.posts(f"{visitor.path}/vote", choice="a")).status_code == 404
    for action in ("vote", "turns", "stop", "delete", "share"):
        assert (await reader.posts(f"{link}/{action}")).status_code in (404, 405)
    assert (await reader.posts(link)).status_code == 405
    assert told(reader) == []


async def test_names_that_wait_to_be_asked_for_wait_for_readers_too(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays()
    link = await shares(visitor)
    await visitor.votes("a")
    await visitor.house.sql("UPDATE conversations SET reveal = 'on_request'")
    await reader.gets(link)
    await reader.gets(f"{link}/card.png")
    assert told(reader) == []
    await visitor.house.sql("UPDATE conversations SET revealed_at = '2026-01-01 00:00:00.000000'")
    assert MODELS[0] in (await reader.gets(link)).text


async def test_shared_pages_and_cards_of_mirrored_battles_are_the_same(house: House) -> None:
    found: dict[str, set[tuple[str, bytes]]] = {}
    for _ in range(40):
        async with house.visitor() as visitor:
            await visitor.plays()
            [(model,)] = await house.sql(f"SELECT model_a FROM conversations WHERE id = '{visitor.key}'")
            link = await shares(visitor)
            page = (await visitor.gets(link)).text.replace(link, "LINK")
            page = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.+]*", "TIME", page)
            found.setdefault(model, set()).add((page, (await visitor.gets(f"{link}/card.png")).content))
        if len(found) == 2:
            break
    assert len(found) == 2
    assert len(set.union(*found.values())) == 1


async def test_what_is_being_written_is_not_shown_to_readers(visitor: Visitor, reader: Visitor) -> None:
    cues = await visitor.starts()
    link = await shares(visitor)
    cues["a"].say("Half of it")
    cues["b"].say("All of it.")
    cues["b"].end()
    async with visitor.watches() as stream:
        await stream.until("All of it.")
        page = (await reader.gets(link)).text
        assert "still being written" in page
        assert "of it" not in page
        cues["a"].end()
        await stream.to_the_end()
    assert "Half of it" in (await reader.gets(link)).text


# Pictures that were handed in


async def test_readers_see_the_pictures_of_that_conversation_alone(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays()
    link = await shares(visitor)
    [(owner,)] = await visitor.house.sql("SELECT voter_id FROM conversations")
    now = "'2026-01-01 00:00:00.000000'"
    for number, key in (("1", f"'{visitor.key}', 1, 0"), ("2", "NULL, NULL, NULL")):
        await visitor.house.sql(f"INSERT INTO images VALUES ('cafe{number}', 'image/png', 1, 1, x'0{number}')")
        await visitor.house.sql(
            "INSERT INTO attachments "
            "(id, voter_id, created_at, kind, name, image, conversation_id, turn, position) "
            f"VALUES ('{number}', '{owner}', {now}, 'image', 'a.png', 'cafe{number}', {key})"
        )
    await visitor.house.sql("UPDATE turns SET images = 1")
    assert f'src="{link}/images/cafe1"' in (await reader.gets(link)).text
    picture = await reader.gets(f"{link}/images/cafe1")
    assert (picture.content, picture.headers["content-type"]) == (b"\x01", "image/png")
    assert (await reader.gets(f"{link}/images/cafe2")).status_code == 404


# The card


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def inked(data: bytes, top: int = 150, bottom: int = 480) -> int:
    """How many pixels between these lines are dark."""
    part = opened(data).crop((0, top, card.WIDTH, bottom)).convert("L")
    return sum(part.point(lambda value: value < 128).histogram()[1:])


async def test_a_chat_finds_a_title_a_description_and_a_picture(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays("Why is the sky blue?")
    link = await shares(visitor)
    found = properties((await reader.gets(link)).text)
    assert found["title"] == "Why is the sky blue?"
    assert found["description"].startswith("Blind battle.")
    assert found["url"] == f"{visitor.house.url}{link}"
    assert found["image"] == f"{found['url']}/card.png"
    picture = await reader.gets(f"{link}/card.png")
    assert picture.headers["content-type"] == "image/png"
    assert opened(picture.content).size == (1200, 630) == (int(found["image:width"]), int(found["image:height"]))
    assert len(picture.content) < 300_000


async def test_a_hostile_prompt_is_text_on_the_page_and_on_its_card(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays(f'{HOSTILE} "><script>alert(2)</script>')
    link = await shares(visitor)
    page = (await reader.gets(link)).text
    assert "<script>alert" not in page
    assert "\u202e" not in "".join(properties(page).values())
    assert properties(page)["title"].startswith("<script>alert(1)</script> gnp.exe")
    assert (await reader.gets(f"{link}/card.png")).status_code == 200


@pytest.mark.parametrize(
    "prompt",
    [
        "Why is the sky blue?",
        "Почему небо голубое?",
        "Γιατί ο ουρανός είναι μπλε;",
        "لماذا السماء زرقاء؟",
        "आकाश नीला क्यों है?",
        "x" * 100_000,
        "word " * 20_000,
        HOSTILE,
        "\n\t\u200b",
        "\U0001f600" * 40,
        "为什么天空是蓝色的？",
    ],
)
def test_every_prompt_makes_a_card_with_something_to_read(prompt: str) -> None:
    data = png(Card("Arena", "Blind battle", plain(prompt)))
    assert opened(data).size == (1200, 630)
    assert inked(data) > 500


def test_what_no_font_has_is_left_out_rather_than_drawn_as_boxes() -> None:
    kind = png(Card("Arena", "Blind battle", ""))
    assert png(Card("Arena", "Blind battle", "为什么天空是蓝色的？")) == kind
    mixed = png(Card("Arena", "Blind battle", "A sky, once more, and again \U0001f600"))
    assert mixed == png(Card("Arena", "Blind battle", "A sky, once more, and again"))


def test_a_long_prompt_stays_above_the_letters_and_inside_the_edges() -> None:
    picture = opened(png(Card("Arena", "Blind battle", "w" * 5000))).convert("L")
    for box in ((card.WIDTH - card.EDGE + 2, 130, card.WIDTH, 480), (0, 130, card.EDGE - 6, 480)):
        assert sum(picture.crop(box).point(lambda value: value < 128).histogram()[1:]) == 0


def test_names_are_on_the_card_once_they_are_given() -> None:
    blind = png(Card("Arena", "Blind battle", "Why?"))
    named = png(Card("Arena", "Blind battle", "Why?", ("Aurora Prime", "Borealis Nine")))
    other = png(Card("Arena", "Blind battle", "Why?", ("Aurora Prime", "Borealis Ten")))
    assert len({blind, named, other}) == 3
    assert inked(named, 486, 600) > inked(blind, 486, 600)


def test_the_beginning_of_a_prompt_is_one_visible_line() -> None:
    assert plain("a\n\n b\u202e\u2066c\0\u200b", 10) == "a bc"
    assert plain("x" * 50, 10) == "x" * 9 + "…"
    assert plain("e" + "\u0301" * 9) == "e\u0301\u0301"
    assert plain("") == ""


async def test_cards_wait_for_each_other_and_pages_for_none(visitor: Visitor, reader: Visitor) -> None:
    await visitor.plays()
    link = await shares(visitor)
    replies = await asyncio.gather(*(reader.gets(f"{link}/card.png") for _ in range(20)), reader.gets("/healthz"))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 2


def test_an_address_for_others_must_be_one(tmp_path: Path) -> None:
    for address in ("arena.example", "ftp://arena.example", "https://arena.example/path", "https://a b"):
        with pytest.raises(ConfigError, match="public_url"):
            configure(tmp_path, server={"public_url": address})
