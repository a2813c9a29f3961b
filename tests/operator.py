"""Whoever runs an arena: knows its token, and looks at what only they may see."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.house import House, Visitor, open_house

VARIABLE = "ARENA_ADMIN_TOKEN"
TOKEN = "correct-horse-battery-staple"
GUARDED: dict[str, Any] = {"admin_token_env": VARIABLE}
PATHS = ("/admin/models", "/admin/models.json", "/metrics")

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def open_guarded(folder: Path, **changes: Any) -> AsyncIterator[House]:
    """An arena with an admin token, which the environment must hold."""
    async with open_house(folder, access=GUARDED, **changes) as house:
        yield house


async def log_in(visitor: Visitor, token: str = TOKEN) -> int:
    """Fill in the form; returns the status of the reply."""
    return (await visitor.posts("/admin/login", token=token)).status_code
