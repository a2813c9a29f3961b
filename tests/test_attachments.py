"""Pictures come with a prompt: added, removed, sent, shown to their visitor and given to models that read them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from arena import config as configuration
from arena.backend import READY, Delta, Image, Message, Prompt, Status
from arena.matchmaker import contenders, pair_probability
from arena.providers.script import ScriptBackend
from arena.router import Router
from arena.store import attachments
from arena.upkeep import Upkeep
from tests import hostile
from tests.house import House, Visitor, open_house, tables
from tests.photos import SEEING, adds, gallery, keys, photo, pictures, seen, uploads, words
from tests.test_texts import write

PNG, OTHER, THIRD = photo(kind="PNG"), photo(70, 50), photo(30, 90)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, **gallery()) as found:
        yield found


async def starts(visitor: Visitor, *files: bytes, prompt: str = "What is this?") -> dict[Any, Any]:
    """A battle about these pictures; each side's cue."""
    added = await adds(visitor, *files)
    assert added.status_code == 200, added.text
    reply = await visitor.http.post("/conversations", data={"prompt": prompt, "attachment": keys(added.text)})
    assert reply.status_code == 303, reply.text
    visitor.path = reply.headers["location"]
    return await visitor.cues()


async def count(house: House, table: str) -> int:
    ((found,),) = await house.sql(f"SELECT count(*) FROM {table}")
    return int(found)


# Adding and removing


async def test_a_picture_that_is_added_is_listed_with_its_name_and_a_way_to_remove_it(visitor: Visitor) -> None:
    reply = await adds(visitor, PNG)
    assert reply.status_code == 200
    assert "<html" not in reply.text
    assert 'data-said="Added: photo-1.jpg."' in reply.text
    assert 'alt="photo-1.jpg"' in reply.text
    assert 'aria-label="Remove photo-1.jpg"' in reply.text
    (address,) = pictures(reply.text)
    assert seen((await visitor.gets(address)).content).size == (64, 48)


async def test_what_is_there_already_stays_in_the_list(visitor: Visitor) -> None:
    (first,) = keys((await adds(visitor, PNG)).text)
    both = (await adds(visitor, OTHER, attachment=first)).text
    assert keys(both)[0] == first
    assert len(keys(both)) == 2


async def test_what_is_removed_is_gone_and_the_rest_stays(house: House, visitor: Visitor) -> None:
    first, second = keys((await adds(visitor, PNG, OTHER)).text)
    reply = await uploads(visitor, [], {"to": "/conversations", "attachment": [first, second], "remove": first})
    assert keys(reply.text) == [second]
    assert 'data-said="Removed."' in reply.text
    assert await house.sql("SELECT id FROM attachments") == [(second,)]


async def test_a_form_without_files_removes_as_well(visitor: Visitor) -> None:
    first, second = keys((await adds(visitor, PNG, OTHER)).text)
    form = {"to": "/conversations", "attachment": [first, second], "remove": second}
    reply = await visitor.http.post("/attachments", data=form, headers={"HX-Request": "true"})
    assert keys(reply.text) == [first]


async def test_what_belongs_to_somebody_else_can_neither_be_sent_nor_removed_nor_seen(
    house: House, visitor: Visitor
) -> None:
    reply = await adds(visitor, PNG)
    (key,), (address,) = keys(reply.text), pictures(reply.text)
    async with house.visitor() as other:
        await adds(other, OTHER)
        assert (
            keys((await uploads(other, [], {"to": "/conversations", "attachment": key, "remove": key})).text) == []
        )
        assert (await other.gets(address)).status_code == 404
        refused = await other.posts("/conversations", prompt="Mine now?", attachment=key)
        assert refused.status_code == 422
        assert "no longer there" in refused.text
    assert await count(house, "conversations") == 0
    assert (await visitor.gets(address)).status_code == 200
    await visitor.posts("/conversations", prompt="What is this?", attachment=key)
    assert await house.sql("SELECT id, turn, position FROM attachments WHERE turn IS NOT NULL") == [(key, 1, 0)]


