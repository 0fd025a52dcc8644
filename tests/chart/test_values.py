"""Values: every file renders, the schema is closed, secrets stay in Secrets, and missing values are reported."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.chart.rendering import (
    CHART,
    DEV,
    LEAST,
    ROOT,
    SAMPLES,
    VALUES,
    find,
    helm,
    merged,
    parsed,
    render,
    small,
    values_of,
    with_files,
)


@pytest.mark.parametrize("chart", [CHART, DEV], ids=lambda chart: chart.name)
def test_lint_finds_nothing_but_the_missing_icon(chart):
    found = helm().lint(chart, strict=True)
    assert not found["errors"]
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("name", VALUES)
def test_every_values_file_renders(name):
    objects = render(values_of(name))
    assert {"ConfigMap", "ServiceAccount", "Role", "RoleBinding", "Job"} <= {each["kind"] for each in objects}
    # An account that may create Workflows may run any container, unless a policy limits it.
    limited = {"telecine-console"} & {each["metadata"]["name"] for each in objects if each["kind"] == "Role"}
    assert bool(limited) == bool([each for each in objects if each["kind"] == "ValidatingAdmissionPolicy"])
    creators = {
        each["metadata"]["name"]
        for each in objects
        if each["kind"] == "Role"
        for rule in each["rules"]
        if "create" in rule["verbs"] and "workflows" in rule["resources"]
    }
    assert creators - limited == (set() if name == "values-prod" else {"telecine-test"})
    assert bool([each for each in objects if each["kind"] == "Pod"]) == bool(creators - limited)


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
        ({"viewership": {"bukket": "a"}}, "bukket"),
        ({"viewership": {"bucket": "s3://a"}}, "bucket"),
        ({"viewership": {"prefix": "/"}}, "prefix"),
        ({"viewership": {"prefix": ".."}}, "prefix"),
        ({"viewership": {"prefix": "uploads/../raw/"}}, "prefix"),
        ({"viewership": {"prefix": "./uploads"}}, "prefix"),
        ({"viewership": {"prefix": "uploads/."}}, "prefix"),
        ({"viewership": {"outboxTable": "outbox"}}, "outboxTable"),
        ({"viewership": {"eventOverlap": "replace"}}, "eventOverlap"),
        ({"viewership": {"maxRejected": 1.5}}, "maxRejected"),
        ({"viewership": {"maxRejected": "1"}}, "maxRejected"),
        ({"viewership": {"onePodMb": 0}}, "onePodMb"),
        ({"viewership": {"formatsDir": "formats"}}, "formatsDir"),
        ({"trakt": {"bukket": "a"}}, "bukket"),
        ({"trakt": {"watchList": "titles.txt"}}, "watchList"),
        ({"trakt": {"sweepDays": 0}}, "sweepDays"),
        ({"trakt": {"sourceSystem": "mirror"}}, "sourceSystem"),
        ({"trakt": {"baseUrl": "https://user@host"}}, "baseUrl"),
        ({"trakt": {"userAgent": "two\nlines"}}, "userAgent"),
        ({"trakt": {"users": {"salt": "short"}}}, "salt"),
        ({"lineage": {"url": "ftp://host"}}, "url"),
        ({"media": {"viewership": "yes"}}, "viewership"),
        ({"console": {"access": "local"}}, "access"),
        ({"console": {"acess": "token"}}, "acess"),
        ({"console": {"replicas": 0}}, "replicas"),
        ({"console": {"publicUrl": "https://c.example.com/console"}}, "publicUrl"),
        *(({"console": {"userHeader": header}}, "userHeader") for header in ("X User", "X_User", "")),
        ({"console": {"manifestBucket": "/data"}}, "manifestBucket"),
        ({"console": {"reviewerGroups": ["a,b"]}}, "reviewerGroups"),
        ({"console": {"allowedFrom": {"cidrs": []}}}, "cidrs"),
        ({"retention": {"days": "90"}}, "integer"),
    ],
    ids=lambda case: json.dumps(case) if isinstance(case, dict) else "",
)
def test_an_invalid_value_is_rejected_by_name(values, said):
    with pytest.raises(Exception, match=said):
        render(merged(LEAST, values), small())


def test_without_a_database_it_says_what_to_set():
    with pytest.raises(Exception, match=r"database\.existingSecret"):
        render({}, small())


MAIL = {"host": "m", "from": "a@b", "to": ["c@d"]}
FALSE_CRON = "is not a cron schedule; expected five fields"


def cron(schedule):
    return {"crons": {"gamedata-nightly": {"schedules": [schedule]}}}


def cidr(network):
    return {"networkPolicies": {"egress": {"s3": {"cidrs": [network]}}}}


def console(**values):
    least = {"enabled": True, "access": "token", "publicUrl": "https://c.example.com", "existingSecret": "c"}
    return {"console": {**least, **values}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (console(access=""), "console.access is not set; expected proxy"),
        (console(existingSecret=""), "console.existingSecret is not set"),
        (console(databaseUrl="postgresql://c@h/d"), "console.databaseUrl and console.existingSecret"),
        (console(access="proxy"), "console.trustedProxies is empty"),
        *(
            (console(publicUrl=url), f"console.publicUrl '{url}' does not start with https://")
            for url in ("", "http://c.example.com", "http://localhost.example.com", "http://127.0.0.1x")
        ),
        (console(access="proxy", trustedProxies=["10.0.0.1"]), "console.trustedProxies: '10.0.0.1' is not a network"),
        (console(access="proxy", trustedProxies=["0.0.0.0/0"]), "console.trustedProxies: '0.0.0.0/0' trusts every pod"),
        (
            console(access="proxy", trustedProxies=["10.0.0.0/8"], userHeader="x", groupsHeader="X"),
            "console.userHeader and console.groupsHeader are both 'x'",
        ),
        (
            console(access="proxy", trustedProxies=["10.0.0.0/8"], publicUrl="", ingress={"enabled": True}),
            "console.ingress.enabled is true without console.publicUrl",
        ),
        *(({"images": {name: {"tag": "latest"}}}, f"images.{name}.tag 'latest'") for name in ("jobs", "ray", "rayGpu")),
        ({"s3": {"accessKeyId": "a"}}, "s3.accessKeyId is set without s3.secretAccessKey"),
        ({"s3": {"secretAccessKey": "a"}}, "s3.secretAccessKey is set without s3.accessKeyId"),
        ({"artifacts": {"accessKeyId": "a"}}, "artifacts.accessKeyId is set without"),
        ({"artifacts": {"secretAccessKey": "a"}}, "artifacts.secretAccessKey is set without"),
        ({"viewership": {"accessKeyId": "a"}}, "viewership.accessKeyId is set without viewership.secretAccessKey"),
        ({"viewership": {"secretAccessKey": "a"}}, "viewership.secretAccessKey is set without"),
        ({"trakt": {"sourceSystem": "replay"}}, "trakt.sourceSystem is replay and trakt.baseUrl is"),
        ({"trakt": {"sourceSystem": "replay", "baseUrl": "https://API.Trakt.tv./"}}, "expected the URL of a replayer"),
        ({"trakt": {"baseUrl": "http://api.trakt.tv"}}, "would send the key in clear text"),
        *(({"trakt": {"requestQuota": quota}}, f"trakt.requestQuota {quota} is not a quota") for quota in (0, 501)),
        ({"artifacts": {"endpointUrl": "https://a", "endpoint": "a"}}, "remove artifacts.endpoint"),
        ({"media": {"screenalytics": True}, "screenalytics": {"enabled": False}}, "remove screenalytics.enabled"),
        ({"notify": {"smtp": MAIL | {"security": "none", "user": "u", "password": "p"}}}, "in clear text"),
        ({"notify": {"smtp": MAIL | {"password": "p"}}}, "without notify.smtp.user"),
        ({"notify": {"smtp": MAIL | {"user": "u"}}}, "without a password"),
        ({"notify": {"smtp": {"host": "m"}}}, "notify.smtp.from or notify.smtp.to"),
        ({"notify": {"smtp": {"to": ["a@b"]}}}, "without notify.smtp.host"),
        ({"priorityClass": {"create": True}}, "without priorityClass.name"),
        *(
            ({"serviceAccounts": {role: {"create": False}}}, f"serviceAccounts.{role}.create is false without")
            for role in ("step", "upload", "trakt", "launcher", "ray", "migration", "test", "console")
        ),
        ({"ray": {"cpu": {"workers": 65}}}, "ray.cpu.workers 65 exceeds ray.cpu.maxWorkers 64"),
        ({"ray": {"gpu": {"workers": 2, "maxWorkers": 1}}}, "ray.gpu.workers 2 exceeds"),
        ({"customCA": {"configMap": "a", "secret": "b"}}, "customCA.configMap and customCA.secret"),
        *(
            (cron(text), FALSE_CRON)
            for text in (
                "99 99 * * *",
                "60 * * * *",
                "0 24 * * *",
                "0 0 0 * *",
                "0 0 32 * *",
                "0 0 * 13 *",
                "0 0 * * 7",
                "* * * *",
                "* * * * * *",
                "30-10 * * * *",
                "*/0 * * * *",
                "0 2 * * MONDAY",
                "@nightly",
                "nightly",
            )
        ),
        *(
            ({"crons": {"gamedata-nightly": {"timezone": text}}}, "is not a time zone")
            for text in ("berlin", "+02:00", "Europe/Berlin/", "Europe/ Berlin", "../etc/passwd")
        ),
        *(
            (cidr(text), "is not a network; expected an IPv4 or IPv6")
            for text in (
                "999.1.1.1/99",
                "10.0.0.0/33",
                "10.0.0.0",
                "10.0.0/8",
                "010.0.0.0/8",
                "10.0.0.0/08",
                "fd00::/129",
                "fd00:::/8",
                "fd00/8",
                "1:2:3:4:5:6:7:8:9/64",
                "12345::/16",
                "g::/8",
            )
        ),
        *(
            ({"extraEnv": [{"name": name, "value": "x"}]}, f"extraEnv: {name} identifies the run")
            for name in ("HOME", "TELECINE_RUN_ID", "TELECINE_RAY_IMAGE", "TELECINE_RAYJOB", "TELECINE_SECRETS_DIR")
        ),
        *(
            ({what: {key: "x"}}, f"{what}: {key} is set by telecine, Argo or KubeRay")
            for what in ("podLabels", "podAnnotations")
            for key in ("telecine/run-id", "app.kubernetes.io/part-of", "ray.io/cluster")
        ),
    ],
    ids=lambda case: json.dumps(case) if isinstance(case, dict) else "",
)
def test_a_value_that_cannot_work_is_rejected_in_plain_words(values, said):
    with pytest.raises(Exception, match=re.escape(said)) as caught:
        render(merged(LEAST, values), small())
    assert "; expected " in str(caught.value)


def variables_of_templates():
    """Return the variables that our workflow templates set, except those of a form's values."""
    documents = [each for path in (CHART / "files").glob("*.yaml") for each in parsed(path.read_text(encoding="utf-8"))]
    templates = [each for document in documents for each in document["spec"].get("templates", ())]
    names = {each["name"] for part in templates for each in part.get("container", {}).get("env", ())}
    own = {"TELECINE_WORKFLOW_PARAMETERS_BASE64", "TELECINE_RUNS_FAILURES_BASE64"}
    return sorted({name for name in names if not name.endswith("_BASE64")} | own)


