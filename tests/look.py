"""Pictures of every page in every state, to be looked at: `python -m tests.look` writes them into screenshots/."""

import asyncio
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.async_api import Browser

from tests.browser import LAPTOP, PHONE, PROMPTS, open_chromium, open_window, tour
from tests.house import open_house

FOLDER = Path(__file__).parent.parent / "screenshots"
SIZES = {"wide": LAPTOP, "phone": PHONE}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def look(browser: Browser, size: str, scheme: Literal["light", "dark"]) -> None:
    """One tour of an arena of its own."""
    with TemporaryDirectory() as folder:
        async with open_house(Path(folder), prompts=PROMPTS) as house:
            options = {
                "size": SIZES[size],
                "color_scheme": scheme,
                "has_touch": size == "phone",
                "reduced_motion": "reduce",
            }
            async with open_window(browser, house, **options) as window:
                number = 0
                async for name in tour(window):
                    number += 1
                    file = FOLDER / f"{number:02}-{name}-{size}-{scheme}.png"
                    await window.page.screenshot(path=file, caret="initial", full_page=False)


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    async with open_chromium() as browser:
        for size, scheme in product(SIZES, SCHEMES):
            await look(browser, size, scheme)


if __name__ == "__main__":
    asyncio.run(main())
