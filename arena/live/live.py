"""All turns in flight: started, stopped, taken up again, written to their end and kept, whoever watches."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from arena import documents, named
from arena.config import Config
from arena.conversation import (
    SIDES,
    Answer,
    AnswerState,
    Asked,
    Attachment,
    Conversation,
    Mode,
    Pair,
    Parameters,
    Side,
    check_images,
    count_images,
)
from arena.errors import BackendError, StoreError, Unavailable, Unprocessable
from arena.live.chat import chat_for, thread_of
from arena.live.side import LiveSide
from arena.live.turn import LiveTurn
from arena.router import Router
from arena.router.sight import why_no_battle, why_no_pictures, why_not_by
from arena.store import Partial, Store

log = logging.getLogger(__name__)

CROWD = 200  # turns in flight with which text is shown half as often: a core is for all of them


@dataclass
class Live:
    """All turns in flight."""

    config: Config
    store: Store
    router: Router
    _turns: dict[str, LiveTurn] = field(default_factory=dict)
    _saver: asyncio.Task[None] | None = None
    _is_closing: bool = False

    async def start(self) -> None:
        """Answers cut off by the last stop become `interrupted`; from now on texts in flight are saved."""
        if count := await self.store.interrupt_all():
            log.warning("%d answers were cut off by the last stop; they are written again on return", count)
        self._saver = asyncio.create_task(self._save_regularly())

    async def close(self) -> None:
        """Stop all sides, keep what they have. They are `interrupted` after the next start."""
        self.dismiss()
        tasks = [turn.task for turn in self._turns.values() if turn.task]
        for task in (*tasks, *([self._saver] if self._saver else [])):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._save()

    def dismiss(self) -> None:
        """Send every watcher away and take nothing new: the server is stopping."""
        self._is_closing = True
        for turn in self._turns.values():
            turn.dismiss()

    def turn(self, key: str) -> LiveTurn | None:
        """The turn in flight of that conversation, if there is one."""
        return self._turns.get(key)

    @property
    def in_flight(self) -> int:
        """How many conversations have a turn being written, or waiting for its pair."""
        return len(self._turns)

    def flush_seconds(self) -> float:
        """How long a watcher pauses between two frames: the more turns are in flight, the longer."""
        return self.config.live.flush_ms / 1000 * (1 + self.in_flight / CROWD)

    # What a visitor does

    async def open(self, voter_id: str, asked: Asked) -> Conversation:
        """Start a battle, of models that read pictures where one is with the prompt.

        The row exists before anything runs. Raises `Unavailable` where none can be drawn, `Unprocessable`.
        """
        has_images = count_images(await self._handed_in(voter_id, asked)) > 0
        if has_images and (words := why_no_battle(self.config)):
            raise Unprocessable(words)
        pair = self.router.draw(has_images=has_images)
        with self.router.places(*(names_in(pair) if pair else ())):
            conversation = await self.store.open_conversation(
                voter_id, asked.prompt, pair, reveal=self.config.blind.reveal, attached=asked.attached
            )
        self._launch(conversation)
        return conversation

    async def open_named(self, voter_id: str, mode: Mode, names: Sequence[str], asked: Asked) -> Conversation:
        """Start a conversation with models chosen by name. Raises `NotFound`, `Unprocessable`, `Unavailable`."""
        models = named.chosen(self.config, mode, names)
        named.check(self.config, models, asked.said or Parameters())
        known = [model.name for model in models]
        has_images = count_images(await self._handed_in(voter_id, asked)) > 0
        if has_images and (words := why_not_by(known, self.config)):
            raise Unprocessable(words)
        self.router.check_up(*known)
        self.router.check_room(*known)
        with self.router.places(*known):
            conversation = await self.store.open_named(voter_id, mode, known, asked)
        self._launch(conversation)
        return conversation

    async def follow_up(self, key: str, voter_id: str | None, asked: Asked) -> None:
        """The next prompt.

        Raises `NotFound`, `Conflict`, `Unavailable`; `Unprocessable` for parameters and files that cannot be.
        """
        limit = self.config.limits.turns
        with await self._places(key, voter_id, SIDES, asked):
            conversation = await self.store.open_turn(key, voter_id, asked, limit)
        self._launch(conversation)

    async def edit_prompt(self, key: str, voter_id: str | None, asked: Asked) -> None:
        """The last prompt in other words and with these files, answered anew. Raises as `follow_up` does."""
        with await self._places(key, voter_id, SIDES, asked):
            conversation = await self.store.edit_prompt(key, voter_id, asked)
        self._launch(conversation)

    async def regenerate(self, key: str, voter_id: str | None, side: Side | None) -> None:
        """Answer the last prompt again, on one side or both. Raises `NotFound`, `Conflict`, `Unavailable`."""
        with await self._places(key, voter_id, (side,) if side else SIDES):
            conversation = await self.store.regenerate(key, voter_id, side)
        self._launch(conversation)

    async def stop(self, key: str, side: Side | None) -> None:
        """End one side or both and keep the text; returns when it is kept. A no-op where none is being written."""
        turn = self._turns.get(key)
        if turn is None or turn.task is None or not turn.is_drawn:
            return
        if side is None:
            turn.stop()
            await asyncio.wait([turn.task])
        elif (live := turn.sides.get(side)) and live.writing:
            live.stop(is_unwatched=False)
            await asyncio.wait([live.writing])

    async def discard(self, key: str) -> None:
        """End what is being written in a conversation that is deleted, and forget it; its watchers go."""
        if turn := self._turns.pop(key, None):
            await _cancel([turn.task])
            for side in turn.sides.values():
                if not side.is_ended:
                    side.end("stopped")
            turn.settle()

    async def revive(self, conversation: Conversation) -> LiveTurn | None:
        """Go on with a battle that a stop of the server had cut off. The turn in flight, if there is one."""
        is_cut_off = not conversation.last.answers or bool(conversation.last.sides_in("interrupted"))
        if not conversation.models and not self.router.will_draw:
            return None
        if not conversation.is_over and is_cut_off and conversation.id not in self._turns:
            if conversation.models:
                conversation = await self._write_again(conversation)
            if not conversation.models or conversation.last.is_streaming:
                self._launch(conversation)
        return self._turns.get(conversation.id)

    async def _places(
        self,
        key: str,
        voter_id: str | None,
        sides: Iterable[Side],
        asked: Asked | None = None,
    ) -> AbstractContextManager[None]:
        """Places for these sides of a conversation, before anything of its next answers is stored."""
        conversation = await self.store.conversation(key, voter_id)
        named.check_going_on(self.config, conversation, asked.said if asked else None)
        has_images = asked is not None and count_images(await self._handed_in(voter_id, asked)) > 0
        if has_images and (words := why_no_pictures(conversation, self.config)):
            raise Unprocessable(words)
        models = conversation.models
        names = [models[side] for side in sides if side in models]
        self.router.check_room(*names)
        return self.router.places(*names)

    async def _handed_in(self, voter_id: str | None, asked: Asked) -> tuple[Attachment, ...]:
        """What comes with the prompt. Raises `Unprocessable` where that is too many pictures, or too much text."""
        if not asked.attached:
            return ()
        found = await self.store.attachments.waiting(voter_id, asked.attached)
        documents.check(found, self.config.limits.document_characters)
        check_images(count_images(found), self.config.limits.images)
        return found

    async def _write_again(self, conversation: Conversation) -> Conversation:
        """The conversation with its interrupted sides begun anew, or as it is where their queues are full."""
        names = [conversation.models[side] for side in conversation.last.sides_in("interrupted")]
        try:
            self.router.check_room(*names)
        except Unavailable:
            return conversation
        with self.router.places(*names):
            return await self.store.revive(conversation)

    # What the server does about it

    def _launch(self, conversation: Conversation) -> None:
        """Start writing the `streaming` sides of the last turn, except those that are being written already."""
        if self._is_closing:
            return
        turn = self._turns.get(conversation.id)
        if turn is not None and turn.number == conversation.last.number:
            if conversation.models:
                self._begin(turn, conversation)
            return
        is_even = self.config.blind.pace == "even" and not conversation.names_are_out
        turn = self._turns[conversation.id] = LiveTurn(conversation, is_even=is_even)
        turn.task = asyncio.create_task(self._play(turn))

    def _begin(self, turn: LiveTurn, conversation: Conversation) -> None:
        for side in turn.begin(conversation):
            side.writing = asyncio.create_task(self._write(turn, side))
        if turn.pacer and not turn.pacing:
            turn.pacing = asyncio.create_task(turn.pace(self.flush_seconds))
        turn.changed(at_once=True)

    async def _play(self, turn: LiveTurn) -> None:
        """One turn from its draw to its last answer, whoever watches."""
        try:
            conversation = turn.conversation
            if not conversation.models:
                pair = await self.router.wait_to_draw(has_images=bool(conversation.last.images))
                with self.router.places(*names_in(pair)):
                    conversation = await self.store.set_pair(conversation, pair)
            self._begin(turn, conversation)
            while writing := [s.writing for s in turn.sides.values() if s.writing and not s.writing.done()]:
                await asyncio.wait(writing)
        except (Unavailable, StoreError) as exc:
            log.warning("battle %s could not be started: %s", turn.conversation.id, exc)
        except asyncio.CancelledError:
            await _cancel([*(side.writing for side in turn.sides.values()), turn.pacing])
            raise
        if self._turns.get(turn.conversation.id) is turn:
            del self._turns[turn.conversation.id]
        turn.settle()
        self.store.booth.foresee(turn.snapshot)

    async def _write(self, turn: LiveTurn, side: LiveSide) -> None:
        """One side from its prompt to its end, which is on disk before anyone sees it."""
        side.generation = asyncio.create_task(self._generate(turn, side))
        if side.is_stopping:
            side.generation.cancel()
        try:
            await asyncio.wait([side.generation])
            answer = side.end("stopped") if side.generation.cancelled() else side.generation.result()
            side.answer = await self._keep(turn, answer)
        except asyncio.CancelledError:
            await _cancel([side.generation])
            raise
        except Exception:
            log.exception("side %s of %s could not be kept", side.answer.side, turn.conversation.id)
            side.end("failed", BackendError.kind)
        side.announce()
        turn.changed(at_once=True)

    async def _keep(self, turn: LiveTurn, answer: Answer) -> Answer:
        """Put an answer on disk, however often that takes. The answer as it is kept."""
        while True:
            try:
                return await self.store.finish_answer(turn.conversation.id, turn.number, answer)
            except StoreError as exc:
                log.error("side %s of %s could not be kept yet: %s", answer.side, turn.conversation.id, exc)
            await asyncio.sleep(self.config.live.checkpoint_seconds)

    async def _generate(self, turn: LiveTurn, side: LiveSide) -> Answer:
        """One side's answer, however it ended. Only the stop of the server passes through."""
        try:
            state, error = await self._listen(turn, side)
            await side.hold()
        except asyncio.CancelledError:
            if not side.is_stopping:
                raise
            return side.end("stopped")
        return side.end(state, error)

    async def _listen(self, turn: LiveTurn, side: LiveSide) -> tuple[AnswerState, str | None]:
        """Take in all that one side says. How it ended, and because of which error."""
        thread = thread_of(turn.conversation, side.answer.side)
        try:
            contents = await self.store.attachments.contents(turn.conversation)
            chat = chat_for(turn.conversation, side.answer.side, contents)
            said = turn.conversation.last.parameters
            async with aclosing(self.router.stream(side.answer.model, chat, thread, said)) as events:
                async for event in events:
                    had_begun = side.has_begun
                    side.take(event)
                    turn.changed(at_once=not had_begun and side.has_begun)
        except BackendError as exc:
            log.warning("side %s of %s failed: %s", side.answer.side, turn.conversation.id, exc)
            return "failed", exc.kind
        except Exception:
            log.exception("side %s of %s failed unexpectedly", side.answer.side, turn.conversation.id)
            return "failed", BackendError.kind
        return "done", None

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(self.config.live.checkpoint_seconds)
            self._stop_unwatched(monotonic())
            await self._save()

    def _stop_unwatched(self, now: float) -> None:
        """End what nobody has looked at for too long, and keep its text: a model's time is for those who watch."""
        limit = self.config.live.cancel_when_unwatched_after
        for turn in self._turns.values():
            if limit and turn.is_drawn and turn.unwatched_seconds(now) >= limit:
                log.info("battle %s is watched by nobody and is stopped", turn.conversation.id)
                turn.stop(is_unwatched=True)

    async def _save(self) -> None:
        """Save the texts in flight that have grown since they were last saved."""
        grown = list(_grown(self._turns.values()))
        try:
            await self.store.save_partials([partial for _, partial in grown])
        except StoreError as exc:
            log.error("texts in flight could not be saved yet: %s", exc)
            return
        for live, partial in grown:
            live.saved = len(partial.text) + len(partial.reasoning)


async def _cancel(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Cancel what still runs, and wait until it has let go."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _grown(turns: Iterable[LiveTurn]) -> Iterable[tuple[LiveSide, Partial]]:
    """The sides that have more text than was saved."""
    for turn in turns:
        for live in turn.sides.values():
            text, reasoning = live.rendering.text, "".join(live.reasoning)
            if live.is_ended or live.saved == len(text) + len(reasoning):
                continue
            key, number = turn.conversation.id, turn.number
            yield live, Partial(key, number, live.answer.side, live.answer.version, text, reasoning)


def names_in(pair: Pair) -> tuple[str, str]:
    return pair.a, pair.b
