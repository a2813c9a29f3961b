"""What the router and a client cost: per streamed token against a bare httpx stream, and how four backends share.

**Overhead.** One upstream process sends answers of 200 tokens, at 50 tokens a second and then as fast as they are
read; this process reads them, one way after the other, in turns, several rounds:

- *arena*: `Router.stream` over the real OpenAI client: limits, health, time limits, errors, all there is;
- *client alone*: the same client without the router;
- *lean httpx in steps*: the same transport, a read every tenth of a second as the client does, and no more than a
  developer would write around it: split the lines, decode the JSON (`msgspec`, into a small struct) and take the
  text; this is the like-for-like row;
- *lean httpx*: the same without the steps, so that it wakes for every token;
- *plain httpx*: `httpx.AsyncClient` as it comes, `aiter_lines` and `json.loads`.

A figure is CPU time of this process a token, all streams of a round together; compared are the medians of the
rounds, and the median of the ratios of neighbouring rounds, which a machine that others use disturbs least.

**Balance.** Short answers through four backends of capacities 1, 1, 2 and 4, so many in flight: requests a second,
and each backend's share beside the one its capacity asks for.

    python -m benchmarks.router --rounds 9
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import msgspec
import uvloop

from arena import providers
from arena.backend import Backend, Delta, Message, Prompt
from arena.config import Config, parse
from arena.providers.hosted import FULL_READ_BYTES, READ_PAUSE_SECONDS
from arena.providers.transport import Client
from arena.router import Handed, Router
from benchmarks.upstream import Pace

PROMPT = "Tell me about lighthouses."
PACES = (50.0, 100_000.0)  # tokens a second: as a model writes, and as fast as they are read
CAPACITIES = {"one": 1.0, "uno": 1.0, "two": 2.0, "four": 4.0}

Reader = Callable[[], Awaitable[int]]
"""Reads one answer to its end and returns its characters."""


@contextmanager
def upstream() -> Iterator[str]:
    """The base URL of a mock upstream, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.upstream", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def configure(base_url: str, backends: Mapping[str, float], pace: Pace) -> Config:
    """One model with these backends (name -> capacity), all of them this upstream."""
    tables = {
        "providers": [
            {"name": name, "format": "openai", "base_url": base_url, "capacity": capacity, "max_connections": 5000}
            for name, capacity in backends.items()
        ],
        "models": [{"name": "model", "backends": list(backends), "model_id": pace.model}],
    }
    return parse(tables, Path("config.toml"), {})


@asynccontextmanager
async def routed(config: Config) -> AsyncIterator[Router]:
    """A router over real clients."""
    clients = {provider.name: providers.make(provider, os.environ) for provider in config.providers}
    router = Router(config, clients, random.Random(1))
    try:
        yield router
    finally:
        await router.close()
        for client in clients.values():
            await client.close()


# Three ways to read an answer


def through(router: Router) -> Reader:
    chat = (Message("user", PROMPT),)

    async def read() -> int:
        characters = 0
        async for event in router.stream("model", chat):
            if isinstance(event, Delta):
                characters += len(event.text)
        return characters

    return read


