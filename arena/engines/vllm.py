"""A backend that answers with a vLLM engine in this process: the one place that imports vLLM, and only to load.

Messages are rendered with the checkpoint's own chat template; what a prompt leaves open comes from its generation
config. Knows nothing of the other engines, nor of the names models have on the board.
"""

import asyncio
import dataclasses
import logging
import os
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from importlib.util import find_spec
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena import config
from arena.backend import READY, Backend, Delta, Message, Prompt, Sampling, Status, Usage
from arena.engines.loading import Loading, Stopped
from arena.engines.smollm2 import CHECKPOINT
from arena.errors import (
    BackendBroken,
    BackendBusy,
    BackendError,
    BackendRefused,
    BackendUnreachable,
    ConfigError,
    PromptTooLong,
)

if TYPE_CHECKING:
    from vllm.renderers import BaseRenderer, ChatParams
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

logger = logging.getLogger(__name__)

# Room for keys and values on a machine without a GPU, where vLLM's own default is nearly all of the memory.
CPU_CACHE_BYTES = 1 << 30

NOT_INSTALLED = "vLLM is not installed: pip install 'arena[cpu]' (or 'arena[gpu]' with an NVIDIA GPU)"

# How long `close` waits for a step of loading that cannot be interrupted, and for vLLM's processes (about five).
_STOP_SECONDS = 5.0
_SHUTDOWN_SECONDS = 10.0


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


IMPORTING = Step("importing vLLM", 0.0, 0.2, 6)
STARTING = Step("starting the engine", 0.2, 0.9, 15)
WARMING = Step("warming up", 0.9, 1.0, 2)


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
            self._fail("the engine's process has ended; its own words are in the log. Restart the server")
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


@dataclasses.dataclass(frozen=True, slots=True)
class Chat:
    """A loaded engine, and what its checkpoint says about chatting.

    `defaults` are vLLM's sampling parameters where a prompt leaves them open. They come from the checkpoint's
    generation config; a benchmark may add to them.
    """

    llm: "AsyncLLM"
    params: "ChatParams"
    has_system_role: bool
    defaults: dict[str, Any]

    @property
    def is_dead(self) -> bool:
        return bool(self.llm.errored)

    async def render(self, messages: Iterable[Message]) -> Any:
        """The prompt as vLLM's engine takes it: the chat template's tokens. They may be too many."""
        shown = messages if self.has_system_role else _without_system_role(messages)
        chat = [{"role": message.role, "content": message.content} for message in shown]
        unlimited = dataclasses.replace(self.llm.renderer.default_chat_tok_params, max_total_tokens=None)
        _, (rendered,) = await self.llm.renderer.render_chat_async([chat], self.params, unlimited)
        return rendered

    async def answer(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        rendered = await self.render(prompt.messages)
        prompt_tokens = len(rendered["prompt_token_ids"])
        room = self.llm.model_config.max_model_len - prompt_tokens
        if room < 1:
            raise PromptTooLong(f"{prompt_tokens} tokens do not fit into {prompt_tokens + room}")
        request_id = uuid.uuid4().hex
        completion_tokens, finish_reason = 0, None
        generate = self.llm.generate(rendered, self.sampling(prompt.sampling, room), request_id)
        async with aclosing(generate) as outputs:
            async for output in outputs:
                piece = output.outputs[0]
                completion_tokens += len(piece.token_ids)
                finish_reason = piece.finish_reason
                if piece.text:
                    yield Delta(piece.text)
        if finish_reason not in ("stop", "length"):
            raise BackendUnreachable(f"the engine ended the answer: {finish_reason}")
        yield Usage(prompt_tokens, completion_tokens, finish_reason, request_id)

    def sampling(self, sampling: Sampling, room: int) -> "SamplingParams":
        """`room` is how many tokens the context has left. `extra` are fields of vLLM's SamplingParams."""
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        asked = {key: value for key, value in dataclasses.asdict(sampling).items() if value not in (None, ())}
        extra = asked.pop("extra", {})
        settings = self.defaults | asked | extra
        settings["max_tokens"] = min(settings.get("max_tokens", room), room)
        settings["stop"] = list(settings.get("stop", ()))
        try:
            return SamplingParams(**settings, output_kind=RequestOutputKind.DELTA)
        except TypeError as exc:
            raise BackendRefused(f"extra_body: {exc}. This vLLM's SamplingParams has no such field") from exc

    async def warm_up(self) -> None:
        """One token, so that the first visitor does not wait for what vLLM does only once."""
        first = Prompt((Message("user", "Hello"),), Sampling(max_tokens=1))
        async with aclosing(self.answer(first)) as answer:
            async for _ in answer:
                pass

    async def close(self) -> None:
        """Ends the answers that are running, which vLLM would leave waiting, then vLLM's processes."""
        from vllm.v1.engine.exceptions import EngineDeadError

        if self.llm.output_handler is not None:
            self.llm.output_handler.cancel()
        self.llm.output_processor.propagate_error(EngineDeadError())
        await asyncio.to_thread(self.llm.shutdown, timeout=_SHUTDOWN_SECONDS)
        await asyncio.sleep(0)  # vLLM leaves closing its sockets to the loop
        self.llm.engine_core.resources.ctx.destroy(linger=0)


def shows_system_role(renderer: "BaseRenderer[Any]", params: "ChatParams") -> bool:
    """Whether the chat template shows a system message to the model. Some refuse it, some drop it.

    Raises `ConfigError` where there is no chat template.
    """
    from vllm.exceptions import VLLMClientError
    from vllm.renderers.chat_utils import ChatTemplateResolutionError

    system = {"role": "system", "content": "Answer briefly."}
    user = {"role": "user", "content": "Hello"}
    try:
        renderer.render_chat([[user]], params)
    except ChatTemplateResolutionError as exc:
        raise ConfigError(
            "the checkpoint has no chat template, so it cannot chat; use its instruct version"
        ) from exc
    try:
        _, (rendered,) = renderer.render_chat([[system, user]], params)
    except VLLMClientError:
        return False
    return system["content"] in renderer.get_tokenizer().decode(rendered["prompt_token_ids"])


def _without_system_role(messages: Iterable[Message]) -> list[Message]:
    """What the system messages say, put before the first thing the user says."""
    system = [message.content for message in messages if message.role == "system"]
    chat = [message for message in messages if message.role != "system"]
    if not system or not chat:
        return chat
    return [Message(chat[0].role, "\n\n".join([*system, chat[0].content])), *chat[1:]]


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
