"""Votes of other arenas, taken in: whole, once, and with a word about each that was not."""

import asyncio
import csv
import io
import json
import os
import resource
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from arena.export import FORMATS as EXPORTS
from arena.intake import FORMATS, Report, take_in
from arena.intake.pieces import LIMIT, items, lines
from arena.store.casting import OUTCOMES
from arena.store.votes import VoteRecord
from tests import test_migrations
from tests.battles import battle, battles, exported, opened, write
from tests.memory import measured
from tests.processes import CHECKOUT, kept, run, scripted, write_config
from tests.terminals import open_terminal

KEY = "58210e39b3fd4441a2bd4a518bb44c2d"
UUID = "58210e39-b3fd-4441-a2bd-4a518bb44c2d"


async def taken(folder: Path, content: bytes | str, kind: str | None = None) -> Report:
    """The report of a file with this content."""
    file = folder / "file"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    async with opened(folder) as store:
        return await take_in(store, file, FORMATS[kind] if kind else None)


async def the_votes(folder: Path) -> list[VoteRecord]:
    """All votes that are there."""
    async with opened(folder) as store:
        return [vote async for vote in store.votes()]


async def the_vote(folder: Path, content: bytes | str) -> VoteRecord:
    """What a file with one vote becomes."""
    report = await taken(folder, content)
    assert (report.stored, report.left_out) == (1, 0), report
    (vote,) = await the_votes(folder)
    return vote


def reasons(report: Report) -> dict[str, list[int]]:
    """Why rows were left out, and the places of the first of them."""
    return {name: [one.place for one in reason.examples] for name, reason in report.reasons.items()}


# Formats


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"content": text, "role": ("user", "assistant")[place % 2]} for place, text in enumerate(texts)]


def of_33k(**changes: Any) -> dict[str, Any]:
    """A row of lmsys/chatbot_arena_conversations."""
    return {
        "question_id": KEY,
        "model_a": "chatglm-6b",
        "model_b": "koala-13b",
        "winner": "model_b",
        "judge": "arena_user_973",
        "conversation_a": said("What is the capital of France?", "Paris.", "And of Peru?", "Lima."),
        "conversation_b": said("What is the capital of France?", "It is Paris.", "And of Peru?", "It is Lima."),
        "turn": 2,
        "anony": True,
        "language": "English",
        "tstamp": 1682351591.1322,
        "openai_moderation": {"categories": {"hate": False}, "category_scores": {"hate": 1e-6}, "flagged": False},
        "toxic_chat_tag": {"roberta-large": {"flagged": False, "probability": 0.01}},
    } | changes


def of_140k(**changes: Any) -> dict[str, Any]:
    """A row of lmarena-ai/arena-human-preference-140k."""

    def message(role: str, text: str, **more: Any) -> dict[str, Any]:
        return {"role": role, "content": [{"type": "text", "text": text, "image": None, "mimeType": None}]} | more

    return {
        "id": UUID,
        "model_a": "one",
        "model_b": "two",
        "winner": "both_bad",
        "evaluation_session_id": "5d3c",
        "evaluation_order": 2,
        "conversation_a": [message("user", "Cześć"), message("assistant", "Hej")],
        "conversation_b": [message("user", "Cześć"), message("assistant", "Dzień dobry", num_tokens=9)],
        "full_conversation": [],
        "conv_metadata": {"sum_user_tokens": 2, "context_a_tokens": 30},
        "category_tag": {"math_v0.1": {"math": False}},
        "language": "pl",
        "is_code": False,
        "timestamp": "2025-06-12 08:15:00.123456",
    } | changes


async def test_the_release_of_33k_is_taken_in(tmp_path: Path) -> None:
    vote = await the_vote(tmp_path, json.dumps([of_33k()]))
    assert (vote.conversation_id, vote.voter_id) == (UUID, "arena_user_973")
    assert (vote.model_a, vote.model_b, vote.choice, vote.turn) == ("chatglm-6b", "koala-13b", "b", 2)
    assert (vote.mode, vote.pair_probability, vote.voted_at.timestamp()) == ("battle", None, 1682351591.1322)
    assert [(turn.prompt, turn.a.text, turn.b.text) for turn in vote.turns] == [
        ("What is the capital of France?", "Paris.", "It is Paris."),
        ("And of Peru?", "Lima.", "It is Lima."),
    ]


