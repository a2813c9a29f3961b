"""Votes: cast, taken back while the names are hidden, the names asked for, and what a visitor says about it."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from arena.config import Config
from arena.conversation import SIDES, Side, parse_choice
from arena.errors import Unprocessable
from arena.store.remarks import Remark, Said
from arena.views.context import context
from arena.views.forms import Form, read_form
from arena.views.paths import conversation_path, key_in, see
from arena.views.remarks import offered, remarks_view
from arena.words import _, number


async def vote(request: Request) -> Response:
    """POST .../vote: the visitor's `choice`, on disk before the reply; names are out then, or can be asked for.

    A page says with `seen` which answers it showed; a vote about answers that have been replaced since is refused.
    """
    arena, key = context(request), key_in(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    choice = parse_choice(form.get("choice", ""))
    await arena.store.cast_vote(key, arena.visitors.known(request), choice, form.get("seen"))
    return see(conversation_path(key))


async def undo(request: Request) -> Response:
    """POST .../vote/undo: take back the vote that has just been cast, before the names are out."""
    arena, key = context(request), key_in(request)
    await arena.store.booth.undo(key, arena.visitors.known(request), arena.config.blind.undo_seconds)
    return see(conversation_path(key))


async def reveal(request: Request) -> Response:
    """POST .../reveal: show the names, where they wait to be asked for; the vote counts from now on."""
    arena, key = context(request), key_in(request)
    await arena.store.booth.reveal(key, arena.visitors.known(request))
    return see(conversation_path(key))


async def remark(request: Request) -> Response:
    """POST .../remarks: why the visitor has voted so, as `reasons_a`, `reasons_b` and a `comment`."""
    arena, key = context(request), key_in(request)
    voter = arena.visitors.known(request)
    form = await read_form(request, arena.config.limits.body_bytes)
    earlier = (await arena.store.conversation(key, voter)).id  # whoever it does not belong to learns nothing
    said = _checked(form, arena.config, await arena.store.remarks.of(earlier))
    conversation = await arena.store.remarks.save(key, voter, said, datetime.now(UTC))
    if not request.headers.get("hx-target", "").endswith("#remarks"):
        return see(conversation_path(key))
    return arena.pages.page(
        "_remarks.html", remarks=remarks_view(arena.config, conversation, Said(said, True)), is_new=True
    )


def _checked(form: Form, config: Config, earlier: Remark | None) -> Remark:
    """What the form says. Raises `Unprocessable` for a tag that nobody offers, or a comment that is too long."""
    chosen: dict[Side, tuple[str, ...]] = {}
    for side in SIDES:
        given = set(form.every(f"reasons_{side}"))
        tags = offered(config, earlier, side)
        if given - set(tags):
            raise Unprocessable(_("One of these reasons is none that can be chosen here."))
        chosen[side] = tuple(reason for reason in tags if reason in given)
    comment = form.get("comment", "").replace("\0", "").strip()
    most = config.votes.comment_characters
    if len(comment) > most:
        words = _("The comment has {n} characters; the limit is {limit}. Shorten it and save it again.")
        raise Unprocessable(words.format(n=number(len(comment)), limit=number(most)))
    return Remark(chosen, comment)
