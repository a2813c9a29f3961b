"""What a reader sees of an answer: the same whole or streamed, nothing lost, nothing dangerous."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.markdown import MARKER, Rendering, render
from arena.markdown.code import COLOURED, LANGUAGES, LONGEST_HIGHLIGHTED
from arena.markdown.formulas import LONGEST_FORMULA
from arena.markdown.page import DEEPEST
from arena.markdown.rendering import LONGEST_CACHED, SHORT_BLOCK

ANSWERS = {path.stem: path.read_bytes().decode() for path in sorted(Path(__file__).parent.glob("answers/*.md"))}
RESENT = {"reference_links"}
"""Their links are defined in another block, which only the whole rendering knows."""


class Client:
    """A browser: appends finished blocks, replaces the open one, or appends to its marker."""

    def __init__(self, answer: Rendering) -> None:
        self.answer = answer
        self.blocks: list[str] = []
        self.open_html = ""
        self.rest = ""
        self.opened = -1
        self.received = 0

    def look(self) -> None:
        new = self.answer.blocks[len(self.blocks) :]
        self.blocks += new
        if self.opened != self.answer.opened:
            self.opened, self.open_html, self.rest = self.answer.opened, self.answer.open_html, self.answer.rest
            self.received += len(self.open_html) + len(self.rest)
        else:
            assert self.open_html == self.answer.open_html
            assert self.answer.rest.startswith(self.rest)
            self.received += len(self.answer.rest) - len(self.rest)
            self.rest = self.answer.rest
        self.received += sum(map(len, new))

    @property
    def page(self) -> str:
        return "".join(self.blocks) + self.open_html.replace(MARKER, f'<span class="rest">{self.rest}</span>')


def chunks(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def stream(text: str, size: int = 16) -> tuple[Client, bool]:
    """The client of an answer that came in pieces of this size, and whether its blocks add up."""
    answer = Rendering()
    client = Client(answer)
    for delta in chunks(text, size):
        answer.feed(delta)
        answer.update()
        client.look()
    adds_up = answer.finish()
    client.look()
    return client, adds_up


class Elements(HTMLParser):
    """Every element and its attributes, the text, and whether all that was opened is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("br", "hr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "math" not in self.open:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


CLASSES = re.compile(r"language-[\w+#.-]+|math|table|html|rest|k|nb|nf|s|m|c|gi|gd")
VALUES = {
    "href": re.compile(r"(https?|mailto):.+", re.IGNORECASE | re.DOTALL),
    "target": re.compile("_blank"),
    "rel": re.compile("nofollow noopener noreferrer"),
    "class": CLASSES,
    "tabindex": re.compile("0"),
    "role": re.compile("group"),
    "aria-label": re.compile("Table"),
    "start": re.compile(r"\d+"),
    "align": re.compile("left|center|right"),
    "type": re.compile("checkbox"),
    "disabled": re.compile(""),
    "checked": re.compile(""),
}
MATHML = re.compile(r"math|m[a-z]+|none")
TAGS = re.compile(
    "a|blockquote|br|code|del|div|em|h[3-6]|hr|input|li|ol|p|pre|span|strong|table|tbody|td|th|thead|tr|ul"
)
MATHML_VALUES = re.compile(r"[\w .+-]*")


def assert_harmless(html: str) -> None:
    elements = Elements(html)
    assert elements.open == []
    for tag, attributes in elements.found:
        assert TAGS.fullmatch(tag) or MATHML.fullmatch(tag), tag
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("style", "id", "src", "name")
            allowed = MATHML_VALUES if MATHML.fullmatch(tag) else VALUES[name]
            assert allowed.fullmatch(value or ""), (tag, name, value)
            if MATHML.fullmatch(tag):
                assert name not in ("href", "class", "mathcolor", "mathbackground", "mathsize")


def text_of(html: str) -> str:
    return Elements(html).text


def letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


HIDDEN = re.compile(
    r"""^[ >]*(?:```|~~~).*$                     # the language of a fence
    |   \]\([^)]*\)? | \]\[[^\]]*\]?             # the target of a link
    |   ^\[[^\]]+\]:.*(?:\n\ \ .*)*              # a definition
    |   \$\$?[^$]*(?:\$\$?|\Z) | \\\(.*?\\\)     # a formula
    |   &\#?\w*;? | \[x\]
    """,
    re.VERBOSE | re.MULTILINE,
)
"""What Markdown does not show; loosely, as it leaves out a little more."""


def is_within(part: str, whole: str) -> bool:
    """All characters of `part` stand in `whole`, in this order."""
    rest = iter(whole)
    return all(letter in rest for letter in part)


def seen(html: str) -> str:
    return re.sub(r"\s+", " ", text_of(html)).strip()


# Whole and streamed are the same --------------------------------------------------------------------------


def test_there_are_thirty_answers_to_try() -> None:
    assert len(ANSWERS) >= 30


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_streamed_letter_by_letter_ends_as_its_whole_rendering(name: str) -> None:
    client, adds_up = stream(ANSWERS[name], size=1)
    assert adds_up == (name not in RESENT)
    assert (client.page == render(ANSWERS[name])) == adds_up


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=15)
@given(data=st.data())
def test_an_answer_streamed_in_any_pieces_ends_as_its_whole_rendering(name: str, data: st.DataObject) -> None:
    text = ANSWERS[name]
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=60).map(sorted))
    quiet = data.draw(st.sets(st.integers(0, 60)))
    answer = Rendering()
    client = Client(answer)
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(text)], strict=True)):
        answer.feed(text[start:end])
        if number not in quiet:
            answer.update()
            client.look()
    adds_up = answer.finish()
    client.look()
    assert adds_up == (name not in RESENT) or "".join(client.blocks) == render(text)
    assert not adds_up or client.page == render(text)


