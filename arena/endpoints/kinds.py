"""What became of each `api_type`: which provider speaks to that service now, and what the old client sent to it.

From FastChat's serve/api_provider.py (commit 0e6d3e4, April 2025), and `azure_api_version` of the Checklist fork.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from arena.endpoints.entries import Entry

Settings = dict[str, Any]

AZURE_VERSION = "2023-07-01-preview"
"""What was spoken to a deployment with "azure" in its name, where the file says nothing else."""

NVIDIA = "https://integrate.api.nvidia.com/v1"

UNBLOCKED = {
    "safetySettings": [
        {"category": f"HARM_CATEGORY_{category}", "threshold": "BLOCK_NONE"}
        for category in ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
    ]
}
"""What the old arena asked of Gemini."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a model of an `api_type` is asked now.

    `sent` are the sampling parameters that every battle came with, `taken` those that are sent where the file sets
    them. `variable` is where a key is looked for; `file_key` says whether the file's own comes before that one.
    """

    provider: Callable[[Entry, Mapping[str, str]], Settings]
    variable: str | None
    sent: frozenset[str] = frozenset(("temperature", "top_p", "max_tokens"))
    taken: frozenset[str] = frozenset()
    file_key: Literal["first", "second", "never"] = "first"
    reads_base: bool = True
    takes_system_prompt: bool = True
    extra_body: Mapping[str, Any] | None = None
    seed: int | None = None


def _openai(entry: Entry, _: Mapping[str, str]) -> Settings:
    version = entry.fields.azure_api_version
    if not version and "azure" in (entry.fields.model_name or ""):
        version = AZURE_VERSION
    model = entry.required("model_name")
    if version:
        base = entry.required("api_base")
        return {"format": "azure", "base_url": base, "api_version": version, "model": model}
    return {"format": "openai", **_base(entry), "model": model}


def _openai_no_stream(entry: Entry, environ: Mapping[str, str]) -> Settings:
    return _openai(entry, environ) | {"streams": False}


def _openai_o1(entry: Entry, environ: Mapping[str, str]) -> Settings:
    return _openai(entry, environ) | {"reasoning": True}


def _assistant(entry: Entry, _: Mapping[str, str]) -> Settings:
    return {"format": "openai-assistant", "assistant_id": entry.required("assistant_id")}


def _anthropic(entry: Entry, _: Mapping[str, str]) -> Settings:
    return {"format": "anthropic", "model": entry.required("model_name")}


def _anthropic_by_name(entry: Entry, _: Mapping[str, str]) -> Settings:
    return {"format": "anthropic", "model": entry.name}


def _anthropic_vertex(entry: Entry, environ: Mapping[str, str]) -> Settings:
    base = _vertex_base(entry, environ, "anthropic")
    return {"format": "anthropic", "host": "vertex", "base_url": base, "model": entry.required("model_name")}


def _gemini(entry: Entry, _: Mapping[str, str]) -> Settings:
    return {"format": "gemini", "model": entry.required("model_name")}


def _vertex(entry: Entry, environ: Mapping[str, str]) -> Settings:
    base = _vertex_base(entry, environ, "google")
    return {"format": "gemini", "host": "vertex", "base_url": base, "model": entry.name}


def _mistral(entry: Entry, _: Mapping[str, str]) -> Settings:
    return {"format": "mistral", "model": entry.required("model_name")}


def _nvidia(entry: Entry, _: Mapping[str, str]) -> Settings:
    """The functions that were called by their number are gone; the catalogue has an API of its own now."""
    base = entry.required("api_base")
    is_function = (urlsplit(base).hostname or "").startswith("api.nvcf.")
    return {"format": "openai", "base_url": NVIDIA if is_function else base, "model": entry.required("model_name")}


def _yandexgpt(entry: Entry, _: Mapping[str, str]) -> Settings:
    """The file has the address of the method, config.toml that of the API."""
    base = entry.required("api_base").rstrip("/").removesuffix("/completion")
    folder = entry.required("folder_id")
    return {"format": "yandexgpt", "base_url": base, "folder_id": folder, "model": entry.required("model_name")}


def _cohere(entry: Entry, _: Mapping[str, str]) -> Settings:
    """Cohere's own address was that of version 1; another one is kept."""
    host = urlsplit(entry.fields.api_base or "").hostname
    is_own = host is None or host.endswith(("cohere.com", "cohere.ai"))
    name = {"client_name": entry.fields.client_name} if entry.fields.client_name else {}
    return {
        "format": "cohere",
        **({} if is_own else _base(entry)),
        **name,
        "model": entry.required("model_name"),
    }


