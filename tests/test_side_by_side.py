"""Two models that the visitor has chosen, side by side: over HTTP, as a browser without JavaScript plays it."""

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from arena.appraisal import Appraiser
from arena.config import parse
from arena.conversation import SIDES, Side
from arena.export.named import export_named
from arena.providers.script import Cue, CuedBackend
from arena.store import open_store
from tests.battles import exported
from tests.house import MODELS, House, Visitor, open_house, tables

AURORA, BOREALIS = MODELS
BOTH = {"mode": "side_by_side", "a": BOREALIS, "b": AURORA}


async def opens(visitor: Visitor, prompt: str = "Why is the sky blue?", **form: str) -> dict[Side, Cue]:
    """Have both models asked, the second one on side a; returns their cues."""
    reply = await visitor.posts("/conversations", **BOTH | {"prompt": prompt} | form)
    assert reply.status_code == 303, reply.text
    visitor.path = reply.headers["location"]
    return await visitor.cues()


def main_of(page: str) -> str:
    return unescape(page[page.index("<main") : page.index("</main")])


# Choosing


async def test_two_models_are_chosen_and_named_from_the_start(visitor: Visitor) -> None:
    page = (await visitor.gets(f"/side-by-side?a={BOREALIS}&b={AURORA}")).text
    assert f'name="a" value="{BOREALIS}"' in page
    cues = await opens(visitor)
    assert visitor.backend("a").name == "borealis"
    page = await visitor.sees()
    assert f"{BOREALIS}<span" in page
    assert "votes here are kept, and never ranked" in page
    await visitor.hears(cues)


async def test_names_can_be_searched_without_a_script(visitor: Visitor) -> None:
    page = (await visitor.gets("/side-by-side")).text
    assert 'list="names"' in page
    assert all(f'<option value="{name}">' in page for name in MODELS)


async def test_a_second_one_is_drawn_by_lot_and_never_the_first(visitor: Visitor) -> None:
    for _ in range(5):
        reply = await visitor.gets(f"/side-by-side?a={AURORA}&b=random")
        assert reply.status_code == 303
        assert reply.headers["location"] == "/side-by-side?a=Aurora+Prime&b=Borealis+Nine"
    reply = await visitor.gets("/side-by-side?a=random&b=random")
    assert sorted(reply.headers["location"].partition("?")[2].replace("+", " ").split("&")) in (
        [f"a={AURORA}", f"b={BOREALIS}"],
        [f"a={BOREALIS}", f"b={AURORA}"],
    )


async def test_a_lonely_model_has_no_second_one(tmp_path: Path) -> None:
    async with open_house(tmp_path, models=tables()["models"][:1]) as house, house.visitor() as visitor:
        assert (await visitor.gets(f"/side-by-side?a={AURORA}&b=random")).status_code == 503


async def test_a_second_one_is_offered_from_the_first(visitor: Visitor) -> None:
    page = (await visitor.gets(f"/side-by-side?a={AURORA}")).text
    assert f'name="a" value="{AURORA}"' in page
    assert '<a class="button" href="/side-by-side?a=Aurora+Prime&amp;b=random">A random second one</a>' in page
    assert 'name="prompt"' not in page


async def test_a_model_does_not_meet_itself(visitor: Visitor) -> None:
    page = (await visitor.gets(f"/side-by-side?a={AURORA}&b=aurora+prime")).text
    assert "A model is not compared with itself." in page
    assert 'name="prompt"' not in page
    reply = await visitor.posts("/conversations", **BOTH | {"a": AURORA, "prompt": "Why?"})
    assert reply.status_code == 422


async def test_an_unknown_name_keeps_the_other_and_what_was_meant_is_a_link(visitor: Visitor) -> None:
    page = (await visitor.gets(f"/side-by-side?a={AURORA}&b=Boreal")).text
    assert "There is no model “Boreal” to choose here." in page
    assert 'href="?a=Aurora%20Prime&amp;b=Borealis%20Nine"' in page
    assert 'aria-invalid="true"' in page