MARKDOWN = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "b c",
                "word ",
                " ",
                "\n",
                "\n\n",
                "\n\n",
                "  ",
                "    ",
                "\t",
                "- ",
                "* ",
                "1. ",
                "2) ",
                "> ",
                "# ",
            ),
            *("```", "````", "~~~", "```py\n", "\n```\n", "`", "*", "**", "_", "~~", "***\n", "---\n", "===\n"),
            *(
                "|",
                "|a|b|\n|-|-|\n",
                "a|b\n-|-\n",
                "<div>\n",
                "</div>",
                "<!--",
                "-->",
                "<b>",
                "&amp;",
                "&",
                "<",
                ">",
            ),
            *(
                "[a]",
                "[a](http://b)",
                "![a](http://b)",
                "](",
                "\\",
                "\\(",
                "\\)",
                "\\[",
                "\\]",
                "$",
                "$$",
                "{",
                "}",
            ),
            *("\r", "\r\n", "\0", "é", "語", "😀", "- [ ] ", "<http://a.b>", "\\\n", "x^2"),
        ]
    ),
    max_size=40,
).map("".join)


@settings(max_examples=1_500)
@given(text=MARKDOWN, size=st.integers(1, 12))
def test_text_made_of_markdown_streams_without_loss(text: str, size: int) -> None:
    client, adds_up = stream(text, size)
    whole = render(text)
    assert adds_up
    assert client.page == whole
    assert_harmless(whole)


@pytest.mark.parametrize("name", ANSWERS)
def test_at_every_moment_all_text_so_far_is_on_the_page_once(name: str) -> None:
    answer = Rendering()
    client = Client(answer)
    for delta in chunks(ANSWERS[name], 13):
        answer.feed(delta)
        answer.update()
        client.look()
        shown = letters(text_of(client.page))
        assert is_within(shown, letters(answer.text) + letters("langle"))
        assert name == "math" or is_within(letters(HIDDEN.sub("", answer.text)), shown)


@pytest.mark.parametrize("name", ANSWERS)
def test_at_every_moment_the_page_is_well_formed_and_has_one_marker(name: str) -> None:
    answer = Rendering()
    for delta in chunks(ANSWERS[name], 7):
        answer.feed(delta)
        answer.update()
        assert answer.open_html.count(MARKER) == 1
        assert_harmless("".join(answer.blocks) + answer.open_with_rest)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_finished_block_never_changes(name: str) -> None:
    answer = Rendering()
    before: list[str] = []
    for delta in chunks(ANSWERS[name], 5):
        answer.feed(delta)
        answer.update()
        assert answer.blocks[: len(before)] == before
        before = list(answer.blocks)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_watcher_that_joins_late_sees_the_same(name: str) -> None:
    answer = Rendering()
    client = Client(answer)
    for delta in chunks(ANSWERS[name], 29):
        answer.feed(delta)
        answer.update()
        client.look()
        assert client.page == "".join(answer.blocks) + answer.open_with_rest


