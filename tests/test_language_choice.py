"""Which language a visitor is served in, and how numbers and days are written in it."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from arena import words
from arena.backend import Status
from arena.config import parse
from arena.errors import ConfigError
from arena.providers.script import CuedBackend
from arena.views.languages import COOKIE
from arena.views.paths import HOME
from tests.catalogues import BRACKETED, write_bracketed
from tests.house import House, Visitor, open_house, tables

FRENCH = {"accept-language": "fr"}


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


@pytest_asyncio.fixture
async def visitor(house: House) -> AsyncIterator[Visitor]:
    async with house.visitor() as visitor:
        yield visitor


def language_of(page: str) -> str:
    found = re.search(r'<html lang="([\w-]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("de, fr;q=0.5, en;q=0.4", "fr"),
        ("en-GB, fr;q=0.9", "en"),
        ("fr;q=0.2, en;q=0.8", "en"),
        ("fr;q=0, en", "en"),
        ("de, *;q=0.5", "en"),
        ("fr;q=much, \0", "en"),
    ],
)
async def test_the_browser_says_in_which_language(visitor: Visitor, asked: str, language: str) -> None:
    reply = await visitor.gets("/", **({"accept-language": asked.replace("\0", "x")}))
    assert language_of(reply.text) == language
    assert reply.headers["content-language"] == language
    assert {"Accept-Language", "Cookie"} <= set(re.split(r",\s*", reply.headers["vary"]))


async def test_a_page_in_french_says_all_of_it_in_french(visitor: Visitor) -> None:
    page = (await visitor.gets("/", **FRENCH)).text
    assert "Deux modèles répondent." in page
    assert "Two models" not in page


async def test_errors_are_french_too(visitor: Visitor) -> None:
    page = (await visitor.gets("/nowhere", **FRENCH)).text
    assert language_of(page) == "fr"
    assert "Il n’y a pas de page à cette adresse." in page


async def test_a_refusal_before_any_view_is_french_too(visitor: Visitor) -> None:
    reply = await visitor.http.post("/conversations", headers=FRENCH | {"sec-fetch-site": "cross-site"})
    assert reply.status_code == 403
    assert "Ceci vient de la page d’un autre site." in reply.text


class BrokenBackend(CuedBackend):
    """Breaks where nothing is foreseen."""

    is_broken = False

    @property
    def status(self) -> Status:
        if self.is_broken:
            raise RuntimeError("beside itself")
        return super().status


async def test_our_own_fault_is_french_too(tmp_path: Path) -> None:
    async with open_house(tmp_path, backend=BrokenBackend) as house, house.visitor() as visitor:
        BrokenBackend.is_broken = True
        reply = await visitor.gets("/", **FRENCH)
        BrokenBackend.is_broken = False
    assert reply.status_code == 500
    assert language_of(reply.text) == "fr"
    assert "Quelque chose s’est mal passé de notre côté." in reply.text


async def switches(visitor: Visitor, to: str, referer: str = "") -> str:
    """Press the button of this language on that page; returns where it leads."""
    headers = {"referer": referer} if referer else {}
    reply = await visitor.http.post("/language", data={"to": to}, headers=headers)
    assert reply.status_code == 303
    return reply.headers["location"]


async def test_what_is_chosen_comes_before_what_the_browser_says(visitor: Visitor) -> None:
    await switches(visitor, "fr")
    assert language_of((await visitor.gets("/", **{"accept-language": "en"})).text) == "fr"
    await switches(visitor, "en")
    assert language_of((await visitor.gets("/", **FRENCH)).text) == "en"


async def test_the_choice_is_kept_in_a_cookie_of_its_own(visitor: Visitor) -> None:
    reply = await visitor.http.post("/language", data={"to": "fr"})
    cookie = reply.headers["set-cookie"].lower()
    assert cookie.startswith(f"{COOKIE}=fr;")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age=34560000" in cookie


@pytest.mark.parametrize(
    ("came_from", "leads_to"),
    [
        ("/leaderboard?category=code&order=-votes", "/leaderboard?category=code&order=-votes"),
        ("/models/Aurora%20Prime", "/models/Aurora%20Prime"),
        ("/conversations", "/"),
        ("/nowhere", "/"),
        ("/admin/voters/set-aside", "/admin/voters"),
        ("//elsewhere.example/", "/"),
        ("", "/"),
    ],
)
async def test_the_switch_leads_back_to_a_page_of_this_arena(
    visitor: Visitor, came_from: str, leads_to: str
) -> None:
    assert await switches(visitor, "fr", f"{visitor.house.url}{came_from}") == leads_to


async def test_the_switch_leads_back_to_the_battle_that_refused_something(visitor: Visitor) -> None:
    await visitor.plays()
    assert await switches(visitor, "fr", f"{visitor.house.url}{visitor.path}/turns") == visitor.path


async def test_the_switch_leads_to_no_other_site(visitor: Visitor) -> None:
    assert await switches(visitor, "fr", "https://elsewhere.example/leaderboard") == HOME


@pytest.mark.parametrize("to", ["", "de", "fr\r\nx: y", "../fr"])
async def test_a_language_that_is_not_spoken_is_refused(visitor: Visitor, to: str) -> None:
    reply = await visitor.posts("/language", to=to)
    assert reply.status_code == 422
    assert "set-cookie" not in reply.headers


async def test_a_cookie_that_says_nonsense_is_as_none(visitor: Visitor) -> None:
    visitor.http.cookies.set(COOKIE, "klingon")
    assert language_of((await visitor.gets("/", **FRENCH)).text) == "fr"


async def test_the_foot_of_a_page_offers_the_languages_by_their_own_names(visitor: Visitor) -> None:
    page = (await visitor.gets("/", **FRENCH)).text
    assert re.search(r'<button [^>]*value="en" lang="en">English</button>', page)
    assert re.search(r'<button [^>]*value="fr" lang="fr" aria-current="true">Français</button>', page)


async def test_prompts_to_start_from_follow_the_choice(tmp_path: Path) -> None:
    prompts = str(Path(__file__).parent.parent / "prompts.toml")
    async with open_house(tmp_path, prompts=prompts) as house, house.visitor() as visitor:
        await switches(visitor, "fr")
        page = (await visitor.gets("/", **{"accept-language": "en"})).text
        assert set(re.findall(r'<li lang="(\w+)">', page)) == {"fr"}


async def test_a_stream_speaks_the_language_of_its_watcher(visitor: Visitor) -> None:
    await visitor.starts()
    visitor.http.headers["accept-language"] = "fr"
    async with visitor.watches() as stream:
        assert (await visitor.posts(f"{visitor.path}/stop")).status_code == 303
        said = "".join(event.data for event in await stream.to_the_end())
    assert "Vous avez arrêté ce côté avant qu’il ne dise quoi que ce soit." in said
    assert "Relancer le côté A" in said
    assert "Try side" not in said


async def test_an_arena_of_one_language_speaks_it_to_everybody_and_offers_no_other(tmp_path: Path) -> None:
    async with open_house(tmp_path, server={"languages": ["fr"]}) as house, house.visitor() as visitor:
        page = (await visitor.gets("/", **{"accept-language": "en"})).text
        assert language_of(page) == "fr"
        assert "/language" not in page
        assert (await visitor.posts("/language", to="en")).status_code == 422


def test_a_language_without_a_catalogue_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r'server\.languages: there is no catalogue for "tlh"\. Known are: en, fr'
    ):
        parse(tables(server={"languages": ["en", "tlh"]}), tmp_path / "config.toml")


async def test_a_language_that_runs_from_right_to_left_turns_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bracketed(tmp_path)
    (tmp_path / BRACKETED).rename(tmp_path / "ar")
    monkeypatch.setattr(words, "LOCALES", tmp_path)
    async with open_house(tmp_path, server={"languages": ["ar"]}) as house, house.visitor() as visitor:
        page = (await visitor.gets("/")).text
    words.known.cache_clear()
    assert '<html lang="ar" dir="rtl">' in page


# Numbers and days


@pytest.fixture
def french() -> Iterator[None]:
    words.speak(words.known("fr"))
    yield
    words.speak(words.ENGLISH)


def test_english_numbers_and_days() -> None:
    assert words.number(12_345.678, 1) == "12,345.7"
    assert words.number(0.5, 2, signed=True) == "+0.50"
    assert words.figures(0.25) == "0.25"
    assert words.day(date(2026, 1, 31)) == "2026-01-31"
    assert words.moment(datetime(2026, 1, 31, 4, 5, 6, tzinfo=UTC)) == "2026-01-31 04:05"
    assert words.second(datetime(2026, 1, 31, 4, 5, 6, tzinfo=UTC)) == "2026-01-31 04:05:06"


@pytest.mark.usefixtures("french")
def test_french_numbers_and_days() -> None:
    assert words.number(12_345.678, 1) == "12\u202f345,7"
    assert words.number(-1234, signed=True) == "-1\u202f234"
    assert words.number(30.5, 1, signed=True) == "+30,5"
    assert words.figures(0.25) == "0,25"
    assert words.day(date(2026, 1, 31)) == "31/01/2026"
    assert words.moment(datetime(2026, 1, 31, 4, 5, 6, tzinfo=UTC)) == "31/01/2026 04:05"
    assert words.second(datetime(2026, 1, 31, 4, 5, 6, tzinfo=UTC)) == "31/01/2026 04:05:06"


@pytest.mark.usefixtures("french")
def test_french_counts_nothing_as_one() -> None:
    said = [words.ngettext("%(num)s turn", "%(num)s turns", n) % {"num": n} for n in (0, 1, 2)]
    assert said == ["0 tour", "1 tour", "2 tours"]
