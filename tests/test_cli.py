"""The commands: what they say, and with which exit status they end."""

import asyncio
import re
import tomllib
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from arena import config as configuration
from arena.cli import commands
from tests.processes import CHECKOUT, run, scripted, write_config

COMMANDS = ("serve", "check", "ask", "export", "import", "leaderboard", "import-endpoints", "init", "prepare")

# Help


def help_of(*arguments: str) -> str:
    return CliRunner().invoke(commands, [*arguments, "--help"]).output


def test_the_first_help_leads_a_newcomer_to_a_running_arena() -> None:
    text = help_of()
    assert text.index("arena init") < text.index("arena prepare") < text.index("arena serve")
    assert all(f"\n  {name}" in text for name in COMMANDS)
    assert not re.search(r"\w\.\.\.$", text, re.MULTILINE)  # nothing is cut short


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_has_words_of_its_own(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    assert f"`arena {name}" in (CHECKOUT / "README.md").read_text()


def test_help_is_there_for_h_as_well() -> None:
    assert CliRunner().invoke(commands, ["serve", "-h"]).output == help_of("serve")


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert CliRunner().invoke(commands, ["--version"]).output.split()[-1] == project["version"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("sreve",),
        ("serve", "--prot", "8000"),
        ("serve", "--port", "70000"),
        ("export", "--format", "xml"),
        ("export", "--since", "yesterday"),
    ],
)
def test_what_cannot_be_understood_is_said_with_the_way_to_the_help(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 2
    assert "--help" in result.output
    assert arguments[-1] in result.output or arguments[-2] in result.output


def test_every_example_of_a_configuration_in_the_readme_can_be_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        configuration.parse(tomllib.loads(block), tmp_path / "config.toml", {"MY_DEPLOYMENT_KEY": "key"})


# arena init


async def test_init_writes_the_default_configuration(tmp_path: Path) -> None:
    finished = await run(tmp_path, "init")
    assert finished.status == 0
    assert "arena prepare" in finished.text
    written, default = (configuration.read(folder / "config.toml") for folder in (tmp_path, CHECKOUT))
    assert msgspec.structs.replace(written, folder=default.folder) == default


async def test_init_writes_the_prompts_that_the_configuration_names(tmp_path: Path) -> None:
    await run(tmp_path, "init")
    named = configuration.read(tmp_path / "config.toml").prompts
    assert named == "prompts.toml"
    assert (tmp_path / named).read_bytes() == (CHECKOUT / named).read_bytes()


async def test_init_never_replaces_prompts(tmp_path: Path) -> None:
    (tmp_path / "prompts.toml").write_text("# mine")
    assert (await run(tmp_path, "init")).status == 0
    assert (tmp_path / "prompts.toml").read_text() == "# mine"
    assert (tmp_path / "config.toml").is_file()


async def test_init_writes_nothing_beside_a_configuration_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# mine")
    assert (await run(tmp_path, "init")).status == 2
    assert not (tmp_path / "prompts.toml").exists()


async def test_init_makes_the_folder_it_is_given(tmp_path: Path) -> None:
    assert (await run(tmp_path, "init", "new/arena")).status == 0
    assert (tmp_path / "new/arena/config.toml").is_file()


async def test_init_never_replaces_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# mine")
    assert "is there already, and stays as it is" in (await run(tmp_path, "init")).complaint
    assert (tmp_path / "config.toml").read_text() == "# mine"


async def test_init_names_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    complaint = (await run(tmp_path, "init", "file/folder")).complaint
    assert complaint == "arena: file/folder/config.toml: cannot be written: Not a directory"


# arena serve, arena check, arena export: what is wrong is one line


@pytest.mark.parametrize("command", ["serve", "check", "export", "leaderboard"])
async def test_a_command_without_a_configuration_says_how_to_get_one(tmp_path: Path, command: str) -> None:
    complaint = (await run(tmp_path, command)).complaint
    assert complaint == "arena: config.toml: there is no such file. `arena init` writes one to start from."


@pytest.mark.parametrize("command", ["serve", "check", "export", "leaderboard"])
async def test_a_setting_that_does_not_exist_is_one_line_with_its_place(tmp_path: Path, command: str) -> None:
    write_config(tmp_path, scripted("A.", "B.", server={"prot": 8000}))
    complaint = (await run(tmp_path, command)).complaint
    assert complaint.startswith("arena: config.toml: server.prot: there is no such setting.")


@pytest.mark.parametrize("command", ["serve", "export"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "sqlite+aiosqlite:///missing/arena.db",
            "missing/arena.db: the database cannot be opened: unable to open",
        ),
        ("sqlite+aiosqlite:///config.toml", "config.toml: the database cannot be opened: file is not a database"),
        ("sqlite:///arena.db", "arena.db: there is no driver for sqlite"),
        ("arena.db", "arena: arena.db: is not a database URL"),
    ],
)
async def test_a_database_that_cannot_be_used_is_one_line_with_its_name(
    tmp_path: Path, command: str, url: str, words: str
) -> None:
    write_config(tmp_path, scripted("A.", "B.", database={"url": url}))
    assert words in (await run(tmp_path, command)).complaint


async def test_a_database_that_is_read_only_is_one_line_with_its_name(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    assert (await run(tmp_path, "export")).status == 0
    address = f"sqlite+aiosqlite:///file:{tmp_path}/arena.db?mode=ro&uri=true"
    write_config(tmp_path, scripted("A.", "B.", database={"url": address}))
    complaint = (await run(tmp_path, "serve")).complaint
    assert f"{tmp_path}/arena.db: the database did not take a write: " in complaint


async def test_an_address_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    complaint = (await run(tmp_path, "serve", "--host", "192.0.2.1")).complaint
    assert complaint.startswith("arena: cannot listen on 192.0.2.1:0: ")


async def test_commands_end_cleanly_side_by_side(tmp_path: Path) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    ended = await asyncio.gather(*(run(tmp_path, "export") for _ in range(3)))
    assert [(finished.status, finished.err) for finished in ended] == [(0, "")] * 3
