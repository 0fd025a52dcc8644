"""The form matches the settings models: defaults are valid, and each value reaches the step that has the field."""

from __future__ import annotations

import json

import pytest

from jobs.cli import commands
from jobs.gamedata.settings import ManifestSettings, PlanSettings, PublishSettings
from jobs.gamedata.settings import RunSettings as GamedataRun
from jobs.gamedata.steps.run import publish_settings
from jobs.media.settings import PublishSettings as IndexSettings
from jobs.screenalytics.settings import IngestSettings
from jobs.trakt.settings import BackfillSettings
from jobs.trakt.settings import IngestSettings as Trakt
from jobs.viewership.settings.uploads import RunSettings
from shared.rayjob.settings import RaySettings
from shared.settings import StepSettings, setting
from shared.settings.base import encoded
from shared.settings.flags import flags
from shared.step import guard
from shared.step.contract import Step
from shared.step.form import GIVEN_VARIABLE, check_names, is_known
from tests.render.rendered import TEMPLATES, WITH_LEDGER, containers, names_in, spec_of, templates
from workflows import screenalytics, viewership
from workflows._lib.parameters import fields
from workflows.gamedata import PIPELINE

# Variables in the Secret telecine-screenalytics.
SECRET = {
    f"TELECINE_SCREENALYTICS_{name}"
    for name in ("OUTBOX_URL", "PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
}

# Settings of viewership that no form has: a secret, and a folder of the pod that the chart names.
OF_A_USER = {f"TELECINE_VIEWERSHIP_{name}" for name in ("UPLOAD", "PLATFORM", "OF_RUN", "FILES", "REREAD")}
# A title, or a file of the pod.
OF_A_FILE = {"TELECINE_VIEWERSHIP_TITLES"}
OF_THE_INSTALLATION = {"TELECINE_VIEWERSHIP_OUTBOX_URL", "TELECINE_VIEWERSHIP_FORMATS_DIR"}

# Settings of trakt that no form has: where the key is sent, and how often; secrets.
OF_THE_API = {
    *("source_system", "base_url", "user_agent", "max_retries", "backoff_seconds", "connections", "connect_timeout_s"),
    *("read_timeout_s", "total_timeout_s", "request_quota", "request_window_s", "request_lease_s", "advance_replayer"),
    *("client_id", "client_secret", "user_salt", "tmdb_token", "tmdb_base_url"),
}
# Also without those that only an operator needs.
OF_TRAKT = {Trakt.variables(name)[0] for name in OF_THE_API} | {
    f"TELECINE_TRAKT_{name}"
    for name in (
        *(
            "MOVIE_IDS",
            "BUILD",
            "REPLACE_NEWER",
            "REPLACE_SOURCE",
            "STORM",
            "SHOWN",
            "AS_OF",
            "BRONZE_VERSION",
            "N_MIN",
            "REPLIES_COUNTED",
        ),
        *(
            "ENGAGEMENT_DAYS",
            "FULL_REFRESH",
            "DBT_PYTHON",
            "MODEL_DIR",
            "DBT_THREADS",
            "DBT_MEMORY_MB",
            "DBT_TIMEOUT_S",
        ),
    )
}


def form(name: str) -> dict[str, dict]:
    return {parameter["name"]: parameter for parameter in spec_of(name)["arguments"]["parameters"]}


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_form_can_be_submitted_unchanged(name):
    for parameter in form(name).values():
        source = parameter.get("valueFrom", {})
        default = parameter.get("value", source.get("default"))
        assert isinstance(default, str), f"{parameter['name']} has no default, or YAML would read it as a number"
        assert "value" in parameter or source["configMapKeyRef"]["name"] == "telecine-parameters"
        assert parameter["description"].endswith(".")
        assert default in parameter.get("enum", [default])
        assert not ("enum" in parameter and source), "Argo 4.0.7 checks the list before it reads the ConfigMap"


def test_every_default_is_valid_and_is_the_settings_own(monkeypatch):
    for field in PIPELINE.parameters:
        monkeypatch.setenv(field.variable, field.value)
    found = PlanSettings()
    # On a laptop without S3 a bucket is a folder.
    other = {
        "compute": "auto",
        "source_bucket": "s3://game-data",
        "manifest_bucket": "s3://game-data-manifest",
    }
    assert {name: getattr(found, name) for name in other} == other
    for field in PIPELINE.parameters:
        monkeypatch.delenv(field.variable)
    own = PlanSettings()
    assert found.model_dump(exclude=set(other)) == own.model_dump(exclude=set(other))
    RaySettings()


@pytest.mark.parametrize(("name", "template"), containers())
def test_values_reach_fields_of_the_steps_own_settings(name, template):
    container = templates(name)[template]["container"]
    given = {each["name"].removesuffix("_BASE64") for each in container["env"] if names_in(each["value"], "inputs")}
    group, *rest = container["args"]
    known = {command.name: command for command in commands(group)} if rest else {}
    command = known.get(rest[0]) if rest else None
    if not isinstance(command, Step):
        assert given == set()
        return
    given |= {each["name"].removesuffix("_BASE64") for each in container["env"] if names_in(each["value"], "workflow")}
    model = guard.load(command.settings)
    if model is GamedataRun:
        # It runs only the stage `manifest`, and publishes.
        assert {"TELECINE_GAMEDATA_STAGE", "TELECINE_GAMEDATA_PUBLISH"} <= {each["name"] for each in container["env"]}
        model = ManifestSettings
    taken = {model.variables(flag.name)[0] for flag in flags(model) if flag.pipeline}
    assert rest[1:] == [], "an argument that holds a parameter could be a flag"
    ray = {RaySettings.variables(field)[0] for field in ("cpu_workers", "gpu_workers")}
    assert given <= taken | (ray if command.name in ("plan", "extract") else set())
    left_out = {variable.rpartition("GAMEDATA_")[2] for variable in taken - given - SECRET - OF_THE_INSTALLATION}
    allowed = {"CACHE_DIR", "CACHE_MB", "WORKERS", "COMPUTE", "TELECINE_MEDIA_REPORT_LINK"}
    # The later steps of viewership take all uploads that wait for them, and verify those of the run.
    allowed |= OF_TRAKT if group == "trakt" else set()
    allowed |= OF_A_FILE if name == "viewership-reprocess" else set()
    assert left_out <= allowed | (OF_A_USER if name == "viewership" and template != "upload" else set())


def test_each_field_of_a_run_is_in_the_form():
    wanted = {name.replace("_", "-") for name, pipeline in PlanSettings.pipelines.items() if pipeline == "gamedata"} - {
        "cache-dir",
        "cache-mb",
        "workers",
    }
    assert set(form("gamedata")) == wanted | {"cpu-workers", "gpu-workers"}


def test_no_form_holds_a_secret():
    assert {field.variable for field in screenalytics.PIPELINE.parameters} & SECRET == set()
    wanted = {name.replace("_", "-") for name in IngestSettings.model_fields if IngestSettings.pipelines[name]}
    secret = {name.removeprefix("TELECINE_SCREENALYTICS_").lower().replace("_", "-") for name in SECRET}
    assert set(form("screenalytics")) == wanted - secret


def test_every_default_of_screenalytics_is_valid_and_is_the_settings_own(monkeypatch):
    own = IngestSettings()
    for field in screenalytics.PIPELINE.parameters:
        monkeypatch.setenv(field.variable, field.value)
    found = IngestSettings()
    assert found.bucket == "s3://screenalytics"
    assert found.model_dump(exclude={"bucket"}) == own.model_dump(exclude={"bucket"})


@pytest.mark.parametrize("name", ["screenalytics", "viewership", "trakt"])
def test_the_installation_decides_whether_media_includes_a_pipeline(name):
    assert form(name)["enabled"]["value"] == "true", "submitting this template always runs it"
    source = form("media")[f"{name}-enabled"]["valueFrom"]
    assert source["configMapKeyRef"] == {"name": "telecine-parameters", "key": f"{name}-enabled"}


def test_the_form_of_viewership_has_each_field_of_a_run_but_no_secret_and_no_folder_of_the_pod():
    wanted = {name.replace("_", "-") for name, pipeline in RunSettings.pipelines.items() if pipeline == "viewership"}
    assert {"outbox-url", "formats-dir"} <= wanted
    assert set(form("viewership")) == wanted - {"outbox-url", "formats-dir"} | {"enabled"}
    assert not {field.variable for field in viewership.PIPELINE.parameters} & OF_THE_INSTALLATION


def test_every_default_of_viewership_is_valid_and_is_the_settings_own(monkeypatch):
    own = RunSettings()
    for field in viewership.PIPELINE.parameters:
        if field.variable:
            monkeypatch.setenv(field.variable, field.value)
    found = RunSettings()
    assert found.bucket == "s3://viewership"
    # In a cluster, large files continue in pods of their own.
    assert (own.one_pod_mb, found.one_pod_mb) == (None, 200)
    assert found.model_dump(exclude={"bucket", "one_pod_mb"}) == own.model_dump(exclude={"bucket", "one_pod_mb"})


@pytest.mark.parametrize(
    ("name", "model", "more"), [("trakt", Trakt, {"enabled"}), ("trakt-backfill", BackfillSettings, set())]
)
def test_the_forms_of_trakt_name_no_host_no_secret_and_no_quota(name, model, more):
    own = {field.replace("_", "-") for field, pipeline in model.pipelines.items() if pipeline == "trakt"}
    excluded = {field.replace("_", "-") for field in OF_THE_API}
    assert excluded <= own
    assert set(form(name)) == own - excluded - {"movie-ids"} | more


@pytest.mark.parametrize(("name", "model"), [("trakt", Trakt), ("trakt-backfill", BackfillSettings)])
def test_every_default_of_trakt_is_valid_and_is_the_settings_own(name, model, monkeypatch):
    own = model()
    for each, parameter in form(name).items():
        if each != "enabled":
            value = parameter.get("value", parameter.get("valueFrom", {}).get("default"))
            monkeypatch.setenv(model.variables(each.replace("-", "_"))[0], value)
    found = model()
    assert found.bucket == "s3://trakt"
    assert found.model_dump(exclude={"bucket"}) == own.model_dump(exclude={"bucket"})


def test_the_levels_are_those_of_the_day_whose_pages_were_counted():
    tasks = {
        (place, task["name"]): {each["name"]: each["value"] for each in task.get("arguments", {}).get("parameters", [])}
        for place in ("stages", "freshness")
        for task in templates("trakt")[place]["dag"]["tasks"]
    }
    assert tasks["stages", "slo"]["day"] == tasks["stages", "ingest"]["as-of"]
    assert "as-of" in tasks["freshness", "slo"]["day"]


def test_an_optional_choice_can_be_left_open_in_the_form():
    for name in ("date-order", "decimal-mark", "clock"):
        assert form("viewership")[name]["enum"][0] == form("viewership")[name]["value"] == ""
    assert form("viewership")["arrival"]["enum"] == ["both", "events", "poll"], "it has a default"


@pytest.mark.parametrize("name", WITH_LEDGER)
@pytest.mark.parametrize(
    ("pipeline", "template"),
    [("gamedata", "plan"), ("screenalytics", "ingest"), ("viewership", "upload"), ("trakt", "ingest")],
)
def test_the_first_step_knows_the_names_of_both_forms(pipeline, template, name):
    container = templates(pipeline)[template]["container"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    # tests/render/test_substitution.py has Argo evaluate it.
    assert variables[GIVEN_VARIABLE] == "{{=sprig.b64enc(toJson(map(fromJSON(workflow.parameters.json), .name)))}}"
    variables[GIVEN_VARIABLE] = encoded(json.dumps([each["name"] for each in spec_of(name)["arguments"]["parameters"]]))
    # A variable is limited to 128 KiB (Linux, MAX_ARG_STRLEN), and Argo passes the whole template in one.
    assert len(variables[GIVEN_VARIABLE]) < 32_000
    assert is_known(variables)
    told = check_names(variables, pipeline=pipeline)
    expected = f"{len(form(pipeline))} names, all known"
    assert told == (
        expected if name in {pipeline, "media"} else "not checked: the Workflow is not from a telecine template"
    )


def test_choices_and_units_are_shown():
    shown = form("gamedata")
    assert shown["skip-existing"]["enum"] == ["true", "false"]
    assert shown["skip-existing"]["value"] == "true"
    assert shown["sampling"]["enum"] == ["auto", "keyframe", "exact"]
    assert shown["batch-mb"]["value"] == "12800"
    assert shown["batch-mb"]["description"].endswith("Unit: MB.")
    assert shown["strides"]["value"] == "3:15,30:15,60:5"
    assert shown["max-failed"]["value"] == ""
    assert shown["max-failed"]["description"].endswith("Empty: fail only if all fail.")


def test_the_source_is_first_and_the_limits_are_last_in_the_form():
    names = list(form("gamedata"))
    groups = [
        ["source-bucket", "task-list", "prefix", "manifest-bucket", "output-path"],
        ["strides", "store"],
        ["checks", "dark-luma"],
        ["compute", "batch-mb"],
        ["max-failed", "max-pixels", "cpu-workers"],
    ]
    wanted = [name for group in groups for name in group]
    assert names[:5] == groups[0]
    assert [name for name in names if name in wanted] == wanted
    assert [name for name in form("media") if name.startswith("gamedata-")] == [f"gamedata-{name}" for name in names]


def test_the_manifest_of_a_run_has_its_name_and_is_the_one_that_is_published():
    arguments = {
        task["name"]: {each["name"]: each["value"] for each in task.get("arguments", {}).get("parameters", [])}
        for task in templates("gamedata")["stages"]["dag"]["tasks"]
    }
    places = {arguments["plan"]["output-path"], arguments["manifest"]["output-path"]}
    assert len(places) == 1
    assert "workflow.name" in places.pop()
    assert publish_settings(GamedataRun(output_path="s3://made/m.parquet")).manifest == "s3://made/m.parquet"
    own = {name.replace("_", "-") for name, pipeline in PublishSettings.pipelines.items() if pipeline}
    assert own - {"manifest"} <= set(arguments["manifest"])


def test_the_index_page_links_to_the_keys_of_reports():
    link = IndexSettings().report_link.format(step="extract", pipeline="gamedata")
    keys = {
        artifact["s3"]["key"]
        for name, template in containers()
        for artifact in templates(name)[template].get("outputs", {}).get("artifacts", [])
    }
    folder = "{{workflow.namespace}}/{{workflow.name}}"
    assert f"{folder}/index/report.html" in keys
    assert link.replace("..", folder, 1) in keys


def test_an_unknown_field_name_is_rejected():
    class Little(StepSettings, pipeline="gamedata"):
        """One field."""

        size: int = setting(1, description="A size.")

    assert [field.name for field in fields(Little)] == ["size"]
    with pytest.raises(ValueError, match="no field sise"):
        fields(Little, without=["sise"])


def test_no_form_has_what_the_operator_allows():
    rendered = json.dumps([spec_of(name) for name in TEMPLATES])
    assert "TELECINE_GAMEDATA_MENU_MODEL" in rendered
    for name in ("menu-model-places", "checks-places", "MENU_MODEL_PLACES", "CHECKS_PLACES"):
        assert name not in rendered
