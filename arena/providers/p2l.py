"""The client of a prompt-to-leaderboard router, which hands each prompt on to the model that suits it best.

It follows `route/datatypes.py` and `route/chat.py` of https://github.com/lmarena/p2l, as of 2025: OpenAI's chat
completions, in which each model has sampling parameters of its own, and every delta names the model that answers.
"""

import msgspec

from arena.backend import Prompt
from arena.providers.hosted import Answer
from arena.providers.openai import ChatAnswer, Chunk, OpenAIClient, Request, Way
from arena.providers.refusal import Failure


class RoutedAnswer(ChatAnswer):
    """An answer that says whose it is: in its delta, or where an older router stands, in its chunk."""

    def _add(self, chunk: Chunk) -> Failure | None:
        if self.answered_by is None and chunk.choices:
            piece = chunk.choices[0].delta or chunk.choices[0].message
            self.answered_by = (piece.model if piece else None) or chunk.model
        return super()._add(chunk)


class P2LClient(OpenAIClient):
    """One router and the models behind it."""

    def _answer(self, request_id: str | None) -> Answer:
        return RoutedAnswer(request_id)

    def _request(self, prompt: Prompt, way: Way | None = None) -> Request:
        return msgspec.structs.replace(super()._request(prompt, way), temperature=None, top_p=None)
