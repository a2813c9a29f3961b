"""The operator's pages: who may see them, and what they tell."""

import re
import time
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from arena import config as configuration
from arena.backend import Status
from arena.errors import BackendBusy, BackendRefused, ConfigError
from arena.views.access import COOKIE, MAX_AGE_SECONDS, Access
from tests.house import MODELS, House, Visitor, names, open_house, tables
from tests.operator import BEARER, BROWSER, GUARDED, PATHS, TOKEN, VARIABLE, log_in, open_guarded
from tests.processes import run, scripted, serve, write_config


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_guarded(tmp_path) as found:
        yield found


def words_of(html: str) -> str:
    """A page without its markup, white space folded."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def betrays(visitor: Visitor) -> list[str]:
    """The words of the configuration that reached a visitor."""
    everything = b"\n".join(visitor.received).lower()
    return [word for word in names(visitor.house.config) if word.lower().encode() in everything]


# Who may see them


@pytest.mark.parametrize("path", [*PATHS, "/admin/login"])
async def test_without_a_configured_token_there_is_nothing(tmp_path: Path, path: str) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        reply = await visitor.gets(path, **BEARER)
        assert reply.status_code == 404
        assert "no admin token is configured" in reply.text
        assert "admin_token_env" in reply.text
        assert betrays(visitor) == []


async def test_without_a_configured_token_no_token_is_right(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, house.visitor() as visitor:
        for token in ("", TOKEN):
            assert await log_in(visitor, token) == 404
        assert (await visitor.gets("/metrics", authorization="Bearer")).status_code == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
async def test_who_does_not_show_the_token_learns_nothing(visitor: Visitor, path: str, authorization: str) -> None:
    headers: dict[str, Any] = {"authorization": authorization.encode("latin-1")} if authorization else {}
    for accept in (BROWSER, {"accept": "application/json"}, {}):
        reply = await visitor.gets(path, **headers, **accept)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
    assert betrays(visitor) == []


async def test_a_program_without_the_token_is_told_how_to_send_it(visitor: Visitor) -> None:
    reply = await visitor.gets("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert (
        reply.text
        == "This page is for whoever runs the arena. Send the admin token: Authorization: Bearer TOKEN\n"
    )


async def test_a_browser_without_the_token_gets_the_form(visitor: Visitor) -> None:
    reply = await visitor.gets("/admin/models", **BROWSER)
    assert 'action="/admin/login"' in reply.text
    assert 'type="password"' in reply.text


@pytest.mark.parametrize("path", PATHS)
async def test_the_token_in_a_header_opens_the_page(visitor: Visitor, path: str) -> None:
    reply = await visitor.gets(path, **BEARER)
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    assert all(name in reply.text for name in MODELS)


@pytest.mark.parametrize("path", PATHS)
async def test_a_login_opens_the_pages_until_the_logout(visitor: Visitor, path: str) -> None:
    assert await log_in(visitor) == 303
    assert (await visitor.gets(path)).status_code == 200
    assert (await visitor.gets("/admin/login")).headers["location"] == "/admin"
    assert (await visitor.posts("/admin/logout")).headers["location"] == "/admin/login"
    assert (await visitor.gets(path)).status_code == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    reply = await visitor.posts("/admin/login", token=TOKEN)
    cookie = reply.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "max-age=43200"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie


async def test_a_wrong_token_gets_the_form_again_with_the_reason(visitor: Visitor) -> None:
    visitor.http.headers.update(BROWSER)
    reply = await visitor.posts("/admin/login", token="wrong-horse-battery-staple")
    assert reply.status_code == 401
    assert "That is not the admin token." in reply.text
    assert "set-cookie" not in reply.headers


async def test_another_site_cannot_log_anybody_in_or_out(visitor: Visitor) -> None:
    for path in ("/admin/login", "/admin/logout"):
        reply = await visitor.http.post(path, data={"token": TOKEN}, headers={"sec-fetch-site": "cross-site"})
        assert reply.status_code == 403


@pytest.mark.parametrize("cookie", ["", "operator", "operator.x", "operator.aaaa.bbbb", "\N{BANANA}"])
async def test_a_cookie_that_is_not_ours_opens_nothing(visitor: Visitor, cookie: str) -> None:
    reply = await visitor.gets("/admin/models", cookie=f"{COOKIE}={cookie}".encode())  # type: ignore[arg-type]
    assert reply.status_code == 401


async def test_a_visitor_s_own_cookie_is_no_login(visitor: Visitor) -> None:
    await visitor.plays()
    signed = visitor.http.cookies["arena_voter"]
    assert (await visitor.gets("/admin/models", cookie=f"{COOKIE}={signed}")).status_code == 401


async def test_a_new_token_ends_every_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_guarded(tmp_path) as house, house.visitor() as visitor:
        await log_in(visitor)
    monkeypatch.setenv(VARIABLE, f"another-{TOKEN}")
    async with open_guarded(tmp_path) as house, house.visitor(visitor) as back:
        assert (await back.gets("/admin/models")).status_code == 401
        assert await log_in(back) == 401


async def test_a_login_outlives_a_restart(tmp_path: Path) -> None:
    async with open_guarded(tmp_path) as house, house.visitor() as visitor:
        await log_in(visitor)
    async with open_guarded(tmp_path) as house, house.visitor(visitor) as back:
        assert (await back.gets("/admin/models")).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "is_known"), [(0, True), (MAX_AGE_SECONDS, True), (MAX_AGE_SECONDS + 1, False)]
)
async def test_a_login_ends_after_twelve_hours(visitor: Visitor, seconds: int, is_known: bool) -> None:
    await log_in(visitor)
    request = cast(Request, SimpleNamespace(cookies={COOKIE: visitor.http.cookies[COOKIE]}))
    secret = visitor.house.config.path("arena.secret").read_bytes()
    later = Access(TOKEN, secret, lambda: time.time() + seconds)
    assert later.is_known(request) is is_known


async def test_guessing_is_stopped_after_ten_wrong_tokens(visitor: Visitor) -> None:
    told = [await log_in(visitor, f"guess-{number}") for number in range(12)]
    assert told == [401] * 10 + [429] * 2
    reply = await visitor.gets("/metrics", **BEARER)
    assert reply.status_code == 429, "or a guesser would learn which one was right"
    assert reply.headers["retry-after"] == "60"


async def test_somebody_else_s_guesses_do_not_lock_the_operator_out(house: House) -> None:
    async with house.visitor() as operator, house.visitor() as guesser:
        await log_in(operator)
        for number in range(12):
            await log_in(guesser, f"guess-{number}")
        assert (await operator.gets("/admin/models")).status_code == 200


# The setting


def parse(folder: Path, variable: str, environ: dict[str, str]) -> None:
    configuration.parse(tables(access={"admin_token_env": variable}), folder / "config.toml", environ)


@pytest.mark.parametrize(
    ("variable", "environ", "words"),
    [
        (VARIABLE, {}, f"the environment has no {VARIABLE}. Set it before starting"),
        (VARIABLE, {VARIABLE: "  "}, f"the environment has no {VARIABLE}"),
        (VARIABLE, {VARIABLE: "fifteen-letters"}, "has fewer than 16 characters"),
        (VARIABLE, {VARIABLE: "sixteen letters and spaces"}, "characters that no header can carry"),
        ("my-secret-token!", {}, "is not the name of an environment variable"),
    ],
)
def test_a_token_that_cannot_protect_refuses_to_start(
    tmp_path: Path, variable: str, environ: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=r"access\.admin_token_env: ") as raised:
        parse(tmp_path, variable, environ)
    assert words in str(raised.value)
    assert not any(value.strip() and value in str(raised.value) for value in environ.values())
    assert "secret" not in str(raised.value)


def test_a_token_of_sixteen_characters_will_do(tmp_path: Path) -> None:
    parse(tmp_path, VARIABLE, {VARIABLE: "sixteen-letters!\n"})


async def test_serve_ends_with_one_line_where_the_token_is_missing(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B.", access=GUARDED))
    finished = await run(tmp_path, "serve", ARENA_ADMIN_TOKEN="")
    assert finished.complaint.startswith("arena: config.toml: access.admin_token_env: the environment has no")


async def test_votes_can_be_exported_without_the_token(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B.", access=GUARDED))
    assert (await run(tmp_path, "export", ARENA_ADMIN_TOKEN="")).status == 0


async def test_the_token_of_a_real_process_comes_from_its_environment(tmp_path: Path) -> None:
    decoded = scripted("A.", "B.", access=GUARDED)
    async with serve(tmp_path, decoded, **{VARIABLE: "another-token-of-this-process"}) as served:
        async with served.guest() as guest:
            assert (await guest.gets("/metrics", **BEARER)).status_code == 401
            right = {"authorization": "Bearer another-token-of-this-process"}
            assert (await guest.gets("/metrics", **right)).status_code == 200
        assert not any("another-token" in line for line in served.said)


# What they tell


async def test_the_page_shows_each_model_with_its_weight_and_backends(tmp_path: Path) -> None:
    first, second = tables()["models"]
    models = [first | {"weight": 2.5}, second | {"weight": 0, "backends": ["borealis", "aurora"]}]
    async with open_guarded(tmp_path, models=models) as house, house.visitor() as visitor:
        page = words_of((await visitor.gets("/admin/models", **BEARER)).text)
    assert "2 of 2 models are up. 0 battles are being written, 0 requests are with a backend." in page
    assert "Aurora Prime Aurora Works up 2.5 aurora" in page
    assert "Borealis Nine Borealis Works up 0 never drawn borealis aurora" in page


async def test_the_weight_is_that_of_the_matchmaker_and_who_is_not_drawn_is_marked(tmp_path: Path) -> None:
    names = ("One", "Two", "Three", "Four")
    models = [{"name": name, "backends": ["aurora"], "weight": 7} for name in names]
    models[3]["text"] = False
    rules = {"weights": {"One": 2.5, "Two": 4}, "weight_of_others": 0, "outages": ["Two"]}
    async with (
        open_guarded(tmp_path, models=models, matchmaker=rules) as house,
        house.visitor() as visitor,
    ):
        page = words_of((await visitor.gets("/admin/models", **BEARER)).text)
        told = (await visitor.gets("/admin/models.json", **BEARER)).json()
    assert "One up 2.5 aurora" in page
    assert "Two up 4 not drawn: outage aurora" in page
    assert "Three up 0 never drawn aurora" in page
    assert "Four up 0 never drawn aurora" in page
    assert [(m["weight"], m["is_in_outage"], m["is_drawn"]) for m in told["models"]] == [
        (2.5, False, True),
        (4, True, False),
        (0, False, False),
        (0, False, False),
    ]


async def test_the_page_shows_what_is_going_on(visitor: Visitor) -> None:
    cues = await visitor.starts()
    page = words_of((await visitor.gets("/admin/models", **BEARER)).text)
    assert "1 battle is being written, 2 requests are with a backend." in page
    await visitor.hears(cues)
    page = words_of((await visitor.gets("/admin/models", **BEARER)).text)
    assert "0 battles are being written, 0 requests are with a backend." in page
    assert re.search(r"aurora script up 0 0 1 \d+ ms none none", page)


async def test_the_page_shows_how_far_an_engine_is_and_why_one_is_down(house: House, visitor: Visitor) -> None:
    house.backends["aurora"].become(Status("loading", "reading weights", 0.456))
    house.backends["borealis"].become(Status("failed", "out of <memory>"))
    reply = await visitor.gets("/admin/models", **BEARER)
    assert "0 of 2 models are up" in words_of(reply.text)
    assert "aurora script loading 45 % reading weights" in words_of(reply.text)
    assert "borealis script down out of <memory>" in words_of(reply.text)
    assert reply.text.count('<progress max="1" value="0.456"') == 2, "for the model and for its backend"


async def test_the_page_shows_what_went_wrong_in_the_service_s_words(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].say("Well,")
    cues["a"].fail(BackendBusy("the <service> says: slow down"))
    cues["b"].say("Well,")
    cues["b"].end()
    await visitor.waits()
    page = words_of((await visitor.gets("/admin/models", **BEARER)).text)
    assert re.search(r"1 busy the <service> says: slow down (now|\d s ago)", page)


async def test_json_tells_the_same(visitor: Visitor) -> None:
    cues = await visitor.starts()
    cues["a"].fail(BackendRefused("wrong key"))
    cues["b"].end()
    await visitor.waits()
    told = (await visitor.gets("/admin/models.json", **BEARER)).json()
    asked = (await visitor.gets("/admin/models", accept="application/json", **BEARER)).json()
    assert {model["name"] for model in asked["models"]} == set(MODELS)
    assert told["battles_in_flight"] == 0
    assert told["models"][0]["organisation"] == "Aurora Works"
    [failed] = [backend for backend in told["backends"] if backend["failures"]]
    assert failed["failures"] == {"refused": 1}
    assert "wrong key" in failed["last_error"]
    assert re.match(r"\d{4}-\d\d-\d\dT.*\+00:00", failed["last_error_at"])


async def test_the_page_asks_for_itself_again_unless_it_is_told_to_be_still(visitor: Visitor) -> None:
    page = (await visitor.gets("/admin/models", **BEARER)).text
    still = (await visitor.gets("/admin/models?still", **BEARER)).text
    for sign in ('hx-trigger="every 2s"', '<meta http-equiv="refresh"'):
        assert sign in page
        assert sign not in still


async def test_the_tables_have_names_and_headings(visitor: Visitor) -> None:
    page = (await visitor.gets("/admin/models", **BEARER)).text
    assert page.count("<table") == page.count("<caption>") == 2
    assert page.count("<th ") == page.count('<th scope="')


async def test_an_arena_without_models_is_shown_as_such(tmp_path: Path) -> None:
    async with open_guarded(tmp_path, models=[], providers=[]) as house, house.visitor() as visitor:
        page = words_of((await visitor.gets("/admin/models", **BEARER)).text)
    assert "There are no models in config.toml." in page
    assert "There are no backends in config.toml." in page
