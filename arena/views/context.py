"""What every view works with: the parts of the arena, made once in the lifespan of the app."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from arena.board import Boards
from arena.config import Config
from arena.documents import DocumentReader
from arena.images import ImageReader
from arena.live import Live
from arena.metrics import Metrics
from arena.prompts import StartingPrompt
from arena.router import Router
from arena.store import Store
from arena.texts import Text
from arena.views.access import Access
from arena.views.pages import Pages
from arena.views.pulse import Pulse
from arena.views.visitors import Visitors


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running arena."""

    config: Config
    store: Store
    router: Router
    live: Live
    pages: Pages
    visitors: Visitors
    access: Access
    metrics: Metrics
    boards: Boards
    pulse: Pulse
    prompts: tuple[StartingPrompt, ...]
    texts: Mapping[str, Text]
    images: ImageReader
    documents: DocumentReader


def context(request: Request) -> Context:
    """The parts of the arena this request came to."""
    found: Context = request.app.state.context
    return found
