"""The floor under the arena: a bare relay of both streams to one page, to measure against in the same minutes.

    python -m benchmarks.battles --server "python -m benchmarks.relay {config} {port}"

It has no rendering while text streams, no templates, no blindness, no recovery; votes go straight into SQLite.
"""

import asyncio
import html
import json
import random
import sqlite3
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from arena.markdown import render

FLUSH_SECONDS = 0.1


@dataclass
class Battle:
    """Two answers as they come."""

    models: list[dict[str, Any]]
    id: str = field(default_factory=lambda: str(uuid4()))
    text: list[str] = field(default_factory=lambda: ["", ""])
    ended: int = 0
    is_voted: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Relay:
    """All that the floor keeps."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.models: list[dict[str, Any]] = config["models"]
        self.upstream: str = config["providers"][0]["base_url"]
        self.battles: dict[str, Battle] = {}
        self.http: aiohttp.ClientSession
        path = config["database"]["url"].removeprefix("sqlite+aiosqlite:///")
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE votes (conversation_id PRIMARY KEY, choice)")

    async def fill(self, battle: Battle, side: int) -> None:
        body = {"model": battle.models[side]["model_id"], "stream": True, "messages": []}
        async with self.http.post(f"{self.upstream}/chat/completions", json=body) as reply:
            rest = b""
            async for chunk in reply.content.iter_any():
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]" and (choices := json.loads(event[6:])["choices"]):
                        battle.text[side] += choices[0]["delta"].get("content") or ""
        battle.ended += 1

    async def create(self, request: Request) -> Response:
        battle = Battle(random.sample(self.models, 2))
        battle.tasks = [asyncio.create_task(self.fill(battle, side)) for side in (0, 1)]
        self.battles[battle.id] = battle
        reply = RedirectResponse(f"/conversations/{battle.id}", HTTPStatus.SEE_OTHER)
        reply.set_cookie("voter", battle.id)
        return reply

    async def show(self, request: Request) -> Response:
        battle = self.battles[request.path_params["id"]]
        names = " ".join(model["name"] for model in battle.models) if battle.is_voted else ""
        answers = "".join(f"<article>{render(text)}</article>" for text in battle.text)
        stream = "" if battle.ended == 2 else f'<div hx-sse:connect="/conversations/{battle.id}/events"></div>'
        return HTMLResponse(f"<html><body>{names}{answers}{stream}</body></html>")

    async def events(self, request: Request) -> Response:
        return StreamingResponse(_stream(self.battles[request.path_params["id"]]), media_type="text/event-stream")

    async def vote(self, request: Request) -> Response:
        battle = self.battles[request.path_params["id"]]
        choice = parse_qs((await request.body()).decode())["choice"][0]
        self.db.execute("INSERT INTO votes VALUES (?, ?)", (battle.id, choice))
        battle.is_voted = True
        return RedirectResponse(f"/conversations/{battle.id}", HTTPStatus.SEE_OTHER)

    async def ready(self, request: Request) -> Response:
        return JSONResponse({})

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self.http:
            yield


async def _stream(battle: Battle) -> AsyncIterator[str]:
    sent = [0, 0]
    while True:
        is_over = battle.ended == 2
        new = [html.escape(text[start:]) for text, start in zip(battle.text, sent, strict=True)]
        sent = [len(text) for text in battle.text]
        if any(new):
            yield f"data: {json.dumps(new)}\n\n"
        if is_over:
            break
        await asyncio.sleep(FLUSH_SECONDS)
    yield "event: done\ndata: done\n\n"


def main() -> None:
    relay = Relay(tomllib.loads(Path(sys.argv[1]).read_text("utf-8")))
    app = Starlette(
        routes=[
            Route("/conversations", relay.create, methods=["POST"]),
            Route("/conversations/{id}", relay.show),
            Route("/conversations/{id}/events", relay.events),
            Route("/conversations/{id}/vote", relay.vote, methods=["POST"]),
            Route("/readyz", relay.ready),
        ],
        lifespan=relay.lifespan,
    )
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
