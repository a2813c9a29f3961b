"""What the operator looks through: battles and their texts, voters who are set aside and restored, and exports."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from arena.export import FORMATS
from tests.crowd import Crowd, names, vote
from tests.house import MODELS, House, Visitor
from tests.operator import BEARER, BROWSER, TOKEN, VARIABLE, log_in, open_guarded

QUICK: dict[str, Any] = {"leaderboard": {"refresh_seconds": 0.001}}
OPERATORS = ("/admin", "/admin/battles", "/admin/voters", "/admin/export")
SIX = names(6)


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_guarded(tmp_path, **QUICK) as found:
        yield found


@pytest.fixture
async def operator(house: House) -> AsyncIterator[Visitor]:
    """Somebody who has logged in."""
    async with house.visitor() as found:
        assert await log_in(found) == 303
        yield found


def words_of(html: str) -> str:
    """A page without its markup, white space folded."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


async def page(visitor: Visitor, path: str) -> str:
    reply = await visitor.gets(path)
    assert reply.status_code == 200, reply.text
    return reply.text


async def crowd(house: House, votes: int = 300, **more: Any) -> None:
    vote(house.config.path("arena.db"), Crowd(SIX, votes, **more))


# Who may see them


@pytest.mark.parametrize("path", [*OPERATORS, "/admin/battles/x"])
async def test_without_a_login_there_is_only_the_form(visitor: Visitor, path: str) -> None:
    reply = await visitor.gets(path)
    assert reply.status_code == 401
    reply = await visitor.gets(path, **BROWSER)
    assert reply.status_code == 401
    assert 'action="/admin/login"' in reply.text
    assert not any(name in reply.text for name in MODELS)


@pytest.mark.parametrize("path", ["/admin/voters/set-aside", "/admin/voters/restore"])
async def test_without_a_login_nobody_is_set_aside(house: House, visitor: Visitor, path: str) -> None:
    await crowd(house, 20)
    assert (await visitor.posts(path, voter="voter-001", because="x")).status_code == 401
    assert await house.sql("SELECT count(*) FROM voters WHERE set_aside_at IS NOT NULL") == [(0,)]


async def test_another_site_cannot_set_anybody_aside(house: House, operator: Visitor) -> None:
    await crowd(house, 20)
    form, elsewhere = {"voter": "voter-001", "because": "x"}, {"sec-fetch-site": "cross-site"}
    reply = await operator.http.post("/admin/voters/set-aside", data=form, headers=elsewhere)
    assert reply.status_code == 403
    assert await house.sql("SELECT count(*) FROM voters WHERE set_aside_at IS NOT NULL") == [(0,)]


@pytest.mark.parametrize("path", ["/admin", "/admin/battles?q=two+words", "/admin/voters"])
async def test_a_login_leads_to_the_page_that_was_asked_for(visitor: Visitor, path: str) -> None:
    form = (await visitor.gets(path, **BROWSER)).text
    [to] = re.findall(r'<input type="hidden" name="to" value="([^"]*)"', form)
    reply = await visitor.posts("/admin/login", token=TOKEN, to=unescape(to))
    assert reply.headers["location"] == path


@pytest.mark.parametrize(
    "to",
    ["", "https://evil.example", "//evil.example", "/admin//evil", "/administer", "/admin/login", "/admin\\x"],
)
async def test_a_login_leads_nowhere_else(visitor: Visitor, to: str) -> None:
    reply = await visitor.posts("/admin/login", token=TOKEN, to=to)
    assert reply.headers["location"] in ("/admin", "/admin//evil")


# The entry


async def test_the_entry_tells_how_much_there_is_and_leads_everywhere(house: House, operator: Visitor) -> None:
    await crowd(house, 30, voters=3)
    found = await page(operator, "/admin")
    assert "30 battles 0 being written 30 votes the leaderboard 3 voters 0 set aside 2 of 2 models up" in words_of(
        found
    )
    for path in (*OPERATORS[1:3], "/admin/models", "/readyz", "/healthz", "/metrics", "/leaderboard"):
        assert f'href="{path}"' in found
        assert (await operator.gets(path)).status_code == 200


# Battles


async def test_a_battle_is_listed_as_soon_as_it_begins(operator: Visitor) -> None:
    cues = await operator.starts("Is <b>tea</b> better than coffee?")
    found = words_of(await page(operator, "/admin/battles"))
    assert "Is <b>tea</b> better than coffee?" in found
    assert all(name in found for name in MODELS)
    await operator.hears(cues)
    await operator.votes("both_bad")
    assert "Both are bad" in words_of(await page(operator, "/admin/battles"))


