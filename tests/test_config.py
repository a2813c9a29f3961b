"""config.toml: what it may say, and how each mistake in it is refused."""

import math
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena import config as configuration
from arena.config import Config, Engine, Hosted, Model, OpenAI, Provider, Script, parse, read
from arena.errors import ConfigError

FILE = Path("/etc/arena/config.toml")
CONFIG = Path(__file__).parent.parent / "config.toml"
KEY = "sk-planted-0123456789"

SCRIPT = {"name": "parrot", "format": "script"}
SERVICE = {"name": "cloud", "format": "openai", "base_url": "https://api.example.com/v1", "model": "m-1"}
MODEL = {"name": "Concise", "backends": ["parrot"]}
KEYED = SERVICE | {"api_key_env": "CLOUD_KEY"}


def configured(*models: dict[str, Any], **tables: Any) -> Config:
    """A configuration with one provider and these models (without any: one)."""
    return parse({"providers": [SCRIPT], "models": list(models) or [MODEL]} | tables, FILE, {})


def refused(tables: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    """What the operator reads about these tables, after the name of the file."""
    with pytest.raises(ConfigError) as caught:
        parse(tables, FILE, environ or {})
    file, _, problem = str(caught.value).partition(": ")
    assert file == str(FILE)
    return problem


def refused_model(**settings: Any) -> str:
    """The same about the second of two models, which has these settings."""
    return refused({"providers": [SCRIPT], "models": [MODEL | {"name": "Detailed"}, MODEL | settings]})


# The file


def test_the_default_configuration_needs_no_key() -> None:
    config = read(CONFIG, {})
    assert len(config.models) == 4
    assert {name for model in config.models for name in model.backends} == {"smollm2"}
    assert config.folder == CONFIG.parent


def shown(table: str) -> list[str]:
    """The text of each table of that name in the default configuration, examples uncommented."""
    text = CONFIG.read_text("utf-8").replace("\n# ", "\n").replace("\n#\n", "\n\n")
    return re.findall(rf"^\[+{table}\]+\n(.*?)(?=^\[+\w+\]+\n|\Z)", text, re.MULTILINE | re.DOTALL)


def example(kind: type[Provider]) -> str:
    """The example of a provider of this kind."""
    tag = kind.__struct_config__.tag
    (found,) = [text for text in shown("providers") if re.search(rf'^format = "{tag}"', text, re.MULTILINE)]
    return found


def missing(text: str, *keys: str) -> list[str]:
    return [key for key in keys if not re.search(rf"^{key} = ", text, re.MULTILINE)]


@pytest.mark.parametrize(
    "table",
    [
        "server",
        "database",
        "limits",
        "access",
        "pages",
        "live",
        "blind",
        "votes",
        "router",
        "matchmaker",
        "leaderboard",
        "engines",
        "models",
    ],
)
def test_every_setting_is_in_the_default_configuration(table: str) -> None:
    (kind,) = {type(entry) for entry in listed(getattr(read(CONFIG, {}), table))}
    assert missing("\n".join(shown(table)), *kind.__struct_fields__) == []


def listed(table: Any) -> tuple[Any, ...]:
    return table if isinstance(table, tuple) else (table,)


@pytest.mark.parametrize("kind", get_args(Provider))
def test_every_format_is_in_the_default_configuration_with_its_settings(kind: type[Provider]) -> None:
    if issubclass(kind, Hosted):
        said_once = OpenAI if issubclass(kind, OpenAI) and kind is not OpenAI else Hosted
        own = set(kind.__struct_fields__) - set(said_once.__struct_fields__ if kind is not OpenAI else ())
    else:
        own = set(kind.__struct_fields__) - set(configuration.Backed.__struct_fields__)
    assert missing(example(kind), "name", *sorted(own)) == []


@pytest.mark.parametrize("kind", get_args(Provider))
def test_the_example_of_every_format_can_be_used(kind: type[Provider]) -> None:
    lines = [line for line in example(kind).splitlines() if re.match(r"\w+ = ", line)]
    entry = tomllib.loads("\n".join(lines)) | {"name": "parrot"}
    for other_way in ("api_key", "api_key_file"):
        entry.pop(other_way, None)
    keys = {entry.get("api_key_env", ""): KEY}
    (provider,) = parse({"providers": [entry], "models": [MODEL]}, FILE, keys).providers
    assert type(provider) is kind


def test_the_example_of_the_matchmakers_rules_can_be_used() -> None:
    (text,) = shown("matchmaker")
    lines = [line for line in text.splitlines() if re.match(r"\w+ = ", line)]
    names = [model.name for model in read(CONFIG, {}).models] + ["gpt-4.1"]
    rules = tomllib.loads("\n".join(lines))
    config = configured(*(MODEL | {"name": name} for name in names), matchmaker=rules)
    assert config.matchmaker.targets == {"Concise": ("Detailed", "Checklist")}


def test_the_default_configuration_shows_the_defaults() -> None:
    shown, default = read(CONFIG, {}), Config()
    assert (shown.server, shown.database) == (default.server, default.database)
    assert (shown.limits, shown.live) == (default.limits, default.live)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    config = read(tmp_path / "config.toml", {})
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8000)
    assert config.limits.prompt_characters == 12_000
    assert config.models == ()
    assert config.folder == tmp_path