async def test_the_same_picture_is_stored_once_whoever_hands_it_in(house: House, visitor: Visitor) -> None:
    await adds(visitor, PNG, PNG)
    async with house.visitor() as other:
        await adds(other, PNG)
    assert await count(house, "images") == 1
    assert await count(house, "attachments") == 3


# Limits


async def test_four_pictures_come_with_a_prompt_and_a_fifth_does_not(house: House, visitor: Visitor) -> None:
    reply = await adds(visitor, *(photo(40 + n) for n in range(5)))
    assert len(keys(reply.text)) == 4
    assert "photo-5.jpg: Only 4 pictures can come with a prompt." in words(reply.text)
    assert await count(house, "attachments") == 4
    more = await adds(visitor, PNG)
    form = {"prompt": "All of them?", "attachment": keys(reply.text) + keys(more.text)}
    refused = await visitor.http.post("/conversations", data=form)
    assert refused.status_code == 422
    assert "Only 4 pictures" in refused.text
    assert len(pictures(refused.text)) == 5
    assert await count(house, "conversations") == 0


async def test_a_picture_that_is_too_large_is_refused_by_name_and_the_others_are_taken(tmp_path: Path) -> None:
    big = photo(600, 600, quality=100) + bytes(60_000)
    limits = {"image_bytes": 50_000, "document_bytes": 40_000}
    async with open_house(tmp_path, limits=limits, **gallery()) as house, house.visitor() as visitor:
        reply = await adds(visitor, big, PNG)
        assert len(keys(reply.text)) == 1
        assert "photo-1.jpg: This picture has 50,001 bytes; the limit is 50,000." in words(reply.text)
        assert 'role="alert"' in reply.text


async def test_a_body_that_is_too_large_is_left_unread(tmp_path: Path) -> None:
    limits = {"images": 1, "image_bytes": 5000, "document_bytes": 5000, "body_bytes": 1000}
    async with open_house(tmp_path, limits=limits, **gallery()) as house, house.visitor() as visitor:
        reply = await adds(visitor, bytes(20_000))
        assert reply.status_code == 413

        async def unannounced() -> AsyncIterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
            for _ in range(20):
                yield bytes(1000)

        kind = "multipart/form-data; boundary=x"
        assert (await visitor.sends("/attachments", unannounced(), **{"content-type": kind})).status_code == 413
        assert await count(house, "attachments") == 0


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", b"\xff" * 99]
)
async def test_a_form_that_cannot_be_read_is_refused(visitor: Visitor, body: bytes) -> None:
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert (await visitor.sends("/attachments", body, **kind)).status_code in (400, 422)
    nameless = {"content-type": "multipart/form-data"}
    assert (await visitor.sends("/attachments", body, **nameless)).status_code == 400


async def test_a_form_in_a_charset_that_is_none_is_refused(visitor: Visitor) -> None:
    body = b"--x\r\nContent-Disposition: form-data; name=prompt\r\n\r\nWhy?\r\n--x--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=x; charset=undefined"}
    reply = await visitor.sends("/attachments", body, **kind)
    assert reply.status_code == 400
    assert "could not be read: charset" in reply.text


async def test_what_is_no_picture_is_said_so(visitor: Visitor) -> None:
    reply = await adds(visitor, PNG[:60], b"\x00\x01 neither text nor picture")
    assert keys(reply.text) == []
    assert "photo-1.jpg: This picture could not be read." in words(reply.text)
    assert "photo-2.jpg: " in words(reply.text)


