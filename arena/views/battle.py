"""What a page shows of a battle: values for templates, from the store or from a turn in flight alike.

Nothing in here can tell who is behind a side: names come from `arena.blind` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from markupsafe import Markup

from arena import blind
from arena.blind import Face, faces
from arena.config import Config
from arena.conversation import Answer, AnswerState, Attachment, Choice, Conversation, Mode, Side, Turn
from arena.errors import words_for
from arena.live import UNWATCHED, Cursor, LiveTurn
from arena.markdown import render
from arena.named import find, is_on, why_closed
from arena.router import Router
from arena.store.reactions import Reaction
from arena.views.named import address
from arena.views.parameters import Settings, settings
from arena.views.paths import HOME, conversation_path
from arena.views.remarks import RemarksView
from arena.words import _, ngettext

EMPTY = Markup()

Phase = Literal["drawing", "unavailable", "writing", "broken", "open", "vote", "voted", "revealed"]


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One side of one turn. `blocks` and `open` are HTML; `state` is `waiting` before there is an answer.

    `thoughts` is its reasoning, plain text; `ahead`: how many are served before it, while it waits for a backend.
    `version` of `versions`, of which the last one counts; `prompt`: what was asked then, if that was edited since.
    `thought_ms`: for how long it thought, where that may be told.
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
    thought_ms: float | None = None

    @property
    def thought_words(self) -> str:
        """What is said over the folded reasoning, with the time it took where that may be told."""
        if self.thought_ms is None:
            return _("Reasoning")
        return _("Thought for {n} s").format(n=max(1, round(self.thought_ms / 1000)))

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
    choice: Choice | None = None
    reaction: Reaction | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class BattleView:
    """A battle at one moment, or another conversation.

    `settings`: the form of parameters, where there are any. `closed`: why nothing more can be asked, in words.
    `go_on`: where both models of a battle that is over can be asked on, side by side. `chosen`: the vote on its
    last turn, which can be undone for `undo_seconds` more. `can_reveal`: whether the names wait to be asked for.
    """

    id: str
    phase: Phase
    turns: tuple[TurnView, ...]
    faces: dict[Side, Face] | None
    choice: Choice | None
    cursor: str
    edition: str
    loading: str
    turns_left: int
    mode: Mode = "battle"
    settings: Settings | None = None
    closed: str = ""
    go_on: str = ""
    chosen: Choice | None = None
    undo_seconds: float = 0.0
    can_reveal: bool = False
    remarks: RemarksView | None = None

    @property
    def bar(self) -> str:
        """The template of what can be done next."""
        return "_bar.html" if self.mode == "battle" else "_named_bar.html"

    @property
    def is_lone(self) -> bool:
        """Whether there is one model alone: no sides, and no letters for them."""
        return self.mode == "direct"

    @property
    def anew(self) -> str:
        """Where another one like this begins, with the same models where their names are out."""
        if self.mode == "battle":
            return HOME
        return address(self.mode, [face.name for face in (self.faces or {}).values()])

    @property
    def is_open(self) -> bool:
        """Whether something is still to come by itself."""
        return self.phase in ("drawing", "writing")

    @property
    def path(self) -> str:
        return conversation_path(self.id)


def view(
    conversation: Conversation,
    live: LiveTurn | None,
    config: Config,
    router: Router,
    reactions: Mapping[int, Reaction] | None = None,
) -> BattleView:
    """The battle as it is shown now; `live` is its turn in flight, if there is one."""
    last = conversation.last.number
    # First of all: this brings the renderings up to date, of which the answers are made.
    cursor = encode_cursor(last, live.cursor if live else {})
    turns = tuple(
        _turn(turn, conversation.sides, live if turn.number == last else None, last) for turn in conversation.turns
    )
    if config.blind.pace == "even" and not conversation.names_are_out:
        turns = tuple(_without_times(turn) for turn in turns)
    if conversation.mode == "direct":
        turns = tuple(replace(one, reaction=(reactions or {}).get(one.number, Reaction())) for one in turns)
    votes = {turn.number: conversation.vote_on(turn.number) for turn in conversation.turns}
    turns = tuple(replace(turn, choice=vote.choice) if (vote := votes[turn.number]) else turn for turn in turns)
    vote = votes[last]
    return BattleView(
        id=conversation.id,
        phase=phase(conversation, live),
        turns=turns,
        faces=faces(conversation, config),
        choice=conversation.vote.choice if conversation.vote else None,
        cursor=cursor,
        edition=conversation.edition,
        loading=loading(router),
        turns_left=config.limits.turns - len(conversation.turns),
        mode=conversation.mode,
        settings=_settings(conversation, config),
        closed=why_closed(config, conversation),
        go_on=_go_on(conversation, config),
        chosen=vote.choice if vote else None,
        undo_seconds=conversation.undo_seconds_left(datetime.now(UTC), config.blind.undo_seconds),
        can_reveal=conversation.can_reveal,
    )


def _settings(conversation: Conversation, config: Config) -> Settings | None:
    """The form of parameters, with those of the last turn; a battle has none."""
    if conversation.mode == "battle" or why_closed(config, conversation):
        return None
    models = [config.model(name) for name in conversation.models.values()]
    return settings(config, models, conversation.last.parameters)


def _go_on(conversation: Conversation, config: Config) -> str:
    """The page where the two of a battle whose names are out answer side by side, if both may be chosen."""
    names = list(blind.names(conversation, config).values())
    if conversation.mode != "battle" or not names or not is_on(config, "side_by_side"):
        return ""
    return address("side_by_side", names) if all(find(config, name) for name in names) else ""


def phase(conversation: Conversation, live: LiveTurn | None) -> Phase:
    """Where a battle is: what its visitor can do next."""
    if conversation.is_over:
        return "revealed"
    if not conversation.models:
        return "drawing" if live and not live.is_settled else "unavailable"
    if (live and not live.is_settled) or conversation.last.is_streaming:
        return "writing"
    if conversation.mode != "battle":
        return "open" if conversation.last.is_complete else "broken"
    if conversation.has_voted:
        return "voted"
    return "vote" if conversation.can_vote else "broken"


def loading(router: Router) -> str:
    """How far the models are, in words that name none of them."""
    states = [status.state for status in router.statuses().values()]
    up, coming = states.count("ready"), states.count("loading") + states.count("waiting")
    words = ngettext(
        "{up} of {n} model is up, {coming} on their way.",
        "{up} of {n} models are up, {coming} on their way.",
        len(states),
    )
    return words.format(up=up, n=len(states), coming=coming)


def _turn(turn: Turn, sides: tuple[Side, ...], live: LiveTurn | None, last: int) -> TurnView:
    is_alone = len(sides) == 1
    answers = tuple(answer_view(side, turn.answers.get(side), live, is_alone=is_alone) for side in sides)
    return TurnView(turn.number, turn.prompt, answers, turn.number == last, attachments=turn.attachments)


def _without_times(turn: TurnView) -> TurnView:
    return replace(turn, answers=tuple(replace(answer, thought_ms=None) for answer in turn.answers))


def answer_view(side: Side, answer: Answer | None, live: LiveTurn | None, *, is_alone: bool = False) -> AnswerView:
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
            end_words(writing.answer, is_alone=is_alone) if writing.is_ended else "",
            "".join(writing.reasoning),
            writing.ahead,
            writing.answer.version,
            writing.answer.version,
            thought_ms=writing.answer.thought_ms if live.pacer is None else None,
        )
    if answer is None:
        return AnswerView(side, "waiting")
    return replace(version_view(answer, answer.version, is_alone=is_alone), thought_ms=answer.thought_ms)


def version_view(answer: Answer, versions: int, *, is_alone: bool = False) -> AnswerView:
    """A kept answer, of so many versions."""
    return AnswerView(
        answer.side,
        answer.state,
        not answer.text,
        Markup(render(answer.text)),
        words=end_words(answer, is_alone=is_alone),
        thoughts=answer.reasoning,
        version=answer.version,
        versions=versions,
        prompt=answer.prompt,
    )


def end_words(answer: Answer, *, is_alone: bool) -> str:
    """What is said under an answer that did not end by itself."""
    if answer.state == "failed":
        return words_for(answer.error or "", is_alone=is_alone)
    if answer.state == "stopped" and answer.finish_reason == UNWATCHED:
        return _("This answer was stopped, because nobody was looking at it any more.")
    if answer.state == "stopped":
        has_said = answer.text or is_alone
        return _("You stopped this answer.") if has_said else _("You stopped this side before it said anything.")
    if answer.state == "interrupted":
        return _("This answer was cut off by a restart of the server.")
    if answer.state == "done" and not answer.text:
        return _("There is no word in this answer.") if is_alone else _("This side answered with nothing at all.")
    if answer.finish_reason == "length":
        return _("This answer reached its length limit.")
    return ""


def encode_cursor(turn: int, cursor: Cursor) -> str:
    """Where a page or stream is, as it travels in an address or an event id: `turn~a.1.2.3.4.5~b.1.2.3.4.5`."""
    return "~".join(
        [str(turn), *(f"{s}.{c.version}.{c.blocks}.{c.opened}.{c.rest}.{c.thoughts}" for s, c in cursor.items())]
    )
