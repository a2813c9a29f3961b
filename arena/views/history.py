"""A visitor's own conversations: the list with its search, the way out as files, and the way into nothing.

What a list or a file says of who answered comes from `arena.blind` alone.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from arena import blind
from arena.config import Config
from arena.conversation import Conversation, Mode
from arena.errors import NotFound, Unprocessable
from arena.export.history import FORMATS, Format
from arena.pictures.card import plain
from arena.store.history import PAGE, HistoryLine
from arena.views.context import Context, context
from arena.views.paths import conversation_path, key_in, see
from arena.words import N_, _

LONGEST_SEARCH = 200
SHOWN = 160  # characters of a prompt

KINDS: dict[Mode, str] = {
    "battle": N_("Blind battle"),
    "side_by_side": N_("Side by side"),
    "direct": N_("Direct chat"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A conversation in the list. `names`: who answered, where that is known; `is_shared`: others may read it."""

    conversation: Conversation
    prompt: str
    turns: int
    names: tuple[str, ...]
    is_shared: bool

    @classmethod
    def of(cls, line: HistoryLine, config: Config) -> "Line":
        prompt = plain(line.prompt, SHOWN)
        return cls(line.conversation, prompt, line.turns, names(line.conversation, config), line.is_shared)

    @property
    def kind(self) -> str:
        return kind(self.conversation)


def kind(conversation: Conversation) -> str:
    """What kind of conversation it is, in words."""
    return _(KINDS[conversation.mode])


def names(conversation: Conversation, config: Config) -> tuple[str, ...]:
    """Who answered, side by side; nobody before the names are out."""
    return tuple(blind.names(conversation, config).values())


async def history(request: Request) -> Response:
    """GET /history: the visitor's latest conversations, or those with the words `q`, older than `before`."""
    arena, query = context(request), request.query_params
    words, before = query.get("q", "").strip(), query.get("before", "")
    if len(words) > LONGEST_SEARCH:
        raise Unprocessable(_("A search has at most {n} characters.").format(n=LONGEST_SEARCH))
    voter = arena.visitors.known(request)
    found = await arena.store.history.lines(voter, words, before, PAGE + 1) if voter else []
    is_more = len(found) > PAGE
    older = {"q": words, "before": found[PAGE - 1].conversation.id} if is_more else {}
    return arena.pages.page(
        "history.html",
        lines=[Line.of(line, arena.config) for line in found[:PAGE]],
        count=await arena.store.history.count(voter) if voter else 0,
        words=words,
        before=before,
        older="/history?" + urlencode({name: value for name, value in older.items() if value}) if is_more else "",
        is_deleted=query.get("deleted", ""),
        formats=FORMATS,
    )


async def export_all(request: Request) -> Response:
    """GET /history/export: all of the visitor's conversations as a file of a `format`."""
    arena, wanted = context(request), _wanted(request)
    voter = arena.visitors.known(request)
    return StreamingResponse(_written(arena, wanted, voter), headers=_headers(wanted, "history"))


async def export_one(request: Request) -> Response:
    """GET /conversations/ID/export: one conversation as a file of a `format`."""
    arena, wanted, key = context(request), _wanted(request), key_in(request)
    kept = await arena.store.history.kept(key, arena.visitors.known(request))
    is_busy = arena.live.turn(key) is not None
    text = wanted.one(kept, arena.config, is_busy=is_busy)
    return Response(text.encode(), headers=_headers(wanted, "conversation"))


async def _written(arena: Context, wanted: Format, voter: str | None) -> AsyncIterator[bytes]:
    """The file, a conversation at a time."""
    before = wanted.head
    if voter is not None:
        async for kept in arena.store.history.all(voter):
            is_busy = arena.live.turn(kept.conversation.id) is not None
            yield (before + wanted.one(kept, arena.config, is_busy=is_busy)).encode()
            before = wanted.between
    yield (wanted.head + wanted.foot if before == wanted.head else wanted.foot).encode()


def _wanted(request: Request) -> Format:
    """Raises `Unprocessable`."""
    name = request.query_params.get("format", "json")
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise Unprocessable(_("There is no such format here. Known are: {names}.").format(names=known))
    return FORMATS[name]


def _headers(wanted: Format, name: str) -> dict[str, str]:
    file = f"arena-{name}-{datetime.now(UTC):%Y-%m-%d}.{wanted.ending}"
    return {
        "Content-Type": wanted.media_type,
        "Content-Disposition": f'attachment; filename="{file}"',
        "Cache-Control": "no-store",
    }


# Deleting


async def confirm(request: Request) -> Response:
    """GET /conversations/ID/delete: asks whether this one is to go."""
    arena, key = context(request), key_in(request)
    conversation = await arena.store.conversation(key, arena.visitors.known(request))
    return arena.pages.page(
        "delete.html",
        action=f"{conversation_path(key)}/delete",
        back=conversation_path(key),
        prompt=plain(conversation.turns[0].prompt, SHOWN),
        count=1,
        has_vote=conversation.mode == "battle" and conversation.vote is not None,
    )


async def delete(request: Request) -> Response:
    """POST /conversations/ID/delete: stops it, and removes all that was said in it."""
    arena, key = context(request), key_in(request)
    voter = arena.visitors.known(request) or ""
    await arena.store.conversation(key, voter)
    await arena.live.discard(key)
    await _forget(arena, voter, key)
    return see("/history?deleted=one")


async def confirm_all(request: Request) -> Response:
    """GET /history/delete: asks whether all are to go."""
    arena = context(request)
    voter = arena.visitors.known(request)
    count = await arena.store.history.count(voter) if voter else 0
    if not count:
        raise NotFound(_("You have no conversations here, so there is nothing to delete."))
    return arena.pages.page(
        "delete.html", action="/history/delete", back="/history", prompt="", count=count, has_vote=True
    )


async def delete_all(request: Request) -> Response:
    """POST /history/delete: stops and removes all of the visitor's conversations."""
    arena = context(request)
    if voter := arena.visitors.known(request):
        for key in await arena.store.history.keys(voter):
            await arena.live.discard(key)
        await _forget(arena, voter, None)
    return see("/history?deleted=all")


async def _forget(arena: Context, voter: str, key: str | None) -> None:
    """Delete, and end what another tab may have begun in the meantime."""
    for gone in await arena.store.history.delete(voter, key):
        await arena.live.discard(gone)
