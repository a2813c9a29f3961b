"""JSON -> Python values, and values -> what a format says they are."""

import codecs
import json
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from arena.intake.problems import BROKEN_OFF, LeftOut

Kind = TypeVar("Kind")

MILLISECONDS_FROM = 1e11  # seconds since 1970 are not that many before the year 5000


def decode(content: bytes | str) -> Any:
    """A JSON value. Raises `LeftOut`."""
    if isinstance(content, bytes):
        content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return msgspec.json.decode(content)
    except UnicodeDecodeError as exc:
        raise LeftOut("is not UTF-8", exc.reason) from exc
    except RecursionError as exc:
        raise LeftOut("is nested too deeply") from exc
    except msgspec.DecodeError as exc:
        return _mended(content, exc)


def _mended(content: bytes | str, problem: msgspec.DecodeError) -> Any:
    """Half a surrogate pair, of which some releases have a few, becomes the replacement character."""
    if (b"\\ud" if isinstance(content, bytes) else "\\ud") not in content.lower():  # type: ignore[operator]
        raise LeftOut(BROKEN_OFF if "truncated" in str(problem) else "is not JSON", problem) from problem
    try:
        halves = json.dumps(json.loads(content), ensure_ascii=False).encode("utf-16", "surrogatepass")
        return msgspec.json.decode(halves.decode("utf-16", "replace"))
    except (ValueError, RecursionError) as exc:
        raise LeftOut("is not JSON", problem) from exc


def convert(value: Any, kind: type[Kind], *, strict: bool = True) -> Kind:
    """The value as that type. Raises `LeftOut`, which names the place inside it."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as exc:
        raise LeftOut("is not as its format has it", str(exc).replace("`$.", "`").replace("`", "")) from exc


def nested(value: Any) -> Any:
    """A nested value, which some files hold as JSON in a string."""
    return decode(value) if isinstance(value, str) else value


def moment(value: Any) -> datetime:
    """A point in time: seconds or milliseconds since 1970, ISO 8601, or one already. In UTC if it does not say."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        seconds = convert(value, float)
        return datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= MILLISECONDS_FROM else seconds, UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise LeftOut("has no moment that can be read", value) from exc
