"""The leaderboard's pages: each setting of the address, the order, what is left out, and the files."""

import csv
import io
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from arena.board import Standing
from arena.views.gallery import moments
from arena.views.look import PARAMETERS
from arena.views.standings import Row, as_csv
from tests.crowd import NOW, Crowd, names, vote
from tests.house import MODELS, House, Visitor, open_house

SIX = names(6)
NEWCOMER = "Newcomer"
QUICK: dict[str, Any] = {"refresh_seconds": 0.001, "min_votes": 30}


def models() -> list[dict[str, Any]]:
    """Six models: the first with all that can be known of one, the last with nothing."""
    told = [
        {"organisation": f"Works {number}", "licence": "MIT", "price_in": 1.0 + number, "price_out": 5.0}
        for number in range(5)
    ]
    return [{"name": name, "backends": ["seeded"]} | more for name, more in zip(SIX, [*told, {}], strict=True)]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An arena in which a crowd has voted, and a newcomer has three votes."""
    providers = [{"name": "seeded", "format": "script"}]
    async with open_house(tmp_path, models=models(), providers=providers, leaderboard=QUICK) as found:
        vote(found.config.path("arena.db"), Crowd(SIX, 600, leaks=0.05))
        vote(found.config.path("arena.db"), Crowd((NEWCOMER, SIX[0]), 3, days=1, seed=5))
        yield found


def words_of(html: str) -> str:
    """A page without its markup, white space folded."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def column(html: str, label: str, part: int = 0) -> list[str]:
    """The cells of a column of one of the page's tables; `Model` are the names of the rows."""
    table = re.findall(r"<table.*?</table>", html, re.DOTALL)[part]
    pattern = r'<th scope="row".*?</th>' if label == "Model" else rf'<td data-label="{re.escape(label)}".*?</td>'
    return [words_of(cell) for cell in re.findall(pattern, table, re.DOTALL)]


async def board(visitor: Visitor, **query: str) -> str:
    """The page at an address that it is left at."""
    reply = await visitor.gets(f"/leaderboard{'?' + urlencode(query) if query else ''}")
    assert reply.status_code == 200, reply.text
    return reply.text


