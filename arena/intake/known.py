"""The formats that are known, and which of them a row is in: told by the names in it, row by row."""

from collections.abc import Iterable

from arena.intake import fastchat, kaggle, log, own, preference
from arena.intake.formats import Format

FORMATS: dict[str, Format] = {
    found.name: found for found in (own.FORMAT, log.FORMAT, kaggle.FORMAT, fastchat.FORMAT, preference.FORMAT)
}
"""By name, in the order in which they are tried."""

FIELDS = frozenset[str]().union(*(found.fields for found in FORMATS.values()))
"""Every name that some format looks at."""


def recognise(names: Iterable[str]) -> Format | None:
    """The format of a row with these names, if there is one."""
    present = set(names)
    return next((found for found in FORMATS.values() if found.marks <= present), None)