@pytest.mark.parametrize(
    "text",
    [
        "+\n p\nb",  # the parser lets the empty item end among the spaces of the next line
        "\\(\n```\n```\n\\)",  # code between the delimiters of a formula
        "}$$\n* $$\n`$$",  # delimiters in two blocks
        "\\[\n- a\n\\]\n\ntext",  # a formula that looks like a list until it is closed
        "```\nx\n```   \ny",
        "[a]: /u\n'ti\ntle'\n\n[a]",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_blocks_that_once_differed_from_the_whole_do_not(text: str, size: int) -> None:
    client, adds_up = stream(text, size)
    assert adds_up
    assert client.page == render(text)


def test_after_the_end_nothing_is_open() -> None:
    answer = Rendering()
    answer.feed("# Title\n\nText\n")
    assert answer.finish()
    assert (answer.open_html, answer.rest, answer.open_with_rest) == ("", "", "")
    assert answer.blocks == ["<h3>Title</h3>\n", "<p>Text</p>\n"]


def test_an_empty_answer_is_empty() -> None:
    answer = Rendering()
    answer.update()
    assert answer.open_html == MARKER
    assert answer.finish()
    assert answer.blocks == []
    assert render("") == ""


def test_all_that_was_fed_is_kept_with_plain_line_ends() -> None:
    answer = Rendering()
    for delta in ("a\r", "\nb\r", "c\r\n", "", "\n\0"):
        answer.feed(delta)
    assert answer.text == "a\nb\nc\n\n\ufffd"


def test_a_link_defined_in_a_later_block_asks_for_the_whole_again() -> None:
    text = "See [it].\n\nMore.\n\n[it]: https://example.com\n"
    client, adds_up = stream(text)
    assert not adds_up
    assert "<a " not in client.page
    assert "<a " in render(text)


# While it grows -------------------------------------------------------------------------------------------


def opened(text: str, more: str = "") -> Rendering:
    answer = Rendering()
    answer.feed(text)
    answer.update()
    if more:
        answer.feed(more)
        answer.update()
    return answer


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("some text", f"<p>some text{MARKER}</p>\n"),
        ("- a\n- b", f"<ul>\n<li>a</li>\n<li>b{MARKER}</li>\n</ul>\n"),
        ("- a\n  - b", f"<ul>\n<li>a<ul>\n<li>b{MARKER}</li>\n</ul>\n</li>\n</ul>\n"),
        ("> a **b**", f"<blockquote>\n<p>a <strong>b</strong>{MARKER}</p>\n</blockquote>\n"),
        ("# Title", f"<h3>Title{MARKER}</h3>\n"),
        ("```py\nx", f'<pre tabindex="0"><code class="language-py">{MARKER}</code></pre>\n'),
        ("    x", f'<pre tabindex="0"><code>x{MARKER}</code></pre>\n'),
        ("- ```\n  x", f'<ul>\n<li><pre tabindex="0"><code>x{MARKER}</code></pre>\n</li>\n</ul>\n'),
    ],
)
def test_the_marker_is_where_the_text_goes_on(text: str, html: str) -> None:
    assert opened(text).open_html == html


def test_the_marker_of_a_table_is_in_its_last_cell() -> None:
    assert f"<td>2{MARKER}</td></tr>\n</tbody></table></div>\n" in opened("|a|b|\n|-|-|\n|1|2").open_html


def test_plain_words_are_appended_and_marks_are_rendered() -> None:
    answer = opened("Some wor", "ds, and")
    assert (answer.opened, answer.open_html, answer.rest) == (1, f"<p>Some wor{MARKER}</p>\n", "ds, and")
    answer.feed(" **more**")
    answer.update()
    assert (answer.opened, answer.rest) == (2, "")
    assert answer.open_html == f"<p>Some words, and <strong>more</strong>{MARKER}</p>\n"


