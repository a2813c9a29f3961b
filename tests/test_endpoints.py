"""Files of the old arena: what becomes of each entry, how mistakes are refused, a battle between two of them."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from arena import config as configuration
from arena import endpoints, providers
from arena.cli import commands
from arena.config import Config
from arena.errors import ConfigError
from tests.processes import kept, run, scripted, serve, write_config
from tests.servers import serving

KEY = "sk-planted-0123456789"
BATTLE = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 2000}

# As it stands in the README of the Checklist fork, but for the keys.
SEED = """{
    "Checklist-GPT-4-0125-Preview": {
        "model_name": "Checklist-GPT-4-0125-Preview",
        "api_type": "openai",
        "azure_api_version": "2024-02-01",
        "api_base": "https://checklist.openai.azure.com/",
        "api_key": "sk-planted-0123456789",
        "anony_only": false,
        "recommended_config": {
        "temperature": 0.7,
        "top_p": 1.0
        },
        "text-arena": true,
        "vision-arena": false
    },
    "Checklist-GPT-o1": {
        "model_name": "Checklist-GPT-o1",
        "api_type": "openai_o1",
        "azure_api_version": "2024-02-01",
        "api_base": "https://checklist.openai.azure.com/",
        "api_key": "sk-planted-0123456789",
        "anony_only": false,
        "recommended_config": {
        "temperature": 0.7,
        "top_p": 1.0
        },
        "text-arena": true,
        "vision-arena": false
    }
}
"""

SERVICES = ("OPENAI", "ANTHROPIC", "GEMINI", "MISTRAL", "NVIDIA", "YANDEXGPT", "CO", "REKA")
VARIABLES = {*(f"{service}_API_KEY" for service in SERVICES), "GCP_ACCESS_TOKEN"}
USUAL = dict.fromkeys(VARIABLES, KEY) | {"GCP_PROJECT_ID": "my-project", "GCP_LOCATION": "us-east5"}

ENTRY = {"model_name": "m-1", "api_type": "openai", "api_base": None, "api_key": "", "anony_only": False}
UNBLOCKED = ["HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"]
VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/publishers"


def entry(api_type: str, **fields: Any) -> dict[str, Any]:
    """An entry as the old documentation has it, without a key."""
    return ENTRY | {"api_type": api_type} | fields


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "api_endpoint.json"


def added(file: Path, models: Any, environ: Mapping[str, str] = USUAL, /, **tables: Any) -> Config:
    """The configuration that an old file of these models makes, or a file of this text."""
    file.write_text(models if isinstance(models, str) else json.dumps(models, indent=4), "utf-8")
    return configuration.parse(endpoints.add(tables, file, environ), file.with_name("config.toml"), environ)


def refused(file: Path, models: Any, environ: Mapping[str, str] = USUAL, /, **tables: Any) -> str:
    """What the operator reads about this file, after its name."""
    with pytest.raises(ConfigError) as caught:
        added(file, models, environ, **tables)
    name, _, problem = str(caught.value).partition(": ")
    assert name == str(file)
    assert KEY not in str(caught.value)
    return problem


# What becomes of an entry


def test_the_two_deployments_of_the_seed_work_unchanged(file: Path) -> None:
    preview, reasoning = added(file, SEED, {}).providers
    assert isinstance(preview, configuration.Azure)
    assert isinstance(reasoning, configuration.Azure)
    for provider in (preview, reasoning):
        assert provider.base_url == "https://checklist.openai.azure.com/"
        assert (provider.model, provider.api_version) == (provider.name, "2024-02-01")
        assert provider.api_key == KEY
    assert (preview.reasoning, reasoning.reasoning) == (False, True)


def test_the_models_of_the_seed_are_drawn_and_sampled_as_before(file: Path) -> None:
    preview, reasoning = added(file, SEED, {}).models
    assert preview.name == "Checklist-GPT-4-0125-Preview"
    assert (preview.temperature, preview.top_p, preview.max_tokens) == (0.7, 1.0, 2000)
    assert (reasoning.temperature, reasoning.top_p, reasoning.max_tokens) == (None, None, None)
    for model in (preview, reasoning):
        assert (model.weight, model.text, model.vision, model.battle_only) == (1, True, False, False)
        assert (model.system_prompt, model.backends) == ("", (model.name,))


EVERY = [
    (entry("openai"), {"format": "openai", "model": "m-1", "base_url": "https://api.openai.com/v1"}, BATTLE),
    (
        entry("openai", api_base="http://127.0.0.1:8000/v1"),
        {"format": "openai", "base_url": "http://127.0.0.1:8000/v1"},
        BATTLE,
    ),
    (entry("openai", api_base=""), {"format": "openai", "base_url": "https://api.openai.com/v1"}, BATTLE),
    (
        entry("openai", model_name="my-azure-gpt", api_base="https://x.openai.azure.com"),
        {"format": "azure", "model": "my-azure-gpt", "api_version": "2023-07-01-preview"},
        BATTLE,
    ),
    (entry("openai_no_stream"), {"format": "openai", "streams": False}, BATTLE),
    (
        entry("openai_no_stream", azure_api_version="2024-06-01", api_base="https://x.openai.azure.com"),
        {"format": "azure", "streams": False, "api_version": "2024-06-01"},
        BATTLE,
    ),
    (entry("openai_o1"), {"format": "openai", "reasoning": True}, {}),
    (
        entry("openai_assistant", assistant_id="asst_1", model_name=None),
        {"format": "openai-assistant", "assistant_id": "asst_1"},
        {},
    ),
    (entry("anthropic"), {"format": "anthropic", "model": "Old", "host": "anthropic"}, BATTLE | {"top_p": None}),
    (entry("anthropic_message"), {"format": "anthropic", "model": "m-1"}, BATTLE | {"top_p": None}),
    (
        entry("anthropic_message_vertex", model_name="m@1"),
        {"format": "anthropic", "host": "vertex", "base_url": f"{VERTEX}/anthropic", "model": "m@1"},
        BATTLE | {"top_p": None},
    ),
    (entry("gemini"), {"format": "gemini", "model": "m-1", "host": "gemini"}, BATTLE),
    (entry("gemini_no_stream"), {"format": "gemini", "model": "m-1"}, BATTLE),
    (
        entry("vertex"),
        {"format": "gemini", "host": "vertex", "base_url": f"{VERTEX}/google", "model": "Old"},
        BATTLE,
    ),
    (entry("mistral"), {"format": "mistral", "model": "m-1", "base_url": "https://api.mistral.ai/v1"}, BATTLE),
    (
        entry("nvidia", api_base="https://api.nvcf.nvidia.com/v2/nvcf/pexec/functions"),
        {"format": "openai", "base_url": "https://integrate.api.nvidia.com/v1"},
        BATTLE | {"seed": 42},
    ),
    (
        entry("nvidia", api_base="http://127.0.0.1:8000/v1", recommended_config={"temperature": 0}),
        {"format": "openai", "base_url": "http://127.0.0.1:8000/v1"},
        BATTLE | {"seed": 42, "temperature": 1e-6},
    ),
    (
        entry(
            "yandexgpt",
            api_base="https://llm.api.cloud.yandex.net/foundationModels/v1/completion",
            folder_id="b1g",
            fixed_temperature=0.1,
            recommended_config={"temperature": 0.9, "top_p": 0.5},
        ),
        {
            "format": "yandexgpt",
            "folder_id": "b1g",
            "base_url": "https://llm.api.cloud.yandex.net/foundationModels/v1",
        },
        {"temperature": 0.1, "top_p": None, "max_tokens": 2000},
    ),
    (
        entry("cohere", client_name="Our arena", api_base="https://api.cohere.ai/v1"),
        {"format": "cohere", "client_name": "Our arena", "base_url": "https://api.cohere.com/v2"},
        BATTLE,
    ),
    (entry("cohere"), {"format": "cohere", "client_name": "arena"}, BATTLE),
    (
        entry("cohere", api_base="http://127.0.0.1:9/v2"),
        {"format": "cohere", "base_url": "http://127.0.0.1:9/v2"},
        BATTLE,
    ),
    (entry("reka", model_name="core-online"), {"format": "reka", "model": "core"}, BATTLE | {"temperature": None}),
    (
        entry("reka", recommended_config={"temperature": 0.3}),
        {"format": "reka", "model": "m-1"},
        BATTLE | {"temperature": 0.3},
    ),
    (
        entry("p2l", api_base="http://127.0.0.1:8100/v1", recommended_config={"extra_body": {"budget": 0.5}}),
        {"format": "p2l", "base_url": "http://127.0.0.1:8100/v1", "model": "m-1", "api_key_env": None},
        {"temperature": None, "top_p": None, "max_tokens": 2000, "extra_body": {"budget": 0.5}},
    ),
]
GONE = ["bard", "ai2", "column", "metagen"]


def test_all_twenty_types_of_the_old_arena_are_known() -> None:
    assert len({fields["api_type"] for fields, _, _ in EVERY} | set(GONE)) == 20


@pytest.mark.parametrize(("fields", "provider", "model"), EVERY)
def test_each_type_becomes_the_provider_of_its_service(
    file: Path, fields: dict[str, Any], provider: dict[str, Any], model: dict[str, Any]
) -> None:
    config = added(file, {"Old": fields})
    (found,), (contender,) = config.providers, config.models
    assert type(found).__struct_config__.tag == provider["format"]
    assert {name: getattr(found, name) for name in provider if name != "format"} == {
        name: value for name, value in provider.items() if name != "format"
    }
    wanted = dict.fromkeys(BATTLE) | model
    assert {name: getattr(contender, name) for name in wanted} == wanted
    assert providers.make(found, USUAL).name == "Old"


@pytest.mark.parametrize("api_type", ["gemini", "gemini_no_stream", "vertex"])
def test_gemini_is_asked_as_before_to_block_nothing(file: Path, api_type: str) -> None:
    (model,) = added(file, {"Old": entry(api_type)}).models
    settings = model.extra_body["safetySettings"]
    assert [setting["category"] for setting in settings] == [f"HARM_CATEGORY_{name}" for name in UNBLOCKED]
    assert {setting["threshold"] for setting in settings} == {"BLOCK_NONE"}


def test_vertex_has_an_address_for_all_places_together(file: Path) -> None:
    (provider,) = added(file, {"Old": entry("vertex")}, USUAL | {"GCP_LOCATION": "global"}).providers
    assert isinstance(provider, configuration.Gemini)
    assert provider.base_url.startswith(
        "https://aiplatform.googleapis.com/v1/projects/my-project/locations/global/"
    )


def test_the_flags_of_an_entry_keep_their_meaning(file: Path) -> None:
    flags = {"anony_only": True, "text-arena": False, "vision-arena": True}
    (model,) = added(file, {"Old": entry("openai", **flags)}).models
    assert (model.battle_only, model.text, model.vision) == (True, False, True)


def test_a_recommended_configuration_comes_before_that_of_all_battles(file: Path) -> None:
    recommended = {"temperature": 0, "top_p": 0.9, "max_new_tokens": 512}
    (model,) = added(file, {"Old": entry("mistral", recommended_config=recommended)}).models
    assert (model.temperature, model.top_p, model.max_tokens) == (0, 0.9, 512)


def test_a_top_p_of_its_own_is_sent_to_anthropic_and_the_usual_one_is_not(file: Path) -> None:
    for asked, sent in ((0.9, 0.9), (1.0, None), (1, None)):
        fields = entry("anthropic_message", recommended_config={"top_p": asked})
        (model,) = added(file, {"Old": fields}).models
        assert model.top_p == sent


@pytest.mark.parametrize(
    ("api_type", "prompt"), [("openai", "You are a helpful assistant."), ("openai_assistant", "")]
)
def test_a_custom_system_prompt_is_that_of_the_old_default_template(
    file: Path, api_type: str, prompt: str
) -> None:
    fields = entry(api_type, custom_system_prompt=True, assistant_id="asst_1")
    (model,) = added(file, {"Old": fields}).models
    assert model.system_prompt == prompt


def test_models_of_the_old_file_come_after_those_of_the_configuration(file: Path) -> None:
    config = added(file, SEED, {}, **scripted("A.", "B."))
    assert [model.name for model in config.models][2:] == ["Checklist-GPT-4-0125-Preview", "Checklist-GPT-o1"]


def test_the_matchmaker_of_the_configuration_may_name_models_of_the_old_file(file: Path) -> None:
    rules = {"weights": {"Checklist-GPT-o1": 3}, "weight_of_others": 0}
    config = added(file, SEED, {}, matchmaker=rules)
    assert [config.matchmaker.weight(model) for model in config.models] == [0, 3]


# Keys


@pytest.mark.parametrize("empty", ["", None])
def test_a_key_that_is_not_in_the_file_is_read_from_the_environment_as_before(file: Path, empty: Any) -> None:
    for fields, _, _ in EVERY:
        (provider,) = added(file, {"Old": fields | {"api_key": empty}}).providers
        assert isinstance(provider, configuration.Hosted)
        assert provider.api_key is None
        assert provider.api_key_env in {*VARIABLES, None}


def test_a_key_in_neither_place_is_refused_with_the_way_to_set_it(file: Path) -> None:
    assert refused(file, {"Old": entry("cohere")}, {}) == (
        '"Old".api_key: there is none, and the environment has no CO_API_KEY. '
        "Set it before starting: export CO_API_KEY=…"
    )


def test_the_key_of_anthropic_comes_from_the_environment_first(file: Path) -> None:
    models = {"Old": entry("anthropic_message", api_key=KEY)}
    for environ, found in (({"ANTHROPIC_API_KEY": "other"}, None), ({}, KEY)):
        (provider,) = added(file, models, environ).providers
        assert isinstance(provider, configuration.Anthropic)
        assert provider.api_key == found


def test_vertex_needs_a_project_and_a_place(file: Path) -> None:
    assert refused(file, {"Old": entry("vertex")}, {"GCP_ACCESS_TOKEN": KEY}).startswith(
        '"Old".api_type: the address at Vertex AI is made of GCP_PROJECT_ID and GCP_LOCATION'
    )


PLANTED = [
    {"api_key": [KEY]},
    {"api_key": f"{KEY} and more"},
    {"api_type": KEY},
    {"api_base": f"user:{KEY}"},
    {"anony_only": KEY},
    {"recommended_config": KEY},
    {"recommended_config": {"temperature": KEY}},
    {"api_key": KEY, "model_name": None},
    {"api_key": KEY, "azure_api_version": "2024-02-01"},
]


@pytest.mark.parametrize("fields", PLANTED)
def test_a_key_is_never_part_of_a_refusal(file: Path, fields: dict[str, Any]) -> None:
    assert refused(file, {"Old": ENTRY | fields}).startswith('"Old"')


def test_a_key_beside_a_syntax_error_is_not_repeated(file: Path) -> None:
    assert refused(file, SEED.replace('"anony_only": false,', '"anony_only" false,', 1)).startswith("line 8, ")
    assert refused(file, SEED.replace(f'"{KEY}",', f'"{KEY},', 1)).startswith("line 7, ")


# Refusals


@pytest.mark.parametrize("api_type", GONE)
def test_a_type_whose_service_is_gone_is_refused_with_the_reason_and_a_way_out(file: Path, api_type: str) -> None:
    problem = refused(file, {"Old": entry(api_type)})
    assert problem.startswith(f'"Old".api_type: {api_type} cannot be served any more: ')
    assert "api_type" in problem.partition("more: ")[2]
    assert problem.endswith("; or remove this entry.")


def test_an_unknown_type_is_refused_with_the_known_ones(file: Path) -> None:
    problem = refused(file, {"New": ENTRY, "Old": entry("soap")})
    assert problem.startswith('"Old".api_type: there is no such type. Known are: openai, openai_no_stream, ')


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (entry("openai", model_name=None), "model_name"),
        (entry("openai", model_name="m", azure_api_version="2024-02-01"), "api_base"),
        (entry("openai_assistant"), "assistant_id"),
        (entry("nvidia"), "api_base"),
        (entry("yandexgpt", api_base="https://x"), "folder_id"),
        (entry("p2l"), "api_base"),
    ],
)
def test_a_field_that_its_type_needs_is_missed_by_name(file: Path, fields: dict[str, Any], field: str) -> None:
    problem = refused(file, {"Old": fields})
    assert problem == f'"Old".{field}: is missing, and api_type {fields["api_type"]} needs it. Add it.'


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"api_type": 1}, ".api_type: expected `str`, got `int`. Change the value."),
        ({"anony_only": "no"}, ".anony_only: expected `bool`, got `str`. Change the value."),
        ({"vision-arena": 1}, ".vision-arena: expected `bool`, got `int`. Change the value."),
        ({"api_base": "api.openai.com"}, ".api_base: is no address. It must begin with http:// or https://: "),
        ({"recommended_config": {"temperature": 3}}, ".recommended_config.temperature: expected `float` <= 2"),
        ({"recommended_config": {"max_new_tokens": 0}}, ".recommended_config.max_new_tokens: expected `int` >= 1"),
    ],
)
def test_a_wrong_value_is_refused_with_the_fields_old_name(file: Path, fields: dict[str, Any], words: str) -> None:
    assert refused(file, {"Old": ENTRY | fields}).startswith(f'"Old"{words}')


def test_an_entry_without_a_type_is_refused(file: Path) -> None:
    assert refused(file, {"Old": {"model_name": "m"}}) == '"Old".api_type: is missing. Add it.'
    assert refused(file, {"Old": "openai"}) == '"Old": expected `object`, got `str`. Change the value.'


COMMA = "a comma stands before a closing bracket, which JSON does not allow. Remove that comma."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n  "a": {\n    "api_type": "openai",\n  }\n}', f"line 4, {COMMA}"),
        ('{\n  "a": {}\n,}', f"line 3, {COMMA}"),
        ('{\n  "a": [1,]}', f"line 2, {COMMA}"),
        ('{\n  "a": }', "line 2, is not valid JSON: Expecting value. Mend that place."),
        ("", "line 1, is not valid JSON: Expecting value."),
        ("[" * 100_000, "is not valid JSON: maximum recursion depth exceeded"),
        ('{"a": {}, "a": {}}', 'is not valid JSON: "a" is there twice in one object; remove or rename'),
        ('{"\\ud800": {}}', "is not valid JSON: JSON is malformed"),
        ('{"a": NaN}', "is not valid JSON: JSON is malformed"),
        ("[]", "holds no models"),
        ("{}", "holds no models"),
    ],
)
def test_a_file_that_is_no_object_of_models_is_refused_with_the_line(file: Path, text: str, words: str) -> None:
    assert re.sub(r"column \d+: ", "", refused(file, text)).startswith(words)


def test_a_file_that_cannot_be_read_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        endpoints.read(file, {})
    file.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        endpoints.read(file, {})
    latin = file.with_name("latin.json")
    latin.write_bytes(b'{"caf\xe9": {}}')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        endpoints.read(latin, {})


def test_a_file_with_a_byte_order_mark_is_read(file: Path) -> None:
    file.write_text(SEED, "utf-8-sig")
    assert len(endpoints.read(file, {})) == 2


def test_a_name_that_the_configuration_has_is_refused(file: Path) -> None:
    tables = scripted("A.", "B.")
    assert refused(file, {"Aurora Prime": ENTRY}, **tables) == (
        '"Aurora Prime": config.toml has that name in its models already. Rename one of the two.'
    )
    assert "in its providers already" in refused(file, {"aurora": ENTRY}, **tables)


def test_a_mistake_in_the_configuration_is_said_of_the_configuration(file: Path) -> None:
    for tables in ({"models": 5}, {"providers": [5]}, {"matchmaker": {"apart": ["nobody"]}}):
        with pytest.raises(ConfigError, match=r"config\.toml: (models|providers|matchmaker)"):
            added(file, SEED, {}, **tables)


# arena import-endpoints


def imported(file: Path, models: Any, **environ: str) -> tuple[str, Config]:
    """What the command prints, and the configuration that it is."""
    file.write_text(models if isinstance(models, str) else json.dumps(models), "utf-8")
    ran = CliRunner().invoke(commands, ["import-endpoints", str(file)], env=USUAL | environ)
    assert ran.exit_code == 0, ran.exception
    tables = tomllib.loads(ran.output)
    keys = dict.fromkeys(re.findall(r'^api_key_env = "(.*?)"', ran.output, re.MULTILINE), KEY)
    return ran.output, configuration.parse(tables, file.with_name("config.toml"), keys)


def test_the_seed_is_printed_without_its_keys(file: Path) -> None:
    text, config = imported(file, SEED)
    assert KEY not in text
    assert "export CHECKLIST_GPT_O1_KEY=…" in text
    first, second = config.providers
    assert isinstance(first, configuration.Azure)
    assert isinstance(second, configuration.Azure)
    assert first.api_key_env == "CHECKLIST_GPT_4_0125_PREVIEW_KEY"
    assert second.api_key_env == "CHECKLIST_GPT_O1_KEY"


def without_keys(config: Config) -> tuple[Any, ...]:
    tables = [{name: getattr(p, name) for name in p.__struct_fields__} for p in config.providers]
    return [{k: v for k, v in table.items() if not k.startswith("api_key")} for table in tables], config.models


def test_what_is_printed_is_what_would_be_served(file: Path) -> None:
    models = {f"Model {number}": fields | {"api_key": KEY} for number, (fields, _, _) in enumerate(EVERY)}
    text, config = imported(file, models)
    assert KEY not in text
    assert without_keys(config) == without_keys(added(file, models))


def test_a_file_without_keys_leads_to_the_variables_they_were_read_from(file: Path) -> None:
    _, config = imported(file, {f"Model {number}": fields for number, (fields, _, _) in enumerate(EVERY)})
    named = {getattr(provider, "api_key_env", None) for provider in config.providers}
    assert named - {None} == VARIABLES


@pytest.mark.parametrize(
    ("names", "variables"),
    [
        (["gpt-4o"], ["GPT_4O_KEY"]),
        (["gpt-4o", "GPT 4o", "gpt.4o!"], ["GPT_4O_KEY", "GPT_4O_KEY_2", "GPT_4O_KEY_3"]),
        (["4o-mini", "模型", "héllo"], ["_4O_MINI_KEY", "MODEL_KEY", "H_LLO_KEY"]),
        (["openai api"], ["OPENAI_API_KEY_2"]),
    ],
)
def test_a_variable_is_named_after_its_model(file: Path, names: list[str], variables: list[str]) -> None:
    _, config = imported(file, {name: ENTRY | {"api_key": KEY} for name in names})
    assert [getattr(provider, "api_key_env", None) for provider in config.providers] == variables


def test_any_name_and_any_text_is_valid_toml(file: Path) -> None:
    name = 'quo"te \\ new\nline \x7f tab\t é 🦙 # x'
    extra = {"a b": [1, 2.5, True, {"deep": "x\ny"}], "none": None, "small": 1e-7}
    fields = entry("p2l", api_base="http://x/v1", recommended_config={"extra_body": extra}, **{"odd\nfield": 1})
    text, config = imported(file, {name: fields})
    assert config.models[0].name == name
    assert config.models[0].extra_body == {"a b": [1, 2.5, True, {"deep": "x\ny"}], "small": 1e-7}
    assert "odd field" in text


def test_what_was_never_read_is_said(file: Path) -> None:
    text, _ = imported(
        file, {"Old": entry("anthropic_message", env_api_key="X", api_key="y", api_base="https://z")}
    )
    assert "# never read by the old arena, and left out: env_api_key\n" in text
    assert "# api_key: comes second to ANTHROPIC_API_KEY" in text
    assert "# api_base: the old arena did not read it" in text


async def test_import_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"a": {"api_type": "bard"},}')
    finished = await run(tmp_path, "import-endpoints", "old.json")
    assert finished.complaint.startswith("arena: old.json: line 1, ")
    assert finished.complaint.endswith(COMMA)
    assert finished.out == b""


# arena serve


async def test_a_battle_between_two_models_of_an_old_file(tmp_path: Path) -> None:
    asked: list[tuple[str, str, Any]] = []

    async def complete(request: Request) -> Response:
        body = await request.json()
        asked.append((body["model"], request.headers["authorization"], body["temperature"]))
        parts = (
            f'{{"choices": [{{"delta": {{"content": "I am {body["model"]}."}}, "finish_reason": "stop"}}]}}',
            "[DONE]",
        )
        return StreamingResponse((f"data: {part}\n\n" for part in parts), media_type="text/event-stream")

    async with serving(Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])) as url:
        old = {
            name: entry("openai", model_name=model, api_base=f"{url}/v1", api_key=KEY)
            for name, model in (("First", "one"), ("Second", "two"))
        }
        (tmp_path / "old.json").write_text(json.dumps(old, indent=4))
        tables = {"server": {"port": 0}, "live": {"flush_ms": 1}}
        async with (
            serve(tmp_path, tables, "--register-api-endpoint-file", "old.json") as served,
            served.guest() as guest,
        ):
            await guest.begins()
            await guest.reads()
            page = await guest.sees()
            reply = await guest.votes("tie")
            assert reply.status_code == 303
        checked = await run(tmp_path, "check", "--register-api-endpoint-file", "old.json")
    assert "I am one." in page
    assert "I am two." in page
    assert sorted(asked)[:1] == [("one", f"Bearer {KEY}", 0.7)]
    assert kept(tmp_path, "SELECT choice FROM votes") == [("tie",)]
    assert checked.status == 0
    assert not [line for line in (*served.said, *checked.text.splitlines()) if KEY in line]
    assert KEY.encode() not in (tmp_path / "arena.db").read_bytes()


@pytest.mark.parametrize("command", ["serve", "check"])
async def test_a_name_in_both_files_stops_the_command_in_one_line(tmp_path: Path, command: str) -> None:
    write_config(tmp_path, scripted("A.", "B."))
    (tmp_path / "old.json").write_text(json.dumps({"aurora": ENTRY | {"api_key": KEY}}))
    finished = await run(tmp_path, command, "--register-api-endpoint-file", "old.json")
    assert finished.complaint.startswith('arena: old.json: "aurora": config.toml has that name in its providers')
