"""An entry of the old file as a provider and a model of config.toml, both under the name it has on the board."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arena.config import parse
from arena.endpoints.entries import Entry, entries
from arena.endpoints.kinds import GONE, KINDS, Kind
from arena.errors import ConfigError

log = logging.getLogger(__name__)

BATTLE = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 2000}
"""What the old arena's battles were sampled with, where a model had no `recommended_config`."""

SYSTEM_PROMPT = "You are a helpful assistant."
"""That of the template `chatgpt`, the default one of the Checklist fork."""

COLDEST = 1e-6
"""NVIDIA's API took no temperature of 0, and the old arena sent this instead."""

_FIT_FOR_A_HEADER = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Contender:
    """A provider and its model, as tables of config.toml, but for the key.

    `key` is that of the file, `variable` where one is looked for in the environment, and `is_key_first` which of
    the two counts where both are there. `notes` say what an operator might not expect.
    """

    name: str
    provider: dict[str, Any]
    model: dict[str, Any]
    key: str | None = field(repr=False)
    variable: str | None
    is_key_first: bool
    notes: tuple[str, ...]


def read(file: Path, environ: Mapping[str, str]) -> tuple[Contender, ...]:
    """The contenders of an old file. Raises `ConfigError`, which names the file, the entry and the mend."""
    return tuple(_contender(entry, environ) for entry in entries(file))


