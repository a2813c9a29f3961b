"""Texts that give a side away: a prompt that asks for the model or its maker, an answer that says who it is.

A name of a product that means nothing else (GPT-4, ChatGPT) is a leak wherever it stands. Most names are words
as well (Gemini, Llama, Google, a contender called Concise), so they are leaks only where somebody speaks of
himself or asks the other: "I am Gemini", "trained by Google", "are you Llama?"; "google maps" is none. Texts are
compared word by word, folded: compatibility forms (NFKC), case and accents do not matter.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from arena.config import Config, Hosted

KNOWN = Path(__file__).with_name("makers.toml")

# Somebody speaks of himself; X stands for the name.
_SELF = (
    r"(?:i am|i m|i'm|my name is|call me|you are (?:talking|speaking|chatting) (?:to|with)|this is) "
    r"(?:(?:an?|the|called|named|known as) )?X",
    r"as (?:an? )?X(?: \w+)? (?:model|assistant|ai|chatbot)",
    r"(?:made|built|created|developed|trained|designed|fine tuned|finetuned|released|provided|powered) "
    r"(?:by|at|from) (?:the )?(?:(?:team|people|researchers|company)(?: \w+)? (?:at|of|from|called) )?X",
    r"(?:an?|the) (?:\w+ )?(?:large )?(?:language |ai |chat )?(?:model|assistant|chatbot) "
    r"(?:called|named|by|from|made by) X",
    r"X(?:'s)? (?:large )?(?:language|ai|chat) (?:model|assistant)",
    # German, French, Spanish, Italian, Portuguese
    r"(?:ich bin|ich heisse|mein name ist|je suis|je m'appelle|soy|me llamo|io sono|mi chiamo|eu sou|meu nome e) "
    r"(?:(?:ein|eine|un|une|uma?|el|la|il|o) )?(?:\w+ )?X",
    r"(?:entwickelt|trainiert|erstellt|gebaut) (?:von|bei) X|von X (?:entwickelt\w*|trainiert\w*|erstellt\w*)",
    r"(?:developpe|entraine|cree|concu)e? par X|(?:desarrollad|entrenad|cread)[oa] por X",
    r"(?:sviluppat|addestrat|creat)[oa] da X|(?:desenvolvid|treinad|criad)[oa] p(?:or|el[ao]) X",
    # Russian, Chinese, Japanese
    r"я X|меня зовут X|(?:создан\w*|разработан\w*|обучен\w*)(?: компанией)? X",
    r"我是 ?X|我叫 ?X|由 ?X ?(?:开发|训练|创建|研发|推出)",
    r"私は ?X|X ?(?:が|によって) ?(?:開発|作成|訓練)",
)
_OF_NAMES = (*_SELF, r"(?:are|r) (?:you|u) (?:(?:an?|the|really|actually) )?X", r"(?:bist du|es tu|eres|sei) X")

# Somebody asks for a name, whatever it is.
_ASKS = (
    r"(?:what|which) (?:\w+ ){0,3}?(?:model|llm|ai|chatbot|assistant)(?: \w+)? (?:are|r) (?:you|u)",
    r"(?:what|who) (?:is|s) your (?:name|maker|creator|developer)|what's your name|who's your (?:maker|creator)",
    r"(?:who|which company|what company) (?:made|built|created|developed|trained|owns) (?:you|u)",
    r"(?:who|what) (?:exactly )?are you(?: called)?$",
    r"(?:are|r) you (?:an? )?(?:open ?source|proprietary) model",
    r"(?:tell me|reveal|say|state|disclose)(?: me)? (?:your|the) (?:model )?(?:name|identity|version)"
    r"(?: of your model)?",
    r"(?:welches|was fur ein) (?:\w+ )?(?:modell|ki)(?: \w+)? bist du",
    r"wer hat dich (?:entwickelt|gemacht|trainiert)|wie heisst du|wer bist du$",
    r"quel modele es tu|qui t'a (?:cree|developpe)|comment t'appelles tu|qui es tu$",
    r"que modelo eres|quien te (?:creo|hizo|entreno|desarrollo)|como te llamas|quien eres$",
    r"che modello sei|chi ti ha (?:creato|addestrato)|come ti chiami",
    r"qual modelo voce e|quem te criou|qual e (?:o )?seu nome",
    r"какая (?:ты )?модель|кто тебя (?:создал|сделал|обучил)|как тебя зовут|кто ты$",
    r"你是(?:什么|哪个|哪种|什麼|哪個) ?(?:模型|ai|人工智能)|你是谁|你叫什么|谁(?:开发|创造|训练)了你",
    r"あなたは(?:何|どの|誰)|お名前|誰があなたを",
)

_PUNCTUATION = re.compile(r"[^\w\s.']+|(?<!\d)\.|\.(?!\d)|_")
_SENTENCE_END = re.compile("[.!?\n\u3002\uff1f\uff01]+")
_DISTINCT = re.compile(r"\d")
_UNSPACED = "\u3040-\u9fff"  # Japanese and Chinese


def fold(text: str) -> str:
    """The text as it is compared: NFKC, lower case, no accents, words with single spaces between them."""
    letters = text.lower() if text.isascii() else _letters(text)
    return " ".join(_PUNCTUATION.sub(" ", letters).split())


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in plain if not unicodedata.combining(c)).replace("\u2019", "'")


class Leaks:
    """Finds them, for the contenders of one configuration and all makers that are known."""

    def __init__(self, config: Config) -> None:
        named = set(_names(config))
        distinct = {name for name in named if _DISTINCT.search(name)}
        known = tomllib.loads(KNOWN.read_text("utf-8"))
        self._anywhere = _any_of((_alternatives((*known["products"], *distinct)),))
        self._names = _folded((*known["makers"], *named))
        words = _alternatives(self._names)
        self._of_names = _any_of(pattern.replace("X", words) for pattern in _OF_NAMES)
        self._asks = _any_of(_ASKS)

    def in_prompt(self, text: str) -> bool:
        """Whether a prompt names a model or a maker as the other side, or asks for it."""
        folded = fold(text)
        return self._is_said(folded) or any(self._asks.search(line) for line in _sentences(text, folded))

    def in_answer(self, text: str) -> bool:
        """Whether an answer says who it is."""
        return self._is_said(fold(text))

    def _is_said(self, folded: str) -> bool:
        """Most texts hold no name, which is soon seen."""
        has_name = any(name in folded for name in self._names)
        return bool(self._anywhere.search(folded) or (has_name and self._of_names.search(folded)))


def _names(config: Config) -> Iterable[str]:
    """What the configuration calls its contenders, their makers, and the models behind them."""
    for model in config.models:
        yield from filter(None, (model.name, model.organisation, model.model_id, *model.aliases))
    for provider in config.providers:
        if isinstance(provider, Hosted) and provider.model:
            yield provider.model
    for engine in config.engines:
        yield engine.checkpoint.rstrip("/").rsplit("/", 1)[-1]


def _sentences(text: str, folded: str) -> Iterable[str]:
    """The whole text, and its sentences: some questions are one only where nothing follows."""
    sentences = [sentence for sentence in _SENTENCE_END.split(text) if sentence]
    return chain((folded,), (fold(sentence) for sentence in sentences if len(sentences) > 1))


def _alternatives(names: Iterable[str]) -> str:
    """A pattern of these names, folded, the longest first."""
    return f"(?:{'|'.join(map(re.escape, _folded(names)))})"


def _folded(names: Iterable[str]) -> list[str]:
    return sorted({fold(name) for name in names} - {""}, key=lambda name: (-len(name), name))


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Any of these patterns, at the borders of words; languages without spaces have none."""
    return re.compile(rf"(?:(?<!\w)|(?<=[{_UNSPACED}]))(?:{'|'.join(patterns)})(?:(?!\w)|(?=[{_UNSPACED}]))")
