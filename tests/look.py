"""Pictures of every page in every state, to be looked at: `python -m tests.look` writes them into screenshots/.

With names, or how they begin, it writes those alone: `python -m tests.look battle-vote admin`.
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.async_api import Browser

from tests.browser import LAPTOP, PHONE, open_chromium
from tests.sights import SIGHTS, open_sight

FOLDER = Path(__file__).parent.parent / "screenshots"
SIZES = {"wide": LAPTOP, "phone": PHONE}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def look(browser: Browser, name: str) -> None:
    """One sight, from top to bottom, in every size and scheme."""
    with TemporaryDirectory() as folder:
        async with open_sight(browser, Path(folder), name) as window:
            page = window.page
            is_long = not await page.locator("dialog[open]").count()
            for size, (width, height) in SIZES.items():
                await page.set_viewport_size({"width": width, "height": height})
                await page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
                for scheme in SCHEMES:
                    await page.emulate_media(color_scheme=scheme)
                    file = FOLDER / f"{name}-{size}-{scheme}.png"
                    await page.screenshot(path=file, caret="initial", full_page=is_long)


async def main(wanted: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    async with open_chromium() as browser:
        for name in SIGHTS:
            if not wanted or name.startswith(tuple(wanted)):
                await look(browser, name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
