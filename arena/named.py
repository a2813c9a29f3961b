"""Models that visitors choose by name, side by side or for a chat with one, and how they have answers drawn.

What may be chosen and what may be asked for, as config.toml has it. Knows neither the web nor which model is up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from arena.backend import Sampling
from arena.config import Config, Model, OpenAI, Responses
from arena.conversation import Conversation, Mode, Parameters
from arena.errors import Conflict, NotFound, Unprocessable
from arena.words import _

HOTTEST = 2.0
SUGGESTED = 3  # names, for one that nobody has
_OWN_FIELDS = {  # of `extra_body`, which is set over all others: what a visitor says comes before it
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens"),
}


def is_on(config: Config, mode: Mode) -> bool:
    """Whether conversations of this kind may be had here."""
    return {"battle": True, "side_by_side": config.modes.side_by_side, "direct": config.modes.direct}[mode]


def check_mode(config: Config, mode: Mode) -> None:
    """Raises `NotFound` where the operator has switched it off."""
    if not is_on(config, mode):
        raise NotFound(_("There is no page at this address."))


def choosable(config: Config) -> tuple[Model, ...]:
    """The models that may be chosen by name: those that are never drawn as well."""
    return tuple(model for model in config.models if not model.battle_only)


def find(config: Config, name: str) -> Model | None:
    """The one that may be chosen by this name, in any case where no other has it."""
    models = choosable(config)
    exact = next((model for model in models if model.name == name), None)
    folded = [model for model in models if model.name.casefold() == name.casefold()]
    return exact or (folded[0] if len(folded) == 1 else None)


def nearest(config: Config, name: str) -> tuple[str, ...]:
    """Names like this one, for a visitor who may have misspelt it."""
    names = {model.name.casefold(): model.name for model in choosable(config)}
    wanted = name.casefold()
    parts = [one for one in names if wanted in one]
    close = [*parts, *get_close_matches(wanted, names, n=SUGGESTED, cutoff=0.5)]
    return tuple(names[one] for one in dict.fromkeys(close))[:SUGGESTED]


def chosen(config: Config, mode: Mode, names: Sequence[str]) -> tuple[Model, ...]:
    """The models of these names, for a new conversation. Raises `NotFound`, `Unprocessable`."""
    check_mode(config, mode)
    models = tuple(find(config, name) for name in names)
    for name, model in zip(names, models, strict=True):
        if model is None:
            raise Unprocessable(unknown(config, name))
    found = tuple(model for model in models if model)
    if len({model.name for model in found}) < len(found):
        raise Unprocessable(_("A model is not compared with itself. Choose two different ones."))
    return found


def unknown(config: Config, name: str) -> str:
    """That there is no such model, in words, with what may have been meant."""
    if not name:
        return _("Choose a model first.")
    words = _("There is no model “{name}” to choose here.").format(name=name[:100])
    if near := nearest(config, name):
        meant = _("Is it {names}?").format(names=", ".join(f"“{one}”" for one in near))
        words = f"{words} {meant}"
    return words


def why_closed(config: Config, conversation: Conversation) -> str:
    """Why nothing more can be asked in it by now, in words; empty where all is well, as always in a battle."""
    if conversation.mode == "battle":
        return ""
    if not is_on(config, conversation.mode):
        return _("Conversations like this one are no longer offered here. It can still be read.")
    here = {model.name for model in choosable(config)}
    gone = [name for name in conversation.models.values() if name not in here]
    if gone:
        words = _("{names} can no longer be chosen here, so nothing more can be asked. It can still be read.")
        return words.format(names=", ".join(gone))
    return ""


def check_going_on(config: Config, conversation: Conversation, said: Parameters | None) -> None:
    """Raises `Conflict` where nothing more can be asked, and `Unprocessable` for parameters that cannot be."""
    if words := why_closed(config, conversation):
        raise Conflict(words)
    if said is None:
        return
    if conversation.mode == "battle":
        raise Unprocessable(_("A battle takes no parameters: both models answer with their own."))
    check(config, [config.model(name) for name in conversation.models.values()], said)


# How answers are drawn


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be said of how a model answers: up to how many tokens, and whether it takes the rest at all."""

    max_tokens: int
    takes_sampling: bool
    takes_system: bool


