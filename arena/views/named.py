"""Models chosen by name, as addresses and forms name them. How they answer: `arena.views.parameters`."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from arena import named
from arena.config import Model
from arena.conversation import Mode
from arena.errors import Unavailable, Unprocessable
from arena.router import Router
from arena.views.context import Context
from arena.words import _

RANDOM = "random"
FIELDS: dict[Mode, tuple[str, ...]] = {"side_by_side": ("a", "b"), "direct": ("model",)}
PATHS: dict[Mode, str] = {"side_by_side": "/side-by-side", "direct": "/chat"}

_CHANCE = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Pick:
    """A model as an address names it, in its `field`. `words`: what is wrong, or that it is not up yet."""

    field: str
    text: str
    model: Model | None
    words: str
    near: tuple[str, ...]


def mode_of(form: Mapping[str, str]) -> Mode:
    """The kind of conversation that a form starts: a battle, unless it says another. Raises `Unprocessable`."""
    said = form.get("mode", "battle")
    if said == "battle":
        return "battle"
    for mode in FIELDS:
        if said == mode:
            return mode
    raise Unprocessable(_("There is no such kind of conversation."))


def names_in(mode: Mode, form: Mapping[str, str]) -> list[str]:
    """The names of models that a form or an address has."""
    return [form.get(field, "").strip() for field in FIELDS[mode]]


def address(mode: Mode, names: Iterable[str]) -> str:
    """The page where a conversation with these models begins."""
    query = urlencode({field: name for field, name in zip(FIELDS[mode], names, strict=False) if name})
    return f"{PATHS[mode]}?{query}" if query else PATHS[mode]


def picks(arena: Context, mode: Mode, query: Mapping[str, str]) -> tuple[Pick, ...]:
    """The models that an address names, or may have meant."""
    return tuple(
        _pick(arena, field, name) for field, name in zip(FIELDS[mode], names_in(mode, query), strict=True)
    )


def _pick(arena: Context, field: str, name: str) -> Pick:
    model = named.find(arena.config, name)
    if model is not None:
        return Pick(field, model.name, model, _how_far(arena.router, model), ())
    near = named.nearest(arena.config, name) if name else ()
    return Pick(field, name, None, named.unknown(arena.config, name) if name else "", near)


def _how_far(router: Router, model: Model) -> str:
    """Why the model cannot answer now, in words; empty where it can. Never how busy it is."""
    state = router.status(model.name).state
    if state == "failed":
        return _("{name} is not up at present.").format(name=model.name)
    return "" if state == "ready" else _("{name} is still loading.").format(name=model.name)


def resolved(arena: Context, mode: Mode, query: Mapping[str, str]) -> Response | None:
    """Leads on to an address of its own where a model is to be a random one. Raises `Unavailable`."""
    names = names_in(mode, query)
    if not any(_is_any(arena, name) for name in names):
        return None
    for place, name in enumerate(names):
        if _is_any(arena, name):
            names[place] = _any_but(arena, names)
    where, headers = address(mode, names), {"Cache-Control": "no-store"}
    return RedirectResponse(where, HTTPStatus.SEE_OTHER, headers)


def _is_any(arena: Context, name: str) -> bool:
    return name == RANDOM and named.find(arena.config, name) is None


def _any_but(arena: Context, names: Sequence[str]) -> str:
    """A model that is up and not among these."""
    taken = {model.name for name in names if (model := named.find(arena.config, name))}
    rest = [model.name for model in named.choosable(arena.config) if model.name not in taken]
    up = [name for name in rest if arena.router.status(name).state == "ready"]
    if not rest:
        raise Unavailable(_("There is no other model to choose."))
    return _CHANCE.choice(up or rest)
