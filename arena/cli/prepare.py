"""`arena prepare`: the small default model, fetched and converted once."""

from pathlib import Path

import click

from arena.cli.options import config_option
from arena.engines import smollm2


@click.command("prepare")
@config_option
def command(config_file: Path) -> None:
    """Fetch SmolLM2-135M-Instruct and convert it for vLLM.

    Takes about a minute once, needs no account and no GPU, and puts 270 MB into models/ beside the configuration.
    """
    smollm2.prepare(config_file.parent, click.echo)
