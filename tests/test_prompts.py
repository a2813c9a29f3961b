"""Prompts to start from: the file, who is offered which, and the page that a click leads to."""

import random
import re
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from starlette.requests import Request

from arena import prompts
from arena.backend import Status
from arena.config import read as configured
from arena.errors import ConfigError
from arena.prompts import OFFERED, StartingPrompt, find, offer, read, surprise
from arena.views.languages import reads
from tests.house import House, Screen, Visitor, open_house
from tests.processes import CHECKOUT, run, scripted, write_config

LONGEST = 200
TWO = """
[[prompts]]
title = "Why <the> sky?"
text = '''
Why is <the sky> "blue"
over [a place]?'''
language = "en"
category = "Learning & more"

[[prompts]]
title = "Où aller ?"
text = "Où aller à Paris ?"
language = "fr"
category = "Projets"
"""


def prompt(title: str, language: str = "en", category: str = "c") -> StartingPrompt:
    return StartingPrompt(title=title, text=f"{title}?", language=language, category=category)


def many(language: str, count: int, category: str = "c") -> list[StartingPrompt]:
    return [prompt(f"{language} {category} {number}", language, category) for number in range(count)]


def written(folder: Path, text: str) -> Path:
    file = folder / "prompts.toml"
    file.write_text(text, "utf-8")
    return file


# The file


def test_a_prompt_is_read_as_it_is_written(tmp_path: Path) -> None:
    first, second = read(written(tmp_path, TWO), LONGEST)
    assert first.text == 'Why is <the sky> "blue"\nover [a place]?'
    assert first.parts == ["[a place]"]
    assert (second.title, second.language, second.category) == ("Où aller ?", "fr", "Projets")


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Why is the sky blue?", "why-is-the-sky-blue"),
        ("Où aller ?", "où-aller"),
        ("天空为什么是蓝色的\uff1f", "天空为什么是蓝色的"),
        ("Straße", "strasse"),
        ("../a b/%2F", "a-b-2f"),
    ],
)
def test_the_key_is_made_of_the_words_of_the_title(title: str, key: str) -> None:
    assert prompt(title).key == key


