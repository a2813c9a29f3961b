"""What is wrong with a configuration whose every single value is right."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from arena.config.backends import Assistant, Engine, Hosted, HuggingFace, Provider, Script
from arena.config.settings import Config, Model, pattern, tag
from arena.errors import BACKEND_ERRORS
from arena.words import codes

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_TOKEN = re.compile(r"[!-~]+")
_WEB = re.compile(r"https?://\S+", re.IGNORECASE)
TOKEN_CHARACTERS = 16


def problems(config: Config, environ: Mapping[str, str]) -> Iterable[str]:
    """Each with its path and its mend, worst first."""
    yield from _repeated("models", (model.name for model in config.models))
    yield from _repeated(
        "engines and providers", [backend.name for backend in (*config.engines, *config.providers)]
    )
    known = {backend.name: backend for backend in (*config.engines, *config.providers)}
    for number, model in enumerate(config.models):
        yield from _model_problems(f'models[{number}] ("{model.name}")', model, known)
    for number, provider in enumerate(config.providers):
        where = f'providers[{number}] ("{provider.name}")'
        if isinstance(provider, Script):
            yield from _script_problems(where, provider)
        else:
            yield from _key_problems(where, provider, environ)
    yield from _language_problems(config.server.languages)
    yield from _vote_problems(config)
    yield from _matchmaker_problems(config)
    yield from _tag_problems(config.leaderboard.tags)
    yield from _token_problems(config.access.admin_token_env, environ)


def _model_problems(where: str, model: Model, known: Mapping[str, Engine | Provider]) -> Iterable[str]:
    if (model.price_in is None) != (model.price_out is None):
        missing, given = ("price_in", "price_out") if model.price_in is None else ("price_out", "price_in")
        yield f"{where}.{missing}: is missing beside {given}. Give both prices, or neither."
    if model.link and not _WEB.fullmatch(model.link):
        yield f"{where}.link: is no address of a web page. Begin it with https:// or http://, or leave it out."
    for name in model.backends:
        backend = known.get(name)
        if backend is None:
            yield (
                f'{where}.backends: there is no engine or provider named "{name}". '
                f"Known are: {', '.join(sorted(known)) or 'none'}. Name one of them, or add it."
            )
        if isinstance(backend, Hosted) and not (_knows_its_model(backend) or model.model_id or backend.model):
            yield (
                f'{where}.model_id: is missing: the provider "{name}" must be told which model to run. '
                "Set model_id here, or model at the provider."
            )


def _knows_its_model(provider: Hosted) -> bool:
    """An assistant has its own model, and text-generation-inference serves one alone."""
    return isinstance(provider, Assistant | HuggingFace)


def _key_problems(where: str, provider: Hosted, environ: Mapping[str, str]) -> Iterable[str]:
    sources = ("api_key_env", "api_key_file", "api_key")
    given = [source for source in sources if getattr(provider, source) is not None]
    if len(given) > 1:
        yield f"{where}.{given[1]}: the key is given twice, by {given[0]} as well. Remove one of the two."
    key = provider.api_key_env
    if key is not None and not _VARIABLE.fullmatch(key):  # most likely the key itself: do not repeat it
        yield (
            f"{where}.api_key_env: is not the name of an environment variable (capitals, digits and _). "
            "Put the key into the environment, and here the name under which it is there."
        )
    elif key and not environ.get(key):
        yield f"{where}.api_key_env: the environment has no {key}. Set it before starting: export {key}=…"


def _language_problems(languages: tuple[str, ...]) -> Iterable[str]:
    for code in languages:
        if code not in codes():
            yield (
                f'server.languages: there is no catalogue for "{code}". Known are: {", ".join(codes())}. '
                "Name some of them, or write one (docs/languages.md)."
            )


def _vote_problems(config: Config) -> Iterable[str]:
    blind = config.blind
    if blind.count_after_seconds < blind.undo_seconds:
        yield (
            f"blind.count_after_seconds: {blind.count_after_seconds:g} is less than undo_seconds: a vote that "
            "counts cannot be undone any more. Make it as long at least."
        )
    yield from _repeated("votes.reasons and votes.faults", [*config.votes.reasons, *config.votes.faults])


def _token_problems(variable: str | None, environ: Mapping[str, str]) -> Iterable[str]:
    """The operator's token: hard to guess, and fit for a header. Never says what it is."""
    where = "access.admin_token_env"
    if variable is None:
        return
    if not _VARIABLE.fullmatch(variable):  # most likely the token itself: do not repeat it
        yield (
            f"{where}: is not the name of an environment variable (capitals, digits and _). "
            "Put the token into the environment, and here the name under which it is there."
        )
        return
    token = environ.get(variable, "").strip()
    if not token:
        yield f"{where}: the environment has no {variable}. Set it before starting: export {variable}=…"
    elif len(token) < TOKEN_CHARACTERS:
        yield (
            f"{where}: the token in {variable} has fewer than {TOKEN_CHARACTERS} characters: it could be guessed. "
            "Take a longer one: openssl rand -hex 32 makes one."
        )
    elif not _TOKEN.fullmatch(token):
        yield (
            f"{where}: the token in {variable} holds characters that no header can carry. "
            "Take letters, digits and signs without spaces: openssl rand -hex 32 makes one."
        )


def _script_problems(where: str, script: Script) -> Iterable[str]:
    kinds = sorted(error.kind for error in BACKEND_ERRORS)
    if script.fail is not None and script.fail not in kinds:
        yield (
            f'{where}.fail: there is no failure "{script.fail}". Known are: {", ".join(kinds)}. '
            "Name one of them, or remove it."
        )


def _matchmaker_problems(config: Config) -> Iterable[str]:
    """A rule about a model that is not there is most likely misspelt."""
    known = {model.name for model in config.models}
    rules = config.matchmaker
    targets = {name for names in rules.targets.values() for name in names}
    named = {
        "weights": set(rules.weights),
        "image_weights": set(rules.image_weights),
        "boosted": set(rules.boosted),
        "targets": set(rules.targets) | targets,
        "strict_targets": set(rules.strict_targets),
        "apart": set(rules.apart),
        "outages": set(rules.outages),
    }
    for setting, names in named.items():
        for name in sorted(names - known):
            yield f'matchmaker.{setting}: there is no model named "{name}". Name one of models, or remove it.'
    for name, patterns in rules.strict_targets.items():
        yield from _pattern_problems(f'matchmaker.strict_targets."{name}"', patterns)


def _pattern_problems(where: str, patterns: Iterable[str]) -> Iterable[str]:
    for number, text in enumerate(patterns):
        try:
            pattern(text)
        except (re.error, OverflowError, RecursionError) as exc:
            yield f"{where}[{number}]: is not a pattern: {exc}. Mend it; a * stands for anything."


def _tag_problems(tags: Mapping[str, str]) -> Iterable[str]:
    for name, text in tags.items():
        try:
            tag(text)
        except (re.error, OverflowError, RecursionError) as exc:
            yield f'leaderboard.tags."{name}": is not a regular expression: {exc}. Mend it.'


def _repeated(table: str, names: Iterable[str]) -> Iterable[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f'{table}: the name "{name}" is used {count} times. Names must differ: rename one.'
