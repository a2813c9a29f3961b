"""Backends that recite: for tests, demonstrations and benchmarks. They know no network and no model.

`ScriptBackend` keeps the time that config.toml gives it. `CuedBackend` keeps none: a test holds each answer by its
`Cue` and gives it out piece by piece, so that nothing has to sleep.

    left = CuedBackend("left")
    ...                                   # something asks `left` for an answer
    cue = await left.asked()              # the request is here; cue.prompt is what it asked
    cue.say("Hello ")
    await cue.heard()                     # the reader has dealt with it and is back for more
    cue.end()                             # or cue.fail(BackendTimeout("…")), or: await cue.cancelled.wait()
"""

import asyncio
import re
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing

from arena import config
from arena.backend import READY, Backend, Delta, Prompt, Status, Usage
from arena.errors import BACKEND_ERRORS, BackendError

_ERRORS = {error.kind: error for error in BACKEND_ERRORS}
_STOP = Usage(finish_reason="stop")


class RecordingBackend(Backend):
    """Remembers what it was asked: the last `prompts`, and which of them were `cancelled` before their end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.prompts: deque[Prompt] = deque(maxlen=1000)
        self.cancelled: deque[Prompt] = deque(maxlen=1000)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        self.prompts.append(prompt)
        is_over = False
        try:
            async with aclosing(self._recite(prompt)) as lines:
                async for line in lines:
                    is_over = isinstance(line, Usage)
                    yield line
        except (asyncio.CancelledError, GeneratorExit):
            if not is_over:
                self.cancelled.append(prompt)
            raise

    @abstractmethod
    def _recite(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        """What `stream` gives out."""


class ScriptBackend(RecordingBackend):
    """Recites one answer, word by word, and fails where its script says so."""

    def __init__(self, script: config.Script) -> None:
        super().__init__(script.name)
        self._script = script
        self._failure = _ERRORS[script.fail] if script.fail else None

    async def _recite(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        script = self._script
        answer = script.answer.replace("{images}", str(sum(len(message.images) for message in prompt.messages)))
        spoken = words(answer.replace("{prompt}", _question(prompt)))
        if self._failure is not None:
            spoken = spoken[: script.fail_after]
        start = asyncio.get_running_loop().time() + script.first_token_seconds
        pause = 1 / script.words_per_second if script.words_per_second else 0
        await _until(start)
        for number, word in enumerate(spoken):
            await _until(start + number * pause)
            yield Delta(word)
        if self._failure is not None:
            raise self._failure(f"{self.name}: the script fails after {script.fail_after} words")
        yield Usage(_length(prompt), len(spoken), finish_reason="stop")


class Cue:
    """One request to a `CuedBackend`, in the hands of a test."""

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.cancelled = asyncio.Event()
        """Set once the reader went away before the end."""
        self._lines: deque[Delta | Usage | BackendError] = deque()
        self._has_more = asyncio.Event()
        self._is_heard = asyncio.Event()
        self._is_over = False

    def say(self, text: str = "", *, reasoning: str = "") -> None:
        """Give out a piece of the answer."""
        self._give(Delta(text, reasoning))

    def end(self, usage: Usage = _STOP) -> None:
        """Give out the last item of the answer."""
        self._give(usage)

    def fail(self, error: BackendError) -> None:
        """Raise the error where the reader waits for the next piece."""
        self._give(error)

    async def heard(self) -> None:
        """Wait until the reader has dealt with all that was given and waits for more, or has gone."""
        await self._is_heard.wait()

    async def lines(self) -> AsyncGenerator[Delta | Usage, None]:
        """The answer, as its one reader gets it."""
        try:
            while not self._is_over:
                line = await self._next()
                self._is_over = not isinstance(line, Delta)
                if isinstance(line, BackendError):
                    raise line
                yield line
        except (asyncio.CancelledError, GeneratorExit):
            if not self._is_over:
                self.cancelled.set()
            raise
        finally:
            self._is_over = True
            self._is_heard.set()

    def _give(self, line: Delta | Usage | BackendError) -> None:
        """What is given after the end, or to a reader who has gone, is lost."""
        if self._is_over:
            return
        self._lines.append(line)
        self._is_heard.clear()
        self._has_more.set()

    async def _next(self) -> Delta | Usage | BackendError:
        if not self._lines:
            self._has_more.clear()
            self._is_heard.set()
            await self._has_more.wait()
        return self._lines.popleft()


class CuedBackend(RecordingBackend):
    """Answers when a test says so. Each request waits for its test to take up its `Cue`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._status = READY
        self._cues: asyncio.Queue[Cue] = asyncio.Queue()

    @property
    def status(self) -> Status:
        return self._status

    def become(self, status: Status) -> None:
        """Show this status, as an engine does while it loads."""
        self._status = status

    async def asked(self) -> Cue:
        """The next request that no test has taken up yet; waits for it."""
        return await self._cues.get()

    def _recite(self, prompt: Prompt) -> AsyncGenerator[Delta | Usage, None]:
        cue = Cue(prompt)
        self._cues.put_nowait(cue)
        return cue.lines()


def words(text: str) -> list[str]:
    """The words of a text, each with the space before it: joined they are the text again."""
    return re.findall(r"\s*\S+(?:\s+\Z)?|\s+", text)


def _question(prompt: Prompt) -> str:
    """What the visitor said last."""
    return next((message.content for message in reversed(prompt.messages) if message.role == "user"), "")


def _length(prompt: Prompt) -> int:
    return sum(len(message.content.split()) for message in prompt.messages)


async def _until(time: float) -> None:
    """Sleep until the loop's clock shows `time`; where that has passed, let the others have a turn."""
    await asyncio.sleep(max(0.0, time - asyncio.get_running_loop().time()))
