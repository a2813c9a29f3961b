"""Stop sequences for services that have none: their answers are cut where one begins. Knows no wire format."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from arena.backend import Delta, Usage


class Cut:
    """A text up to the sequence that is first complete, however the text is cut into pieces."""

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.is_made = False

    def take(self, piece: str) -> str:
        """What is surely in front of a stop; what may be the beginning of one is held back."""
        text = self._held + piece
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        self.is_made = bool(found)
        end = min(found)[1] if found else len(text) - self._doubtful(text)
        self._held = "" if found else text[end:]
        return text[:end]

    def rest(self) -> str:
        """What was held back and began no stop, at the end of the text."""
        held, self._held = self._held, ""
        return held

    def _doubtful(self, text: str) -> int:
        """How many characters at the end of the text begin a stop."""
        longest = max(map(len, self._stops), default=1) - 1
        starts = range(max(0, len(text) - longest), len(text))
        return next((len(text) - at for at in starts if any(s.startswith(text[at:]) for s in self._stops)), 0)


async def until_stop(
    items: AsyncGenerator[Delta | Usage, None], stops: tuple[str, ...]
) -> AsyncGenerator[Delta | Usage, None]:
    """The answer up to the first of these sequences. Then its service is hung up on, and its usage is unknown."""
    cut = Cut(stop for stop in stops if stop)
    async with aclosing(items):
        async for item in items:
            if isinstance(item, Delta):
                text = cut.take(item.text)
                if text or item.reasoning:
                    yield Delta(text, item.reasoning)
                if cut.is_made:
                    yield Usage(finish_reason="stop")
                    return
            else:
                if rest := cut.rest():
                    yield Delta(rest)
                yield item
