"""A visitor's own conversations: found again, taken out, deleted; and blind as long as they are blind."""

import asyncio
import json
import re
from html import unescape
from itertools import product
from pathlib import Path
from time import perf_counter

import pytest

from arena.store.history import PAGE
from tests.house import MODELS, House, Visitor, names, open_house, tables
from tests.processes import kept, run, serve, write_config

HOSTILE = '<script>alert(1)</script> \u202egnp.exe\u202c \u2066x\u2069 & "quotes" <!-- ' + "Z" + "\u0301" * 400
ATTACH = (
    "INSERT INTO attachments "
    "(id, voter_id, created_at, kind, name, image, text, pages, conversation_id, turn, position)"
)


def lines(page: str) -> list[str]:
    """The prompts that a list shows."""
    return [unescape(found) for found in re.findall(r"<h2><a [^>]*><bdi>(.*?)</bdi>", page, re.DOTALL)]


async def history(visitor: Visitor, query: str = "") -> str:
    reply = await visitor.gets(f"/history{query}")
    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    return reply.text


def told(visitor: Visitor) -> list[str]:
    """The words of the configuration that have reached this visitor."""
    everything = b"\n".join(visitor.received).lower()
    return [word for word in names(visitor.house.config) if word and word.lower().encode() in everything]


# The list


async def test_a_newcomer_has_nothing_there(visitor: Visitor) -> None:
    assert "Nothing yet" in await history(visitor)


async def test_conversations_are_listed_newest_first(visitor: Visitor) -> None:
    for prompt in ("First?", "Second?", "Third?"):
        await visitor.plays(prompt)
    assert lines(await history(visitor)) == ["Third?", "Second?", "First?"]


async def test_nobody_sees_the_history_of_others(house: House, visitor: Visitor) -> None:
    await visitor.plays("A secret?")
    async with house.visitor() as other:
        assert "A secret?" not in await history(other)
        assert json.loads((await other.gets("/history/export")).text) == []
        for path in ("export", "delete", "share"):
            assert (await other.gets(f"{visitor.path}/{path}")).status_code == 404
        for path in ("delete", "share", "share/revoke"):
            assert (await other.posts(f"{visitor.path}/{path}")).status_code == 404
        await other.posts("/history/delete")
    assert lines(await history(visitor)) == ["A secret?"]


async def test_a_long_list_has_pages(visitor: Visitor) -> None:
    for number in range(PAGE + 3):
        await visitor.plays(f"Question {number}")
    first = await history(visitor)
    assert len(lines(first)) == PAGE
    older = re.search(r'href="(/history\?before=[^"]+)"', first)
    assert older
    assert lines((await visitor.gets(unescape(older[1]))).text) == ["Question 2", "Question 1", "Question 0"]


async def test_a_search_finds_prompts_and_answers_in_any_case(visitor: Visitor) -> None:
    await visitor.plays("Why is the École closed?", "Because of RAIN.", "100 % sure.")
    await visitor.plays("And the pool?", "It leaks.", "It leaks too.")
    for words in ("école", "rain", "100 %", "the ÉCOLE"[4:]):
        reply = await visitor.http.get("/history", params={"q": words})
        assert lines(reply.text) == ["Why is the École closed?"], words
    assert lines((await visitor.http.get("/history", params={"q": "%"})).text) == ["Why is the École closed?"]
    assert "is like that" in (await visitor.http.get("/history", params={"q": "nothing"})).text
    assert (await visitor.http.get("/history", params={"q": "x" * 201})).status_code == 422


async def test_words_that_almost_repeat_are_searched_for_as_quickly_as_others(visitor: Visitor) -> None:
    await visitor.plays()
    ((voter,),) = await visitor.house.sql("SELECT voter_id FROM conversations")
    for number in range(20):
        await visitor.house.sql(
            f"{ATTACH} VALUES ('{number}', '{voter}', '2026-01-31 12:00:00.000000', 'document', 'a.txt', NULL, "
            f"'{'a' * 60_000}', NULL, '{visitor.key}', 1, {number})"
        )

    async def seconds(words: str) -> float:
        begun = perf_counter()
        assert lines((await visitor.http.get("/history", params={"q": words})).text) == []
        return perf_counter() - begun

    plain = max([await seconds("zebra") for _ in range(3)])
    assert await seconds("a" * 199 + "b") < 10 * plain


