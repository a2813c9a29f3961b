"""The words of the interface, in the language of the request that is being served."""

from contextvars import ContextVar
from gettext import NullTranslations

_catalogue: ContextVar[NullTranslations] = ContextVar("catalogue", default=NullTranslations())  # noqa: B039  # frozen


def _(message: str) -> str:
    """The message in the visitor's language. What varies in it is put in afterwards: `_("{n} turns").format(n=n)`."""
    return _catalogue.get().gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """The message for so many, in the visitor's language."""
    return _catalogue.get().ngettext(singular, plural, n)
