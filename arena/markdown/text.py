"""What comes first: a model's text without what no page can bear, and the parser that reads it."""

import re

import pyromark
from pyromark import Options
from pyromark.event import Event

_FEATURES = Options.ENABLE_TABLES | Options.ENABLE_STRIKETHROUGH | Options.ENABLE_TASKLISTS
PARSER = pyromark.Markdown(options=_FEATURES | Options.ENABLE_MATH)
PARSER_WITHOUT_MATH = pyromark.Markdown(options=_FEATURES)


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Plain line ends; control characters and lone surrogates become the replacement character."""
    if not _CONTROL.search(text):
        return text
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def kind_of(event: Event) -> str:
    """The name of a parser's event, or of the tag that it starts or ends."""
    tag: object = event.get("Start") if isinstance(event, dict) else event
    return next(iter(tag)) if isinstance(tag, dict) else str(tag)
