"""A real Chromium to look at an arena with: whatever it complains about fails the test at its end."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright, expect

from arena.conversation import SIDES, Side
from arena.providers.script import Cue, CuedBackend
from tests.house import House

CHROMIUM = shutil.which("chromium")  # Debian's; elsewhere Playwright brings its own
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PHONE, LAPTOP = (360, 740), (1280, 800)

expect.set_options(timeout=10_000)


@asynccontextmanager
async def open_chromium() -> AsyncIterator[Browser]:
    """A browser without windows."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser,
    ):
        yield browser


@asynccontextmanager
async def open_window(browser: Browser, house: House, **options: Any) -> AsyncIterator["Window"]:
    """A newcomer's window on that arena, watched to its end. `options` are those of a Playwright context."""
    width, height = options.pop("size", LAPTOP)
    options = {"base_url": house.url, "viewport": {"width": width, "height": height}} | options
    context = await browser.new_context(**options)
    context.set_default_timeout(10_000)
    complaints = Complaints(options["base_url"])
    complaints.listen(context)
    async with context:
        yield Window(house, await context.new_page(), complaints)
    complaints.check()


@dataclass
class Complaints:
    """What a browser objects to: errors of scripts and of the security policy, failed loads, foreign hosts."""

    url: str
    foreseen: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def listen(self, context: BrowserContext) -> None:
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.heard.append(f"uncaught: {error.error}"))
        context.on("request", self._on_request)

    def check(self) -> None:
        unforeseen = [said for said in self.heard if not any(words in said for words in self.foreseen)]
        assert not unforeseen, unforeseen

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.heard.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if urlsplit(request.url).scheme in ("http", "https") and not request.url.startswith(f"{self.url}/"):
            self.heard.append(f"asked a foreign host: {request.url}")


@dataclass
class Window:
    """Somebody who plays a battle at a screen."""

    house: House
    page: Page
    complaints: Complaints

    def foresees(self, words: str) -> None:
        """This complaint of the browser belongs to the test."""
        self.complaints.foreseen.append(words)

    async def starts(self, prompt: str = "Why is the sky blue?") -> dict[Side, Cue]:
        """Start a battle from the start page; returns each side's cue."""
        await self.page.goto("/")
        await self.page.get_by_label("Your prompt").fill(prompt)
        await self.page.get_by_role("button", name="Start the battle").click()
        await self.page.wait_for_url("**/conversations/*")
        await expect(self.page.locator("#bar")).to_have_attribute("data-phase", "writing")
        return await self.cues()

    async def plays(self, a: str = "Because A.", b: str = "Because B.") -> None:
        """A battle as far as its vote."""
        await finish(await self.starts(), a, b)
        await self.is_in("vote")

    async def asks_on(self, prompt: str = "And then?") -> dict[Side, Cue]:
        """The next turn; returns each side's cue."""
        turns = self.page.locator(".turn")
        count = await turns.count()
        await self.page.get_by_label("Or keep asking").fill(prompt)
        await self.page.keyboard.press("Enter")
        await expect(turns).to_have_count(count + 1)
        return await self.cues()

    async def cues(self) -> dict[Side, Cue]:
        """The cues of both sides of the turn that has just been asked."""
        return {side: await self.backend(side).asked() for side in SIDES}

    def backend(self, side: Side) -> CuedBackend:
        """The backend behind a side: what no visitor can know."""
        turn = self.house.context.live.turn(self.key)
        assert turn is not None
        assert turn.conversation.pair is not None
        model = self.house.config.model(turn.conversation.pair.model(side))
        return self.house.backends[model.backends[0]]

    @property
    def key(self) -> str:
        """The id of the conversation on the page."""
        return urlsplit(self.page.url).path.rsplit("/", 1)[-1]

    async def is_in(self, phase: str) -> None:
        """Wait until the battle on the page is in this phase."""
        await expect(self.page.locator("#bar")).to_have_attribute("data-phase", phase)

    async def reads(self, side: Side, words: str, turn: int = 1) -> None:
        """Wait until exactly these words are the answer of that side."""
        await expect(self.page.locator(f"#t{turn}{side}-text")).to_have_text(words, use_inner_text=True)

    async def votes(self, words: str = "A is better") -> None:
        await self.page.get_by_role("button", name=words).click()
        await self.is_in("revealed")


async def finish(cues: dict[Side, Cue], a: str = "Because A.", b: str = "Because B.") -> None:
    """Both sides answer to the end."""
    for side, text in zip(SIDES, (a, b), strict=True):
        cues[side].say(text)
        cues[side].end()


class Line:
    """The wire between a browser and an arena, in the hands of a test."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        self._wires: set[asyncio.StreamWriter] = set()
        self.is_down = False

    def cut(self) -> None:
        """Break every connection there is; new ones are taken unless the line `is_down`."""
        for wire in self._wires:
            wire.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry the bytes of one connection to and fro."""
        if self.is_down:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(self._host, self._port)
        wires = {writer, back}
        self._wires |= wires
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_carry(reader, back))
                both.create_task(_carry(there, writer))
        finally:
            self._wires -= wires


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.transport.abort()


@asynccontextmanager
async def open_line(url: str) -> AsyncIterator[tuple[Line, str]]:
    """A line to the server at `url`, and the address at its near end."""
    line = Line(url)
    server = await asyncio.start_server(line.take, "127.0.0.1", 0)
    try:
        yield line, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        line.cut()
        await server.wait_closed()


# What a model may say

RICH = """## Why the sky is blue

Sunlight looks white, but it is a **mix of all colours**. Air scatters _short_ waves far more than long ones:

1. Blue light bounces around the whole sky.
2. Red light goes straight on.
   - That is why sunsets are red.

> The strength of it goes with $\\lambda^{-4}$.

| Colour | Wavelength | Scattered |
|---|---|---|
| Blue | 450 nm | a great deal of it, in all directions |
| Red | 700 nm | hardly any |

```python
def scattering(wavelength_nm: float, reference_nm: float = 550.0) -> float:  # Rayleigh: the fourth power, inverted
    return (reference_nm / wavelength_nm) ** 4
```

More at [an encyclopedia](https://example.org/sky), or read `scattering(450)`.
"""
PLAIN = "The air throws blue light about more than red light.\n\nSo blue reaches your eyes from everywhere."
HALF = "The air throws blue light about more than red light.\n\nSo blue reaches"

PROMPTS = str(Path(__file__).parent.parent / "prompts.toml")
