"""Clients of hosted services, one module a wire format. Here is only the choice among them.

Each is imported when the configuration first asks for it: an arena of scripts alone never loads an HTTP client.
"""

from collections.abc import Mapping

from arena import config
from arena.backend import Backend


def make(provider: config.Provider, environ: Mapping[str, str]) -> Backend:
    """The client that speaks the provider's format. Raises `ConfigError` where its settings cannot work."""
    match provider:
        case config.OpenAI():
            from arena.providers.openai import OpenAIClient

            return OpenAIClient(provider, environ)
        case config.Script():
            from arena.providers.script import ScriptBackend

            return ScriptBackend(provider)
