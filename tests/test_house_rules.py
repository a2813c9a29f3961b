"""Rules of the house that a test can keep: how the code reads, what is committed, what is imported."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route

from arena.app import ROUTES
from arena.config import read

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for path in (ROOT / "arena").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").glob("*.html"))

LONGEST_FUNCTION = 45
LONGEST_MODULE = 400
BROAD_EXCEPTS = Counter(
    {
        "arena/engines/loading.py": 1,
        "arena/engines/vllm.py": 2,
        "arena/live/live.py": 2,
        "arena/markdown/formulas.py": 1,
        "arena/router/trials.py": 1,
    }
)
"""Where `except Exception` stands: at the outer edge of a task or thread, and around what promises nothing."""

# An installation's own addresses: they work in one place only. PyTorch's index of CPU builds is public and needed.
FOREIGN = re.compile(
    r"(?<![\w.~}-])/(?:[h]ome|[r]oot|[U]sers|[w]ork|[m]nt|[v]ar/folders)/\w"
    r"|\b[A-Z]:\\\\?[U]sers\b"
    r"|https?://(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d"
    r"|https?://[\w.:@-]*(?:[n]exus|[a]rtifactory|[d]evpi|[m]irror|[p]roxy)[\w.:-]*/"
    r"|https?://(?:[r]egistry\.npmjs|[f]iles\.pythonhosted|[r]egistry\.yarnpkg|[p]ypi)\.\w+/(?!project)",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def git(*words: str) -> str:
    """What git says about this checkout, whoever owns it."""
    ran = subprocess.run(
        ["git", "-c", "safe.directory=*", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return ran.stdout


def kept() -> list[Path]:
    """The files that are committed, or would be."""
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def imported(*command: str) -> set[str]:
    """The top-level packages that Python imports for this command."""
    run = [sys.executable, "-X", "importtime", *command]
    ran = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE)}


# How modules read


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path)
        for path in MODULES
        if path.read_text("utf-8").strip() and not ast.get_docstring(tree_of(path))
    ]
    assert not silent


def test_the_package_opens_with_the_map() -> None:
    words = ast.get_docstring(tree_of(ROOT / "arena" / "__init__.py")) or ""
    missing = [
        name
        for name in ("views", "matchmaker", "store", "live", "router", "backend", "markdown")
        if name not in words
    ]
    assert not missing, f"the docstring of arena/__init__.py does not name {missing}"


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """The functions of a module, and their lines."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_longer_than_a_page() -> None:
    long = [
        f"{name_of(p)}: {name} ({lines})"
        for p in MODULES
        for name, lines in functions(p)
        if lines > LONGEST_FUNCTION
    ]
    assert not long


def test_no_module_is_longer_than_a_sitting() -> None:
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert not {name: n for name, n in lines.items() if n > LONGEST_MODULE}


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything: bare, `Exception` or `BaseException`, alone or among others."""
    caught = [handler.type] if not isinstance(handler.type, ast.Tuple) else handler.type.elts
    return any(error is None or ast.unparse(error) in ("Exception", "BaseException") for error in caught)


def test_everything_is_caught_only_at_the_outer_edge_of_a_task() -> None:
    found = Counter(
        name_of(path)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    )
    assert not found - BROAD_EXCEPTS, "a new broad except: name the errors instead"
    assert not BROAD_EXCEPTS - found, "fewer broad excepts than allowed: lower the number here"


def literals(path: Path) -> Iterator[str]:
    """The strings in a module's code, without its docstrings."""
    nodes = list(ast.walk(tree_of(path)))
    docs = {node.value for node in nodes if isinstance(node, ast.Expr)}
    return (n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in docs)


def test_no_model_of_the_configuration_is_named_in_code() -> None:
    config = read(ROOT / "config.toml", {})
    names = [model.name for model in config.models] + [engine.checkpoint for engine in config.engines]
    name = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names))
    modules = [path for path in MODULES if path.name != "smollm2.py"]  # which makes the default checkpoint
    assert not [(name_of(path), text) for path in modules for text in literals(path) if name.search(text)]


# Templates


def test_pages_extend_the_base_and_partials_extend_nothing() -> None:
    for path in TEMPLATES:
        extends = re.findall(r'{%-?\s*extends\s+"([^"]+)"', path.read_text("utf-8"))
        is_whole = path.name.startswith("_") or path.name == "base.html"
        assert extends == ([] if is_whole else ["base.html"]), path.name


