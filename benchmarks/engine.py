"""What the arena's engine costs over vLLM alone: tokens a second and time to the first token, side by side.

    python -m benchmarks.engine --streams 1,2,4,8,16 --tokens 64 --rounds 3

Both ways of reading share one engine in one process and ask for the same number of tokens of the same prompts, in
turns: ours through `EnginePool` and `VllmEngine.stream`, the bare one through `AsyncLLM.generate`.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from arena import config
from arena.backend import Delta, Message, Prompt, Sampling, Usage
from arena.engines import EnginePool, smollm2
from arena.engines.chat import Chat
from arena.engines.vllm import VllmEngine


@dataclass(frozen=True)
class Stream:
    """One answer: seconds to its first token, and how many tokens it had."""

    first: float
    tokens: int


@dataclass(frozen=True)
class Batch:
    """Answers generated at the same time."""

    streams: list[Stream]
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        return sum(stream.tokens for stream in self.streams) / self.seconds

    @property
    def first_token_ms(self) -> float:
        return 1000 * median(stream.first for stream in self.streams)


Read = Callable[[Prompt], Awaitable[Stream]]


def ours(engine: VllmEngine) -> Read:
    async def read(prompt: Prompt) -> Stream:
        asked, first, tokens = time.perf_counter(), 0.0, 0
        async for piece in engine.stream(prompt):
            if isinstance(piece, Delta):
                first = first or time.perf_counter() - asked
            elif isinstance(piece, Usage):
                tokens = piece.completion_tokens or 0
        return Stream(first, tokens)

    return read


def bare(chat: Chat, tokens: int) -> Read:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True, output_kind=RequestOutputKind.DELTA)

    async def read(prompt: Prompt) -> Stream:
        asked, first, tokens = time.perf_counter(), 0.0, 0
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        _, (rendered,) = await chat.llm.renderer.render_chat_async([messages], chat.params)
        async for output in chat.llm.generate(rendered, params, f"bare-{id(prompt)}-{asked}"):
            first = first or time.perf_counter() - asked
            tokens += len(output.outputs[0].token_ids)
        return Stream(first, tokens)

    return read


async def batch(read: Read, prompts: list[Prompt]) -> Batch:
    begun = time.perf_counter()
    streams = await asyncio.gather(*(read(prompt) for prompt in prompts))
    return Batch(list(streams), time.perf_counter() - begun)


def prompts(count: int, tokens: int, number: int) -> list[Prompt]:
    """Different for each round, so that none finds its beginning in the cache of the one before."""
    return [
        Prompt(
            (Message("user", f"{number}.{stream} Write a long story about a lighthouse keeper."),),
            Sampling(temperature=0.0, max_tokens=tokens),
        )
        for stream in range(count)
    ]


async def compare(engine: VllmEngine, chat: Chat, count: int, options: argparse.Namespace) -> None:
    """A warm-up of each, then rounds in which they take turns in going first."""
    readers = {"ours": ours(engine), "bare": bare(chat, options.tokens)}
    batches: dict[str, list[Batch]] = {"ours": [], "bare": []}
    for number in range(options.rounds + 1):
        for name in sorted(readers, reverse=bool(number % 2)):
            measured = await batch(readers[name], prompts(count, options.tokens, number))
            assert all(stream.tokens == options.tokens for stream in measured.streams)
            if number:
                batches[name].append(measured)
    rate = {name: median(batch.tokens_per_second for batch in found) for name, found in batches.items()}
    first = {name: median(batch.first_token_ms for batch in found) for name, found in batches.items()}
    print(
        f"{count:7} {rate['ours']:9.1f} {rate['bare']:9.1f} {rate['ours'] / rate['bare']:6.3f}"
        f" {first['ours']:11.0f} {first['bare']:9.0f} {first['ours'] / first['bare']:6.3f}",
        flush=True,
    )


async def main(options: argparse.Namespace) -> None:
    folder = Path(__file__).parent.parent
    checkpoint = options.checkpoint or str(smollm2.prepare(folder, print))
    pool = EnginePool((config.Engine(name="measured", checkpoint=checkpoint, max_model_len=2048),), folder)
    await pool.start()
    await pool.loaded()
    try:
        engine = pool.backends["measured"]
        assert isinstance(engine, VllmEngine)
        assert engine.chat is not None, engine.status.detail
        engine.chat.defaults["ignore_eos"] = True
        print(f"{options.tokens} tokens, median of {options.rounds} rounds")
        print("streams  ours tok/s bare tok/s ratio  ours first ms   bare  ratio")
        for count in options.streams:
            await compare(engine, engine.chat, count, options)
    finally:
        await pool.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2, 4, 8, 16])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--checkpoint", help="a path or a name on the Hugging Face hub; without it, the default model"
    )
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