@pytest.mark.parametrize("name", variables_of_templates())
def test_no_extra_variable_replaces_one_of_a_template(name):
    with pytest.raises(Exception, match=f"extraEnv: {name} identifies the run"):
        render(merged(LEAST, {"extraEnv": [{"name": name, "value": "x"}]}), small())


@pytest.mark.parametrize(
    "values",
    [
        *(
            cron(text)
            for text in (
                "*/15 * * * *",
                "0 2 * * *",
                "5,35 0-6/2 1,15 JAN-jun mon-FRI",
                "59 23 31 12 6",
                "08-10 09 01 01 0",
                "@daily",
                "@every 1h30m",
            )
        ),
        *(
            {"crons": {"gamedata-nightly": {"timezone": text}}}
            for text in ("UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "EST5EDT")
        ),
        *(cidr(text) for text in ("0.0.0.0/0", "255.255.255.255/32", "::/0", "fd00::/8", "2001:db8::1/128", "::1/128")),
        cidr("1:2:3:4:5:6:7:8/64"),
        {"notify": {"smtp": MAIL | {"security": "none"}}},
        {"notify": {"existingSecret": "n", "smtp": MAIL | {"user": "u"}}},
        {"extraEnv": [{"name": "TELECINE_S3_CONNECTIONS", "value": "8"}]},
        {"podAnnotations": {"sidecar.istio.io/inject": "false"}},
        *(console(publicUrl=url) for url in ("http://localhost:8080", "http://[::1]", "https://c.example.com:8443")),
        console(access="proxy", publicUrl="", trustedProxies=["10.0.12.0/24", "fd00::/8"]),
        {"trakt": {"requestQuota": 100}},
        {"trakt": {"sourceSystem": "replay", "baseUrl": "http://replayer:8790", "requestQuota": 0}},
        {"trakt": {"sourceSystem": "replay", "baseUrl": "http://nottrakt.tv"}},
    ],
    ids=json.dumps,
)
def test_a_value_that_works_is_taken(values):
    assert render(merged(LEAST, values), small())


def notes(values):
    with helm().Chart.load(small()) as chart:
        return chart.render(merged(LEAST, values), namespace="telecine")["telecine/templates/NOTES.txt"]


def test_old_names_work_for_one_release_with_a_note():
    old = {"screenalytics": {"enabled": True}, "artifacts": {"endpoint": "minio:9000"}}
    objects = render(merged(LEAST, old), small())
    assert find(objects, "ConfigMap", "telecine-parameters")["data"]["screenalytics-enabled"] == "true"
    repository = yaml.safe_load(find(objects, "ConfigMap", "artifact-repositories")["data"]["telecine"])["s3"]
    assert (repository["endpoint"], repository["insecure"]) == ("minio:9000", False)
    said = notes(old)
    assert "screenalytics.enabled is now media.screenalytics" in said
    assert "artifacts.endpoint is now artifacts.endpointUrl" in said
    new = {"media": {"screenalytics": True}, "artifacts": {"endpointUrl": "http://minio:9000"}}
    objects = render(merged(LEAST, new), small())
    assert find(objects, "ConfigMap", "telecine-parameters")["data"]["screenalytics-enabled"] == "true"
    assert "is now" not in notes(new)
    assert "media skips screenalytics" in notes({})


def test_the_notes_say_that_media_skips_viewership_unless_it_does_not():
    assert "--set media.viewership=true" in notes({})
    assert "crons.viewership-poll.suspend=false" in notes({})
    assert "skips viewership" not in notes({"media": {"viewership": True}})


def test_the_notes_say_how_users_get_into_the_console():
    assert "console" not in notes({})
    said = notes(console())
    assert "https://c.example.com" in said
    assert "telecine console token issue NAME --role viewer" in said
    said = notes(console(access="proxy", trustedProxies=["10.0.0.0/8"], userHeader="X-User"))
    assert "token issue" not in said
    assert "must set X-User and X-Forwarded-Groups" in said


def test_the_notes_say_that_trakt_needs_a_key_and_is_left_out_of_media():
    assert "--set media.trakt=true" in notes({})
    assert "crons.trakt-daily.suspend=false" in notes({})
    assert "trakt has no key" in notes({})
    assert "skips trakt" not in notes({"media": {"trakt": True}})
    replayed = {"sourceSystem": "replay", "baseUrl": "http://replayer:8790"}
    for values in ({"clientId": "a"}, {"existingSecret": "a"}, replayed):
        assert "trakt has no key" not in notes({"trakt": values})


def keys_of_the_upload(values):
    """Return the Secrets that the step `upload` of viewership mounts, and those that the others do."""
    spec = find(render(merged(LEAST, values)), "WorkflowTemplate", "viewership")["spec"]
    mounted = {
        each["name"]: [
            source["secret"]["name"]
            for volume in each["volumes"]
            if volume["name"] == "secrets"
            for source in volume["projected"]["sources"]
        ]
        for each in spec["templates"]
        if "container" in each and each["name"] != "close-run"
    }
    upload, verify = mounted.pop("upload"), mounted.pop("verify")
    assert {tuple(each) for each in mounted.values()} == {("db",)}, "the other steps need no store"
    assert upload == [*verify, "telecine-notify"]
    return verify


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "telecine-s3"),
        ({"s3": {"existingSecret": "mine"}}, "mine"),
        ({"s3": {"accessKeyId": "a", "secretAccessKey": "b"}}, "telecine-s3"),
        ({"viewership": {"accessKeyId": "a", "secretAccessKey": "b"}}, "telecine-viewership"),
        ({"viewership": {"existingSecret": "own"}, "s3": {"existingSecret": "mine"}}, "own"),
        ({"viewership": {"existingSecret": "own", "accessKeyId": "a", "secretAccessKey": "b"}}, "own"),
    ],
)
def test_only_upload_and_verify_have_keys_of_a_store_and_their_own_come_first(values, expected):
    assert keys_of_the_upload(values) == ["db", expected]
    made = {each["metadata"]["name"] for each in render(merged(LEAST, values)) if "stringData" in each}
    assert ("telecine-viewership" in made) == (expected == "telecine-viewership")


