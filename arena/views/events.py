"""GET .../events: both sides of the turn in flight over one SSE connection, as htmx swaps it in.

Each message carries `<hx-partial>`s and, as its id, the cursor of a watcher that has seen it. A connection that
comes back sends that id (`Last-Event-ID`) and gets what it lacks; a page starts where it was rendered (`?after=`).
Formats: the HTML standard's "Server-sent events", and the hx-sse extension of htmx 4.
"""

import re
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from arena.conversation import SIDES, Conversation
from arena.live import Cursor, Frame, LiveTurn, SideCursor, SideFrame
from arena.views.battle import AnswerView, answer_view, encode_cursor, loading, view
from arena.views.context import Context, context
from arena.views.conversations import own

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
DONE = "event: done\ndata: done\n\n"
HEARTBEAT = ": still here\n\n"
RETRY = "retry: 500\n\n"

_SIDE = re.compile(r"([ab])\.(\d+)\.(\d+)\.(-?\d+)\.(\d+)")


async def events(request: Request) -> Response:
    """The stream of one watcher, from where it is to the end of the turn."""
    arena = context(request)
    conversation, live = await own(request)
    seen = request.headers.get("last-event-id") or request.query_params.get("after", "")
    cursor = decode_cursor(seen, conversation.last.number)
    stream = _watch(arena, live, cursor) if live else _settled(arena, conversation)
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


def decode_cursor(text: str, turn: int) -> Cursor:
    """The cursor in an address or event id; an unreadable one, or one of another turn, is that of a newcomer."""
    number, *sides = text.split("~")
    cursor: Cursor = {}
    if number != str(turn):
        return cursor
    for part in sides:
        if found := _SIDE.fullmatch(part):
            version, blocks, opened, rest = (int(value[:9]) for value in found.groups()[1:])
            cursor["a" if found[1] == "a" else "b"] = SideCursor(version, blocks, opened, rest)
    return cursor


async def _watch(arena: Context, live: LiveTurn, cursor: Cursor) -> AsyncIterator[str]:
    yield RETRY
    number = live.conversation.last.number
    flush_seconds = arena.config.live.flush_ms / 1000
    async for frame in live.watch(cursor, flush_seconds, arena.live.heartbeat_seconds):
        if frame is not None:
            yield message(_frame(arena, live, number, frame), encode_cursor(number, frame.cursor))
        elif live.is_drawn:
            yield HEARTBEAT
        else:
            yield message(partial("#loading", "innerHTML", loading(arena.router)))
    if live.is_settled:
        yield message(_bar(arena, live.snapshot, live), encode_cursor(number, live.cursor))
        yield DONE


async def _settled(arena: Context, conversation: Conversation) -> AsyncIterator[str]:
    """For a watcher who comes back after the end: everything as it is kept."""
    if conversation.pair is None or not conversation.last.is_streaming:
        number = conversation.last.number
        cards = (
            _card(arena, number, answer_view(side, conversation.last.answers.get(side), None)) for side in SIDES
        )
        yield message("".join(cards) + _bar(arena, conversation, None))
        yield DONE


def message(html: str, key: str | None = None) -> str:
    """One message of the stream; `html` may have lines, an id makes the stream resumable from here."""
    data = html.replace("\r", "").replace("\n", "\ndata: ")
    return f"id: {key}\ndata: {data}\n\n" if key else f"data: {data}\n\n"


def partial(target: str, swap: str, html: str) -> str:
    """HTML for another place than that of the stream itself."""
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


def _frame(arena: Context, live: LiveTurn, number: int, frame: Frame) -> str:
    return "".join(_side(arena, live, number, side) for side in frame.sides)


def _side(arena: Context, live: LiveTurn, number: int, frame: SideFrame) -> str:
    """What one watcher lacks of one side: the card whole, or its new blocks and its open one."""
    if frame.is_whole:
        return _card(arena, number, answer_view(frame.side, None, live))
    place = f"#t{number}{frame.side}"
    html = partial(f"{place}-blocks", "beforeend", "".join(frame.blocks)) if frame.blocks else ""
    if frame.open_html is not None:
        html += partial(f"{place}-open", "innerHTML", frame.open_html)
    elif frame.rest:
        html += partial(f"{place}-open .rest", "beforeend", frame.rest)
    if frame.is_ended:
        answer = answer_view(frame.side, None, live)
        html += partial(
            f"{place}-foot", "outerHTML", arena.pages.render("_foot.html", number=number, answer=answer)
        )
    return html


def _card(arena: Context, number: int, answer: AnswerView) -> str:
    """A side as a whole: the partial the page itself is made of, without a face: streams end before the vote."""
    card = arena.pages.render("_answer.html", number=number, answer=answer, face=None)
    return partial(f"#t{number}{answer.side}", "outerHTML", card)


def _bar(arena: Context, conversation: Conversation, live: LiveTurn | None) -> str:
    battle = view(conversation, live, arena.config, arena.router)
    return partial("#bar", "outerHTML", arena.pages.render("_bar.html", battle=battle))
