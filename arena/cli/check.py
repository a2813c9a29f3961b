"""`arena check`: can every model be reached?"""

import asyncio
import os
import sys
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import click

from arena import config as configuration
from arena import engines, providers
from arena.backend import Message, Prompt, Sampling
from arena.cli.options import config_option
from arena.config import Config, Engine, Model, Provider
from arena.errors import BackendError

QUESTION = Message("user", "Say hello.")
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model can be reached through one of its backends; `words` say how, or what to mend."""

    model: str
    backend: str
    is_well: bool
    words: str


@click.command("check")
@config_option
def command(config_file: Path) -> None:
    """Read the configuration and say for each model whether it can be reached.

    Providers are asked for one word; engines are looked at, not loaded. Exit status 1 if any cannot be reached.
    """
    config = configuration.read(config_file)
    verdicts = asyncio.run(_check(config))
    for line in table(verdicts):
        click.echo(line)
    if len(config.models) < 2:
        click.echo(f"A battle takes two models; the configuration has {len(config.models)}.")
    sys.exit(0 if all(verdict.is_well for verdict in verdicts) and len(config.models) > 1 else 1)


def table(verdicts: list[Verdict]) -> Iterable[str]:
    """A line a verdict, in columns."""
    models = max((len(v.model) for v in verdicts), default=0)
    backends = max((len(v.backend) for v in verdicts), default=0)
    for v in verdicts:
        yield f"{'ok  ' if v.is_well else 'FAIL'}  {v.model:{models}}  {v.backend:{backends}}  {v.words}"


async def _check(config: Config) -> list[Verdict]:
    """All models through all their backends, asked side by side."""
    known = {backend.name: backend for backend in (*config.engines, *config.providers)}
    pairs = [(model, known[name]) for model in config.models for name in model.backends]
    return await asyncio.gather(*(_verdict(config, model, backend) for model, backend in pairs))


async def _verdict(config: Config, model: Model, backend: Engine | Provider) -> Verdict:
    if isinstance(backend, Engine):
        problem = engines.problem(backend, config.folder)
        return Verdict(model.name, backend.name, problem is None, problem or "can be loaded by `arena serve`")
    try:
        async with asyncio.timeout(SECONDS):
            await _ask(model, backend)
    except BackendError as exc:
        return Verdict(model.name, backend.name, False, f"{exc.kind}: {exc}")
    except TimeoutError:
        return Verdict(model.name, backend.name, False, f"no answer within {SECONDS} seconds")
    return Verdict(model.name, backend.name, True, "answers")


async def _ask(model: Model, provider: Provider) -> None:
    """One short answer. Raises `BackendError`."""
    client = providers.make(provider, os.environ)
    try:
        await client.start()
        prompt = Prompt((QUESTION,), Sampling(max_tokens=16), model.model_id)
        async with aclosing(client.stream(prompt)) as events:
            async for _ in events:
                return
    finally:
        await client.close()
