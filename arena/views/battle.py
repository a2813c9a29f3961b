"""What a page shows of a battle: values for templates, from the store or from a turn in flight alike.

Nothing in here can tell who is behind a side: names come from `arena.blind` alone.
"""

from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from arena.blind import Face, faces
from arena.config import Config
from arena.conversation import Answer, AnswerState, Choice, Conversation, Side, Turn
from arena.errors import words_for
from arena.live import UNWATCHED, Cursor, LiveTurn
from arena.markdown import render
from arena.router import Router

EMPTY = Markup()

Phase = Literal["drawing", "unavailable", "writing", "broken", "vote", "revealed"]


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One side of one turn. `blocks` and `open` are HTML; `state` is `waiting` before there is an answer.

    `thoughts` is its reasoning, plain text; `ahead`: how many are served before it, while it waits for a backend.
    `version` of `versions`, of which the last one counts; `prompt`: what was asked then, if that was edited since.
    """

    side: Side
    state: AnswerState | Literal["waiting"]
    is_empty: bool = True
    blocks: Markup = EMPTY
    open: Markup = EMPTY
    words: str = ""
    thoughts: str = ""
    ahead: int | None = None
    version: int = 1
    versions: int = 1
    prompt: str | None = None

    @property
    def is_latest(self) -> bool:
        return self.version == self.versions

    @property
    def is_being_written(self) -> bool:
        return self.state in ("waiting", "streaming")

    @property
    def is_missing(self) -> bool:
        """Whether this side has to be written again before a vote."""
        return self.state in ("failed", "interrupted") or (self.state == "stopped" and self.is_empty)


@dataclass(frozen=True, slots=True)
class TurnView:
    """A prompt and its two answers."""

    number: int
    prompt: str
    answers: tuple[AnswerView, ...]
    is_last: bool


@dataclass(frozen=True, slots=True)
class BattleView:
    """A battle at one moment."""

    id: str
    phase: Phase
    turns: tuple[TurnView, ...]
    faces: dict[Side, Face] | None
    choice: Choice | None
    cursor: str
    edition: str
    loading: str
    turns_left: int

    @property
    def is_open(self) -> bool:
        """Whether something is still to come by itself."""
        return self.phase in ("drawing", "writing")

    @property
    def path(self) -> str:
        return f"/conversations/{self.id}"


def view(conversation: Conversation, live: LiveTurn | None, config: Config, router: Router) -> BattleView:
    """The battle as it is shown now; `live` is its turn in flight, if there is one."""
    last = conversation.last.number
    cursor = encode_cursor(
        last, live.cursor if live else {}
    )  # brings the renderings up to date: before the answers are read
    return BattleView(
        id=conversation.id,
        phase=phase(conversation, live),
        turns=tuple(
            _turn(turn, conversation.sides, live if turn.number == last else None, last)
            for turn in conversation.turns
        ),
        faces=faces(conversation, config),
        choice=conversation.vote.choice if conversation.vote else None,
        cursor=cursor,
        edition=conversation.edition,
        loading=loading(router),
        turns_left=config.limits.turns - len(conversation.turns),
    )


def phase(conversation: Conversation, live: LiveTurn | None) -> Phase:
    """Where a battle is: what its visitor can do next."""
    if conversation.is_over:
        return "revealed"
    if not conversation.models:
        return "drawing" if live and not live.is_settled else "unavailable"
    if (live and not live.is_settled) or conversation.last.is_streaming:
        return "writing"
    return "vote" if conversation.can_vote else "broken"


def loading(router: Router) -> str:
    """How far the models are, in words that name none of them."""
    states = [status.state for status in router.statuses().values()]
    up, coming = states.count("ready"), states.count("loading") + states.count("waiting")
    return f"{up} of {len(states)} models are up, {coming} on their way."


def _turn(turn: Turn, sides: tuple[Side, ...], live: LiveTurn | None, last: int) -> TurnView:
    answers = tuple(answer_view(side, turn.answers.get(side), live) for side in sides)
    return TurnView(turn.number, turn.prompt, answers, turn.number == last)


def answer_view(side: Side, answer: Answer | None, live: LiveTurn | None) -> AnswerView:
    """One side, from the turn in flight where it is being written there, otherwise as it was kept."""
    if live and side in live.sides:
        writing = live.sides[side]
        page = writing.rendering
        state = writing.answer.state
        return AnswerView(
            side,
            state if writing.is_ended else "streaming",
            not page.text,
            Markup("".join(page.blocks)),
            Markup(page.open_with_rest),
            _words(writing.answer) if writing.is_ended else "",
            "".join(writing.reasoning),
            writing.ahead,
            writing.answer.version,
            writing.answer.version,
        )
    if answer is None:
        return AnswerView(side, "waiting")
    return version_view(answer, answer.version)


def version_view(answer: Answer, versions: int) -> AnswerView:
    """A kept answer, of so many versions."""
    return AnswerView(
        answer.side,
        answer.state,
        not answer.text,
        Markup(render(answer.text)),
        words=_words(answer),
        thoughts=answer.reasoning,
        version=answer.version,
        versions=versions,
        prompt=answer.prompt,
    )


def _words(answer: Answer) -> str:
    """What is said under an answer that did not end by itself."""
    if answer.state == "failed":
        return words_for(answer.error or "")
    if answer.state == "stopped" and answer.finish_reason == UNWATCHED:
        return "This answer was stopped, because nobody was looking at it any more."
    if answer.state == "stopped":
        return "You stopped this answer." if answer.text else "You stopped this side before it said anything."
    if answer.state == "interrupted":
        return "This answer was cut off by a restart of the server."
    if answer.state == "done" and not answer.text:
        return "This side answered with nothing at all."
    if answer.finish_reason == "length":
        return "This answer reached its length limit."
    return ""


def encode_cursor(turn: int, cursor: Cursor) -> str:
    """Where a page or stream is, as it travels in an address or an event id: `turn~a.1.2.3.4.5~b.1.2.3.4.5`."""
    return "~".join(
        [str(turn), *(f"{s}.{c.version}.{c.blocks}.{c.opened}.{c.rest}.{c.thoughts}" for s, c in cursor.items())]
    )
