"""A visitor's conversations: start one, look at it, go on with it, vote.

Every view follows one line: who asks, what the form says, ask the core, redirect. The core refuses what is not
theirs.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from arena.blind import faces
from arena.conversation import Conversation, Side, parse_choice, parse_side
from arena.errors import NotFound
from arena.live import LiveTurn
from arena.views.battle import version_view, view
from arena.views.context import Context, context
from arena.views.forms import check_prompt, read_form


async def create(request: Request) -> Response:
    """POST /conversations: a new battle about `prompt`."""
    arena = context(request)
    prompt = await _prompt(request, arena)
    voter = arena.visitors.welcome(request)
    conversation = await arena.live.open(voter, prompt)
    response = _see(conversation.id)
    arena.visitors.remember(request, response, voter)
    return response


async def show(request: Request) -> Response:
    """GET /conversations/ID: the battle as it stands, whether it is running or long over."""
    arena = context(request)
    conversation, live = await own(request)
    return arena.pages.page("conversation.html", battle=view(conversation, live, arena.config, arena.router))


async def version(request: Request) -> Response:
    """GET .../answers/TURN/SIDE/VERSION: an answer as it was before it was written again. The last one counts."""
    arena = context(request)
    conversation, _ = await own(request)
    number, side = request.path_params["turn"], parse_side(request.path_params["side"])
    turn = next((turn for turn in conversation.turns if turn.number == number), None)
    if turn is None or side not in turn.answers:
        raise NotFound("There is no such answer in this battle.")
    answer = await arena.store.version(conversation.id, number, side, request.path_params["version"])
    latest, names = turn.answers[side].version, faces(conversation, arena.config)
    return arena.pages.page(
        "version.html",
        answer=version_view(answer, latest),
        number=number,
        path=f"/conversations/{conversation.id}",
        face=names[side] if names else None,
    )


async def follow_up(request: Request) -> Response:
    """POST .../turns: the next `prompt`."""
    arena, key = context(request), _key(request)
    prompt = await _prompt(request, arena)
    await arena.live.follow_up(key, arena.visitors.known(request), prompt)
    return _see(key)


async def edit_prompt(request: Request) -> Response:
    """POST .../prompt: the last `prompt` in other words, answered anew."""
    arena, key = context(request), _key(request)
    prompt = await _prompt(request, arena)
    await arena.live.edit_prompt(key, arena.visitors.known(request), prompt)
    return _see(key)


async def stop(request: Request) -> Response:
    """POST .../stop: end the answers being written, or that of one `side`, and keep what they have."""
    conversation, _ = await own(request)
    await context(request).live.stop(conversation.id, await _side(request))
    return _see(conversation.id)


async def regenerate(request: Request) -> Response:
    """POST .../regenerate: answer the last prompt again, on one `side` or on both."""
    arena, key = context(request), _key(request)
    await arena.live.regenerate(key, arena.visitors.known(request), await _side(request))
    return _see(key)


async def vote(request: Request) -> Response:
    """POST .../vote: the visitor's `choice`. On disk before the reply; then the names are shown.

    A page says with `seen` which answers it showed; a vote about answers that have been replaced since is refused.
    """
    arena, key = context(request), _key(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    choice = parse_choice(form.get("choice", ""))
    await arena.store.cast_vote(key, arena.visitors.known(request), choice, form.get("seen"))
    return _see(key)


async def own(request: Request) -> tuple[Conversation, LiveTurn | None]:
    """The visitor's own conversation, and its turn in flight. Raises `NotFound`, for other people's too.

    A conversation that a stop of the server cut off is taken up again here: its visitor has come back.
    """
    arena, key = context(request), _key(request)
    voter = arena.visitors.known(request)
    if live := arena.live.turn(key):
        if live.conversation.voter_id != voter:
            raise NotFound("There is no such battle here, or it belongs to another visitor.")
        live.look()
        return live.snapshot, live
    conversation = await arena.store.conversation(key, voter)
    if live := await arena.live.revive(conversation):
        return live.snapshot, live
    if conversation.last.is_streaming:  # it ended while it was being read
        conversation = await arena.store.conversation(key, voter)
    return conversation, None


async def _prompt(request: Request, arena: Context) -> str:
    """The prompt that was typed. Raises `BadRequest`, `TooLarge`, `Unprocessable`."""
    limits = arena.config.limits
    form = await read_form(request, limits.body_bytes)
    prompt = form.get("prompt", "")
    request.state.draft = prompt.replace("\0", "")  # what goes wrong from here on gives it back
    return check_prompt(prompt, limits.prompt_characters)


async def _side(request: Request) -> Side | None:
    """The side that was meant, or `None` for both. Raises `Unprocessable`."""
    form = await read_form(request, context(request).config.limits.body_bytes)
    return parse_side(form["side"]) if form.get("side") else None


def _key(request: Request) -> str:
    return str(request.path_params["id"])


def _see(key: str) -> Response:
    return RedirectResponse(f"/conversations/{key}", HTTPStatus.SEE_OTHER)