async def test_a_missing_model_is_asked_for(visitor: Visitor) -> None:
    reply = await visitor.posts("/conversations", mode="side_by_side", a=AURORA, prompt="Why?")
    assert reply.status_code == 422
    assert "Choose a model first." in reply.text


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with open_house(tmp_path, modes={"side_by_side": False}) as house, house.visitor() as visitor:
        assert (await visitor.gets("/side-by-side")).status_code == 404
        assert (await visitor.posts("/conversations", **BOTH, prompt="Why?")).status_code == 404
        await visitor.plays()
        await visitor.votes("a")
        for path in ("/", "/models/Aurora%20Prime", visitor.path):
            assert "/side-by-side" not in (await visitor.gets(path)).text


async def test_a_card_leads_to_a_chat_and_to_a_comparison(visitor: Visitor) -> None:
    page = (await visitor.gets("/models/Aurora%20Prime")).text
    assert '<a class="button main" href="/chat?model=Aurora%20Prime">Chat with it</a>' in page
    assert '<a class="button" href="/side-by-side?a=Aurora%20Prime">Compare it with…</a>' in page


async def test_the_two_of_a_battle_go_on_side_by_side_once_their_names_are_out(visitor: Visitor) -> None:
    await visitor.plays()
    assert "/side-by-side?" not in await visitor.sees()
    await visitor.votes("a")
    page = unescape(await visitor.sees())
    assert "Go on with these two side by side" in page
    link = page.partition('class="button" href="/side-by-side?')[2].partition('"')[0]
    turned = unescape((await visitor.gets(f"/side-by-side?{link}")).text)
    assert 'name="prompt"' in turned


async def test_a_battle_whose_models_are_for_battles_alone_leads_nowhere(tmp_path: Path) -> None:
    models = [model | {"battle_only": True} for model in tables()["models"]]
    async with open_house(tmp_path, models=models) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.votes("a")
        assert "Go on with these two" not in await visitor.sees()


# Going on, and voting


async def test_both_answer_go_on_and_are_written_again(visitor: Visitor) -> None:
    await visitor.hears(await opens(visitor), "Light.", "Dust.")
    await visitor.hears(await visitor.asks("And then?"), "More light.", "More dust.")
    cue = await visitor.regenerates("a")
    cue.say("Other light.")
    cue.end()
    await visitor.waits()
    page = await visitor.sees()
    assert "Other light." in page
    assert "2 of 2" in page
    earlier = main_of((await visitor.gets(f"{visitor.path}/answers/2/a/1")).text)
    assert "More light." in earlier
    assert "Back to the conversation" in earlier


async def test_one_side_is_stopped_by_itself(visitor: Visitor) -> None:
    cues = await opens(visitor)
    cues["a"].say("Half")
    await cues["a"].heard()
    await visitor.posts(f"{visitor.path}/stop", side="a")
    cues["b"].say("Whole.")
    cues["b"].end()
    await visitor.waits()
    assert "You stopped this answer." in await visitor.sees()


async def test_the_stream_names_who_answers(visitor: Visitor) -> None:
    cues = await opens(visitor)
    async with visitor.watches() as stream:
        cues["a"].say("Light.")
        await stream.until("Light.")
        for side in SIDES:
            cues[side].end()
        await stream.to_the_end()
        assert f"{BOREALIS} (answer A)" in " ".join(stream.page.text.split())
        assert "Which answer is better?" in stream.page.text


async def test_an_answer_that_is_written_again_under_the_eyes_of_its_reader_keeps_its_name(
    visitor: Visitor,
) -> None:
    cues = await opens(visitor)
    cues["a"].say("Half")
    async with visitor.watches() as stream:
        await stream.until("Half")
        await visitor.posts(f"{visitor.path}/stop", side="a")
        cue = await visitor.regenerates("a")
        cue.say("Whole.")
        await stream.until("Whole.")
        assert BOREALIS in stream.page.inside("t1a-name")
        for one in (cue, cues["b"]):
            one.say("End.")
            one.end()
        await stream.to_the_end()