def test_no_key_of_a_store_is_a_default_of_a_form():
    values = {"viewership": {"accessKeyId": "hidden-1", "secretAccessKey": "hidden-2", "formatsDir": "/opt/formats"}}
    objects = render(merged(LEAST, values))
    assert "hidden-" not in json.dumps([each for each in objects if each["kind"] != "Secret"])
    environment = find(objects, "ConfigMap", "telecine-environment")["data"]
    assert environment["TELECINE_VIEWERSHIP_FORMATS_DIR"] == "/opt/formats"
    assert not [name for name in find(objects, "ConfigMap", "telecine-parameters")["data"] if "formats" in name]


PLAIN = {
    "database": {
        "url": "postgresql://u:hidden-1@h/d",
        "migration": {"url": "postgresql://m:hidden-2@h/d"},
    },
    "s3": {"accessKeyId": "hidden-3", "secretAccessKey": "hidden-4"},
    "artifacts": {"accessKeyId": "hidden-5", "secretAccessKey": "hidden-6"},
    "viewership": {"accessKeyId": "hidden-9", "secretAccessKey": "hidden-10"},
    "console": {
        "enabled": True,
        "access": "proxy",
        "trustedProxies": ["10.0.0.0/8"],
        "databaseUrl": "postgresql://c:hidden-14@h/d",
    },
    "trakt": {"clientId": "hidden-11", "tmdbToken": "hidden-13", "users": {"salt": "hidden-12-0123456"}},
    "notify": {
        "webhookUrl": "https://h/hidden-7",
        "smtp": {"host": "m", "user": "u", "password": "hidden-8", "from": "a@b", "to": ["c@d"]},
    },
}
EXISTING = {
    "database": {"existingSecret": "x-database", "migration": {"existingSecret": "x-migration"}},
    "s3": {"existingSecret": "x-s3"},
    "artifacts": {"existingSecret": "x-artifacts"},
    "viewership": {"existingSecret": "x-viewership"},
    "console": {"existingSecret": "x-console", "databaseUrl": "", "s3": {"existingSecret": "x-console-s3"}},
    "trakt": {"existingSecret": "x-trakt", "users": {"existingSecret": "x-trakt-users"}},
    "notify": {"existingSecret": "x-notify"},
    "ray": {"auth": {"existingSecret": "x-ray-auth"}},
}


