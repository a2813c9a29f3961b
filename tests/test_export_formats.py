"""The formats in which votes of other arenas were released: what their readers find in them, and the way back."""

import io
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from arena.export import FORMATS
from arena.intake import take_in
from arena.language import english
from arena.store.votes import AnswerRecord, TurnRecord, VoteRecord
from tests.battles import answer, battle, battles, exported, opened, there_and_back, write

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PREFERENCE = "arena-human-preference-140k"
CONV_RELEASE = (
    *("question_id", "model_a", "model_b", "winner", "judge", "conversation_a", "conversation_b"),
    *("turn", "anony", "language", "tstamp"),
)
"""What `clean_battle_data --mode conv_release` writes."""


async def rows(folder: Path, kind: str, *votes: VoteRecord) -> list[dict[str, Any]]:
    """These votes as a reader of that format finds them."""
    async with opened(folder) as store:
        await take_in(store, write(folder / "votes.jsonl", list(votes)))
        content = await exported(store, kind)
    if kind == PREFERENCE:
        found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(content)).to_pylist()
        return found
    read: list[dict[str, Any]] = json.loads(content)
    return read


def one_turn(prompt: str, a: AnswerRecord, b: AnswerRecord) -> tuple[TurnRecord, ...]:
    return (TurnRecord(1, prompt, a, b),)


# FastChat


async def test_fastchat_gets_the_row_that_its_tools_read(tmp_path: Path) -> None:
    vote = battle(
        3, choice="both_bad", turns=one_turn("Why is the sky blue today?", answer("# A", 5), answer("B"))
    )
    (row,) = await rows(tmp_path, "fastchat", vote)
    assert list(row) == [*CONV_RELEASE, "conv_metadata"]
    assert row["question_id"] == vote.conversation_id.replace("-", "")
    assert (row["model_a"], row["model_b"]) == (vote.model_a, vote.model_b)
    assert (row["winner"], row["turn"], row["anony"]) == ("tie (bothbad)", 1, True)
    assert row["language"] == "English"
    assert datetime.fromtimestamp(row["tstamp"], UTC) == vote.voted_at
    assert row["conversation_a"] == [
        {"role": "user", "content": "Why is the sky blue today?", "num_tokens": 7},
        {"role": "assistant", "content": "# A", "num_tokens": 5},
    ]


async def test_the_judge_is_a_stable_pseudonym_without_the_id_in_it(tmp_path: Path) -> None:
    votes = [battle(1), battle(8), battle(2)]  # the first two are of one voter
    judges = [row["judge"] for row in await rows(tmp_path, "fastchat", *votes)]
    assert len({votes[0].voter_id, votes[1].voter_id}) == 1
    assert all(judge.startswith("arena_user_") for judge in judges)
    assert len(set(judges)) == 2
    assert not any(vote.voter_id in judge for vote in votes for judge in judges)


async def test_style_control_finds_its_eight_numbers_without_code_blocks(tmp_path: Path) -> None:
    styled = (
        "# One\n### Three\n- x\n* y\n1. z\n**bold** and __bold__ and **more**\n```\n# no header\n- no list\n```"
    )
    turns = (
        TurnRecord(1, "Hello", answer(styled, 40), answer("b")),
        TurnRecord(2, "On", answer("## 2", 2), answer()),
    )
    (row,) = await rows(tmp_path, "fastchat", battle(1, turns=turns, turn=2))
    found = row["conv_metadata"]
    assert found["header_count_a"] == {"h1": 1, "h2": 1, "h3": 1, "h4": 0, "h5": 0, "h6": 0}
    assert found["list_count_a"] == {"ordered": 1, "unordered": 2}
    assert found["bold_count_a"] == {"**": 2, "__": 1}
    assert (found["sum_assistant_a_tokens"], found["sum_assistant_b_tokens"], found["turns"]) == (42, 6, 2)
    assert (found["context_a_tokens"], found["sum_user_tokens"]) == (12, 3)


async def test_tokens_that_nobody_counted_are_a_quarter_of_the_bytes(tmp_path: Path) -> None:
    (row,) = await rows(
        tmp_path, "fastchat", battle(1, turns=one_turn("长长", answer("12345", None), answer("", None)))
    )
    tokens = [message["num_tokens"] for side in "ab" for message in row[f"conversation_{side}"]]
    assert tokens == [2, 2, 2, 0]


@pytest.mark.parametrize(("choice", "winner"), [("a", "model_a"), ("b", "model_b"), ("tie", "tie")])
async def test_the_winner_has_the_words_of_both_formats(tmp_path: Path, choice: str, winner: str) -> None:
    for kind in ("fastchat", PREFERENCE):
        (row,) = await rows(tmp_path, kind, battle(1, choice=choice))
        assert row["winner"] == winner


async def test_an_array_without_votes_is_an_array(tmp_path: Path) -> None:
    assert await rows(tmp_path, "fastchat") == []


