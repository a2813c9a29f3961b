"""The form of how answers are drawn: temperature, top-p, the longest answer, a system prompt. Checks nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arena import named
from arena.config import Config, Model
from arena.conversation import Parameters
from arena.named import reach
from arena.words import _, number

PARAMETERS = ("temperature", "top_p", "max_tokens", "system")

_NOT_A_NUMBER = float("nan")


@dataclass(frozen=True, slots=True)
class Field:
    """A number that may be set. `own`: what it is where nothing is written; `hint`: what may be written."""

    name: str
    label: str
    value: str
    own: str
    hint: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The form of parameters. `system`: what stands in the box of the system prompt; `None` without one.

    `is_said`: something in it is not as the models have it; `is_open`: it is unfolded at once.
    """

    fields: tuple[Field, ...]
    system: str | None
    system_hint: str = ""
    is_said: bool = False
    is_open: bool = False


def said_in(form: Mapping[str, str]) -> Parameters | None:
    """The parameters of a form, not checked yet; `None` for a form that has no fields of that kind."""
    if not any(name in form for name in PARAMETERS):
        return None
    return Parameters(
        _number(form.get("temperature", "")),
        _number(form.get("top_p", "")),
        _whole(form.get("max_tokens", "")),
        form.get("system", "").strip() or None,
    )


def settings_again(form: Mapping[str, str]) -> Settings | None:
    """The form as it was filled in, for a visitor whose request was refused; `None` where nothing was."""
    if not any(form.get(name) for name in PARAMETERS):
        return None
    labels = {"temperature": _("Temperature"), "top_p": _("Top-p"), "max_tokens": _("Longest answer")}
    fields = tuple(Field(name, label, form[name], "", "") for name, label in labels.items() if name in form)
    return Settings(fields, form.get("system"), is_open=True)


def _number(text: str) -> float | None:
    """What cannot be read is out of every range."""
    try:
        return float(text.strip().replace(",", ".")) if text.strip() else None
    except ValueError:
        return _NOT_A_NUMBER


def _whole(text: str) -> int | None:
    try:
        return int(text.strip()) if text.strip() else None
    except ValueError:
        return 0


def settings(config: Config, models: Sequence[Model], said: Parameters) -> Settings:
    """The form for these models, with what has been said."""
    reaches = [reach(config, model) for model in models]
    fields = []
    if any(one.takes_sampling for one in reaches):
        own = [_own([getattr(model, name) for model in models]) for name in ("temperature", "top_p")]
        fields += [
            Field("temperature", _("Temperature"), _value(said.temperature), own[0], _("0 to 2")),
            Field("top_p", _("Top-p"), _value(said.top_p), own[1], _("above 0, up to 1")),
        ]
    longest = _own([model.max_tokens for model in models])
    fields.append(
        Field("max_tokens", _("Longest answer"), _value(said.max_tokens), longest, _tokens(config, models))
    )
    willing = [model.name for model, one in zip(models, reaches, strict=True) if one.takes_system]
    is_for_some = willing and len(willing) < len(models)
    hint = _("Only for {name}: the other one keeps its own.").format(name=willing[0]) if is_for_some else ""
    return Settings(tuple(fields), (said.system or "") if willing else None, hint, said != Parameters())


def _own(values: Sequence[float | None]) -> str:
    """What stands in an empty box: the number that all have, or that each has its own."""
    first = values[0]
    if any(value != first for value in values):
        return _("each its own")
    return _("its own") if first is None else _value(first)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _tokens(config: Config, models: Sequence[Model]) -> str:
    """How many tokens may be asked for, and of whom fewer are to be had."""
    most = {model.name: named.most_tokens(config, model) for model in models}
    words = _("1 to {most} tokens").format(most=number(max(most.values())))
    fewer = [name for name, count in most.items() if count < max(most.values())]
    if not fewer:
        return words
    least = _("{name} at most {most}").format(name=fewer[0], most=number(most[fewer[0]]))
    return f"{words}; {least}"
