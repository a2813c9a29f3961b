"""A backend that answers with a vLLM engine in this process. vLLM is imported when an engine is loaded, no sooner.

Knows nothing of the other engines, nor of the names models have on the board. How a loaded engine is talked to is
in `arena.engines.chat`.
"""

import dataclasses
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from importlib.util import find_spec
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena import config
from arena.backend import READY, Backend, Delta, Prompt, Status, Usage
from arena.engines.chat import Chat, shows_system_role
from arena.engines.loading import Loading, Stopped
from arena.engines.smollm2 import CHECKPOINT
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendUnreachable,
    ConfigError,
)
from arena.words import N_

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)

# Room for keys and values on a machine without a GPU, where vLLM's own default is nearly all of the memory.
CPU_CACHE_BYTES = 1 << 30

NOT_INSTALLED = "vLLM is not installed: pip install 'arena[cpu]' (or 'arena[gpu]' with an NVIDIA GPU)"

# How long `close` waits for a step of loading that cannot be interrupted.
_STOP_SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A stretch of loading: its words, where it begins and ends between 0 and 1, and how long it usually takes."""

    words: str
    begin: float
    end: float
    seconds: float

    def status(self, elapsed: float) -> Status:
        """Nears the end of the step and never reaches it, for nobody knows how long this one takes."""
        share = 1 - exp(-elapsed / self.seconds)
        return Status("loading", self.words, self.begin + (self.end - self.begin) * share)


IMPORTING = Step(N_("importing vLLM"), 0.0, 0.2, 6)
STARTING = Step(N_("starting the engine"), 0.2, 0.9, 15)
WARMING = Step(N_("warming up"), 0.9, 1.0, 2)


class VllmEngine(Backend):
    """One vLLM engine. `checkpoint` is a path, or the name of a checkpoint on the Hugging Face hub."""

    def __init__(self, engine: config.Engine, checkpoint: str) -> None:
        self.name = engine.name
        self._engine = engine
        self._checkpoint = checkpoint
        self._status = Status("waiting")
        self._step, self._entered = IMPORTING, 0.0
        self._loading: Loading[Chat] | None = None
        self._chat: Chat | None = None

    @property
    def status(self) -> Status:
        if self._status.state == "loading":
            return self._step.status(time.monotonic() - self._entered)
        if self._status.state == "ready" and self._chat is not None and self._chat.is_dead:
            self._fail(N_("the engine's process has ended; its own words are in the log. Restart the server"))
        return self._status

    @property
    def chat(self) -> "Chat | None":
        """The loaded engine, once there is one: for benchmarks and tests. Others need `stream` alone."""
        return self._chat

    async def start(self) -> None:
        if self._loading is not None:
            return
        self._loading = Loading(self._build)
        self._enter(IMPORTING)
        try:
            self._chat = await self._loading.result()
            self._enter(WARMING)
            await self._chat.warm_up()
        except Stopped:
            return
        except Exception as exc:  # noqa: BLE001  the outer edge of loading: whatever vLLM raises is kept in `status`
            self._fail(_explain(exc, self._checkpoint), exc)
        else:
            self._status = READY
            logger.info("%s: ready", self.name)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        status = self.status
        if self._chat is None or status.state != "ready":
            raise BackendUnreachable(f"{self.name}: {status.detail or status.state}")
        try:
            async with aclosing(self._chat.answer(prompt)) as answer:
                async for piece in answer:
                    yield piece
        except BackendError:
            raise
        except Exception as exc:
            raise _translated(exc, self.name) from exc

    async def close(self) -> None:
        if self._loading is None:
            return
        self._status = Status("failed", "closed")
        chat = await self._loading.stop(_STOP_SECONDS)
        self._chat = None
        if chat is not None:
            await chat.close()
        await self._loading.dismiss()

    def _build(self, go_on: Callable[[], None]) -> "Chat":
        """The steps of loading, in a thread. Between them it may be told to stop."""
        if missing := problem(self._checkpoint):
            raise ConfigError(missing)
        _set_environment()
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
        from vllm.renderers import ChatParams, renderer_from_config
        from vllm.v1.engine.async_llm import AsyncLLM

        go_on()
        self._enter(STARTING)
        arguments = AsyncEngineArgs(**_arguments(self._engine, self._checkpoint, is_cpu=current_platform.is_cpu()))
        settings = arguments.create_engine_config()
        params = ChatParams(chat_template_kwargs={"add_generation_prompt": True})
        renderer = renderer_from_config(settings)
        has_system_role = shows_system_role(renderer, params)
        renderer.shutdown()
        go_on()
        llm = AsyncLLM.from_vllm_config(settings, disable_log_stats=arguments.disable_log_stats)
        return Chat(llm, params, has_system_role, dict(llm.model_config.get_diff_sampling_param()))

    def _enter(self, step: Step) -> None:
        self._step, self._entered = step, time.monotonic()
        if self._status.state != "failed":
            self._status = Status("loading")
        logger.info("%s: %s", self.name, step.words)

    def _fail(self, reason: str, exc: Exception | None = None) -> None:
        if self._status.state == "failed":
            return
        self._status = Status("failed", reason)
        logger.error("%s: %s", self.name, reason, exc_info=exc)


def _arguments(engine: config.Engine, checkpoint: str, *, is_cpu: bool) -> dict[str, Any]:
    """vLLM's AsyncEngineArgs for an engine of the configuration.

    Without a `max_model_len` the context is the checkpoint's own, or as much of it as the memory has room for.
    `memory_fraction` is of the GPU's memory, and of the machine's where there is none.
    """
    arguments: dict[str, Any] = {
        "model": checkpoint,
        "dtype": engine.dtype,
        "max_model_len": engine.max_model_len or -1,
        "enforce_eager": not engine.compile,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if engine.memory_fraction is not None:
        arguments["gpu_memory_utilization"] = engine.memory_fraction
    elif is_cpu:
        arguments["kv_cache_memory_bytes"] = CPU_CACHE_BYTES
    if engine.max_concurrency is not None:
        arguments["max_num_seqs"] = engine.max_concurrency
    if engine.devices:
        arguments["device_ids"] = list(engine.devices)
        arguments["tensor_parallel_size"] = len(engine.devices)
    return arguments | engine.options


def _set_environment() -> None:
    """What vLLM reads from the environment alone. Words set by the operator are kept, but for the first:

    a forked engine would inherit the server's open connections and threads.
    """
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "DEBUG" if logger.isEnabledFor(logging.DEBUG) else "ERROR")


def problem(checkpoint: str) -> str | None:
    """Why a checkpoint cannot be loaded, with the mend, as far as can be told without loading anything."""
    if _is_missing(checkpoint):
        return (
            f"{checkpoint}: no such folder; run `arena prepare` for the checkpoint of the default config.toml, "
            "or correct `checkpoint`"
        )
    return None if _is_installed() else NOT_INSTALLED


def _is_installed() -> bool:
    try:
        return find_spec("vllm") is not None
    except ValueError:  # a module of that name without a specification
        return False


def _is_missing(checkpoint: str) -> bool:
    """Whether it names a folder that is not there. `organisation/name`, as on the hub, may be a path as well."""
    path = Path(checkpoint).expanduser()
    is_path = (
        path.is_absolute()
        or checkpoint[:1] in "./~"
        or len(path.parts) > 2
        or path.parts[0] == CHECKPOINT.parts[0]
    )
    return is_path and not path.exists()


def _explain(exc: Exception, checkpoint: str) -> str:
    """Why an engine could not be loaded, and the mend where it is known."""
    said = " ".join(str(exc).split())[:600]
    match exc:
        case ConfigError():
            return said
        case ModuleNotFoundError(name="vllm"):
            return NOT_INSTALLED
        case ImportError() | RuntimeError() if "torchvision" in said:
            return (
                f"vLLM cannot be imported: {said}. Beside a CPU build of torch there must be no other build: "
                "pip uninstall -y torchvision torchaudio torchcodec"
            )
        case ImportError():
            return f"vLLM cannot be imported: {said}"
        case TypeError() if "unexpected keyword argument" in said:
            return f"options: {said}. Remove it: this vLLM's AsyncEngineArgs has no such setting"
        case RuntimeError() if "Engine core initialization failed" in said:
            return (
                f"{checkpoint}: the engine's process ended while starting; its own words are in the log. "
                "Where memory is short, lower memory_fraction or max_model_len"
            )
        case BackendError():
            return f"{checkpoint}: the first answer failed: {said}"
    return f"{checkpoint}: {type(exc).__name__}: {said}"


def _translated(exc: Exception, name: str) -> BackendError:
    from vllm.exceptions import GracefulHTTPError, VLLMClientError
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    match exc:
        case EngineDeadError():
            return BackendUnreachable(f"{name}: the engine's process has ended")
        case GracefulHTTPError():
            return BackendBusy(f"{name}: {exc}")
        case VLLMClientError():
            return BackendRefused(f"{name}: {exc}")
        case EngineGenerateError():
            return BackendBroken(f"{name}: {exc.__cause__ or exc}")
    return BackendBroken(f"{name}: {type(exc).__name__}: {exc}")