async def test_the_release_of_33k_is_taken_in_as_parquet(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist([of_33k()]), tmp_path / "rows.parquet")
    assert (await the_vote(tmp_path, (tmp_path / "rows.parquet").read_bytes())).choice == "b"


async def test_the_release_of_100k_is_taken_in_with_its_columns_as_texts(tmp_path: Path) -> None:
    row = of_33k(judge_hash="a1b2", conv_metadata={"sum_assistant_a_tokens": 9}, is_refusal=False)
    del row["judge"]
    for side in "ab":
        row[f"conversation_{side}"] = json.dumps(row[f"conversation_{side}"])
    vote = await the_vote(tmp_path, json.dumps(row))
    assert (vote.voter_id, len(vote.turns)) == ("arena_user_a1b2", 2)


async def test_the_release_of_55k_is_taken_in(tmp_path: Path) -> None:
    text = io.StringIO()
    rows = csv.writer(text)
    names = ("id", "model_a", "model_b", "prompt", "response_a", "response_b")
    rows.writerow([*names, "winner_model_a", "winner_model_b", "winner_tie"])
    rows.writerow(
        [30192, "m", "n", '["Is it?\\nOr, \\"not\\"?","\\ud83d"]', '["Yes.","1"]', '["No.",""]', 0, 0, 1]
    )
    vote = await the_vote(tmp_path, text.getvalue())
    assert (vote.conversation_id, vote.choice) == ("lmsys-arena-human-preference-55k-30192", "tie")
    assert [turn.prompt for turn in vote.turns] == ['Is it?\nOr, "not"?', "\ufffd"]  # half of a pair of surrogates
    assert vote.voted_at.year == 1970


@pytest.mark.parametrize("when", ["2025-06-12 08:15:00.123456", 1749716100.123456, 1749716100123.456])
async def test_the_release_of_140k_is_taken_in(tmp_path: Path, when: str | float) -> None:
    vote = await the_vote(tmp_path, json.dumps(of_140k(timestamp=when)))
    assert (vote.conversation_id, vote.voter_id, vote.choice) == (UUID, "session:5d3c", "both_bad")
    assert (vote.turns[0].prompt, vote.turns[0].b.text) == ("Cześć", "Dzień dobry")
    assert (vote.turns[0].b.completion_tokens, vote.turns[0].a.prompt_tokens) == (9, 30)
    assert vote.voted_at.isoformat() == "2025-06-12T08:15:00.123456+00:00"


