"""What cannot be used is refused with a clear page and the right status: nothing is stored, nothing is lost."""

import asyncio
import logging
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from arena.backend import Status
from arena.providers.script import CuedBackend
from tests.house import House, Visitor, logged, open_house

ROUTES = [
    ("GET", ""),
    ("GET", "/events"),
    ("POST", "/turns"),
    ("POST", "/stop"),
    ("POST", "/regenerate"),
    ("POST", "/vote"),
]
FORM = {"prompt": "More?", "side": "a", "choice": "a"}


async def counts(house: House) -> list[int]:
    """How many rows there are of everything."""
    tables = ("voters", "conversations", "turns", "answers", "votes")
    return [(await house.sql(f"SELECT COUNT(*) FROM {table}"))[0][0] for table in tables]


def draft(reply: httpx.Response) -> str:
    """What the prompt box of a page holds, as a browser reads it."""
    inside = reply.text.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0]
    return unescape(inside.removeprefix("\n"))


# Prompts


@pytest.mark.parametrize("prompt", ["", " ", "\r\n \t\u3000\n"])
async def test_an_empty_prompt_is_refused(visitor: Visitor, prompt: str) -> None:
    reply = await visitor.posts("/conversations", prompt=prompt)
    assert reply.status_code == 422
    assert "The prompt is empty" in reply.text
    assert await counts(visitor.house) == [0, 0, 0, 0, 0]


async def test_a_form_without_a_prompt_is_refused(visitor: Visitor) -> None:
    for body in (b"", b"question=Why", b"&&&=&"):
        reply = await visitor.sends("/conversations", body)
        assert reply.status_code == 422
        assert "The prompt is empty" in reply.text


async def test_a_prompt_that_is_too_long_is_refused_with_the_count_and_given_back(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits={"prompt_characters": 1000}) as house, house.visitor() as visitor:
        prompt = "<é>\n" * 300
        reply = await visitor.posts("/conversations", prompt=prompt)
        assert reply.status_code == 422
        assert "The prompt has 1,200 characters; the limit is 1,000." in reply.text
        assert draft(reply) == prompt
        assert await counts(house) == [0, 0, 0, 0, 0]


async def test_a_prompt_may_be_as_long_as_the_limit(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits={"prompt_characters": 10}) as house, house.visitor() as visitor:
        cues = await visitor.starts("🌍\r\n" * 5)
        assert cues["a"].prompt.messages[-1].content == "🌍\n" * 5


async def test_a_prompt_reaches_the_models_as_it_was_written(visitor: Visitor) -> None:
    prompt = "\n  <b>Größe</b> & 'so' \"weiter\" %2B + \U0001f30d\u200d \x7f\n\n\ttab "
    cues = await visitor.starts(prompt)
    assert all(cue.prompt.messages[-1].content == prompt for cue in cues.values())
    assert await visitor.house.sql("SELECT prompt FROM turns") == [(prompt,)]


async def test_utf_8_need_not_be_escaped(visitor: Visitor) -> None:
    reply = await visitor.sends("/conversations", "prompt=Warum ist der Himmel übrigens blau?".encode())
    assert reply.status_code == 303
    assert await visitor.house.sql("SELECT prompt FROM turns") == [("Warum ist der Himmel übrigens blau?",)]


async def test_a_lone_carriage_return_is_a_line_break(visitor: Visitor) -> None:
    await visitor.sends("/conversations", b"prompt=one%0Dtwo%0D%0Athree")
    assert await visitor.house.sql("SELECT prompt FROM turns") == [("one\ntwo\nthree",)]


@pytest.mark.parametrize(
    "body", [b"prompt=%FF", b"prompt=%C3%28", b"prompt=\xff\xfe", b"prompt=%ED%A0%80", b"%FF=x"]
)
async def test_invalid_utf_8_is_refused(visitor: Visitor, body: bytes) -> None:
    reply = await visitor.sends("/conversations", body)
    assert reply.status_code == 400
    assert "not valid UTF-8" in reply.text
    assert await counts(visitor.house) == [0, 0, 0, 0, 0]


async def test_a_nul_is_refused_and_the_rest_given_back(visitor: Visitor) -> None:
    reply = await visitor.posts("/conversations", prompt="Why\0 is the sky blue?")
    assert reply.status_code == 422
    assert "NUL" in reply.text
    assert draft(reply) == "Why is the sky blue?"
    assert await counts(visitor.house) == [0, 0, 0, 0, 0]