def test_secret_values_are_in_secrets_only():
    objects = render(PLAIN)
    made = {each["metadata"]["name"]: set(each["stringData"]) for each in objects if "stringData" in each}
    assert made == {
        "telecine-database": {"TELECINE_DATABASE_URL"},
        "telecine-database-migration": {"TELECINE_DATABASE_URL", "TELECINE_DATABASE_MIGRATION_URL"},
        "telecine-s3": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        "telecine-artifacts": {"accessKey", "secretKey"},
        "telecine-viewership": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        "telecine-console": {"TELECINE_DATABASE_URL"},
        "telecine-trakt": {"TRAKT_CLIENT_ID", "TMDB_READ_ACCESS_TOKEN"},
        "telecine-trakt-users": {"TELECINE_TRAKT_USER_SALT"},
        "telecine-notify": {"TELECINE_NOTIFY_WEBHOOK_URL", "TELECINE_NOTIFY_SMTP_PASSWORD"},
        "telecine-ray-auth": {"auth_token"},
    }
    assert "hidden-" not in json.dumps([each for each in objects if each["kind"] != "Secret"])


def test_existing_secrets_replace_all_values():
    objects = render(merged(PLAIN, EXISTING))
    assert not [each for each in objects if "stringData" in each]
    text = json.dumps(objects)
    assert "hidden-" not in text
    for name in (
        "x-database",
        "x-migration",
        "x-s3",
        "x-artifacts",
        "x-viewership",
        "x-trakt",
        "x-trakt-users",
        "x-ray-auth",
        "x-console",
        "x-console-s3",
    ):
        assert name in text
    assert "telecine-s3" not in text
    assert "telecine-database-migration" not in text
    assert "telecine-ray-auth" not in text


