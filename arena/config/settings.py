"""The other tables of config.toml: the server and its limits, who meets whom, and the contenders."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from arena.config.backends import Engine, Provider
from arena.config.types import Name, Positive, Seconds, Share, Table
from arena.words import N_


class Server(Table, frozen=True):
    """Where pages are served and what the arena is called."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    title: Name = "Arena"
    public_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/?#]+/?$")] | None = None
    languages: tuple[Name, ...] = ()
    secret_file: str = "arena.secret"
    shutdown_seconds: Seconds = 5.0


class Database(Table, frozen=True):
    """Where votes are kept: any async SQLAlchemy URL."""

    url: str = "sqlite+aiosqlite:///arena.db"


class Limits(Table, frozen=True):
    """What a visitor may send and how long a side may take."""

    prompt_characters: Positive = 12_000
    body_bytes: Positive = 262_144
    turns: Positive = 50
    first_token_seconds: Seconds = 60.0
    answer_seconds: Seconds = 600.0
    images: Positive = 4
    image_bytes: Positive = 10_000_000
    image_side: Positive = 1568
    image_pixels: Positive = 50_000_000
    image_seconds: Seconds = 20.0
    image_memory: Positive = 1_073_741_824
    image_workers: Positive = 2
    document_bytes: Positive = 20_000_000
    document_pages: Positive = 200
    document_characters: Positive = 60_000
    document_seconds: Seconds = 20.0
    document_memory: Positive = 536_870_912
    document_workers: Positive = 2


class Modes(Table, frozen=True):
    """Whether visitors may choose models by name, two or one. `max_tokens`: the most that they may ask for."""

    side_by_side: bool = True
    direct: bool = True
    max_tokens: Positive = 4096


class Texts(Table, frozen=True):
    """Markdown files of pages that the operator writes. Without a file there is no such page."""

    about: str | None = None
    rules: str | None = None
    terms: str | None = None


class Access(Table, frozen=True):
    """Who may see more than a visitor. Without a token nobody may."""

    admin_token_env: str | None = None


class Routing(Table, frozen=True):
    """Which backend of a model is asked, how long a request waits for one, and when one is left alone."""

    policy: Literal["least_loaded", "lottery"] = "least_loaded"
    queue_length: Annotated[int, msgspec.Meta(ge=0)] = 100
    queue_seconds: Seconds = 60.0
    backoff_seconds: Seconds = 0.5
    backoff_max_seconds: Seconds = 4.0


Price = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
"""Of a million tokens."""

Weight = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class Matchmaking(Table, frozen=True):
    """Who meets whom, beyond the models' own weights. All names are those of models.

    `floor`: the share of draws that are by weight, whatever the policy.
    """

    policy: Literal["weighted", "balanced", "informative"] = "weighted"
    floor: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    weights: dict[Name, Weight] = {}
    image_weights: dict[Name, Weight] = {}
    weight_of_others: Weight | None = None
    boosted: tuple[Name, ...] = ()
    targets: dict[Name, tuple[Name, ...]] = {}
    strict_targets: dict[Name, tuple[str, ...]] = {}
    apart: tuple[Name, ...] = ()
    outages: tuple[Name, ...] = ()

    def weight(self, model: "Model", *, has_images: bool = False) -> float:
        """How often the model is drawn: as `weights` says, else `weight_of_others`, else the model itself.

        For a battle about pictures, `image_weights` comes before all of them.
        """
        if has_images and model.name in self.image_weights:
            return self.image_weights[model.name]
        others = model.weight if self.weight_of_others is None else self.weight_of_others
        return self.weights.get(model.name, others)


@cache
def pattern(text: str) -> re.Pattern[str]:
    """A strict target, as the old arena read it: `*` is anything, all else a regular expression; fits beginnings.

    Raises `re.error`.
    """
    return re.compile(text.replace("*", ".*"))


class Leaderboard(Table, frozen=True):
    """What the board lists, around which number, and into which categories votes fall."""

    min_votes: Positive = 30
    anchor: Name | None = None
    anchor_rating: Annotated[float, msgspec.Meta(ge=-1_000_000, le=1_000_000)] = 1000.0
    refresh_seconds: Seconds = 10.0
    long_prompt_characters: Positive = 2000
    currency: Name = "USD"
    tags: dict[Name, str] = {}


