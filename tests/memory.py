"""How much memory a process has held at most. Linux: `ru_maxrss` of a child would include its parent's.

Imports nothing of ours: the process that is measured imports it, too.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]

COMMAND = """
import sys; from arena.cli import commands; from tests.memory import peak
sys.argv[0] = 'arena'
commands(standalone_mode=False)
print(peak())
"""


def forget_peak() -> None:
    """Let the peak of this process begin anew (proc_pid_clear_refs(5), 5)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most that this process has held since, in KiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


async def measured(folder: Path, *arguments: str) -> tuple[str, int]:
    """What the arena's command says in this folder, and the most memory that it held, in KiB."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", COMMAND, *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    return out.decode(), int(out.split()[-1])
