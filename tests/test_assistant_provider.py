"""The client of OpenAI's assistants: one thread for each side, and when a new one is begun."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from arena import config
from arena.backend import Backend, Message, Prompt, Sampling, Usage
from arena.errors import BackendBusy, BackendError, BackendRefused, BackendUnreachable, ContentFiltered
from tests.servers import serving
from tests.services import (
    KEY,
    LOOK,
    Endpoint,
    Settings,
    connected,
    event,
    failure_of,
    hear,
    hear_from,
    settings_of,
    stream_of,
    streaming,
)

ASSISTANT: Settings = settings_of(config.Assistant, assistant_id="asst_1")
DONE = b"event: done\ndata: [DONE]\n\n"


def noted(name: str, **fields: Any) -> bytes:
    return f"event: {name}\n".encode() + event(object=name, **fields)


def said(text: str, message: str = "msg_1") -> bytes:
    content = {"index": 0, "type": "text", "text": {"value": text, "annotations": []}}
    return noted("thread.message.delta", id=message, delta={"content": [content]})


def run(status: str, **fields: Any) -> bytes:
    state = {"id": "run_1", "thread_id": "thread_1", "status": status, "usage": None, "last_error": None}
    return f"event: thread.run.{status}\n".encode() + event(object="thread.run", **state | fields)


COMPLETED = run("completed", usage={"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13})
ANSWER = (noted("thread", id="thread_1"), run("in_progress"), said("Grüße"), said("."), COMPLETED, DONE)


def asking(*words: str, thread: str | None = None, **sampling: Any) -> Prompt:
    """A chat in which the two speak in turn, behind a system prompt."""
    chat = [Message("user" if number % 2 == 0 else "assistant", text) for number, text in enumerate(words)]
    return Prompt((Message("system", "Be kind."), *chat), Sampling(**sampling), thread=thread)


class Threads:
    """A service that keeps threads, and forgets those it is told to."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(self._respond)
        self.kept: list[str] = []

    def _respond(self, request: Request) -> Response:
        path = request.url.path
        if path == "/v1/threads/runs":
            self.kept.append(f"thread_{len(self.endpoint.bodies)}")
            thread = self.kept[-1]
        else:
            thread = path.split("/")[3]
        if thread not in self.kept:
            return JSONResponse({"error": {"message": f"No thread found with id '{thread}'."}}, 404)
        return stream_of(noted("thread", id=thread), said("Yes."), run("completed", thread_id=thread), DONE)

    @property
    def asked(self) -> list[str]:
        """Where each request went, and which words it brought."""
        asked = []
        for url, body in zip(self.endpoint.urls, self.endpoint.bodies, strict=True):
            messages = body["thread"]["messages"] if "thread" in body else body["additional_messages"]
            words = " ".join(message["content"] for message in messages)
            asked.append(f"{url.removeprefix('/v1/threads')}: {words}")
        return asked


async def thread_after(client: Backend, prompt: Prompt) -> str:
    usage = (await hear(client, prompt)).usage
    assert usage is not None
    assert usage.thread is not None
    return usage.thread


# What is sent


async def test_a_new_chat_is_a_run_on_a_thread_of_its_own() -> None:
    service = streaming(*ANSWER)
    prompt = asking("Hello?", temperature=0.5, top_p=0.9, max_tokens=7, extra={"metadata": {"a": "b"}})
    await hear_from(service, prompt, ASSISTANT)
    assert service.urls == ["/v1/threads/runs"]
    assert service.requests[0].headers["openai-beta"] == "assistants=v2"
    assert service.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert service.bodies[0] == {
        "assistant_id": "asst_1",
        "thread": {"messages": [{"role": "user", "content": "Hello?"}]},
        "instructions": "Be kind.",
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 7,
        "metadata": {"a": "b"},
    }


async def test_a_picture_is_refused_before_anything_is_sent() -> None:
    service = streaming(*ANSWER)
    with pytest.raises(BackendRefused, match="pictures only by a public address"):
        await hear_from(service, LOOK, ASSISTANT)
    assert service.bodies == []


# Which thread


async def test_a_chat_goes_on_in_its_thread_with_the_last_question_alone() -> None:
    threads = Threads()
    async with connected(serving(threads.endpoint), ASSISTANT) as client:
        thread = await thread_after(client, asking("One?"))
        thread = await thread_after(client, asking("One?", "Yes.", "Two?", thread=thread))
        await thread_after(client, asking("One?", "Yes.", "Two?", "Yes.", "Three?", thread=thread))
    assert threads.asked == ["/runs: One?", "/thread_1/runs: Two?", "/thread_1/runs: Three?"]
    assert threads.endpoint.bodies[1]["additional_messages"] == [{"role": "user", "content": "Two?"}]


