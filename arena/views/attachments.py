"""POST /attachments: what comes with a prompt, added and removed before that is sent. GET /images: pictures."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from arena import documents
from arena.conversation import Attachment, check_images, count_images
from arena.documents.reader import HEAD
from arena.errors import Conflict, NotFound, Refusal, TermsNotAccepted, Unprocessable
from arena.images import Picture, is_image
from arena.router.sight import why_no_battle, why_no_pictures, why_not_by
from arena.views.context import Context, context
from arena.views.forms import Draft, Form, given_back
from arena.views.named import mode_of, names_in
from arena.views.parameters import said_in
from arena.views.paths import CONVERSATIONS
from arena.views.terms import are_accepted
from arena.views.unsent import ACTION, GOING_ON, begin, going_on, start_of
from arena.views.uploads import ATTACHED, shown_name, uploaded
from arena.words import _, number

SEEN_BEFORE = "private, max-age=31536000, immutable"
_HEAD = 16  # bytes that tell what a file is


async def add(request: Request) -> Response:
    """POST /attachments: take in each `file`, forget what to `remove`; what comes with the prompt now.

    Nothing is taken in from who has not accepted the terms, which are asked for when the prompt is sent.
    """
    arena, voter = context(request), context(request).visitors.welcome(request)
    async with uploaded(request) as (form, files):
        keys = [key for key in form.every(ATTACHED) if key != form.get("remove")]
        if form.get("remove"):
            await arena.store.attachments.remove(voter, form["remove"])
        problem = await _cut(arena, voter, keys, form.get("cut", ""))
        found = list(await arena.store.attachments.waiting(voter, keys))
        desk = _Desk(arena, voter, await _why_no_pictures(arena, voter, form), found)
        desk.problems += problem
        before = len(found)
        is_welcome = await are_accepted(request)
        if files and not is_welcome:
            desk.problems.append(_("Please accept the terms first: send your prompt, and they are asked for."))
        for file in files if is_welcome else ():
            await desk.take(file)
    if request.headers.get("hx-request") == "true" and not request.headers.get("hx-boosted"):
        response = _list(arena, form, desk, found[before:])
    else:
        response = await _page(request, form, desk)
        if files and not is_welcome:
            response.status_code = TermsNotAccepted.status
    arena.visitors.remember(request, response, voter)
    return response


class _Desk:
    """Takes in files one by one. `attached`: what comes with the prompt; `problems`: why some do not."""

    def __init__(self, arena: Context, voter: str, no_pictures: str, attached: list[Attachment]) -> None:
        self.attached = attached
        self.problems: list[str] = []
        self._arena = arena
        self._voter = voter
        self._no_pictures = no_pictures

    async def take(self, file: UploadFile) -> None:
        name = shown_name(file)
        head = await file.read(_HEAD)
        await file.seek(0)
        try:
            self.attached.append(await (self._image if is_image(head) else self._document)(name, file))
        except Refusal as exc:
            self.problems.append(f"{name}: {exc.words}")

    async def _image(self, name: str, file: UploadFile) -> Attachment:
        if self._no_pictures:
            raise Unprocessable(self._no_pictures)
        check_images(count_images(self.attached) + 1, self._arena.config.limits.images)
        picture = await self._arena.images.read(await file.read())
        return await self._arena.store.attachments.add_image(self._voter, name, picture)

    async def _document(self, name: str, file: UploadFile) -> Attachment:
        head = await file.read(HEAD)
        await file.seek(0)
        async with self._arena.documents.room(head):
            read = await self._arena.documents.read(await file.read())
            return await self._arena.store.attachments.add_document(self._voter, name, read.text, read.pages)


async def _cut(arena: Context, voter: str, keys: Sequence[str], key: str) -> list[str]:
    """Keep so much of a document as fits in beside the others: its visitor has agreed to it. What went wrong."""
    found = await arena.store.attachments.waiting(voter, keys)
    limit = arena.config.limits.document_characters
    for document in found:
        if document.id == key and (count := documents.first_characters(found, document, limit)):
            name = _("{name} (its first {n} characters)").format(name=document.name, n=number(count))
            try:
                await arena.store.attachments.cut(voter, key, count, name)
            except Refusal as exc:
                return [f"{document.name}: {exc.words}"]
    return []


async def picture(request: Request) -> Response:
    """GET /images/HASH: a picture, to the visitor who has handed it in."""
    arena = context(request)
    found = await arena.store.attachments.picture(arena.visitors.known(request), request.path_params["hash"])
    return shown_picture(found)


def shown_picture(picture: Picture) -> Response:
    """A picture for whoever may see it. It never changes, and no cache of others keeps it."""
    headers = {"Cache-Control": SEEN_BEFORE, "Content-Disposition": "inline"}
    return Response(picture.data, media_type=picture.media_type, headers=headers)


async def _why_no_pictures(arena: Context, voter: str, form: Form) -> str:
    """Why none can come with the prompt of this form, in words; empty where they can."""
    if asked := GOING_ON.fullmatch(form.get("to", "")):
        try:
            return why_no_pictures(await arena.store.conversation(asked["id"], voter), arena.config)
        except NotFound as exc:
            return exc.words
    mode = mode_of(form)
    return why_no_battle(arena.config) if mode == "battle" else why_not_by(names_in(mode, form), arena.config)


def _list(arena: Context, form: Form, desk: _Desk, added: Sequence[Attachment]) -> Response:
    """The list alone, in its place in the composer. `said`: what has happened, for those who do not see it."""
    box = form.get("box", "")
    return arena.pages.page(
        "_attachments.html",
        box=box if box.isidentifier() else "prompt",
        attached=desk.attached,
        problems=desk.problems,
        said=_said(form, desk, added),
    )


def _said(form: Form, desk: _Desk, added: Sequence[Attachment]) -> str:
    """What has happened to the list."""
    if form.get("remove"):
        return _("Removed.")
    cut = [one for one in desk.attached if one.id == form.get("cut")]
    names = ", ".join(one.name for one in (*cut, *added))
    words = _("Now there is {names}.") if cut else _("Added: {names}.")
    return words.format(names=names) if names else ""


async def _page(request: Request, form: Form, desk: _Desk) -> Response:
    """The whole page, for a browser without scripts. Raises `Conflict` where the conversation has gone on."""
    text = form.get("prompt", "").replace("\0", "")
    draft = Draft(text, tuple(desk.attached), tuple(desk.problems), said_in(form))
    action = form.get("to", "")
    if not ACTION.fullmatch(action):
        raise Unprocessable(_("There is nothing here that a file could come with."))
    again = given_back(request)
    again.draft, again.attached, again.action = text, draft.attached, action
    if action == CONVERSATIONS:
        _to, response = begin(request, start_of(form), draft)
    elif found := await going_on(request, action, draft):
        response = found
    else:
        raise Conflict(_("This conversation has gone on in the meantime. Look at it first."))
    if draft.problems:
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    return response
