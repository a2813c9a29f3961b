"""`arena check`: every backend is asked, and what fails comes with what to do about it."""

import asyncio
import re
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from arena.cli.check import MENDS
from arena.errors import BACKEND_ERRORS
from tests.processes import run, scripted, write_config
from tests.servers import nowhere, serving
from tests.terminals import open_terminal

KEY = "sk-planted-0123456789"


def rows(text: str) -> list[list[str]]:
    """The table without its headings: a list of cells a line."""
    return [re.split(r" {2,}", line) for line in text.splitlines()[1:]]


def arena_of(*backends: dict[str, Any]) -> dict[str, Any]:
    """config.toml, decoded, with a model for each backend."""
    models = [{"name": backend["name"].title(), "backends": [backend["name"]]} for backend in backends]
    return {"providers": list(backends), "models": models}


def hosted(url: str, **settings: Any) -> dict[str, Any]:
    return {"name": "hosted", "format": "openai", "base_url": f"{url}/v1", "model": "tiny-1"} | settings


async def test_each_model_answers_on_each_of_its_backends(tmp_path: Path) -> None:
    arena = scripted("one two three four", "A.", words_per_second=50)
    arena["models"][1]["backends"] = ["borealis", "aurora"]
    write_config(tmp_path, arena)
    finished = await run(tmp_path, "check")
    assert finished.status == 0
    assert finished.text.split("\n")[0].split("  ")[-1] == "mend"
    assert [(row[0], row[1], row[2], row[5]) for row in rows(finished.text)] == [
        ("ok", "Aurora Prime", "aurora", "answers"),
        ("ok", "Borealis Nine", "borealis", "answers"),
        ("ok", "Borealis Nine", "aurora", "answers"),
    ]
    assert re.fullmatch(r"\d+ ms", rows(finished.text)[0][3])
    assert 25 < float(rows(finished.text)[0][4]) < 100


async def test_what_fails_is_said_with_its_kind_and_its_mend(tmp_path: Path) -> None:
    up = {"name": "up", "format": "script"}
    refusing = {"name": "refusing", "format": "script", "fail": "refused"}
    down = {"name": "down", "format": "openai", "base_url": nowhere(), "model": "m"}
    write_config(tmp_path, arena_of(up, refusing, down))
    finished = await run(tmp_path, "check")
    assert finished.status == 1
    good, refused, unreachable = rows(finished.text)
    assert good[0] == "ok"
    assert refused[0] == unreachable[0] == "FAIL"
    assert refused[5].startswith("refused: refusing: ")
    assert refused[6].startswith("Check the key")
    assert unreachable[5].startswith("unreachable: down: ")
    assert unreachable[6].startswith("Is the service up")


def test_every_kind_of_failure_has_a_mend() -> None:
    assert set(MENDS) == {error.kind for error in BACKEND_ERRORS}


async def test_verdicts_are_told_as_they_come(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    finished = await run(tmp_path, "check")
    assert [line[:3] for line in finished.err.splitlines()] == ["1/2", "2/2"]


async def test_a_backend_that_never_answers_is_not_waited_for_longer_than_its_limit(tmp_path: Path) -> None:
    silent = {"name": "silent", "format": "script", "first_token_seconds": 500}
    arena = arena_of(silent, {"name": "up", "format": "script"})
    arena["models"][0]["first_token_seconds"] = 0.2
    write_config(tmp_path, arena)
    finished = await run(tmp_path, "check")
    assert finished.status == 1
    assert rows(finished.text)[0][5] == "timeout: silent for 0.2 s"


async def test_a_backend_that_never_ends_is_not_waited_for_longer_than_its_limit(tmp_path: Path) -> None:
    slow = {"name": "slow", "format": "script", "answer": "word " * 1000, "words_per_second": 20}
    arena = arena_of(slow, {"name": "up", "format": "script"})
    arena["models"][0]["answer_seconds"] = 0.3
    write_config(tmp_path, arena)
    finished = await run(tmp_path, "check")
    assert finished.status == 1
    assert rows(finished.text)[0][5] == "timeout: not at its end after 0.3 s"


async def test_all_are_asked_side_by_side(tmp_path: Path) -> None:
    together = asyncio.Barrier(4)

    async def complete(request: Request) -> Response:
        await together.wait()  # answers nobody before all four are here
        return said("Hello")

    async with serving(Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])) as url:
        write_config(tmp_path, arena_of(*(hosted(url, name=f"hosted-{n}") for n in range(4))))
        finished = await run(tmp_path, "check")
    assert finished.status == 0


