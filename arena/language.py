"""Which language a text is in, told offline by CLD2. Knows no conversation."""

import re

import pycld2

UNKNOWN = "und"
"""ISO 639-2's word for undetermined."""

LONGEST = 20_000  # characters looked at: a language shows early

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def language(text: str) -> str:
    """An ISO 639-1 code, with CLD2's variants (zh-Hant); `UNKNOWN` where it is not sure, as of a few words."""
    try:
        is_sure, _, found = pycld2.detect(_UNPRINTABLE.sub(" ", text[:LONGEST]))
    except pycld2.error:
        return UNKNOWN
    code = str(found[0][1])
    return code if is_sure and code != "un" else UNKNOWN


def english(code: str) -> str:
    """The English name of a language, without its variants; "unknown" where it is not known."""
    return _ENGLISH.get(code, _ENGLISH.get(code.split("-")[0], "unknown"))


_NAMES: list[tuple[str, str]] = pycld2.LANGUAGES
_ENGLISH = {code: name.replace("_", " ").title() for name, code in _NAMES if not name.startswith("X_")}
_ENGLISH |= {"zh-Hant": "Chinese", "nn": "Norwegian", "un": "unknown"}