async def test_a_refused_follow_up_leaves_the_battle_as_it_was(visitor: Visitor) -> None:
    await visitor.plays()
    before = await counts(visitor.house)
    for prompt, status in (("", 422), ("x" * 12_001, 422), ("a\0b", 422)):
        reply = await visitor.posts(f"{visitor.path}/turns", prompt=prompt)
        assert reply.status_code == status
        assert f'action="{visitor.path}/turns"' in reply.text or not draft(reply)
        assert f'href="{visitor.path}">Back to the conversation' in reply.text
    assert await counts(visitor.house) == before
    assert (await visitor.votes("a")).status_code == 303


# Votes and sides


@pytest.mark.parametrize("choice", ["", "c", "A", "a ", "left", "both-bad", "<script>", "a\0", "🌍"])
async def test_an_unknown_choice_is_refused(visitor: Visitor, choice: str) -> None:
    await visitor.plays()
    reply = await visitor.votes(choice)
    assert reply.status_code == 422
    assert "not one of the four choices" in reply.text
    assert await visitor.house.sql("SELECT COUNT(*) FROM votes") == [(0,)]
    assert (await visitor.votes("tie")).status_code == 303


async def test_a_vote_without_a_choice_is_refused(visitor: Visitor) -> None:
    await visitor.plays()
    assert (await visitor.posts(f"{visitor.path}/vote")).status_code == 422


@pytest.mark.parametrize("side", ["c", "A", "ab", "both"])
async def test_an_unknown_side_is_refused(visitor: Visitor, side: str) -> None:
    await visitor.plays()
    reply = await visitor.posts(f"{visitor.path}/regenerate", side=side)
    assert reply.status_code == 422
    assert "neither side a nor side b" in reply.text
    assert await visitor.house.sql("SELECT COUNT(*) FROM answers") == [(2,)]


# Whose battle


@pytest.mark.parametrize(("method", "action"), ROUTES)
@pytest.mark.parametrize("is_running", [True, False])
async def test_somebody_elses_battle_does_not_exist(
    house: House, visitor: Visitor, method: str, action: str, is_running: bool
) -> None:
    cues = await visitor.starts("A secret question?")
    if not is_running:
        await visitor.hears(cues)
    async with house.visitor() as stranger, house.visitor() as regular:
        await regular.starts()
        before = await counts(house)
        for other in (stranger, regular):
            data = FORM if method == "POST" else None
            reply = await other.http.request(method, visitor.path + action, data=data)
            assert reply.status_code == 404
            assert "secret" not in reply.text
    assert await counts(house) == before
    assert "A secret question?" in await visitor.sees()


@pytest.mark.parametrize(("method", "action"), ROUTES)
async def test_an_unknown_battle_is_not_found(visitor: Visitor, method: str, action: str) -> None:
    await visitor.plays()
    for key in (str(uuid4()), "1", "nonsense", f"{visitor.key}x", "%00", "..%2f..%2fetc", visitor.key[:-1]):
        data = FORM if method == "POST" else None
        reply = await visitor.http.request(method, f"/conversations/{key}{action}", data=data)
        assert reply.status_code == 404
        assert 'href="/"' in reply.text


async def test_an_unknown_address_is_not_found(visitor: Visitor) -> None:
    for path in ("/nowhere", "/static/nothing.css", "/static/../config.toml", "/static/%2e%2e/config.toml"):
        reply = await visitor.gets(path)
        assert reply.status_code == 404
        assert "There is no page at this address." in reply.text


async def test_a_wrong_method_is_refused(visitor: Visitor) -> None:
    await visitor.plays()
    for method, path in (
        ("GET", "/conversations"),
        ("GET", f"{visitor.path}/vote"),
        ("GET", f"{visitor.path}/stop"),
        ("POST", "/"),
        ("POST", visitor.path),
        ("POST", "/healthz"),
        ("DELETE", visitor.path),
    ):
        reply = await visitor.http.request(method, path)
        assert reply.status_code == 405, (method, path)
        assert "only used by the forms" in reply.text
        assert reply.headers["allow"]


# Bodies


@pytest.mark.parametrize("action", ["", "/turns", "/regenerate", "/vote"])
async def test_an_oversized_body_is_refused(visitor: Visitor, action: str) -> None:
    await visitor.plays()
    before = await counts(visitor.house)
    path = visitor.path + action if action else "/conversations"
    reply = await visitor.sends(path, b"prompt=" + b"x" * 300_000)
    assert reply.status_code == 413
    assert "more than the 262,144 bytes" in reply.text
    assert await counts(visitor.house) == before