async def test_moments_of_parquet_may_have_nanoseconds(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([of_140k(timestamp=1749716100123456789)])
    place = table.schema.get_field_index("timestamp")
    moments = table.column("timestamp").cast(pa.timestamp("ns"))
    parquet.write_table(table.set_column(place, "timestamp", moments), tmp_path / "rows.parquet")
    vote = await the_vote(tmp_path, (tmp_path / "rows.parquet").read_bytes())
    assert vote.voted_at.isoformat() == "2025-06-12T08:15:00.123456+00:00"


async def test_pictures_leave_the_words_beside_them(tmp_path: Path) -> None:
    picture = {"type": "image", "text": None, "image": "f00d", "mimeType": "image/png"}
    asked = [{"role": "user", "content": [picture]}]
    sides = {f"conversation_{side}": [*asked, {"role": "assistant", "content": "A cat."}] for side in "ab"}
    (turn,) = (await the_vote(tmp_path, json.dumps(of_140k(**sides)))).turns
    assert (turn.prompt, turn.images) == ("[image]", 1)
    assert kept(tmp_path, f"SELECT sum({' + '.join(OUTCOMES)}) FROM counts WHERE category = 'image'") == [(1,)]


# The daily logs of the old arena


def of_log(kind: str = "leftvote", **changes: Any) -> dict[str, Any]:
    """A line of YYYY-MM-DD-conv.json, of a vote: two messages of a template come before the conversation."""

    def state(model: str, key: str, answer: str) -> dict[str, Any]:
        messages = [["USER", "Hi!"], ["ASSISTANT", "Hello."], ["USER", "Compare google maps to bing maps"]]
        return {
            "template_name": "one_shot",
            "system_message": "",
            "roles": ["USER", "ASSISTANT"],
            "messages": [*messages, ["ASSISTANT", answer]],
            "offset": 2,
            "conv_id": key,
            "model_name": model,
        }

    return {
        "tstamp": 1707868800.1234,
        "type": kind,
        "models": ["", ""],
        "states": [state("vicuna", KEY, "One is from Google."), state("koala", "0" * 32, "Both are maps.")],
        "ip": "203.0.113.7",
    } | changes


def log_of(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def with_texts(*texts: Any, **changes: Any) -> dict[str, Any]:
    """The same line, where both sides have these messages after the template's."""
    record = of_log(**changes)
    for state in record["states"]:
        spoken = [[("USER", "ASSISTANT")[place % 2], text] for place, text in enumerate(texts)]
        state["messages"] = [*state["messages"][:2], *spoken]
    return record


async def test_a_vote_of_the_old_log_is_taken_in_without_the_address_of_the_voter(tmp_path: Path) -> None:
    vote = await the_vote(tmp_path, log_of(of_log()))
    assert (vote.conversation_id, vote.mode, vote.choice) == (UUID, "battle", "a")
    assert (vote.model_a, vote.model_b) == ("vicuna", "koala")
    assert [turn.prompt for turn in vote.turns] == ["Compare google maps to bing maps"]  # google is no leak
    assert vote.voter_id.startswith("arena_user_")
    assert "203.0.113.7" not in (tmp_path / "arena.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("kind", "choice"), [("leftvote", "a"), ("rightvote", "b"), ("tievote", "tie"), ("bothbad_vote", "both_bad")]
)
async def test_each_vote_of_the_old_log_has_its_choice(tmp_path: Path, kind: str, choice: str) -> None:
    assert (await the_vote(tmp_path, log_of(of_log(kind)))).choice == choice


@pytest.mark.parametrize(
    ("models", "mode"),
    [
        (["", ""], "battle"),
        (["Model A", "Model B"], "battle"),
        (["<h3>Model A</h3>\n", "<h3>Model B</h3>\n"], "battle"),
        (["### Model A: vicuna", "### Model B: koala"], "side_by_side"),
        (["vicuna", "koala"], "side_by_side"),
    ],
)
async def test_a_vote_with_the_names_shown_is_no_battle(tmp_path: Path, models: list[str], mode: str) -> None:
    assert (await the_vote(tmp_path, log_of(of_log(models=models)))).mode == mode
    assert len(kept(tmp_path, "SELECT * FROM ballots")) == (mode == "battle")


async def test_of_two_votes_in_one_old_battle_the_first_counts(tmp_path: Path) -> None:
    report = await taken(tmp_path, log_of(of_log(), of_log("rightvote"), of_log()))
    assert (report.stored, report.there) == (1, 1)
    assert reasons(report) == {"has the id of another vote that is kept": [2]}


async def test_a_picture_of_the_old_log_leaves_its_words(tmp_path: Path) -> None:
    vote = await the_vote(
        tmp_path, log_of(with_texts(["What is this?", ["0cc175b9c0f1b6a831c399e269772661"]], "A."))
    )
    assert (vote.turns[0].prompt, vote.turns[0].images) == ("What is this?", 1)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (of_log("chat"), "is a record of another kind, and no vote"),
        (of_log(models=[None, None]), "has no names"),
        (of_log(models=["", "koala"]), "shows other names than its sides have"),
        (of_log(models=["vicuna", "alpaca"]), "shows other names than its sides have"),
        (of_log(states=[]), "has not two sides"),
        (with_texts(), "has no messages"),
        (with_texts("Hi", None), "has an empty message"),
        (
            with_texts("Hi", "**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE.**"),
            "has an error instead of a text",
        ),
        (with_texts("$MODERATION$ YOUR TEXT VIOLATES OUR GUIDELINES.", "No."), "has an error instead of a text"),
        (with_texts("Hi", "Half of▌"), "has an answer that was not finished"),
        (with_texts("Hi"), "has not as many answers as prompts"),
        (with_texts("Hi", 5), "has a message that is no text"),
    ],
)
async def test_what_the_old_log_has_besides_votes_is_left_out(
    tmp_path: Path, record: dict[str, Any], reason: str
) -> None:
    assert reasons(await taken(tmp_path, log_of(record))) == {reason: [1]}


