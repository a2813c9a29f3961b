"""Prompts to start from: a TOML file -> frozen values, and which of them a visitor is offered.

Knows no request: the visitor's languages and chance are arguments.
"""

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from arena.config.reading import decode, explain
from arena.config.types import Name, Table
from arena.errors import ConfigError

OFFERED = 6
ANY = "any"  # in place of a key: a random one

_PART = re.compile(r"\[[^\[\]\n]+\]")


class StartingPrompt(Table, frozen=True):
    """A prompt that fills the prompt box. `language` is a code such as en or pt-BR, `category` any word."""

    title: Annotated[str, msgspec.Meta(max_length=80)]
    text: str
    language: Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
    category: Name

    @property
    def key(self) -> str:
        """Its name in an address: the words of its title. Changes with the title alone."""
        return "-".join(re.findall(r"\w+", unicodedata.normalize("NFKC", self.title).casefold()))

    @property
    def parts(self) -> list[str]:
        """What the visitor is to replace: "[a place]"."""
        return _PART.findall(self.text)


class _File(Table, frozen=True):
    prompts: tuple[StartingPrompt, ...] = ()


def read(path: Path, longest: int) -> tuple[StartingPrompt, ...]:
    """The prompts in the file at `path`, of which none may have more characters than `longest`.

    Raises `ConfigError`, which names the file, the entry and the mend.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file. Write it, or remove prompts from config.toml.")
    tables = decode(path)
    try:
        found = msgspec.convert(tables, _File).prompts
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{path}: {explain(str(exc), tables)}") from exc
    for problem in _problems(found, longest):
        raise ConfigError(f"{path}: {problem}")
    return tuple(msgspec.structs.replace(prompt, text=prompt.text.strip()) for prompt in found)


def _problems(prompts: Sequence[StartingPrompt], longest: int) -> Iterable[str]:
    """What is wrong although every single value is of the right kind, each with its entry and its mend."""
    first: dict[str, int] = {}
    for number, prompt in enumerate(prompts):
        where = f'prompts[{number}] ("{prompt.title}")'
        if not prompt.key:
            yield f"{where}.title: has no letter or digit. Write a few words."
        if prompt.key == ANY:
            yield f'{where}.title: stands for a random prompt in addresses ("/?prompt={ANY}"). Choose another one.'
        if prompt.key in first:
            yield f"{where}.title: has the words of prompts[{first[prompt.key]}]. Titles must differ: change one."
        first[prompt.key] = number
        if not prompt.text.strip():
            yield f"{where}.text: is empty. Write the prompt, or remove the entry."
        if len(prompt.text.strip()) > longest:
            yield (
                f"{where}.text: has more than {longest} characters, the limit of config.toml "
                "(limits.prompt_characters). Shorten it, or raise the limit."
            )


def find(prompts: Iterable[StartingPrompt], key: str) -> StartingPrompt | None:
    """The prompt with this key."""
    return next((prompt for prompt in prompts if prompt.key == key), None)


def offer(
    prompts: Sequence[StartingPrompt], languages: Sequence[str], chance: random.Random
) -> list[StartingPrompt]:
    """Some of them, shuffled: first those in the visitor's languages (the dearest first), and while these do not
    fill the page, those in the languages that most are written in.

    Within a language, no category comes again before every other one has come.
    """
    ranks = _ranks(prompts, languages)
    times: Counter[tuple[int, str]] = Counter()
    placed: list[tuple[int, int, StartingPrompt]] = []
    for prompt in chance.sample(prompts, len(prompts)):
        rank = ranks[_plain(prompt.language)]
        placed.append((rank, times[rank, prompt.category], prompt))
        times[rank, prompt.category] += 1
    placed.sort(key=lambda place: place[:2])
    return [prompt for _, _, prompt in placed[:OFFERED]]


def surprise(
    prompts: Sequence[StartingPrompt], languages: Sequence[str], chance: random.Random, but: str = ""
) -> StartingPrompt:
    """A random one of those that could be offered; not the one with the key `but`, where there is another.

    Raises `IndexError` where there is none at all.
    """
    others = [prompt for prompt in prompts if prompt.key != but]
    return chance.choice(offer(others or prompts, languages, chance))


def _ranks(prompts: Iterable[StartingPrompt], languages: Iterable[str]) -> dict[str, int]:
    """The languages of the prompts, numbered in the order in which a visitor who reads `languages` wants them."""
    written = [language for language, _ in Counter(_plain(p.language) for p in prompts).most_common()]
    wanted = dict.fromkeys([*map(_plain, languages), *written])
    return {language: rank for rank, language in enumerate(wanted)}


def _plain(language: str) -> str:
    """The language without its region: pt-BR is pt."""
    return language.partition("-")[0].lower()
