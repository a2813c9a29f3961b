"""A visitor's battle, from the prompt to the names."""

import asyncio
import re
from pathlib import Path

import pytest

from arena.backend import Status
from arena.conversation import CHOICES, SIDES, Side
from arena.errors import BackendTimeout, BackendUnreachable
from arena.providers.script import Cue
from tests.house import MODELS, House, Screen, Visitor, logged, open_house, other, tables
from tests.routing import first

FAILED = Status("failed", "out of memory")
REFUSES = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"


def said(cue: Cue) -> list[tuple[str, str]]:
    """The chat a side was asked with: who said what."""
    return [(message.role, message.content) for message in cue.prompt.messages]


async def fails(visitor: Visitor, side: Side) -> None:
    """Play a battle in which this side fails and the other one answers."""
    cues = await visitor.starts()
    cues[side].fail(BackendTimeout("silent"))
    cues[other(side)].say("Still here.")
    cues[other(side)].end()
    await visitor.waits()


async def recovers(visitor: Visitor) -> None:
    """Answer the trial by which the router finds that the backend of a failed side is well again."""
    async with first(visitor.house.backends) as (_, trial):
        trial.say("Hello.")
        await trial.cancelled.wait()


async def test_a_battle_goes_from_a_prompt_to_the_names(visitor: Visitor) -> None:
    await visitor.plays(a="Scattering.", b="Magic.")
    page = await visitor.sees()
    assert "Scattering." in page
    assert "Magic." in page
    assert not any(name in page for name in MODELS)

    reply = await visitor.votes("a")
    assert reply.status_code == 303
    page = await visitor.sees()
    assert all(name in page for name in MODELS)
    assert "You voted: A is better" in page
    assert await visitor.house.context.store.count_votes() == 1


