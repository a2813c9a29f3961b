"""The models' cards: what config.toml says of each, and what votes do. Knows no battle.

All of it is on the leaderboard or in config.toml: nothing here moves before a vote is cast.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from arena.board import Standing
from arena.config import Config, Model
from arena.errors import NotFound
from arena.pictures.scale import Scale
from arena.store import Speed
from arena.views.context import Context, context
from arena.views.standings import Row, price_of, rows
from arena.words import _

LONGEST = 200  # characters of what is searched for


async def models(request: Request) -> Response:
    """GET /models: every model's card, or those with all words of `q`."""
    arena = context(request)
    found = await deck(arena)
    words = request.query_params.get("q", "").strip()[:LONGEST]
    cards = [card for card in found if card.has(words)]
    return arena.pages.page(
        "models.html",
        here=[card for card in cards if card.model],
        gone=[card for card in cards if not card.model],
        count=len(found),
        words=words,
        currency=arena.config.leaderboard.currency,
        min_votes=arena.config.leaderboard.min_votes,
    )


async def model(request: Request) -> Response:
    """GET /models/NAME: one of them in full. Raises `NotFound`."""
    arena = context(request)
    cards = await deck(arena)
    name = request.path_params["name"]
    card = next((card for card in cards if card.name == name), None)
    if card is None:
        raise NotFound(_("There is no model of this name here."))
    return arena.pages.page(
        "model.html",
        card=card,
        scale=_scale(card.standing for card in cards if card.standing),
        currency=arena.config.leaderboard.currency,
        min_votes=arena.config.leaderboard.min_votes,
    )


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model. `model` is `None` where config.toml no longer has it.

    `row`: as the leaderboard has it; `None` before the first vote that counts.
    """

    name: str
    model: Model | None
    row: Row | None
    speed: Speed | None
    context_length: int | None

    @property
    def standing(self) -> Standing | None:
        return self.row.standing if self.row else None

    @property
    def price(self) -> float | None:
        """Of a million tokens, as the leaderboard has it."""
        return price_of(self.model) if self.model else None

    @property
    def abilities(self) -> tuple[str, ...]:
        """In words, as a battle sees them."""
        if self.model is None:
            return ()
        told = {
            _("Text"): self.model.text,
            _("Images"): self.model.vision,
            _("In battles only"): self.model.battle_only,
        }
        return tuple(words for words, is_so in told.items() if is_so)

    def has(self, words: str) -> bool:
        """Whether each of these words, in any case, is in what the card says of the model."""
        model = self.model
        said = (model.organisation, model.licence, model.description) if model else ()
        text = "\n".join((self.name, *said, *self.abilities)).casefold()
        return all(word in text for word in words.casefold().split())


async def deck(arena: Context) -> list[Card]:
    """All cards: models on the board in its order, then those without a vote. Raises `StoreError`."""
    speeds = await arena.pulse.speeds.get()
    board = rows(await arena.boards.board(), arena.config, speeds, "rank")
    by_name = {row.standing.name: row for row in board}
    names = dict.fromkeys(chain(by_name, (model.name for model in arena.config.models), sorted(speeds)))
    return [_card(name, arena.config, by_name.get(name), speeds.get(name)) for name in names]


def _card(name: str, config: Config, row: Row | None, speed: Speed | None) -> Card:
    try:
        model = config.model(name)
    except KeyError:
        return Card(name, None, row, speed, None)
    return Card(name, model, row, speed, config.context_length(model))


def _scale(standings: Iterable[Standing]) -> Scale:
    """From points to hundredths of a picture's width: all that are on the board."""
    return Scale.around([end for s in standings for end in (s.low, s.rating, s.high)], 2, 98, margin=0.01)