async def test_a_blank_page_number_or_id_harms_nobody(visitor: Visitor) -> None:
    await visitor.plays()
    for query in ("?before=zzz", "?before=%00", "?q=%00", "?q=%27%3B--", "?deleted=<b>"):
        assert (await visitor.gets(f"/history{query}")).status_code == 200


async def test_a_hostile_prompt_stays_text(visitor: Visitor) -> None:
    await visitor.plays(HOSTILE)
    page = await history(visitor)
    assert "<script>alert" not in page
    assert "\u202e" not in page, "what turns text around would turn the whole line"
    assert page.count("\u0301") < 20


async def test_a_prompt_of_the_greatest_length_is_one_line(tmp_path: Path) -> None:
    limits = {"prompt_characters": 100_000, "body_bytes": 1_000_000}
    async with open_house(tmp_path, limits=limits) as house, house.visitor() as visitor:
        await visitor.plays("long " * 20_000)
        assert len(await history(visitor)) < 20_000


# Blindness


async def test_an_unrevealed_battle_is_blind_in_list_search_and_export(visitor: Visitor) -> None:
    await visitor.plays()
    await history(visitor)
    for model in MODELS:
        for words in (model, model.split()[0], model[:3]):
            found = await visitor.http.get("/history", params={"q": words})
            assert lines(found.text) == [], f"{words} finds a battle whose names are not out"
    await visitor.gets(f"{visitor.path}/delete")
    for kind in ("json", "markdown"):
        await visitor.gets(f"{visitor.path}/export?format={kind}")
        await visitor.gets(f"/history/export?format={kind}")
    assert told(visitor) == []

    await visitor.votes("a")
    page = await history(visitor)
    assert all(model in page for model in MODELS)
    assert lines((await visitor.http.get("/history", params={"q": MODELS[0]})).text) == ["Why is the sky blue?"]


async def test_exports_of_mirrored_battles_are_the_same_but_for_id_and_time(house: House) -> None:
    """Neither sizes nor the order of anything tells which model is on which side."""
    found: dict[str, set[str]] = {}
    for _ in range(40):
        async with house.visitor() as visitor:
            await visitor.plays()
            [(model,)] = await house.sql(f"SELECT model_a FROM conversations WHERE id = '{visitor.key}'")
            said = (await visitor.gets(f"{visitor.path}/export")).text + await history(visitor)
            said = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.+]*", "TIME", said.replace(visitor.key, "ID"))
            found.setdefault(model, set()).add(said)
        if len(found) == 2:
            break
    assert len(found) == 2
    assert len(set.union(*found.values())) == 1


async def test_what_is_being_written_is_in_no_export(visitor: Visitor) -> None:
    """How far a side is at a moment is how fast it is."""
    cues = await visitor.starts()
    cues["a"].say("Half of it")
    await cues["a"].heard()
    cues["b"].say("All of it.")
    cues["b"].end()
    async with visitor.watches() as stream:
        await stream.until("All of it.")
    said = json.loads((await visitor.gets(f"{visitor.path}/export")).text)
    assert said["turns"][0]["answers"] == []
    assert "still being written" in (await visitor.gets(f"{visitor.path}/export?format=markdown")).text


@pytest.mark.parametrize(
    ("mode", "reveal", "is_revealed", "has_vote"),
    list(product(("battle", "side_by_side"), ("on_vote", "on_request"), (False, True), (False, True))),
)
async def test_a_search_asks_for_names_exactly_where_they_are_out(
    visitor: Visitor, mode: str, reveal: str, is_revealed: bool, has_vote: bool
) -> None:
    await visitor.plays()
    if has_vote:
        await visitor.votes("tie")
    moment = "'2026-01-01 00:00:00.000000'" if is_revealed else "NULL"
    await visitor.house.sql(
        f"UPDATE conversations SET mode = '{mode}', reveal = '{reveal}', revealed_at = {moment}"
    )
    [conversation] = [
        line.conversation for line in await visitor.house.context.store.history.lines(await voter(visitor))
    ]
    found = await visitor.http.get("/history", params={"q": MODELS[0]})
    assert bool(lines(found.text)) == conversation.names_are_out


