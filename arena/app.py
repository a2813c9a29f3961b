"""The web application, as a table of contents: every route on a line, middleware, lifespan, errors -> pages."""

import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from arena import prompts, providers
from arena import texts as operator_texts
from arena.appraisal import Appraiser
from arena.backend import Backend
from arena.board import Boards
from arena.config import Config
from arena.engines import EnginePool
from arena.errors import ArenaError, Refusal, StoreError, Unauthorized
from arena.live import Live
from arena.matchmaker import Matchmaker
from arena.metrics import Metrics
from arena.router import Router
from arena.store import open_store
from arena.views import (
    admin,
    conversations,
    events,
    gallery,
    health,
    leaderboard,
    metrics,
    mishaps,
    models,
    operator,
    start,
    terms,
    texts,
)
from arena.views.access import Access
from arena.views.context import Context
from arena.views.middleware import CacheStatic, SameSite, SecurityHeaders
from arena.views.pages import Pages, folder
from arena.views.pulse import Pulse
from arena.views.terms import TermsFirst
from arena.views.visitors import Visitors, secret

ROUTES = [
    Route("/", start.start),
    Route("/conversations", conversations.create, methods=["POST"]),
    Route("/conversations/{id:uuid}", conversations.show),
    Route("/conversations/{id:uuid}/events", events.events),
    Route("/conversations/{id:uuid}/answers/{turn:int}/{side:str}/{version:int}", conversations.version),
    Route("/conversations/{id:uuid}/turns", conversations.follow_up, methods=["POST"]),
    Route("/conversations/{id:uuid}/prompt", conversations.edit_prompt, methods=["POST"]),
    Route("/conversations/{id:uuid}/stop", conversations.stop, methods=["POST"]),
    Route("/conversations/{id:uuid}/regenerate", conversations.regenerate, methods=["POST"]),
    Route("/conversations/{id:uuid}/vote", conversations.vote, methods=["POST"]),
    Route("/leaderboard", leaderboard.leaderboard),
    Route("/leaderboard.csv", leaderboard.as_file),
    Route("/leaderboard.json", leaderboard.as_json),
    Route("/leaderboard/fragile", leaderboard.fragile),
    Route("/leaderboard/pictures", gallery.pictures),
    Route("/leaderboard/history", gallery.history),
    Route("/leaderboard/method", leaderboard.method),
    Route("/about", texts.about),
    Route("/rules", texts.rules),
    Route("/terms", terms.show),
    Route("/terms", terms.accept, methods=["POST"]),
    Route("/models", models.models),
    Route("/models/{name:path}", models.model),
    Route("/admin", operator.overview),
    Route("/admin/battles", operator.battles),
    Route("/admin/battles/{id:str}", operator.battle),
    Route("/admin/voters", operator.voters),
    Route("/admin/voters/set-aside", operator.set_aside, methods=["POST"]),
    Route("/admin/voters/restore", operator.restore, methods=["POST"]),
    Route("/admin/export", operator.export_votes),
    Route("/admin/login", admin.login),
    Route("/admin/login", admin.log_in, methods=["POST"]),
    Route("/admin/logout", admin.log_out, methods=["POST"]),
    Route("/admin/models", admin.models),
    Route("/admin/models.json", admin.models),
    Route("/metrics", metrics.metrics),
    Route("/healthz", health.healthz),
    Route("/readyz", health.readyz),
]


def create_app(config: Config, backends: Mapping[str, Backend] | None = None) -> Starlette:
    """The arena of this configuration. `backends` replaces those that the configuration names, for tests.

    Raises `StoreError` and `ConfigError` when its lifespan starts.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                app.state.context = await _open(config, backends, stack)
            except ArenaError as exc:
                app.state.failure = exc  # whoever runs the server says it in one line
                raise
            yield

    return Starlette(
        routes=[
            *ROUTES,
            Mount("/static", CacheStatic(StaticFiles(directory=folder("static"))), name="static"),
        ],
        middleware=[Middleware(SecurityHeaders), Middleware(SameSite), Middleware(TermsFirst)],
        exception_handlers={
            Unauthorized: admin.unauthorized,
            Refusal: mishaps.refusal,
            HTTPException: mishaps.http_error,
            StoreError: mishaps.store_error,
            Exception: mishaps.unexpected,
        },
        lifespan=lifespan,
    )


async def _open(config: Config, backends: Mapping[str, Backend] | None, stack: AsyncExitStack) -> Context:
    """Make all that lives as long as the app, and have `stack` close it in reverse."""
    secret_file = config.path(config.server.secret_file)
    visitors = Visitors(secret_file)
    access = Access(os.environ.get(config.access.admin_token_env or ""), secret(secret_file))
    pages = Pages(config)
    written = operator_texts.read(config)
    starters = prompts.read(config.path(config.prompts), config.limits.prompt_characters) if config.prompts else ()
    store = await open_store(config.database_url, Appraiser(config))
    stack.push_async_callback(store.close)
    if backends is None:
        backends = await _open_backends(config, stack)
    counted = Metrics(config)
    matchmaker = Matchmaker(config, store.box.tally)
    stack.push_async_callback(matchmaker.close)
    await matchmaker.start()
    router = Router(config, backends, random.SystemRandom(), counted, matchmaker)
    stack.push_async_callback(router.close)
    live = Live(config, store, router)
    await live.start()
    stack.push_async_callback(live.close)
    boards = Boards(config, store)
    await boards.start()
    stack.push_async_callback(boards.close)
    pulse = Pulse(store, config.leaderboard.refresh_seconds)
    return Context(config, store, router, live, pages, visitors, access, counted, boards, pulse, starters, written)


async def _open_backends(config: Config, stack: AsyncExitStack) -> dict[str, Backend]:
    """Engines begin to load in the background; provider clients connect when they are first used."""
    pool = EnginePool(config.engines, config.folder)
    stack.push_async_callback(pool.close)
    clients = {provider.name: providers.make(provider, os.environ) for provider in config.providers}
    for client in clients.values():
        stack.push_async_callback(client.close)
        await client.start()
    await pool.start()
    return {**pool.backends, **clients}