def test_a_model_says_only_what_it_must_and_the_rest_is_left_to_the_backend() -> None:
    model = configured().model("Concise")
    assert model.weight == 1
    assert (model.temperature, model.top_p, model.max_tokens, model.seed) == (None, None, None, None)
    assert (model.first_token_seconds, model.answer_seconds) == (None, None)


def test_a_model_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="Detailed"):
        configured().model("Detailed")


def test_a_missing_file_is_refused_with_the_command_that_writes_one(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match=r"there is no such file\. `arena init` writes one") as caught:
        read(path, {})
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[server\nport = 1", "is not valid TOML: .*line 1.* Mend that place."),
        (b"a = 1\na = 2", "is not valid TOML: Cannot overwrite a value"),
        (b"a = " + b"[" * 20_000, "is not valid TOML"),
        (b"a = " + b"1" * 5_000, "is not valid TOML"),
        (b'title = "caf\xe9"', "is not UTF-8: .*position 12.* Save it as UTF-8."),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_the_place(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        read(path, {})
    assert str(caught.value).startswith(f"{path}: ")


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read(tmp_path, {})


# One value


@pytest.mark.parametrize(
    ("tables", "place"),
    [
        ({"modles": []}, "modles"),
        ({"server": {"prot": 1}}, "server.prot"),
        ({"server": {"tls": {"key": "x"}}}, "server.tls"),
        ({"providers": [SCRIPT | {"anser": "x"}]}, 'providers[0] ("parrot").anser'),
        ({"models": [MODEL, MODEL | {"name": "B", "top_k": 1}]}, 'models[1] ("B").top_k'),
        ({"models": [{"nmae": "B"}]}, "models[0].nmae"),
        ({"models[0]": 1}, "models[0]"),
        ({"models[7]": 1, "models": [MODEL]}, "models[7]"),
        ({"two\nlines": 1}, "two\nlines"),
    ],
)
def test_an_unknown_setting_is_refused_with_its_place(tables: dict[str, Any], place: str) -> None:
    assert refused(tables) == f"{place}: there is no such setting. Check the spelling, or remove it."


def test_the_folder_of_the_file_is_no_setting() -> None:
    assert refused({"folder": "/"}) == "folder: is not a setting. Remove it."


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"server": {"port": "80"}}, "server.port: expected `int`, got `str`"),
        ({"server": {"port": True}}, "server.port: expected `int`, got `bool`"),
        ({"server": {"port": 80.0}}, "server.port: expected `int`, got `float`"),
        ({"server": 80}, "server: expected `object`, got `int`"),
        ({"models": MODEL}, "models: expected `array`, got `object`"),
        ({"models": ["Concise"]}, "models[0]: expected `object`, got `str`"),
        ({"prompts": ["a"]}, "prompts: expected `str | null`, got `array`"),
        (
            {"engines": [{"name": "e", "checkpoint": "c", "devices": ["0"]}]},
            'engines[0] ("e").devices[0]: expected',
        ),
        ({"models": [MODEL | {"name": 5}]}, "models[0].name: expected `str`, got `int`"),
    ],
)
def test_a_wrong_type_is_refused_with_its_place(tables: dict[str, Any], words: str) -> None:
    problem = refused(tables)
    assert problem.startswith(words)
    assert problem.endswith(". Change the value.")


