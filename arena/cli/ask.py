"""`arena ask`: one model, one answer, on the terminal; or a chat with it."""

import asyncio
import random
import re
import sys
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec

from arena.backend import Delta, Message, Usage
from arena.cli.asking import Timing, open_backends
from arena.cli.options import config_option, configured, endpoints_option
from arena.config import Config, Matchmaking, Model
from arena.errors import ArenaError, BackendError
from arena.router import Handed, Router

LOOK_AGAIN_SECONDS = 0.2


@click.command("ask")
@click.argument("model")
@click.argument("question", required=False)
@config_option
@endpoints_option
@click.option("--system", help="A system prompt instead of the model's own; empty: none.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="Instead of the model's own.")
@click.option(
    "--max-tokens", type=click.IntRange(1), help="The longest answer, in tokens, instead of the model's own."
)
def command(
    model: str,
    question: str | None,
    config_file: Path,
    endpoints_file: Path | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
) -> None:
    """Ask MODEL the QUESTION; its answer is written as it comes, what it took goes to the error output.

    MODEL is a name from the configuration, or the beginning of one. Without a QUESTION it is a chat: an empty line
    or Ctrl-D ends it, Ctrl-C an answer, /reset begins a new one. A QUESTION may also come through a pipe.
    """
    config = configured(config_file, endpoints_file)
    changes = {"system_prompt": system, "temperature": temperature, "max_tokens": max_tokens}
    contender = find(config, model)
    contender = msgspec.structs.replace(contender, **{k: v for k, v in changes.items() if v is not None})
    if question is None and not sys.stdin.isatty():
        question = sys.stdin.read().rstrip()
    if question is not None and not question.strip():
        raise ArenaError("the question is empty.")
    with asyncio.Runner() as runner:
        talk = Talk(_alone(config, contender), contender.name)
        try:
            runner.run(talk.open())
            if question is None:
                _chat(runner, talk)
            else:
                runner.run(talk.ask(question))
        finally:
            runner.run(talk.close())


def find(config: Config, name: str) -> Model:
    """The model of that name, or the only one whose name begins so. Raises `ArenaError`."""
    wanted = name.casefold()
    exact = [model for model in config.models if model.name.casefold() == wanted]
    found = exact or [model for model in config.models if model.name.casefold().startswith(wanted)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(model.name for model in found or config.models) or "none"
    raise ArenaError(
        f"“{name}” could be any of these models: {known}. Write more of the name."
        if found
        else f"there is no model “{name}”. Known are: {known}."
    )


def _alone(config: Config, model: Model) -> Config:
    """The arena of this one model. An engine is loaded only where no provider has the model."""
    providers = tuple(provider for provider in config.providers if provider.name in model.backends)
    engines = tuple(engine for engine in config.engines if engine.name in model.backends and not providers)
    backends = tuple(backend.name for backend in (*engines, *providers))
    model = msgspec.structs.replace(model, backends=backends)
    return msgspec.structs.replace(
        config, models=(model,), engines=engines, providers=providers, matchmaker=Matchmaking()
    )


def _chat(runner: asyncio.Runner, talk: "Talk") -> None:
    """Question by question, until there is none. What a question runs into ends that question alone."""
    while question := _read_line():
        if question == "/reset":
            talk.reset()
            continue
        try:
            runner.run(talk.ask(question))
        except KeyboardInterrupt:
            click.echo()
        except BackendError as exc:
            click.echo(f"arena: {exc}", err=True)


def _read_line() -> str:
    """What is typed at the prompt; empty at the end."""
    with suppress(ImportError):
        import readline  # noqa: F401  arrows and history
    if not sys.stdout.isatty():
        click.echo("> ", err=True, nl=False)  # the answers go elsewhere
    try:
        return input("> " if sys.stdout.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        click.echo()
        return ""


@dataclass
class Talk:
    """A chat with one model through its backends, from `open` to `close`."""

    config: Config
    model: str
    _chat: list[Message] = field(default_factory=list)
    _thread: str | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _router: Router | None = None

    async def open(self) -> None:
        """Have the model ready to answer; engines say how far they are. Raises `ArenaError`."""
        backends = await self._stack.enter_async_context(open_backends(self.config))
        self._router = Router(self.config, backends, random.Random())
        self._stack.push_async_callback(self._router.close)
        told = ""
        while (status := self._router.status(self.model)).state in ("waiting", "loading"):
            if status.detail != told:
                click.echo(f"{self.model}: {status.detail} …", err=True)
                told = status.detail
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        if status.state == "failed":
            raise ArenaError(f"{self.model}: {status.detail}")

    async def close(self) -> None:
        await self._stack.aclose()

    def reset(self) -> None:
        """Forget what was said."""
        self._chat.clear()
        self._thread = None

    async def ask(self, question: str) -> None:
        """Write the answer as it comes; both are remembered once it is complete. Raises `BackendError`."""
        assert self._router is not None
        chat = (*self._chat, Message("user", question))
        page, timing, backend = Page(), Timing(), ""
        try:
            async with aclosing(self._router.stream(self.model, chat, self._thread)) as events:
                async for event in events:
                    match event:
                        case Handed(backend):
                            timing = Timing()
                        case Delta():
                            page.write(event)
                            timing.take(event)
                        case Usage():
                            timing.take(event)
        finally:
            page.end()
        self._chat = [*chat, Message("assistant", page.text)]
        self._thread = timing.usage.thread
        click.secho(summary(backend, timing), err=True, dim=True)


class Page:
    """An answer on its way to the output. Reasoning is dimmed on a terminal, and left out elsewhere."""

    def __init__(self) -> None:
        self.text = ""
        self._is_terminal = sys.stdout.isatty()
        self._is_reasoning = False

    def write(self, delta: Delta) -> None:
        if delta.reasoning and self._is_terminal:
            click.secho(fit_for_a_terminal(delta.reasoning), nl=False, dim=True)
            self._is_reasoning = True
        if delta.text:
            if self._is_reasoning:
                click.echo("\n")
                self._is_reasoning = False
            click.echo(fit_for_a_terminal(delta.text) if self._is_terminal else delta.text, nl=False)
            self.text += delta.text

    def end(self) -> None:
        """What comes next begins on a line of its own."""
        if self._is_reasoning or (self.text and not self.text.endswith("\n")):
            click.echo()


def fit_for_a_terminal(text: str) -> str:
    """What a model said, without the control characters by which a text could act on a terminal."""
    return _CONTROLS.sub("", text)


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def summary(backend: str, timing: Timing) -> str:
    """aurora · 12 tokens in, 57 out · first token 153 ms, 1.9 s in all, 31 tokens/s · stop"""
    usage, rate = timing.usage, timing.tokens_per_second
    counts = [f"{usage.prompt_tokens:,} tokens in"] if usage.prompt_tokens is not None else []
    counts += [f"{usage.completion_tokens:,} out"] if usage.completion_tokens is not None else []
    times = [f"first token {timing.first_token_ms:,.0f} ms"] if timing.first_token_ms is not None else []
    times += [f"{timing.duration_ms / 1000:,.1f} s in all"]
    times += [f"{rate:,.0f} tokens/s"] if rate is not None else []
    who = f"{backend} ({usage.answered_by})" if usage.answered_by else backend
    return " · ".join(part for part in (who, ", ".join(counts), ", ".join(times), usage.finish_reason) if part)