async def test_a_vote_is_kept_and_the_conversation_goes_on(visitor: Visitor, house: House) -> None:
    await visitor.hears(await opens(visitor))
    assert (await visitor.votes("a")).status_code == 303
    page = main_of(await visitor.sees())
    assert "You voted: A is better" in page
    assert "Keep asking" in page
    assert "Regenerate" not in page
    assert await house.sql("SELECT choice, turn, ballot FROM votes") == [("a", 1, None)]
    assert (await visitor.posts(f"{visitor.path}/regenerate")).status_code == 409
    await visitor.hears(await visitor.asks("And then?"))
    assert "Which answer is better?" in await visitor.sees()
    assert (await visitor.votes("tie")).status_code == 303
    assert "You voted: Tie" in main_of(await visitor.sees())
    assert await house.sql("SELECT choice, turn FROM votes") == [("a", 1)]


async def test_why_one_is_better_can_be_said(visitor: Visitor, house: House) -> None:
    await visitor.hears(await opens(visitor))
    assert "Say why" not in await visitor.sees()
    await visitor.votes("b")
    assert "Say why" in await visitor.sees()
    reply = await visitor.posts(f"{visitor.path}/remarks", comment="It rhymes.")
    assert reply.status_code == 303, reply.text
    assert "It rhymes." in await visitor.sees()
    assert await house.sql("SELECT comment FROM remarks") == [("It rhymes.",)]


async def test_votes_never_reach_the_board_its_counts_or_the_speeds(visitor: Visitor, house: House) -> None:
    await visitor.hears(await opens(visitor))
    await visitor.votes("a")
    for table in ("ballots", "counts"):
        assert await house.sql(f"SELECT count(*) FROM {table}") == [(0,)]
    assert not (await house.context.boards.board()).standings
    assert await house.context.store.box.speeds() == {}
    report = await house.context.store.box.verify(repair=True)
    assert report.is_clean
    assert await house.sql("SELECT count(*) FROM ballots") == [(0,)]
    board = (await visitor.gets("/leaderboard.json")).text
    assert AURORA not in board


async def test_a_repair_after_a_restart_leaves_them_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.hears(await opens(visitor))
        await visitor.votes("b")
        await visitor.plays()
        await visitor.votes("a")
    config = parse(tables(), tmp_path / "config.toml")
    store = await open_store(config.database_url, Appraiser(config))
    try:
        assert await store.box.fill() == 0
        report = await store.box.verify(repair=False)
        assert (report.votes, report.is_clean) == (1, True)
    finally:
        await store.close()


async def test_votes_are_exported_under_their_kind(visitor: Visitor, house: House) -> None:
    await visitor.hears(await opens(visitor, temperature="0.5"))
    await visitor.votes("a")
    (line,) = (await exported(house.context.store)).splitlines()
    vote = json.loads(line)
    assert (vote["mode"], vote["choice"], vote["model_a"]) == ("side_by_side", "a", BOREALIS)
    assert vote["pair_probability"] is None


async def test_conversations_are_exported_with_all_their_votes(
    visitor: Visitor, house: House, tmp_path: Path
) -> None:
    await visitor.hears(await opens(visitor, temperature="0.5"))
    await visitor.votes("a")
    await visitor.hears(await visitor.asks("And then?"))
    await visitor.votes("tie")
    with (tmp_path / "named.jsonl").open("wb") as out:
        await export_named(house.context.store.named.all(), out)
    found = json.loads((tmp_path / "named.jsonl").read_text("utf-8"))
    assert found["models"] == {"a": BOREALIS, "b": AURORA}
    assert [(vote["turn"], vote["choice"]) for vote in found["votes"]] == [(1, "a"), (2, "tie")]
    assert found["turns"][1]["parameters"] == {"temperature": 0.5}


# Parameters