@pytest.mark.parametrize("words", ["COFFEE", "because a%", "_gotcha", "second question"])
async def test_a_search_finds_words_of_prompts_and_answers(operator: Visitor, words: str) -> None:
    await operator.plays("Tea or coffee?", "Because A% is right.", "It is a _gotcha.")
    await operator.hears(await operator.asks("A second question?"))
    wanted = operator.key
    await operator.plays("Something else, with 100 %.", "Because AB is.", "No gotcha.")
    reply = await operator.http.get("/admin/battles", params={"q": words})
    assert f"/admin/battles/{wanted}" in reply.text
    assert f"/admin/battles/{operator.key}" not in reply.text


async def test_a_battle_is_found_by_its_id(operator: Visitor) -> None:
    await operator.plays()
    assert f"/admin/battles/{operator.key}" in await page(operator, f"/admin/battles?q={operator.key}")
    assert "No battle is like that." in await page(operator, "/admin/battles?q=nonsense")


async def test_older_battles_are_a_page_away(house: House, operator: Visitor) -> None:
    await crowd(house, 120)
    path, seen = "/admin/battles?q=about", list[str]()
    while path:
        found = await page(operator, path)
        seen += re.findall(r'href="(/admin/battles/[^"]+)"', found)
        more = re.search(r'href="([^"]+)">Older ones', found)
        path = unescape(more[1]) if more else ""
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True), "the newest first"


async def test_the_battles_of_one_voter_are_listed_alone(house: House, operator: Visitor) -> None:
    await crowd(house, 40, voters=4)
    [(count,)] = await house.sql("SELECT count(*) FROM votes WHERE voter_id = 'voter-002'")
    assert (await page(operator, "/admin/battles?voter=voter-002")).count('<th scope="row"') == count


async def test_a_search_that_is_too_long_is_refused(operator: Visitor) -> None:
    assert (await operator.gets(f"/admin/battles?q={'x' * 201}")).status_code == 422


async def test_a_battle_is_shown_in_full_text_with_its_models_and_its_vote(operator: Visitor) -> None:
    await operator.plays("Why?\n\nReally, why?", "**Because** <script>alert(1)</script>", "No idea.")
    await operator.votes("b")
    found = await page(operator, f"/admin/battles/{operator.key}")
    assert "<strong>Because</strong>" in found
    assert "<script>alert" not in found
    assert "Really, why?" in found
    shown = words_of(found)
    assert all(name in shown for name in MODELS)
    assert "drawn with probability 1" in shown
    assert "Vote B is better" in shown
    assert re.search(r"Categories .*language:en|Categories \w+", shown)
    assert "Counts yes" in shown


async def test_a_battle_that_told_who_was_answering_says_that_it_does_not_count(operator: Visitor) -> None:
    await operator.plays("Are you Aurora Prime?")
    await operator.votes("a")
    found = words_of(await page(operator, f"/admin/battles/{operator.key}"))
    assert "Counts no: a prompt or an answer told, or asked, who was answering" in found


async def test_a_battle_that_is_not_there_is_not_found(operator: Visitor) -> None:
    assert (await operator.gets("/admin/battles/nonsense")).status_code == 404


# Voters


async def test_voters_are_listed_by_their_votes(house: House, operator: Visitor) -> None:
    await crowd(house, 60, voters=5)
    rows = await house.sql("SELECT voter_id, count(*) FROM votes GROUP BY voter_id ORDER BY 2 DESC, 1")
    found = await page(operator, "/admin/voters")
    listed = re.findall(
        r"<code>(voter-\d+)</code>.*?data-label=\"Votes\" class=\"number\">(\d+)<", found, re.DOTALL
    )
    assert listed == [(voter, str(count)) for voter, count in rows]
    assert words_of(await page(operator, "/admin/voters?q=voter-003")).count("voter-003") >= 1
    assert "voter-001" not in words_of(await page(operator, "/admin/voters?q=voter-003"))


async def test_voters_come_in_pages(house: House, operator: Visitor) -> None:
    await crowd(house, 300, voters=70)
    first, second = [await page(operator, f"/admin/voters?page={number}") for number in (1, 2)]
    seen = re.findall(r"<code>(voter-\d+)</code>", first + second)
    assert len(seen) == len(set(seen)) == 70
    assert "page=2" in first
    for number in ("0", "x", "99999999"):
        assert (await operator.gets(f"/admin/voters?page={number}")).status_code == 422