def test_the_space_between_two_words_survives() -> None:
    assert seen(opened("one ", "two").open_with_rest) == "one two"
    assert seen(opened("one\n", "two").open_with_rest) == "one two"
    assert seen(opened("one " * SHORT_BLOCK, "two").open_with_rest).endswith("one two")


def test_a_code_block_is_opened_once_and_then_appended_to() -> None:
    answer = opened("```py\nif a < b:\n", "    pass\n" * 500)
    assert answer.opened == 1
    assert answer.rest == "if a &lt; b:\n" + "    pass\n" * 500


def test_a_closing_fence_finishes_the_block_at_once() -> None:
    answer = opened("```py\nx = 1\n", "```\n")
    assert answer.open_html == MARKER
    assert answer.blocks == [render("```py\nx = 1\n```\n")]
    assert '<span class="m">1</span>' in answer.blocks[0]


def test_a_code_block_that_comes_at_once_is_finished_at_once() -> None:
    assert len(opened("```py\nx = 1\n```\n").blocks) == 1
    assert len(opened("Text\n\n```py\nx = 1\n```\n").blocks) == 2


def test_what_may_become_a_closing_fence_is_not_shown() -> None:
    answer = opened("```\nx\n", "``")
    assert answer.rest == "x\n"
    answer.feed("y")
    answer.update()
    assert answer.rest == "x\n``y"


def test_a_shorter_or_other_fence_does_not_close_a_block() -> None:
    assert opened("````\n```\n~~~~\n    ````\n````x\n").blocks == []


def test_an_incomplete_line_finishes_nothing() -> None:
    assert opened("para\n\n***").blocks == []
    assert opened("para\n\n***", "bold*** text\n").blocks == ["<p>para</p>\n"]


def test_a_long_answer_is_sent_about_once_whatever_it_is_made_of() -> None:
    for piece in (
        "word ",
        "**bold** and `code` ",
        "- item *x*\n",
        "> quote\n",
        "`a\n",
        "| a | b |\n",
        "<b>\n",
        "x\n",
    ):
        text = piece * (30_000 // len(piece))
        client, _ = stream(text, 40)
        assert client.received < 12 * len(client.page)


def test_a_long_code_block_is_sent_twice_at_most() -> None:
    text = "```python\n" + "value = compute(1, 2)\n" * 1_000 + "```\n"
    client, _ = stream(text, 16)
    assert client.received < len(text) + len(client.page) + 200


# What Markdown becomes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# a", "<h3>a</h3>\n"),
        ("## a", "<h4>a</h4>\n"),
        ("##### a", "<h6>a</h6>\n"),
        ("###### a", "<h6>a</h6>\n"),
        ("a\nb", "<p>a\nb</p>\n"),
        ("a  \nb", "<p>a<br>\nb</p>\n"),
        ("~~a~~", "<p><del>a</del></p>\n"),
        ("***", "<hr>\n"),
        ("- [x] a", '<ul>\n<li><input type="checkbox" disabled="" checked=""> a</li>\n</ul>\n'),
        ("- [ ] a", '<ul>\n<li><input type="checkbox" disabled=""> a</li>\n</ul>\n'),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>\n'),
        ("```nope\n<a>\n```", '<pre tabindex="0"><code class="language-nope">&lt;a&gt;\n</code></pre>\n'),
        ('```"><b>\na\n```', '<pre tabindex="0"><code>a\n</code></pre>\n'),
        ("a <b>b</b>", "<p>a &lt;b&gt;b&lt;/b&gt;</p>\n"),
        ("<div>\n*a*", '<p class="html">&lt;div&gt;\n*a*</p>\n'),
        ("&copy; &lt;b&gt;", "<p>© &lt;b&gt;</p>\n"),
        ("[a](/b) [c](data:x)", "<p>a c</p>\n"),
    ],
)
def test_markdown_becomes_html(text: str, html: str) -> None:
    assert render(text) == html