@pytest.mark.parametrize("start", range(0, len(hostile.names()), 20))
async def test_hostile_names_are_shown_as_text(visitor: Visitor, start: int) -> None:
    names = hostile.names()[start : start + 4]
    reply = await uploads(
        visitor, [("file", (name, PNG, "image/png")) for name in names], {"to": "/conversations"}
    )
    assert len(keys(reply.text)) == len(names)
    for forbidden in ("<script", "<svg", "<iframe", "<img src=x", "\u202e", "\0"):
        assert forbidden not in reply.text
    form = {"prompt": "Well?", "attachment": keys(reply.text)}
    visitor.path = (await visitor.http.post("/conversations", data=form)).headers["location"]
    page = await visitor.sees()
    assert len(pictures(page)) == 1
    for forbidden in ("<script>", "<iframe", "<img src=x", "\u202e"):
        assert forbidden not in page


async def test_folders_are_no_part_of_a_name(visitor: Visitor) -> None:
    files = [("file", (name, PNG, "image/png")) for name in ("../../etc/cat.png", "D:\\pictures\\dog.png", "/")]
    found = (await uploads(visitor, files, {"to": "/conversations"})).text
    assert 'alt="cat.png"' in found
    assert 'alt="dog.png"' in found
    assert 'alt="File"' in found


# Sent


async def test_both_models_get_the_pictures_in_order_before_the_words(visitor: Visitor) -> None:
    cues = await starts(visitor, PNG, OTHER)
    for cue in cues.values():
        (message,) = cue.prompt.messages
        assert message.content == "What is this?"
        assert [seen(image.data).size for image in message.images] == [(64, 48), (70, 50)]
        assert all(image.media_type == "image/jpeg" for image in message.images)


async def test_pictures_are_shown_with_their_prompt_and_counted(house: House, visitor: Visitor) -> None:
    await visitor.hears(await starts(visitor, PNG, OTHER))
    page = await visitor.sees()
    shown = page.partition('class="with"')[2].partition("</ul>")[0]
    assert shown.count("<img ") == 2
    assert 'alt="photo-2.jpg"' in shown
    assert 'width="70" height="50"' in shown
    assert await house.sql("SELECT images FROM turns") == [(2,)]


async def test_later_turns_carry_the_pictures_of_earlier_ones(visitor: Visitor) -> None:
    await visitor.hears(await starts(visitor, PNG))
    await visitor.hears(await visitor.asks("And its colour?"))
    more = await adds(visitor, OTHER, to=f"{visitor.path}/turns")
    await visitor.posts(f"{visitor.path}/turns", prompt="And this?", attachment=keys(more.text)[0])
    for cue in (await visitor.cues()).values():
        counted = [len(message.images) for message in cue.prompt.messages]
        assert counted == [1, 0, 0, 0, 1]
        assert seen(cue.prompt.messages[0].images[0].data).size == (64, 48)


async def test_an_answer_that_is_written_again_gets_them_too(visitor: Visitor) -> None:
    await visitor.hears(await starts(visitor, PNG))
    cue = await visitor.regenerates("a")
    assert len(cue.prompt.messages[-1].images) == 1


async def test_a_restart_loses_no_picture(tmp_path: Path) -> None:
    async with open_house(tmp_path, **gallery()) as house, house.visitor() as visitor:
        await starts(visitor, PNG)
    async with open_house(tmp_path, **gallery()) as house, house.visitor(visitor) as again:
        assert len(pictures(await again.sees())) == 1
        cues = await again.cues()
        assert all(len(cue.prompt.messages[0].images) == 1 for cue in cues.values())


async def test_an_attachment_goes_with_one_prompt_alone(house: House, visitor: Visitor) -> None:
    (key,) = keys((await adds(visitor, PNG)).text)
    await visitor.posts("/conversations", prompt="One", attachment=key)
    again = await visitor.posts("/conversations", prompt="Two", attachment=key)
    assert again.status_code == 422
    assert "Nothing was sent" in again.text
    assert await house.sql("SELECT prompt FROM turns") == [("One",)]


