"""`arena` at a terminal: what is typed there, and what is seen."""

import asyncio
import os
import pty
import re
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.processes import CHECKOUT, PATIENCE_SECONDS

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SIZE = (50, 160)


class Terminal:
    """A command that was started at a terminal."""

    def __init__(self, end: int, process: asyncio.subprocess.Process) -> None:
        self.seen = ""
        self._end = end
        self._process = process
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(end, self._read)

    @property
    def text(self) -> str:
        """All that was written so far, without escape sequences."""
        return _ESCAPES.sub("", self.seen).replace("\r", "")

    async def shows(self, words: str, count: int = 1) -> None:
        """Wait until these words were written so often."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.text.count(words) < count:
                self._news.clear()
                await self._news.wait()

    def types(self, line: str) -> None:
        """A line and Enter; or a control character, as it is."""
        os.write(self._end, (line if line in ("\x03", "\x04") else f"{line}\n").encode())

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            status = await self._process.wait()
        self._read()
        return status

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            self.seen += os.read(self._end, 1 << 16).decode(errors="replace")
            self._news.set()
            return
        asyncio.get_running_loop().remove_reader(self._end)


@asynccontextmanager
async def open_terminal(folder: Path, *arguments: str) -> AsyncIterator[Terminal]:
    """`arena …` in `folder` at a terminal of its own, which shows its errors as well; killed at the end."""
    here, there = pty.openpty()
    termios.tcsetwinsize(there, SIZE)
    os.set_blocking(here, False)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "arena", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "TERM": "xterm", "INPUTRC": "/dev/null"},
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
        preexec_fn=_take_control,
    )
    os.close(there)
    terminal = Terminal(here, process)
    try:
        yield terminal
    except BaseException as exc:
        exc.add_note(f"The terminal showed:\n{terminal.text}")
        raise
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(here)
        os.close(here)


def _take_control() -> None:
    """Make the terminal the one whose Ctrl-C the process heeds, even where these tests do not."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
