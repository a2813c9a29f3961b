"""A visitor's conversations as files to keep: JSON for programs, Markdown for people.

They say what the visitor can read, and nothing that could tell who answers while that is not known: no tokens, no
times, no backend, and no name that `arena.blind` does not give.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from arena import blind
from arena.config import Config
from arena.conversation import CHOICE_WORDS, Conversation, Side, Turn
from arena.store.history import Kept
from arena.store.reactions import Reaction
from arena.words import _, moment


@dataclass(frozen=True, slots=True)
class Format:
    """How conversations are written: `one`, and what stands before, between and after several."""

    ending: str
    media_type: str
    head: str
    between: str
    foot: str
    write: Callable[[Kept, Config, bool], str]

    def one(self, kept: Kept, config: Config, *, is_busy: bool) -> str:
        """A single conversation. What is being written at the moment is left out: how far it is could tell."""
        return self.write(kept, config, is_busy or kept.conversation.last.is_streaming)


def as_json(kept: Kept, config: Config, is_busy: bool) -> str:
    """An object."""
    conversation = kept.conversation
    names = blind.names(conversation, config)
    vote = conversation.vote
    return json.dumps(
        {
            "id": conversation.id,
            "mode": conversation.mode,
            "started_at": conversation.created_at.isoformat(),
            "models": names or None,
            "vote": {"choice": vote.choice, "turn": vote.turn, "voted_at": vote.created_at.isoformat()}
            if vote
            else None,
            "comment": kept.comment or None,
            "turns": [
                _turn(turn, kept, names, is_busy=is_busy and turn is conversation.last)
                for turn in conversation.turns
            ],
        },
        ensure_ascii=False,
        indent=2,
    )


def _turn(turn: Turn, kept: Kept, names: dict[Side, str], *, is_busy: bool) -> dict[str, Any]:
    reaction = kept.reactions.get(turn.number, Reaction())
    answers = () if is_busy else turn.answers.values()
    return {
        "number": turn.number,
        "prompt": turn.prompt,
        "parameters": {name: value for name, value in asdict(turn.parameters).items() if value is not None},
        "attachments": [
            {"kind": one.kind, "name": one.name, "pages": one.pages, "text": kept.texts.get(one.id)}
            for one in turn.attachments
        ],
        "answers": [
            {
                "side": answer.side,
                "model": names.get(answer.side),
                "state": answer.state,
                "text": answer.text,
                "reasoning": answer.reasoning,
            }
            for answer in answers
        ],
        "thumb": reaction.thumb,
        "is_flagged": reaction.is_flagged,
    }


def as_markdown(kept: Kept, config: Config, is_busy: bool) -> str:
    """A document with a heading for each turn and each answer. What models wrote is Markdown already."""
    conversation = kept.conversation
    names = blind.names(conversation, config)
    lines = [f"# {_heading(conversation)}", ""]
    if conversation.vote is not None:
        choice = _(CHOICE_WORDS[conversation.vote.choice])
        lines += [_("You voted: {choice}").format(choice=choice), ""]
    if kept.comment:
        lines += [_quoted(kept.comment), ""]
    for turn in conversation.turns:
        lines += _turn_lines(turn, names, is_busy=is_busy and turn is conversation.last)
    return "\n".join(lines)


def _heading(conversation: Conversation) -> str:
    started = moment(conversation.created_at)
    words = {
        "battle": _("Battle of {moment} UTC"),
        "side_by_side": _("Side by side, {moment} UTC"),
        "direct": _("Chat of {moment} UTC"),
    }
    return words[conversation.mode].format(moment=started)


def _turn_lines(turn: Turn, names: dict[Side, str], *, is_busy: bool) -> list[str]:
    heading = _("Prompt {n}").format(n=turn.number)
    lines = [f"## {heading}", "", _quoted(turn.prompt), ""]
    for one in turn.attachments:
        kind = _("Picture") if one.kind == "image" else _("Document")
        lines += [f"- {kind}: {_one_line(one.name)}"]
    if turn.attachments:
        lines += [""]
    if is_busy or not turn.answers:
        return [*lines, _("The answers were still being written."), ""]
    for answer in turn.answers.values():
        name = names.get(answer.side)
        title = _("Answer {side}").format(side=answer.side.upper())
        lines += [f"### {f'{title}: {_one_line(name)}' if name else title}", "", answer.text, ""]
    return lines


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _one_line(text: str) -> str:
    return " ".join(text.split())


FORMATS = {
    "json": Format("json", "application/json", "[\n", ",\n", "\n]\n", as_json),
    "markdown": Format("md", "text/markdown; charset=utf-8", "", "\n---\n\n", "", as_markdown),
}
"""By the name in the address."""