@cache
def tag(text: str) -> re.Pattern[str]:
    """What a tag looks for in prompts. Raises `re.error`."""
    return re.compile(text, re.IGNORECASE)


class Live(Table, frozen=True):
    """How often answers in flight are shown and saved."""

    flush_ms: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    checkpoint_seconds: Annotated[float, msgspec.Meta(gt=0, le=2)] = 1.0
    heartbeat_seconds: Seconds = 15.0
    cancel_when_unwatched_after: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 60.0


class Blind(Table, frozen=True):
    """What a battle gives away before its names are out. `pace`: of each side its own, or `even`: the slower's.

    `reveal`: whether names are out with the vote, or wait to be asked for; until then a vote can be undone for a
    while, and if nobody asks, it counts after `count_after_seconds`.
    """

    pace: Literal["own", "even"] = "own"
    reveal: Literal["on_vote", "on_request"] = "on_vote"
    undo_seconds: Seconds = 10.0
    count_after_seconds: Seconds = 1800.0


class Votes(Table, frozen=True):
    """What visitors may say about a vote: tags that speak for a side, or against it, and words of their own."""

    reasons: Annotated[tuple[Name, ...], msgspec.Meta(max_length=10)] = (
        N_("Correct"),
        N_("Clear"),
        N_("Complete"),
        N_("To the point"),
        N_("Well written"),
    )
    faults: Annotated[tuple[Name, ...], msgspec.Meta(max_length=10)] = (
        N_("Wrong"),
        N_("Unclear"),
        N_("Incomplete"),
        N_("Too long"),
        N_("Did not do what was asked"),
    )
    comment_characters: Positive = 2000


class Model(Table, frozen=True):
    """A contender: one or more backends, a system prompt and sampling parameters under one name on the board."""

    name: Name
    backends: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    model_id: str | None = None
    organisation: str = ""
    description: str = ""
    link: str = ""
    licence: str = ""
    aliases: tuple[str, ...] = ()
    weight: Weight = 1.0
    battle_only: bool = False
    takes_system_prompt: bool | None = None
    text: bool = True
    vision: bool = False
    system_prompt: str = ""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    max_tokens: Positive | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    extra_body: dict[str, Any] = {}
    first_token_seconds: Seconds | None = None
    answer_seconds: Seconds | None = None
    price_in: Price | None = None
    price_out: Price | None = None
    context_length: Positive | None = None


class Config(Table, frozen=True):
    """All of config.toml. `folder` is where the file lies: relative paths start there."""

    server: Server = Server()
    database: Database = Database()
    limits: Limits = Limits()
    modes: Modes = Modes()
    live: Live = Live()
    blind: Blind = Blind()
    votes: Votes = Votes()
    access: Access = Access()
    pages: Texts = Texts()
    router: Routing = Routing()
    matchmaker: Matchmaking = Matchmaking()
    leaderboard: Leaderboard = Leaderboard()
    engines: tuple[Engine, ...] = ()
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] = ()
    prompts: str | None = None
    folder: Path = Path()

    def path(self, name: str) -> Path:
        """A path from the file, relative to the folder the file lies in."""
        return self.folder / Path(name).expanduser()

    @property
    def database_url(self) -> str:
        """The database's URL, with a relative SQLite file placed in the folder of the file."""
        found = re.fullmatch(r"(sqlite(?:\+\w+)?:///)([^:?]+)(\?.*)?", self.database.url)
        return f"{found[1]}{self.path(found[2])}{found[3] or ''}" if found else self.database.url

    def model(self, name: str) -> Model:
        """The contender of that name. Raises `KeyError` where config.toml no longer has it."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    def context_length(self, model: Model) -> int | None:
        """How many tokens of prompt and answer it reads: as it says itself, else what all of its engines take."""
        if model.context_length is not None:
            return model.context_length
        engines = {engine.name: engine.max_model_len for engine in self.engines}
        lengths = [engines.get(name) for name in model.backends]
        known = [length for length in lengths if length is not None]
        return min(known) if len(known) == len(lengths) else None