async def data(visitor: Visitor, **query: str) -> dict[str, Any]:
    reply = await visitor.gets(f"/leaderboard.json?{urlencode(query)}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


# The board


async def test_an_empty_board_invites_to_a_battle(visitor_of_an_empty_arena: Visitor) -> None:
    page = await board(visitor_of_an_empty_arena)
    assert "No votes yet" in words_of(page)
    assert '<a class="button main" href="/">Start a battle</a>' in page
    for path in ("pictures", "history", "fragile", "method"):
        assert (await visitor_of_an_empty_arena.gets(f"/leaderboard/{path}")).status_code == 200
    assert (await data(visitor_of_an_empty_arena))["votes"] == 0


@pytest.fixture
async def visitor_of_an_empty_arena(tmp_path: Path) -> AsyncIterator[Visitor]:
    async with open_house(tmp_path / "empty", leaderboard=QUICK) as house, house.visitor() as visitor:
        yield visitor


async def test_a_vote_reaches_the_board(tmp_path: Path) -> None:
    (tmp_path / "fresh").mkdir()
    async with open_house(tmp_path / "fresh", leaderboard=QUICK) as house, house.visitor() as visitor:
        await visitor.plays()
        assert "No votes yet" in words_of(await board(visitor))
        await visitor.votes("a")
        page = words_of(await board(visitor))
        assert "1 vote of 1 voter" in page
        assert all(name in page for name in MODELS)
        assert "Too few votes to be listed" in page


async def test_it_shows_each_model_with_its_numbers(visitor: Visitor) -> None:
    page = await board(visitor)
    best = (await data(visitor))["standings"][0]
    assert column(page, "Model")[0] == best["name"]
    assert column(page, "Rating")[0] == f"{best['rating']:,.0f}"
    assert column(page, "95 % interval")[0] == f"{best['low']:,.0f} to {best['high']:,.0f}"
    assert column(page, "Votes")[0] == str(best["votes"])
    assert column(page, "Win rate")[0] == f"{100 * best['win_rate']:.1f} %"
    assert column(page, "Both bad")[0] == f"{100 * best['both_bad_rate']:.1f} %"


async def test_a_rank_is_a_set(visitor: Visitor) -> None:
    ranks = column(await board(visitor), "Rank")
    assert any(re.fullmatch(r"\d+\N{EN DASH}\d+", rank) for rank in ranks)
    assert ranks[0].startswith("1")


async def test_models_with_too_few_votes_stand_apart_without_a_rank(visitor: Visitor) -> None:
    page = await board(visitor)
    assert NEWCOMER not in column(page, "Model")
    assert [name.partition(" has ")[0] for name in column(page, "Model", part=1)] == [NEWCOMER]
    assert column(page, "Rank", part=1) == ["\N{EN DASH}"]
    assert "fewer than 30 votes" in words_of(page)


async def test_every_dot_stands_where_its_rating_is(house: House, visitor: Visitor) -> None:
    newcomer = f"(SELECT id FROM entrants WHERE name = '{NEWCOMER}')"
    await house.sql(f"UPDATE ballots SET outcome = (a = {newcomer}) WHERE {newcomer} IN (a, b)")  # it loses
    page = await board(visitor)
    dots = [float(x) for x in re.findall(r'<circle class="dot" cx="([\d.]+)%"', page)]
    ratings = [int(cell.replace(",", "")) for part in (0, 1) for cell in column(page, "Rating", part=part)]
    slope = (dots[0] - dots[-2]) / (ratings[0] - ratings[-2])  # the last one is the newcomer
    for dot, rating in zip(dots, ratings, strict=True):
        assert dot == pytest.approx(dots[0] + slope * (rating - ratings[0]), abs=1)


async def test_a_battle_without_a_vote_moves_no_number(tmp_path: Path) -> None:
    """A speed that changed would tell who answered it."""
    (tmp_path / "fresh").mkdir()
    async with open_house(tmp_path / "fresh", leaderboard=QUICK) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.votes("a")
        before = (await data(visitor))["standings"]
        assert before[0]["first_token_ms"] is not None
        await visitor.plays()
        await house.sql(
            "UPDATE answers SET first_token_ms = first_token_ms + 5000 WHERE conversation_id NOT IN "
            "(SELECT conversation_id FROM votes)"
        )
        assert (await data(visitor))["standings"] == before
        await visitor.votes("a")
        assert (await data(visitor))["standings"] != before


async def test_a_model_whose_place_no_vote_fixes_says_why(house: House, visitor: Visitor) -> None:
    await house.sql(f"UPDATE ballots SET outcome = 0 WHERE a = (SELECT id FROM entrants WHERE name = '{SIX[0]}')")
    await house.sql(f"UPDATE ballots SET outcome = 1 WHERE b = (SELECT id FROM entrants WHERE name = '{SIX[0]}')")
    page = words_of(await board(visitor))
    assert f"{SIX[0]} has lost no point to the others, so no vote says how far above them it is" in page
    assert "owe their rating to a weak prior" in page


async def test_it_says_how_many_votes_are_left_out_and_why(house: House, visitor: Visitor) -> None:
    [(leaks,)] = await house.sql("SELECT count(*) FROM ballots WHERE is_leak = 1")
    assert leaks > 0
    page = words_of(await board(visitor))
    assert f"{603 - leaks} votes of 25 voters, {leaks} left out" in page
    assert f"{leaks} votes are left out {leaks} : a prompt or an answer told" in page.replace(":", " :")
    method = words_of((await visitor.gets("/leaderboard/method")).text)
    assert f"Of 603 votes so far, {leaks} ( {100 * leaks / 603:.1f} %) are left out" in method.replace("(", "( ")


async def test_it_shows_the_digest_that_others_can_compare(visitor: Visitor) -> None:
    assert (await data(visitor))["digest"] in await board(visitor)


async def test_a_price_is_blended_and_a_model_without_one_shows_nothing(visitor: Visitor) -> None:
    prices = {row["name"]: row["price"] for row in (await data(visitor))["standings"]}
    assert prices[SIX[0]] == (3 * 1.0 + 5.0) / 4
    assert prices[SIX[5]] is None
    page = await board(visitor)
    assert dict(zip(column(page, "Model"), column(page, "Price, USD"), strict=True))[SIX[5]] == ""


async def test_columns_that_nothing_is_known_for_are_not_shown(tmp_path: Path) -> None:
    bare = [{"name": name, "backends": ["seeded"]} for name in SIX]
    (tmp_path / "bare").mkdir()
    providers = [{"name": "seeded", "format": "script"}]
    async with (
        open_house(tmp_path / "bare", models=bare, providers=providers) as house,
        house.visitor() as visitor,
    ):
        vote(house.config.path("arena.db"), Crowd(SIX, 300))
        page = await board(visitor)
    assert "Price" not in page
    assert "Organisation" not in page
    assert "First token" in page


async def test_every_page_leads_to_the_board(visitor: Visitor) -> None:
    for path in ("/", "/leaderboard/method", "/nowhere"):
        assert '<a href="/leaderboard">Leaderboard</a>' in (await visitor.gets(path)).text


# The order


@pytest.mark.parametrize(
    ("order", "of"),
    [
        ("rating", lambda row: -row["rating"]),
        ("-rating", lambda row: row["rating"]),
        ("name", lambda row: row["name"].casefold()),
        ("votes", lambda row: -row["votes"]),
        ("win_rate", lambda row: -row["win_rate"]),
        ("both_bad_rate", lambda row: row["both_bad_rate"]),
        ("price", lambda row: (row["price"] is None, row["price"])),
        ("-price", lambda row: (row["price"] is None, -(row["price"] or 0))),
        ("tokens_per_second", lambda row: -row["tokens_per_second"]),
        ("first_token_ms", lambda row: row["first_token_ms"]),
    ],
)
async def test_rows_are_in_the_order_of_the_address(visitor: Visitor, order: str, of: Any) -> None:
    rows = [row for row in (await data(visitor, order=order))["standings"] if row["is_listed"]]
    assert [of(row) for row in rows] == sorted(of(row) for row in rows)
    assert column(await board(visitor, order=order), "Model") == [row["name"] for row in rows]


async def test_the_heads_of_columns_are_links_that_sort(visitor: Visitor) -> None:
    page = await board(visitor, category="code")
    [href] = re.findall(r'<a href="([^"]+)"[^>]*>Votes', page.partition("</thead>")[0])
    page = (await visitor.gets(unescape(href))).text
    assert 'aria-sort="descending"' in page
    votes = [int(cell) for cell in column(page, "Votes")]
    assert votes == sorted(votes, reverse=True)
    assert "order=-votes" in page, "a second click turns it round"
    assert "category=code" in page


# Every view has its own address


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ({"category": "code"}, {"category": "code"}),
        ({"style": "on"}, {"is_style_controlled": True}),
        ({"anytime": "on"}, {"is_anytime": True}),
        ({"weighted": "on"}, {"is_weighted": True}),
        ({"set_aside": "with"}, {"has_set_aside": True}),
        ({"since": "2026-11-15"}, {"since": "2026-11-15"}),
        ({"until": "2026-11-15"}, {"until": "2026-11-15"}),
        ({"intervals": "votes"}, {"clusters": "votes"}),
    ],
)
async def test_a_setting_of_the_address_changes_the_board(
    visitor: Visitor, query: dict[str, str], view: dict[str, Any]
) -> None:
    plain, other = await data(visitor), await data(visitor, **query)
    assert other["view"] == plain["view"] | view
    assert not other["is_plain"]
    assert column(await board(visitor, **query), "Rating") == [
        f"{row['rating']:,.0f}" for row in other["standings"] if row["is_listed"]
    ]


