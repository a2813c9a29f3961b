"""What a visitor may like in an answer apart from what it says, and the language of a prompt."""

import pytest

from arena.language import UNKNOWN, language
from arena.markdown import Looks, looks

PAGE = """# Title

Some **bold** and __bold too__, a formula $a^2$ and `code`.

## Steps

1. one
2. two
   - inside

```python
# no header
**not bold**
```
"""


def test_the_looks_of_a_page_are_counted_as_markdown_has_them() -> None:
    assert looks(PAGE) == Looks(len(PAGE), headers=2, lists=3, bold=2, code_blocks=1, formulas=1)


def test_plain_text_has_no_looks_but_its_length() -> None:
    assert looks("Just words, 3 < 4.") == Looks(18)
    assert looks("") == Looks()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Why is the sky blue?", "en"),
        ("Warum ist der Himmel blau?", "de"),
        ("Pourquoi le ciel est-il bleu ?", "fr"),
        ("Почему небо голубое?", "ru"),
        ("2 + 2", UNKNOWN),
        ("", UNKNOWN),
        ("\ud800\x00\x7f", UNKNOWN),
    ],
)
def test_the_language_of_a_prompt_is_told_or_left_open(text: str, code: str) -> None:
    assert language(text) == code