async def test_of_two_sent_at_once_one_has_the_picture(house: House, visitor: Visitor) -> None:
    (key,) = keys((await adds(visitor, PNG)).text)
    replies = await asyncio.gather(
        *(visitor.posts("/conversations", prompt=f"{n}", attachment=key) for n in range(4))
    )
    assert sorted(reply.status_code for reply in replies) == [303, 422, 422, 422]
    assert await count(house, "turns") == 1


async def test_a_prompt_that_is_refused_gives_its_pictures_back(visitor: Visitor) -> None:
    (key,) = keys((await adds(visitor, PNG)).text)
    reply = await visitor.posts("/conversations", prompt="x" * 12_001, attachment=key)
    assert reply.status_code == 422
    assert keys(reply.text) == [key]
    assert len(pictures(reply.text)) == 1


async def test_a_file_that_was_chosen_and_not_added_is_not_lost_in_silence(house: House, visitor: Visitor) -> None:
    reply = await visitor.posts("/conversations", prompt="What is this?", file="cat.png")
    assert reply.status_code == 422
    assert "You have chosen a file and not added it yet" in unescape(reply.text)
    assert "What is this?" in reply.text
    for nothing in ("", "[object File]"):
        assert (await visitor.posts("/conversations", prompt="Why?", file=nothing)).status_code == 303


# Edited


async def test_an_edited_prompt_keeps_its_pictures_unless_one_is_removed(house: House, visitor: Visitor) -> None:
    await visitor.hears(await starts(visitor, PNG, OTHER))
    box = (await visitor.sees()).partition('class="edit"')[2]
    first, second = keys(box)
    form = {"to": f"{visitor.path}/prompt", "box": "edit", "attachment": [first, second], "remove": first}
    left = await uploads(visitor, [], form)
    assert keys(left.text) == [second]
    assert len(pictures((await visitor.sees()).partition('class="with"')[2].partition("</ul>")[0])) == 2
    more = await adds(visitor, THIRD, to=f"{visitor.path}/prompt", attachment=second)
    kept = {"prompt": "And now?", "attachment": keys(more.text)}
    assert (await visitor.http.post(f"{visitor.path}/prompt", data=kept)).status_code == 303
    for cue in (await visitor.cues()).values():
        (message,) = cue.prompt.messages
        assert [seen(image.data).size for image in message.images] == [(70, 50), (30, 90)]
    assert await house.sql("SELECT images FROM turns") == [(2,)]
    assert await house.sql("SELECT count(*) FROM attachments WHERE conversation_id IS NULL") == [(0,)]


async def test_what_is_with_an_earlier_turn_cannot_be_sent_again(visitor: Visitor) -> None:
    (key,) = keys((await adds(visitor, PNG)).text)
    reply = await visitor.posts("/conversations", prompt="One", attachment=key)
    visitor.path = reply.headers["location"]
    await visitor.hears(await visitor.cues())
    again = await visitor.posts(f"{visitor.path}/turns", prompt="Two", attachment=key)
    assert again.status_code == 422


# Who is drawn


async def test_a_battle_about_a_picture_draws_models_that_read_pictures(house: House, visitor: Visitor) -> None:
    for _ in range(8):
        cues = await starts(visitor, PNG)
        for cue in cues.values():
            cue.end()
        await visitor.waits()
    rows = await house.sql("SELECT model_a, model_b, pair_probability FROM conversations")
    assert {frozenset(row[:2]) for row in rows} == {frozenset(SEEING[:2])}
    assert {row[2] for row in rows} == {1.0}


def weighted(tmp_path: Path) -> configuration.Config:
    """Four models, of which three read pictures, one of these pictures alone."""
    models = [
        {"name": "A", "backends": ["x"], "vision": True},
        {"name": "B", "backends": ["x"], "vision": True, "weight": 3},
        {"name": "C", "backends": ["x"], "vision": True, "text": False},
        {"name": "T", "backends": ["x"], "weight": 50},
    ]
    rules = {"image_weights": {"A": 8.0}}
    found = {"providers": [{"name": "x", "format": "script"}], "models": models, "matchmaker": rules}
    return configuration.parse(tables(**found), tmp_path / "config.toml")