async def test_a_category_and_days_look_at_fewer_votes(visitor: Visitor) -> None:
    plain = await data(visitor)
    assert (await data(visitor, category="code"))["votes"] == plain["categories"]["code"] < plain["votes"]
    assert (await data(visitor, since="2026-11-15"))["votes"] < plain["votes"]
    assert (await data(visitor, until=NOW.date().isoformat()))["votes"] == plain["votes"]


async def test_style_control_shows_what_looks_are_worth(visitor: Visitor) -> None:
    page = words_of(await board(visitor, style="on"))
    assert "What looks are worth" in page
    assert all(look in page for look in ("Length", "Headings", "List items", "Bold text", "Code blocks"))
    assert "What looks are worth" not in words_of(await board(visitor))


async def test_the_anytime_view_is_wider(visitor: Visitor) -> None:
    plain, sure = await data(visitor), await data(visitor, anytime="on")
    widths = [[row["high"] - row["low"] for row in found["standings"]] for found in (plain, sure)]
    assert all(one < other for one, other in zip(*widths, strict=True))


async def test_a_form_leads_to_the_shortest_address_of_its_view(visitor: Visitor) -> None:
    query = "category=all&order=rank&since=&until=&style=on"
    reply = await visitor.gets(f"/leaderboard?{query}")
    assert (reply.status_code, reply.headers["location"]) == (303, "/leaderboard?style=on")
    assert (await visitor.gets("/leaderboard?category=all")).headers["location"] == "/leaderboard"


