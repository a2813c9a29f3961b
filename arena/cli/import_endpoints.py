"""`arena import-endpoints`: an old api_endpoint.json as tables of config.toml."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from arena import endpoints
from arena.config import parse
from arena.endpoints import Contender


@click.command("import-endpoints")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def command(file: Path) -> None:
    """Print the models of an old FILE (FastChat's api_endpoint.json) as tables of config.toml.

    Keys are not printed: each is replaced by the environment variable to put it into, which a comment names.

    \b
      arena import-endpoints api_endpoint.json > config.toml
    """
    contenders = endpoints.read(file, os.environ)
    variables = key_variables(contenders)
    tables: dict[str, Any] = {"providers": [], "models": []}
    for contender in contenders:
        variable = variables.get(contender.name)
        tables["providers"].append(contender.provider | ({"api_key_env": variable} if variable else {}))
        tables["models"].append(contender.model)
    parse(tables, file, dict.fromkeys(variables.values(), "set later"))
    for line in lines(file, contenders, variables):
        click.echo(line)


def key_variables(contenders: Iterable[Contender]) -> dict[str, str]:
    """Where each model's key goes, by the model's name: into GPT_4O_KEY where the file has it, else as before."""
    contenders = tuple(contenders)
    taken = {contender.variable for contender in contenders}
    found: dict[str, str] = {}
    for contender in contenders:
        if contender.key and contender.is_key_first:
            found[contender.name] = _free(_variable(contender.name), taken)
            taken.add(found[contender.name])
        elif contender.variable is not None:
            found[contender.name] = contender.variable
    return found


def _variable(name: str) -> str:
    words = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "MODEL"
    return f"{'_' if words[0].isdigit() else ''}{words}_KEY"


def _free(variable: str, taken: set[str | None]) -> str:
    """The variable; or, where another model has it, one numbered from 2."""
    number, free = 1, variable
    while free in taken:
        number += 1
        free = f"{variable}_{number}"
    return free


def lines(file: Path, contenders: Iterable[Contender], variables: Mapping[str, str]) -> Iterator[str]:
    """The tables with what to know about them, as TOML."""
    yield f"# From {_comment(file.name)}. The keys are not here: they are read from the environment."
    yield "# What the old arena's source said about who meets whom goes into [matchmaker]; see docs/providers.md."
    for contender in contenders:
        yield ""
        for note in contender.notes:
            yield from wrap(_comment(note), 110, initial_indent="# ", subsequent_indent="#   ")
        yield "[[providers]]"
        yield from _settings(contender.provider)
        if variable := variables.get(contender.name):
            origin = "as before" if variable == contender.variable else f"the api_key of {_comment(file.name)}"
            yield f'api_key_env = "{variable}"  # {origin}: export {variable}=…'
        yield ""
        yield "[[models]]"
        yield from _settings(contender.model)


def _comment(text: str) -> str:
    """On one line: a name may hold anything."""
    return "".join(c if c.isprintable() else " " for c in text)


def _settings(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_name(name)} = {_toml(value)}" for name, value in table.items() if value is not None)


def _toml(value: Any) -> str:
    """A value; what TOML does not have, null, is left out of the table it stands in."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(k)} = {_toml(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value if inner is not None) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