ENTRY = {"title": "Sky", "text": "Why?", "language": "en", "category": "Learning"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"text": None}, 'prompts[0] ("Sky").text: is missing. Add it.'),
        ({"title": None}, "prompts[0].title: is missing. Add it."),
        ({"txet": "x"}, 'prompts[0] ("Sky").txet: there is no such setting. Check the spelling, or remove it.'),
        ({"text": 5}, 'prompts[0] ("Sky").text: expected `str`, got `int`. Change the value.'),
        ({"text": " "}, 'prompts[0] ("Sky").text: is empty. Write the prompt, or remove the entry.'),
        ({"category": ""}, 'prompts[0] ("Sky").category: expected `str` of length >= 1. Change the value.'),
        ({"title": "?!"}, 'prompts[0] ("?!").title: has no letter or digit. Write a few words.'),
        (
            {"title": "ANY!"},
            'prompts[0] ("ANY!").title: stands for a random prompt in addresses ("/?prompt=any"). '
            "Choose another one.",
        ),
        (
            {"text": "w" * (LONGEST + 1)},
            'prompts[0] ("Sky").text: has more than 200 characters, the limit of config.toml '
            "(limits.prompt_characters). Shorten it, or raise the limit.",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place_and_its_mend(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    entry = {name: value for name, value in (ENTRY | change).items() if value is not None}
    lines = (f"{name} = {value!r}" for name, value in entry.items())
    file = written(tmp_path, "\n".join(["[[prompts]]", *lines]))
    with pytest.raises(ConfigError) as caught:
        read(file, LONGEST)
    assert str(caught.value) == f"{file}: {problem}"


@pytest.mark.parametrize("language", ["", "EN", "english", "en_GB"])
def test_a_language_that_browsers_do_not_know_is_refused(tmp_path: Path, language: str) -> None:
    file = written(tmp_path, TWO.replace('"fr"', f'"{language}"'))
    with pytest.raises(ConfigError, match=r'prompts\[1\] \("Où aller \?"\)\.language: expected `str` matching'):
        read(file, LONGEST)


def test_two_prompts_of_one_address_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, TWO.replace("Où aller ?", "why the SKY"))
    with pytest.raises(ConfigError) as caught:
        read(file, LONGEST)
    assert str(caught.value) == (
        f'{file}: prompts[1] ("why the SKY").title: has the words of prompts[0]. Titles must differ: change one.'
    )


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prompts\.toml: is not valid TOML: .* Mend that place\."):
        read(written(tmp_path, "[[prompts]"), LONGEST)


async def test_a_server_whose_prompts_are_missing_refuses_to_start(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B.", prompts="mine.toml"))
    finished = await run(tmp_path, "serve")
    assert finished.status == 2
    assert finished.complaint == (
        f"arena: {tmp_path / 'mine.toml'}: there is no such file. Write it, or remove prompts from config.toml."
    )


# The prompts that come with the arena


def ours() -> tuple[StartingPrompt, ...]:
    config = configured(CHECKOUT / "config.toml", {})
    assert config.prompts is not None
    return read(config.path(config.prompts), config.limits.prompt_characters)


def test_the_default_prompts_fill_the_page_in_three_languages() -> None:
    counts = Counter(prompt.language for prompt in ours())
    assert set(counts) == {"en", "fr", "de"}
    assert min(counts.values()) >= OFFERED
    assert counts["en"] > OFFERED, "a second visit shows others"
    assert len({prompt.category for prompt in ours() if prompt.language == "en"}) >= OFFERED
    assert any(len(prompt.parts) > 1 for prompt in ours())
    assert any(not prompt.parts for prompt in ours())


def test_the_default_prompts_say_what_every_setting_of_theirs_is() -> None:
    head = (CHECKOUT / "prompts.toml").read_text("utf-8").partition("[[prompts]]")[0]
    assert not [name for name in StartingPrompt.__struct_fields__ if not re.search(rf"^# {name} ", head, re.M)]
    assert tomllib.loads(head) == {}


# Who is offered which


def languages_of(offered: Iterable[StartingPrompt]) -> str:
    return " ".join(prompt.language for prompt in offered)


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        (["de"], "de de de de de de"),
        (["de-AT", "en"], "de de de de de de"),
        (["fr", "de"], "fr fr de de de de"),
        (["fr-CA"], "fr fr en en en en"),
        (["ja"], "en en en en en en"),
        ([], "en en en en en en"),
    ],
)
def test_the_visitors_languages_come_first_and_others_fill_the_page(wanted: list[str], offered: str) -> None:
    found = [*many("en", 20), *many("fr", 2), *many("de", 7)]
    for seed in range(20):
        assert languages_of(offer(found, wanted, random.Random(seed))) == offered


def test_every_prompt_has_its_turn() -> None:
    found = many("en", 20)
    seen = {prompt.key for seed in range(60) for prompt in offer(found, [], random.Random(seed))}
    assert seen == {prompt.key for prompt in found}
    assert len({offer(found, [], random.Random(seed))[0].key for seed in range(60)}) > OFFERED


def test_a_category_comes_again_only_after_all_others() -> None:
    found = [*many("en", 50, "large"), *many("en", 1, "small"), *many("en", 3, "middle")]
    for seed in range(20):
        offered = Counter(prompt.category for prompt in offer(found, [], random.Random(seed)))
        assert offered["small"] == 1
        assert offered["middle"] >= 2


def test_fewer_prompts_than_a_page_holds_are_all_offered() -> None:
    found = many("en", 3)
    assert sorted(p.key for p in offer(found, ["fr"], random.Random(1))) == sorted(p.key for p in found)
    assert offer([], ["fr"], random.Random(1)) == []


def test_a_surprise_is_another_one_each_time() -> None:
    found = many("fr", OFFERED)
    seen = {surprise(found, ["fr"], random.Random(seed), but=found[0].key).key for seed in range(100)}
    assert seen == {prompt.key for prompt in found[1:]}
    assert surprise(found[:1], [], random.Random(1), but=found[0].key) == found[0]


def test_a_surprise_is_in_the_visitors_language_where_there_are_enough() -> None:
    found = [*many("en", 20), *many("de", 7), *many("fr", 1)]
    german = {surprise(found, ["de"], random.Random(seed)).language for seed in range(60)}
    french = {surprise(found, ["fr"], random.Random(seed)).language for seed in range(60)}
    assert german == {"de"}
    assert french == {"fr", "en"}, "always the same one would be no surprise"