# Once and whole


@pytest.mark.parametrize("kind", EXPORTS)
async def test_an_export_taken_into_its_own_arena_changes_nothing(tmp_path: Path, kind: str) -> None:
    await taken(tmp_path, b"".join(msgspec.json.encode(vote) + b"\n" for vote in battles(20)))
    async with opened(tmp_path) as store:
        before, content = await exported(store), await exported(store, kind)
    report = await taken(tmp_path, content)
    assert (report.read, report.stored, report.there, report.left_out) == (20, 0, 20, 0)
    async with opened(tmp_path) as store:
        assert await exported(store) == before


async def test_votes_taken_in_have_the_ballots_and_counts_of_votes_cast_here(tmp_path: Path) -> None:
    write(tmp_path / "votes", [*battles(50), battle(60, mode="side_by_side")])
    async with opened(tmp_path) as store:
        await take_in(store, tmp_path / "votes")
        left_out = await store.box.left_out("all")
        assert (await store.box.tally()).votes.sum() == 50 - left_out.leaks
    assert kept(tmp_path, "SELECT count(*) FROM ballots WHERE looks != '0 0 0 0 0 0 0 0 0 0'") == [(50,)]
    assert kept(tmp_path, "SELECT count(*) FROM votes WHERE ballot IS NULL") == [(1,)]
    assert kept(tmp_path, "SELECT DISTINCT origin FROM conversations") == [("arena",)]


async def test_a_dry_run_says_the_same_and_stores_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    write(tmp_path / "votes", list(battles(5)))
    dry = await run(tmp_path, "import", "--dry-run", "votes")
    assert (dry.status, kept(tmp_path, "SELECT count(*) FROM votes")) == (0, [(0,)])
    wet = await run(tmp_path, "import", "votes")
    assert dry.text.replace("would be stored", "stored") == wet.text
    assert kept(tmp_path, "SELECT count(*) FROM votes") == [(5,)]


async def test_an_import_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    write(tmp_path / "votes", list(battles(3000)))
    assert (await run(tmp_path, "import", "--dry-run", "votes")).status == 0
    command = (sys.executable, "-m", "arena", "import", "votes")
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env={"PYTHONPATH": str(CHECKOUT)})
    while not kept(tmp_path, "SELECT 1 FROM votes LIMIT 1"):  # noqa: ASYNC110  # a table that grows is no event
        await asyncio.sleep(0.01)
    process.kill()
    await process.wait()
    ((half,),) = kept(tmp_path, "SELECT count(*) FROM votes")
    assert 0 < half < 3000
    assert kept(tmp_path, "SELECT count(*) FROM conversations") == kept(tmp_path, "SELECT count(*) FROM ballots")
    report = (await run(tmp_path, "import", "votes")).text
    assert f"{3000 - half:,}  stored" in report
    assert kept(tmp_path, "SELECT count(*) FROM votes") == [(3000,)]


