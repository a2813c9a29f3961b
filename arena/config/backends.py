"""Tables of config.toml that answer: engines, and one kind of provider for each wire format.

The keys of a provider are those of its service; what they mean there, its client in `arena.providers` says.
"""

from typing import Annotated, Any, Literal

import msgspec

from arena.config.types import URL, Amount, Name, Positive, Seconds, Share, Table


class Backed(Table, frozen=True, kw_only=True):
    """What every backend has: a name, how much it takes compared with others, and its limits."""

    name: Name
    capacity: Amount = 1.0
    max_concurrency: Positive | None = None
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None


class Engine(Backed, frozen=True, kw_only=True):
    """A vLLM engine in this process. `options` are passed to vLLM's AsyncEngineArgs as they are."""

    checkpoint: Name
    devices: tuple[int, ...] = ()
    dtype: str = "auto"
    max_model_len: Positive | None = None
    memory_fraction: Share | None = None
    compile: bool = False
    options: dict[str, Any] = {}


class Hosted(Backed, frozen=True, kw_only=True):
    """A hosted HTTP API: where it is, which of its models, and where its key comes from."""

    base_url: URL
    model: str | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None
    api_key: str | None = None
    headers: dict[str, str] = {}
    connect_seconds: Seconds = 10.0
    read_seconds: Seconds = 120.0
    max_connections: Positive = 1000

    def __repr__(self) -> str:
        """Without what is or may be a key: it ends up in logs and tracebacks."""
        shown = (name for name in self.__struct_fields__ if name not in ("api_key", "headers"))
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


TokensField = Literal["max_tokens", "max_completion_tokens"]


class OpenAI(Hosted, frozen=True, kw_only=True, tag_field="format", tag="openai"):
    """Chat completions.

    `reasoning`: a reasoning model, which takes no sampling parameters, and a developer role for the system prompt.
    """

    base_url: URL = "https://api.openai.com/v1"
    reasoning: bool = False
    streams: bool = True
    max_tokens_field: TokensField | None = None


class Azure(OpenAI, frozen=True, kw_only=True, tag_field="format", tag="azure"):
    """Azure OpenAI. `model` is the deployment; without `api_version` the v1 endpoint is spoken to."""

    base_url: URL
    api_version: str | None = None


class Responses(Hosted, frozen=True, kw_only=True, tag_field="format", tag="openai-responses"):
    """OpenAI's Responses API."""

    base_url: URL = "https://api.openai.com/v1"
    reasoning: bool = False


class Assistant(Hosted, frozen=True, kw_only=True, tag_field="format", tag="openai-assistant"):
    """An assistant with a thread on OpenAI's side for each side of a conversation."""

    assistant_id: Name
    base_url: URL = "https://api.openai.com/v1"


class Anthropic(Hosted, frozen=True, kw_only=True, tag_field="format", tag="anthropic"):
    """The Messages API, at Anthropic, on Google's Vertex AI or on Amazon Bedrock."""

    base_url: URL = "https://api.anthropic.com"
    host: Literal["anthropic", "vertex", "bedrock"] = "anthropic"
    max_tokens: Positive = 4096


class Gemini(Hosted, frozen=True, kw_only=True, tag_field="format", tag="gemini"):
    """Google's Gemini API, or the same models on Vertex AI."""

    base_url: URL = "https://generativelanguage.googleapis.com/v1beta"
    host: Literal["gemini", "vertex"] = "gemini"


class Cohere(Hosted, frozen=True, kw_only=True, tag_field="format", tag="cohere"):
    """Cohere's chat, version 2."""

    base_url: URL = "https://api.cohere.com/v2"
    client_name: str = "arena"


class Mistral(OpenAI, frozen=True, kw_only=True, tag_field="format", tag="mistral"):
    """Mistral's own service."""

    base_url: URL = "https://api.mistral.ai/v1"


class Reka(Hosted, frozen=True, kw_only=True, tag_field="format", tag="reka"):
    """Reka's chat."""

    base_url: URL = "https://api.reka.ai/v1"


class YandexGPT(Hosted, frozen=True, kw_only=True, tag_field="format", tag="yandexgpt"):
    """YandexGPT's foundation models. `folder_id` is the cloud folder that pays."""

    folder_id: Name
    base_url: URL = "https://llm.api.cloud.yandex.net/foundationModels/v1"


class P2L(OpenAI, frozen=True, kw_only=True, tag_field="format", tag="p2l"):
    """A prompt-to-leaderboard router, which says which model really answered."""

    base_url: URL


class HuggingFace(OpenAI, frozen=True, kw_only=True, tag_field="format", tag="huggingface"):
    """Text-generation-inference, or an Inference Endpoint."""

    base_url: URL


class Script(Backed, frozen=True, kw_only=True, tag_field="format", tag="script"):
    """A backend that recites: for tests, demonstrations and benchmarks.

    `answer` is sent word by word; `fail` names a `BackendError.kind`, raised after `fail_after` words.
    """

    answer: str = "This is a scripted answer."
    words_per_second: Annotated[float, msgspec.Meta(gt=0)] | None = None
    first_token_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    fail: str | None = None
    fail_after: Annotated[int, msgspec.Meta(ge=0)] = 0


Provider = (
    OpenAI
    | Azure
    | Responses
    | Assistant
    | Anthropic
    | Gemini
    | Cohere
    | Mistral
    | Reka
    | YandexGPT
    | P2L
    | HuggingFace
    | Script
)