def _reka(entry: Entry, _: Mapping[str, str]) -> Settings:
    """A name ending in -online asked for a search that was never requested: the ending was cut off."""
    return {"format": "reka", "model": entry.required("model_name").replace("-online", "")}


def _p2l(entry: Entry, _: Mapping[str, str]) -> Settings:
    return {"format": "p2l", "base_url": entry.required("api_base"), "model": entry.required("model_name")}


def _base(entry: Entry) -> Settings:
    return {"base_url": entry.fields.api_base} if entry.fields.api_base else {}


def _vertex_base(entry: Entry, environ: Mapping[str, str], publisher: str) -> str:
    project, location = environ.get("GCP_PROJECT_ID"), environ.get("GCP_LOCATION")
    if not project or not location:
        raise entry.wrong(
            "api_type",
            "the address at Vertex AI is made of GCP_PROJECT_ID and GCP_LOCATION, and the environment lacks them. "
            "Set both: export GCP_PROJECT_ID=… GCP_LOCATION=…",
        )
    host = "aiplatform" if location == "global" else f"{location}-aiplatform"
    return f"https://{host}.googleapis.com/v1/projects/{project}/locations/{location}/publishers/{publisher}"


_NOTHING: frozenset[str] = frozenset()
_TOP_P = frozenset(("top_p",))
_ALL_BUT_TOP_P = frozenset(("temperature", "max_tokens"))
_VERTEX_TOKEN = "GCP_ACCESS_TOKEN"

KINDS: Mapping[str, Kind] = {
    "openai": Kind(_openai, "OPENAI_API_KEY"),
    "openai_no_stream": Kind(_openai_no_stream, "OPENAI_API_KEY"),
    "openai_o1": Kind(_openai_o1, "OPENAI_API_KEY", sent=_NOTHING),
    "openai_assistant": Kind(
        _assistant, "OPENAI_API_KEY", sent=_NOTHING, reads_base=False, takes_system_prompt=False
    ),
    # Newer models of Anthropic refuse temperature and top_p side by side; top_p 1.0 is what they do by themselves.
    "anthropic": Kind(
        _anthropic_by_name, "ANTHROPIC_API_KEY", _ALL_BUT_TOP_P, _TOP_P, file_key="second", reads_base=False
    ),
    "anthropic_message": Kind(
        _anthropic, "ANTHROPIC_API_KEY", _ALL_BUT_TOP_P, _TOP_P, file_key="second", reads_base=False
    ),
    "anthropic_message_vertex": Kind(
        _anthropic_vertex, _VERTEX_TOKEN, _ALL_BUT_TOP_P, _TOP_P, file_key="never", reads_base=False
    ),
    "gemini": Kind(_gemini, "GEMINI_API_KEY", reads_base=False, extra_body=UNBLOCKED),
    "gemini_no_stream": Kind(_gemini, "GEMINI_API_KEY", reads_base=False, extra_body=UNBLOCKED),
    "vertex": Kind(_vertex, _VERTEX_TOKEN, file_key="never", reads_base=False, extra_body=UNBLOCKED),
    "mistral": Kind(_mistral, "MISTRAL_API_KEY", reads_base=False),
    "nvidia": Kind(_nvidia, "NVIDIA_API_KEY", seed=42),
    "yandexgpt": Kind(_yandexgpt, "YANDEXGPT_API_KEY", sent=_ALL_BUT_TOP_P),
    "cohere": Kind(_cohere, "CO_API_KEY"),
    "reka": Kind(
        _reka, "REKA_API_KEY", frozenset(("top_p", "max_tokens")), frozenset(("temperature",)), reads_base=False
    ),
    "p2l": Kind(_p2l, None, frozenset(("max_tokens",))),
}

GONE: Mapping[str, str] = {
    "bard": "Google has shut down the PaLM API that it spoke to. Use api_type gemini, with a Gemini model",
    "ai2": "Ai2 has shut down InferD. Where the model is served by another API, use that one's api_type; "
    "most speak openai",
    "column": "the service it was written for no longer exists. Where the model is served by another API, "
    "use that one's api_type; most speak openai",
    "metagen": "the service it was written for, which Meta opened to one arena alone, no longer exists. "
    "Llama models are served by many APIs of api_type openai: use one of those",
}
"""Why there is nobody left to ask, and what to do."""
