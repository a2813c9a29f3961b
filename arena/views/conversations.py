"""A visitor's conversations: start one, look at it, go on with it. They vote in `arena.views.votes`.

Every view follows one line: who asks, what the form says, ask the core, redirect. The core refuses what is not
theirs.
"""

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from arena.blind import faces
from arena.conversation import Asked, Conversation, Mode, Side, parse_side
from arena.errors import NotFound, Unprocessable
from arena.live import LiveTurn
from arena.views.battle import BattleView, version_view, view
from arena.views.context import Context, context
from arena.views.forms import Form, check_prompt, given_back, read_form
from arena.views.named import FIELDS, mode_of, names_in
from arena.views.parameters import said_in, settings_again
from arena.views.paths import conversation_path, key_in, see
from arena.views.remarks import remarks
from arena.views.uploads import handed_in
from arena.words import _


async def create(request: Request) -> Response:
    """POST /conversations: a new battle about `prompt`; with a `mode`, a conversation with models by name."""
    arena = context(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    mode = mode_of(form)
    if mode != "battle":
        given_back(request).fields = _hidden(form, mode)
    asked = await _asked(request, arena, form)
    voter = arena.visitors.welcome(request)
    if mode == "battle":
        if asked.said is not None:
            given_back(request).settings = None
            raise Unprocessable(_("A battle takes no parameters: both models answer with their own."))
        conversation = await arena.live.open(voter, asked)
    else:
        conversation = await arena.live.open_named(voter, mode, names_in(mode, form), asked)
    response = see(conversation_path(conversation.id))
    arena.visitors.remember(request, response, voter)
    return response


async def show(request: Request) -> Response:
    """GET /conversations/ID: the battle as it stands, whether it is running or long over."""
    arena = context(request)
    conversation, live = await own(request, key_in(request))
    return arena.pages.page("conversation.html", battle=await shown(arena, conversation, live))


async def version(request: Request) -> Response:
    """GET .../answers/TURN/SIDE/VERSION: an answer as it was before it was written again. The last one counts."""
    arena = context(request)
    conversation, _live = await own(request, key_in(request))
    number, side = request.path_params["turn"], parse_side(request.path_params["side"])
    turn = next((turn for turn in conversation.turns if turn.number == number), None)
    if turn is None or side not in turn.answers:
        raise NotFound(_("There is no such answer in this battle."))
    answer = await arena.store.version(conversation.id, number, side, request.path_params["version"])
    latest, names = turn.answers[side].version, faces(conversation, arena.config)
    return arena.pages.page(
        "version.html",
        answer=version_view(answer, latest, is_alone=conversation.mode == "direct"),
        number=number,
        path=conversation_path(conversation.id),
        face=names[side] if names else None,
        mode=conversation.mode,
    )


async def follow_up(request: Request) -> Response:
    """POST .../turns: the next `prompt`, with parameters in what is no battle."""
    arena, key = context(request), key_in(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    await arena.live.follow_up(key, arena.visitors.known(request), await _asked(request, arena, form))
    return see(conversation_path(key))


async def edit_prompt(request: Request) -> Response:
    """POST .../prompt: the last `prompt` in other words, answered anew."""
    arena, key = context(request), key_in(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    await arena.live.edit_prompt(key, arena.visitors.known(request), await _asked(request, arena, form))
    return see(conversation_path(key))


async def stop(request: Request) -> Response:
    """POST .../stop: end the answers being written, or that of one `side`, and keep what they have."""
    conversation, _live = await own(request, key_in(request))
    await context(request).live.stop(conversation.id, await _side(request))
    return see(conversation_path(conversation.id))


async def regenerate(request: Request) -> Response:
    """POST .../regenerate: answer the last prompt again, on one `side` or on both."""
    arena, key = context(request), key_in(request)
    await arena.live.regenerate(key, arena.visitors.known(request), await _side(request))
    return see(conversation_path(key))


async def own(request: Request, key: str) -> tuple[Conversation, LiveTurn | None]:
    """A conversation of the visitor's own, and its turn in flight. Raises `NotFound`, for other people's too.

    A conversation that a stop of the server cut off is taken up again here: its visitor has come back.
    """
    arena, voter = context(request), context(request).visitors.known(request)
    if live := arena.live.turn(key):
        if live.conversation.voter_id != voter:
            raise NotFound(_("There is no such battle here, or it belongs to another visitor."))
        live.look()
        return live.snapshot, live
    conversation = await arena.store.conversation(key, voter)
    if live := await arena.live.revive(conversation):
        return live.snapshot, live
    if conversation.last.is_streaming:  # it ended while it was being read
        conversation = await arena.store.conversation(key, voter)
    return conversation, None


async def shown(arena: Context, conversation: Conversation, live: LiveTurn | None) -> BattleView:
    """The conversation as a page shows it now."""
    reactions = await arena.store.reactions.of(conversation.id) if conversation.mode == "direct" else None
    battle = view(conversation, live, arena.config, arena.router, reactions)
    return replace(battle, remarks=await remarks(arena, conversation))


async def _asked(request: Request, arena: Context, form: Form) -> Asked:
    """What the form asks. Raises `Unprocessable`."""
    attached = await handed_in(request, form)
    prompt = form.get("prompt", "")
    again = given_back(request)  # by what goes wrong from here on
    again.draft, again.settings = prompt.replace("\0", ""), settings_again(form)
    check_prompt(prompt, arena.config.limits.prompt_characters)
    return Asked(prompt, said_in(form), attached)


def _hidden(form: Mapping[str, str], mode: Mode) -> dict[str, str]:
    """What a form says of the kind of conversation, for the form in which it is tried again."""
    return {name: form[name] for name in ("mode", *FIELDS[mode]) if name in form}


async def _side(request: Request) -> Side | None:
    """The side that was meant, or `None` for both. Raises `Unprocessable`."""
    form = await read_form(request, context(request).config.limits.body_bytes)
    return parse_side(form["side"]) if form.get("side") else None