async def test_an_oversized_body_that_does_not_say_its_length_is_refused(visitor: Visitor) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"prompt="
        for _ in range(40):
            yield b"x" * 10_000

    reply = await visitor.sends("/conversations", chunks())
    assert reply.status_code == 413
    assert await counts(visitor.house) == [0, 0, 0, 0, 0]


async def test_a_chunked_body_of_fair_size_is_read(visitor: Visitor) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in (b"pro", b"mpt=Gr%C3", b"%B6%C3%9Fe?"):
            yield piece

    assert (await visitor.sends("/conversations", chunks())).status_code == 303
    assert await visitor.house.sql("SELECT prompt FROM turns") == [("Größe?",)]


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", "<b>", ""])
async def test_a_body_that_is_no_form_is_refused(visitor: Visitor, kind: str) -> None:
    reply = await visitor.sends("/conversations", b'{"prompt": "Why?"}', **{"content-type": kind})
    assert reply.status_code == 400
    assert "This page takes forms" in reply.text
    assert "<b>" not in reply.text
    assert await counts(visitor.house) == [0, 0, 0, 0, 0]


async def test_a_form_with_too_many_fields_is_refused(visitor: Visitor) -> None:
    reply = await visitor.sends("/conversations", b"prompt=Why?" + b"&x=1" * 60)
    assert reply.status_code == 400
    assert "more than 50 fields" in reply.text


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/conversations", "application/x-www-form-urlencoded", b"prompt=Why"),
        ("/attachments", "multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n"),
    ],
)
async def test_who_hangs_up_in_the_middle_of_a_form_is_no_fault_of_ours(
    house: House, caplog: pytest.LogCaptureFixture, path: str, kind: str, body: bytes
) -> None:
    caplog.set_level(logging.INFO)
    address = httpx.URL(house.url)
    async with logged(f"POST {path}: 400"):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = f"POST {path} HTTP/1.1\r\nHost: arena\r\nContent-Type: {kind}\r\nContent-Length: 5000\r\n"
        writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert b"100" in await reader.readline()  # the server has begun to read it
        writer.write(body)
        await writer.drain()
        writer.close()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# Faults of our own


async def test_a_database_that_fails_is_a_page_with_an_id_that_is_in_the_log(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    await visitor.plays()
    await visitor.house.sql("ALTER TABLE votes RENAME TO elsewhere")
    reply = await visitor.votes("a")
    assert reply.status_code == 503
    assert "Nothing was stored; please try again." in reply.text
    key = reply.text.partition("<code>")[2].partition("</code>")[0]
    assert f"[{key}] POST {visitor.path}/vote" in caplog.text
    assert "votes" not in reply.text
    await visitor.house.sql("ALTER TABLE elsewhere RENAME TO votes")
    assert (await visitor.votes("a")).status_code == 303


async def test_a_prompt_the_database_does_not_take_is_given_back(visitor: Visitor) -> None:
    await visitor.house.sql(
        "CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    reply = await visitor.posts("/conversations", prompt="Why is the sky blue?")
    assert reply.status_code == 503
    assert draft(reply) == "Why is the sky blue?"
    assert await counts(visitor.house) == [0, 0, 0, 0, 0]


class BrokenBackend(CuedBackend):
    """Breaks its contract: it cannot even say how it is."""

    is_broken = False

    @property
    def status(self) -> Status:
        if self.is_broken:
            raise RuntimeError(f"{self.name} is beside itself")
        return super().status


async def test_a_fault_of_our_own_is_a_page_with_an_id_that_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_house(tmp_path, backend=BrokenBackend) as house, house.visitor() as visitor:
        fine = await visitor.gets("/")
        BrokenBackend.is_broken = True
        reply = await visitor.gets("/")
        BrokenBackend.is_broken = False
        assert reply.status_code == 500
        assert "Something went wrong on our side." in reply.text
        key = reply.text.partition("<code>")[2].partition("</code>")[0]
        assert f"[{key}] GET /: aurora is beside itself" in caplog.text
        assert "beside itself" not in reply.text
        assert "Traceback" not in reply.text
        for header in ("content-security-policy", "x-content-type-options", "cache-control"):
            assert reply.headers[header] == fine.headers[header]
