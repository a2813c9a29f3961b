"""The file itself: JSON, an object of models by the name on the board. Its keys are never repeated in an error."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from arena.config.types import Name, Positive, Share
from arena.errors import ConfigError

Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Base = Annotated[str, msgspec.Meta(pattern=r"^(https?://.+)?$")]


class Recommended(msgspec.Struct, frozen=True):
    """What battles are sampled with."""

    temperature: Temperature | None = None
    top_p: Share | None = None
    max_new_tokens: Positive | None = None
    extra_body: dict[str, Any] | None = None


class Fields(
    msgspec.Struct, frozen=True, kw_only=True, rename={"text_arena": "text-arena", "vision_arena": "vision-arena"}
):
    """The fields of an entry that the old arena read. It passed over all others, and so do we."""

    api_type: str
    model_name: Name | None = None
    api_base: Base | None = None
    api_key: str | None = None
    anony_only: bool = False
    text_arena: bool = True
    vision_arena: bool = False
    recommended_config: Recommended | None = None
    custom_system_prompt: bool = False
    azure_api_version: str | None = None
    assistant_id: str | None = None
    folder_id: str | None = None
    fixed_temperature: Temperature | None = None
    client_name: str | None = None


FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(Fields))


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the file. `unread`: the names of fields that were never read."""

    file: Path
    name: str
    fields: Fields
    unread: tuple[str, ...]

    @property
    def sampling(self) -> Recommended:
        return self.fields.recommended_config or Recommended()

    def wrong(self, field: str, words: str) -> ConfigError:
        """What is wrong with this field, and the mend."""
        return ConfigError(f'{self.file}: "{self.name}".{field}: {words}')

    def required(self, field: str) -> str:
        """The text of a field that this `api_type` cannot do without. Raises `ConfigError`."""
        text: str | None = getattr(self.fields, field)
        if not text:
            raise self.wrong(field, f"is missing, and api_type {self.fields.api_type} needs it. Add it.")
        return text


def entries(file: Path) -> tuple[Entry, ...]:
    """All models of the file. Raises `ConfigError`, naming the place and the mend."""
    models = _json(file)
    if not isinstance(models, dict) or not models:
        raise ConfigError(
            f"{file}: holds no models: it must be an object of models by name. Is it the right file?"
        )
    return tuple(_entry(file, name, decoded) for name, decoded in models.items())


def _entry(file: Path, name: str, decoded: Any) -> Entry:
    try:
        fields = msgspec.convert(decoded, Fields)
    except msgspec.ValidationError as exc:
        raise ConfigError(f'{file}: "{name}"{_explain(str(exc))}') from None
    return Entry(file, name, fields, tuple(sorted(decoded.keys() - FIELDS)))


def _explain(message: str) -> str:
    """msgspec's message ("Expected `bool`, got `str` - at `$.anony_only`"), path first and with a mend."""
    said, _, path = message.partition(" - at `$")
    if missing := re.fullmatch(r"Object missing required field `(.*)`", said):
        return f".{missing[1]}: is missing. Add it."
    if "matching regex" in said:
        return f"{path.rstrip('`')}: is no address. It must begin with http:// or https://: change it."
    return f"{path.rstrip('`')}: {said[0].lower()}{said[1:]}. Change the value."


def _json(file: Path) -> Any:
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file. Name the api_endpoint.json of the old arena.") from None
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{file}: is not UTF-8: {exc.reason}. Save it as UTF-8.") from None
    except OSError as exc:
        raise ConfigError(f"{file}: cannot be read: {exc.strerror or exc}. Name a file that can.") from None
    try:
        models = json.loads(text, object_pairs_hook=_object)
        msgspec.json.decode(text)  # stricter: no NaN, no halves of characters
    except json.JSONDecodeError as exc:  # it holds the file's text, keys and all: not chained
        raise ConfigError(f"{file}: line {exc.lineno}, column {exc.colno}: {_mend(text, exc)}") from None
    except (ValueError, RecursionError, msgspec.DecodeError) as exc:
        raise ConfigError(f"{file}: is not valid JSON: {exc}. Mend that.") from None
    return models


def _mend(text: str, exc: json.JSONDecodeError) -> str:
    if re.search(r",\s*$", text[: exc.pos]) and re.match(r"\s*[}\]]", text[exc.pos :]):
        return "a comma stands before a closing bracket, which JSON does not allow. Remove that comma."
    if re.match(r"\s*,\s*[}\]]", text[exc.pos :]):
        return "a comma stands before a closing bracket, which JSON does not allow. Remove that comma."
    return f"is not valid JSON: {exc.msg.removesuffix(' at')}. Mend that place."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises `ValueError` where a name is there twice: one of the two would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{twice}" is there twice in one object; remove or rename one of the two')
    return found
