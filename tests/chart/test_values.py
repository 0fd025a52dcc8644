"""Values: every file renders, the schema is closed, secrets stay in Secrets, and missing values are reported."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.chart.rendering import CHART, DEV, LEAST, VALUES, find, helm, merged, render, values_of


@pytest.mark.parametrize("chart", [CHART, DEV], ids=lambda chart: chart.name)
def test_lint_finds_nothing_but_the_missing_icon(chart):
    found = helm().lint(chart, strict=True)
    assert not found["errors"]
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("name", VALUES)
def test_every_values_file_renders(name):
    kinds = {each["kind"] for each in render(values_of(name))}
    assert {"ConfigMap", "ServiceAccount", "Role", "RoleBinding", "Job", "Pod"} <= kinds


@pytest.mark.parametrize("chart", [CHART, DEV], ids=lambda chart: chart.name)
def test_the_schema_is_closed_and_knows_every_default(chart):
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))

    def walk(node):
        if isinstance(node, dict):
            if "properties" in node and isinstance(node["properties"], dict):
                assert node.get("additionalProperties") is False, node
            for each in node.values():
                walk(each)
        elif isinstance(node, list):
            for each in node:
                walk(each)

    walk(schema)
    defaults = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    assert not list(Draft202012Validator(schema).iter_errors(defaults))
    assert set(schema["properties"]) - {"global"} == set(defaults)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"imagse": {}}, "imagse"),
        ({"images": {"jobs": {"tagg": "1"}}}, "tagg"),
        ({"images": {"jobs": {"tag": 1.1}}}, "string"),
        ({"images": {"ray": {"tag": "latest"}}}, "tag"),
        ({"images": {"ray": {"digest": "sha256:abc"}}}, "digest"),
        ({"images": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"crons": {"gamedata-weekly": {"enabled": True}}}, "gamedata-weekly"),
        ({"crons": {"gamedata-nightly": {"schedule": "0 3 * * *"}}}, "schedule"),
        ({"crons": {"gamedata-nightly": {"schedules": []}}}, "schedules"),
        ({"ray": {"cpu": {"memory": 5}}}, "string"),
        ({"ray": {"gpu": {"tolerations": [{"key": "a", "opperator": "Exists"}]}}}, "opperator"),
        ({"database": {"environment": "production"}}, "environment"),
        ({"database": {"url": "mysql://x"}}, "url"),
        ({"s3": {"endpointUrl": "store:9000"}}, "endpointUrl"),
        ({"limits": {"gamedata": 0}}, "gamedata"),
        ({"gamedata": {"menuModelPlaces": ["models"]}}, "menuModelPlaces"),
        ({"gamedata": {"checksPlaces": ["s3://checks"]}}, "checksPlaces"),
        ({"screenalytics": {"bukket": "a"}}, "bukket"),
        ({"screenalytics": {"bucket": "s3://a"}}, "bucket"),
        ({"screenalytics": {"prefix": ""}}, "prefix"),
        ({"screenalytics": {"auth": "role"}}, "auth"),
        ({"screenalytics": {"artifactRoots": ["{prefix}/runs/"]}}, "artifactRoots"),
        ({"screenalytics": {"outboxTable": "outbox"}}, "outboxTable"),
        ({"retention": {"days": "90"}}, "integer"),
    ],
    ids=lambda case: json.dumps(case) if isinstance(case, dict) else "",
)
def test_an_invalid_value_is_rejected_by_name(values, said):
    with pytest.raises(Exception, match=said):
        render(merged(LEAST, values))


def test_without_a_database_it_says_what_to_set():
    with pytest.raises(Exception, match=r"database\.existingSecret"):
        render({})


def test_an_access_key_without_its_secret_is_rejected():
    with pytest.raises(Exception, match=r"secretAccessKey"):
        render(merged(LEAST, {"s3": {"accessKeyId": "a"}}))


PLAIN = {
    "database": {
        "url": "postgresql://u:hidden-1@h/d",
        "migration": {"url": "postgresql://m:hidden-2@h/d"},
    },
    "s3": {"accessKeyId": "hidden-3", "secretAccessKey": "hidden-4"},
    "artifacts": {"accessKeyId": "hidden-5", "secretAccessKey": "hidden-6"},
    "notify": {"webhookUrl": "https://h/hidden-7", "smtp": {"password": "hidden-8"}},
}
EXISTING = {
    "database": {"existingSecret": "x-database", "migration": {"existingSecret": "x-migration"}},
    "s3": {"existingSecret": "x-s3"},
    "artifacts": {"existingSecret": "x-artifacts"},
    "notify": {"existingSecret": "x-notify"},
}


def test_secret_values_are_in_secrets_only():
    objects = render(PLAIN)
    made = {each["metadata"]["name"]: set(each["stringData"]) for each in objects if "stringData" in each}
    assert made == {
        "telecine-database": {"TELECINE_DATABASE_URL"},
        "telecine-database-migration": {"TELECINE_DATABASE_URL", "TELECINE_DATABASE_MIGRATION_URL"},
        "telecine-s3": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        "telecine-artifacts": {"accessKey", "secretKey"},
        "telecine-notify": {"TELECINE_NOTIFY_WEBHOOK_URL", "TELECINE_NOTIFY_SMTP_PASSWORD"},
    }
    assert "hidden-" not in json.dumps([each for each in objects if each["kind"] != "Secret"])


def test_existing_secrets_replace_all_values():
    objects = render(merged(PLAIN, EXISTING))
    assert not [each for each in objects if "stringData" in each]
    text = json.dumps(objects)
    assert "hidden-" not in text
    for name in ("x-database", "x-migration", "x-s3", "x-artifacts"):
        assert name in text
    assert "telecine-s3" not in text
    assert "telecine-database-migration" not in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"s3": {"accessKeyId": "a", "secretAccessKey": "b"}}, ("telecine-artifacts", "accessKey")),
        ({"s3": {"existingSecret": "mine"}}, ("mine", "AWS_ACCESS_KEY_ID")),
        ({"s3": {"existingSecret": "mine"}, "artifacts": {"existingSecret": "arts"}}, ("arts", "accessKey")),
        ({}, None),
    ],
)
def test_where_argo_takes_the_artifact_stores_keys_from(values, expected):
    repository = yaml.safe_load(
        find(render(merged(LEAST, values)), "ConfigMap", "artifact-repositories")["data"]["telecine"]
    )["s3"]
    assert repository["keyFormat"] == "{{workflow.namespace}}/{{workflow.name}}/{{pod.name}}"
    if expected is None:
        assert repository["useSDKCreds"] is True
    else:
        assert (repository["accessKeySecret"]["name"], repository["accessKeySecret"]["key"]) == expected


@pytest.mark.parametrize(
    ("url", "endpoint", "insecure"),
    [
        ("http://10.88.0.1:9000", "10.88.0.1:9000", True),
        ("https://s3.example.com/", "s3.example.com", False),
        ("", "s3.amazonaws.com", False),
    ],
)
def test_argo_gets_the_stores_host_from_the_endpoint(url, endpoint, insecure):
    objects = render(merged(LEAST, {"s3": {"endpointUrl": url.rstrip("/"), "region": "eu-west-1"}}))
    found = yaml.safe_load(find(objects, "ConfigMap", "artifact-repositories")["data"]["telecine"])["s3"]
    assert (found["endpoint"], found["insecure"], found["region"]) == (endpoint, insecure, "eu-west-1")


@pytest.mark.parametrize(
    ("values", "models", "checks"),
    [
        ({}, "s3://game-data-manifest/models", "/opt/telecine/checks"),
        ({"menuModelPlaces": [], "checksPlaces": []}, "none", "none"),
        ({"menuModelPlaces": ["s3://a-bucket", "s3://"], "checksPlaces": ["/a", "/b"]}, "s3://a-bucket,s3://", "/a,/b"),
    ],
)
def test_the_places_of_models_and_checks_are_variables_of_every_step_and_no_defaults_of_forms(values, models, checks):
    objects = render(merged(LEAST, {"gamedata": values}))
    environment = find(objects, "ConfigMap", "telecine-environment")["data"]
    assert environment["TELECINE_MENU_MODEL_PLACES"] == models
    assert environment["TELECINE_CHECKS_PLACES"] == checks
    assert not [name for name in find(objects, "ConfigMap", "telecine-parameters")["data"] if "places" in name]
