"""What visitors say about their votes: saved, changed, closed by the next battle, and exported."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyarrow import parquet

from arena.export import WHOLE
from arena.intake import take_in
from arena.store.votes import TurnVoteRecord, VoteRecord
from tests.battles import battle, exported, opened, there_and_back, write
from tests.house import House, Visitor, open_house
from tests.operator import TOKEN, VARIABLE, log_in, open_guarded

TAGS = {"reasons": ["Right", "Kind"], "faults": ["Rude"], "comment_characters": 20}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, votes=TAGS) as found:
        yield found


async def says(visitor: Visitor, htmx: bool = False, **form: Any) -> int:
    """Send the form of remarks; returns the status of the reply."""
    headers = {"hx-request": "true", "hx-target": "form#remarks"} if htmx else {}
    reply = await visitor.http.post(f"{visitor.path}/remarks", data=form, headers=headers)
    return reply.status_code


async def votes(visitor: Visitor) -> None:
    await visitor.plays()
    assert (await visitor.votes("a")).status_code == 303


async def kept(house: House) -> list[tuple[Any, ...]]:
    return await house.sql("SELECT reasons_a, reasons_b, comment FROM remarks")


# The form


async def test_the_reasons_of_each_side_and_a_comment_are_kept_and_shown_again(
    house: House, visitor: Visitor
) -> None:
    await votes(visitor)
    assert "Say why" in await visitor.sees()
    assert await says(visitor, reasons_a=["Kind", "Right"], reasons_b="Rude", comment=" It was\r\nnice. ") == 303
    assert await kept(house) == [('["Right", "Kind"]', '["Rude"]', "It was\nnice.")]
    page = await visitor.sees()
    assert page.count(" checked>") == 3 + page.count("data-keys checked>")
    assert "It was\nnice.</textarea>" in page
    assert "Saved." in page


async def test_what_was_said_can_be_changed_and_taken_back(house: House, visitor: Visitor) -> None:
    await votes(visitor)
    await says(visitor, reasons_a="Right", comment="First.")
    assert await says(visitor, htmx=True, reasons_b="Right") == 200
    assert await kept(house) == [("[]", '["Right"]', "")]
    await says(visitor)
    assert await kept(house) == [("[]", "[]", "")]


async def test_the_next_battle_closes_the_form_and_what_was_said_stays_to_be_read(
    house: House, visitor: Visitor
) -> None:
    await votes(visitor)
    await says(visitor, reasons_a="Right", comment="<b>Nice</b>")
    first = visitor.path
    await visitor.starts()
    visitor.path = first
    assert await says(visitor, comment="Late.") == 409
    page = await visitor.sees()
    assert "What you said about it" in page
    assert "&lt;b&gt;Nice&lt;/b&gt;" in page
    assert "<textarea" not in page
    assert await kept(house) == [('["Right"]', "[]", "<b>Nice</b>")]


async def test_a_battle_that_began_before_the_vote_closes_nothing(house: House, visitor: Visitor) -> None:
    await visitor.plays()
    first = visitor.path
    await visitor.starts()
    visitor.path = first
    await visitor.votes("a")
    assert await says(visitor, comment="In time.") == 303
    assert len(await kept(house)) == 1


async def test_nothing_is_said_about_a_vote_before_the_names_are_out(tmp_path: Path) -> None:
    async with (
        open_house(tmp_path, votes=TAGS, blind={"reveal": "on_request"}) as house,
        house.visitor() as visitor,
    ):
        await visitor.plays()
        assert await says(visitor, reasons_a="Right") == 409
        await visitor.votes("a")
        assert await says(visitor, reasons_a="Right") == 409
        assert 'id="remarks"' not in await visitor.sees()
        await visitor.posts(f"{visitor.path}/reveal")
        assert await says(visitor, reasons_a="Right") == 303
        assert len(await kept(house)) == 1


@pytest.mark.parametrize("form", [{"reasons_a": "Odd"}, {"reasons_b": ["Right", ""]}, {"comment": "x" * 21}])
async def test_a_reason_that_is_not_offered_and_a_comment_that_is_too_long_are_refused(
    house: House, visitor: Visitor, form: dict[str, Any]
) -> None:
    await votes(visitor)
    assert await says(visitor, **form) == 422
    assert await kept(house) == []


async def test_nobody_else_can_say_or_read_why(house: House, visitor: Visitor) -> None:
    await votes(visitor)
    async with house.visitor() as stranger:
        stranger.path = visitor.path
        assert await says(stranger, reasons_a="Right") == 404
    assert await kept(house) == []


async def test_a_reason_that_has_left_the_configuration_stays_where_it_was_chosen(
    house: House, visitor: Visitor, tmp_path: Path
) -> None:
    await votes(visitor)
    await says(visitor, reasons_a=["Right", "Rude"])
    async with (
        open_house(tmp_path, votes={"reasons": ["Kind"], "faults": []}) as later,
        later.visitor(visitor) as back,
    ):
        assert (await back.sees()).count("Rude") == 2  # its value and its words, of side a alone
        assert await says(back, reasons_a=["Kind", "Rude"]) == 303
        assert await says(back, reasons_b=["Rude"]) == 422
        assert await kept(later) == [('["Kind", "Rude"]', "[]", "")]


async def test_the_operator_reads_what_was_said_and_the_votes_on_later_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    blind = {"reveal": "on_request"}
    async with open_guarded(tmp_path, votes=TAGS, blind=blind) as house, house.visitor() as visitor:
        await votes(visitor)
        await visitor.hears(await visitor.asks("And then?"))
        await visitor.votes("both_bad")
        await visitor.posts(f"{visitor.path}/reveal")
        await says(visitor, reasons_b="Rude", comment="Well <i>said</i>.")
        await log_in(visitor)
        page = (await visitor.gets(f"/admin/battles/{visitor.key}")).text
    assert "Well &lt;i&gt;said&lt;/i&gt;." in page
    assert "Both are bad" in page
    assert "Rude" in page


# Out and in again


async def test_what_was_said_and_the_votes_on_later_turns_are_exported(tmp_path: Path) -> None:
    blind = {"reveal": "on_request"}
    async with open_house(tmp_path, votes=TAGS, blind=blind) as house, house.visitor() as visitor:
        await votes(visitor)
        await visitor.hears(await visitor.asks("And then?"))
        await visitor.votes("tie")
        await visitor.asks("And nobody answers this.")
        await visitor.posts(f"{visitor.path}/stop")
        await visitor.posts(f"{visitor.path}/reveal")
        await says(visitor, reasons_a="Kind", comment="Nice.")
        (row,) = [json.loads(line) for line in (await exported(house.context.store)).splitlines()]
        (flat,) = parquet.read_table(io.BytesIO(await exported(house.context.store, "parquet"))).to_pylist()
        (released,) = json.loads(await exported(house.context.store, "fastchat"))
    assert (row["choice"], row["turn"]) == ("a", 1)
    assert (row["reasons_a"], row["reasons_b"], row["comment"]) == (["Kind"], [], "Nice.")
    assert [(vote["turn"], vote["choice"]) for vote in row["turn_votes"]] == [(2, "tie")]
    assert [turn["number"] for turn in row["turns"]] == [1, 2, 3]
    assert (flat["reasons_a"], flat["answer_a"]) == ('["Kind"]', row["turns"][0]["a"]["text"])
    assert (released["turn"], len(released["conversation_a"])) == (1, 2)


async def test_a_later_turn_that_was_never_answered_is_left_out_of_an_export(tmp_path: Path) -> None:
    async with open_house(tmp_path, blind={"reveal": "on_request"}) as house, house.visitor() as visitor:
        await votes(visitor)
        cues = await visitor.asks("And then?")
        cues["a"].say("Well,")
        cues["a"].end()
        cues["b"].end()
        await visitor.waits()
        await house.sql("UPDATE answers SET state = 'failed', error = 'backend' WHERE turn = 2 AND side = 'b'")
        await visitor.posts(f"{visitor.path}/reveal")
        (row,) = [json.loads(line) for line in (await exported(house.context.store)).splitlines()]
    assert len(row["turns"]) == 1


def spoken() -> list[VoteRecord]:
    """Votes with all that can be said about them, and others without."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    went_on = next(vote for vote in map(battle, range(50)) if len(vote.turns) == 3)
    return [
        replace(battle(60), reasons_a=("Right", "=1+1"), comment='"Nice", he said,\nfalse', remarked_at=at),
        replace(battle(61), reasons_b=('with "quotes"',), remarked_at=at),
        replace(battle(62), remarked_at=at),
        replace(went_on, turn=1, turn_votes=(TurnVoteRecord(2, "tie", at), TurnVoteRecord(3, "a", at))),
        battle(64, mode="side_by_side", comment="null", remarked_at=at),
        battle(65),
    ]


