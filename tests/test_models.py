"""The models' cards: what they say, whom they list, how they are found, and that no blind battle leads to one."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from arena.config import Config, parse
from arena.errors import ConfigError
from tests.crowd import Crowd, vote
from tests.house import MODELS, House, Visitor, open_house

PLAIN, ODD, LONE, GONE, NEWCOMER = "Aurora", "works/ö 7B (50 %)? #2 & <b>", "Lone", "Gone", "Newcomer"
PROVIDERS = [{"name": "seeded", "format": "script"}]
TOLD: list[dict[str, Any]] = [
    {
        "name": PLAIN,
        "backends": ["seeded"],
        "organisation": "Northern Works",
        "licence": "MIT",
        "description": "Small & <quick>.",
        "link": "https://works.example/aurora?a=1&b=2",
        "vision": True,
        "price_in": 0.15,
        "price_out": 0.6,
        "context_length": 128_000,
    },
    {"name": ODD, "backends": ["seeded"], "organisation": "Southern Works", "battle_only": True},
    {"name": LONE, "backends": ["seeded"], "weight": 0.0, "description": "Has met nobody."},
    {"name": NEWCOMER, "backends": ["seeded"]},
]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Four models, one of which has no vote and one only three; a crowd has also voted on one that has left."""
    async with open_house(tmp_path, models=TOLD, providers=PROVIDERS) as found:
        vote(found.config.path("arena.db"), Crowd((PLAIN, ODD, GONE), 600))
        vote(found.config.path("arena.db"), Crowd((NEWCOMER, PLAIN), 3, days=1, seed=5))
        yield found


def words_of(html: str) -> str:
    """What a page says between its header and its foot, without markup, white space folded."""
    main = html.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", "<main" + main)).split())


def path_of(name: str) -> str:
    return f"/models/{quote(name, safe='')}"


async def card(visitor: Visitor, name: str) -> str:
    reply = await visitor.gets(path_of(name))
    assert reply.status_code == 200, reply.text
    return reply.text


async def listed(visitor: Visitor, words: str = "") -> list[str]:
    """The names on the list, in their order."""
    reply = await visitor.gets(f"/models{'?' + urlencode({'q': words}) if words else ''}")
    assert reply.status_code == 200, reply.text
    return [unescape(name) for name in re.findall(r'<h3[^>]*><a href="[^"]*">(.*?)</a></h3>', reply.text)]


# A card


async def test_a_card_says_all_that_the_configuration_does(visitor: Visitor) -> None:
    page = await card(visitor, PLAIN)
    words = words_of(page)
    for said in (
        "Organisation Northern Works",
        "Licence MIT",
        "Small & <quick>.",
        "Text Images",
        "Context length 128,000 tokens",
        "Price 0.15 USD a million tokens read 0.60 USD a million tokens written",
        "https://works.example/aurora?a=1&b=2",
    ):
        assert said in words
    assert 'href="https://works.example/aurora?a=1&amp;b=2" rel="noopener noreferrer"' in page
    assert "battles only" not in words


async def test_a_card_has_the_standing_and_the_speeds_of_the_leaderboard(visitor: Visitor) -> None:
    standings = (await visitor.gets("/leaderboard.json")).json()["standings"]
    (row,) = [row for row in standings if row["name"] == PLAIN]
    words = words_of(await card(visitor, PLAIN))
    ranks = f"{row['best']}" if row["best"] == row["worst"] else f"{row['best']}\N{EN DASH}{row['worst']}"
    for said in (
        f"Rank {ranks} Rating",
        f"Rating {row['rating']:,.0f} 95 % interval {row['low']:,.0f} to {row['high']:,.0f}",
        f"Votes {row['votes']:,}",
        f"Win rate {100 * row['win_rate']:.1f} %",
        f"First token {row['first_token_ms']:,.0f} ms",
        f"Tokens/s {row['tokens_per_second']:,.0f}",
    ):
        assert said in words


async def test_a_model_with_few_votes_has_a_rating_and_no_rank(visitor: Visitor) -> None:
    words = words_of(await card(visitor, NEWCOMER))
    assert "Rank none yet from 30 votes on Rating" in words
    assert "Votes 3 Win rate" in words


async def test_a_model_that_has_met_nobody_has_a_card_without_numbers(visitor: Visitor) -> None:
    words = words_of(await card(visitor, LONE))
    assert "No vote on it counts yet." in words
    assert "Nothing has been measured yet" in words
    assert "Context length not said" in words
    assert "Rating" not in words


async def test_a_model_that_the_configuration_has_lost_shows_what_is_known(visitor: Visitor) -> None:
    words = words_of(await card(visitor, GONE))
    assert "No longer here." in words
    assert "Rating" in words
    assert "First token" in words
    assert "Organisation" not in words
    assert "No longer here" not in words_of(await card(visitor, PLAIN))


async def test_a_name_is_percent_encoded_and_shown_as_text(visitor: Visitor) -> None:
    page = (await visitor.gets("/models")).text
    assert f'href="{path_of(ODD)}"' in page
    found = await card(visitor, ODD)
    assert ODD in words_of(found)
    assert "<b>" not in found


