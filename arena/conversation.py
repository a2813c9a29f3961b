"""What a visitor has: a conversation of turns, each answered by two sides, and at most one vote.

Pure values and the rules of a battle: what may be done next, and why not. Knows neither the database nor the web.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, get_args

from arena.errors import Conflict, Unprocessable
from arena.words import N_, _, ngettext

Side = Literal["a", "b"]
Choice = Literal["a", "b", "tie", "both_bad"]
Mode = Literal["battle", "side_by_side", "direct"]
Reveal = Literal["on_vote", "on_request"]
AnswerState = Literal["streaming", "done", "stopped", "failed", "interrupted"]

SIDES: tuple[Side, ...] = get_args(Side)
CHOICES: tuple[Choice, ...] = get_args(Choice)
CHOICE_WORDS: dict[Choice, str] = {
    "a": N_("A is better"),
    "b": N_("B is better"),
    "tie": N_("Tie"),
    "both_bad": N_("Both are bad"),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models that meet. `probability`: the chance that these two were drawn, whichever side each is on.

    `None` where it is not known: of a battle that was fought elsewhere.
    """

    a: str
    b: str
    probability: float | None

    def model(self, side: Side) -> str:
        return self.a if side == "a" else self.b


@dataclass(frozen=True, slots=True)
class Answer:
    """What one side said to a turn; of several versions, the latest. Times in milliseconds since a backend had it.

    `prompt`: what was asked, where the turn asks something else by now. `thought_ms`: from its first thought to
    its first word.
    How the text looks, and whether it says who wrote it (`is_leak`), is noted by the store when it is finished.
    """

    side: Side
    version: int
    model: str
    state: AnswerState
    text: str = ""
    reasoning: str = ""
    error: str | None = None
    backend: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_ms: float | None = None
    duration_ms: float | None = None
    finish_reason: str | None = None
    request_id: str | None = None
    thread: str | None = None
    answered_by: str | None = None
    characters: int | None = None
    headers: int | None = None
    lists: int | None = None
    bold: int | None = None
    code_blocks: int | None = None
    formulas: int | None = None
    is_leak: bool | None = None
    prompt: str | None = None
    thought_ms: float | None = None

    @property
    def is_complete(self) -> bool:
        """Finished by the model, or cut short by the visitor after there was something to read."""
        return self.state == "done" or (self.state == "stopped" and bool(self.text))


@dataclass(frozen=True, slots=True)
class Parameters:
    """How the visitor wants answers drawn; `None` leaves it to the model. `system`: for its system prompt."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a visitor asks. `attached`: the ids of what comes with the prompt.

    `said`: the parameters from now on; `None` for those of the turn before, or of the models.
    """

    prompt: str
    said: Parameters | None = None
    attached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture or document that is handed in with a prompt. `name`: what its file was called.

    `image`: the hash of a picture, which is `width` by `height` pixels; `characters`: how many the text of a
    document has, on so many `pages` where it has pages.
    """

    id: str
    kind: Literal["image", "document"]
    name: str
    image: str | None = None
    width: int | None = None
    height: int | None = None
    characters: int | None = None
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt and its answers, numbered from 1. Without answers the pair has not been drawn yet.

    `images`, `documents`: how many were with the prompt; `attachments`: all that was with it and is still kept.
    """

    number: int
    prompt: str
    answers: dict[Side, Answer] = field(default_factory=dict)
    images: int = 0
    parameters: Parameters = Parameters()
    attachments: tuple[Attachment, ...] = ()
    documents: int = 0

    @property
    def is_complete(self) -> bool:
        return bool(self.answers) and all(a.is_complete for a in self.answers.values())

    @property
    def is_streaming(self) -> bool:
        return not self.answers or any(a.state == "streaming" for a in self.answers.values())

    def sides_in(self, *states: AnswerState) -> tuple[Side, ...]:
        return tuple(side for side, answer in self.answers.items() if answer.state in states)