async def test_the_form_shows_the_view_it_belongs_to(visitor: Visitor) -> None:
    page = await board(visitor, category="code", anytime="on", since="2026-11-15")
    assert re.search(r'<option value="code" selected>Code \(\d+\)', page)
    assert 'name="anytime" value="on" checked' in page
    assert 'name="since" value="2026-11-15"' in page
    assert page.count(" checked") == 1


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("category=nonsense", 404, "no votes in the category nonsense"),
        ("order=nonsense", 422, "There is no column “nonsense”"),
        ("style=yes", 422, "“style” is “on”, or is left out"),
        ("set_aside=on", 422, "“set_aside” is “with”, or is left out"),
        ("intervals=voters", 422, "“intervals” is “votes”"),
        ("since=yesterday", 422, "“since” is a day like 2026-01-31"),
        ("since=2026-02-30", 422, "“since” is a day like"),
        ("since=2026-11-20&until=2026-11-19", 422, "The first day (2026-11-20) is after the last one"),
        ("still=yes", 422, "“still” is “on”"),
        ("colour=red", 422, "The board knows no “colour”. An address may have: category"),
        ("style=on&weighted=on", 422, "drop one of the two"),
        ("category=%3Cscript%3E", 404, "category &lt;script&gt;"),
    ],
)
async def test_what_an_address_cannot_mean_is_said(visitor: Visitor, query: str, status: int, words: str) -> None:
    for path in ("/leaderboard", "/leaderboard.csv", "/leaderboard.json", "/leaderboard/pictures"):
        reply = await visitor.gets(f"{path}?{query}")
        assert reply.status_code == status
        assert words in reply.text


def test_every_parameter_is_tried_here_and_told_in_the_docs() -> None:
    docs = (Path(__file__).parent.parent / "docs" / "leaderboard.md").read_text("utf-8")
    assert not [name for name in PARAMETERS if name != "seen" and f"`{name}" not in docs]


# Files


@pytest.mark.parametrize("query", [{}, {"category": "code", "order": "-votes"}, {"style": "on", "order": "name"}])
async def test_the_files_hold_what_the_page_shows(visitor: Visitor, query: dict[str, str]) -> None:
    page = await board(visitor, **query)
    shown = [name.partition(" has ")[0] for part in (0, 1) for name in column(page, "Model", part=part)]
    reply = await visitor.gets(f"/leaderboard.csv?{urlencode(query)}")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    told = (await data(visitor, **query))["standings"]
    assert [row["name"] for row in rows] == [row["name"] for row in told]
    assert shown[: len(rows)] == [row["name"] for row in rows]
    for row, other in zip(rows, told, strict=True):
        assert row == {name: "" if value is None else str(value) for name, value in other.items()}


async def test_the_page_links_to_the_files_of_its_own_view(visitor: Visitor) -> None:
    page = await board(visitor, category="code", still="on")
    assert 'href="/leaderboard.csv?category=code"' in page
    assert 'href="/leaderboard.json?category=code"' in page
    reply = await visitor.gets("/leaderboard.csv?category=code")
    assert re.fullmatch(
        r'attachment; filename="leaderboard-\d{4}-\d\d-\d\d.csv"', reply.headers["content-disposition"]
    )


def test_a_spreadsheet_computes_no_name() -> None:
    names = ['=cmd|" /C calc"!A0', "+1", "-1", "@SUM(A1)", "Plain - and @ simple"]
    rows = [Row(Standing(name, -5.0, -9.0, 1.0, 1, 1, 1, 9, 4, 5, 0, 0, True, None)) for name in names]
    told = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [row["name"] for row in told] == [*(f"'{name}" for name in names[:4]), names[4]]
    assert told[0]["rating"] == "-5.0"