@pytest.mark.parametrize("policy", ["weighted", "balanced", "informative"])
async def test_pictures_have_weights_of_their_own_and_the_chance_is_that_of_the_draw(
    tmp_path: Path, policy: str
) -> None:
    config = weighted(tmp_path)
    assert contenders(config.models, config.matchmaker) == {"A": 1, "B": 3, "T": 50}
    weights = contenders(config.models, config.matchmaker, has_images=True)
    assert weights == {"A": 8, "B": 3, "C": 1}
    router = Router(config, {"x": ScriptBackend(configuration.Script(name="x"))}, Random(5))
    drawn = [pair for _ in range(4000) if (pair := router.draw(has_images=True))]
    met = Counter(frozenset((pair.a, pair.b)) for pair in drawn)
    for pair in drawn[:50]:
        assert pair.probability == pytest.approx(pair_probability(weights, pair.a, pair.b))
        assert met[frozenset((pair.a, pair.b))] / len(drawn) == pytest.approx(pair.probability, abs=0.03)
    assert all("T" not in pair for pair in met)
    await router.close()


async def test_a_battle_about_a_picture_waits_for_models_that_read_pictures(tmp_path: Path) -> None:
    async with open_house(tmp_path, **gallery()) as house, house.visitor() as visitor:
        loading = house.backends[SEEING[0].split()[0].lower()]
        loading.become(Status("loading"))
        (key,) = keys((await adds(visitor, PNG)).text)
        reply = await visitor.posts("/conversations", prompt="What is this?", attachment=key)
        visitor.path = reply.headers["location"]
        assert await house.sql("SELECT model_a FROM conversations") == [(None,)]
        loading.become(READY)
        async with visitor.watches() as stream:
            await stream.until("Stop both")
        assert all(cue.prompt.messages[0].images for cue in (await visitor.cues()).values())
        loading.become(Status("failed"))
        (key,) = keys((await adds(visitor, PNG)).text)
        refused = await visitor.posts("/conversations", prompt="And now?", attachment=key)
        assert refused.status_code == 503
        assert "fewer than two models that read pictures are up" in refused.text


async def test_an_arena_with_fewer_than_two_that_read_pictures_says_so_before_anything_is_stored(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, **gallery(SEEING[0])) as house, house.visitor() as visitor:
        reply = await adds(visitor, PNG)
        assert "fewer than two models of this arena read pictures" in words(reply.text)
        assert keys(reply.text) == []
        assert await count(house, "images") == 0
        file = [("file", ("a.png", PNG, "image/png"))]
        page = await uploads(visitor, file, {"to": "/conversations"}, **{"HX-Request": ""})
        assert page.status_code == 422
        assert "fewer than two models of this arena read pictures" in words(page.text)


async def test_a_picture_that_waits_where_nobody_reads_pictures_any_more_is_refused(tmp_path: Path) -> None:
    async with open_house(tmp_path, **gallery()) as house, house.visitor() as visitor:
        (key,) = keys((await adds(visitor, PNG)).text)
    async with open_house(tmp_path, **gallery(SEEING[0])) as house, house.visitor(visitor) as again:
        reply = await again.posts("/conversations", prompt="What is this?", attachment=key)
        assert reply.status_code == 422
        assert "fewer than two models of this arena read pictures" in reply.text
        assert await count(house, "conversations") == 0


async def test_a_battle_that_began_with_text_says_the_same_whoever_is_in_it(
    house: House, visitor: Visitor
) -> None:
    said = set()
    for _ in range(12):
        await visitor.plays()
        reply = await adds(visitor, PNG, to=f"{visitor.path}/turns")
        assert keys(reply.text) == []
        said.add(words(reply.text))
    pairs = await house.sql("SELECT DISTINCT min(model_a, model_b), max(model_a, model_b) FROM conversations")
    assert len(pairs) > 1
    (same,) = said
    assert "A picture can only be added to a battle that began with one" in same
    assert not any(name in same for name in SEEING)