async def test_a_question_that_is_answered_anew_is_asked_in_a_new_thread() -> None:
    threads = Threads()
    async with connected(serving(threads.endpoint), ASSISTANT) as client:
        thread = await thread_after(client, asking("One?"))
        await thread_after(client, asking("One?", "Yes.", "Two?", thread=thread))
        again = await thread_after(client, asking("One?", "Yes.", "Two?", thread=thread))
        await thread_after(client, asking("One?", "Yes.", "Two?", "Yes.", "Three?", thread=again))
    assert threads.asked == [
        "/runs: One?",
        "/thread_1/runs: Two?",
        "/runs: One? Yes. Two?",
        "/thread_3/runs: Three?",
    ]


async def test_a_thread_whose_reader_left_is_not_used_again() -> None:
    threads = Threads()
    async with connected(serving(threads.endpoint), ASSISTANT) as client:
        thread = await thread_after(client, asking("One?"))
        items = client.stream(asking("One?", "Yes.", "Two?", thread=thread))
        await anext(items)
        await items.aclose()
        await thread_after(client, asking("One?", "Yes.", "Two?", thread=thread))
    assert threads.asked[-1] == "/runs: One? Yes. Two?"


async def test_a_thread_of_which_nothing_is_known_is_not_used() -> None:
    threads = Threads()
    threads.kept.append("thread_of_old")
    async with connected(serving(threads.endpoint), ASSISTANT) as client:
        await thread_after(client, asking("One?", "Yes.", "Two?", thread="thread_of_old"))
    assert threads.asked == ["/runs: One? Yes. Two?"]


async def test_a_thread_that_the_service_forgot_is_begun_anew_with_the_whole_chat() -> None:
    threads = Threads()
    async with connected(serving(threads.endpoint), ASSISTANT) as client:
        thread = await thread_after(client, asking("One?"))
        threads.kept.clear()
        assert await thread_after(client, asking("One?", "Yes.", "Two?", thread=thread)) == "thread_3"
    assert threads.asked == ["/runs: One?", "/thread_1/runs: Two?", "/runs: One? Yes. Two?"]


# What is heard


async def test_the_answer_and_the_usage_of_its_run_are_read() -> None:
    heard = await hear_from(streaming(*ANSWER), asking("Hello?"), ASSISTANT)
    assert heard.text == "Grüße."
    assert heard.usage == Usage(11, 2, "stop", "run_1", "thread_1")


async def test_marks_of_citations_stay_and_messages_are_set_apart() -> None:
    service = streaming(*ANSWER[:2], said("So【4:0†source】."), said("More.", "msg_2"), COMPLETED, DONE)
    assert (await hear_from(service, asking("Hello?"), ASSISTANT)).text == "So【4:0†source】.\n\nMore."


async def test_a_run_cut_at_its_limit_says_so() -> None:
    end = run("incomplete", incomplete_details={"reason": "max_completion_tokens"})
    usage = (await hear_from(streaming(*ANSWER[:3], end, DONE), asking("Hello?"), ASSISTANT)).usage
    assert usage is not None
    assert usage.finish_reason == "length"


async def test_a_message_that_is_filtered_before_its_first_word_is_filtered() -> None:
    filtered = noted("thread.message", id="msg_1", incomplete_details={"reason": "content_filter"})
    await failure_of(streaming(*ANSWER[:2], filtered, COMPLETED, DONE), ContentFiltered, ASSISTANT)


async def test_an_answer_is_cut_at_a_stop_sequence_though_the_service_has_none() -> None:
    heard = await hear_from(streaming(*ANSWER), asking("Hello?", stop=("üß",)), ASSISTANT)
    assert (heard.text, heard.usage) == ("Gr", Usage(finish_reason="stop"))


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (run("failed", last_error={"code": "rate_limit_exceeded", "message": "slow down"}), BackendBusy),
        (run("failed", last_error={"code": "server_error", "message": "it broke"}), BackendUnreachable),
        (run("failed"), BackendUnreachable),
        (run("expired"), BackendUnreachable),
        (run("requires_action"), BackendRefused),
        (
            b"event: error\n" + event(message="it broke", type="server_error", code="server_error"),
            BackendUnreachable,
        ),
        (b"event: error\n" + event(error={"message": "it broke", "type": "server_error"}), BackendUnreachable),
    ],
)
async def test_a_run_that_does_not_complete_is_the_error_it_names(
    end: bytes, expected: type[BackendError]
) -> None:
    await failure_of(streaming(*ANSWER[:3], end, DONE), expected, ASSISTANT)