@pytest.mark.parametrize("name", ["Nobody", "aurora", "", "Aurora%2F", "..%2F..%2Fconfig.toml", "%00", "%FF%FE"])
async def test_an_unknown_name_is_not_found(visitor: Visitor, name: str) -> None:
    reply = await visitor.gets(f"/models/{name}")
    assert reply.status_code == 404
    assert "There is no model of this name here." in reply.text


# The list


async def test_the_list_has_every_model_in_the_boards_order_and_those_that_left_apart(visitor: Visitor) -> None:
    rows = (await visitor.gets("/leaderboard.json")).json()["standings"]
    ranked = [row["name"] for row in rows if row["name"] != GONE]
    assert await listed(visitor) == [*ranked, LONE, GONE]
    page = (await visitor.gets("/models")).text
    assert GONE not in page[: page.index('id="gone"')]
    assert "In battles only" in page


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("  AURORA ", {PLAIN}),
        ("works", {PLAIN, ODD}),
        ("works southern", {ODD}),
        ("mit", {PLAIN}),
        ("met nobody", {LONE}),
        ("images", {PLAIN}),
        ("gone", {GONE}),
        ("<b>", {ODD}),
        ("works nonsense", set()),
    ],
)
async def test_a_search_finds_cards_with_all_its_words(visitor: Visitor, words: str, names: set[str]) -> None:
    assert set(await listed(visitor, words)) == names


async def test_a_search_says_what_was_sought_and_leads_back(visitor: Visitor) -> None:
    page = (await visitor.gets("/models?" + urlencode({"q": '"><script>x'}))).text
    assert '0 of 5 models have “ "><script>x ”.' in words_of(page)
    assert "<script>x" not in page
    assert 'value="&#34;&gt;&lt;script&gt;x"' in page
    assert '<a class="button" href="/models">All 5</a>' in page


async def test_an_arena_without_votes_lists_its_models(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        assert await listed(visitor) == list(MODELS)


# Who leads to a card


async def test_the_board_and_every_header_lead_to_cards(visitor: Visitor) -> None:
    board = (await visitor.gets("/leaderboard")).text
    for name in (PLAIN, ODD, GONE, NEWCOMER):
        assert f'href="{path_of(name)}"' in board
    assert 'href="/models">Models</a>' in (await visitor.gets("/")).text


async def test_a_battle_leads_to_cards_only_once_it_is_voted_on(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        cues = await visitor.starts()
        pages = [await visitor.sees()]
        await visitor.hears(cues)
        pages.append(await visitor.sees())
        assert not any("/models/" in page for page in pages)
        await visitor.votes("a")
        page = await visitor.sees()
        for name in MODELS:
            assert f'<a href="{path_of(name)}">{name}</a>' in page


async def test_a_blind_battle_moves_no_card(tmp_path: Path) -> None:
    async with open_house(tmp_path, leaderboard={"refresh_seconds": 0.001}) as house, house.visitor() as visitor:
        paths = ["/models", *map(path_of, MODELS)]
        before = [(await visitor.gets(path)).text for path in paths]
        await visitor.plays()
        assert [(await visitor.gets(path)).text for path in paths] == before
        await visitor.votes("a")
        after = [(await visitor.gets(path)).text for path in paths]
        assert all(page not in before for page in after)


# The settings


def configured(*models: dict[str, Any], engines: tuple[dict[str, Any], ...] = ()) -> Config:
    tables = {"models": list(models), "engines": list(engines), "providers": PROVIDERS}
    return parse(tables, Path("/etc/arena/config.toml"), {})


ENGINES = (
    {"name": "short", "checkpoint": "x", "max_model_len": 4096},
    {"name": "long", "checkpoint": "x", "max_model_len": 8192},
    {"name": "open", "checkpoint": "x"},
)


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        ({"backends": ["long"]}, 8192),
        ({"backends": ["long", "short"]}, 4096),
        ({"backends": ["long", "open"]}, None),
        ({"backends": ["long", "seeded"]}, None),
        ({"backends": ["seeded"]}, None),
        ({"backends": ["seeded"], "context_length": 1000}, 1000),
        ({"backends": ["short"], "context_length": 1000}, 1000),
    ],
)
def test_the_context_is_what_is_said_or_what_all_engines_take(
    settings: dict[str, Any], length: int | None
) -> None:
    config = configured({"name": PLAIN} | settings, engines=ENGINES)
    assert config.context_length(config.models[0]) == length


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "data:text/html,x", "//works.example", "works.example", "https://", "https://a b"],
)
def test_a_link_that_is_no_address_of_a_web_page_is_refused(link: str) -> None:
    with pytest.raises(ConfigError, match=r'models\[0\] \("Aurora"\)\.link: is no address of a web page'):
        configured({"name": PLAIN, "backends": ["seeded"], "link": link})


@pytest.mark.parametrize("link", ["", "http://works.example", "HTTPS://works.example/a?b#c"])
def test_a_link_to_a_web_page_is_taken(link: str) -> None:
    assert configured({"name": PLAIN, "backends": ["seeded"], "link": link}).models[0].link == link
