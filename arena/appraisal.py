"""What a battle is to the board: its categories, how its answers look, and whether a text gave a side away.

Pure: a `Conversation` in, an `Appraisal` out. Texts are looked through in pieces, as one search through a long
text would let nobody else run, in whatever thread it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from arena.blind import Leaks
from arena.config import Config
from arena.config.settings import tag
from arena.conversation import SIDES, Answer, Conversation, Side
from arena.language import UNKNOWN, language
from arena.markdown import Looks, looks

PIECE = 4000  # characters
SHORT = 1000  # characters that are looked through at once; longer texts in a thread
NOTED = 2000  # prompts
OVERLAP = 300  # longer than what any pattern of a leak spans

_BREAK = re.compile(r"\s")


class Marks(NamedTuple):
    """What is noted of an answer when it is finished."""

    looks: Looks
    is_leak: bool


@dataclass(frozen=True, slots=True)
class PromptMarks:
    """What a prompt is to the board. `tags`: the categories of config.toml whose patterns it fits."""

    looks: Looks
    is_leak: bool
    language: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Appraisal:
    """`categories` are sorted. `looks`: of each side, summed over the turns."""

    categories: tuple[str, ...]
    is_leak: bool
    looks: dict[Side, Looks]


class Appraiser:
    """Appraises by the names, tags and lengths of one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._noted: dict[str, PromptMarks] = {}
        self._tags = {f"tag:{name}": tag(text) for name, text in config.leaderboard.tags.items()}

    @cached_property
    def _leaks(self) -> Leaks:
        return Leaks(self._config)  # 20 ms

    def prepare(self) -> None:
        """Do now what the first appraisal would have to wait for."""
        self._leaks  # noqa: B018

    def answer(self, text: str) -> Marks:
        """The marks of an answer that is complete."""
        return Marks(looks(text), _any(text, self._leaks.in_answer))

    def conversation(self, conversation: Conversation) -> Appraisal:
        """The appraisal of a battle whose answers are complete. Those without marks are looked through again."""
        prompts = [self.prompt(turn.prompt) for turn in conversation.turns]
        marks = {side: [self._marks(turn.answers[side]) for turn in conversation.turns] for side in SIDES}
        every = [mark for side in SIDES for mark in marks[side]]
        is_leak = any(mark.is_leak for mark in every) or any(prompt.is_leak for prompt in prompts)
        characters = sum(len(turn.prompt) for turn in conversation.turns)
        of_looks = _of_looks([prompt.looks for prompt in prompts] + [mark.looks for mark in every])
        attached = _of_attached(conversation)
        categories = sorted({*self._of_prompts(prompts, characters), *of_looks, *attached})
        return Appraisal(tuple(categories), is_leak, {side: _sum(m.looks for m in marks[side]) for side in SIDES})

    def prompt(self, text: str) -> PromptMarks:
        """The marks of a prompt. Those of short ones are remembered from when they were asked to the vote."""
        if text not in self._noted:
            if len(text) > SHORT:
                return self._of_prompt(text)
            if len(self._noted) >= NOTED:
                self._noted.pop(next(iter(self._noted)), None)
            self._noted[text] = self._of_prompt(text)
        return self._noted[text]

    def _of_prompt(self, text: str) -> PromptMarks:
        tags = tuple(name for name, pattern in self._tags.items() if pattern.search(text))
        return PromptMarks(looks(text), _any(text, self._leaks.in_prompt), language(text), tags)

    def _marks(self, answer: Answer) -> Marks:
        if answer.characters is None or answer.is_leak is None:
            return self.answer(answer.text)
        noted = (answer.characters, answer.headers, answer.lists, answer.bold, answer.code_blocks, answer.formulas)
        return Marks(Looks(*(number or 0 for number in noted)), answer.is_leak)

    def _of_prompts(self, prompts: list[PromptMarks], characters: int) -> Iterator[str]:
        """The language is that of the first prompt, the length that of all together."""
        if (code := prompts[0].language) != UNKNOWN:
            yield f"language:{code}"
        yield "turns:one" if len(prompts) == 1 else "turns:many"
        yield "prompt:long" if characters >= self._config.leaderboard.long_prompt_characters else "prompt:short"
        for prompt in prompts:
            yield from prompt.tags


def _of_attached(conversation: Conversation) -> Iterator[str]:
    """What came with prompts. Documents count as that alone: their texts are not the visitor's words."""
    if any(turn.images for turn in conversation.turns):
        yield "image"
    if any(turn.documents for turn in conversation.turns):
        yield "document"


def _of_looks(seen: list[Looks]) -> Iterator[str]:
    """What prompts or answers have in them."""
    if any(look.code_blocks for look in seen):
        yield "code"
    if any(look.formulas for look in seen):
        yield "math"


def _sum(several: Iterable[Looks]) -> Looks:
    return Looks(*map(sum, zip(*several, strict=True)))


def _any(text: str, is_leak: Callable[[str], bool]) -> bool:
    return any(is_leak(piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that overlap, cut between words where there are any."""
    start = 0
    while len(text) - start > PIECE:
        end = start + PIECE
        gap = max((found.start() for found in _BREAK.finditer(text, end - OVERLAP // 2, end)), default=end)
        yield text[start:gap]
        start = gap - OVERLAP
    yield text[start:]
