"""Documents with prompts: handed in, read by their visitor, cut with consent, given to models."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import pytest

from tests import hostile, pdfs
from tests.battles import battle, there_and_back
from tests.house import House, Visitor, open_house

LONG = "The quick brown fox jumps over the lazy dog. " * 40  # 1,800 characters
LIMIT = 1000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An arena that takes 1,000 characters of documents with a prompt."""
    async with open_house(tmp_path, limits={"document_characters": LIMIT, "document_bytes": 100_000}) as found:
        yield found


async def hands_in(visitor: Visitor, *files: tuple[str, bytes], **form: str | list[str]) -> httpx.Response:
    """Add these files to a prompt that is not sent yet, as a browser without JavaScript does."""
    fields = {"to": "/conversations", "prompt": "Sum it up."} | form
    return await visitor.http.post("/attachments", data=fields, files=[("file", file) for file in files])


async def does(visitor: Visitor, what: str, key: str, *attached: str) -> httpx.Response:
    """Press a button of the list: `cut` or `remove`."""
    fields = {"to": "/conversations", "prompt": "Sum it up.", "attachment": list(attached), what: key}
    return await visitor.http.post("/attachments", data=fields)


async def sends(visitor: Visitor, *attached: str, prompt: str = "Sum it up.") -> httpx.Response:
    reply = await visitor.http.post("/conversations", data={"prompt": prompt, "attachment": list(attached)})
    visitor.path = reply.headers.get("location", "")
    return reply


def keys(reply: httpx.Response) -> list[str]:
    """The ids of what is in the list."""
    return re.findall(r'name="attachment" value="([^"]+)"', reply.text)


