"""The built wheel is the whole arena: installed elsewhere, it needs no checkout."""

import asyncio
import os
import re
import shutil
import site
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import CHECKOUT, PATIENCE_SECONDS

TRAVELS = ("templates", "static", "migrations")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what would be committed, and of htmx, which is installed and not committed."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in (*_files(), *_vendored()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, source / name)
    _call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), cwd=source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `arena` of an environment that has the wheel, what it depends on, and no checkout."""
    place = tmp_path_factory.mktemp("environment")
    _call(sys.executable, "-m", "venv", "--without-pip", str(place), cwd=place)
    (packages,) = place.glob("lib/python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--python", str(place / "bin/python"))
    _call(*pip, "install", "--no-deps", "--no-index", str(wheel), cwd=place)
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    return place / "bin/arena"


def _files() -> Iterator[Path]:
    """Every file of the checkout that git knows or would add."""
    listed = _call("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=CHECKOUT)
    return (Path(name) for name in listed.splitlines() if (CHECKOUT / name).is_file())


def _vendored() -> Iterator[Path]:
    return (file.relative_to(CHECKOUT) for file in (CHECKOUT / "static/vendor").iterdir())


def _call(*command: str, cwd: Path) -> str:
    finished = subprocess.run(command, cwd=cwd, env=_environ(), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def _environ() -> dict[str, str]:
    """Without what could lead an installed arena back to the checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def test_the_wheel_has_every_file_the_arena_reads(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    read = {f"arena/{name}" for name in (*_files(), *_vendored()) if name.parts[0] in TRAVELS}
    assert {name for name in read if not name.endswith(".keep")} - inside == set()
    assert {
        "arena/config.toml",
        "arena/prompts.toml",
        "arena/locales/fr/LC_MESSAGES/arena.po",
        "arena/static/vendor/htmx.min.js",
        "arena/py.typed",
    } <= inside


def test_the_wheel_has_nothing_else(wheel: Path) -> None:
    inside = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    assert {name.parts[0].split("-")[0] for name in inside} == {"arena"}
    assert not [name for name in inside if name.suffix in (".db", ".secret", ".pyc") or "tests" in name.parts]


def test_an_installed_arena_does_not_come_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    python = str(installed.parent / "python")
    place = _call(python, "-c", "import arena; print(arena.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(installed.parent.parent)


async def test_an_installed_arena_serves_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    _call(str(installed), "init", cwd=tmp_path)
    server = await asyncio.create_subprocess_exec(
        *(str(installed), "serve", "--port", "0"), cwd=tmp_path, env=_environ(), stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            url = await _address(server)
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as visitor:
                await _looks_around(visitor)
    finally:
        if server.returncode is None:
            server.kill()
        await server.communicate()
    assert (tmp_path / "arena.db").is_file()
    assert (tmp_path / "arena.secret").is_file()


async def _address(server: asyncio.subprocess.Process) -> str:
    assert server.stderr is not None
    said = b""
    async for line in server.stderr:
        said += line
        if b"the arena is open: " in line:
            return line.decode().split("the arena is open: ")[1].strip()
    raise AssertionError(said.decode())


async def _looks_around(visitor: httpx.AsyncClient) -> None:
    """Every page and every static file, and what is missing before a battle can be drawn."""
    start = await visitor.get("/")
    assert start.status_code == 200
    assert "Start the battle" in start.text
    assert "Surprise me" in start.text
    for file in ("arena.css", "code.css", "arena.js", "icon.svg", "vendor/htmx.min.js", "vendor/hx-sse.min.js"):
        stem, _, suffix = file.rpartition(".")
        (address,) = re.findall(rf'"(/static/{re.escape(stem)}\.[0-9a-f]{{8}}\.{suffix})"', start.text)[:1]
        for path in (address, f"/static/{file}"):
            assert (await visitor.get(path)).status_code == 200
    while (models := (await visitor.get("/healthz")).json()["models"]) and any(
        model["state"] in ("waiting", "loading") for model in models.values()
    ):
        continue
    assert {model["state"] for model in models.values()} == {"failed"}
    assert "arena prepare" in (await visitor.get("/")).text
    assert (await visitor.get("/readyz")).status_code == 503
    assert (await visitor.post("/conversations", data={"prompt": "Hello?"})).status_code == 503