def test_the_token_of_ray_is_long_and_random():
    token = find(render(LEAST, small()), "Secret", "telecine-ray-auth")["stringData"]["auth_token"]
    other = find(render(merged(LEAST, {"logLevel": "DEBUG"}), small()), "Secret", "telecine-ray-auth")["stringData"][
        "auth_token"
    ]
    assert re.fullmatch(r"[A-Za-z0-9]{64}", token), "KubeRay sends the bytes as they are, a trailing newline included"
    assert token != other


def test_an_upgrade_keeps_the_token_of_ray(tmp_path):
    """Render with a `lookup` that finds a Secret: this template, with the object that a cluster would return."""
    chart = with_files(tmp_path, SAMPLES)
    path = chart / "templates" / "secrets.yaml"
    found = 'lookup "v1" "Secret" .Release.Namespace "telecine-ray-auth"'
    text = path.read_text(encoding="utf-8")
    assert text.count(found) == 1
    path.write_text(text.replace(found, 'dict "data" (dict "auth_token" (b64enc "kept"))'), encoding="utf-8")
    assert find(render(LEAST, chart), "Secret", "telecine-ray-auth")["stringData"]["auth_token"] == "kept"


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
        find(render(merged(LEAST, values), small()), "ConfigMap", "artifact-repositories")["data"]["telecine"]
    )["s3"]
    assert repository["keyFormat"] == "{{workflow.namespace}}/{{workflow.name}}/{{pod.name}}"
    if expected is None:
        assert repository["useSDKCreds"] is True
    else:
        assert (repository["accessKeySecret"]["name"], repository["accessKeySecret"]["key"]) == expected