LINK = '<a href="https://x.org/a" target="_blank" rel="nofollow noopener noreferrer">'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("[*t*](https://x.org/a)", f"<p>{LINK}<em>t</em></a></p>\n"),
        ("![alt](https://x.org/a)", f"<p>{LINK}alt</a></p>\n"),
        ("![](https://x.org/a)", f"<p>{LINK}https://x.org/a</a></p>\n"),
        ("[![alt](https://x.org/b.png)](https://x.org/a)", f"<p>{LINK}alt</a></p>\n"),
        ("[![](https://x.org/b.png)](https://x.org/a)", f"<p>{LINK}https://x.org/b.png</a></p>\n"),
    ],
)
def test_an_image_is_a_link_and_a_link_opens_elsewhere(text: str, html: str) -> None:
    assert render(text) == html


def test_a_table_can_be_scrolled_and_keeps_its_alignment() -> None:
    html = render("|a|b|\n|:-:|-|\n|1|2|")
    assert html.startswith('<div class="table" tabindex="0" role="group" aria-label="Table"><table>')
    assert '<td align="center">1</td><td>2</td>' in html


def test_code_is_coloured_in_the_languages_we_know() -> None:
    assert '<span class="k">def</span> <span class="nf">f</span>' in render("```python\ndef f(): pass\n```")
    assert '<span class="k">fn</span>' in render("~~~rust\nfn f() {}\n~~~")


def test_every_language_we_know_is_one_pygments_knows() -> None:
    for language in LANGUAGES.split():
        assert seen(render(f"```{language}\n\n  x = 1\n\n```")) == "x = 1"


def test_colouring_changes_no_character_of_the_code() -> None:
    code = "\n\n\tif x:  \n    'unclosed\n\n\f&amp; <b> \u202e\n\n"
    for language in ("python", "html", "c", "bash", "diff", "console"):
        assert text_of(render(f"```{language}\n{code}```")) == code.replace("\f", "\ufffd") + "\n"


@pytest.mark.parametrize(
    "code", ["x = 1\n" * LONGEST_HIGHLIGHTED, "x = 1\n" + "\n" * 100, "x = 1 + " * 200 + "1\n"]
)
def test_very_long_or_monotonous_code_stays_plain(code: str) -> None:
    assert "<span" not in render(f"```python\n{code}```")


@pytest.mark.parametrize(
    "text", ["$x+1$", r"\(x+1\)", r"\( x+1 \)", "a $x+1$ b", "**$x+1$**", "|$x+1$|\n|-|", "是$x+1$是"]
)
def test_a_formula_in_a_line_becomes_mathml(text: str) -> None:
    assert "<math><mrow><mi>x</mi><mo>+</mo><mn>1</mn></mrow></math>" in render(text)


@pytest.mark.parametrize(
    "text",
    [
        "$$x+1$$",
        "$$\nx\n+1\n$$",
        r"\[x+1\]",
        "\\[\nx\n+ 1\n\\]",
        "1. a\n   \\[\n   x\n   + 1\n   \\]",
        "> $$\n> x\n> + 1\n> $$",
    ],
)
def test_a_displayed_formula_may_span_lines(text: str) -> None:
    html = render(text)
    assert '<math display="block"><mrow><mi>x</mi><mo>+</mo><mn>1</mn></mrow></math>' in html
    assert "$" not in html


@pytest.mark.parametrize(
    "text",
    [
        *(
            "$5 and $10",
            "$5-$10",
            "$20—$30",
            "US$5/US$6",
            "$HOME and $PATH",
            "$HOME/$USER",
            "a $ b $ c",
            "**$5** **$6**",
        ),
        *(
            "$",
            "$$",
            "$$$",
            "$$ and",
            "- $$\n- $$",
            "`$x$`",
            "```\n$x$\n```",
            "    $x$",
            "`\\(x\\)`",
            "$x",
            "$x $",
        ),
        *("\\$x\\$", "[1\\] \\[2\\]", "\\[3\\](http://x.org)", "\\(a\n\nb\\)", "[a](http://x.org/$b$)"),
    ],
)
def test_what_only_looks_like_a_formula_stays_text(text: str) -> None:
    html = render(text)
    assert "math" not in html
    assert "\x01" not in html
    assert html.count("$") == text.count("$")


