"""Clients of hosted services, one module a wire format. Here is only the choice among them.

Each is imported when the configuration first asks for it: an arena of scripts alone never loads an HTTP client.
"""

from collections.abc import Mapping
from importlib import import_module

from arena import config
from arena.backend import Backend

_CLIENTS: dict[type[config.Provider], tuple[str, str]] = {
    config.OpenAI: ("openai", "OpenAIClient"),
    config.Azure: ("azure", "AzureClient"),
    config.Responses: ("responses", "ResponsesClient"),
    config.Assistant: ("assistant", "AssistantClient"),
    config.Anthropic: ("anthropic", "AnthropicClient"),
    config.Gemini: ("gemini", "GeminiClient"),
    config.Cohere: ("cohere", "CohereClient"),
    config.Mistral: ("mistral", "MistralClient"),
    config.Reka: ("reka", "RekaClient"),
    config.YandexGPT: ("yandexgpt", "YandexGPTClient"),
    config.P2L: ("p2l", "P2LClient"),
    config.HuggingFace: ("huggingface", "HuggingFaceClient"),
}


def make(provider: config.Provider, environ: Mapping[str, str]) -> Backend:
    """The client that speaks the provider's format. Raises `ConfigError` where its settings cannot work."""
    if isinstance(provider, config.Script):
        from arena.providers.script import ScriptBackend

        return ScriptBackend(provider)
    module, name = _CLIENTS[type(provider)]
    client: Backend = getattr(import_module(f"arena.providers.{module}"), name)(provider, environ)
    return client