async def test_both_sides_stream_over_one_connection(house: House, visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues["a"].say("Light ")
        await stream.until("Light")
        cues["b"].say("Dust ")
        await stream.until("Dust")
        cues["a"].say("scatters.")
        cues["a"].end()
        await stream.until("scatters.")
        cues["b"].say("shines.")
        cues["b"].end()
        events = await stream.to_the_end()
        assert events[-1].name == "done"
        assert stream.page.answer("a") == "Light scatters."
        assert stream.page.answer("b") == "Dust shines."
        assert "Which answer is better?" in stream.page.text


# The pair


async def test_the_pair_is_stored_with_its_probability_before_anything_is_answered(visitor: Visitor) -> None:
    await visitor.starts()
    [(a, b, probability)] = await visitor.house.sql("SELECT model_a, model_b, pair_probability FROM conversations")
    assert {a, b} == set(MODELS)
    assert probability == 1


async def test_either_model_may_be_on_either_side(visitor: Visitor) -> None:
    seen = set()
    for _ in range(64):
        await visitor.plays()
        seen = {row[0] for row in await visitor.house.sql("SELECT model_a FROM conversations")}
        if len(seen) == 2:
            break
    assert seen == set(MODELS)


async def test_a_model_that_is_down_is_not_drawn(tmp_path: Path) -> None:
    third = {"name": "Corona Two", "backends": ["corona"]}
    more = tables()
    async with open_house(
        tmp_path,
        providers=[*more["providers"], {"name": "corona", "format": "script"}],
        models=[*more["models"], third],
    ) as house:
        house.backends["corona"].become(FAILED)
        async with house.visitor() as visitor:
            for _ in range(8):
                await visitor.plays()
        pairs = await house.sql("SELECT model_a, model_b FROM conversations")
        assert all(set(pair) == set(MODELS) for pair in pairs)


# Turns


async def test_each_side_is_asked_with_its_own_history(tmp_path: Path) -> None:
    models = [model | {"system_prompt": f"Be {number}."} for number, model in enumerate(tables()["models"])]
    async with open_house(tmp_path, models=models) as house, house.visitor() as visitor:
        cues = await visitor.starts("One?")
        orders = {side: said(cues[side])[0] for side in SIDES}
        await visitor.hears(cues, "A one.", "B one.")
        cues = await visitor.asks("Two?")
        for side in SIDES:
            earlier = [("user", "One?"), ("assistant", f"{side.upper()} one."), ("user", "Two?")]
            assert said(cues[side]) == [orders[side], *earlier]
        assert sorted(orders.values()) == [("system", "Be 0."), ("system", "Be 1.")]


async def test_reasoning_is_not_fed_back(visitor: Visitor) -> None:
    cues = await visitor.starts("One?")
    cues["a"].say(reasoning="Let me see.")
    await visitor.hears(cues, "A one.", "B one.")
    cues = await visitor.asks("Two?")
    assert said(cues["a"]) == [("user", "One?"), ("assistant", "A one."), ("user", "Two?")]


async def test_a_follow_up_streams_below_the_earlier_turn(visitor: Visitor) -> None:
    await visitor.plays(a="A one.", b="B one.")
    cues = await visitor.asks("And the sea?")
    async with visitor.watches() as stream:
        await visitor.hears(cues, "A two.", "B two.")
        await stream.to_the_end()
    for page in (stream.page, Screen(await visitor.sees())):
        assert [page.answer(side, turn) for turn in (1, 2) for side in SIDES] == [
            "A one.",
            "B one.",
            "A two.",
            "B two.",
        ]
        assert "And the sea?" in page.text


async def test_a_vote_is_about_the_last_turn(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.hears(await visitor.asks("And the sea?"))
    await visitor.votes("tie")
    assert await visitor.house.sql("SELECT turn, choice FROM votes") == [(2, "tie")]


async def test_a_follow_up_while_the_answers_are_written_is_refused_and_given_back(visitor: Visitor) -> None:
    await visitor.starts()
    reply = await visitor.posts(f"{visitor.path}/turns", prompt="And the sea?")
    assert reply.status_code == 409
    assert "not complete yet" in reply.text
    assert "And the sea?</textarea>" in reply.text
    assert await visitor.house.sql("SELECT COUNT(*) FROM turns") == [(1,)]


async def test_a_battle_ends_at_its_turn_limit(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits={"turns": 2}) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.hears(await visitor.asks("And the sea?"))
        assert 'id="prompt"' not in await visitor.sees()
        reply = await visitor.posts(f"{visitor.path}/turns", prompt="And the stars?")
        assert reply.status_code == 409
        assert "reached its 2 turns" in reply.text
        assert (await visitor.votes("b")).status_code == 303


# Stop


async def test_a_stop_keeps_the_text_so_far_and_opens_the_vote(visitor: Visitor) -> None:
    cues = await visitor.starts()
    for side in SIDES:
        cues[side].say(f"Half of {side.upper()}")
        await cues[side].heard()
    reply = await visitor.posts(f"{visitor.path}/stop")
    assert reply.status_code == 303
    assert all(cue.cancelled.is_set() for cue in cues.values())
    page = await visitor.sees()
    assert "Half of A" in page
    assert "Half of B" in page
    assert "You stopped this answer." in page
    assert (await visitor.votes("b")).status_code == 303


async def test_earlier_versions_of_an_answer_stay_within_reach(visitor: Visitor) -> None:
    await visitor.plays(a="The **first** A", b="The first B")
    page = await visitor.sees()
    assert "of 2" not in page
    for text in ("The second A", "The third A"):
        cue = await visitor.regenerates("a")
        cue.say(text)
        cue.end()
        await visitor.waits()
    page = await visitor.sees()
    assert "The third A" in page
    assert "3 of 3" in page
    assert page.count("Versions of answer") == 1
    first = await visitor.http.get(f"{visitor.path}/answers/1/a/1")
    assert "The <strong>first</strong> A" in first.text
    assert "1 of 3" in first.text
    assert "third" not in first.text
    assert not any(name in first.text for name in MODELS)


@pytest.mark.parametrize("place", ["1/a/2", "1/a/0", "2/a/1", "0/b/1"])
async def test_a_version_that_never_was_is_not_found(visitor: Visitor, place: str) -> None:
    await visitor.plays()
    assert (await visitor.http.get(f"{visitor.path}/answers/{place}")).status_code == 404


async def test_a_version_belongs_to_its_visitor_alone(visitor: Visitor, house: House) -> None:
    await visitor.plays()
    async with house.visitor() as stranger:
        assert (await stranger.http.get(f"{visitor.path}/answers/1/a/1")).status_code == 404


async def test_the_last_prompt_is_asked_in_other_words(visitor: Visitor) -> None:
    await visitor.plays("Why is the sky bleu?", a="Typo.", b="Typo, too.")
    assert (await visitor.posts(f"{visitor.path}/prompt", prompt="Why is the sky blue?")).status_code == 303
    cues = await visitor.cues()
    assert [message.content for message in cues["a"].prompt.messages] == ["Why is the sky blue?"]
    await visitor.hears(cues, "Scattering.", "Rayleigh.")
    page = await visitor.sees()
    assert "Why is the sky blue?" in page
    assert "bleu" not in page.replace("Edit the prompt", "")
    assert "2 of 2" in page
    first = (await visitor.http.get(f"{visitor.path}/answers/1/b/1")).text
    assert "Typo, too." in first
    assert "Why is the sky bleu?" in first
    assert (await visitor.votes("a")).status_code == 303
    record = await anext(visitor.house.context.store.votes())
    assert [(turn.prompt, turn.a.text) for turn in record.turns] == [("Why is the sky blue?", "Scattering.")]


async def test_a_prompt_is_not_edited_while_it_is_answered_nor_after_the_vote(visitor: Visitor) -> None:
    cues = await visitor.starts("Why?")
    assert (await visitor.posts(f"{visitor.path}/prompt", prompt="How?")).status_code == 409
    await visitor.hears(cues)
    await visitor.votes("tie")
    assert (await visitor.posts(f"{visitor.path}/prompt", prompt="How?")).status_code == 409
    assert await visitor.house.sql("SELECT prompt FROM turns") == [("Why?",)]


@pytest.mark.parametrize("prompt", ["", "x" * 12_001])
async def test_a_prompt_is_edited_within_its_limits(visitor: Visitor, prompt: str) -> None:
    await visitor.plays("Why?")
    assert (await visitor.posts(f"{visitor.path}/prompt", prompt=prompt)).status_code == 422
    assert await visitor.house.sql("SELECT prompt FROM turns") == [("Why?",)]


async def test_one_side_is_stopped_and_the_other_goes_on(visitor: Visitor) -> None:
    cues = await visitor.starts()
    for side in SIDES:
        cues[side].say(f"Half of {side.upper()}")
        await cues[side].heard()
    assert (await visitor.posts(f"{visitor.path}/stop", side="b")).status_code == 303
    assert cues["b"].cancelled.is_set()
    assert not cues["a"].cancelled.is_set()
    async with visitor.watches() as stream:
        cues["a"].say(" and all of it")
        cues["a"].end()
        await stream.to_the_end()
    assert stream.page.answer("a") == "Half of A and all of it"
    assert stream.page.text.count("You stopped this answer.") == 1
    assert (await visitor.votes("a")).status_code == 303


async def test_a_side_that_is_none_cannot_be_stopped(visitor: Visitor) -> None:
    cues = await visitor.starts()
    assert (await visitor.posts(f"{visitor.path}/stop", side="c")).status_code == 422
    assert not any(cue.cancelled.is_set() for cue in cues.values())


async def test_a_stop_leaves_a_finished_side_as_it_is(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].say("All of A")
    cues["a"].end()
    cues["b"].say("Half of B")
    await cues["b"].heard()
    async with visitor.watches() as stream:
        await stream.until("All of A")
        await visitor.posts(f"{visitor.path}/stop")
    states = await visitor.house.sql("SELECT side, state, text FROM answers ORDER BY side")
    assert states == [("a", "done", "All of A"), ("b", "stopped", "Half of B")]


async def test_a_side_stopped_before_it_said_anything_cannot_be_voted_on(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].say("Half of A")
    await cues["a"].heard()
    await visitor.posts(f"{visitor.path}/stop")
    page = await visitor.sees()
    assert "before it said anything" in page
    assert "Try side B again" in page
    assert "Try side A again" not in page
    assert (await visitor.votes("a")).status_code == 409


async def test_a_stop_after_the_end_changes_nothing(visitor: Visitor) -> None:
    await visitor.plays(a="All of A")
    reply = await visitor.posts(f"{visitor.path}/stop")
    assert reply.status_code == 303
    assert await visitor.house.sql("SELECT DISTINCT state FROM answers") == [("done",)]


async def test_a_watcher_sees_the_stop_of_another_tab(visitor: Visitor) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        for side in SIDES:
            cues[side].say(f"Half of {side.upper()}")
            await stream.until(f"Half of {side.upper()}")
        await visitor.posts(f"{visitor.path}/stop")
        events = await stream.to_the_end()
    assert events[-1].name == "done"
    assert stream.page.answer("a") == "Half of A"
    assert stream.page.text.count("You stopped this answer.") == 2
    assert "Which answer is better?" in stream.page.text


# Regenerate


async def test_both_sides_can_be_regenerated(visitor: Visitor) -> None:
    await visitor.plays("One?", "Old A", "Old B")
    reply = await visitor.posts(f"{visitor.path}/regenerate")
    assert reply.status_code == 303
    cues = await visitor.cues()
    assert said(cues["a"]) == [("user", "One?")]
    await visitor.hears(cues, "New A", "New B")
    page = Screen(await visitor.sees())
    assert (page.answer("a"), page.answer("b")) == ("New A", "New B")
    assert await visitor.house.sql("SELECT COUNT(*) FROM answers") == [(4,)]


@pytest.mark.parametrize("side", SIDES)
async def test_regenerating_one_side_leaves_the_other_untouched(visitor: Visitor, side: Side) -> None:
    await visitor.plays(a="Old A", b="Old B")
    cue = await visitor.regenerates(side)
    async with visitor.watches() as stream:
        assert stream.page.answer(other(side)) == f"Old {other(side).upper()}"
        cue.say("New")
        cue.end()
        await stream.to_the_end()
    for page in (stream.page, Screen(await visitor.sees())):
        assert page.answer(side) == "New"
        assert page.answer(other(side)) == f"Old {other(side).upper()}"
    counts = await visitor.house.sql("SELECT side, MAX(version) FROM answers GROUP BY side")
    assert dict(counts) == {side: 2, other(side): 1}


async def test_an_answer_being_written_is_not_regenerated(visitor: Visitor) -> None:
    await visitor.starts()
    for form in ({}, {"side": "a"}):
        reply = await visitor.posts(f"{visitor.path}/regenerate", **form)
        assert reply.status_code == 409
        assert "still being written" in reply.text


async def test_the_next_turn_goes_on_from_the_regenerated_answer(visitor: Visitor) -> None:
    await visitor.plays("One?", "Old A", "Old B")
    cue = await visitor.regenerates("a")
    cue.say("New A")
    cue.end()
    await visitor.waits()
    cues = await visitor.asks("Two?")
    assert said(cues["a"])[1] == ("assistant", "New A")
    assert said(cues["b"])[1] == ("assistant", "Old B")


# Sides fail alone


@pytest.mark.parametrize("side", SIDES)
async def test_a_failed_side_leaves_the_other_and_can_be_tried_again(visitor: Visitor, side: Side) -> None:
    await fails(visitor, side)
    page = await visitor.sees()
    assert "Still here." in page
    assert "This side took too long to answer." in page
    assert f"Try side {side.upper()} again" in page
    assert f"Try side {other(side).upper()} again" not in page
    await recovers(visitor)
    cue = await visitor.regenerates(side)
    cue.say("Back again.")
    cue.end()
    await visitor.waits()
    assert (await visitor.votes(side)).status_code == 303


@pytest.mark.parametrize("side", SIDES)
async def test_a_battle_with_a_failed_side_cannot_be_voted_on(visitor: Visitor, side: Side) -> None:
    await fails(visitor, side)
    for choice in CHOICES:
        reply = await visitor.votes(choice)
        assert reply.status_code == 409
        assert "One side failed" in reply.text
    assert await visitor.house.sql("SELECT COUNT(*) FROM votes") == [(0,)]


async def test_a_battle_with_a_failed_side_takes_no_follow_up(visitor: Visitor) -> None:
    await fails(visitor, "b")
    reply = await visitor.posts(f"{visitor.path}/turns", prompt="And the sea?")
    assert reply.status_code == 409
    assert "And the sea?" in reply.text


async def test_a_failed_side_keeps_what_it_had_said(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].say("Half of A")
    cues["a"].fail(BackendUnreachable("gone"))
    cues["b"].end()
    await visitor.waits()
    page = Screen(await visitor.sees())
    assert page.answer("a") == "Half of A"
    assert "This side could not be reached." in page.text


@pytest.mark.parametrize("side", SIDES)
async def test_a_failed_side_can_be_tried_again_while_the_other_still_writes(visitor: Visitor, side: Side) -> None:
    cues = await visitor.starts()
    async with visitor.watches() as stream:
        cues[side].fail(BackendTimeout("silent"))
        await stream.until("took too long")
        slow = cues[other(side)]
        slow.say("Slowly, ")
        await stream.until("Slowly,")
        await recovers(visitor)
        again = await visitor.regenerates(side)
        assert not slow.cancelled.is_set()
        again.say("Back again.")
        again.end()
        await stream.until("Back again.")
        assert "took too long" not in stream.page.text
        slow.say("but surely.")
        slow.end()
        await stream.to_the_end()
        assert stream.page.answer(other(side)) == "Slowly, but surely."
        assert "Which answer is better?" in stream.page.text
    assert (await visitor.votes("tie")).status_code == 303


async def test_a_failed_side_of_a_later_turn_is_tried_again_with_its_history(visitor: Visitor) -> None:
    await visitor.plays("One?", "A one.", "B one.")
    cues = await visitor.asks("Two?")
    cues["a"].fail(BackendTimeout("silent"))
    cues["b"].end()
    await visitor.waits()
    await recovers(visitor)
    cue = await visitor.regenerates("a")
    assert said(cue) == [("user", "One?"), ("assistant", "A one."), ("user", "Two?")]


# The vote


async def test_a_vote_before_the_answers_are_done_is_refused(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].say("All of A")
    cues["a"].end()
    reply = await visitor.votes("a")
    assert reply.status_code == 409
    assert "not complete yet" in reply.text
    assert await visitor.house.sql("SELECT COUNT(*) FROM votes") == [(0,)]
    cues["b"].end()
    await visitor.waits()
    assert (await visitor.votes("a")).status_code == 303


@pytest.mark.parametrize("choice", CHOICES)
async def test_the_same_vote_again_is_a_no_op(visitor: Visitor, choice: str) -> None:
    await visitor.plays()
    assert (await visitor.votes(choice)).status_code == 303
    before = await visitor.house.sql("SELECT choice, created_at FROM votes")
    assert (await visitor.votes(choice)).status_code == 303
    assert await visitor.house.sql("SELECT choice, created_at FROM votes") == before


async def test_a_vote_about_answers_that_have_been_replaced_is_refused(visitor: Visitor) -> None:
    await visitor.plays()
    seen = re.compile(r'name="seen" value="([^"]+)"')
    before = seen.findall(await visitor.sees())
    cue = await visitor.regenerates("a")
    cue.say("Another answer.")
    cue.end()
    await visitor.waits()
    reply = await visitor.posts(f"{visitor.path}/vote", choice="a", seen=before[0])
    assert (reply.status_code, "have changed since" in reply.text) == (409, True)
    after = seen.findall(await visitor.sees())
    assert (await visitor.posts(f"{visitor.path}/vote", choice="a", seen=after[0])).status_code == 303


async def test_a_different_vote_is_refused(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    reply = await visitor.votes("b")
    assert reply.status_code == 409
    assert "You have already voted" in reply.text
    assert f'href="{visitor.path}"' in reply.text
    assert await visitor.house.sql("SELECT choice FROM votes") == [("a",)]


async def test_after_the_vote_the_page_shows_who_it_was(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("both_bad")
    page = await visitor.sees()
    for model in visitor.house.config.models:
        assert all(words in page for words in (model.name, model.organisation, model.description, model.link))
    assert '<a class="button main" href="/">New battle</a>' in page
    assert "Which answer is better?" not in page


async def test_the_names_stand_at_the_sides_they_were_drawn_for(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    [(a, b)] = await visitor.house.sql("SELECT model_a, model_b FROM conversations")
    page = Screen(await visitor.sees())
    assert a in page.inside("t1a-name")
    assert b in page.inside("t1b-name")


async def test_a_voted_battle_is_over(visitor: Visitor) -> None:
    await visitor.plays()
    await visitor.votes("a")
    for action, form in (("turns", {"prompt": "More?"}), ("regenerate", {}), ("regenerate", {"side": "b"})):
        reply = await visitor.posts(f"{visitor.path}/{action}", **form)
        assert reply.status_code == 409
        assert "This battle is over" in reply.text
    assert (await visitor.posts(f"{visitor.path}/stop")).status_code == 303
    assert await visitor.house.sql("SELECT COUNT(*) FROM answers") == [(2,)]


async def test_a_model_that_has_left_the_config_keeps_its_name(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.votes("tie")
    successors = [model | {"name": f"{model['name']} II"} for model in tables()["models"]]
    async with open_house(tmp_path, models=successors) as house, house.visitor(visitor) as back:
        page = Screen(await back.sees())
        assert all(name in page.text for name in MODELS)
        assert "II" not in page.text


async def test_a_side_whose_model_has_left_the_config_fails_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
        [(gone,)] = await house.sql("SELECT model_a FROM conversations")
    models = [model | ({"name": "Successor"} if model["name"] == gone else {}) for model in tables()["models"]]
    async with open_house(tmp_path, models=models) as house, house.visitor(visitor) as back:
        reply = await back.posts(f"{back.path}/regenerate", side="a")
        assert reply.status_code == 303
        await back.waits()
        page = Screen(await back.sees())
        assert "This side could not be reached." in page.text
        assert page.answer("b") == "Because B."
        assert gone not in page.html


# A restart of the server


async def test_an_interrupted_side_is_written_again_when_its_page_comes_back(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        cues = await visitor.starts("One?")
        cues["a"].say("All of A")
        cues["a"].end()
        cues["b"].say("Half of B")
        await cues["b"].heard()
        async with visitor.watches() as stream:
            await stream.until("All of A")
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        assert await house.sql("SELECT side, state, text FROM answers ORDER BY side") == [
            ("a", "done", "All of A"),
            ("b", "interrupted", "Half of B"),
        ]
        await back.sees()
        cue = await back.backend("b").asked()
        assert said(cue) == [("user", "One?")]
        cue.say("All of B")
        cue.end()
        await back.waits()
        page = Screen(await back.sees())
        assert (page.answer("a"), page.answer("b")) == ("All of A", "All of B")
        assert sum(len(backend.prompts) for backend in house.backends.values()) == 1
        assert (await back.votes("b")).status_code == 303


async def test_two_tabs_that_come_back_at_once_start_an_interrupted_side_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.starts()
    async with open_house(tmp_path) as house, house.visitor(visitor) as one, house.visitor(visitor) as two:
        await asyncio.gather(*(tab.sees() for tab in (one, two) * 4))
        await one.hears(await one.cues())
        assert [len(backend.prompts) for backend in house.backends.values()] == [1, 1]
        assert await house.sql("SELECT DISTINCT MAX(version) FROM answers GROUP BY side") == [(2,)]


async def test_a_restart_loses_no_vote(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
        await visitor.votes("tie")
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        assert "You voted: Tie" in await back.sees()
        assert await house.sql("SELECT choice FROM votes") == [("tie",)]


async def test_a_finished_battle_can_be_voted_on_after_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays()
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        assert (await back.votes("a")).status_code == 303
        assert sum(len(backend.prompts) for backend in house.backends.values()) == 0


# A database in trouble


async def test_an_answer_the_database_does_not_take_at_first_is_kept_later(visitor: Visitor) -> None:
    cues = await visitor.starts()
    await visitor.house.sql(f"CREATE TRIGGER full BEFORE UPDATE ON answers {REFUSES}")
    async with visitor.watches() as stream, logged("could not be kept"):
        for side in SIDES:
            cues[side].say(f"All of {side.upper()}")
            cues[side].end()
            await stream.until(f"All of {side.upper()}")
    await visitor.house.sql("DROP TRIGGER full")
    await visitor.waits()
    assert "Which answer is better?" in await visitor.sees()
    assert (await visitor.votes("a")).status_code == 303
    assert await visitor.house.sql("SELECT text FROM answers ORDER BY side") == [("All of A",), ("All of B",)]
