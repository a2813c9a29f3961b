"""What all formats have in common: votes go in one by one, bytes come out."""

from abc import ABC, abstractmethod
from typing import IO, ClassVar

from arena.store.votes import VoteRecord


class Writer(ABC):
    """Writes votes to a binary file in one format."""

    is_text: ClassVar[bool] = True

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out

    def write(self, vote: VoteRecord) -> bool:
        """Add a vote, if the format has a place for it. Returns whether it has."""
        is_taken = self._takes(vote)
        if is_taken:
            self._add(vote)
        return is_taken

    def _takes(self, vote: VoteRecord) -> bool:
        return True

    @abstractmethod
    def _add(self, vote: VoteRecord) -> None: ...

    def close(self) -> None:
        """Write what is still held back. The file itself stays open."""