def test_math_takes_the_dollars_that_money_leaves() -> None:
    assert seen(render("It costs $10 (or $x$) or $20.")) == "It costs $10 (or ) or $20."
    assert render("It costs $10 (or $x$) or $20.").count("<math>") == 1


@pytest.mark.parametrize("formula", [r"\frac{1", r"\left( x", "^^", r"\begin{x}", r"\def\a{\a\a}\a"])
def test_a_formula_that_cannot_be_read_shows_its_source(formula: str) -> None:
    assert seen(render(f"${formula}$")).strip("$") == formula


def test_a_very_long_formula_shows_its_source() -> None:
    assert '<code class="math">xxx' in render("$" + "x" * (LONGEST_FORMULA + 1) + "$")


def test_a_formula_holds_no_code() -> None:
    assert seen(render("\\[\n```\nx\n```\n\\]")) == "[ x ]"
    assert "<code>x</code>" in render("$a `x` b$")


def test_text_inside_a_formula_is_escaped() -> None:
    assert "<mtext>&lt;b&gt;&amp;</mtext>" in render(r"$\text{<b>&amp;}$")
    assert "href" not in render(r"$\href{javascript:alert(1)}{x}$")
    assert "style=" not in render(r"$\style{color:red}{x}$")


# Hostile text ---------------------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.org/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<template><b>x</b></template>",
    "<hx-partial hx-target='body' hx-swap='innerHTML'>x</hx-partial>",
    "<div hx-get='/x' hx-trigger='load'>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{display:none}</style>",
    "<p style='position:fixed'>x",
    "<!-- --!><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "<!DOCTYPE html><html><body onload=alert(1)>",
    "</div></div></main><h1>outside</h1>",
    "</code></pre><script>x</script>",
    "```\n</code></pre><script>x</script>\n```",
    "```python\n'</span></code></pre><script>x</script>'\n```",
    '```py" onmouseover="alert(1)\nx\n```',
    "```<script>\nx\n```",
    "`</code><script>x</script>`",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x]( javascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](//evil.example)",
    "[x](file:///etc/passwd)",
    '[x](https://a.b "\\" onclick=\\"alert(1)")',
    '[x](https://a.b/"onclick="alert(1))',
    "[x](https://a.b/'><script>x</script>)",
    "<https://a.b/\"onclick='x'>",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    '![x](https://a.b/x.png" onerror="alert(1))',
    '![" onerror="alert(1)](https://a.b)',
    "[a]: javascript:alert(1)\n\n[a]",
    "[a][b]\n\n[b]: <data:text/html,x>",
    "|<script>|a|\n|-|-|\n|</td></tr></table><script>x</script>|b|",
    "- [x] <input type=text onfocus=alert(1) autofocus>",
    "# <b id=x>h</b> {#id .class onclick=x}",
    r"$\text{<script>alert(1)</script>}$",
    r"$\text{</mtext></math><img src=x onerror=alert(1)>}$",
    r"$\href{javascript:alert(1)}{x}$",
    r"$\style{position:fixed}{x}$ $\class{rest}{x}$ $\cssId{a}{x}$",
    r"$\color{red\" onclick=\"x}y$ $\hspace{99999em}x$ $\rule{9999em}{9999em}$",
    r"$\newcommand{\a}{\a\a}\a$ $\def\b{\b}\b$ $\begin{<script>}x\end{<script>}$",
    r"$&lt;script&gt;$ $&#60;b&#62;$ \(<b>\) \[</math><script>x</script>\]",
    MARKER,
    'x <span class="rest">y</span>',
    "\x01\x02 $\x01x$ \x02",
    "a\u202eb\u2066c\u2069 \u200f\u200d\ufeff \ufffe",
    "\ud800 lone \udfff surrogates",
    "\0\0<\0script>",
    "Z" + "\u0300" * 3_000,
    "a\rb\r\r\nc\u2028d\u2029e\u0085f\vg\fh",
    "&#0; &#x110000; &#xD800; &#128; &bogus; &amp;lt;script&amp;gt;",
    "*" * 300 + "a" + "*" * 300,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_out_harmless(text: str) -> None:
    assert_harmless(render(text))
    assert_harmless(render(f"- x\n\n  > {text}\n\n{text}"))
    for size in (1, 5):
        client, _ = stream(text, size)
        assert_harmless(client.page)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_text_writes_a_tag_that_runs_or_swaps(text: str) -> None:
    html = render(text).lower()
    assert not re.search(r"<(?:template|hx-|script|style|img|svg|iframe)", html)
    assert not re.search(r"<[^>]*\s(?:style|id|src|hx-[a-z]+|on[a-z]+)=", html)


@settings(max_examples=500)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_comes_out_harmless(text: str) -> None:
    assert_harmless(render(text))


HUGE = {
    "quotes in quotes": "> " * 500 + "x",
    "lists in lists": "".join("  " * depth + "- x\n" for depth in range(300)),
    "one line": "word " * 20_000,
    "one word": "x" * 100_000,
    "unclosed fence": "```python\n" + "x = (\n" * 5_000,
    "fences": "```\nx\n```\n" * 3_000,
    "brackets": "[" * 10_000,
    "images": "![" * 10_000,
    "half links": "[a](" * 5_000,
    "links": "[a](http://b)" * 3_000,
    "stars": "*" * 10_000,
    "starred": "*a **b " * 3_000,
    "dollars": "$" * 10_000,
    "spaced dollars": "$ " * 10_000,
    "amounts": "$1 " * 10_000,
    "formulas": "$x$ " * 5_000,
    "braces": "$" + "{" * 5_000 + "}" * 5_000 + "$",
    "half formulas": r"\[ " * 5_000 + r"\{ \] " * 5_000,
    "ticks": "`" * 10_000,
    "growing ticks": " ".join("`" * n for n in range(150)),
    "tags": "<a " * 10_000,
    "table of empty cells": "|a" * 1_000 + "|\n" + "|-" * 1_000 + "|\n" + "|x\n" * 1_000,
    "paragraphs": "a\n\n" * 5_000,
    "lines": "a\n" * 10_000,
    "html": "<script>\n" + "x\n" * 10_000,
    "definitions": "".join(f"[{n}]: http://x\n" for n in range(3_000)) + "[1]" * 3_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_huge_text_is_shown_whole_at_a_price_in_keeping(text: str) -> None:
    client, adds_up = stream(text, len(text) // 50)
    assert adds_up or client.page != render(text)
    assert_harmless(client.page)
    assert len(render(text)) < 40 * len(text) + 1_000
    assert client.received < 15 * (len(client.page) + len(text)) + 50 * SHORT_BLOCK


@pytest.mark.parametrize("piece", ["&", "word ", "\n", "```\nx\n```\n"], ids=repr)
def test_time_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    def seconds(size: int) -> float:
        text, start = piece * (size // len(piece)), process_time()
        rendering = Rendering()
        for at in range(0, len(text), 100):
            rendering.feed(text[at : at + 100])
            rendering.update()
        rendering.finish()
        return process_time() - start

    small, large = (min(seconds(size) for _ in range(3)) for size in (50_000, 400_000))
    assert large < 24 * small + 0.05  # 8 times as much text; its square would be 64


def test_nesting_is_cut_off_before_a_browser_does() -> None:
    assert render("> " * 500 + "x").count("<blockquote>") == DEEPEST


def test_an_answer_too_long_to_keep_is_rendered_all_the_same() -> None:
    assert render("x" * (LONGEST_CACHED + 1)) == f"<p>{'x' * (LONGEST_CACHED + 1)}</p>\n"


def colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--code-(\w+): #(\w{6});", css))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


CSS = (Path(__file__).parent.parent / "static" / "code.css").read_text()
LIGHT, DARK = (colours(part) for part in CSS.split("@media"))


def test_the_stylesheet_colours_every_class_that_code_can_have() -> None:
    assert {name for name in COLOURED.values() if f"code .{name} " not in CSS} == set()
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_of_code_can_be_read(theme: dict[str, str]) -> None:
    background = luminance(theme.pop("background"))
    for name, colour in theme.items():
        dark, light = sorted([background, luminance(colour)])
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name
