"""config.toml -> one frozen `Config`, read once and handed down. Knows the file, not what is done with it.

An unknown key, a wrong type, a model without a backend, a name used twice or a key missing from the environment
refuses to start with a `ConfigError` that names the file, the path inside it, and the mend.
"""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec

from arena.errors import BACKEND_ERRORS, ConfigError

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of config.toml: frozen, and closed to keys it does not know."""


class Server(Table, frozen=True):
    """Where pages are served and what the arena is called."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    title: Name = "Arena"
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


class Live(Table, frozen=True):
    """How often answers in flight are shown and saved."""

    flush_ms: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    checkpoint_seconds: Annotated[float, msgspec.Meta(gt=0, le=2)] = 1.0
    heartbeat_seconds: Seconds = 15.0


class Engine(Table, frozen=True):
    """A vLLM engine in this process. `options` are passed to vLLM's AsyncEngineArgs as they are."""

    name: Name
    checkpoint: Name
    devices: tuple[int, ...] = ()
    dtype: str = "auto"
    max_model_len: Positive | None = None
    memory_fraction: Share | None = None
    max_concurrency: Positive | None = None
    compile: bool = False
    options: dict[str, Any] = {}


class OpenAI(Table, frozen=True, tag_field="format", tag="openai"):
    """An endpoint that speaks OpenAI's chat completions. `model` is what the service calls the model."""

    name: Name
    base_url: Annotated[str, msgspec.Meta(pattern=r"^https?://")]
    model: str | None = None
    api_key_env: str | None = None
    connect_seconds: Seconds = 10.0
    read_seconds: Seconds = 120.0
    max_connections: Positive = 1000


class Script(Table, frozen=True, tag_field="format", tag="script"):
    """A backend that recites: for tests, demonstrations and benchmarks.

    `answer` is sent word by word; `fail` names a `BackendError.kind`, raised after `fail_after` words.
    """

    name: Name
    answer: str = "This is a scripted answer."
    words_per_second: Annotated[float, msgspec.Meta(gt=0)] | None = None
    first_token_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    fail: str | None = None
    fail_after: Annotated[int, msgspec.Meta(ge=0)] = 0


Provider = OpenAI | Script


class Model(Table, frozen=True):
    """A contender: one or more backends, a system prompt and sampling parameters under one name on the board."""

    name: Name
    backends: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    model_id: str | None = None
    organisation: str = ""
    description: str = ""
    link: str = ""
    licence: str = ""
    weight: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 1.0
    system_prompt: str = ""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    max_tokens: Positive | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    first_token_seconds: Seconds | None = None
    answer_seconds: Seconds | None = None


class Config(Table, frozen=True):
    """All of config.toml. `folder` is where the file lies: relative paths start there."""

    server: Server = Server()
    database: Database = Database()
    limits: Limits = Limits()
    live: Live = Live()
    engines: tuple[Engine, ...] = ()
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] = ()
    sample_prompts: tuple[str, ...] = ()
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


def read(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in the file at `path`. Raises `ConfigError`."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as exc:
        raise ConfigError(f"{path}: there is no such file. `arena init` writes one to start from.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8: {exc}. Save it as UTF-8.") from exc
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror or exc}. Name a file that can.") from exc
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # numbers too long and tables too deep are not TOMLDecodeErrors
        raise ConfigError(f"{path}: is not valid TOML: {exc}. Mend that place.") from exc
    return parse(tables, path, environ)


