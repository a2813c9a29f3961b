"""A text that a service sends anew, longer each time, and what each time adds to it. Knows no service."""

from arena.errors import BackendBroken

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class GrowingText:
    """What has been read of a text. Give it each state of the whole, and it gives what came to it.

    Its rules, for a reader has seen what was read and cannot unsee it:

    - what begins with the text so far continues it;
    - a part of the text so far adds nothing: some services trim its end in their last word;
    - anything else is another text, which raises `BackendBroken`.

    Replacement characters at the end are half a character, which the next state has whole; they are held back.
    """

    def __init__(self) -> None:
        self._read = ""

    def added(self, whole: str, *, is_last: bool = False) -> str:
        """What this state of the text adds to the one before; `is_last`: no other state follows."""
        text = whole if is_last else whole.rstrip(_REPLACEMENT)
        if text.startswith(self._read):
            added = text[len(self._read) :]
            self._read = text
            return added
        if self._read.startswith(text):
            return ""
        raise BackendBroken("the text was changed after it had been sent")
