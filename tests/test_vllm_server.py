"""The clients against a server that is not ours: `vllm serve` with the model of the default config.toml."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from arena import config
from arena.backend import Backend, Delta, Message, Prompt, Sampling
from arena.engines import smollm2
from arena.errors import BackendRefused, PromptTooLong
from arena.providers import make
from tests.servers import nowhere
from tests.services import Heard, hear

ROOT = Path(__file__).parent.parent
SERVER = "vllm.entrypoints.openai.api_server"
"""What `vllm serve` runs. The command itself looks for a package of the name vllm, and the CPU's has another."""

MODEL = "tiny"
OPTIONS = ("--served-model-name", MODEL, "--max-model-len", "2048", "--dtype", "bfloat16", "--enforce-eager")
PATIENCE_SECONDS = 240

pytestmark = pytest.mark.engine


class VllmServer:
    """`vllm serve` on a free port. It is killed at the end."""

    def __init__(self, checkpoint: Path) -> None:
        self.url = nowhere()
        self._said: list[str] = []
        self._is_settled = threading.Event()
        port = self.url.rsplit(":", 1)[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", SERVER, "--model", str(checkpoint), "--port", port, *OPTIONS],
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait(self) -> None:
        """Until it serves; fails where it ends instead."""
        self._is_settled.wait(PATIENCE_SECONDS)
        assert self._process.poll() is None, "".join(self._said[-50:])

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # its engine too, which is a process of its own
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._said.append(line)
                if "Application startup complete" in line:
                    self._is_settled.set()
        self._is_settled.set()


@pytest.fixture(scope="module")
def server() -> Iterator[VllmServer]:
    started = VllmServer(smollm2.prepare(ROOT, print))
    try:
        started.wait()
        yield started
    finally:
        started.close()


KINDS: dict[str, tuple[type[config.Hosted], str]] = {
    "chat completions": (config.OpenAI, "/v1"),
    "responses": (config.Responses, "/v1"),
    "messages": (config.Anthropic, ""),
}


@pytest_asyncio.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, server: VllmServer) -> AsyncIterator[Backend]:
    """A client of each of the three APIs that the server speaks."""
    kind, path = KINDS[request.param]
    settings: Any = kind(name="vllm", base_url=server.url + path, model=MODEL)
    made = make(settings, {})
    yield made
    await made.close()


def asking(*words: str, system: str = "", **sampling: Any) -> Prompt:
    messages = [Message("system", system)] if system else []
    messages += [Message("user" if number % 2 == 0 else "assistant", text) for number, text in enumerate(words)]
    return Prompt(tuple(messages), Sampling(**{"temperature": 0.0, "max_tokens": 24} | sampling))


async def working(server: VllmServer) -> float:
    """How many requests the server works on, by the metrics that it brings up to date once a step or so."""
    async with httpx.AsyncClient() as http:
        metrics = (await http.get(f"{server.url}/metrics")).text
    return sum(
        map(float, re.findall(r"^vllm:num_requests_(?:running|waiting)\{.*\} (\S+)$", metrics, re.MULTILINE))
    )


async def test_it_streams_an_answer_and_then_its_usage(client: Backend) -> None:
    heard = await hear(client, asking("What is the capital of France?"))
    assert "Paris" in heard.text
    assert heard.usage is not None
    assert heard.usage.finish_reason in ("stop", "end_turn")
    assert heard.usage.prompt_tokens == 37
    assert heard.usage.completion_tokens in range(5, 25)
    assert heard.usage.request_id


async def test_it_follows_up_on_its_own_answer(client: Backend) -> None:
    first = "What is the capital of France?"
    chat = (first, (await hear(client, asking(first))).text, "And what is the capital of Italy?")
    heard = await hear(client, asking(*chat))
    assert "Rome" in heard.text
    assert heard.usage is not None
    assert heard.usage.prompt_tokens in range(50, 80)


async def test_it_reads_the_system_prompt(client: Backend) -> None:
    lengths = []
    for system in ("Be kind.", "Be kind. " * 50):
        usage = (await hear(client, asking("Hello!", system=system, max_tokens=5))).usage
        assert usage is not None
        assert usage.prompt_tokens is not None
        lengths.append(usage.prompt_tokens)
    assert lengths[1] - lengths[0] in range(49 * 3, 49 * 4)


async def test_it_says_when_an_answer_was_cut_at_its_limit(client: Backend) -> None:
    heard = await hear(client, asking("Count to one hundred.", max_tokens=5))
    assert heard.usage is not None
    assert heard.usage.finish_reason in ("length", "max_tokens")
    assert heard.usage.completion_tokens == 5


async def test_it_ends_an_answer_at_a_stop_sequence(client: Backend) -> None:
    heard = await hear(client, asking("What is the capital of France?", stop=("France",)))
    assert heard.text == "The capital of "


async def test_an_answer_that_nobody_reads_is_no_longer_computed(client: Backend, server: VllmServer) -> None:
    endless = asking("Count.", max_tokens=1900, extra={"ignore_eos": True})
    async with aclosing(client.stream(endless)) as items:
        assert isinstance(await anext(items), Delta)
        async with asyncio.timeout(10):
            while await working(server) != 1:
                pass
    async with asyncio.timeout(10):  # it would take far longer to count to the end
        while await working(server):
            pass


async def test_four_answers_at_once_are_the_same_as_one(client: Backend) -> None:
    answers = await asyncio.gather(*(hear(client, asking("What is two plus two?")) for _ in range(4)))
    assert len({answer.text for answer in answers}) == 1


async def test_a_prompt_that_does_not_fit_is_too_long(client: Backend) -> None:
    with pytest.raises(PromptTooLong):
        await hear(client, asking("word " * 4000))


async def test_an_unknown_model_is_refused(client: Backend) -> None:
    with pytest.raises(BackendRefused, match="404"):
        await hear(client, Prompt((Message("user", "Hi"),), model_id="nobody"))


def test_an_answer_is_heard_in_pieces(server: VllmServer) -> None:
    """With a stream of 100 tokens there is more than one delta, and no piece comes after the usage."""
    made = make(config.OpenAI(name="vllm", base_url=f"{server.url}/v1", model=MODEL), {})

    async def listen() -> Heard:
        try:
            return await hear(made, asking("Tell me a long story.", max_tokens=100, extra={"ignore_eos": True}))
        finally:
            await made.close()

    assert asyncio.run(listen()).pieces > 3
