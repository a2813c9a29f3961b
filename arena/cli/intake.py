"""A file of votes taken in at a terminal: a bar while it is read, and the report in words."""

from collections.abc import Callable
from pathlib import Path

from arena.cli.progress import progress
from arena.errors import ArenaError
from arena.intake import FORMATS, Report, take_in
from arena.store import Store


async def read_file(store: Store, path: Path, kind: str | None, *, is_dry: bool = False) -> Report:
    """Take in a file, of rows in the format `kind` if it is named. Raises `ArenaError`."""
    known = FORMATS[kind] if kind else None
    with progress(path.name, _size(path)) as advance:
        return await take_in(store, path, known, is_dry=is_dry, read=_steps(advance))


def in_words(path: Path, report: Report, *, is_dry: bool = False) -> str:
    """What became of a file."""
    numbers = {
        "read": report.read,
        "would be stored" if is_dry else "stored": report.stored,
        "there already": report.there,
        "left out": report.left_out,
    }
    lines = [f"{path}: {', '.join(sorted(report.formats)) or 'no votes'}"]
    lines += [f"{number:>11,}  {name}" for name, number in numbers.items()]
    for name, reason in sorted(report.reasons.items(), key=lambda item: (-item[1].count, item[0])):
        places = [
            f"{report.unit} {one.place}" + (f" ({one.detail})" if one.detail else "") for one in reason.examples
        ]
        more = ["…"] if reason.count > len(places) else []
        lines.append(f"{reason.count:>15,}  {name}: {', '.join(places + more)}")
    return "\n".join(lines)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as exc:
        raise ArenaError(f"{path}: cannot be read: {exc.strerror or exc}. Name a file that can.") from exc


def _steps(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Told how far it is, says how much further that is."""
    before = 0

    def read(upto: int) -> None:
        nonlocal before
        if upto > before:
            advance(upto - before)
            before = upto

    return read
