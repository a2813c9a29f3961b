"""The web application, as a table of contents: every route on a line, middleware, lifespan, errors -> pages."""

import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from arena import prompts, providers
from arena import texts as operator_texts
from arena.appraisal import Appraiser
from arena.backend import Backend
from arena.board import Boards
from arena.config import Config
from arena.documents import DocumentReader
from arena.engines import EnginePool
from arena.errors import ArenaError, Refusal, StoreError, Unauthorized
from arena.images import ImageReader
from arena.live import Live
from arena.matchmaker import Matchmaker
from arena.metrics import Metrics
from arena.router import Router
from arena.store import open_store
from arena.upkeep import Upkeep
from arena.views import (
    admin,
    attachments,
    chat,
    conversations,
    documents,
    events,
    gallery,
    health,
    history,
    languages,
    leaderboard,
    metrics,
    mishaps,
    models,
    operator,
    shares,
    side_by_side,
    start,
    statics,
    terms,
    texts,
    votes,
)
from arena.views.access import Access
from arena.views.context import Context
from arena.views.languages import Languages
from arena.views.middleware import SameSite, SecurityHeaders
from arena.views.pages import Pages
from arena.views.pulse import Pulse
from arena.views.terms import TermsFirst
from arena.views.visitors import Visitors, secret

ROUTES = [
    Route("/", start.start),
    Route("/side-by-side", side_by_side.side_by_side),
    Route("/chat", chat.chat),
    Route("/conversations", conversations.create, methods=["POST"]),
    Route("/conversations/{id:uuid}", conversations.show),
    Route("/conversations/{id:uuid}/events", events.events),
    Route("/conversations/{id:uuid}/answers/{turn:int}/{side:str}/{version:int}", conversations.version),
    Route("/conversations/{id:uuid}/turns", conversations.follow_up, methods=["POST"]),
    Route("/conversations/{id:uuid}/prompt", conversations.edit_prompt, methods=["POST"]),
    Route("/conversations/{id:uuid}/stop", conversations.stop, methods=["POST"]),
    Route("/conversations/{id:uuid}/regenerate", conversations.regenerate, methods=["POST"]),
    Route("/conversations/{id:uuid}/vote", votes.vote, methods=["POST"]),
    Route("/conversations/{id:uuid}/vote/undo", votes.undo, methods=["POST"]),
    Route("/conversations/{id:uuid}/reveal", votes.reveal, methods=["POST"]),
    Route("/conversations/{id:uuid}/remarks", votes.remark, methods=["POST"]),
    Route("/conversations/{id:uuid}/reactions", chat.react, methods=["POST"]),
    Route("/conversations/{id:uuid}/export", history.export_one),
    Route("/conversations/{id:uuid}/delete", history.confirm),
    Route("/conversations/{id:uuid}/delete", history.delete, methods=["POST"]),
    Route("/conversations/{id:uuid}/share", shares.show),
    Route("/conversations/{id:uuid}/share", shares.share, methods=["POST"]),
    Route("/conversations/{id:uuid}/share/revoke", shares.revoke, methods=["POST"]),
    Route("/history", history.history),
    Route("/history/export", history.export_all),
    Route("/history/delete", history.confirm_all),
    Route("/history/delete", history.delete_all, methods=["POST"]),
    Route("/shared/{token:str}", shares.shared),
    Route("/shared/{token:str}/card.png", shares.picture),
    Route("/shared/{token:str}/images/{hash:str}", shares.image),
    Route("/attachments", attachments.add, methods=["POST"]),
    Route("/attachments/{id:uuid}", documents.document),
    Route("/images/{hash:str}", attachments.picture),
    Route("/leaderboard", leaderboard.leaderboard),
    Route("/leaderboard.csv", leaderboard.as_file),
    Route("/leaderboard.json", leaderboard.as_json),
    Route("/leaderboard/fragile", leaderboard.fragile),
    Route("/leaderboard/pictures", gallery.pictures),
    Route("/leaderboard/history", gallery.history),
    Route("/leaderboard/method", leaderboard.method),
    Route("/about", texts.about),
    Route("/rules", texts.rules),
    Route("/shortcuts", texts.shortcuts),
    Route("/language", languages.switch, methods=["POST"]),
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
            Route("/static/{path:path}", statics.static),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(GZipMiddleware, compresslevel=6),  # never the stream of a battle: see docs/pages.md
            Middleware(Languages, languages.spoken(config.server.languages)),
            Middleware(SameSite),
            Middleware(TermsFirst),
        ],
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
    pages = Pages(config, languages.spoken(config.server.languages))
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
    boards, upkeep = Boards(config, store), Upkeep(config, store)
    for part in (boards, upkeep):
        await part.start()
        stack.push_async_callback(part.close)
    pulse = Pulse(store, config.leaderboard.refresh_seconds)
    return Context(
        config,
        store,
        router,
        live,
        pages,
        visitors,
        access,
        counted,
        boards,
        pulse,
        starters,
        written,
        ImageReader(config.limits),
        DocumentReader(config.limits),
    )


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
