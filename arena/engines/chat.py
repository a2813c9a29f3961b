"""A loaded vLLM engine to chat with: messages as the checkpoint's own template has them, answers as they come."""

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from arena.backend import Delta, Message, Prompt, Sampling, Usage
from arena.errors import BackendRefused, BackendUnreachable, ConfigError, PromptTooLong

if TYPE_CHECKING:
    from vllm.renderers import BaseRenderer, ChatParams
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

SHUTDOWN_SECONDS = 10.0  # how long `close` waits for vLLM's processes, of which there are about five


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
        messages = tuple(messages)
        if any(message.images for message in messages) and not self.llm.model_config.is_multimodal_model:
            raise BackendRefused("the checkpoint reads text alone: `vision` is false for its models")
        shown = messages if self.has_system_role else _without_system_role(messages)
        chat = [{"role": message.role, "content": _content(message)} for message in shown]
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
        await asyncio.to_thread(self.llm.shutdown, timeout=SHUTDOWN_SECONDS)
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
    first = dataclasses.replace(chat[0], content="\n\n".join([*system, chat[0].content]))
    return [first, *chat[1:]]


def _content(message: Message) -> str | list[dict[str, Any]]:
    """What a message says, with its pictures before it, as vLLM's chat API takes them (that of OpenAI)."""
    if not message.images:
        return message.content
    images: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": image.data_url}} for image in message.images
    ]
    return [*images, {"type": "text", "text": message.content}]
