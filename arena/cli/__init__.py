"""The command line: `arena`, or `python -m arena`. Each command is a module; here are only their names."""

import os
import sys
from typing import ClassVar

import click

from arena.errors import ArenaError


class LazyCommands(click.Group):
    """Loads a command's module when it is called, so that none waits for the imports of the others."""

    COMMANDS: ClassVar[dict[str, str]] = {
        "serve": "Serve the arena.",
        "check": "Ask every backend, and say what to mend.",
        "ask": "Ask one model, or chat with it.",
        "export": "Write every vote with its battle.",
        "import": "Take in votes from other arenas, or from an export.",
        "leaderboard": "Print the board, from the database or from an export.",
        "db": "Count the board anew from its votes.",
        "import-endpoints": "Print an old api_endpoint.json as config.toml.",
        "init": "Write a commented config.toml.",
        "prepare": "Fetch the small default model.",
    }
    MODULES: ClassVar[dict[str, str]] = {"import": "import_votes"}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.COMMANDS.items()))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.COMMANDS:
            return None
        name = self.MODULES.get(cmd_name, cmd_name.replace("-", "_"))
        module = __import__(f"arena.cli.{name}", fromlist=["command"])
        command: click.Command = module.command
        return command


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="arena")
def commands() -> None:
    """Blind side-by-side battles between your own models.

    A first time, in an empty folder:

    \b
      arena init       write config.toml
      arena prepare    fetch the small default model
      arena serve      open http://127.0.0.1:8000

    Then `arena check` asks every backend, `arena ask` one model, and `arena export` takes the votes out.
    """


def main() -> None:
    """Run the command; what the arena foresees going wrong is one line on the terminal and exit status 2."""
    # For matrices as small as a board's, more threads of numpy only get into each other's way (and the server's).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        commands(standalone_mode=True)
    except ArenaError as exc:
        click.echo(f"arena: {exc}", err=True)
        sys.exit(2)