def test_only_partials_are_included_and_each_of_them_is() -> None:
    sources = [path.read_text("utf-8") for path in (*TEMPLATES, *MODULES)]
    included = {
        name for text in sources for name in re.findall(r'{%-?\s*(?:include|import|from)\s+"([^"]+)"', text)
    }
    assert all(name.startswith("_") for name in included)
    for path in TEMPLATES:
        assert (
            path.name in included or path.name == "base.html" or any(f'"{path.name}"' in text for text in sources)
        )


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a style attribute", r"<[^>]*\sstyle\s*="),
        ("an event handler", r"<[^>]*\s(?:on[a-z]+|hx-on[:\w-]*)\s*="),
        ("an inline script", r"<script\b(?![^>]*\bsrc=)|<script\b[^>]*>\s*[^<\s]"),
        ("an inline style sheet", r"<style\b"),
        ("a javascript: address", r"javascript:"),
        ("a template filter that trusts its text", r"\|\s*safe\b|autoescape\s+false"),
        ("an address of another site", r"(?:src|srcset|action|href)\s*=\s*[\"']?(?:https?:)?//"),
    ],
)
def test_no_template_holds_what_the_content_policy_forbids(what: str, pattern: str) -> None:
    found = [path.name for path in TEMPLATES if re.search(pattern, path.read_text("utf-8"), re.IGNORECASE)]
    assert not found, what


# What is written down


def routes() -> Iterator[tuple[str, set[str]]]:
    """Every path, as the README writes it, and its methods."""
    for route in ROUTES:
        assert isinstance(route, Route)
        yield re.sub(r"{(\w+):\w+}", lambda found: found[1].upper(), route.path), route.methods or set()


def test_the_readme_names_every_route() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = {f"{method} {path}" for path, methods in routes() for method in methods - {"HEAD"}}
    missing = [route for route in sorted(shown) if f"`{route}`" not in readme]
    assert not missing, f"README.md does not name {missing}"


def test_every_link_in_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


# What is committed


@pytest.mark.parametrize(
    "path", ["static/vendor/htmx.min.js", "node_modules/a.js", "models/a", "arena.db", "arena.secret"]
)
def test_what_is_installed_made_or_secret_is_not_committed(path: str) -> None:
    assert git("check-ignore", "--no-index", path).strip() == path
    assert ROOT / path not in kept()


def test_no_file_holds_an_address_that_works_in_one_place_only() -> None:
    found: list[str] = []
    for path in kept():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}: {match[0]}" for match in FOREIGN.finditer(text)]
    assert not found


@pytest.mark.parametrize(
    "parts",
    [
        ("/", "home/ada/arena"),
        ("cd /", "root/x"),
        ('"/', 'work/main"'),
        ("C:\\", "Users\\ada"),
        ("http://", "192.168.1.4/x"),
        ("http://", "10.0.0.1:80/"),
        ("https://", "registry.npmjs.org/htmx"),
        ("https://", "files.pythonhosted.org/x"),
        ("http://", "nexus.corp/simple"),
    ],
)
def test_an_address_that_works_in_one_place_only_would_be_found(parts: tuple[str, str]) -> None:
    assert FOREIGN.search("".join(parts))


@pytest.mark.parametrize(
    "text",
    [
        "https://download.pytorch.org/whl/cpu",
        "https://pypi.org/project/arena",
        "http://127.0.0.1:8000",
        "/conversations",
    ],
)
def test_an_address_that_works_everywhere_is_no_fault(text: str) -> None:
    assert not FOREIGN.search(text)


# What is imported


def test_help_waits_for_no_library_of_the_server() -> None:
    heavy = {"sqlalchemy", "starlette", "uvicorn", "alembic", "vllm", "torch", "httpx", "pyarrow", "rich"}
    found = imported("-m", "arena", "--help") & heavy
    assert not found


def test_the_app_waits_for_no_engine_and_no_export() -> None:
    heavy = {"vllm", "torch", "transformers", "pyarrow", "httpx", "aiohttp", "PIL", "pypdfium2"}
    found = imported("-c", "import arena.app") & heavy
    assert not found