async def test_a_disk_that_fills_up_keeps_whole_battles_and_the_next_import_completes_them(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    write(tmp_path / "votes", list(battles(2000)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))
    try:
        finished = await run(tmp_path, "import", "votes")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "arena.db: the database did not take a write: " in finished.complaint
    ((half,),) = kept(tmp_path, "SELECT count(*) FROM votes")
    assert 0 < half < 2000
    for table in ("conversations", "ballots"):
        assert kept(tmp_path, f"SELECT count(*) FROM {table}") == [(half,)]
    assert f"{2000 - half:,}  stored" in (await run(tmp_path, "import", "votes")).text


async def test_an_import_beside_a_reader_of_the_same_database_is_seen_by_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as server:
        await server.box.roll()
        await taken(tmp_path, b"".join(msgspec.json.encode(vote) + b"\n" for vote in battles(3)))
        assert (await server.box.roll()).newest == 3


# What is wrong


def line(**changes: Any) -> str:
    return json.dumps(msgspec.to_builtins(battle(1)) | changes)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (line(choice="c"), "has a choice that is not known"),
        (line(choice=1), "is not as its format has it"),
        (line(turn=9), "is about a turn that is not there"),
        (line(turns=[]), "has turns that are not numbered so"),
        (line(model_b="x", model_a="x"), "has a model against itself"),
        (line(model_a=""), "has a model without a name"),
        (line(mode="direct"), "has a mode that is not known"),
        (line(conversation_id="a\x1b[31m"), "has an id that cannot be kept"),
        (line(voted_at="soon"), "is not as its format has it"),
        (line(voted_at="9999-01-01T00:00:00Z"), "has a moment that cannot be"),
        (line(pair_probability=0), "has a probability that is none"),
        (line(set_aside=""), "has a voter set aside for no reason"),
        (line()[:-100], "breaks off in the middle"),
        ("{'choice': 'a'}", "is not JSON"),
        ('{"a": 1}', "is in no known format"),
        ("[" * 100_000, "breaks off in the middle"),
        ('{"a": ' * 100_000, "is nested too deeply"),
        (json.dumps([of_33k(winner="model_c")]), "has a winner that is not known"),
        (json.dumps([of_33k(tstamp="yesterday")]), "is not as its format has it"),
        (json.dumps([of_33k(tstamp=1e300)]), "has no moment that can be read"),
        (json.dumps([of_33k(conversation_a=None)]), "has no conversation"),
        (
            json.dumps([of_33k(conversation_a=said("Other?", "Yes."))]),
            "has other prompts on side a than on side b",
        ),
        (json.dumps([of_33k(conversation_a=said("Alone?"))]), "has messages that do not take turns"),
        (json.dumps([of_33k(question_id=None)]), "has no question_id"),
        (json.dumps([5, of_33k(winner=5)]), "is no JSON object"),
        ("\ufeff".encode("utf-16-le") + line().encode("utf-16-le"), "is in UTF-16: save it as UTF-8"),
        (b"\x1f\x8b\x08" + b"0" * 50, "is compressed: unpack it first"),
        (line().replace("{", '{"by": "Ä", ', 1).encode("latin-1"), "is not UTF-8"),
        (b"PAR1" + b"nonsense" * 20, "the Parquet file cannot be read on"),
        (b"\x00\x01\x02", "is no file of votes in a known format"),
        ("name,colour\na,b\n", "is no file of votes in a known format"),
    ],
)
async def test_a_vote_that_cannot_be_kept_is_left_out_and_named(
    tmp_path: Path, content: bytes | str, reason: str
) -> None:
    report = await taken(tmp_path, content)
    assert reason in report.reasons
    assert report.is_useless
    assert await the_votes(tmp_path) == []


async def test_what_stands_around_a_broken_row_is_taken_in(tmp_path: Path) -> None:
    good = [line(conversation_id=f"c{number}") for number in range(3)]
    report = await taken(tmp_path, "\n".join([good[0], '{"choice": ', "", good[1], line(choice="c"), good[2]]))
    assert report.stored == 3
    assert reasons(report) == {"breaks off in the middle": [2], "has a choice that is not known": [5]}


