"""A chat with one model that the visitor has chosen: over HTTP, as a browser without JavaScript plays it."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from arena.backend import Prompt, Status
from arena.errors import BackendRefused, ContentFiltered
from arena.providers.script import Cue, CuedBackend
from tests.house import MODELS, House, Visitor, open_house, tables
from tests.operator import TOKEN, VARIABLE, log_in, open_guarded

AURORA, BOREALIS = MODELS


async def opens(visitor: Visitor, prompt: str = "Why is the sky blue?", **form: str) -> Cue:
    """Start a chat with the first model; returns its cue."""
    reply = await visitor.posts("/conversations", **{"mode": "direct", "model": AURORA, "prompt": prompt} | form)
    assert reply.status_code == 303, reply.text
    visitor.path = reply.headers["location"]
    return await backend(visitor).asked()


def backend(visitor: Visitor) -> CuedBackend:
    return visitor.house.backends["aurora"]


async def hears(visitor: Visitor, cue: Cue, text: str = "Because.") -> None:
    """Have the model answer to the end."""
    cue.say(text)
    cue.end()
    await visitor.waits()


async def goes_on(visitor: Visitor, **form: str) -> Prompt:
    """Ask the next prompt and have it answered; returns what the backend was asked."""
    reply = await visitor.posts(f"{visitor.path}/turns", **form)
    assert reply.status_code == 303, reply.text
    cue = await backend(visitor).asked()
    await hears(visitor, cue)
    return cue.prompt


# Choosing


async def test_a_chat_begins_on_the_page_of_a_model_and_names_it_from_the_start(visitor: Visitor) -> None:
    page = (await visitor.gets(f"/chat?model={AURORA}")).text
    assert f"Chat with {AURORA}" in page
    cue = await opens(visitor)
    page = await visitor.sees()
    assert f'<a href="/models/Aurora%20Prime">{AURORA}</a>' in page
    assert "nswer A" not in page[page.index("<main") : page.index("</main")]
    await hears(visitor, cue)
    assert "Because." in await visitor.sees()
    assert "Which answer is better?" not in await visitor.sees()


async def test_only_the_chosen_model_is_asked(visitor: Visitor, house: House) -> None:
    await hears(visitor, await opens(visitor))
    assert len(house.backends["aurora"].prompts) == 1
    assert not house.backends["borealis"].prompts


async def test_a_name_in_another_case_is_understood(visitor: Visitor) -> None:
    assert f"Chat with {AURORA}" in (await visitor.gets("/chat?model=aurora+PRIME")).text


async def test_an_unknown_name_is_told_with_what_may_have_been_meant(visitor: Visitor) -> None:
    page = unescape((await visitor.gets("/chat?model=Borealis+Ten")).text)
    assert "There is no model “Borealis Ten” to choose here. Is it “Borealis Nine”?" in page
    assert "?model=Borealis%20Nine" in page
    reply = await visitor.posts("/conversations", mode="direct", model="Borealis Ten", prompt="Why?")
    assert reply.status_code == 422
    assert "Is it “Borealis Nine”?" in unescape(reply.text)
    assert ">\nWhy?</textarea>" in reply.text
    assert '<input type="hidden" name="mode" value="direct">' in reply.text


async def test_a_random_model_has_an_address_of_its_own(visitor: Visitor) -> None:
    reply = await visitor.gets("/chat?model=random")
    assert reply.status_code == 303
    assert reply.headers["location"] in ("/chat?model=Aurora+Prime", "/chat?model=Borealis+Nine")
    assert reply.headers["cache-control"] == "no-store"


async def test_a_model_that_is_never_drawn_may_be_chosen_and_one_for_battles_alone_may_not(tmp_path: Path) -> None:
    models = tables()["models"]
    models[0] |= {"weight": 0}
    models[1] |= {"battle_only": True}
    async with open_house(tmp_path, models=models) as house, house.visitor() as visitor:
        await hears(visitor, await opens(visitor))
        assert BOREALIS not in (await visitor.gets("/chat")).text
        reply = await visitor.posts("/conversations", mode="direct", model=BOREALIS, prompt="Why?")
        assert reply.status_code == 422
        assert "Chat with it" not in (await visitor.gets("/models/Borealis%20Nine")).text
        assert "Chat with it" in (await visitor.gets("/models/Aurora%20Prime")).text


async def test_a_chat_that_is_switched_off_is_nowhere(tmp_path: Path) -> None:
    async with open_house(tmp_path, modes={"direct": False}) as house, house.visitor() as visitor:
        assert (await visitor.gets("/chat")).status_code == 404
        reply = await visitor.posts("/conversations", mode="direct", model=AURORA, prompt="Why?")
        assert reply.status_code == 404
        for path in ("/", "/models/Aurora%20Prime"):
            assert "/chat" not in (await visitor.gets(path)).text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status("loading", "the weights"), "is still loading"),
        (Status("failed", "no memory"), "is not up at present"),
    ],
)
async def test_a_model_that_is_not_up_says_so_before_and_after_it_is_asked(
    visitor: Visitor, status: Status, words: str
) -> None:
    backend(visitor).become(status)
    assert words in (await visitor.gets(f"/chat?model={AURORA}")).text
    reply = await visitor.posts("/conversations", mode="direct", model=AURORA, prompt="Why?")
    assert reply.status_code == 503
    assert f"{AURORA} {words}" in reply.text
    assert ">\nWhy?</textarea>" in reply.text


# Going on


async def test_a_chat_goes_on_with_all_that_was_said(visitor: Visitor) -> None:
    await hears(visitor, await opens(visitor, "One?"), "First.")
    asked = await goes_on(visitor, prompt="Two?")
    assert [(m.role, m.content) for m in asked.messages] == [
        ("user", "One?"),
        ("assistant", "First."),
        ("user", "Two?"),
    ]


async def test_an_answer_is_stopped_edited_and_written_again(visitor: Visitor) -> None:
    cue = await opens(visitor, "One?")
    cue.say("Half an")
    await cue.heard()
    assert ">Stop<" in await visitor.sees()
    await visitor.posts(f"{visitor.path}/stop")
    assert "You stopped this answer." in await visitor.sees()

    await visitor.posts(f"{visitor.path}/regenerate")
    await hears(visitor, await backend(visitor).asked(), "Whole.")
    assert "2 of 2" in await visitor.sees()
    earlier = (await visitor.gets(f"{visitor.path}/answers/1/a/1")).text
    assert "Version 1 of the answer" in earlier
    assert "Half an" in earlier
    assert "battle" not in earlier[earlier.index("<main") : earlier.index("</main")]

    await visitor.posts(f"{visitor.path}/prompt", prompt="In other words?")
    cue = await backend(visitor).asked()
    assert cue.prompt.messages[-1].content == "In other words?"
    await hears(visitor, cue, "Better.")
    assert "Better." in await visitor.sees()


async def test_a_failed_answer_says_so_of_the_model_and_is_tried_again(visitor: Visitor) -> None:
    cue = await opens(visitor)
    cue.fail(ContentFiltered("no"))
    await visitor.waits()
    page = await visitor.sees()
    assert "The model declined to answer this prompt." in page
    assert "This side" not in page
    reply = await visitor.posts(f"{visitor.path}/turns", prompt="And?")
    assert reply.status_code == 409
    assert "The last answer failed. Try again before you go on." in reply.text
    await visitor.posts(f"{visitor.path}/regenerate")
    await hears(visitor, await backend(visitor).asked(), "Here.")
    assert "Keep asking" in await visitor.sees()


async def test_the_turns_of_a_chat_end(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits={"turns": 1}) as house, house.visitor() as visitor:
        await hears(visitor, await opens(visitor))
        assert "This conversation has had all its turns." in await visitor.sees()
        reply = await visitor.posts(f"{visitor.path}/turns", prompt="And?")
        assert reply.status_code == 409
        assert "This conversation has had all its turns." in reply.text


async def test_a_chat_with_a_model_that_has_left_can_be_read_and_not_gone_on_with(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await hears(visitor, await opens(visitor), "Remember me.")
    left = [model for model in tables()["models"] if model["name"] != AURORA]
    async with open_house(tmp_path, models=left) as house, house.visitor(visitor) as back:
        page = await back.sees()
        assert "Remember me." in page
        assert f"{AURORA} can no longer be chosen here, so nothing more can be asked." in page
        assert "Keep asking" not in page
        for path in ("turns", "prompt"):
            assert (await back.posts(f"{back.path}/{path}", prompt="And?")).status_code == 409
        assert (await back.posts(f"{back.path}/regenerate")).status_code == 409


async def test_a_chat_has_no_vote(visitor: Visitor) -> None:
    await hears(visitor, await opens(visitor))
    assert (await visitor.votes("a")).status_code == 409


async def test_a_chat_belongs_to_its_visitor_alone(visitor: Visitor, house: House) -> None:
    await hears(visitor, await opens(visitor))
    async with house.visitor() as stranger:
        assert (await stranger.gets(visitor.path)).status_code == 404
        reply = await stranger.posts(f"{visitor.path}/reactions", turn="1", thumb="up")
        assert reply.status_code == 404


async def test_a_chat_whose_server_stopped_goes_on_by_itself(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        cue = await opens(visitor, temperature="0.5")
        cue.say("Half")
        await cue.heard()
    async with open_house(tmp_path) as house, house.visitor(visitor) as back:
        await back.sees()
        cue = await house.backends["aurora"].asked()
        assert cue.prompt.sampling.temperature == 0.5
        await hears(back, cue, "Whole.")
        assert "Whole." in await back.sees()


async def test_the_stream_ends_with_the_thumbs_and_the_next_prompt(visitor: Visitor) -> None:
    cue = await opens(visitor)
    async with visitor.watches() as stream:
        cue.say("Because.")
        await stream.until("Because.")
        cue.end()
        await stream.to_the_end()
        assert stream.page.answer("a") == "Because."
        assert "Good" in stream.page.text
        assert "Keep asking" in stream.page.text


# Parameters


def thinkers(**model: Any) -> dict[str, Any]:
    """An arena in which both models have parameters of their own."""
    models = [one | {"temperature": 0.7, "max_tokens": 300} for one in tables()["models"]]
    models[0] |= model
    return {"models": models}


async def test_parameters_reach_the_model_and_hold_until_others_are_set(visitor: Visitor) -> None:
    cue = await opens(visitor, temperature="0,2", top_p="0.5", max_tokens="77", system="You are a pirate.")
    await hears(visitor, cue)
    sampling = cue.prompt.sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.2, 0.5, 77)
    assert cue.prompt.messages[0].content == "You are a pirate."

    kept = await goes_on(visitor, prompt="And?")
    assert kept.sampling == sampling
    assert kept.messages[0].content == "You are a pirate."

    changed = await goes_on(visitor, prompt="And?", temperature="1", top_p="", max_tokens="", system="")
    assert (changed.sampling.temperature, changed.sampling.top_p, changed.sampling.max_tokens) == (1, None, None)
    assert changed.messages[0].role == "user"


async def test_a_model_answers_with_its_own_where_nothing_is_set(tmp_path: Path) -> None:
    async with open_house(tmp_path, **thinkers()) as house, house.visitor() as visitor:
        cue = await opens(visitor, temperature="", top_p="", max_tokens="")
        await hears(visitor, cue)
        assert (cue.prompt.sampling.temperature, cue.prompt.sampling.max_tokens) == (0.7, 300)


async def test_the_page_shows_what_the_model_has_by_itself(tmp_path: Path) -> None:
    async with open_house(tmp_path, **thinkers()) as house, house.visitor() as visitor:
        page = (await visitor.gets(f"/chat?model={AURORA}")).text
        assert 'name="temperature" value="" placeholder="0.7"' in page
        assert 'name="max_tokens" value="" placeholder="300"' in page
        assert "1 to 300 tokens" in page
        assert 'name="top_p" value="" placeholder="its own"' in page


async def test_what_was_set_stands_in_the_form_of_the_next_prompt(visitor: Visitor) -> None:
    await hears(visitor, await opens(visitor, temperature="0.2"))
    page = await visitor.sees()
    assert 'name="temperature" value="0.2"' in page
    assert "Settings, changed" in page


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"temperature": "2.1"}, "The temperature is a number from 0 to 2."),
        ({"temperature": "nan"}, "The temperature is a number from 0 to 2."),
        ({"temperature": "hot"}, "The temperature is a number from 0 to 2."),
        ({"temperature": "-1"}, "The temperature is a number from 0 to 2."),
        ({"top_p": "0"}, "Top-p is a number above 0, up to 1."),
        ({"top_p": "1.01"}, "Top-p is a number above 0, up to 1."),
        ({"max_tokens": "0"}, "a whole number of tokens from 1 to 300"),
        ({"max_tokens": "301"}, "a whole number of tokens from 1 to 300"),
        ({"max_tokens": "1.5"}, "a whole number of tokens from 1 to 300"),
        ({"max_tokens": "9" * 5000}, "a whole number of tokens from 1 to 300"),
        ({"system": "x" * 12_001}, "The system prompt has 12001 characters; the limit is 12000."),
        ({"system": "a\0b"}, "The system prompt holds a NUL character"),
    ],
)
async def test_what_is_out_of_range_is_refused_with_the_range_and_kept_in_its_box(
    tmp_path: Path, form: dict[str, str], words: str
) -> None:
    async with open_house(tmp_path, **thinkers()) as house, house.visitor() as visitor:
        asked = {"mode": "direct", "model": AURORA, "prompt": "Why?"} | form
        reply = await visitor.posts("/conversations", **asked)
        assert reply.status_code == 422
        assert words in unescape(reply.text)
        assert ">\nWhy?</textarea>" in reply.text
        assert all(f'name="{name}"' in reply.text for name in form)
        await hears(visitor, await opens(visitor))
        reply = await visitor.posts(f"{visitor.path}/turns", prompt="And?", **form)
        assert reply.status_code == 422
        assert words in unescape(reply.text)
        assert len(house.backends["aurora"].prompts) == 1


async def test_the_longest_answer_is_at_most_half_of_what_a_model_reads(tmp_path: Path) -> None:
    models = tables()["models"]
    models[0] |= {"context_length": 1000}
    async with open_house(tmp_path, models=models) as house, house.visitor() as visitor:
        assert "1 to 500 tokens" in (await visitor.gets(f"/chat?model={AURORA}")).text
        assert "1 to 4,096 tokens" in (await visitor.gets(f"/chat?model={BOREALIS}")).text


@pytest.mark.parametrize(("takes", "is_open"), [(None, False), (True, True), (False, False)])
async def test_a_model_with_a_system_prompt_of_its_own_keeps_it_unless_it_may_be_replaced(
    tmp_path: Path, takes: bool | None, is_open: bool
) -> None:
    own: dict[str, Any] = {"system_prompt": "You are terse."}
    own |= {} if takes is None else {"takes_system_prompt": takes}
    async with open_house(tmp_path, **thinkers(**own)) as house, house.visitor() as visitor:
        page = (await visitor.gets(f"/chat?model={AURORA}")).text
        assert ('name="system"' in page) is is_open
        assert "You are terse." not in page
        form = {"mode": "direct", "model": AURORA, "prompt": "Why?", "system": "You are a pirate."}
        reply = await visitor.posts("/conversations", **form)
        assert reply.status_code == (303 if is_open else 422)
        if is_open:
            cue = await house.backends["aurora"].asked()
            assert [m.content for m in cue.prompt.messages] == ["You are a pirate.", "Why?"]
            visitor.path = reply.headers["location"]
            await hears(visitor, cue)
        else:
            cue = await opens(visitor)
            assert cue.prompt.messages[0].content == "You are terse."
            await hears(visitor, cue)


async def test_what_a_visitor_sets_comes_before_the_extra_body(tmp_path: Path) -> None:
    extra = {"extra_body": {"temperature": 0.9, "max_completion_tokens": 900, "top_k": 5}}
    async with open_house(tmp_path, **thinkers(**extra)) as house, house.visitor() as visitor:
        cue = await opens(visitor, temperature="0.1", max_tokens="10")
        await hears(visitor, cue)
        assert cue.prompt.sampling.extra == {"top_k": 5}
        assert cue.prompt.sampling.temperature == 0.1


async def test_a_reasoning_model_takes_no_temperature(tmp_path: Path) -> None:
    providers = [{"name": "aurora", "format": "openai", "reasoning": True, "model": "o"}, tables()["providers"][1]]
    async with open_house(tmp_path, providers=providers) as house, house.visitor() as visitor:
        page = (await visitor.gets(f"/chat?model={AURORA}")).text
        assert 'name="temperature"' not in page
        assert 'name="max_tokens"' in page
        form = {"mode": "direct", "model": AURORA, "prompt": "Why?", "temperature": "0.5"}
        assert (await visitor.posts("/conversations", **form)).status_code == 422


async def test_a_battle_takes_no_parameters(visitor: Visitor, house: House) -> None:
    for form in ({"temperature": "0.5"}, {"system": "You are a pirate."}, {"max_tokens": ""}):
        reply = await visitor.posts("/conversations", prompt="Why?", **form)
        assert reply.status_code == 422
        assert "A battle takes no parameters" in reply.text
    await visitor.plays()
    for path in ("turns", "prompt"):
        reply = await visitor.posts(f"{visitor.path}/{path}", prompt="And?", temperature="0.5")
        assert reply.status_code == 422
    assert await house.sql("SELECT count(*) FROM turns WHERE parameters IS NOT NULL") == [(0,)]
    assert 'name="temperature"' not in await visitor.sees()


async def test_an_unknown_kind_of_conversation_is_refused(visitor: Visitor) -> None:
    assert (await visitor.posts("/conversations", mode="duel", prompt="Why?")).status_code == 422


async def test_a_refusal_of_what_a_visitor_set_takes_the_model_from_nobody_else(
    visitor: Visitor, house: House
) -> None:
    cue = await opens(visitor, temperature="2")
    cue.fail(BackendRefused("400: temperature must be at most 1"))
    await visitor.waits()
    assert "perhaps because of its settings" in await visitor.sees()
    assert not any(state.out_for for state in house.context.router.backends())
    await visitor.posts(f"{visitor.path}/prompt", prompt="Why?", temperature="")
    await hears(visitor, await backend(visitor).asked(), "Now.")
    assert "Now." in await visitor.sees()


async def test_a_refusal_without_parameters_is_the_operators_to_mend(visitor: Visitor, house: House) -> None:
    cue = await opens(visitor, temperature="")
    cue.fail(BackendRefused("401"))
    await visitor.waits()
    assert any(state.out_for for state in house.context.router.backends())


# What visitors think


async def react(visitor: Visitor, **form: str) -> int:
    return (await visitor.posts(f"{visitor.path}/reactions", **{"turn": "1"} | form)).status_code


async def test_a_thumb_is_kept_changed_and_taken_away(visitor: Visitor, house: House) -> None:
    await hears(visitor, await opens(visitor))
    for said, kept in (("up", [("up", 0)]), ("up", [("up", 0)]), ("down", [("down", 0)]), ("none", [])):
        assert await react(visitor, thumb=said) == 303
        assert await house.sql("SELECT thumb, is_flagged FROM reactions") == kept
        page = await visitor.sees()
        assert page.count('aria-pressed="true"') == len(kept)


async def test_a_flag_is_apart_from_the_thumb(visitor: Visitor, house: House) -> None:
    await hears(visitor, await opens(visitor))
    await react(visitor, thumb="down")
    await react(visitor, flag="on")
    assert await house.sql("SELECT thumb, is_flagged FROM reactions") == [("down", 1)]
    assert "The people who run this arena see it." in await visitor.sees()
    await react(visitor, flag="off")
    assert await house.sql("SELECT thumb, is_flagged FROM reactions") == [("down", 0)]


async def test_a_thumb_was_for_the_answer_that_is_written_again_and_a_flag_stays(
    visitor: Visitor, house: House
) -> None:
    await hears(visitor, await opens(visitor))
    await react(visitor, thumb="down")
    await react(visitor, flag="on")
    await visitor.posts(f"{visitor.path}/regenerate")
    await hears(visitor, await backend(visitor).asked())
    assert await house.sql("SELECT thumb, is_flagged FROM reactions") == [(None, 1)]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"thumb": "sideways"}, 422),
        ({"flag": "maybe"}, 422),
        ({"turn": "x", "thumb": "up"}, 422),
        ({"turn": "7", "thumb": "up"}, 404),
        ({"turn": "9" * 40, "thumb": "up"}, 422),
    ],
)
async def test_a_reaction_that_cannot_be_is_refused(visitor: Visitor, form: dict[str, str], status: int) -> None:
    await hears(visitor, await opens(visitor))
    assert await react(visitor, **form) == status


async def test_there_is_no_thumb_before_there_is_an_answer_and_none_in_a_battle(visitor: Visitor) -> None:
    cue = await opens(visitor)
    assert await react(visitor, thumb="up") == 409
    await hears(visitor, cue)
    await visitor.plays()
    assert await react(visitor, thumb="up") == 422


async def test_the_operator_sees_reactions_and_finds_what_is_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    async with open_guarded(tmp_path) as house, house.visitor() as visitor, house.visitor() as operator:
        await hears(visitor, await opens(visitor, "Praised?", temperature="0.5", system="You are a pirate."))
        await react(visitor, thumb="up")
        await hears(visitor, await opens(visitor, "Flagged?"))
        await react(visitor, flag="on")
        await log_in(operator)
        page = (await operator.gets("/admin/battles")).text
        assert "▲ 1" in page
        assert "⚑ 1" in page
        (praised,) = re.findall(r'href="(/admin/battles/[^"]+)"[^>]*>Praised', page)
        flagged = (await operator.gets("/admin/battles?flagged=on")).text
        assert "Flagged?" in flagged
        assert "Praised?" not in flagged
        one = (await operator.gets(praised)).text
        assert AURORA in one
        assert "▲ good" in one
        assert "temperature 0.5" in one
        assert "You are a pirate." in one


async def test_chats_are_exported_with_parameters_and_reactions(tmp_path: Path) -> None:
    from arena.export.named import export_named

    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await hears(visitor, await opens(visitor, "Why?", temperature="0.5"), "Because.")
        await react(visitor, thumb="up")
        chat = visitor.key
        await visitor.plays()
        await visitor.votes("a")
        with (tmp_path / "chats.jsonl").open("wb") as out:
            assert await export_named(house.context.store.named.all(), out) == 1
        assert await house.context.store.named.count() == 1
        assert await house.context.store.count_votes() == 1
    (line,) = (tmp_path / "chats.jsonl").read_text("utf-8").splitlines()
    found = json.loads(line)
    assert (found["conversation_id"], found["mode"], found["models"]) == (chat, "direct", {"a": AURORA})
    (turn,) = found["turns"]
    assert turn["parameters"] == {"temperature": 0.5}
    assert (turn["thumb"], turn["is_flagged"]) == ("up", False)
    assert turn["answers"]["a"]["text"] == "Because."