@pytest.mark.parametrize("kind", WHOLE)
async def test_what_was_said_comes_out_of_another_arena_byte_for_byte(tmp_path: Path, kind: str) -> None:
    there, back = await there_and_back(tmp_path, spoken(), kind)
    assert there == back
    assert b"with" in there


async def test_nothing_of_what_was_said_is_lost_on_the_way(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        report = await take_in(store, write(tmp_path / "votes.jsonl", spoken()))
        assert (report.stored, report.left_out) == (6, 0)
        assert sorted([vote async for vote in store.votes()], key=lambda vote: vote.conversation_id) == sorted(
            spoken(), key=lambda vote: vote.conversation_id
        )


async def test_an_export_from_before_there_were_remarks_still_comes_in(tmp_path: Path) -> None:
    old = msgspec.to_builtins(battle(1))
    for name in ("reasons_a", "reasons_b", "comment", "remarked_at", "turn_votes"):
        del old[name]
    (tmp_path / "old.jsonl").write_bytes(msgspec.json.encode(old))
    async with opened(tmp_path) as store:
        assert (await take_in(store, tmp_path / "old.jsonl")).stored == 1
        assert [vote async for vote in store.votes()] == [battle(1)]


@pytest.mark.parametrize(
    "changes",
    [
        {"turn_votes": (TurnVoteRecord(9, "a", datetime.now(UTC)),)},
        {"turn_votes": (TurnVoteRecord(1, "c", datetime.now(UTC)),)},
        {"reasons_a": ("",), "remarked_at": datetime.now(UTC)},
        {"comment": "Said when?"},
    ],
)
async def test_what_cannot_have_been_said_is_left_out_with_a_reason(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    async with opened(tmp_path) as store:
        report = await take_in(store, write(tmp_path / "votes.jsonl", [replace(battle(1), **changes)]))
        assert (report.stored, report.left_out) == (0, 1)