@dataclass(frozen=True, slots=True)
class Vote:
    """The visitor's choice about turn `turn`."""

    choice: Choice
    turn: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it is stored.

    `model`: the one of a direct chat. `reveal`: whether the names of a battle are out with its vote, or wait to be
    asked for; `revealed_at`: when they were. `later_votes`: of a conversation that goes on after its vote, those
    about later turns, which are kept and never counted.
    """

    id: str
    voter_id: str
    created_at: datetime
    pair: Pair | None
    turns: tuple[Turn, ...]
    vote: Vote | None = None
    mode: Mode = "battle"
    model: str | None = None
    reveal: Reveal = "on_vote"
    revealed_at: datetime | None = None
    later_votes: tuple[Vote, ...] = ()

    @property
    def sides(self) -> tuple[Side, ...]:
        return SIDES[:1] if self.mode == "direct" else SIDES

    @property
    def models(self) -> dict[Side, str]:
        """Who answers on each side; nobody before the pair is drawn."""
        if self.mode == "direct":
            return {"a": self.model} if self.model else {}
        return {side: self.pair.model(side) for side in SIDES} if self.pair else {}

    @property
    def names_are_out(self) -> bool:
        """Whether the visitor may know who answers: always, but for a battle before its names are shown."""
        if self.mode != "battle":
            return True
        return self.revealed_at is not None if self.reveal == "on_request" else self.vote is not None

    @property
    def last(self) -> Turn:
        return self.turns[-1]

    @property
    def is_over(self) -> bool:
        """Whether nothing more may be asked or answered in it."""
        return self.mode == "battle" and self.names_are_out

    @property
    def can_vote(self) -> bool:
        return not self.is_over and not self.has_voted and self.last.is_complete and len(self.sides) > 1

    def vote_on(self, turn: int) -> Vote | None:
        """The vote about the turn of that number."""
        votes = (*((self.vote,) if self.vote else ()), *self.later_votes)
        return next((vote for vote in votes if vote.turn == turn), None)

    @property
    def has_voted(self) -> bool:
        """Whether there is a vote about the last turn."""
        return self.vote_on(self.last.number) is not None

    @property
    def counts_at_once(self) -> bool:
        """Whether a vote has its ballot as soon as it is cast: it is blind, and ends the battle."""
        return self.mode == "battle" and self.reveal == "on_vote"

    @property
    def as_voted(self) -> "Conversation":
        """The same as far as it had come when the vote was cast: what the vote is about."""
        if self.vote is None or self.vote.turn >= self.last.number:
            return self
        return replace(self, turns=tuple(turn for turn in self.turns if turn.number <= self.vote.turn))

    @property
    def edition(self) -> str:
        """Which answers the last turn has now: changes with every prompt and every answer written again."""
        return ".".join(str(n) for n in (self.last.number, *(a.version for a in self.last.answers.values())))

    def check_vote(self, choice: Choice, seen: str | None = None) -> None:
        """Raises `Conflict` where this vote cannot be cast. The same vote again is no conflict."""
        if len(self.sides) < 2:
            raise Conflict(_("There is one model in this chat, and nothing to compare it with."))
        earlier = self.vote_on(self.last.number) or (self.vote if self.is_over else None)
        if earlier is not None:
            if earlier.choice == choice:
                return
            if not self.is_over:
                raise Conflict(_("You have already voted on these answers. Ask on to vote again."))
            raise Conflict(_("You have already voted in this battle, and the names are out. A vote is final."))
        if self.last.sides_in("failed"):
            raise Conflict(_("One side failed, so there is nothing to compare yet. Try that side again first."))
        if not self.last.is_complete:
            raise Conflict(_("The answers are not complete yet. You can vote as soon as both are."))
        if seen and seen != self.edition:
            raise Conflict(
                _("The answers have changed since your page was loaded. Look at them first, then vote.")
            )

    def check_undo(self, now: datetime, seconds: float) -> Vote:
        """The vote about the last turn, to be taken back. Raises `Conflict` where it stands."""
        vote = self.vote_on(self.last.number)
        if vote is None:
            raise Conflict(_("There is no vote on these answers to undo."))
        if self.names_are_out:
            raise Conflict(_("The names are out, so your vote stands."))
        if self.undo_seconds_left(now, seconds) <= 0:
            raise Conflict(_("A vote can be undone for {n} seconds only. Yours stands.").format(n=f"{seconds:g}"))
        return vote

    def undo_seconds_left(self, now: datetime, seconds: float) -> float:
        """For how long the vote about the last turn can still be undone, of so many seconds."""
        vote = self.vote_on(self.last.number)
        if vote is None or self.names_are_out:
            return 0.0
        return max(0.0, seconds - (now - vote.created_at).total_seconds())

    @property
    def can_reveal(self) -> bool:
        """Whether the names wait for nothing but to be asked for."""
        return not self.names_are_out and self.vote is not None and not self.last.is_streaming

    def check_reveal(self) -> None:
        """Raises `Conflict` where the names cannot be shown. Where they are out that is no conflict."""
        if self.names_are_out or self.can_reveal:
            return
        if self.vote is None:
            raise Conflict(_("The names are shown after a vote. Please vote first."))
        raise Conflict(_("The answers are still being written. Stop them first, or wait for them."))

    def check_follow_up(self, turns_allowed: int) -> None:
        """Raises `Conflict` where no further prompt can be taken."""
        if self.is_over:
            raise Conflict(_("This battle is over: you have voted. Start a new battle to go on."))
        if self.last.sides_in("failed"):
            if self.mode == "direct":
                raise Conflict(_("The last answer failed. Try again before you go on."))
            raise Conflict(_("One side failed. Try that side again before you go on."))
        if not self.last.is_complete:
            raise Conflict(_("The answers to your last prompt are not complete yet. Wait for them, or stop them."))
        if len(self.turns) >= turns_allowed:
            if self.mode != "battle":
                raise Conflict(_("This conversation has had all its turns."))
            words = ngettext(
                "This battle has reached its only turn. Please vote now.",
                "This battle has reached its {n} turns. Please vote now.",
                turns_allowed,
            )
            raise Conflict(words.format(n=turns_allowed))

    def check_edit(self) -> None:
        """Raises `Conflict` where the last prompt can no longer be asked in other words."""
        if self.is_over:
            raise Conflict(_("This battle is over: you have voted. Its prompts stay as they are."))
        self._check_no_vote()
        if self.last.is_streaming:
            raise Conflict(
                _("The answers to this prompt are still being written. Stop them first, or wait for them.")
            )

    def sides_to_regenerate(self, side: Side | None) -> tuple[Side, ...]:
        """The sides a visitor may have answered again. Raises `Conflict` where there are none."""
        if self.is_over:
            raise Conflict(_("This battle is over: you have voted. Its answers stay as they are."))
        self._check_no_vote()
        wanted = tuple(one for one in self.sides if side in (None, one))
        if not self.last.answers or any(self.last.answers[s].state == "streaming" for s in wanted):
            raise Conflict(_("This answer is still being written. Stop it first, or wait for it."))
        return wanted

    def _check_no_vote(self) -> None:
        if self.has_voted:
            raise Conflict(_("You have voted on these answers, so they stay as they are. Ask on instead."))


def count_images(attached: Iterable[Attachment]) -> int:
    return sum(one.kind == "image" for one in attached)


def check_images(count: int, limit: int) -> None:
    """Raises `Unprocessable` where so many pictures are too many for one prompt."""
    if count > limit:
        words = ngettext(
            "Only %(num)s picture can come with a prompt. Remove the others.",
            "Only %(num)s pictures can come with a prompt. Remove some of them.",
            limit,
        )
        raise Unprocessable(words % {"num": limit})


def parse_choice(value: str) -> Choice:
    """Raises `Unprocessable` for anything but one of the four choices."""
    for choice in CHOICES:
        if value == choice:
            return choice
    raise Unprocessable(_("That is not one of the four choices: A is better, B is better, tie, both are bad."))


def parse_side(value: str) -> Side:
    """Raises `Unprocessable` for anything but `a` or `b`."""
    for side in SIDES:
        if value == side:
            return side
    raise Unprocessable(_("That is neither side a nor side b."))
