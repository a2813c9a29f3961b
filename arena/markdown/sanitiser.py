"""The last line: lets through only the tags, attributes and classes that the pages of this package write."""

import re
from functools import cache

import nh3

from arena.markdown.code import COLOURED

_MATHML = {
    "math": {"display"},
    "menclose": {"notation"},
    "mfrac": {"linethickness"},
    "mi": {"mathvariant"},
    "mn": {"mathvariant"},
    "mo": {
        *("accent", "fence", "form", "largeop", "lspace", "mathvariant", "maxsize", "minsize", "movablelimits"),
        *("rspace", "separator", "stretchy", "symmetric"),
    },
    "mover": {"accent"},
    "mpadded": {"depth", "height", "lspace", "voffset", "width"},
    "mspace": {"depth", "height", "linebreak", "width"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtable": {"columnalign", "columnlines", "columnspacing", "displaystyle", "rowlines", "rowspacing"},
    "mtd": {"columnalign"},
    "mtext": {"mathvariant"},
    "munder": {"accentunder"},
}
_BARE_MATHML = "mmultiscripts mphantom mprescripts mroot mrow msqrt msub msubsup msup mtr munderover none"
_TAGS = """
    a blockquote br code del div em h2 h3 h4 h5 h6 hr input li ol p pre span strong table tbody td th thead tr ul
"""

# The cleaner's time is quadratic in the character references of a text, so it sees one stand-in for each.
_STAND_INS = {"&amp;": "\x03", "&lt;": "\x04", "&gt;": "\x05"}
_STRAY = re.compile("[\x03-\x05]")  # `&#3;` in an answer


def sanitised(html: str) -> str:
    """The HTML without anything else. What a stand-in becomes is the same text in a text and in an attribute."""
    html = _STRAY.sub("\ufffd", html)
    for reference, stand_in in _STAND_INS.items():
        html = html.replace(reference, stand_in)
    html = _cleaner().clean(html)
    for reference, stand_in in _STAND_INS.items():
        html = html.replace(stand_in, reference)
    return html


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags={*_TAGS.split(), *_BARE_MATHML.split(), *_MATHML},
        clean_content_tags=set(),
        attributes={"a": {"href"}, "ol": {"start"}, "code": {"class"}, **_MATHML},
        tag_attribute_values={
            "div": {"tabindex": {"0"}, "role": {"group"}, "aria-label": {"Table"}},
            "input": {"type": {"checkbox"}, "checked": {""}, "disabled": {""}},
            "pre": {"tabindex": {"0"}},
            "td": {"align": {"left", "center", "right"}},
            "th": {"align": {"left", "center", "right"}},
        },
        set_tag_attribute_values={"a": {"target": "_blank"}},
        allowed_classes={"div": {"table"}, "p": {"html"}, "span": {"rest", *COLOURED.values()}},
        link_rel="nofollow noopener noreferrer",
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
    )