def test_a_prompt_is_found_by_its_key_alone() -> None:
    found = many("en", 3)
    assert find(found, "en-c-1") == found[1]
    assert find(found, "en c 1") is None


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("", []),
        ("fr", ["fr"]),
        ("en;q=0.5, fr-CH, de ; q = 0.8", ["fr-CH", "de", "en"]),
        ("*, en;q=0, fr;q=0.1", ["fr"]),
        ("de;q=abc, en;q=2, fr;q=", []),
        (",;q=1,, en", ["en"]),
    ],
)
def test_the_browser_says_which_languages_are_dear(header: str, languages: list[str]) -> None:
    request = Request({"type": "http", "headers": [(b"accept-language", header.encode())]})
    assert reads(request) == languages


# The page


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    written(tmp_path, TWO)
    async with open_house(tmp_path, prompts="prompts.toml") as found:
        yield found


def links(page: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="(/\?prompt=[^"]*)"', page)]


def box(page: str) -> str:
    """What is in the prompt box, as a browser reads it."""
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)
    assert found
    return unescape(found[1])


async def test_a_link_fills_the_box_and_starts_nothing(house: House, visitor: Visitor) -> None:
    page = (await visitor.gets("/")).text
    assert box(page) == ""
    (link,) = (link for link in links(page) if "sky" in link)
    filled = (await visitor.gets(link)).text
    assert box(filled) == 'Why is <the sky> "blue"\nover [a place]?'
    assert "Replace what is in [brackets]." in Screen(filled).text
    assert not any(backend.prompts for backend in house.backends.values())


async def test_a_link_says_title_category_and_language(visitor: Visitor) -> None:
    page = (await visitor.gets("/")).text
    assert re.search(r'<li lang="fr">.*?<span class="hint">Projets</span> Où aller \?</a>', page)
    assert "Learning &amp; more</span> Why &lt;the&gt; sky?</a>" in page


async def test_a_prompt_without_brackets_asks_to_replace_nothing(visitor: Visitor) -> None:
    page = Screen((await visitor.gets("/?prompt=où-aller")).text)
    assert box(page.html) == "Où aller à Paris ?"
    assert "Replace what is in" not in page.text


async def test_surprise_me_leads_to_the_address_of_another_prompt(visitor: Visitor) -> None:
    keys = {"/?prompt=why-the-sky", "/?prompt=où-aller"}
    for link in ("/?prompt=any", *keys):
        page = (await visitor.gets(link)).text if link in keys else ""
        again = next((other for other in links(page) if "any" in other), link)
        reply = await visitor.gets(again)
        assert reply.status_code == 303
        assert unquote(reply.headers["location"]) in keys - {link}
        assert (await visitor.gets(reply.headers["location"])).status_code == 200


async def test_the_browsers_language_decides_who_comes_first(visitor: Visitor) -> None:
    for language, first in (("fr-CH, en;q=0.5", "où"), ("en, fr;q=0.5", "sky")):
        for _ in range(10):
            page = (await visitor.gets("/", **{"accept-language": language})).text
            assert first in unquote(next(link for link in links(page) if "any" not in link))


@pytest.mark.parametrize("key", ["why-the-sea", "Why <the> sky?", "%00", "%FF", "x" * 5000])
async def test_an_unknown_key_is_a_page_that_says_so(visitor: Visitor, key: str) -> None:
    reply = await visitor.gets(f"/?prompt={key}")
    assert reply.status_code == 404
    assert "There is no prompt to start from at this address." in reply.text
    assert 'href="/">New battle' in reply.text


async def test_no_key_is_an_empty_box(visitor: Visitor) -> None:
    assert box((await visitor.gets("/?prompt=")).text) == ""


async def test_a_filled_box_is_not_loaded_away_while_models_load(house: House, visitor: Visitor) -> None:
    house.backends["aurora"].become(Status("loading", "reading weights", 0.4))
    refresh = '<noscript><meta http-equiv="refresh"'
    assert refresh in (await visitor.gets("/")).text
    assert refresh not in (await visitor.gets("/?prompt=why-the-sky")).text


async def test_an_arena_without_prompts_offers_none(tmp_path: Path) -> None:
    async with open_house(tmp_path) as plain, plain.visitor() as visitor:
        page = (await visitor.gets("/")).text
        assert "Surprise me" not in page
        assert "start from" not in page
        assert (await visitor.gets(f"/?prompt={prompts.ANY}")).status_code == 404
