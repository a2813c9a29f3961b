"""`arena ask`: one answer of one model, or a chat with it, as somebody at a terminal or in a pipe sees it."""

import json
import re
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.processes import run, scripted, write_config
from tests.servers import serving
from tests.terminals import open_terminal


def arena_of(*answers: str, **changes: Any) -> dict[str, Any]:
    """config.toml, decoded, with the models “Aurora Prime” and “Borealis Nine”, which recite."""
    return scripted(*answers or ("You said: {prompt}", "B."), **changes)


@asynccontextmanager
async def service(folder: Path, *lines: str) -> AsyncIterator[list[dict[str, Any]]]:
    """A hosted model “Hosted” in config.toml that answers with these lines; yields what it is asked."""
    asked: list[dict[str, Any]] = []

    async def complete(request: Request) -> Response:
        asked.append(await request.json())
        return StreamingResponse(
            (f"data: {line}\n\n" for line in [*lines, "[DONE]"]), media_type="text/event-stream"
        )

    async with serving(Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])) as url:
        hosted = {"name": "hosted", "format": "openai", "base_url": f"{url}/v1", "model": "tiny-1"}
        model = {"name": "Hosted", "backends": ["hosted"], "system_prompt": "Be brief.", "max_tokens": 50}
        write_config(folder, {"providers": [hosted], "models": [model]})
        yield asked


def delta(**fields: str) -> str:
    words = ", ".join(f'"{name}": "{value}"' for name, value in fields.items())
    return f'{{"choices": [{{"delta": {{{words}}}}}]}}'


# One question


async def test_the_answer_goes_to_the_output_and_what_it_took_beside_it(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of())
    finished = await run(tmp_path, "ask", "Aurora Prime", "hello there")
    assert finished.status == 0
    assert finished.text == "You said: hello there\n"
    assert re.fullmatch(
        r"aurora · 2 tokens in, 4 out · first token \d+ ms, [\d.]+ s in all(, [\d,]+ tokens/s)? · stop\n",
        finished.err,
    )


@pytest.mark.parametrize("name", ["Aurora Prime", "aurora prime", "Aurora", "a"])
async def test_the_beginning_of_a_name_will_do(tmp_path: Path, name: str) -> None:
    write_config(tmp_path, arena_of())
    assert (await run(tmp_path, "ask", name, "hello")).text == "You said: hello\n"


async def test_a_whole_name_is_meant_even_if_others_begin_so(tmp_path: Path) -> None:
    arena = arena_of("A.", "B.")
    arena["models"][1]["name"] = "Aurora"
    write_config(tmp_path, arena)
    assert (await run(tmp_path, "ask", "aurora", "hello")).text == "B.\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Cirrus", "there is no model “Cirrus”. Known are: Aurora Prime, Borealis Nine."),
        ("", "“” could be any of these models: Aurora Prime, Borealis Nine. Write more of the name."),
    ],
)
async def test_a_name_that_is_not_clear_is_answered_with_those_that_there_are(
    tmp_path: Path, name: str, words: str
) -> None:
    write_config(tmp_path, arena_of())
    assert (await run(tmp_path, "ask", name, "hello")).complaint == f"arena: {words}"


async def test_a_question_may_come_through_a_pipe(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of())
    finished = await run(tmp_path, "ask", "aurora", stdin=b"What is\nthis?\n")
    assert finished.text == "You said: What is\nthis?\n"


async def test_an_empty_question_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of())
    assert (await run(tmp_path, "ask", "aurora", stdin=b" \n")).complaint == "arena: the question is empty."


async def test_a_failure_is_one_line(tmp_path: Path) -> None:
    arena = arena_of()
    arena["providers"][0] |= {"fail": "filtered"}
    write_config(tmp_path, arena)
    finished = await run(tmp_path, "ask", "aurora", "hello")
    assert finished.status == 2
    assert finished.err.splitlines()[-1] == "arena: aurora: the script fails after 0 words"
    assert finished.text == ""


async def test_another_backend_answers_where_one_fails(tmp_path: Path) -> None:
    arena = arena_of("A.", "B.")
    arena["providers"][0] |= {"fail": "unreachable"}
    arena["models"][0]["backends"] = ["aurora", "borealis"]
    write_config(tmp_path, arena)
    assert (await run(tmp_path, "ask", "aurora", "hello")).text == "B.\n"


async def test_the_model_s_own_prompt_and_sampling_are_used_unless_others_are_given(tmp_path: Path) -> None:
    async with service(tmp_path, delta(content="Yes.")) as asked:
        await run(tmp_path, "ask", "hosted", "hello")
        await run(
            tmp_path, "ask", "hosted", "hello", "--system", "Be long.", "--temperature", "0", "--max-tokens", "9"
        )
        await run(tmp_path, "ask", "hosted", "hello", "--system", "")
    own, given, bare = asked
    assert [message["content"] for message in own["messages"]] == ["Be brief.", "hello"]
    assert (own["max_tokens"], own.get("temperature")) == (50, None)
    assert given["messages"][0]["content"] == "Be long."
    assert (given["max_tokens"], given["temperature"]) == (9, 0)
    assert [message["role"] for message in bare["messages"]] == ["user"]


async def test_reasoning_is_left_out_of_a_pipe(tmp_path: Path) -> None:
    async with service(tmp_path, delta(reasoning_content="Hm."), delta(content="Yes.")):
        assert (await run(tmp_path, "ask", "hosted", "hello")).text == "Yes.\n"