async def test_the_lines_of_an_array_are_counted_however_it_is_laid_out(tmp_path: Path) -> None:
    rows = [of_33k(question_id=f"q{number}", winner=("tie", "draw")[number % 2]) for number in range(4)]
    content = json.dumps(rows, indent=1)
    lines_of = [place for place, text in enumerate(content.splitlines(), 1) if text == " {"]
    report = await taken(tmp_path, content)
    assert (report.stored, reasons(report)["has a winner that is not known"]) == (2, [lines_of[1], lines_of[3]])


@pytest.mark.parametrize("cut", [10, 500, 1500])
async def test_of_an_array_that_breaks_off_whole_battles_are_kept(tmp_path: Path, cut: int) -> None:
    content = "[\n" + ",\n".join(json.dumps(of_33k(question_id=f"q{number}")) for number in range(3))
    report = await taken(tmp_path, content[:-cut])
    assert report.left_out == 1
    assert report.stored == len(await the_votes(tmp_path)) < 3
    assert list(reasons(report).values()) == [[report.stored + 2]]


async def test_a_report_stays_short_whatever_is_wrong(tmp_path: Path) -> None:
    content = "".join(line(choice=f"\x1b]0;{'x' * 500}{number}") + "\n" for number in range(1000))
    report = await taken(tmp_path, content)
    assert report.left_out == 1000
    details = [one.detail for reason in report.reasons.values() for one in reason.examples]
    assert len(details) == 3
    assert all(len(detail) <= 80 and detail.isprintable() for detail in details)


async def test_a_table_with_a_column_too_few_in_a_row_names_the_row(tmp_path: Path) -> None:
    await taken(tmp_path, b"".join(msgspec.json.encode(vote) + b"\n" for vote in battles(2)))
    async with opened(tmp_path) as store:
        content = await exported(store, "csv")
    report = await taken(tmp_path, content + b"one,two\n" + b'"breaks off')
    assert report.there == 2
    assert list(report.reasons) == ["has another number of columns than the header", "breaks off in the middle"]


@pytest.mark.parametrize("wrong", [b"\xe9", b"x" * (LIMIT + 1), (b"x" * 2**20 + b"\n") * 16])
async def test_a_text_in_a_table_is_never_taken_for_rows_when_its_record_is_left_out(
    tmp_path: Path, wrong: bytes
) -> None:
    names = ["id", "model_a", "model_b", "prompt", "response_a", "response_b"]
    names += ["winner_model_a", "winner_model_b", "winner_tie"]
    row = b'%d,m,n,"[""Hi""]","[""A.""]","[""B.""]",1,0,0\n'
    text = b'1,m,n,"[""' + wrong + b"\n" + b"5,m,n,[5],[5],[5],1,0,0\n" + b'""]","[""A.""]","[""B.""]",1,0,0\n'
    report = await taken(tmp_path, ",".join(names).encode() + b"\n" + row % 0 + text + row % 2)
    assert (report.read, report.stored, report.left_out) == (3, 2, 1)
    assert list(reasons(report).values()) == [[3]]
    assert {vote.conversation_id.rpartition("-")[2] for vote in await the_votes(tmp_path)} == {"0", "2"}


async def test_a_format_that_is_named_is_the_one_that_is_read(tmp_path: Path) -> None:
    report = await taken(tmp_path, json.dumps([of_33k()]), "fastchat-log")
    assert list(report.reasons) == ["is a record of another kind, and no vote"]
    assert (await taken(tmp_path, json.dumps([of_33k()]), "fastchat")).stored == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_nothing_that_a_file_holds_breaks_off_the_import_or_leaves_half_a_battle(
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = bytearray(data.draw(st.sampled_from(FILES)))
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(content)))
            length = data.draw(st.sampled_from([0, 1, 30, len(content)]))
            content[place : place + length] = data.draw(st.binary(max_size=4))
        report = await taken(folder, bytes(content))
        assert report.read == report.stored + report.there + report.left_out
        votes = await the_votes(folder)
        assert len(votes) == report.stored == kept(folder, "SELECT count(*) FROM conversations")[0][0]
        assert all(vote.turns and vote.turn == len(vote.turns) for vote in votes)