@pytest.mark.parametrize(
    ("code", "name"),
    [("en", "English"), ("zh-Hant", "Chinese"), ("zh", "Chinese"), ("iw", "Hebrew"), ("und", "unknown")],
)
def test_languages_have_their_english_names(code: str, name: str) -> None:
    assert english(code) == name


# arena-human-preference-140k


async def test_the_release_of_140k_has_its_columns_nested_as_on_its_card(tmp_path: Path) -> None:
    vote = battle(
        5, choice="both_bad", turns=one_turn("Was ist das für ein Gedicht?", answer("A"), answer("```b```"))
    )
    (row,) = await rows(tmp_path, PREFERENCE, vote)
    said = [{"type": "text", "text": "A", "image": None, "mimeType": None}]
    assert (row["id"], row["winner"], row["language"]) == (vote.conversation_id, "both_bad", "de")
    assert (row["evaluation_session_id"], row["evaluation_order"]) == (vote.conversation_id, 1)
    assert row["conversation_a"][1] == {"role": "assistant", "content": said, "num_tokens": 3}
    assert row["full_conversation"][0]["model_side_a"] == row["conversation_a"][1]
    assert (row["is_code"], row["category_tag"], row["timestamp"]) == (True, None, vote.voted_at)
    assert row["conv_metadata"]["header_count_b"]["h1"] == 0


async def test_a_vote_with_the_names_shown_has_no_place_in_the_release_of_140k(tmp_path: Path) -> None:
    assert await rows(tmp_path, PREFERENCE, battle(1, mode="side_by_side")) == []
    assert [row["anony"] for row in await rows(tmp_path, "fastchat", battle(1, mode="side_by_side"))] == [False]


# There and back


@pytest.mark.parametrize("kind", FORMATS)
async def test_what_was_exported_and_taken_in_comes_out_with_the_same_bytes(tmp_path: Path, kind: str) -> None:
    votes = [*battles(60), battle(100, mode="side_by_side"), battle(101, pair_probability=None)]
    there, back = await there_and_back(tmp_path, votes, kind)
    assert there == back
    assert len(there) > 1000


async def test_voters_who_were_set_aside_are_so_in_the_other_arena(tmp_path: Path) -> None:
    votes = [battle(number, set_aside="clicks always left" if number % 7 == 1 else None) for number in range(30)]
    there, back = await there_and_back(tmp_path, votes, "jsonl")
    assert there == back
    async with opened(tmp_path, "second") as store:
        assert [one.voter_id for one in (await store.box.roll()).set_aside] == ["voter-1"]
        counted = (await store.box.tally()).votes.sum()
    assert counted <= 30 - len([vote for vote in votes if vote.set_aside])


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
numbers = st.none() | st.integers(0, 10_000)
times = st.none() | st.floats(0, 1e6)
answers = st.builds(
    AnswerRecord,
    text=texts,
    reasoning=texts,
    state=st.sampled_from(["done", "stopped"]),
    backend=st.none() | texts,
    prompt_tokens=numbers,
    completion_tokens=numbers,
    first_token_ms=times,
    duration_ms=times,
    finish_reason=st.none() | texts,
    answered_by=st.none() | texts,
    versions=st.integers(1, 9),
)
prompts = texts.filter(lambda text: bool(text.split("\0")[0]))
moments = st.integers(946_684_800 * 10**6, 4_102_444_800 * 10**6).map(
    lambda us: EPOCH + timedelta(microseconds=us)
)


@st.composite
def random_battles(draw: st.DrawFn) -> VoteRecord:
    """A vote as strange as one may be."""
    said = draw(st.lists(st.tuples(prompts, answers, answers, st.integers(0, 4)), min_size=1, max_size=3))
    models = draw(st.lists(st.text("äbc *'\"", min_size=1, max_size=9).filter(str.strip), min_size=2, unique=True))
    return VoteRecord(
        conversation_id=str(draw(st.uuids())),
        voter_id=str(draw(st.uuids())),
        choice=draw(st.sampled_from(["a", "b", "tie", "both_bad"])),
        turn=len(said),
        voted_at=draw(moments),
        mode=draw(st.sampled_from(["battle", "side_by_side"])),
        model_a=models[0],
        model_b=models[1],
        pair_probability=draw(st.none() | st.floats(0, 1, exclude_min=True)),
        started_at=draw(moments),
        turns=tuple(TurnRecord(number, *parts) for number, parts in enumerate(said, 1)),
    )


@pytest.mark.parametrize("kind", FORMATS)
@settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(votes=st.lists(random_battles(), min_size=1, max_size=4, unique_by=lambda vote: vote.conversation_id))
async def test_any_votes_come_back_as_they_were(kind: str, votes: list[VoteRecord]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        there, back = await there_and_back(Path(folder), votes, kind)
    assert there == back
