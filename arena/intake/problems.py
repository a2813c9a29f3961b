"""Why a row is left out, and the report of a whole file. Its size does not grow with the file's."""

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES = 3
REASONS = 40
LONGEST_DETAIL = 80

TOO_LONG = "is longer than what is read at once (16 MiB)"
BROKEN_OFF = "breaks off in the middle"
OTHER_REASONS = "other reasons"


class LeftOut(Exception):
    """A row that is not taken in. `detail` says what in it, where there is something to say."""

    def __init__(self, reason: str, detail: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = "" if detail is None else _short(str(detail))


@dataclass(frozen=True, slots=True)
class Example:
    """One row that was left out: the number of its line, or of its row in a Parquet file."""

    place: int
    detail: str


@dataclass(slots=True)
class Reason:
    """How many rows were left out for it, and the first of them."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What became of a file's rows. `unit`: what they are counted in."""

    unit: str = "line"
    read: int = 0
    stored: int = 0
    there: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Reason] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        return sum(reason.count for reason in self.reasons.values())

    @property
    def is_useless(self) -> bool:
        """Whether there was something to read, and none of it could be."""
        return self.stored + self.there == 0 and self.left_out > 0

    def leave_out(self, place: int, why: LeftOut) -> None:
        """Note a row that is not taken in."""
        name = why.reason if why.reason in self.reasons or len(self.reasons) < REASONS else OTHER_REASONS
        reason = self.reasons.setdefault(name, Reason())
        reason.count += 1
        if len(reason.examples) < EXAMPLES:
            reason.examples.append(Example(place, why.detail))


def _short(text: str) -> str:
    """On one line, and no longer than a line; nothing in it that a terminal would obey."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 2 * LONGEST_DETAIL])
    return plain if len(plain) <= LONGEST_DETAIL else plain[: LONGEST_DETAIL - 1] + "…"
