"""GET .../events: both sides of the turn in flight over one SSE connection, as htmx swaps it in.

Each message carries `<hx-partial>`s and, as its id, the cursor of a watcher that has seen it. A connection that
comes back sends that id (`Last-Event-ID`) and gets what it lacks; a page starts where it was rendered (`?after=`).
Formats: the HTML standard's "Server-sent events", and the hx-sse extension of htmx 4.
"""

import re
from collections.abc import AsyncIterator

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from arena.blind import faces
from arena.conversation import Conversation, Side
from arena.live import Cursor, Frame, LiveTurn, SideCursor, SideFrame
from arena.views.battle import answer_view, encode_cursor, loading
from arena.views.context import Context, context
from arena.views.conversations import own, shown
from arena.views.paths import conversation_path, key_in

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
DONE = "event: done\ndata: done\n\n"
HEARTBEAT = ": still here\n\n"
RETRY = "retry: 500\n\n"

_SIDE = re.compile(r"([ab])\.(\d+)\.(\d+)\.(-?\d+)\.(\d+)\.(\d+)")


async def events(request: Request) -> Response:
    """The stream of one watcher, from where it is to the end of the turn."""
    arena = context(request)
    conversation, live = await own(request, key_in(request))
    seen = request.headers.get("last-event-id") or request.query_params.get("after", "")
    if live is None or is_of_another_turn(seen, conversation.last.number):
        stream = _anew(arena, conversation, live)
    else:
        stream = _watch(arena, live, decode_cursor(seen))
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


def is_of_another_turn(seen: str, number: int) -> bool:
    """Whether the page that says this was rendered in another turn, so that it lacks more than answers."""
    said = seen.partition("~")[0]
    return said.isdecimal() and said != str(number)


def decode_cursor(text: str) -> Cursor:
    """The cursor in an address or event id; an unreadable one is that of a newcomer."""
    cursor: Cursor = {}
    for part in text.split("~"):
        if found := _SIDE.fullmatch(part):
            cursor["a" if found[1] == "a" else "b"] = SideCursor(*(int(value[:9]) for value in found.groups()[1:]))
    return cursor


async def _anew(arena: Context, conversation: Conversation, live: LiveTurn | None) -> AsyncIterator[str]:
    """For a page the battle has left behind: all of it as it is now, with a stream of its own if one is due."""
    battle = await shown(arena, conversation, live)
    yield message(partial("#battle", "outerHTML", arena.pages.render("_battle.html", battle=battle)))
    if not battle.is_open:
        yield DONE


async def _watch(arena: Context, live: LiveTurn, cursor: Cursor) -> AsyncIterator[str]:
    yield RETRY
    number = live.number
    awaits_the_draw = not cursor
    async for frame in live.watch(cursor, arena.live.flush_seconds, arena.config.live.heartbeat_seconds):
        if awaits_the_draw and live.is_drawn:
            awaits_the_draw = False
            yield message(await _bar(arena, live.snapshot, live))
        if frame is not None:
            yield message(_frame(arena, live, frame), encode_cursor(number, frame.cursor))
        elif live.is_drawn:
            yield HEARTBEAT
        else:
            yield message(partial("#loading", "innerHTML", loading(arena.router)))
    if live.is_settled:
        yield message(await _bar(arena, live.snapshot, live), encode_cursor(number, live.cursor))
        yield DONE


def message(html: str, key: str | None = None) -> str:
    """One message of the stream; `html` may have lines, an id makes the stream resumable from here."""
    data = html.replace("\r", "").replace("\n", "\ndata: ")
    return f"id: {key}\ndata: {data}\n\n" if key else f"data: {data}\n\n"


def partial(target: str, swap: str, html: str) -> str:
    """HTML for another place than that of the stream itself."""
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{html}</hx-partial>'


def _frame(arena: Context, live: LiveTurn, frame: Frame) -> str:
    return "".join(_side(arena, live, side) for side in frame.sides)


def _side(arena: Context, live: LiveTurn, frame: SideFrame) -> str:
    """What one watcher lacks of one side: its card whole, or its new blocks, its open one, and its end."""
    place = f"t{live.number}{frame.side}"
    if frame.is_whole:
        return partial(f"#{place}", "outerHTML", _card(arena, live, frame.side, "_answer.html"))
    html = partial(f"#{place}-thoughts", "beforeend", escape(frame.thoughts)) if frame.thoughts else ""
    if frame.begins and (said := answer_view(frame.side, None, live)).thought_ms is not None:
        html += partial(f"#{place}-thought", "innerHTML", escape(said.thought_words))
    html += partial(f"#{place}-blocks", "beforeend", "".join(frame.blocks)) if frame.blocks else ""
    if frame.open_html is not None:
        open_html = _card(arena, live, frame.side, "_thinking.html") if frame.is_silent else frame.open_html
        html += partial(f"#{place}-open", "innerHTML", open_html)
    elif frame.rest:
        html += partial(f"#{place}-open .rest", "beforeend", frame.rest)
    if frame.is_ended:
        html += partial(f"#{place}-foot", "outerHTML", _card(arena, live, frame.side, "_foot.html"))
    return html


def _card(arena: Context, live: LiveTurn, side: Side, template: str) -> Markup:
    """A side's card or a part of it: a partial of the page. In a battle it has no face: the vote comes later."""
    mode, names = live.conversation.mode, faces(live.conversation, arena.config)
    answer = answer_view(side, None, live, is_alone=mode == "direct")
    values = {"number": live.number, "answer": answer, "path": conversation_path(live.conversation.id)}
    return arena.pages.render(template, **values, face=names[side] if names else None, mode=mode)


async def _bar(arena: Context, conversation: Conversation, live: LiveTurn | None) -> str:
    """What can be done now, and under the answer of a chat, what its visitor thinks of it."""
    battle = await shown(arena, conversation, live)
    html = partial("#bar", "outerHTML", arena.pages.render(battle.bar, battle=battle))
    if not battle.is_lone:
        return html
    turn = battle.turns[-1]
    thumbs = arena.pages.render("_reactions.html", turn=turn, battle=battle)
    return html + partial(f"#t{turn.number}-thumbs", "outerHTML", thumbs)
