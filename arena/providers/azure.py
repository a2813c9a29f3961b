"""The client of Azure OpenAI: chat completions behind deployments, or behind the v1 endpoint.

It follows "Azure OpenAI REST API reference" (https://learn.microsoft.com/azure/ai-foundry/openai/reference),
version 2024-02-01 and the later ones, and "Azure OpenAI v1 API"
(https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle). With an `api_version`, a deployment
has an address of its own; without one, or under a `base_url` that ends in /openai/v1, its name is the model of
the request. What a filter says of a prompt that it lets pass comes in chunks without choices, and is skipped.
"""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

import httpx
import msgspec

from arena import config
from arena.backend import Prompt
from arena.errors import BackendRefused
from arena.providers.openai import OpenAIClient, Request, Way

COUNTING_VERSION = "2024-09-01"
"""The first version in which a stream may be asked for its usage."""


class AzureClient(OpenAIClient):
    """One resource and the deployments in it."""

    request_id_headers = ("apim-request-id", "x-request-id", "x-ms-request-id")

    def __init__(self, provider: config.Azure, environ: Mapping[str, str]) -> None:
        super().__init__(provider, environ)
        base = httpx.URL(provider.base_url).path.rstrip("/")
        self._version = provider.api_version
        self._has_deployments = provider.api_version is not None and not base.endswith("/openai/v1")
        self._prefix = "" if base.endswith(("/openai", "/openai/v1")) else "/openai"
        if not self._has_deployments and not base.endswith("/openai/v1"):
            self._prefix += "/v1"
        if self._has_deployments and (provider.api_version or "") < COUNTING_VERSION:
            self._way = replace(self._way, tells_usage=False)

    def _path(self, prompt: Prompt) -> str:
        if not self._has_deployments:
            return f"{self._prefix}/chat/completions"
        deployment = self._model_of(prompt)
        if not deployment:
            raise self._service.error(BackendRefused, "no deployment is named: set model in its [[providers]]")
        return f"{self._prefix}/deployments/{quote(deployment, safe='')}/chat/completions"

    def _query(self, prompt: Prompt) -> dict[str, str] | None:
        return {"api-version": self._version} if self._version else None

    def _headers(self) -> dict[str, str]:
        key = self._service.key
        return {"api-key": key} if key else {}

    def _request(self, prompt: Prompt, way: Way | None = None) -> Request:
        request = super()._request(prompt, way)
        return msgspec.structs.replace(request, model="") if self._has_deployments else request
