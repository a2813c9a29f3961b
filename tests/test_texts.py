"""Pages that the operator writes: about, rules, terms; and how their files are read."""

import re
from pathlib import Path

import pytest

from arena.app import create_app
from arena.errors import ConfigError
from arena.markdown import document
from arena.texts import read
from tests.house import Screen, Visitor, configure, open_house

ABOUT = """# Our *arena*

Run by the <b>library</b>, see [its page](https://library.example/arena).

## Who pays

| Part | By |
|---|---|
| Power | the town |

### In detail

![logo](https://library.example/logo.png) <script>alert(1)</script> [run](javascript:alert(2))
"""


def write(folder: Path, **texts: str) -> dict[str, str]:
    """The files of these texts, and the table [pages] that names them."""
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, "utf-8")
    return {name: f"{name}.md" for name in texts}


def feet(page: str) -> list[tuple[str, str]]:
    """The links at the foot of a page: where to, in which words."""
    foot = re.search(r"<footer.*?</footer>", page, re.DOTALL)
    return re.findall(r'<a href="([^"]+)">([^<]+)</a>', foot[0]) if foot else []


async def test_a_text_is_a_page_with_its_heading_as_the_title(tmp_path: Path) -> None:
    async with open_house(tmp_path, pages=write(tmp_path, about=ABOUT)) as house, house.visitor() as visitor:
        reply = await visitor.gets("/about")
        assert reply.status_code == 200
        assert "<title>Our arena · Arena</title>" in reply.text
        assert re.findall(r"<h\d[^>]*>([^<]+)", reply.text) == ["Our arena", "Who pays", "In detail"]
        assert re.findall(r"<h(\d)", reply.text) == ["1", "2", "3"]
        assert "<td>the town</td>" in reply.text


async def test_a_text_is_sanitised_as_answers_are(tmp_path: Path) -> None:
    async with open_house(tmp_path, pages=write(tmp_path, about=ABOUT)) as house, house.visitor() as visitor:
        page = (await visitor.gets("/about")).text
        article = page[page.index("<article") : page.index("</article>")]
        assert "&lt;b&gt;library&lt;/b&gt;" in article
        assert not re.search(r"<script|<img|<b>|javascript:", article)
        assert 'href="https://library.example/logo.png"' in article


@pytest.mark.parametrize("path", ["/about", "/rules", "/terms"])
async def test_a_text_that_is_not_set_has_no_page_and_no_link(visitor: Visitor, path: str) -> None:
    assert (await visitor.gets(path)).status_code == 404
    assert feet((await visitor.gets("/")).text) == []


async def test_nobody_can_accept_terms_that_are_not_there(visitor: Visitor) -> None:
    assert (await visitor.posts("/terms", version="")).status_code == 404


async def test_the_foot_of_every_page_leads_to_the_texts_that_are_set(tmp_path: Path) -> None:
    pages = write(tmp_path, rules="Be fair.", terms="Be kind.")
    async with open_house(tmp_path, pages=pages) as house, house.visitor() as visitor:
        for path in ("/", "/leaderboard", "/rules", "/nowhere"):
            links = feet((await visitor.gets(path)).text)
            assert links == [("/rules", "Rules"), ("/terms", "Terms")]
        for path, _ in links:
            assert (await visitor.gets(path)).status_code == 200


async def test_a_text_without_a_heading_is_called_by_what_it_is(tmp_path: Path) -> None:
    async with open_house(tmp_path, pages=write(tmp_path, rules="Be fair.")) as house, house.visitor() as visitor:
        page = (await visitor.gets("/rules")).text
        assert "<h1>Rules</h1>" in page
        assert "Be fair." in Screen(page).text


async def test_texts_are_read_once_at_the_start(tmp_path: Path) -> None:
    async with open_house(tmp_path, pages=write(tmp_path, rules="Be fair.")) as house, house.visitor() as visitor:
        write(tmp_path, rules="Be quick.")
        assert "Be fair." in (await visitor.gets("/rules")).text


@pytest.mark.parametrize("name", ["about", "rules", "terms"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"there is no file .*/text\.md\. Write it, or remove the setting\."),
        (b"caf\xe9", r"/text\.md is not UTF-8: .*position 3.* Save it as UTF-8\."),
        (b" \n\t\n", r"/text\.md is empty\. Write something into it, or remove the setting\."),
        (b"\xef\xbb\xbf", r"/text\.md is empty\."),
    ],
)
def test_a_file_that_cannot_be_shown_is_refused(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "text.md").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^pages\.{name}: .*{words}"):
        read(configure(tmp_path, pages={name: "text.md"}))


def test_a_folder_in_the_place_of_a_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^pages\.terms: .* cannot be read: Is a directory\."):
        read(configure(tmp_path, pages={"terms": ""}))


async def test_the_server_does_not_start_without_a_text_that_is_named(tmp_path: Path) -> None:
    app = create_app(configure(tmp_path, pages={"terms": "terms.md"}), {})
    with pytest.raises(ConfigError, match=r"pages\.terms: there is no file"):
        async with app.router.lifespan_context(app):
            raise AssertionError("it did start")


def version(folder: Path, content: bytes) -> str:
    (folder / "terms.md").write_bytes(content)
    return read(configure(folder, pages={"terms": "terms.md"}))["terms"].version


def test_the_version_changes_with_the_text_alone(tmp_path: Path) -> None:
    first = version(tmp_path, b"Be kind.\nBe fair.\n")
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert version(tmp_path, b"\xef\xbb\xbfBe kind.\r\nBe fair.") == first
    assert version(tmp_path, b"Be kind.\nBe fair!\n") != first
    assert version(tmp_path, b"# Be kind.\nBe fair.\n") != first


@pytest.mark.parametrize(
    ("text", "title", "levels"),
    [
        ("# One\n\n## Two\n\n### Three", "One", [2, 3]),
        ("\n\n  # One #\n# Two\n## Three", "One", [2, 3]),
        ("One\n===\n\n#### Four", "One", [2]),
        ("# C#\nText", "C#", []),
        ("# 1. Be <b> & `kind`\nText", "1. Be <b> & kind", []),
        ("## Two\nText\n# One", "", [3, 2]),
        ("Text first\n\n# One", "", [2]),
        ("    # code", "", []),
        ("#no heading", "", []),
        ("# One\n" + "\n".join(f"{'#' * n} {n}" for n in range(1, 7)), "One", [2, 3, 4, 5, 6, 6]),
    ],
)
def test_headings_stand_below_the_title_in_their_order(text: str, title: str, levels: list[int]) -> None:
    found = document(text, 2)
    assert found.title == title
    assert [int(level) for level in re.findall(r"<h(\d)", found.html)] == levels


def test_the_first_words_are_plain() -> None:
    assert document("# T\n\n**Be** [kind](https://a.example) & `fair`.", 2).words == "Be kind & fair."
