"""The processes a vLLM engine runs in: noticed while it loads, ended with it, and ended without it.

vLLM starts them through `multiprocessing`, and they wait for ever on a server that was killed. A guard, told their
ids, kills them when its standard input ends, which the kernel sees to however the server died. Knows nothing else
of vLLM.
"""

import multiprocessing
import signal
import subprocess
from contextlib import suppress
from multiprocessing import resource_tracker
from typing import IO, Any

# The last line counts.
_GUARD = 'while read -r line; do ids=$line; done; [ -z "$ids" ] || kill -9 $ids'


class Cores:
    """The child processes that come up between now and the last `look`, with their own children.

    Engines are loaded one after the other, so what comes up while one is loading belongs to it.
    """

    def __init__(self) -> None:
        self._others = frozenset(child.pid for child in multiprocessing.active_children())
        self._seen: set[Any] = set()
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    @staticmethod
    def shield() -> None:
        """Keep Ctrl-C from what this thread starts from now on: it is meant for the server, which ends the rest.

        A blocked signal is inherited. Python's resource tracker comes first, for starting it unblocks the signal.
        """
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def look(self) -> None:
        """Notice processes that have come up, and tell the guard."""
        new = {process for pid in self._children() for process in _tree(pid)} - self._seen
        if new:
            self._seen |= new
            with suppress(OSError):
                print(*(process.pid for process in self._seen), file=self._input, flush=True)

    def kill(self) -> None:
        """End them at once."""
        for process in self._seen:
            _kill(process)

    def close(self) -> None:
        """See that none is left, and dismiss the guard. May be called twice."""
        self.kill()
        ours = {process.pid for process in self._seen}
        for child in multiprocessing.active_children():
            if child.pid in ours:
                child.join()
        self._guard.kill()
        self._guard.wait()
        with suppress(OSError):
            self._input.close()

    def _children(self) -> list[int]:
        pids = (child.pid for child in multiprocessing.active_children())
        return [pid for pid in pids if pid is not None and pid not in self._others]

    @property
    def _input(self) -> IO[str]:
        assert self._guard.stdin is not None
        return self._guard.stdin


def _tree(pid: int) -> list[Any]:
    """A process and its descendants, as psutil knows them: by more than an id, which may be given out again."""
    import psutil  # comes with vLLM, and only vLLM's processes are asked about

    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(process: Any) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        process.kill()