async def test_a_picture_that_comes_to_a_battle_about_text_is_refused_before_anything_is_stored(
    house: House, visitor: Visitor
) -> None:
    await visitor.plays()
    (key,) = keys((await adds(visitor, PNG)).text)  # added on another page
    before = await house.sql("SELECT * FROM turns")
    for path in ("turns", "prompt"):
        reply = await visitor.posts(f"{visitor.path}/{path}", prompt="And this?", attachment=key)
        assert reply.status_code == 422
        assert "began with one" in reply.text
        assert keys(reply.text) == [key]
    assert await house.sql("SELECT * FROM turns") == before


async def test_where_every_model_reads_pictures_one_may_come_at_any_time(tmp_path: Path) -> None:
    async with open_house(tmp_path, **gallery(*SEEING)) as house, house.visitor() as visitor:
        await visitor.plays()
        (key,) = keys((await adds(visitor, PNG, to=f"{visitor.path}/turns")).text)
        await visitor.posts(f"{visitor.path}/turns", prompt="And this?", attachment=key)
        assert all(cue.prompt.messages[-1].images for cue in (await visitor.cues()).values())


async def test_models_chosen_by_name_that_read_text_alone_say_so(house: House, visitor: Visitor) -> None:
    one, _, blind = SEEING
    chat = {"mode": "direct", "model": blind}
    reply = await adds(visitor, PNG, **chat)
    assert f"No picture can be sent: {blind} reads text alone." in words(reply.text)
    both = {"mode": "side_by_side", "a": one, "b": blind}
    assert f"{blind} reads text alone" in words((await adds(visitor, PNG, **both)).text)
    (key,) = keys((await adds(visitor, PNG)).text)
    for fields in (chat, both):
        refused = await visitor.posts("/conversations", prompt="What is this?", attachment=key, **fields)
        assert refused.status_code == 422
        assert f"{blind} reads text alone" in refused.text
    assert await count(house, "conversations") == 0


async def test_models_chosen_by_name_get_pictures_in_any_turn(house: House, visitor: Visitor) -> None:
    chat = {"mode": "direct", "model": SEEING[1]}
    reply = await visitor.posts("/conversations", prompt="Hello", **chat)
    path, backend = reply.headers["location"], house.backends["deepsight"]
    cue = await backend.asked()
    cue.say("Hi.")
    cue.end()
    visitor.path = path
    await visitor.waits()
    (key,) = keys((await adds(visitor, PNG, to=f"{path}/turns")).text)
    assert (await visitor.posts(f"{path}/turns", prompt="And this?", attachment=key)).status_code == 303
    assert len((await backend.asked()).prompt.messages[-1].images) == 1


# Seen by nobody else, and telling nothing


async def test_a_picture_is_kept_by_its_visitors_browser_alone(visitor: Visitor) -> None:
    (address,) = pictures((await adds(visitor, PNG)).text)
    headers = (await visitor.gets(address)).headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["content-disposition"] == "inline"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers
    for other in ("/images/0", "/images/" + "0" * 64, "/images/..%2f..", f"{address}x", address.upper()):
        assert (await visitor.gets(other)).status_code == 404


async def test_no_name_leaves_with_a_battle_about_pictures(house: House, visitor: Visitor) -> None:
    cues = await starts(visitor, PNG)
    async with visitor.watches() as stream:
        await visitor.hears(cues)
        await stream.to_the_end()
    await adds(visitor, OTHER, to=f"{visitor.path}/turns")
    for address in pictures(await visitor.sees()):
        await visitor.gets(address)
    said = b"".join(visitor.received)
    for name in SEEING:
        assert name.encode() not in said
        assert name.split()[0].lower().encode() not in said


# Without scripts