def add(tables: dict[str, Any], file: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The tables of a config.toml, and those of the old file's contenders after them. Raises `ConfigError`."""
    found = read(file, environ)
    for contender in found:
        _check_name(contender.name, tables, file)
        for note in contender.notes:
            log.info('%s: "%s": %s', file, contender.name, note)
    new = {
        "providers": [contender.provider | _key(contender, file, environ) for contender in found],
        "models": [contender.model for contender in found],
    }
    parse(new, file, environ)  # what it refuses is then said of the old file
    return tables | {table: _joined(tables.get(table, []), more) for table, more in new.items()}


def _joined(found: Any, more: list[dict[str, Any]]) -> Any:
    """Both; or `found` alone where it is no list, which is refused when it is parsed."""
    return [*found, *more] if isinstance(found, list) else found


def _check_name(name: str, tables: Mapping[str, Any], file: Path) -> None:
    for table in ("models", "engines", "providers"):
        found = tables.get(table)
        names = (
            [entry.get("name") for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
        )
        if name in names:
            raise ConfigError(
                f'{file}: "{name}": config.toml has that name in its {table} already. Rename one of the two.'
            )


def _key(contender: Contender, file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Where the key is: in the file, or in the environment. Raises `ConfigError` where it is in neither."""
    variable = contender.variable
    if contender.key and contender.is_key_first:
        return {"api_key": contender.key}
    if variable is None:
        return {}
    if environ.get(variable):
        return {"api_key_env": variable}
    if contender.key:
        return {"api_key": contender.key}
    raise ConfigError(
        f'{file}: "{contender.name}".api_key: there is none, and the environment has no {variable}. '
        f"Set it before starting: export {variable}=…"
    )


def _contender(entry: Entry, environ: Mapping[str, str]) -> Contender:
    kind = _kind(entry)
    provider = {"name": entry.name, **kind.provider(entry, environ)}
    key, is_first = _file_key(entry, kind), kind.file_key == "first"
    notes = tuple(_notes(entry, kind))
    return Contender(entry.name, provider, _model(entry, kind), key, kind.variable, is_first, notes)


def _file_key(entry: Entry, kind: Kind) -> str | None:
    """The key that stands in the file, where one counts. Raises `ConfigError`, which does not repeat it."""
    key = entry.fields.api_key
    if not key or kind.file_key == "never":
        return None
    if not _FIT_FOR_A_HEADER.fullmatch(key):
        raise entry.wrong("api_key", "holds characters that no header can carry. Put the key there, alone.")
    return key


def _kind(entry: Entry) -> Kind:
    name = entry.fields.api_type
    if name in GONE:
        raise entry.wrong("api_type", f"{name} cannot be served any more: {GONE[name]}; or remove this entry.")
    if name not in KINDS:
        raise entry.wrong("api_type", f"there is no such type. Known are: {', '.join(KINDS)}. Name one of them.")
    return KINDS[name]


def _model(entry: Entry, kind: Kind) -> dict[str, Any]:
    fields = entry.fields
    flags = {"battle_only": fields.anony_only, "text": fields.text_arena, "vision": fields.vision_arena}
    usual = {"battle_only": False, "text": True, "vision": False}
    has_prompt = fields.custom_system_prompt and kind.takes_system_prompt
    extra = entry.sampling.extra_body if fields.api_type == "p2l" else kind.extra_body
    return {
        "name": entry.name,
        "backends": [entry.name],
        "weight": 1.0,
        **{flag: value for flag, value in flags.items() if value != usual[flag]},
        **({"system_prompt": SYSTEM_PROMPT} if has_prompt else {}),
        **_sampling(entry, kind),
        **({"seed": kind.seed} if kind.seed is not None else {}),
        **({"extra_body": dict(extra)} if extra else {}),
    }


def _asked(entry: Entry) -> dict[str, Any]:
    """The sampling parameters that the file sets."""
    said = entry.sampling
    asked = {"temperature": said.temperature, "top_p": said.top_p, "max_tokens": said.max_new_tokens}
    if entry.fields.api_type == "yandexgpt" and entry.fields.fixed_temperature is not None:
        asked["temperature"] = entry.fields.fixed_temperature
    if entry.fields.api_type == "nvidia" and asked["temperature"] == 0:
        asked["temperature"] = COLDEST
    return {name: value for name, value in asked.items() if value is not None}


def _sampling(entry: Entry, kind: Kind) -> dict[str, Any]:
    """What a battle is sampled with: what was always sent, and what may be sent where the file asks for it."""
    asked = _asked(entry)
    if kind.taken == {"top_p"} and asked.get("top_p") == BATTLE["top_p"]:
        asked.pop("top_p")
    wanted = {name: asked.get(name, value) for name, value in BATTLE.items() if name in kind.sent}
    return wanted | {name: value for name, value in asked.items() if name in kind.taken}


def _notes(entry: Entry, kind: Kind) -> Iterator[str]:
    fields = entry.fields
    if fields.custom_system_prompt:
        yield _system_prompt_note(kind)
    if ignored := sorted(_asked(entry).keys() - kind.sent - kind.taken):
        yield f"recommended_config: {_list(ignored)} was never sent to this API, and is not now"
    if fields.api_type == "openai" and entry.sampling.top_p not in (None, BATTLE["top_p"]):
        yield "recommended_config: top_p was never sent to this API; now it is"
    if entry.sampling.extra_body and fields.api_type != "p2l":
        yield "recommended_config: extra_body was sent to p2l alone, and is not sent"
    if fields.api_key and kind.file_key == "second":
        yield f"api_key: comes second to {kind.variable}, from which alone the old arena took it"
    if kind.file_key == "never":
        yield (
            f"the key is a token of Google ({kind.variable}) that is good for an hour: "
            "api_key_file in config.toml lets it be renewed"
        )
    if fields.api_base and not kind.reads_base:
        yield "api_base: the old arena did not read it for this api_type"
    if fields.api_type == "openai_assistant":
        yield (
            "OpenAI ended its Assistants API on 26 August 2026; "
            "base_url in config.toml reaches services that go on with it"
        )
    if entry.unread:
        yield f"never read by the old arena, and left out: {_list(entry.unread)}"


def _system_prompt_note(kind: Kind) -> str:
    if not kind.takes_system_prompt:
        return "custom_system_prompt: an assistant has its own, and none was sent"
    return (
        "custom_system_prompt: its words were in the old arena's source. These are those of the template chatgpt; "
        "where the model's name chose another template, put that one's words here"
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