@pytest.mark.parametrize(
    ("table", "key", "values"),
    [
        ("server", "port", [-1, 65_536, 2**70]),
        ("server", "title", [""]),
        ("server", "shutdown_seconds", [0, -1.0, math.inf, math.nan]),
        ("limits", "prompt_characters", [0]),
        ("limits", "answer_seconds", [0.0, math.inf, math.nan]),
        ("live", "flush_ms", [0, 1001]),
        ("live", "checkpoint_seconds", [0, 2.1]),
    ],
)
def test_a_value_out_of_range_is_refused(table: str, key: str, values: list[float]) -> None:
    for value in values:
        problem = refused({table: {key: value}})
        assert problem.startswith(f"{table}.{key}: expected ")
        assert problem.endswith("Change the value.")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("weight", [-0.1, math.inf, math.nan]),
        ("temperature", [-0.1, 2.1, math.nan]),
        ("top_p", [0, 1.1, math.nan]),
        ("max_tokens", [0]),
        ("first_token_seconds", [0, math.inf]),
        ("name", ["", "n" * 101]),
        ("backends", [[]]),
    ],
)
def test_a_models_value_out_of_range_is_refused_with_the_models_name(key: str, values: list[Any]) -> None:
    for value in values:
        label = f' ("{value}")' if key == "name" else ' ("Concise")'
        assert refused_model(**{key: value}).startswith(f"models[1]{label}.{key}: expected ")


@pytest.mark.parametrize(
    ("table", "entry", "key"),
    [
        ("models", MODEL, "name"),
        ("models", MODEL, "backends"),
        ("providers", SERVICE | {"format": "azure"}, "base_url"),
        ("providers", SERVICE, "format"),
        ("engines", {"name": "e", "checkpoint": "c"}, "checkpoint"),
    ],
)
def test_a_setting_that_is_missing_is_refused(table: str, entry: dict[str, Any], key: str) -> None:
    entry = {name: value for name, value in entry.items() if name != key}
    label = f' ("{entry["name"]}")' if "name" in entry else ""
    assert refused({table: [entry]}) == f"{table}[0]{label}.{key}: is missing. Add it."


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    assert refused({"providers": [SCRIPT | {"format": "soap"}]}) == (
        'providers[0] ("parrot").format: there is no such format. Known are: openai, azure, openai-responses, '
        "openai-assistant, anthropic, gemini, cohere, mistral, reka, yandexgpt, p2l, huggingface, script. "
        "Name one of them."
    )


def test_an_address_that_is_not_http_is_refused() -> None:
    problem = refused({"providers": [SERVICE | {"base_url": "ftp://api.example.com"}]})
    assert problem.startswith('providers[0] ("cloud").base_url: expected ')


# Values that do not fit together


def test_a_backend_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert refused_model(backends=["parrot", "parot"]) == (
        'models[1] ("Concise").backends: there is no engine or provider named "parot". '
        "Known are: parrot. Name one of them, or add it."
    )


def test_a_model_without_any_backend_in_the_file_is_refused() -> None:
    assert "Known are: none." in refused({"models": [MODEL]})


@pytest.mark.parametrize(
    ("table", "tables"),
    [
        ("models", {"providers": [SCRIPT], "models": [MODEL, MODEL]}),
        ("engines and providers", {"providers": [SCRIPT, SCRIPT]}),
        ("engines and providers", {"providers": [SCRIPT], "engines": [{"name": "parrot", "checkpoint": "c"}]}),
    ],
)
def test_a_name_used_twice_is_refused(table: str, tables: dict[str, Any]) -> None:
    name = "Concise" if table == "models" else "parrot"
    assert refused(tables) == f'{table}: the name "{name}" is used 2 times. Names must differ: rename one.'


def test_a_provider_must_be_told_which_model_to_run() -> None:
    nameless = {key: value for key, value in SERVICE.items() if key != "model"}
    model = MODEL | {"backends": ["cloud"]}
    assert refused({"providers": [nameless], "models": [model]}) == (
        'models[0] ("Concise").model_id: is missing: the provider "cloud" must be told which model to run. '
        "Set model_id here, or model at the provider."
    )
    assert parse({"providers": [nameless], "models": [model | {"model_id": "m-2"}]}, FILE, {})
    assert parse({"providers": [SERVICE], "models": [model]}, FILE, {})