def reach(config: Config, model: Model) -> Reach:
    """What a visitor may say to this model."""
    return Reach(most_tokens(config, model), _takes_sampling(config, model), takes_system(model))


def most_tokens(config: Config, model: Model) -> int:
    """The longest answer of this model that a visitor may ask for."""
    if model.max_tokens is not None:
        return model.max_tokens
    context = config.context_length(model)
    return min(config.modes.max_tokens, max(context // 2, 1)) if context else config.modes.max_tokens


def takes_system(model: Model) -> bool:
    """Whether a visitor may write its system prompt: one that has its own is what it is by that."""
    return not model.system_prompt if model.takes_system_prompt is None else model.takes_system_prompt


def _takes_sampling(config: Config, model: Model) -> bool:
    """Whether any of its backends takes a temperature: services of reasoning models do not."""
    kinds = {provider.name: provider for provider in config.providers}
    found = [kinds.get(name) for name in model.backends]
    return not all(isinstance(one, OpenAI | Responses) and one.reasoning for one in found)


def check(config: Config, models: Iterable[Model], said: Parameters) -> None:
    """Raises `Unprocessable`, with the range in words, for what none of these models takes."""
    reaches = [reach(config, model) for model in models]
    most = max(one.max_tokens for one in reaches)
    is_drawn_so = said.temperature is not None or said.top_p is not None
    if is_drawn_so and not any(one.takes_sampling for one in reaches):
        raise Unprocessable(_("No temperature and no top-p can be set here: this is a reasoning model."))
    if said.temperature is not None and not 0 <= said.temperature <= HOTTEST:
        raise Unprocessable(_("The temperature is a number from 0 to 2. Left empty, it is as the model has it."))
    if said.top_p is not None and not 0 < said.top_p <= 1:
        raise Unprocessable(_("Top-p is a number above 0, up to 1. Left empty, it is as the model has it."))
    if said.max_tokens is not None and not 1 <= said.max_tokens <= most:
        words = _(
            "The longest answer is a whole number of tokens from 1 to {most}. Left empty: as the model has it."
        )
        raise Unprocessable(words.format(most=most))
    if said.system is None:
        return
    if not any(one.takes_system for one in reaches):
        raise Unprocessable(_("No system prompt can be written here: the models keep their own."))
    limit = config.limits.prompt_characters
    if len(said.system) > limit:
        words = _("The system prompt has {n} characters; the limit is {limit}.")
        raise Unprocessable(words.format(n=len(said.system), limit=limit))
    if "\0" in said.system:
        raise Unprocessable(_("The system prompt holds a NUL character, which no model can read."))


def system_prompt(model: Model, said: Parameters) -> str:
    """What the model is told to be: by the visitor where it takes that, else by config.toml."""
    return said.system if said.system is not None and takes_system(model) else model.system_prompt


def sampling(config: Config, model: Model, said: Parameters) -> Sampling:
    """How the model's answer is drawn: as the visitor said, within what it takes, else as config.toml says."""
    heard = {name: value for name in _OWN_FIELDS if (value := getattr(said, name)) is not None}
    if "max_tokens" in heard:
        heard["max_tokens"] = min(heard["max_tokens"], most_tokens(config, model))
    replaced = {field for name in heard for field in _OWN_FIELDS[name]}
    extra = {field: value for field, value in model.extra_body.items() if field not in replaced}
    own = {name: getattr(model, name) for name in _OWN_FIELDS}
    return Sampling(**own | heard, stop=model.stop, seed=model.seed, extra=extra)