class Piece(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Piece


class Chunk(msgspec.Struct):
    choices: list[Choice]


def alone(client: Backend, prompt: Prompt) -> Reader:
    async def read() -> int:
        return sum([len(event.text) async for event in client.stream(prompt) if isinstance(event, Delta)])

    return read


def lean(http: httpx.AsyncClient, base_url: str, body: dict[str, object], pause: float = 0) -> Reader:
    decode = msgspec.json.Decoder(Chunk).decode

    async def read() -> int:
        text, rest = [], b""
        async with http.stream("POST", f"{base_url}/chat/completions", json=body) as reply:
            reply.raise_for_status()
            async for data in reply.stream:  # type: ignore[union-attr]
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if line.startswith(b"data: {") and (choices := decode(line[6:]).choices):
                        text.append(choices[0].delta.content or "")
                if pause and len(data) < FULL_READ_BYTES:
                    await asyncio.sleep(pause)
        return len("".join(text))

    return read


def plain(http: httpx.AsyncClient, base_url: str, body: dict[str, object]) -> Reader:
    async def read() -> int:
        text = []
        async with http.stream("POST", f"{base_url}/chat/completions", json=body) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                if line.startswith("data: {") and (choices := json.loads(line[6:])["choices"]):
                    text.append(choices[0]["delta"].get("content") or "")
        return len("".join(text))

    return read


# Overhead


async def cost(read: Reader, streams: int, tokens: int) -> float:
    """CPU microseconds a token for so many answers at once."""
    start = time.process_time()
    lengths = await asyncio.gather(*(read() for _ in range(streams)))
    seconds = time.process_time() - start
    assert len(set(lengths)) == 1, f"answers of different lengths: {set(lengths)}"
    return seconds / streams / tokens * 1e6


async def overhead(base_url: str, tps: float, options: argparse.Namespace) -> None:
    pace = Pace(tokens=options.tokens, tps=tps, delay=0.0)
    body: dict[str, object] = {
        "model": pace.model,
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    limits = httpx.Limits(max_connections=None)
    config = configure(base_url, {"upstream": 1.0}, pace)
    client = providers.make(config.providers[0], os.environ)
    async with (
        routed(config) as router,
        Client(limits=limits, timeout=httpx.Timeout(60)) as fast,
        httpx.AsyncClient(limits=limits, timeout=60) as slow,
    ):
        readers = {
            "arena": through(router),
            "client alone": alone(client, Prompt((Message("user", PROMPT),), model_id=pace.model)),
            "lean httpx in steps": lean(fast, base_url, body, READ_PAUSE_SECONDS),
            "lean httpx": lean(fast, base_url, body),
            "plain httpx": plain(slow, base_url, body),
        }
        lengths = {name: await read() for name, read in readers.items()}  # and warm up
        assert len(set(lengths.values())) == 1, lengths
        rounds: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(options.rounds):
            for name, read in readers.items():
                rounds[name].append(await cost(read, options.streams, options.tokens))
        await client.close()
    print(f"\n{options.streams} streams of {options.tokens} tokens at {tps:g} tokens/s\n")
    print("| | CPU µs a token, median (least to most) | arena over it, median of the rounds |")
    print("|---|---:|---:|")
    for name, found in rounds.items():
        ratios = [ours / theirs for ours, theirs in zip(rounds["arena"], found, strict=True)]
        ratio = "" if name == "arena" else f"{(statistics.median(ratios) - 1) * 100:+.0f} %"
        print(f"| {name} | {statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f}) | {ratio} |")


# Balance


async def balance(base_url: str, options: argparse.Namespace) -> None:
    pace = Pace(tokens=20, tps=1000.0, delay=0.005)
    chat = (Message("user", PROMPT),)
    handed: Counter[str] = Counter()
    async with routed(configure(base_url, CAPACITIES, pace)) as router:

        async def visitor(requests: int) -> None:
            for _ in range(requests):
                async for event in router.stream("model", chat):
                    if isinstance(event, Handed):
                        handed[event.backend] += 1

        await visitor(8)
        handed.clear()
        start = time.perf_counter()
        await asyncio.gather(*(visitor(options.requests // options.visitors) for _ in range(options.visitors)))
        seconds = time.perf_counter() - start
    total, capacity = handed.total(), sum(CAPACITIES.values())
    print(f"\n{total} requests, {options.visitors} in flight: {total / seconds:.0f} requests/s\n")
    print("| backend | capacity | share | asked for |\n|---|---:|---:|---:|")
    for name, worth in CAPACITIES.items():
        print(f"| {name} | {worth:g} | {handed[name] / total:.1%} | {worth / capacity:.1%} |")


async def measure(options: argparse.Namespace) -> None:
    with upstream() as base_url:
        for tps in options.tps or PACES:
            await overhead(base_url, tps, options)
        await balance(base_url, options)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.router", description="What the router costs.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--streams", type=int, default=50, help="answers read at once")
    parser.add_argument("--tokens", type=int, default=200, help="of one answer")
    parser.add_argument("--tps", type=float, action="append", help="tokens a second of one answer")
    parser.add_argument("--requests", type=int, default=4000, help="through the four backends")
    parser.add_argument("--visitors", type=int, default=64, help="requests in flight")
    uvloop.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