# Keys


@pytest.mark.parametrize("environ", [{}, {"CLOUD_KEY": ""}, {"OTHER_KEY": KEY}])
def test_a_key_missing_from_the_environment_is_refused_with_the_way_to_set_it(environ: dict[str, str]) -> None:
    assert refused({"providers": [KEYED]}, environ) == (
        'providers[0] ("cloud").api_key_env: the environment has no CLOUD_KEY. '
        "Set it before starting: export CLOUD_KEY=…"
    )


def test_a_key_is_never_part_of_the_configuration() -> None:
    config = parse({"providers": [KEYED], "models": [MODEL | {"backends": ["cloud"]}]}, FILE, {"CLOUD_KEY": KEY})
    assert KEY not in repr(config)
    assert "CLOUD_KEY" in repr(config)


@pytest.mark.parametrize("held", [{"api_key": KEY}, {"headers": {"X-Key": KEY}}])
def test_a_key_that_stands_in_the_file_is_not_shown_with_the_configuration(held: dict[str, Any]) -> None:
    config = parse({"providers": [SERVICE | held], "models": [MODEL | {"backends": ["cloud"]}]}, FILE, {})
    assert KEY not in repr(config)
    assert "api.example.com" in repr(config)


@pytest.mark.parametrize(
    "tables",
    [
        {"providers": [SERVICE | {"api_key_env": KEY}]},
        {"providers": [SERVICE | {"api_key": {"value": KEY}}]},
        {"providers": [KEYED | {"api_key": KEY}]},
        {"providers": [SERVICE | {"key": KEY}]},
        {"providers": [KEYED | {"connect_seconds": KEY}]},
        {"providers": [SERVICE | {"format": KEY}]},
        {"providers": [SERVICE | {"base_url": f"user:{KEY}@api.example.com"}]},
        {"providers": [KEYED], "models": [MODEL | {"api_key": KEY}]},
        {"api_key": KEY},
    ],
)
def test_a_key_written_into_the_file_by_mistake_is_not_repeated(tables: dict[str, Any]) -> None:
    assert KEY not in refused(tables, {"CLOUD_KEY": KEY})


def test_a_key_is_given_in_one_way() -> None:
    assert refused({"providers": [KEYED | {"api_key": KEY}]}, {"CLOUD_KEY": KEY}) == (
        'providers[0] ("cloud").api_key: the key is given twice, by api_key_env as well. Remove one of the two.'
    )


def test_a_script_with_an_unknown_failure_is_refused_with_those_there_are() -> None:
    problem = refused({"providers": [SCRIPT | {"name": "s", "fail": "flood"}]})
    assert problem.startswith('providers[0] ("s").fail: there is no failure "flood". Known are: broken, busy,')


def test_a_key_in_the_place_of_its_name_is_refused_with_what_belongs_there() -> None:
    problem = refused({"providers": [SERVICE | {"api_key_env": KEY}]}, {KEY: KEY})
    assert problem.startswith('providers[0] ("cloud").api_key_env: is not the name of an environment variable')


# Who meets whom


@pytest.mark.parametrize(
    ("rules", "setting"),
    [
        ({"weights": {"Concise": 1, "Consice": 2}}, "weights"),
        ({"boosted": ["Consice"]}, "boosted"),
        ({"targets": {"Consice": ["Concise"]}}, "targets"),
        ({"targets": {"Concise": ["Consice"]}}, "targets"),
        ({"strict_targets": {"Consice": ["C*"]}}, "strict_targets"),
        ({"apart": ["Concise", "Consice"]}, "apart"),
        ({"outages": ["Consice"]}, "outages"),
    ],
)
def test_a_rule_about_a_model_that_is_not_there_is_refused(rules: dict[str, Any], setting: str) -> None:
    assert refused({"providers": [SCRIPT], "models": [MODEL], "matchmaker": rules}) == (
        f'matchmaker.{setting}: there is no model named "Consice". Name one of models, or remove it.'
    )