# Live


def poll_of(page: str) -> str:
    [address] = re.findall(r'id="board"[^>]* hx-get="([^"]+)"', page)
    return unescape(address)


async def test_an_open_board_hears_of_new_votes_and_of_nothing_else(house: House, visitor: Visitor) -> None:
    poll = poll_of(await board(visitor))
    assert (await visitor.gets(poll)).status_code == 204
    vote(house.config.path("arena.db"), Crowd(SIX, 10, seed=9))
    reply = await visitor.gets(poll)
    assert reply.status_code == 200
    assert poll_of(reply.text) != poll


async def test_a_board_that_is_told_to_be_still_does_not_ask_again(visitor: Visitor) -> None:
    page = await board(visitor, category="code", still="on")
    assert 'hx-trigger="every' not in page
    assert 'href="/leaderboard?category=code">Keep up to date' in page
    assert 'href="/leaderboard?category=code&amp;still=on">Stop refreshing' in await board(
        visitor, category="code"
    )


async def test_it_asks_as_often_as_config_toml_says(tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    async with (
        open_house(tmp_path / "slow", leaderboard={"refresh_seconds": 7.5}) as house,
        house.visitor() as visitor,
    ):
        assert 'hx-trigger="every 7.5s"' in await board(visitor)


# What is beside it


async def test_pictures_have_a_table_each(visitor: Visitor) -> None:
    page = (await visitor.gets("/leaderboard/pictures?category=code")).text
    headings = [words_of(heading) for heading in re.findall(r"<h2.*?</h2>", page)]
    assert headings == [
        "Ratings and their 95 % intervals",
        "Share of wins, as the ratings predict",
        "Share of wins, as they were voted",
        "Battles between two models",
        "Rating and price",
        "Rating and speed",
        "Rating and time to the first token",
        "Votes per day",
        "Ratings over time",
    ]
    assert page.count('<svg class="picture"') == page.count("<summary>The same as a table</summary>") == 8
    assert 'hx-get="/leaderboard/history?category=code"' in page


async def test_ratings_over_time_are_the_boards_of_those_days(visitor: Visitor) -> None:
    page = (await visitor.gets("/leaderboard/history")).text
    heads = re.findall(r'<th scope="col">(\d{4}-\d\d-\d\d)</th>', page)
    assert heads[-1] == NOW.date().isoformat()
    earlier = await data(visitor, until=heads[-3])
    best = next(row for row in earlier["standings"] if row["is_listed"])
    row = re.search(rf'<th scope="row">{re.escape(best["name"])}</th>(.*?)</tr>', page)
    assert row
    assert re.findall(r"<td>(.*?)</td>", row[1])[-3] == f"{best['rating']:,.0f}"


@pytest.mark.parametrize("span", [0, 1, 13, 14, 100, 5000])
def test_moments_are_few_and_end_with_the_last_day(span: int) -> None:
    first = NOW.date()
    last = first.fromordinal(first.toordinal() + span)
    found = moments([first, last], 14)
    assert len(found) <= 14
    assert found[-1] == last
    assert found[0] >= first
    assert found == sorted(set(found))
    assert moments([], 14) == []


async def test_neighbours_say_how_few_votes_hold_them_apart(visitor: Visitor) -> None:
    page = (await visitor.gets("/leaderboard/fragile")).text
    names_of_rows = column(await board(visitor), "Model")
    assert column(page, "Model") == names_of_rows[:-1]
    assert column(page, "Below") == names_of_rows[1:]
    assert all(re.fullmatch(r"[\d,]+|no removal does", cell) for cell in column(page, "Votes"))


async def test_the_method_explains_each_number_with_its_formula(visitor: Visitor) -> None:
    page = (await visitor.gets("/leaderboard/method")).text
    assert page.count("<math") == 10
    assert '<code class="math">' not in page
    for words in ("Rating", "95 % interval", "Rank", "Sure at every look", "Which votes count", "Known limits"):
        assert f">{words}</h2>" in page


async def test_nothing_on_these_pages_is_kept_by_a_cache(visitor: Visitor) -> None:
    for path in ("", ".csv", ".json", "/pictures", "/history", "/fragile", "/method"):
        assert (await visitor.gets(f"/leaderboard{path}")).headers["cache-control"] == "no-store"
