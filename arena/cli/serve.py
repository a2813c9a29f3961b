"""`arena serve`: the server itself."""

import gc
import logging
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import click
import uvicorn

from arena.app import create_app
from arena.cli.options import config_option, configured, endpoints_option
from arena.config import Config
from arena.errors import ArenaError

log = logging.getLogger("arena")

# uvloop accepts one connection per turn of its loop and listening socket: with one alone, newcomers would wait
# while many answers stream (200 connections beside turns of 5 ms: 1.03 s with one, 0.13 s with eight).
LISTENERS = 8


@click.command("serve")
@config_option
@endpoints_option
@click.option("--host", help="The address to listen on, instead of the one in the configuration.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port, likewise. 0 takes a free one.")
def command(config_file: Path, endpoints_file: Path | None, host: str | None, port: int | None) -> None:
    """Serve the arena.

    Pages are there at once; engines load in the background. Stop it with Ctrl-C.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "alembic", "vllm"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    config = configured(config_file, endpoints_file)
    Server(config, host or config.server.host, config.server.port if port is None else port).run()


class Server(uvicorn.Server):
    """A uvicorn server that lets its watchers go when it stops, instead of waiting for them."""

    def __init__(self, config: Config, host: str, port: int) -> None:
        self.app = create_app(config)
        super().__init__(
            uvicorn.Config(
                self.app,
                host=host,
                port=port,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(config.server.shutdown_seconds)),
            )
        )

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until stopped. Raises `ArenaError` where that cannot begin."""
        logging.getLogger("uvicorn.error").addFilter(lambda record: not hasattr(self.app.state, "failure"))
        listening = listen(self.config.host, self.config.port)
        with suppress(KeyboardInterrupt):  # uvicorn raises the Ctrl-C that it has already obeyed
            super().run([listening, *(listening.dup() for _ in range(LISTENERS - 1))])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn's way to end when the lifespan fails
            if failure := getattr(self.app.state, "failure", None):
                raise failure from None
            raise
        gc.freeze()  # what is here now stays: to look through it for garbage again and again would stop the loop
        if self.started and sockets:
            announce(self.config.host, sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("the arena is closing: texts in flight are kept, and engines take a few seconds")
        if hasattr(self.app.state, "context"):
            self.app.state.context.live.dismiss()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ArenaError` where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        raise ArenaError(f"cannot listen on {host}:{port}: {exc.strerror or exc}. Try another --port.") from exc
    listening.set_inheritable(False)
    return listening


def announce(host: str, port: int) -> None:
    """Say where the arena is, and who can reach it."""
    place = f"[{host}]" if ":" in host else host
    log.info("the arena is open: http://%s:%d", place, port)
    if not _is_local(host):
        log.warning("%s can be reached by others, and there is no access control: anyone there can use it", place)


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