def words(reply: httpx.Response) -> str:
    """The page without its markup, white space folded."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", reply.text)).split())


async def test_a_document_is_listed_with_its_name_its_pages_and_its_length(visitor: Visitor) -> None:
    reply = await hands_in(visitor, ("report.pdf", pdfs.written("One", "Two")), ("notes.md", b"# Notes"))
    assert reply.status_code == 200
    assert "report.pdf 2 pages, 8 characters" in words(reply)
    assert "notes.md 7 characters" in words(reply)
    assert "Sum it up." in words(reply)
    assert len(keys(reply)) == 2


async def test_the_visitor_sees_what_the_models_will_read(visitor: Visitor) -> None:
    reply = await hands_in(visitor, ("a.md", b"\n  # <b>Title</b>\r\n\r\n\ttext &amp; more\n"))
    (key,) = keys(reply)
    shown = await visitor.gets(f"/attachments/{key}")
    text = re.search(r"<pre[^>]*>\n(.*)</pre>", shown.text, re.DOTALL)
    assert text
    assert unescape(text[1]) == "\n  # <b>Title</b>\n\n\ttext &amp; more\n"
    alone = await visitor.gets(f"/attachments/{key}", **{"hx-request": "true"})
    assert "<html" not in alone.text
    assert text[0] in alone.text


async def test_texts_are_read_so_many_at_once_and_the_others_wait_outside_of_memory(
    house: House, visitor: Visitor
) -> None:
    documents = house.context.documents
    async with AsyncExitStack() as stack:
        for _ in range(house.config.limits.document_workers):
            await stack.enter_async_context(documents.room(b"# Notes"))
        text = asyncio.create_task(hands_in(visitor, ("notes.md", b"# Notes")))
        pdf = await hands_in(visitor, ("report.pdf", pdfs.written("One")))
        assert "report.pdf 1 page" in words(pdf)
        assert not text.done()
    assert "notes.md 7 characters" in words(await text)


async def test_nobody_else_sees_a_document(house: House, visitor: Visitor) -> None:
    (key,) = keys(await hands_in(visitor, ("a.md", b"Private")))
    async with house.visitor() as other:
        assert (await other.gets(f"/attachments/{key}")).status_code == 404
        await hands_in(other, ("b.md", b"Theirs"))
        assert (await other.gets(f"/attachments/{key}")).status_code == 404
        reply = await sends(other, key)
        assert reply.status_code == 422
    assert (await visitor.gets("/attachments/01a206f0-0000-7000-8000-000000000000")).status_code == 404


async def test_models_get_the_documents_before_the_prompt_in_this_turn_and_in_later_ones(visitor: Visitor) -> None:
    attached = keys(await hands_in(visitor, ("report.pdf", pdfs.written("One", "Two")), ("notes.md", b"Notes")))
    assert (await sends(visitor, *attached)).status_code == 303
    cues = await visitor.cues()
    asked = (
        "Document: report.pdf (2 pages)\n```\nOne\n\nTwo\n```\n\nDocument: notes.md\n```\nNotes\n```\n\nSum it up."
    )
    for cue in cues.values():
        assert [message.content for message in cue.prompt.messages] == [asked]
    await visitor.hears(cues)
    cues = await visitor.asks("Shorter.")
    assert [message.content for message in cues["a"].prompt.messages] == [asked, "Because A.", "Shorter."]
    await visitor.hears(cues)
    cue = await visitor.regenerates("b")
    assert [message.content for message in cue.prompt.messages] == [asked, "Because B.", "Shorter."]
    cue.end()


async def test_a_prompt_asked_in_other_words_keeps_its_documents_unless_they_are_removed(visitor: Visitor) -> None:
    attached = keys(await hands_in(visitor, ("a.txt", b"One"), ("b.txt", b"Two")))
    await sends(visitor, *attached)
    await visitor.hears(await visitor.cues())
    await visitor.http.post(f"{visitor.path}/prompt", data={"prompt": "Again.", "attachment": attached[1:]})
    cues = await visitor.cues()
    assert cues["a"].prompt.messages[0].content == "Document: b.txt\n```\nTwo\n```\n\nAgain."
    await visitor.hears(cues)
    await visitor.http.post(f"{visitor.path}/prompt", data={"prompt": "Without."})
    cues = await visitor.cues()
    assert cues["b"].prompt.messages[0].content == "Without."
    await visitor.hears(cues)


async def test_the_battle_shows_its_documents_and_the_prompt_without_them(visitor: Visitor) -> None:
    attached = keys(await hands_in(visitor, ("report.pdf", pdfs.written("One of many words"))))
    await sends(visitor, *attached)
    await visitor.hears(await visitor.cues())
    page = await visitor.sees()
    assert "report.pdf" in page
    assert f"/attachments/{attached[0]}" in page
    assert "One of many words" not in page
    assert "One of many words" in (await visitor.gets(f"/attachments/{attached[0]}")).text


async def test_too_much_is_said_and_refused_and_nothing_is_lost(visitor: Visitor) -> None:
    reply = await hands_in(visitor, ("long.txt", LONG.encode()))
    assert "The documents have 800 characters more than the 1,000 that can come" in words(reply)
    (key,) = keys(reply)
    reply = await sends(visitor, key, prompt="My own words.")
    assert reply.status_code == 422
    assert "Nothing was sent: The documents have 800 characters more" in words(reply)
    assert "My own words." in words(reply)
    assert keys(reply) == [key]
    assert "Use the first 1,000 characters" in words(reply)


async def test_a_document_is_cut_only_when_its_visitor_says_so(house: House, visitor: Visitor) -> None:
    (key,) = keys(await hands_in(visitor, ("long.txt", LONG.encode())))
    assert await house.sql("SELECT length(text) FROM attachments") == [(1800,)]
    reply = await does(visitor, "cut", key, key)
    assert "long.txt (its first 1,000 characters) 1,000 characters" in words(reply)
    assert "more than" not in words(reply)
    assert keys(reply) == [key]
    assert (await sends(visitor, key)).status_code == 303
    for cue in (await visitor.cues()).values():
        expected = f"Document: long.txt (its first 1,000 characters)\n```\n{LONG[:1000]}\n```\n\nSum it up."
        assert cue.prompt.messages[0].content == expected
        cue.end()


async def test_a_document_is_cut_to_what_fits_in_beside_the_others(visitor: Visitor) -> None:
    first, second = keys(await hands_in(visitor, ("a.txt", b"a" * 600), ("b.txt", b"b" * 700)))
    page = await does(visitor, "remove", "", first, second)
    assert "Use the first 300 characters" in words(page)
    assert "Use the first 400 characters" in words(page)
    reply = await does(visitor, "cut", second, first, second)
    assert "b.txt (its first 400 characters) 400 characters" in words(reply)
    assert (await sends(visitor, first, second)).status_code == 303


async def test_a_document_that_fits_is_not_cut(house: House, visitor: Visitor) -> None:
    (key,) = keys(await hands_in(visitor, ("a.txt", b"a" * 600)))
    await does(visitor, "cut", key, key)
    assert await house.sql("SELECT name, length(text) FROM attachments") == [("a.txt", 600)]


async def test_nobody_cuts_the_document_of_another_or_one_that_is_sent(house: House, visitor: Visitor) -> None:
    (key,) = keys(await hands_in(visitor, ("a.txt", b"a" * 1000)))
    (other,) = keys(await hands_in(visitor, ("b.txt", b"b" * 500)))
    async with house.visitor() as stranger:
        await hands_in(stranger, ("c.txt", b"c"))
        await does(stranger, "cut", key, key, other)
    await sends(visitor, key)
    for cue in (await visitor.cues()).values():
        cue.end()
    reply = await does(visitor, "cut", key, key, other)
    assert "waits for its prompt" in words(reply)
    assert await house.sql("SELECT name, length(text) FROM attachments WHERE name != 'c.txt' ORDER BY name") == [
        ("a.txt", 1000),
        ("b.txt", 500),
    ]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("scan.pdf", pdfs.scanned(), "its pages are pictures"),
        ("locked.pdf", pdfs.encrypted("Secret", b"password"), "locked with a password"),
        ("broken.pdf", pdfs.written("A page")[:60], "could not be read"),
        ("many.pdf", pdfs.written(*["x"] * 201), "201 pages"),
        ("program.exe", b"MZ\0\0", "neither a PDF nor a text file"),
        ("latin.txt", "Ça dépend".encode("latin-1"), "save it as UTF-8"),
        ("large.txt", b"x" * 100_001, "the limit for documents is 100,000"),
    ],
)
async def test_a_file_that_cannot_be_read_is_named_with_its_reason_and_the_others_stay(
    visitor: Visitor, name: str, data: bytes, why: str
) -> None:
    reply = await hands_in(visitor, ("good.txt", b"Good"), (name, data))
    assert reply.status_code == 422
    assert f"{name}: " in words(reply)
    assert why in words(reply)
    assert len(keys(reply)) == 1
    assert "Sum it up." in words(reply)


async def test_hostile_names_and_texts_are_only_words(visitor: Visitor) -> None:
    for batch in range(0, 40, 10):
        files = [
            (name or "x", b"Text: " + text.encode(errors="ignore").replace(b"\0", b""))
            for name, text in zip(
                hostile.names()[batch : batch + 10], hostile.STRINGS[batch : batch + 10], strict=True
            )
        ]
        reply = await hands_in(visitor, *files)
        assert len(keys(reply)) == 10
        assert "<script>" not in reply.text
        assert "<img src=x" not in reply.text
        for key in keys(reply):
            page = (await visitor.gets(f"/attachments/{key}")).text
            assert "<script>" not in page
            assert "<img src=x" not in page


async def test_a_battle_with_a_document_counts_in_its_category_and_its_text_does_not(
    house: House, visitor: Visitor
) -> None:
    text = f"Ich bin Aurora Prime.\n\n```python\n1\n```\n{'Und so weiter. ' * 50}"
    attached = keys(await hands_in(visitor, ("a.md", text.encode())))
    await sends(visitor, *attached, prompt="What is this long text about, and who has written it?")
    await visitor.hears(await visitor.cues())
    assert (await visitor.votes("a")).status_code == 303
    ((found,),) = await house.sql(
        "SELECT names FROM category_sets JOIN ballots ON category_set = category_sets.id"
    )
    assert "document" in found
    assert "language:en" in found
    assert "prompt:short" in found
    assert "code" not in found
    assert await house.sql("SELECT is_leak FROM ballots") == [(0,)]
    assert await house.sql("SELECT documents, images FROM turns") == [(1, 0)]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
async def test_how_many_documents_there_were_is_exported_and_taken_in_again(tmp_path: Path, kind: str) -> None:
    plain = battle(3)
    vote = replace(plain, turns=(replace(plain.turns[0], documents=2), *plain.turns[1:]))
    there, back = await there_and_back(tmp_path, [vote], kind)
    assert there == back
    if kind == "jsonl":
        assert b'"documents":2' in back
