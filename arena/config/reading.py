"""The file -> a `Config`, or a `ConfigError` that names the file, the path inside it and the mend."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from arena.config.backends import Hosted, Provider
from arena.config.problems import problems
from arena.config.settings import Config
from arena.errors import ConfigError


def read(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in the file at `path`. Raises `ConfigError`."""
    return parse(decode(path), path, environ)


def decode(path: Path) -> dict[str, Any]:
    """The tables in the file at `path`, whatever they hold. Raises `ConfigError` where it is no TOML."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as exc:
        raise ConfigError(f"{path}: there is no such file. `arena init` writes one to start from.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8: {exc}. Save it as UTF-8.") from exc
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror or exc}. Name a file that can.") from exc
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # numbers too long and tables too deep are not TOMLDecodeErrors
        raise ConfigError(f"{path}: is not valid TOML: {exc}. Mend that place.") from exc


def parse(tables: dict[str, Any], path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in tables already decoded from the file at `path`. Raises `ConfigError`."""
    if "folder" in tables:
        raise ConfigError(f"{path}: folder: is not a setting. Remove it.")
    try:
        config = msgspec.convert(tables, Config)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{path}: {explain(str(exc), tables)}") from exc
    for problem in problems(config, environ):
        raise ConfigError(f"{path}: {problem}")
    return _placed(config, path.parent.resolve())


def _placed(config: Config, folder: Path) -> Config:
    """The configuration of a file in this folder, in which relative paths start."""
    config = msgspec.structs.replace(config, folder=folder)
    providers = tuple(
        msgspec.structs.replace(provider, api_key_file=str(config.path(provider.api_key_file)))
        if isinstance(provider, Hosted) and provider.api_key_file is not None
        else provider
        for provider in config.providers
    )
    return msgspec.structs.replace(config, providers=providers)


_PATH = re.compile(r" - at `(?P<in_key>key in )?\$(?P<path>[^`]*)`$")


def explain(message: str, tables: dict[str, Any]) -> str:
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
    """The path with the entry's own name or title beside its number: models[2] ("Concise").top_p."""
    found = re.match(r"(\w+)\[(\d+)\](.*)", path, re.DOTALL)
    if not found or path in tables:
        return path
    entry = tables[found[1]][int(found[2])]
    name = entry.get("name", entry.get("title")) if isinstance(entry, dict) else None
    label = f' ("{name}")' if isinstance(name, str) else ""
    return f"{found[1]}[{found[2]}]{label}{found[3]}"