async def voter(visitor: Visitor) -> str:
    [(found,)] = await visitor.house.sql(f"SELECT voter_id FROM conversations WHERE id = '{visitor.key}'")
    return str(found)


# Files


async def test_one_conversation_as_json_and_as_markdown(visitor: Visitor) -> None:
    await visitor.plays("Why?\nReally?", "Because **A**.", "Because B.")
    await visitor.hears(await visitor.asks("And then?"), "Then A.", "Then B.")
    await visitor.votes("b")
    reply = await visitor.gets(f"{visitor.path}/export?format=json")
    assert re.fullmatch(
        r'attachment; filename="arena-conversation-[\d-]+\.json"', reply.headers["content-disposition"]
    )
    assert reply.headers["cache-control"] == "no-store"
    said = json.loads(reply.text)
    assert [turn["prompt"] for turn in said["turns"]] == ["Why?\nReally?", "And then?"]
    assert [answer["text"] for answer in said["turns"][1]["answers"]] == ["Then A.", "Then B."]
    assert sorted(said["models"].values()) == sorted(MODELS)
    assert said["vote"]["choice"] == "b"
    text = (await visitor.gets(f"{visitor.path}/export?format=markdown")).text
    assert "> Why?\n> Really?\n" in text
    assert "Because **A**." in text
    assert all(f": {model}" in text for model in MODELS)


async def test_all_conversations_in_one_file(visitor: Visitor) -> None:
    for number in range(45):
        await visitor.plays(f"Question {number}")
    said = json.loads((await visitor.gets("/history/export?format=json")).text)
    assert [one["turns"][0]["prompt"] for one in said] == [f"Question {n}" for n in reversed(range(45))]
    text = (await visitor.gets("/history/export?format=markdown")).text
    assert text.count("\n---\n") == 44
    assert (await visitor.gets("/history/export?format=docx")).status_code == 422


# Deleting


