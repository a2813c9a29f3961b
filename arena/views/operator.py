"""The operator's pages about what was said and voted: battles in full text, voters and exports."""

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import IO, cast
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from arena.board import OddVoter
from arena.conversation import Answer, Turn
from arena.errors import Unprocessable, words_for
from arena.export import FORMATS, Writer
from arena.markdown import render
from arena.store.browse import PAGE, Wanted
from arena.store.votes import VoteRecord
from arena.views.context import Context, context
from arena.views.forms import read_form
from arena.views.paths import key_in
from arena.words import N_, _, number

log = logging.getLogger(__name__)

REASON = 500  # characters
LONGEST_SEARCH = 200
TOGETHER = 200  # votes that are written at once, in a thread

ENDINGS = {"fastchat": "json", "arena-human-preference-140k": "parquet"}
MEDIA = {"jsonl": "application/x-ndjson", "csv": "text/csv", "json": "application/json"}

STATES = {
    "streaming": N_("streaming"),
    "done": N_("done"),
    "stopped": N_("stopped"),
    "failed": N_("failed"),
    "interrupted": N_("interrupted"),
}
HABITS = {
    "uniform": N_("clicks anything, whatever the answers are"),
    "coin": N_("tosses a coin between A and B"),
    "a": N_("almost always votes for side A"),
    "b": N_("almost always votes for side B"),
    "tie": N_("almost always votes for a tie"),
    "both_bad": N_("almost always says that both are bad"),
    "against": N_("votes for the side that is expected to lose"),
    "pushes": N_("almost always votes for {model}"),
}


async def overview(request: Request) -> Response:
    """GET /admin: where the operator begins."""
    arena = context(request)
    arena.access.check(request)
    battles, votes, voters = await arena.store.browse.totals()
    statuses = arena.router.statuses().values()
    return arena.pages.page(
        "admin.html",
        battles=battles,
        votes=votes,
        voters=voters,
        in_flight=arena.live.in_flight,
        up=sum(status.state == "ready" for status in statuses),
        models=len(arena.config.models),
        set_aside=len(await arena.store.browse.set_aside()),
        formats=list(FORMATS),
        today=datetime.now(UTC).date(),
    )


async def battles(request: Request) -> Response:
    """GET /admin/battles: the latest, or those with the words `q`, of `voter`, `flagged`, older than `before`."""
    arena = context(request)
    arena.access.check(request)
    query = request.query_params
    is_flagged = query.get("flagged", "") == "on"
    wanted = Wanted(query.get("q", "").strip(), query.get("voter", ""), query.get("before", ""), is_flagged)
    if len(wanted.words) > LONGEST_SEARCH:
        raise Unprocessable(_("A search has at most {n} characters.").format(n=LONGEST_SEARCH))
    found = await arena.store.browse.battles(wanted, PAGE + 1)
    older = _address("/admin/battles", wanted, found[PAGE - 1].id) if len(found) > PAGE else ""
    return arena.pages.page("admin_battles.html", battles=found[:PAGE], wanted=wanted, older=older)


def _address(path: str, wanted: Wanted, before: str) -> str:
    flagged = "on" if wanted.is_flagged else ""
    values = {"q": wanted.words, "voter": wanted.voter_id, "flagged": flagged, "before": before}
    return f"{path}?{urlencode({name: value for name, value in values.items() if value})}"


async def battle(request: Request) -> Response:
    """GET /admin/battles/ID: all that was said in it, by whom, and what its vote is to the board."""
    arena = context(request)
    arena.access.check(request)
    key = key_in(request)
    conversation = await arena.store.conversation(key, await arena.store.browse.owner(key))
    return arena.pages.page(
        "admin_battle.html",
        battle=conversation,
        turns=[TurnPage.of(turn) for turn in conversation.turns],
        ballot=await arena.store.browse.ballot(key),
        remark=await arena.store.remarks.of(key),
        reactions=await arena.store.reactions.of(key),
    )


@dataclass(frozen=True, slots=True)
class TurnPage:
    """A turn in full text."""

    turn: Turn
    answers: list["AnswerPage"]

    @classmethod
    def of(cls, turn: Turn) -> "TurnPage":
        return cls(turn, [AnswerPage(answer) for answer in turn.answers.values()])


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """An answer in full text, and how it came about."""

    answer: Answer

    @property
    def html(self) -> Markup:
        return Markup(render(self.answer.text))

    @property
    def facts(self) -> list[str]:
        """How it ended, how long it took, and what it cost."""
        answer = self.answer
        return [
            words
            for words, is_known in (
                (_(STATES.get(answer.state, answer.state)), True),
                (_("version {n}").format(n=answer.version), answer.version > 1),
                (words_for(answer.error or ""), answer.error is not None),
                (_("from {backend}").format(backend=answer.backend), bool(answer.backend)),
                (_("answered by {model}").format(model=answer.answered_by), bool(answer.answered_by)),
                (
                    _("first token after {n} ms").format(n=number(answer.first_token_ms or 0)),
                    answer.first_token_ms is not None,
                ),
                (_("{n} ms in all").format(n=number(answer.duration_ms or 0)), answer.duration_ms is not None),
                (
                    _("tokens read: {n}").format(n=number(answer.prompt_tokens or 0)),
                    answer.prompt_tokens is not None,
                ),
                (
                    _("tokens written: {n}").format(n=number(answer.completion_tokens or 0)),
                    answer.completion_tokens is not None,
                ),
                (_("ended by {reason}").format(reason=answer.finish_reason), bool(answer.finish_reason)),
                (_("says who wrote it"), bool(answer.is_leak)),
            )
            if is_known
        ]


