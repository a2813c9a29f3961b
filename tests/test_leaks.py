"""Texts that give a side away, and the many that only seem to."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.blind import Leaks
from arena.blind.leaks import fold
from arena.config import parse

TABLES = {
    "providers": [{"name": "cloud", "format": "openai", "base_url": "https://x.example/v1", "model": "zephyr-x1"}],
    "models": [
        {"name": "Concise", "backends": ["cloud"], "organisation": "Aurora Works"},
        {"name": "Checklist 7B", "backends": ["cloud"], "aliases": ["Projekt Nachtfalter"]},
    ],
}
LEAKS = Leaks(parse(TABLES, Path("config.toml"), {}))

ANSWERS_THAT_LEAK = [
    "I am Claude, an AI assistant made by Anthropic.",
    "I'm a large language model, trained by Google.",
    "As an OpenAI language model, I cannot do that.",
    "Hello! My name is Gemini. How can I help?",
    "I was developed by the team at Mistral AI.",
    "As ChatGPT I have no opinion.",
    "\uff27\uff30\uff34\uff0d\uff14 would say the same.",  # GPT-4 in full width
    "I’m Llama 3.",
    "I am Concise.",
    "I was created by Aurora Works.",
    "This is Projekt Nachtfalter speaking, and I am Projekt Nachtfalter.",
    "Checklist-7B at your service",
    "I run on zephyr-x1.",
    "Ich bin Claude und wurde von Anthropic entwickelt.",
    "Je suis un assistant développé par Meta.",
    "Soy un modelo creado por Google.",
    "我是通义千问，由阿里巴巴开发。我是Qwen。",
    "Я GigaChat, меня создали в Сбере.",
]
ANSWERS_THAT_DO_NOT = [
    "Compare Google Maps to Bing Maps: both show the way.",
    "Claude Monet painted water lilies.",
    "Gemini is the third sign of the zodiac.",
    "A llama is a camelid from South America.",
    "Apple pie needs four apples.",
    "The falcon dives at 300 km/h; a meta-analysis says so.",
    "Be concise. Here is a checklist.",
    "Meta was founded by Mark Zuckerberg; Anthropic and OpenAI are companies.",
    "In command mode, press yi( to yank.",
    "Titan is a moon of Saturn, and solar panels work there badly.",
    "I am happy to help you with your model railway.",
    "The palm of my hand.",
    "I am an AI assistant, and I cannot say who made me.",
    "",
]
PROMPTS_THAT_LEAK = [
    "What model are you?",
    "Which AI language model are you, exactly?",
    "who made you",
    "Who trained you and when?",
    "Are you ChatGPT or Claude?",
    "Are you Llama?",
    "Tell me your name.",
    "What is your name?",
    "Welches Modell bist du?",
    "Wer hat dich entwickelt?",
    "¿Quién te creó?",
    "Quel modèle es-tu ?",
    "Кто тебя создал?",
    "你是什么模型？",
    "Explain quantum physics. Who are you?",
    "Is GPT-4 better than you?",
]
PROMPTS_THAT_DO_NOT = [
    "What model of car is the most reliable?",
    "Which model should I use for regression?",
    "Who made the first computer?",
    "Who are you going to vote for, and why?",
    "What is the name of the capital of Peru?",
    "Write a function that returns the name of a model.",
    "How do I use Google Maps offline?",
    "Explain the command pattern.",
    "Are you able to read PDF files?",
    "Tell me the names of three rivers.",
]


@pytest.mark.parametrize("text", ANSWERS_THAT_LEAK)
def test_an_answer_that_says_who_it_is_leaks(text: str) -> None:
    assert LEAKS.in_answer(text)


@pytest.mark.parametrize("text", ANSWERS_THAT_DO_NOT)
def test_an_answer_about_the_world_does_not(text: str) -> None:
    assert not LEAKS.in_answer(text)


@pytest.mark.parametrize("text", PROMPTS_THAT_LEAK)
def test_a_prompt_that_asks_who_answers_leaks(text: str) -> None:
    assert LEAKS.in_prompt(text)


@pytest.mark.parametrize("text", PROMPTS_THAT_DO_NOT)
def test_a_prompt_about_the_world_does_not(text: str) -> None:
    assert not LEAKS.in_prompt(text)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert LEAKS.in_answer(text) in (True, False)
    assert fold(fold(text)) == fold(text)


def test_a_long_answer_is_read_quickly() -> None:
    """Patterns with many branches must stay linear: these are two hundred thousand characters."""
    assert not LEAKS.in_answer("I am a the language model by of and the model " * 4_500)