async def test_without_scripts_the_page_comes_back_with_the_draft_and_the_list(visitor: Visitor) -> None:
    form = {"to": "/conversations", "prompt": 'Is "it" <red>?\n\n 1'}
    reply = await uploads(visitor, [("file", ("cat.png", PNG, "image/png"))], form, **{"HX-Request": ""})
    assert reply.status_code == 200
    assert "Start the battle" in reply.text
    assert "Is &#34;it&#34; &lt;red&gt;?\n\n 1</textarea>" in reply.text
    (key,) = keys(reply.text)
    assert 'alt="cat.png"' in reply.text
    more = {**form, "attachment": key}
    second = await uploads(visitor, [("file", ("b.txt.png", OTHER, "image/png"))], more, **{"HX-Request": ""})
    assert len(keys(second.text)) == 2
    less = await visitor.posts(
        "/attachments", prompt=form["prompt"], to="/conversations", attachment=key, remove=key
    )
    assert keys(less.text) == []
    assert "1</textarea>" in less.text


async def test_without_scripts_a_battle_is_gone_on_with_and_edited(visitor: Visitor) -> None:
    await visitor.hears(await starts(visitor, PNG))
    file = [("file", ("cat.png", OTHER, "image/png"))]
    follow = await uploads(visitor, file, {"to": f"{visitor.path}/turns", "prompt": "Next"}, **{"HX-Request": ""})
    assert "Next</textarea>" in follow.text.partition('class="edit"')[0]
    edit = {"to": f"{visitor.path}/prompt", "box": "edit", "prompt": "Other words"}
    edited = await uploads(visitor, file, edit, **{"HX-Request": ""})
    box = edited.text.partition('<details class="edit" open>')[2].partition("</details>")[0]
    assert "Other words</textarea>" in box
    assert 'alt="cat.png"' in box


async def test_without_scripts_chosen_models_stay_chosen(visitor: Visitor) -> None:
    one, two, _ = SEEING
    for form, heading in (
        ({"mode": "direct", "model": one, "temperature": "0.5"}, f"Chat with {one}"),
        ({"mode": "side_by_side", "a": one, "b": two, "temperature": "0.5"}, two),
    ):
        file = [("file", ("cat.png", PNG, "image/png"))]
        fields = {"to": "/conversations", "prompt": "Hm", **form}
        reply = await uploads(visitor, file, fields, **{"HX-Request": ""})
        assert reply.status_code == 200
        assert heading in reply.text
        assert 'value="0.5"' in reply.text
        assert len(keys(reply.text)) == 1


async def test_a_conversation_that_has_gone_on_gives_the_draft_back(visitor: Visitor) -> None:
    await visitor.hears(await starts(visitor, PNG))
    await visitor.votes("a")
    form = {"to": f"{visitor.path}/turns", "prompt": "Still there?"}
    reply = await uploads(visitor, [("file", ("cat.png", PNG, "image/png"))], form, **{"HX-Request": ""})
    assert reply.status_code == 409
    assert "Still there?" in reply.text
    assert len(keys(reply.text)) == 1
    assert f'action="{visitor.path}/turns"' in reply.text


async def test_nothing_can_be_added_to_what_is_no_prompt(visitor: Visitor) -> None:
    for to in ("", "/admin/login", "https://evil.example/", "//evil.example"):
        form = {"to": to, "prompt": "What is this?"}
        reply = await uploads(visitor, [("file", ("a.png", PNG, "image/png"))], form, **{"HX-Request": ""})
        assert reply.status_code == 422
        assert "evil" not in reply.text.partition("<main")[2]


# The terms


async def test_nothing_is_taken_in_before_the_terms_are_accepted(tmp_path: Path) -> None:
    pages = write(tmp_path, terms="# Rules\n\nBe kind.")
    async with open_house(tmp_path, pages=pages, **gallery()) as house, house.visitor() as visitor:
        assert "Please accept the terms first" in (await adds(visitor, PNG)).text
        plain = await visitor.http.post(
            "/attachments",
            files={"file": ("a.png", PNG)},
            data={"to": "/conversations", "prompt": "What is this?"},
        )
        assert plain.status_code == 428
        assert "Please accept the terms first" in plain.text
        assert "What is this?" in plain.text
        assert await count(house, "images") == 0


