"""The client of text-generation-inference and of Inference Endpoints, which run it.

It follows "Messages API" (https://huggingface.co/docs/text-generation-inference/messages_api), version 3:
OpenAI's chat completions under /v1. One server runs one model, under whatever name it is asked for; `tgi` by
custom. Errors are `{"error": "…", "error_type": "…"}`, in bodies and in streams alike.
"""

from collections.abc import Mapping

import httpx

from arena import config
from arena.backend import Prompt
from arena.providers.openai import OpenAIClient

MODEL = "tgi"


class HuggingFaceClient(OpenAIClient):
    """One server, with or without /v1 in its address."""

    def __init__(self, provider: config.HuggingFace, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        self._prefix = "" if httpx.URL(provider.base_url).path.rstrip("/").endswith("/v1") else "/v1"

    def _path(self, prompt: Prompt) -> str:
        return f"{self._prefix}/chat/completions"

    def _model_of(self, prompt: Prompt) -> str:
        return super()._model_of(prompt) or MODEL