@pytest.mark.parametrize(
    ("url", "own", "endpoint", "insecure"),
    [
        ("http://10.88.0.1:9000", "", "10.88.0.1:9000", True),
        ("https://s3.example.com", "", "s3.example.com", False),
        ("", "", "s3.amazonaws.com", False),
        # TLS follows the artifacts' own URL.
        ("http://10.88.0.1:9000", "https://s3.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com", False),
        ("", "http://minio:9000", "minio:9000", True),
    ],
)
def test_argo_gets_host_and_tls_from_one_url(url, own, endpoint, insecure):
    values = {"s3": {"endpointUrl": url, "region": "eu-west-1"}, "artifacts": {"endpointUrl": own}}
    objects = render(merged(LEAST, values), small())
    found = yaml.safe_load(find(objects, "ConfigMap", "artifact-repositories")["data"]["telecine"])["s3"]
    assert (found["endpoint"], found["insecure"], found["region"]) == (endpoint, insecure, "eu-west-1")


@pytest.mark.parametrize("name", [None, *VALUES])
def test_a_full_tmp_of_a_ray_pod_stays_within_its_disk(name):
    """A pod above its limit of ephemeral storage is evicted."""
    data = find(render(values_of(name) if name else LEAST, small()), "ConfigMap", "telecine-ray")["data"]
    tmp, limit, request = (
        float(data[f"TELECINE_RAY_{key}"][:-2]) * {"Mi": 1 / 1024, "Gi": 1}[data[f"TELECINE_RAY_{key}"][-2:]]
        for key in ("TMP_SIZE", "STORAGE_LIMIT", "STORAGE_REQUEST")
    )
    assert request < tmp < limit


