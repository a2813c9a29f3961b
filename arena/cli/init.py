"""`arena init`: a commented config.toml to start from, and the prompts that it offers."""

from contextlib import suppress
from pathlib import Path

import click

from arena.errors import ConfigError


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def command(folder: Path) -> None:
    """Write a commented config.toml, and prompts.toml beside it, into FOLDER (default: this one)."""
    target, prompts = folder / "config.toml", folder / "prompts.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(target)
    except FileExistsError as exc:
        raise ConfigError(f"{target}: is there already, and stays as it is.") from exc
    except OSError as exc:
        raise ConfigError(f"{target}: cannot be written: {exc.strerror or exc}") from exc
    try:
        with suppress(FileExistsError):  # somebody's own prompts stay as they are
            _write(prompts)
    except OSError as exc:
        raise ConfigError(f"{prompts}: cannot be written: {exc.strerror or exc}") from exc
    click.echo(f"Wrote {target}. Next: `arena prepare` fetches its default model, `arena serve` opens the arena.")


def _write(target: Path) -> None:
    """Write the default file of this name. Raises `OSError`, `FileExistsError` where it is there already."""
    with target.open("x", encoding="utf-8") as out:
        out.write(template(target.name).read_text("utf-8"))


def template(name: str) -> Path:
    """A default file: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_file() else package.parent / name