async def test_pictures_survive_terms_that_have_changed(tmp_path: Path) -> None:
    async with open_house(tmp_path, **gallery()) as house, house.visitor() as earlier:
        added = keys((await adds(earlier, PNG, OTHER)).text)
    pages = write(tmp_path, terms="# Rules\n\nBe kind.")
    async with open_house(tmp_path, pages=pages, **gallery()) as house, house.visitor(earlier) as visitor:
        asked = await visitor.http.post("/conversations", data={"prompt": "What is this?", "attachment": added})
        assert asked.status_code == 428
        assert keys(asked.text) == added
        form = {
            "version": house.context.texts["terms"].version,
            "action": "/conversations",
            "prompt": "What is this?",
        }
        back = await visitor.http.post("/terms", data={**form, "to": "/", "attachment": added})
        assert back.status_code == 200
        assert keys(back.text) == added
        assert len(pictures(back.text)) == 2


# Swept


async def test_what_is_never_sent_is_deleted_after_a_day_and_what_was_sent_stays(
    house: House, visitor: Visitor
) -> None:
    await visitor.hears(await starts(visitor, PNG))
    await adds(visitor, PNG, OTHER)
    upkeep, now = Upkeep(house.config, house.context.store), datetime.now(UTC)
    await upkeep.sweep(now + timedelta(hours=23))
    assert await count(house, "attachments") == 3
    await upkeep.sweep(now + timedelta(hours=25))
    assert await count(house, "attachments") == 1
    assert await count(house, "images") == 1
    (address,) = pictures(await visitor.sees())
    assert (await visitor.gets(address)).status_code == 200


async def test_no_more_waits_than_somebody_can_mean_to_send(
    house: House, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "WAITING", 2)
    await visitor.hears(await starts(visitor, PNG))
    assert (await adds(visitor, PNG, OTHER)).status_code == 200
    assert "Too many of your files wait for a prompt" in (await adds(visitor, PNG)).text
    assert await count(house, "attachments") == 3
    async with house.visitor() as other:
        assert "Too many" not in (await adds(other, PNG)).text


async def test_a_picture_that_no_prompt_has_any_more_is_deleted(house: House, visitor: Visitor) -> None:
    await visitor.hears(await starts(visitor, PNG, OTHER))
    _, kept = keys((await visitor.sees()).partition('class="edit"')[2])
    await visitor.posts(f"{visitor.path}/prompt", prompt="Only one", attachment=kept)
    assert await count(house, "images") == 2
    await Upkeep(house.config, house.context.store).sweep(datetime.now(UTC))
    assert await count(house, "images") == 1


async def test_leftovers_are_looked_for_when_the_server_starts(tmp_path: Path) -> None:
    async with open_house(tmp_path, **gallery()) as house, house.visitor() as visitor:
        await adds(visitor, PNG)
        await house.sql("UPDATE attachments SET created_at = '2020-01-01 00:00:00.000000'")
    async with open_house(tmp_path, **gallery()) as house:
        while await count(house, "images"):  # noqa: ASYNC110  another connection changes it
            await asyncio.sleep(0.01)


# The script backend


async def test_a_script_can_say_how_many_pictures_it_got() -> None:
    backend = ScriptBackend(configuration.Script(name="x", answer="I see {images} of them."))
    chat = (
        Message("user", "One", (Image("image/png", b"1"),)),
        Message("user", "Two", (Image("image/png", b"2"),)),
    )
    said = [piece.text async for piece in backend.stream(Prompt(chat)) if isinstance(piece, Delta)]
    assert "".join(said) == "I see 2 of them."