async def test_an_engine_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    engines = [{"name": "local", "checkpoint": str(tmp_path / "nowhere")}]
    write_config(tmp_path, {"engines": engines, "models": [{"name": "One", "backends": ["local"]}]})
    finished = await run(tmp_path, "ask", "One", "hello")
    assert finished.status == 2
    assert finished.err.splitlines()[-1].startswith("arena: One: ")


async def test_no_engine_is_loaded_for_a_model_that_a_provider_has(tmp_path: Path) -> None:
    arena = arena_of("A.", "B.", engines=[{"name": "local", "checkpoint": str(tmp_path / "nowhere")}])
    arena["models"][0]["backends"] = ["local", "aurora"]
    write_config(tmp_path, arena)
    finished = await run(tmp_path, "ask", "aurora", "hello")
    assert finished.text == "A.\n"
    assert len(finished.err.splitlines()) == 1


async def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of())
    for option, value in (("--temperature", "3"), ("--max-tokens", "0")):
        finished = await run(tmp_path, "ask", "aurora", "hello", option, value)
        assert finished.status == 2
        assert option in finished.err


# At a terminal


async def test_reasoning_is_dimmed_and_the_answer_is_not(tmp_path: Path) -> None:
    async with (
        service(tmp_path, delta(reasoning_content="Hm."), delta(content="Yes.")),
        open_terminal(tmp_path, "ask", "hosted", "hello") as terminal,
    ):
        assert await terminal.ended() == 0
    assert "\x1b[2mHm.\x1b[0m" in terminal.seen
    assert "Hm.\n\nYes.\n" in terminal.text
    assert "\x1b[2mYes." not in terminal.seen


async def test_a_model_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of("red \x1b[31malert\x07 \x1b]0;title\x07 \x9b31m done", "B."))
    async with open_terminal(tmp_path, "ask", "aurora", "hello") as terminal:
        assert await terminal.ended() == 0
    assert "red [31malert ]0;title 31m done" in terminal.seen


async def test_a_chat_remembers_what_was_said_until_it_is_reset(tmp_path: Path) -> None:
    async with (
        service(tmp_path, delta(content="Yes.")) as asked,
        open_terminal(tmp_path, "ask", "hosted") as terminal,
    ):
        for number, line in enumerate(("One?", "Two?", "/reset", "Three?", ""), 1):
            await terminal.shows("> ", number)
            terminal.types(line)
        assert await terminal.ended() == 0
    chats = [[message["content"] for message in body["messages"]] for body in asked]
    assert chats == [
        ["Be brief.", "One?"],
        ["Be brief.", "One?", "Yes.", "Two?"],
        ["Be brief.", "Three?"],
    ]


async def test_ctrl_d_ends_a_chat(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of())
    async with open_terminal(tmp_path, "ask", "aurora") as terminal:
        await terminal.shows("> ")
        terminal.types("\x04")
        assert await terminal.ended() == 0
    assert "Traceback" not in terminal.text


async def test_ctrl_c_ends_an_answer_and_not_the_chat(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of("one two three " * 100, "B.", words_per_second=20))
    async with open_terminal(tmp_path, "ask", "aurora") as terminal:
        await terminal.shows("> ")
        terminal.types("hello")
        await terminal.shows("three")
        terminal.types("\x03")
        await terminal.shows("> ", 2)
        terminal.types("")
        assert await terminal.ended() == 0
    assert "Traceback" not in terminal.text


async def test_ctrl_c_ends_a_single_answer_without_a_trace(tmp_path: Path) -> None:
    write_config(tmp_path, arena_of("one two three " * 100, "B.", words_per_second=20))
    async with open_terminal(tmp_path, "ask", "aurora", "hello") as terminal:
        await terminal.shows("three")
        terminal.types("\x03")
        assert await terminal.ended() == 1
    assert "Aborted!" in terminal.text
    assert "Traceback" not in terminal.text


async def test_a_failure_ends_a_question_and_not_the_chat(tmp_path: Path) -> None:
    arena = arena_of()
    arena["providers"][0] |= {"fail": "filtered"}
    write_config(tmp_path, arena)
    async with open_terminal(tmp_path, "ask", "aurora") as terminal:
        await terminal.shows("> ")
        terminal.types("hello")
        await terminal.shows("arena: aurora: the script fails")
        await terminal.shows("> ", 2)
        terminal.types("")
        assert await terminal.ended() == 0


async def test_a_model_of_an_old_file_can_be_asked_as_well(tmp_path: Path) -> None:
    async with service(tmp_path, delta(content="Old, but here.")) as asked:
        config = tomllib.loads((tmp_path / "config.toml").read_text())
        old = {
            "api_type": "openai",
            "api_base": config["providers"][0]["base_url"],
            "api_key": "k",
            "model_name": "old-1",
        }
        (tmp_path / "api_endpoint.json").write_text(json.dumps({"veteran": old}))
        options = ("--register-api-endpoint-file", "api_endpoint.json")
        assert (await run(tmp_path, "ask", "vet", "hello", *options)).text == "Old, but here.\n"
        assert "veteran" in (await run(tmp_path, "check", *options)).text
    assert [body["model"] for body in asked].count("old-1") == 2
