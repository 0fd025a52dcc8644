"""Forms take from the ConfigMap ``telecine-parameters`` what the installation decides, because crons pass nothing."""

from __future__ import annotations

import pytest

from tests.chart.rendering import LEAST, find, merged, render
from workflows.pipelines import PIPELINES
from workflows.render import documents

FORMS = {
    name.removesuffix(".yaml"): document["spec"].get("arguments", {}).get("parameters", [])
    for name, document in documents().items()
    if document["kind"] == "WorkflowTemplate"
}
OWNER = {name: pipeline.name for pipeline in PIPELINES for name in (pipeline.name, *pipeline.others)}
# A user who submits a pipeline's own template wants it to run; only media asks the installation.
DECIDED_BY_THE_TEMPLATE = {"enabled"}
BUCKETS = {
    "gamedata": {"sourceBucket": "own-tars", "manifestBucket": "own-frames"},
    "screenalytics": {"bucket": "own-screen"},
    "viewership": {"bucket": "own-reports"},
    "trakt": {"bucket": "own-trakt"},
    "artifacts": {"bucket": "own-artifacts"},
}
DEFAULT_BUCKETS = {"game-data", "game-data-manifest", "screenalytics", "viewership", "trakt", "telecine-artifacts"}


def data(values=None):
    return find(render(merged(LEAST, values or {})), "ConfigMap", "telecine-parameters")["data"]


def effective(parameter, config):
    """Return the default that a run gets, as Argo computes it."""
    source = parameter.get("valueFrom")
    return config[source["configMapKeyRef"]["key"]] if source else parameter["value"]


@pytest.mark.parametrize("name", FORMS)
def test_no_default_is_fixed_that_the_installation_sets(name):
    keys = data()
    fixed = {parameter["name"] for parameter in FORMS[name] if "valueFrom" not in parameter}
    names = {each: {each, f"{OWNER.get(name, name)}-{each}"} for each in fixed - DECIDED_BY_THE_TEMPLATE}
    assert {each for each, candidates in names.items() if candidates & keys.keys()} == set()


@pytest.mark.parametrize("name", FORMS)
def test_every_bucket_of_a_form_is_the_installations(name):
    config = data(BUCKETS)
    found = {parameter["name"]: effective(parameter, config) for parameter in FORMS[name]}
    wrong = {each: value for each, value in found.items() if value.removeprefix("s3://") in DEFAULT_BUCKETS}
    assert wrong == {}
    own = {bucket for buckets in BUCKETS.values() for bucket in buckets.values()}
    assert {value for each, value in found.items() if each.endswith("bucket") or each == "artifacts"} <= own


def test_no_form_overrides_a_variable_that_the_chart_sets():
    """A parameter of a run takes precedence over the variable of ``telecine-environment``, even when left unchanged."""
    environment = find(render(LEAST), "ConfigMap", "telecine-environment")["data"]
    variables = {field.variable for pipeline in PIPELINES for field in pipeline.parameters}
    assert variables & environment.keys() == set()


def test_the_vacuum_looks_where_the_console_stores_uploads():
    config = data(BUCKETS)
    found = {parameter["name"]: effective(parameter, config) for parameter in FORMS["maintenance"]}
    assert found["viewership-bucket"] == "own-reports"
    assert found["artifacts"] == "own-artifacts"


def test_the_console_shows_pictures_of_gamedatas_bucket_by_default():
    console = {
        "console": {"enabled": True, "access": "proxy", "trustedProxies": ["10.0.12.0/24"], "existingSecret": "c"}
    }
    for more, expected in (({}, "own-frames"), ({"console": {"manifestBucket": "other"}}, "other")):
        objects = render(merged(LEAST, BUCKETS, console, more))
        (container,) = find(objects, "Deployment", "telecine-console")["spec"]["template"]["spec"]["containers"]
        (value,) = [each["value"] for each in container["env"] if each["name"] == "TELECINE_CONSOLE_MANIFEST_BUCKET"]
        assert value == expected