def pair(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """An arena whose models have these settings."""
    first, second = tables()["models"]
    return {"models": [first | a, second | b]}


async def test_both_get_the_parameters_each_within_its_own_limit(tmp_path: Path) -> None:
    settings = pair({"max_tokens": 300}, {"max_tokens": 700})
    async with open_house(tmp_path, **settings) as house, house.visitor() as visitor:
        cues = await opens(visitor, temperature="0.3", max_tokens="500")
        await visitor.hears(cues)
        drawn = {side: cues[side].prompt.sampling for side in SIDES}
        assert (drawn["a"].max_tokens, drawn["b"].max_tokens) == (500, 300)
        assert drawn["a"].temperature == drawn["b"].temperature == 0.3
        reply = await visitor.posts("/conversations", **BOTH, prompt="Why?", max_tokens="701")
        assert reply.status_code == 422
        assert "from 1 to 700" in reply.text


async def test_the_page_shows_what_both_have_and_where_they_differ(tmp_path: Path) -> None:
    a, b = {"temperature": 0.5, "max_tokens": 300}, {"temperature": 0.5, "max_tokens": 700}
    async with open_house(tmp_path, **pair(a, b)) as house, house.visitor() as visitor:
        page = (await visitor.gets(f"/side-by-side?a={AURORA}&b={BOREALIS}")).text
        assert 'name="temperature" value="" placeholder="0.5"' in page
        assert 'name="top_p" value="" placeholder="its own"' in page
        assert 'name="max_tokens" value="" placeholder="each its own"' in page
        assert f"1 to 700 tokens; {AURORA} at most 300" in page


async def test_a_system_prompt_goes_to_the_one_that_takes_it(tmp_path: Path) -> None:
    settings = pair({"system_prompt": "You are terse."}, {})
    async with open_house(tmp_path, **settings) as house, house.visitor() as visitor:
        page = (await visitor.gets(f"/side-by-side?a={AURORA}&b={BOREALIS}")).text
        assert f"Only for {BOREALIS}: the other one keeps its own." in page
        cues = await opens(visitor, system="You are a pirate.")
        await visitor.hears(cues)
        said = {side: cues[side].prompt.messages[0].content for side in SIDES}
        assert said == {"a": "You are a pirate.", "b": "You are terse."}


# What the arena itself knows by then stays unknown


async def test_the_pages_are_the_same_whoever_answers_in_a_battle(tmp_path: Path) -> None:
    providers = [provider | {"max_concurrency": 1} for provider in tables()["providers"]]
    third = {"name": "Cirrus", "backends": ["cirrus"]}
    config: dict[str, Any] = {
        "providers": [*providers, {"name": "cirrus", "format": "script", "max_concurrency": 1}],
        "models": [*tables()["models"], third],
    }
    async with open_house(tmp_path, **config) as house, house.visitor() as visitor:
        paths = ("/chat?model=Cirrus", f"/chat?model={AURORA}", f"/side-by-side?a={AURORA}&b={BOREALIS}")
        before = [main_of((await visitor.gets(path)).text) for path in paths]
        cues = await visitor.starts()
        assert [main_of((await visitor.gets(path)).text) for path in paths] == before
        await visitor.hears(cues)
        assert [main_of((await visitor.gets(path)).text) for path in paths] == before


def asked(backend: CuedBackend) -> int:
    return len(backend.prompts)


@pytest.mark.parametrize("mode", ["side_by_side", "direct"])
async def test_terms_come_first_and_lead_back_to_the_models_with_what_was_typed(tmp_path: Path, mode: str) -> None:
    (tmp_path / "terms.md").write_text("# Terms\n\nBe kind.", "utf-8")
    async with open_house(tmp_path, pages={"terms": "terms.md"}) as house, house.visitor() as visitor:
        form = BOTH | {"mode": mode, "model": AURORA, "prompt": "Why?"}
        reply = await visitor.posts("/conversations", **form)
        assert reply.status_code == 428
        assert not any(asked(backend) for backend in house.backends.values())
        from tests.test_terms import accepts

        page = (await accepts(visitor, reply)).text
        assert ">\nWhy?</textarea>" in page
        assert f'<input type="hidden" name="mode" value="{mode}">' in page
