"""Every refusal is a page of its own: in words, with a way back and the id of its line in the log."""

import logging
import re
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.routing import Route

from arena.errors import Refusal, TooManyRequests
from arena.providers.script import CuedBackend
from arena.views.mishaps import wait_words
from tests.house import House, Visitor, open_house

SECRET = "what nobody but me may read"
HTMX = {"hx-request": "true", "hx-target": "main#main"}


def is_explained(reply: httpx.Response, status: int, caplog: pytest.LogCaptureFixture) -> str:
    """An error page as it should be; returns its line in the log, which holds nothing that was typed."""
    assert reply.status_code == status
    assert reply.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in reply.headers["content-security-policy"]
    assert re.search(rf'<p class="hint">{status} · [^<]+', reply.text)
    assert re.search(r"<h1[^>]*>[^<]+</h1>", reply.text)
    assert re.search(r'<a class="button[^>]*href="/|<form method="post" action="/terms"', reply.text)
    (key,) = re.findall(r"<code>([0-9a-f]{8})</code>", reply.text)
    (line,) = [record.getMessage() for record in caplog.records if f"[{key}]" in record.getMessage()]
    assert SECRET not in caplog.text
    return line


@pytest.fixture(autouse=True)
def _all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "arena")


async def test_400_for_what_cannot_be_read(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    reply = await visitor.sends("/conversations", SECRET.encode(), **{"content-type": "text/plain"})
    assert is_explained(reply, 400, caplog).endswith("POST /conversations: 400 Bad Request")


async def test_403_for_what_another_site_sends(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    reply = await visitor.sends("/conversations", b"prompt=" + SECRET.encode(), **{"sec-fetch-site": "cross-site"})
    is_explained(reply, 403, caplog)
    assert "a page of another site" in reply.text


async def test_404_for_what_is_not_there(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    line = is_explained(await visitor.gets("/no%0Awhere%1b?q=x"), 404, caplog)
    assert line.endswith("GET /no%0Awhere%1B: 404 Not Found")


async def test_409_for_what_came_too_late(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    await visitor.plays(SECRET)
    await visitor.votes("a")
    reply = await visitor.votes("b")
    is_explained(reply, 409, caplog)
    assert f'href="{visitor.path}">Back to the conversation' in reply.text


async def test_413_for_what_is_too_much(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    is_explained(await visitor.sends("/conversations", b"prompt=" + SECRET.encode() * 20_000), 413, caplog)


async def test_422_for_what_cannot_be_used_and_it_is_given_back(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await visitor.posts("/conversations", prompt=SECRET * 1000)
    is_explained(reply, 422, caplog)
    assert reply.text.count(SECRET) == 1000


async def test_428_until_the_terms_are_accepted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "terms.md").write_text("# Terms\n\nBe kind.")
    async with open_house(tmp_path, pages={"terms": "terms.md"}) as house, house.visitor() as visitor:
        is_explained(await visitor.posts("/conversations", prompt=SECRET), 428, caplog)


async def test_429_for_who_tries_too_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARENA_ADMIN_TOKEN", "0123456789abcdef0123")
    access = {"admin_token_env": "ARENA_ADMIN_TOKEN"}
    async with open_house(tmp_path, access=access) as house, house.visitor() as visitor:
        for _ in range(10):
            assert (await visitor.posts("/admin/login", token=SECRET)).status_code == 401
        reply = await visitor.posts("/admin/login", token=SECRET)
        is_explained(reply, 429, caplog)
        assert reply.headers["retry-after"] == "60"
        assert "Try again in 1 minute." in reply.text


class BrokenBackend(CuedBackend):
    """Breaks its contract: it cannot even say how it is."""

    @property
    def status(self):  # type: ignore[no-untyped-def]
        raise RuntimeError(f"{self.name} is beside itself")


async def test_500_for_a_fault_of_our_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_house(tmp_path, backend=BrokenBackend) as house, house.visitor() as visitor:
        line = is_explained(await visitor.gets("/"), 500, caplog)
        assert "is beside itself" in line
        (record,) = [record for record in caplog.records if record.name == "arena.views.mishaps"]
        assert (record.levelno, record.exc_info is None) == (logging.ERROR, False)


async def test_503_when_nothing_can_be_kept(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    await visitor.house.sql(
        "CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    reply = await visitor.posts("/conversations", prompt=SECRET)
    is_explained(reply, 503, caplog)
    assert SECRET in reply.text


@pytest.mark.parametrize("error", Refusal.__subclasses__())
async def test_every_refusal_that_is_raised_anywhere_becomes_such_a_page(
    house: House, caplog: pytest.LogCaptureFixture, error: type[Refusal]
) -> None:
    async def refuse(request: Request) -> None:
        raise error("This is refused.")

    house.app.router.routes.insert(0, Route("/refused", refuse))
    async with house.visitor() as visitor:
        reply = await visitor.gets("/refused")
        assert reply.status_code == error.status
        if error.status is not HTTPStatus.UNAUTHORIZED:  # the operator's form instead: tests/test_admin.py
            assert "This is refused." in reply.text
            is_explained(reply, error.status, caplog)


async def test_the_way_back_is_where_the_visitor_was_and_never_another_site(visitor: Visitor) -> None:
    reply = await visitor.gets("/nowhere", referer=f"{visitor.house.url}/leaderboard?x=1")
    assert 'href="/leaderboard">Back to where you were' in reply.text
    for referer in (
        "https://evil.example/x",
        f"{visitor.house.url}//evil.example/x",
        f"{visitor.house.url}/nowhere",
    ):
        assert "Back to where you were" not in (await visitor.gets("/nowhere", referer=referer)).text


async def test_htmx_gets_the_words_alone_for_an_action_and_the_page_for_a_link(visitor: Visitor) -> None:
    action = await visitor.http.post("/conversations", data={"prompt": ""}, headers=HTMX)
    assert action.status_code == 422
    assert action.text.startswith('<div class="problem" role="alert">')
    assert "The prompt is empty" in action.text
    assert re.search(r"<code>[0-9a-f]{8}</code>", action.text)
    assert 'id="main"' in (await visitor.gets("/nowhere", **HTMX)).text
    part = await visitor.gets("/nowhere", **(HTMX | {"hx-target": "article#t1a"}))
    assert part.text.startswith('<div class="problem"')


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ("1", "Try again in 1 second."),
        ("59", "Try again in 59 seconds."),
        ("60", "Try again in 1 minute."),
        ("61", "Try again in 2 minutes."),
        ("0", ""),
        ("", ""),
        ("-1", ""),
        ("Wed, 21 Oct 2026 07:28:00 GMT", ""),
    ],
)
def test_a_retry_after_is_said_in_words(seconds: str, words: str) -> None:
    assert wait_words(seconds) == words


def test_too_many_requests_says_when_to_come_back() -> None:
    assert TooManyRequests.headers["Retry-After"].isdecimal()