async def test_a_voter_who_is_set_aside_leaves_the_board_and_comes_back(house: House, operator: Visitor) -> None:
    await crowd(house, 300, voters=5)
    before = (await operator.gets("/leaderboard.json")).json()
    [(count,)] = await house.sql("SELECT count(*) FROM votes WHERE voter_id = 'voter-001'")
    reply = await operator.posts("/admin/voters/set-aside", voter="voter-001", because="clicks <anything>")
    assert (reply.status_code, reply.headers["location"]) == (303, "/admin/voters")
    without = (await operator.gets("/leaderboard.json")).json()
    assert without["votes"] == before["votes"] - count
    assert without["left_out"]["set_aside"] == count
    assert without["standings"] != before["standings"]
    assert (await operator.gets("/leaderboard.json?set_aside=with")).json()["votes"] == before["votes"]
    assert "clicks <anything>" in words_of(await page(operator, "/admin/voters"))

    assert (await operator.posts("/admin/voters/restore", voter="voter-001")).status_code == 303
    after = (await operator.gets("/leaderboard.json")).json()
    assert after["digest"] == before["digest"]
    assert after["standings"] == before["standings"]
    assert await house.sql("SELECT count(*) FROM votes") == [(300,)]


@pytest.mark.parametrize(
    ("because", "words"), [("", "Say why"), (" \n ", "Say why"), ("x" * 501, "the limit is 500")]
)
async def test_setting_aside_needs_a_reason(house: House, operator: Visitor, because: str, words: str) -> None:
    await crowd(house, 20)
    reply = await operator.posts("/admin/voters/set-aside", voter="voter-001", because=because)
    assert reply.status_code == 422
    assert words in reply.text
    assert await house.sql("SELECT count(*) FROM voters WHERE set_aside_at IS NOT NULL") == [(0,)]


@pytest.mark.parametrize("path", ["/admin/voters/set-aside", "/admin/voters/restore"])
async def test_a_voter_who_is_not_there_is_not_found(operator: Visitor, path: str) -> None:
    assert (await operator.posts(path, voter="nobody", because="x")).status_code == 404


async def test_somebody_who_always_clicks_one_side_is_shown_with_the_evidence(
    house: House, operator: Visitor
) -> None:
    await crowd(house, 400, voters=5)
    await house.sql(
        "UPDATE ballots SET outcome = 0 WHERE id IN (SELECT ballot FROM votes WHERE voter_id = 'voter-003')"
    )
    found = words_of(await page(operator, "/admin/voters"))
    assert "Odd voters whose votes do not look like judgements" in found
    assert re.search(r"voter-003 almost always votes for side A [\d,.e+]+ to 1 \d+", found)


# Exports


async def download(operator: Visitor, kind: str, since: str = "") -> tuple[bytes, str]:
    reply = await operator.gets(f"/admin/export?format={kind}&since={since}")
    assert reply.status_code == 200
    [name] = re.findall(r'attachment; filename="([^"]+)"', reply.headers["content-disposition"])
    return reply.content, name


async def test_votes_are_downloaded_whole_in_each_format(house: House, operator: Visitor) -> None:
    await crowd(house, 450)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    content, name = await download(operator, "jsonl")
    assert name == f"arena-votes-{today}.jsonl"
    keys = [json.loads(line)["conversation_id"] for line in content.splitlines()]
    assert len(set(keys)) == 450
    content, name = await download(operator, "csv")
    assert name == f"arena-votes-{today}.csv"
    assert [row["conversation_id"] for row in csv.DictReader(io.StringIO(content.decode()))] == keys


async def test_votes_are_downloaded_as_parquet(house: House, operator: Visitor) -> None:
    from pyarrow import parquet

    await crowd(house, 450)
    content, name = await download(operator, "parquet")
    assert name.endswith(".parquet")
    assert parquet.read_table(io.BytesIO(content)).num_rows == 450


@pytest.mark.parametrize("kind", FORMATS)
async def test_every_format_has_a_button_and_an_empty_file(operator: Visitor, kind: str) -> None:
    assert f'name="format" value="{kind}"' in await page(operator, "/admin")
    assert (await download(operator, kind))[1].startswith("arena-votes-")


async def test_only_votes_since_a_day_are_downloaded(house: House, operator: Visitor) -> None:
    await crowd(house, 100)
    [(count,)] = await house.sql("SELECT count(*) FROM votes WHERE created_at >= '2026-11-18'")
    content, _ = await download(operator, "jsonl", "2026-11-18")
    assert 0 < len(content.splitlines()) == count < 100


@pytest.mark.parametrize("query", ["format=xml", "since=yesterday"])
async def test_an_export_that_cannot_be_is_refused(operator: Visitor, query: str) -> None:
    assert (await operator.gets(f"/admin/export?{query}")).status_code == 422


async def test_a_program_takes_the_votes_with_the_token(house: House, visitor: Visitor) -> None:
    await crowd(house, 20)
    reply = await visitor.gets("/admin/export?format=jsonl", **BEARER)
    assert len(reply.text.splitlines()) == 20
