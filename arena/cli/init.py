"""`arena init`: a commented config.toml to start from."""

from pathlib import Path

import click

from arena.errors import ConfigError


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def command(folder: Path) -> None:
    """Write a commented config.toml into FOLDER (default: this one)."""
    target = folder / "config.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as out:
            out.write(template().read_text("utf-8"))
    except FileExistsError as exc:
        raise ConfigError(f"{target}: is there already, and stays as it is.") from exc
    except OSError as exc:
        raise ConfigError(f"{target}: cannot be written: {exc.strerror or exc}") from exc
    click.echo(f"Wrote {target}. Next: `arena prepare` fetches its default model, `arena serve` opens the arena.")


def template() -> Path:
    """The default configuration: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "config.toml"
    return inside if inside.is_file() else package.parent / "config.toml"