def parse(tables: dict[str, Any], path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in tables already decoded from the file at `path`. Raises `ConfigError`."""
    if "folder" in tables:
        raise ConfigError(f"{path}: folder: is not a setting. Remove it.")
    try:
        config = msgspec.convert(tables, Config)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{path}: {_explain(str(exc), tables)}") from exc
    for problem in _problems(config, environ):
        raise ConfigError(f"{path}: {problem}")
    return msgspec.structs.replace(config, folder=path.parent.resolve())


def _problems(config: Config, environ: Mapping[str, str]) -> Iterable[str]:
    """What is wrong with a configuration whose every single value is right, worst first."""
    yield from _repeated("models", (model.name for model in config.models))
    yield from _repeated(
        "engines and providers", [backend.name for backend in (*config.engines, *config.providers)]
    )
    known = {backend.name: backend for backend in (*config.engines, *config.providers)}
    for number, model in enumerate(config.models):
        where = f'models[{number}] ("{model.name}")'
        for name in model.backends:
            backend = known.get(name)
            if backend is None:
                yield (
                    f'{where}.backends: there is no engine or provider named "{name}". '
                    f"Known are: {', '.join(sorted(known)) or 'none'}. Name one of them, or add it."
                )
            if isinstance(backend, OpenAI) and not (model.model_id or backend.model):
                yield (
                    f'{where}.model_id: is missing: the provider "{name}" must be told which model to run. '
                    "Set model_id here, or model at the provider."
                )
    for number, provider in enumerate(config.providers):
        where = f'providers[{number}] ("{provider.name}")'
        if isinstance(provider, OpenAI):
            yield from _key_problems(where, provider, environ)
        else:
            yield from _script_problems(where, provider)


def _key_problems(where: str, provider: OpenAI, environ: Mapping[str, str]) -> Iterable[str]:
    key = provider.api_key_env
    if key is not None and not _VARIABLE.fullmatch(key):  # most likely the key itself: do not repeat it
        yield (
            f"{where}.api_key_env: is not the name of an environment variable (capitals, digits and _). "
            "Put the key into the environment, and here the name under which it is there."
        )
    elif key and not environ.get(key):
        yield f"{where}.api_key_env: the environment has no {key}. Set it before starting: export {key}=…"


def _script_problems(where: str, script: Script) -> Iterable[str]:
    kinds = sorted(error.kind for error in BACKEND_ERRORS)
    if script.fail is not None and script.fail not in kinds:
        yield (
            f'{where}.fail: there is no failure "{script.fail}". Known are: {", ".join(kinds)}. '
            "Name one of them, or remove it."
        )


def _repeated(table: str, names: Iterable[str]) -> Iterable[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f'{table}: the name "{name}" is used {count} times. Names must differ: rename one.'


_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_PATH = re.compile(r" - at `(?P<in_key>key in )?\$(?P<path>[^`]*)`$")


def _explain(message: str, tables: dict[str, Any]) -> str:
    """msgspec's message ("Expected `int`, got `str` - at `$.server.port`"), path first and with a mend."""
    found = _PATH.search(message)
    where = found["path"].lstrip(".") if found else ""
    said = _PATH.sub("", message)
    if unknown := re.match(r"Object contains unknown field `(.*)`", said, re.DOTALL):
        key = f"{where}.{unknown[1]}" if where else unknown[1]
        return f"{_named(key, tables)}: there is no such setting. Check the spelling, or remove it."
    if missing := re.match(r"Object missing required field `(.*)`", said):
        key = f"{where}.{missing[1]}" if where else missing[1]
        return f"{_named(key, tables)}: is missing. Add it."
    if said.startswith("Invalid value"):
        known = ", ".join(str(provider.__struct_config__.tag) for provider in get_args(Provider))
        return f"{_named(where, tables)}: there is no such format. Known are: {known}. Name one of them."
    return f"{_named(where, tables) or 'the file'}: {said[0].lower()}{said[1:]}. Change the value."


def _named(path: str, tables: dict[str, Any]) -> str:
    """The path with the entry's own name beside its number: models[2] ("Concise").top_p."""
    found = re.match(r"(\w+)\[(\d+)\](.*)", path, re.DOTALL)
    if not found or path in tables:
        return path
    entry = tables[found[1]][int(found[2])]
    name = entry.get("name") if isinstance(entry, dict) else None
    label = f' ("{name}")' if isinstance(name, str) else ""
    return f"{found[1]}[{found[2]}]{label}{found[3]}"
