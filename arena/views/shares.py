"""Links to a conversation for others to read: given out and taken back by its visitor, opened by who has one.

A shared page knows its readers as little as its writers: names are on it, and on its card, when they are out.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from arena import blind
from arena.conversation import Answer, Attachment, Conversation, Side
from arena.markdown import render
from arena.pictures import card
from arena.views.battle import end_words
from arena.views.context import Context, context
from arena.views.history import kind, names
from arena.views.paths import conversation_path, key_in, see
from arena.words import _

TITLE = 90  # characters of a prompt
DESCRIBED = 200

HEADERS = {
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def show(request: Request) -> Response:
    """GET /conversations/ID/share: whether it is shared, and the link."""
    arena, key = context(request), key_in(request)
    conversation = await arena.store.conversation(key, arena.visitors.known(request))
    token = await arena.store.shares.token(key)
    return arena.pages.page(
        "share.html",
        path=conversation_path(key),
        link=_absolute(request, f"/shared/{token}") if token else "",
        is_blind=not conversation.names_are_out,
    )


async def share(request: Request) -> Response:
    """POST /conversations/ID/share: makes the link, unless there is one."""
    key = key_in(request)
    await context(request).store.shares.share(key, context(request).visitors.known(request))
    return see(f"{conversation_path(key)}/share")


async def revoke(request: Request) -> Response:
    """POST /conversations/ID/share/revoke: the link leads nowhere from now on."""
    key = key_in(request)
    await context(request).store.shares.revoke(key, context(request).visitors.known(request))
    return see(f"{conversation_path(key)}/share")


async def shared(request: Request) -> Response:
    """GET /shared/TOKEN: the conversation, to be read."""
    arena, token = context(request), str(request.path_params["token"])
    conversation = await arena.store.shares.conversation(token)
    address = _absolute(request, f"/shared/{token}")
    response = arena.pages.page(
        "shared.html",
        kind=kind(conversation),
        conversation=conversation,
        names=names(conversation, arena.config),
        turns=_turns(arena, conversation),
        path=f"/shared/{token}",
        address=address,
        heading=card.plain(conversation.turns[0].prompt, TITLE),
        description=_description(arena, conversation),
    )
    response.headers.update(HEADERS)
    return response


async def picture(request: Request) -> Response:
    """GET /shared/TOKEN/card.png: what a chat shows beside the link."""
    arena = context(request)
    conversation = await arena.store.shares.conversation(str(request.path_params["token"]))
    drawn = card.Card(
        arena.config.server.title,
        kind(conversation),
        card.plain(conversation.turns[0].prompt),
        names(conversation, arena.config),
        len(conversation.sides),
    )
    data = await asyncio.get_running_loop().run_in_executor(_easel(), card.png, drawn)
    return Response(data, media_type="image/png", headers=HEADERS)


async def image(request: Request) -> Response:
    """GET /shared/TOKEN/images/HASH: a picture that was handed in with a prompt of it."""
    arena = context(request)
    conversation = await arena.store.shares.conversation(str(request.path_params["token"]))
    found = await arena.store.attachments.picture_of(conversation.id, str(request.path_params["hash"]))
    return Response(found.data, media_type=found.media_type, headers=HEADERS)


@cache
def _easel() -> ThreadPoolExecutor:
    """Cards are drawn one after the other, however many are asked for."""
    return ThreadPoolExecutor(1, "card")


# What a reader sees


@dataclass(frozen=True, slots=True)
class SharedAnswer:
    """What one side said. `name`: who that was, where it is known; `note`: how it ended, if not by itself."""

    side: Side
    name: str
    html: Markup
    thoughts: str
    note: str


@dataclass(frozen=True, slots=True)
class SharedTurn:
    """A prompt with what was handed in, and its answers; none while they are being written."""

    number: int
    prompt: str
    attachments: tuple[Attachment, ...]
    answers: tuple[SharedAnswer, ...]


def _turns(arena: Context, conversation: Conversation) -> list[SharedTurn]:
    """All of them. Answers that are being written are left out, both sides: how far each is could tell."""
    known = blind.names(conversation, arena.config)
    is_busy = arena.live.turn(conversation.id) is not None or conversation.last.is_streaming
    is_alone = len(conversation.sides) == 1
    found = []
    for turn in conversation.turns:
        answers = () if is_busy and turn is conversation.last else turn.answers.values()
        said = tuple(_answer(one, known.get(one.side, ""), is_alone=is_alone) for one in answers)
        found.append(SharedTurn(turn.number, turn.prompt, turn.attachments, said))
    return found


def _answer(answer: Answer, name: str, *, is_alone: bool) -> SharedAnswer:
    html = Markup(render(answer.text))
    return SharedAnswer(answer.side, name, html, answer.reasoning, _note(answer, is_alone=is_alone))


def _note(answer: Answer, *, is_alone: bool) -> str:
    """As its visitor reads it; but readers have stopped nothing."""
    return _("This answer was stopped.") if answer.state == "stopped" else end_words(answer, is_alone=is_alone)


def _description(arena: Context, conversation: Conversation) -> str:
    """One sentence for the card in a chat."""
    who = names(conversation, arena.config)
    words = {
        (False, 2): _("Two hidden models answer side by side. Who they are is not known yet."),
        (True, 2): _("{a} and {b} answer side by side."),
        (True, 1): _("A conversation with {a}."),
    }[bool(who), len(conversation.sides)]
    found = words.format(a=who[0] if who else "", b=who[-1] if who else "")
    return card.plain(found, DESCRIBED)


def _absolute(request: Request, path: str) -> str:
    """The address as others reach it: as config.toml has it, or as this visitor does."""
    return (context(request).config.server.public_url or str(request.base_url)).rstrip("/") + path
