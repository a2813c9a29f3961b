"""The start page: where a battle begins."""

import re
from pathlib import Path

from arena.backend import READY, Status
from tests.house import House, Screen, Visitor, open_house, tables

LOADING = Status("loading", "reading weights", 0.4)


async def start(visitor: Visitor) -> Screen:
    reply = await visitor.gets("/")
    assert reply.status_code == 200
    return Screen(reply.text)


async def test_the_start_page_explains_itself(visitor: Visitor) -> None:
    page = await start(visitor)
    assert "How it works" in page.text
    assert page.html.count("<li><strong>") == 3
    assert "2 models are in the draw." in page.text
    assert '<label for="prompt">' in page.html
    assert "hx-trigger" not in page.inside("models"), "nothing is loading: nothing to ask again"


async def test_the_prompt_box_is_a_plain_form(visitor: Visitor) -> None:
    page = await start(visitor)
    form = re.search(
        r'<form class="composer" method="post" action="/conversations">.*?</form>', page.html, re.DOTALL
    )
    assert form
    assert re.search(r'<textarea[^>]* name="prompt"', form[0])
    assert "<button" in form[0]


async def test_the_start_page_says_how_far_the_models_are(house: House, visitor: Visitor) -> None:
    house.backends["aurora"].become(LOADING)
    page = await start(visitor)
    assert "The models are loading. You can send your prompt now" in page.text
    models = page.inside("models")
    assert "Aurora Prime" in models
    assert "reading weights" in models
    assert '<progress max="1" value="0.4"' in models
    assert "Borealis Nine" not in models
    assert "hx-trigger" in page.html
    house.backends["aurora"].become(READY)
    assert "2 models are in the draw." in (await start(visitor)).text


async def test_the_start_page_says_why_a_model_is_out_of_the_draw(house: House, visitor: Visitor) -> None:
    house.backends["borealis"].become(Status("failed", "not enough <memory>"))
    page = await start(visitor)
    assert "Borealis Nine is out of the draw: not enough <memory>" in " ".join(page.text.split())
    assert "fewer than two models are up" in page.text


async def test_a_model_that_is_never_drawn_does_not_count(tmp_path: Path) -> None:
    models = tables()["models"]
    idle = models[0] | {"name": "Idle", "weight": 0}
    async with open_house(tmp_path, models=[*models, idle]) as house, house.visitor() as visitor:
        assert "2 models are in the draw." in (await start(visitor)).text


async def test_the_title_is_that_of_the_arena(tmp_path: Path) -> None:
    async with open_house(tmp_path, server={"title": "Duel & <Co>"}) as house, house.visitor() as visitor:
        page = await start(visitor)
        assert "<title>Blind battle · Duel &amp; &lt;Co&gt;</title>" in page.html


async def test_a_page_refreshes_itself_without_javascript_while_something_is_to_come(visitor: Visitor) -> None:
    refresh = '<noscript><meta http-equiv="refresh"'
    assert refresh not in (await start(visitor)).html
    cues = await visitor.starts()
    assert refresh in await visitor.sees()
    await visitor.hears(cues)
    assert refresh not in await visitor.sees()