@pytest.mark.parametrize("text", ["(", "[a", "a{2,1}", "*)"])
def test_a_pattern_that_cannot_be_read_is_refused_with_its_place(text: str) -> None:
    rules = {"strict_targets": {"Concise": ["D*", text]}}
    problem = refused({"providers": [SCRIPT], "models": [MODEL], "matchmaker": rules})
    assert problem.startswith('matchmaker.strict_targets."Concise"[1]: is not a pattern: ')
    assert problem.endswith("Mend it; a * stands for anything.")


@pytest.mark.parametrize("weight", [-1, math.inf, math.nan, "1"])
def test_a_weight_of_the_table_that_cannot_be_is_refused(weight: Any) -> None:
    for rules in ({"weights": {"Concise": weight}}, {"weight_of_others": weight}):
        problem = refused({"providers": [SCRIPT], "models": [MODEL], "matchmaker": rules})
        assert problem.startswith("matchmaker.weight")


# Places


def test_relative_paths_start_in_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").touch()
    monkeypatch.chdir(tmp_path)
    config = read(Path("config.toml"), {})
    assert config.path("models/small") == tmp_path / "models/small"
    assert config.path("/models/small") == Path("/models/small")
    assert config.path("~/models") == Path.home() / "models"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite+aiosqlite:///arena.db", "sqlite+aiosqlite:////etc/arena/arena.db"),
        ("sqlite+aiosqlite:///data/arena.db?timeout=5", "sqlite+aiosqlite:////etc/arena/data/arena.db?timeout=5"),
        ("sqlite+aiosqlite:////data/arena.db", "sqlite+aiosqlite:////data/arena.db"),
        ("sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite:///:memory:"),
        ("sqlite+aiosqlite://", "sqlite+aiosqlite://"),
        (
            "postgresql+asyncpg://arena:pw@db/arena?ssl=require",
            "postgresql+asyncpg://arena:pw@db/arena?ssl=require",
        ),
    ],
)
def test_a_relative_database_lies_beside_the_file_and_any_other_is_left_alone(url: str, expected: str) -> None:
    assert configured(database={"url": url}).database_url == expected


# Anything at all

KNOWN_KEYS = sorted(
    {key for table in (Config, Engine, OpenAI, Script, Model) for key in table.__struct_fields__}
    | {"format", "port", "url", "models[0]", "providers[3].name"}
)
scalars: st.SearchStrategy[object] = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.times(), st.datetimes(),
    st.sampled_from(["openai", "script", "parrot", "http://a"]),
)  # fmt: skip
entries_of: list[tuple[str, dict[str, Any]]] = [("models", MODEL), ("providers", KEYED), ("providers", SCRIPT)]
keys = st.sampled_from(KNOWN_KEYS) | st.text(max_size=8)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(keys, anything, max_size=5))
def test_any_tables_are_read_or_refused_in_words(tables: dict[str, Any]) -> None:
    problem = problem_of(tables)
    assert problem is None or re.fullmatch(rf"{FILE}: .*: .+[.…]", problem, re.DOTALL)


@given(st.sampled_from(entries_of), st.lists(st.dictionaries(keys, anything, max_size=3), max_size=3))
def test_any_change_to_a_good_file_is_read_or_refused_in_words(
    good: tuple[str, dict[str, Any]], changes: list[dict[str, Any]]
) -> None:
    table, entry = good
    tables: dict[str, Any] = {"providers": [SCRIPT], "models": [MODEL]}
    problem = problem_of(tables | {table: [entry | change for change in changes]})
    assert problem is None or re.fullmatch(rf"{FILE}: .*: .+[.…]", problem, re.DOTALL)


def problem_of(tables: dict[str, Any]) -> str | None:
    """What is wrong with these tables, if anything. Whatever else is raised fails the test."""
    try:
        parse(tables, FILE, {})
    except ConfigError as exc:
        return str(exc)
    return None


def test_a_vote_does_not_count_while_it_can_still_be_undone() -> None:
    words = refused({"models": [], "blind": {"undo_seconds": 10.0, "count_after_seconds": 5.0}})
    assert "blind.count_after_seconds: 5 is less than undo_seconds" in words


def test_a_reason_is_offered_once() -> None:
    words = refused({"models": [], "votes": {"reasons": ["Clear"], "faults": ["Clear"]}})
    assert 'the name "Clear" is used 2 times' in words