def said(*words: str) -> Response:
    """A stream of OpenAI's chat completions."""
    lines = [f'{{"choices": [{{"delta": {{"content": "{word}"}}}}]}}' for word in words]
    return StreamingResponse((f"data: {line}\n\n" for line in [*lines, "[DONE]"]), media_type="text/event-stream")


async def test_a_model_is_asked_under_its_name_with_its_prompt_and_its_sampling(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    async def complete(request: Request) -> Response:
        asked.append(await request.json())
        return said("Hello")

    async with serving(Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])) as url:
        models = [
            {"name": "One", "backends": ["hosted"], "system_prompt": "Be brief.", "temperature": 0.3},
            {"name": "Two", "backends": ["hosted"], "model_id": "big-2", "max_tokens": 7},
        ]
        write_config(tmp_path, {"providers": [hosted(url)], "models": models})
        finished = await run(tmp_path, "check")
    assert finished.status == 0
    one, two = sorted(asked, key=lambda body: -len(body["model"]))
    assert (one["model"], two["model"]) == ("tiny-1", "big-2")
    assert one["messages"][0] == {"role": "system", "content": "Be brief."}
    assert one["temperature"] == 0.3
    assert one["max_tokens"] == 100
    assert two["max_tokens"] == 7


async def test_a_key_is_never_shown(tmp_path: Path) -> None:
    async def refuse(request: Request) -> Response:
        return PlainTextResponse(f"wrong key: {request.headers['authorization']}", 401)

    async with serving(Starlette(routes=[Route("/v1/chat/completions", refuse, methods=["POST"])])) as url:
        write_config(tmp_path, arena_of(hosted(url, api_key_env="PLANTED")))
        finished = await run(tmp_path, "check", PLANTED=KEY)
    assert finished.status == 1
    assert "refused" in finished.text
    assert KEY not in finished.text + finished.err


async def test_one_model_makes_no_battle(tmp_path: Path) -> None:
    arena = scripted("A.", "B.")
    write_config(tmp_path, arena | {"models": arena["models"][:1]})
    finished = await run(tmp_path, "check")
    assert finished.status == 1
    assert "A battle takes two models; the configuration has 1." in finished.text


async def test_an_engine_without_a_checkpoint_is_found_without_loading_it(tmp_path: Path) -> None:
    await run(tmp_path, "init")
    finished = await run(tmp_path, "check")
    assert finished.status == 1
    assert [(row[0], row[5]) for row in rows(finished.text)] == [("FAIL", "cannot be loaded")] * 4
    assert "arena prepare" in finished.text


async def test_an_engine_that_could_be_loaded_is_not(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}")
    engines = [{"name": "local", "checkpoint": "checkpoint"}]
    models = [{"name": name, "backends": ["local"]} for name in ("One", "Two")]
    write_config(tmp_path, {"engines": engines, "models": models})
    finished = await run(tmp_path, "check")
    assert finished.status == 0
    assert {row[5] for row in rows(finished.text)} == {"can be loaded; not asked (--load-engines asks it)"}


async def test_an_engine_is_loaded_where_that_is_wanted(tmp_path: Path) -> None:
    engines = [{"name": "local", "checkpoint": str(tmp_path / "nowhere")}]
    models = [{"name": name, "backends": ["local"]} for name in ("One", "Two")]
    write_config(tmp_path, {"engines": engines, "models": models})
    finished = await run(tmp_path, "check", "--load-engines")
    assert finished.status == 1
    assert [row[5] for row in rows(finished.text)] == ["did not load"] * 2
    assert "nowhere" in rows(finished.text)[0][6]


# On a terminal


async def test_on_a_terminal_the_table_lives(tmp_path: Path) -> None:
    arena = scripted("A.", "B.")
    arena["providers"][1] |= {"fail": "busy"}
    write_config(tmp_path, arena)
    async with open_terminal(tmp_path, "check") as terminal:
        assert await terminal.ended() == 1
    assert "Aurora Prime" in terminal.text
    assert re.search(r"FAIL\s+Borealis Nine\s+borealis", terminal.text)
    assert "answers" in terminal.text
    assert "\x1b[" in terminal.seen


async def test_ctrl_c_ends_it_without_a_trace(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of({"name": "silent", "format": "script", "first_token_seconds": 50}))
    async with open_terminal(tmp_path, "check") as terminal:
        await terminal.shows("asked")
        terminal.types("\x03")
        assert await terminal.ended() == 1
    assert "Aborted!" in terminal.text
    assert "Traceback" not in terminal.text
