"""Options that several commands share, and the configuration they lead to."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from arena import config as configuration
from arena import endpoints
from arena.config import Config

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config.toml"),
    show_default=True,
    help="The configuration file.",
)

endpoints_option = click.option(
    "--register-api-endpoint-file",
    "endpoints_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An api_endpoint.json of FastChat, whose models join those of the configuration.",
)


def configured(config_file: Path, endpoints_file: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration, and the models of the old file with it. Raises `ConfigError`."""
    tables = configuration.decode(config_file)
    if endpoints_file is not None:
        tables = endpoints.add(tables, endpoints_file, environ)
    return configuration.parse(tables, config_file, environ)


def keyless(config_file: Path) -> Config:
    """The configuration for a command that asks no backend, and needs neither keys nor a token for it."""
    return configuration.read(config_file, _AnyKey())


class _AnyKey(dict[str, str]):
    """An environment in which nothing is missing."""

    def get(self, key: str, default: object = None) -> str:
        return "not-needed-for-this-command"
