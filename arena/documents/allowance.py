"""How much of the documents of a prompt models are given: all, or so many characters as the visitor agrees to."""

from collections.abc import Sequence

from arena.conversation import Attachment
from arena.errors import Unprocessable
from arena.words import _, number


def excess(attached: Sequence[Attachment], limit: int) -> int:
    """How many characters of documents are too many."""
    return max(0, sum(one.characters or 0 for one in attached) - limit)


def check(attached: Sequence[Attachment], limit: int) -> None:
    """Raises `Unprocessable` where the documents have more characters together. None is ever cut unasked."""
    if excess(attached, limit):
        raise Unprocessable(_("Nothing was sent: {words}").format(words=excess_words(attached, limit)))


def excess_words(attached: Sequence[Attachment], limit: int) -> str:
    """What a visitor reads about documents that are too long."""
    words = _(
        "The documents have {over} characters more than the {limit} that can come with a prompt. "
        "Use only a part of them, or remove one."
    )
    return words.format(over=number(excess(attached, limit)), limit=number(limit))


def first_characters(attached: Sequence[Attachment], document: Attachment, limit: int) -> int:
    """With how many of its first characters this one fits in beside the others; 0 where it need not or cannot."""
    over, all_of_it = excess(attached, limit), document.characters or 0
    return all_of_it - over if 0 < over < all_of_it else 0