async def remains(house: House, words: str) -> list[str]:
    """The tables of the database in which these words still stand."""
    names = [name for (name,) in await house.sql("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {name: await house.sql(f'SELECT * FROM "{name}"') for name in names}
    return [name for name, found in rows.items() if any(words in str(row) for row in found)]


async def dress(visitor: Visitor) -> None:
    """Give a battle something in every table that hangs on it."""
    owner, key, now = await voter(visitor), visitor.key, "'2026-01-01 00:00:00.000000'"
    for statement in (
        "INSERT INTO images VALUES ('cafe', 'image/png', 1, 1, x'00')",
        f"{ATTACH} VALUES ('1', '{owner}', {now}, 'image', 'zebra.png', 'cafe', NULL, NULL, '{key}', 1, 0)",
        f"{ATTACH} VALUES ('2', '{owner}', {now}, 'document', 'n', NULL, 'zebra', 1, '{key}', 1, 1)",
        f"INSERT INTO turn_votes (conversation_id, turn, choice, created_at) VALUES ('{key}', 1, 'a', {now})",
        f"INSERT INTO reactions VALUES ('{key}', 1, 'up', 0, {now})",
        f"INSERT INTO shares VALUES ('zebra-token', '{key}', {now}, NULL)",
        f"INSERT INTO remarks SELECT conversation_id, '[]', '[]', 'zebra', {now} FROM votes "
        f"WHERE conversation_id = '{key}'",
    ):
        await visitor.house.sql(statement)


async def test_a_conversation_without_a_vote_is_gone_whole(visitor: Visitor) -> None:
    await visitor.plays("zebra?", "zebra a", "zebra b")
    await dress(visitor)
    assert "Delete this conversation?" in (await visitor.gets(f"{visitor.path}/delete")).text
    reply = await visitor.posts(f"{visitor.path}/delete")
    assert reply.headers["location"] == "/history?deleted=one"
    assert await remains(visitor.house, "zebra") == []
    assert await remains(visitor.house, visitor.key) == []
    assert await visitor.house.sql("SELECT hash FROM images") == []
    assert (await visitor.gets(visitor.path)).status_code == 404
    assert (await visitor.posts(f"{visitor.path}/delete")).status_code == 404
    assert "Nothing yet" in await history(visitor)


async def test_a_vote_outlives_its_words(visitor: Visitor) -> None:
    await visitor.plays("zebra?", "zebra a", "zebra **b**")
    await visitor.votes("b")
    await dress(visitor)
    before = await visitor.house.sql("SELECT * FROM ballots"), await visitor.house.sql("SELECT * FROM counts")
    await visitor.posts(f"{visitor.path}/delete")
    assert await remains(visitor.house, "zebra") == []
    assert await remains(visitor.house, visitor.key) == ["conversations", "turns", "votes"]
    after = await visitor.house.sql("SELECT * FROM ballots"), await visitor.house.sql("SELECT * FROM counts")
    assert before == after
    assert (await visitor.gets(visitor.path)).status_code == 404
    assert (await visitor.votes("b")).status_code == 404
    assert "Nothing yet" in await history(visitor)
    report = await visitor.house.context.store.box.verify()
    assert report.is_clean


async def test_a_picture_that_another_conversation_has_stays(visitor: Visitor) -> None:
    await visitor.plays("One?")
    await dress(visitor)
    first, owner = visitor.path, await voter(visitor)
    await visitor.plays("Two?")
    await visitor.house.sql(
        f"{ATTACH} VALUES ('3', '{owner}', '2026-01-01 00:00:00.000000', 'image', 'again.png', "
        f"'cafe', NULL, NULL, '{visitor.key}', 1, 0)"
    )
    await visitor.posts(f"{first}/delete")
    assert await visitor.house.sql("SELECT hash FROM images") == [("cafe",)]
    await visitor.posts(f"{visitor.path}/delete")
    assert await visitor.house.sql("SELECT hash FROM images") == []


async def test_a_conversation_in_flight_is_stopped_and_gone(visitor: Visitor) -> None:
    cues = await visitor.starts("zebra?")
    cues["a"].say("zebra, half of it")
    await cues["a"].heard()
    async with visitor.watches() as stream:
        assert (await visitor.posts(f"{visitor.path}/delete")).status_code == 303
        await stream.to_the_end()
    assert visitor.house.context.live.turn(visitor.key) is None
    assert (await visitor.gets(visitor.path)).status_code == 404
    assert await remains(visitor.house, "zebra") == []


async def test_all_are_deleted_together_and_other_visitors_keep_theirs(house: House, visitor: Visitor) -> None:
    async with house.visitor() as other:
        await other.plays("Mine?")
        for number in range(3):
            await visitor.plays(f"zebra {number}")
        await visitor.votes("tie")
        await visitor.starts("zebra in flight")
        assert "Delete all 4 conversations?" in (await visitor.gets("/history/delete")).text
        reply = await visitor.posts("/history/delete")
        assert reply.headers["location"] == "/history?deleted=all"
        assert await remains(house, "zebra") == []
        assert (await house.sql("SELECT count(*) FROM conversations WHERE deleted_at IS NULL")) == [(1,)]
        assert lines(await history(other)) == ["Mine?"]
        assert (await visitor.gets("/history/delete")).status_code == 404
    assert (await house.context.store.box.verify()).is_clean


async def test_a_vote_that_waits_for_its_ballot_gets_it_before_its_words_go(visitor: Visitor) -> None:
    await visitor.plays("Write a poem about rain, please, and about autumn.")
    await visitor.votes("a")
    [before] = await visitor.house.sql("SELECT category_set, outcome FROM ballots")
    await visitor.house.sql("UPDATE votes SET ballot = NULL")
    await visitor.house.sql("DELETE FROM ballots")
    await visitor.house.sql("DELETE FROM counts")
    await visitor.posts(f"{visitor.path}/delete")
    assert await visitor.house.sql("SELECT category_set, outcome FROM ballots") == [before]
    assert (await visitor.house.context.store.box.verify()).is_clean


async def test_a_deleted_vote_is_in_no_export_of_votes_and_on_the_board(visitor: Visitor) -> None:
    store = visitor.house.context.store
    for prompt in ("One?", "Two?"):
        await visitor.plays(prompt)
        await visitor.votes("a")
    await visitor.posts(f"{visitor.path}/delete")
    assert [vote.turns[0].prompt async for vote in store.votes()] == ["One?"]
    assert (await store.box.categories())["all"] == 2


async def test_verify_and_the_operators_pages_know_deleted_battles(tmp_path: Path) -> None:
    token = "a-token-that-is-long-enough"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ARENA_TEST_TOKEN", token)
        async with open_house(tmp_path, access={"admin_token_env": "ARENA_TEST_TOKEN"}) as house:
            async with house.visitor() as visitor:
                await visitor.plays("zebra?")
                await visitor.votes("a")
                await visitor.posts(f"{visitor.path}/delete")
            bearer = {"Authorization": f"Bearer {token}"}
            async with house.visitor() as operator:
                page = await operator.gets("/admin/battles", **bearer)
                assert "deleted by its visitor" in page.text
                gone = await operator.gets(f"/admin/battles/{visitor.key}", **bearer)
                assert gone.status_code == 404
                assert "deleted by its visitor" in gone.text
    write_config(tmp_path, tables())
    done = await run(tmp_path, "db", "verify")
    assert done.status == 0, done.text
    done = await run(tmp_path, "db", "verify", "--repair")
    assert (done.status, kept(tmp_path, "SELECT count(*) FROM ballots")) == (0, [(1,)])


async def test_a_deletion_that_fails_at_its_last_step_has_deleted_nothing(visitor: Visitor) -> None:
    await visitor.plays("zebra?")
    await dress(visitor)
    before = await remains(visitor.house, "zebra")
    await visitor.house.sql(
        "CREATE TRIGGER refuse BEFORE DELETE ON conversations BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    assert (await visitor.posts(f"{visitor.path}/delete")).status_code == 503
    assert await remains(visitor.house, "zebra") == before
    await visitor.house.sql("DROP TRIGGER refuse")
    assert (await visitor.posts(f"{visitor.path}/delete")).status_code == 303
    assert await remains(visitor.house, "zebra") == []


async def test_a_kill_leaves_nothing_half_deleted(tmp_path: Path) -> None:
    """Votes are acknowledged, all is deleted, and the process is killed at one moment or another."""
    scripted = {"providers": [{"name": n, "format": "script"} for n in ("aurora", "borealis")]}
    for pause in (None, 0.002, 0.005, 0.01):
        folder = tmp_path / str(pause)
        folder.mkdir()
        async with serve(folder, tables(**scripted)) as served, served.guest() as guest:
            for number in range(6):
                await guest.begins(f"zebra {number}")
                await guest.reads()
                if number % 2:
                    await guest.votes("a")
            deleting = asyncio.create_task(guest.posts("/history/delete"))
            if pause is None:
                assert (await deleting).status_code == 303
            else:
                await asyncio.sleep(pause)
            await served.kill()
            await asyncio.gather(deleting, return_exceptions=True)
        prompts = kept(folder, "SELECT count(*) FROM turns WHERE prompt LIKE 'zebra%'")[0][0]
        rows = kept(folder, "SELECT count(*), sum(deleted_at IS NOT NULL) FROM conversations")[0]
        assert (prompts, *rows) in {(6, 6, 0), (0, 3, 3)}
        if pause is None:
            assert prompts == 0
        assert kept(folder, "SELECT count(*) FROM votes WHERE ballot IS NOT NULL") == [(3,)]
        done = await run(folder, "db", "verify")
        assert done.status == 0, done.text


def on_disk(folder: Path) -> bytes:
    """All that the database has in its files."""
    return b"".join(file.read_bytes() for file in folder.glob("arena.db*"))


async def test_the_files_of_the_database_hold_no_deleted_word_once_the_server_has_stopped(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        await visitor.plays("xyzzyprompt? " * 300, "xyzzyanswer " * 2000, "B.")
        await visitor.votes("a")
        await visitor.posts(f"{visitor.path}/delete")
    assert b"xyzzy" not in on_disk(tmp_path)


async def test_terms_come_before_deleting_too(tmp_path: Path) -> None:
    (tmp_path / "terms.md").write_text("# Terms\n\nBe kind.", "utf-8")
    async with open_house(tmp_path, pages={"terms": "terms.md"}) as house, house.visitor() as visitor:
        reply = await visitor.posts("/conversations/01a206f0-0000-7000-8000-000000000000/share")
        assert reply.status_code == 428


async def test_another_site_can_neither_delete_nor_share(visitor: Visitor) -> None:
    await visitor.plays()
    for path in (f"{visitor.path}/delete", "/history/delete", f"{visitor.path}/share"):
        reply = await visitor.http.post(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert reply.status_code == 403
    assert await visitor.sees()


# Names that wait to be asked for


async def test_a_vote_whose_names_wait_is_blind_here_too_and_counts_when_its_words_go(tmp_path: Path) -> None:
    async with open_house(tmp_path, blind={"reveal": "on_request"}) as house, house.visitor() as visitor:
        await visitor.plays("zebra?")
        await visitor.votes("a")
        assert "You voted: A is better" in await history(visitor)
        await visitor.gets(f"{visitor.path}/export")
        assert lines((await visitor.http.get("/history", params={"q": MODELS[0]})).text) == []
        assert told(visitor) == []
        await visitor.hears(await visitor.asks("zebra, once more?"))
        await visitor.votes("tie")
        first = visitor.path
        await visitor.plays("And the sea?")
        await visitor.votes("b")
        await visitor.posts(f"{visitor.path}/reveal")
        page = await history(visitor)
        assert MODELS[0] in page.split("zebra?")[0]
        assert MODELS[0] not in page.split("zebra?")[1]
        await visitor.posts(f"{first}/delete")
        assert await remains(house, "zebra") == []
        assert await house.sql("SELECT count(*) FROM votes WHERE ballot IS NOT NULL") == [(2,)]
        assert (await house.context.store.box.verify()).is_clean


# Conversations with models whose names are known


async def talks(visitor: Visitor, mode: str, prompt: str) -> None:
    """A conversation with models by name, to the end of its answers."""
    chosen = {"model": MODELS[0]} if mode == "direct" else {"a": MODELS[1], "b": MODELS[0]}
    reply = await visitor.posts("/conversations", mode=mode, prompt=prompt, **chosen)
    assert reply.status_code == 303, reply.text
    visitor.path = reply.headers["location"]
    asked = (0,) if mode == "direct" else (1, 0)
    for backend in [list(visitor.house.backends.values())[number] for number in asked]:
        cue = await backend.asked()
        cue.say("zebra, said a model.")
        cue.end()
    await visitor.waits()


@pytest.mark.parametrize("mode", ["direct", "side_by_side"])
async def test_named_conversations_say_who_answers_and_go_whole(visitor: Visitor, mode: str) -> None:
    await talks(visitor, mode, "zebra?")
    if mode == "side_by_side":
        assert (await visitor.votes("a")).status_code == 303
    page = await history(visitor)
    assert ("Direct chat" if mode == "direct" else "Side by side") in page
    assert MODELS[0] in page
    assert lines((await visitor.http.get("/history", params={"q": MODELS[0]})).text) == ["zebra?"]
    said = json.loads((await visitor.gets(f"{visitor.path}/export")).text)
    assert said["models"] == ({"a": MODELS[0]} if mode == "direct" else {"a": MODELS[1], "b": MODELS[0]})
    await visitor.posts(f"{visitor.path}/share")
    [(token,)] = await visitor.house.sql("SELECT token FROM shares")
    async with visitor.house.visitor() as reader:
        shared = (await reader.gets(f"/shared/{token}")).text
        assert MODELS[0] in shared
        assert "zebra, said a model." in shared
        assert (await reader.gets(f"/shared/{token}/card.png")).status_code == 200
    await visitor.posts(f"{visitor.path}/delete")
    assert await remains(visitor.house, "zebra") == []
    assert await remains(visitor.house, visitor.key) == []
    assert (await visitor.house.context.store.box.verify()).is_clean