async def voters(request: Request) -> Response:
    """GET /admin/voters: the odd ones, those who are set aside, and all, by the number of their votes."""
    arena = context(request)
    arena.access.check(request)
    words = request.query_params.get("q", "").strip()
    number = _page_number(request.query_params.get("page", ""))
    found = await arena.store.browse.voters(words, (number - 1) * PAGE, PAGE + 1)
    more = f"/admin/voters?{urlencode({'q': words, 'page': number + 1})}" if len(found) > PAGE else ""
    is_first = number == 1 and not words
    return arena.pages.page(
        "admin_voters.html",
        odd=[Suspect.of(voter) for voter in await arena.boards.odd_voters()] if is_first else [],
        away=await arena.store.browse.set_aside() if is_first else (),
        voters=found[:PAGE],
        words=words,
        number=number,
        more=more,
        reason_characters=REASON,
    )


@dataclass(frozen=True, slots=True)
class Suspect:
    """An odd voter in words."""

    voter: OddVoter
    looks_like: str

    @classmethod
    def of(cls, voter: OddVoter) -> "Suspect":
        words = _(HABITS.get(voter.habit, voter.habit))
        return cls(voter, words.format(model=voter.target))

    @property
    def odds(self) -> str:
        """The evidence, to two figures."""
        evidence = self.voter.evidence
        return number(evidence) if evidence < 1e6 else f"{evidence:.1e}"


async def set_aside(request: Request) -> Response:
    """POST /admin/voters/set-aside: the votes of `voter` count no more, `because`; none is deleted."""
    arena, form = await _operators_form(request)
    because = " ".join(form.get("because", "").split())
    if not because:
        raise Unprocessable(_("Say why this voter is set aside: whoever looks at it later will want to know."))
    if len(because) > REASON:
        words = _("The reason has {n} characters; the limit is {limit}.")
        raise Unprocessable(words.format(n=number(len(because)), limit=number(REASON)))
    await arena.store.box.set_aside(form.get("voter", ""), because)
    arena.boards.forget()
    log.warning("voter %r was set aside: %s", form.get("voter", ""), because)
    return RedirectResponse("/admin/voters", HTTPStatus.SEE_OTHER)


async def restore(request: Request) -> Response:
    """POST /admin/voters/restore: the votes of `voter` count again."""
    arena, form = await _operators_form(request)
    await arena.store.box.restore(form.get("voter", ""))
    arena.boards.forget()
    log.warning("voter %r was restored", form.get("voter", ""))
    return RedirectResponse("/admin/voters", HTTPStatus.SEE_OTHER)


async def export_votes(request: Request) -> Response:
    """GET /admin/export: every vote since the day `since` as a file of a `format`, as `arena export` writes it."""
    arena = context(request)
    arena.access.check(request)
    kind = request.query_params.get("format", "jsonl")
    if kind not in FORMATS:
        words = _("There is no format “{name}”. Known are: {known}.")
        raise Unprocessable(words.format(name=kind[:LONGEST_SEARCH], known=", ".join(FORMATS)))
    since = _since(request.query_params.get("since", ""))
    ending = ENDINGS.get(kind, kind)
    name = "-".join(["arena-votes", *([kind] if kind in ENDINGS else []), f"{datetime.now(UTC):%Y-%m-%d}"])
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"', "Cache-Control": "no-store"}
    media = MEDIA.get(ending, "application/octet-stream")
    return StreamingResponse(_written(arena.store.votes(since), kind), media_type=media, headers=headers)


async def _written(votes: AsyncGenerator[VoteRecord, None], kind: str) -> AsyncIterator[bytes]:
    """The file piece by piece. A broken connection ends the reading of votes as well."""
    out = Drain()
    async with aclosing(votes):
        writer = await asyncio.to_thread(FORMATS[kind], cast(IO[bytes], out))
        batch: list[VoteRecord] = []
        async for vote in votes:
            batch.append(vote)
            if len(batch) == TOGETHER:
                await asyncio.to_thread(_write, writer, batch)
                batch = []
                yield out.take()
        await asyncio.to_thread(_write, writer, batch)
        await asyncio.to_thread(writer.close)
        yield out.take()


def _write(writer: Writer, batch: list[VoteRecord]) -> None:
    for vote in batch:
        writer.write(vote)


class Drain(io.RawIOBase):
    """A file that is handed on while it is being written."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(cast(bytes, data)))
        self._held += piece
        return len(piece)

    def tell(self) -> int:
        return self._taken + len(self._held)

    def take(self) -> bytes:
        """What was written since the last time."""
        piece = bytes(self._held)
        self._held.clear()
        self._taken += len(piece)
        return piece


async def _operators_form(request: Request) -> tuple[Context, dict[str, str]]:
    """The form of a logged-in operator."""
    arena = context(request)
    arena.access.check(request)
    return arena, await read_form(request, arena.config.limits.body_bytes)


def _page_number(text: str) -> int:
    """Raises `Unprocessable`."""
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and 0 < int(text[:7]) <= 1_000_000):
        raise Unprocessable(_("“page” is a number from 1."))
    return int(text[:7])


def _since(text: str) -> datetime | None:
    """The beginning of that day in UTC. Raises `Unprocessable`."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as exc:
        raise Unprocessable(_("“since” is a day like 2026-01-31.")) from exc
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
