"""config.toml -> one frozen `Config`, read once and handed down. Knows the file, not what is done with it.

An unknown key, a wrong type, a model without a backend, a name used twice or a key missing from the environment
refuses to start with a `ConfigError` that names the file, the path inside it, and the mend.
"""

from arena.config.backends import (
    P2L,
    Anthropic,
    Assistant,
    Azure,
    Backed,
    Cohere,
    Engine,
    Gemini,
    Hosted,
    HuggingFace,
    Mistral,
    OpenAI,
    Provider,
    Reka,
    Responses,
    Script,
    YandexGPT,
)
from arena.config.reading import decode, parse, read
from arena.config.settings import (
    Access,
    Config,
    Database,
    Leaderboard,
    Limits,
    Live,
    Matchmaking,
    Model,
    Routing,
    Server,
    Texts,
)

__all__ = [
    "P2L",
    "Access",
    "Anthropic",
    "Assistant",
    "Azure",
    "Backed",
    "Cohere",
    "Config",
    "Database",
    "Engine",
    "Gemini",
    "Hosted",
    "HuggingFace",
    "Leaderboard",
    "Limits",
    "Live",
    "Matchmaking",
    "Mistral",
    "Model",
    "OpenAI",
    "Provider",
    "Reka",
    "Responses",
    "Routing",
    "Script",
    "Server",
    "Texts",
    "YandexGPT",
    "decode",
    "parse",
    "read",
]