@pytest.mark.parametrize(
    ("values", "models", "checks"),
    [
        ({}, "s3://game-data-manifest/models", "/opt/telecine/checks"),
        ({"menuModelPlaces": [], "checksPlaces": []}, "none", "none"),
        ({"menuModelPlaces": ["s3://a-bucket", "s3://"], "checksPlaces": ["/a", "/b"]}, "s3://a-bucket,s3://", "/a,/b"),
    ],
)
def test_the_places_of_models_and_checks_are_variables_of_every_step_and_no_defaults_of_forms(values, models, checks):
    objects = render(merged(LEAST, {"gamedata": values}), small())
    environment = find(objects, "ConfigMap", "telecine-environment")["data"]
    assert environment["TELECINE_MENU_MODEL_PLACES"] == models
    assert environment["TELECINE_CHECKS_PLACES"] == checks
    assert not [name for name in find(objects, "ConfigMap", "telecine-parameters")["data"] if "places" in name]


@pytest.mark.parametrize(
    ("values", "uploads"),
    [
        ({}, []),
        ({"media": {"viewership": True}}, ["s3://reports"]),
        ({"media": {"trakt": True}}, ["s3://comments"]),
        ({"crons": {"trakt-daily": {"suspend": False}}}, ["s3://comments"]),
        ({"crons": {"trakt-daily": {"suspend": False, "enabled": False}}}, []),
        ({"crons": {"viewership-poll": {"suspend": False}}}, ["s3://reports"]),
        ({"crons": {"viewership-poll": {"suspend": False, "enabled": False}}}, []),
        ({"media": {"viewership": True}, "viewership": {"existingSecret": "own"}}, []),
        ({"media": {"viewership": True}, "viewership": {"accessKeyId": "a", "secretAccessKey": "b"}}, []),
        ({"media": {"viewership": True}, "serviceAccounts": {"upload": {"annotations": {"role": "x"}}}}, []),
        ({"media": {"trakt": True}, "serviceAccounts": {"trakt": {"annotations": {"role": "x"}}}}, []),
    ],
)
def test_doctor_writes_to_the_buckets_of_uploads_and_of_trakt_if_it_may(values, uploads):
    objects = render(
        merged(LEAST, merged({"viewership": {"bucket": "reports"}, "trakt": {"bucket": "comments"}}, values)), small()
    )
    environment = find(objects, "ConfigMap", "telecine-environment")["data"]
    assert environment["TELECINE_DOCTOR_WRITE_BUCKETS"].split(",") == ["s3://telecine-artifacts", *uploads]
    assert environment["TELECINE_DOCTOR_READ_BUCKETS"] == "s3://telecine-artifacts"


def test_the_commands_of_the_guide_set_values_that_the_chart_has():
    page = (ROOT / "docs" / "helm.md").read_text(encoding="utf-8")
    given = re.findall(r"--set ([\w.-]+)=([^\s`]+)", page)
    assert {"trakt.watchList", "crons.trakt-daily.suspend", "media.trakt"} <= {key for key, _ in given}
    values = LEAST
    for key, text in given:
        value = {"true": True, "false": False}.get(text, re.sub("BUCKET|REGISTRY", "a-name", text))
        for part in reversed(key.split(".")):
            value = {part: value}
        values = merged(values, value)
    render(values, small())