@given(st.binary(max_size=300))
@settings(max_examples=60)
async def test_any_bytes_are_reported(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = await taken(Path(folder), content)
        assert report.stored == 0


def _files() -> list[bytes]:
    """A small file of each kind."""

    async def make(folder: Path) -> list[bytes]:
        async with opened(folder) as store:
            await take_in(store, write(folder / "votes", list(battles(4))))
            return [await exported(store, kind) for kind in EXPORTS]

    with tempfile.TemporaryDirectory() as folder:
        exports = asyncio.run(make(Path(folder)))
    return [*exports, json.dumps([of_33k()], indent=1).encode(), log_of(of_log(), of_log("chat")).encode()]


FILES = _files()


# How much of a file is held


@pytest.mark.parametrize("read", [lines, items])
def test_a_piece_over_the_limit_is_passed_over_and_the_next_is_read(read: Any) -> None:
    between = b",\n" if read is items else b"\n"
    pieces = [b'{"a": 1}', b'{"b": "' + b"x" * 5000 + b'\\"]"}', b'{"c": 3}']
    content = between.join(pieces) + b"\n"
    found = list(read(io.BytesIO(b"[" + content + b"]" if read is items else content), limit=1000))
    assert [piece.place for piece in found] == [1, 2, 3]
    assert [piece.content.strip() for piece in found] == [pieces[0], b"", pieces[2]]
    assert found[1].problem is not None


@given(st.lists(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner), max_leaves=5)))
def test_the_items_of_an_array_are_found_by_brackets_and_strings_alone(values: list[Any]) -> None:
    texts = [value for value in values if not isinstance(value, int)]
    found = list(items(io.BytesIO(json.dumps(texts, indent=2, ensure_ascii=False).encode())))
    assert [json.loads(piece.content) for piece in found] == texts


async def test_a_line_of_gigabytes_is_refused_without_being_read_into_memory(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    with (tmp_path / "votes").open("wb") as file:
        file.write(line().encode() + b"\n")
        file.truncate(2**30)  # a gigabyte of zeros, which takes no place on the disk
        file.seek(0, 2)
        file.write(b"\n" + line(conversation_id="last").encode() + b"\n")
    text, peak = await measured(tmp_path, "import", "votes")
    assert "2  stored" in text
    assert "is longer than what is read at once (16 MiB): line 2" in text
    assert peak < 300_000


async def test_rows_over_the_limit_in_parquet_are_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    rows = [of_33k(question_id=f"q{number}") for number in range(4)]
    huge = of_33k(question_id="huge", conversation_a=said("Hi", "x" * LIMIT))
    with parquet.ParquetWriter(tmp_path / "rows", pa.Table.from_pylist(rows).schema) as writer:
        for group in ([rows[0], huge, rows[1], rows[2]], [huge, huge, huge | {"judge": "x" * LIMIT}], [rows[3]]):
            writer.write_table(pa.Table.from_pylist(group))
    report = await taken(tmp_path, (tmp_path / "rows").read_bytes())
    assert report.stored == 4
    (reason,) = report.reasons.values()
    assert [(one.place, one.detail) for one in reason.examples] == [(2, ""), (5, "a row group of 3")]


async def test_a_row_group_is_not_read_as_a_whole(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    row = of_33k(conversation_a=said("Hi", "x" * 30_000), conversation_b=said("Hi", "y"))
    peaks = []
    for rows in (500, 10_000):
        table = pa.Table.from_pylist([row] * rows)
        parquet.write_table(table, tmp_path / "votes", compression="none", use_dictionary=False)
        text, peak = await measured(tmp_path, "import", "--dry-run", "votes")
        assert f"{rows:,}  read" in text
        peaks.append(peak)
    group = (tmp_path / "votes").stat().st_size // 1024
    assert peaks[1] - peaks[0] < 0.75 * group


async def test_ten_times_the_votes_take_hardly_more_memory(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    peaks = []
    for votes in (1_000, 10_000):
        write(tmp_path / "votes", [battle(number, turns=SHORT, turn=1) for number in range(votes)])
        text, peak = await measured(tmp_path, "import", "votes")
        assert f"{votes:,}  read" in text
        peaks.append(peak)
    assert peaks[1] < 1.3 * peaks[0]


async def test_a_hundred_thousand_votes_are_looked_at_in_bounded_memory(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    rows = (json.dumps(of_33k(question_id=f"q{number}")) for number in range(100_000))
    with (tmp_path / "votes").open("w") as file:
        file.write("[" + next(rows))
        file.writelines("," + row for row in rows)  # all on one line
        file.write("]")
    text, peak = await measured(tmp_path, "import", "--dry-run", "votes")
    assert "100,000  would be stored" in text
    assert peak < 200_000


SHORT = [{"number": 1, "prompt": "Hi", **{side: msgspec.to_builtins(battle(2).turns[0].a) for side in "ab"}}]


# The command


async def test_the_command_reports_each_file_and_why_rows_were_left_out(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    (tmp_path / "one.jsonl").write_text(f"{line()}\n{line(choice='c')}\n{line()[:50]}\n")
    (tmp_path / "two.json").write_text(json.dumps([of_33k()]))
    finished = await run(tmp_path, "import", "one.jsonl", "two.json")
    assert finished.status == 0
    assert finished.text.splitlines() == [
        "one.jsonl: arena",
        "          3  read",
        "          1  stored",
        "          0  there already",
        "          2  left out",
        "              1  breaks off in the middle: line 3 (Input data was truncated)",
        "              1  has a choice that is not known: line 2 (c)",
        "two.json: fastchat",
        "          1  read",
        "          1  stored",
        "          0  there already",
        "          0  left out",
    ]


async def test_the_command_fails_where_nothing_could_be_read(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    (tmp_path / "votes").write_text("nonsense")
    (tmp_path / "empty").touch()
    assert (await run(tmp_path, "import", "votes")).status == 1
    assert (await run(tmp_path, "import", "empty")).status == 0
    assert (await run(tmp_path, "import", "missing")).status == 2
    os.mkfifo(tmp_path / "pipe")
    with os.fdopen(os.open(tmp_path / "pipe", os.O_RDWR)):
        complaint = (await run(tmp_path, "import", "pipe")).complaint
    assert complaint.startswith("arena: pipe: cannot be read: it is a pipe, which can be read only once.")


async def test_at_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    write(tmp_path / "votes.jsonl", list(battles(3)))
    async with open_terminal(tmp_path, "import", "votes.jsonl") as terminal:
        await terminal.shows("votes.jsonl ")
        await terminal.shows("100%")
        assert await terminal.ended() == 0


async def test_a_database_of_the_version_before_keeps_all_it_has_and_takes_votes_in(tmp_path: Path) -> None:
    write(tmp_path / "votes", list(battles(5)))
    async with opened(tmp_path) as store:
        await take_in(store, tmp_path / "votes")
    before = Counter(kept(tmp_path, "SELECT id, model_a FROM conversations"))
    _as_0003(tmp_path / "arena.db")
    async with opened(tmp_path) as store:
        write(tmp_path / "more", [battle(9, pair_probability=None)])
        assert (await take_in(store, tmp_path / "more")).stored == 1
    after = Counter(kept(tmp_path, "SELECT id, model_a FROM conversations"))
    assert before < after
    assert kept(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    with (
        pytest.raises(sqlite3.IntegrityError, match="drawn_whole"),
        closing(sqlite3.connect(tmp_path / "arena.db")) as db,
    ):
        db.execute("UPDATE conversations SET model_a = NULL")


def _as_0003(new: Path) -> None:
    """The same rows in a database of version 0003."""
    old = new.with_name("0003.db")
    test_migrations.empty(old, "0003")
    with test_migrations.opened(old) as db:
        db.execute("ATTACH ? AS newer", (str(new),))
        for table in ("voters", "conversations", "turns", "answers", "votes"):
            names = test_migrations.columns(db, table).replace(", ballot", "")
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM newer.{table}")
    for left in new.parent.glob("arena.db*"):
        left.unlink()
    old.rename(new)
