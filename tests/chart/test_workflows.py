"""The chart changes the rendered templates only in a fixed list of places."""

from __future__ import annotations

import copy
import json
from functools import cache

import pytest

from tests.chart.rendering import CHART, LEAST, SAMPLES, find, helm, merged, parsed, render, small, with_files

FULL = {
    "images": {
        "jobs": {"repository": "r.example/jobs", "tag": "1.2", "digest": "sha256:" + "a" * 64},
        "ray": {"repository": "r.example/ray", "tag": "1.3"},
        "pullPolicy": "Always",
        "pullSecrets": ["pull"],
    },
    "database": {"existingSecret": "x-database"},
    "s3": {"existingSecret": "x-s3"},
    "notify": {"existingSecret": "x-notify"},
    "screenalytics": {"existingSecret": "x-screenalytics"},
    "viewership": {"existingSecret": "x-viewership"},
    "trakt": {"existingSecret": "x-trakt", "users": {"existingSecret": "x-trakt-users"}},
    "ray": {"auth": {"existingSecret": "x-ray-auth"}},
    "serviceAccounts": {
        "step": {"name": "x-step"},
        "upload": {"name": "x-upload"},
        "trakt": {"name": "x-trakt-pods"},
        "launcher": {"name": "x-launcher"},
    },
    "steps": {
        "nodeSelector": {"pool": "batch"},
        "tolerations": [{"key": "batch", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    },
    "extraEnv": [{"name": "MINE", "value": "1"}],
    "extraEnvFrom": [{"configMapRef": {"name": "mine"}}],
    "podLabels": {"team": "media"},
    "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "customCA": {"configMap": "ca"},
    "proxy": {"https": "http://p:3128", "noProxy": ["s3.local"]},
    "priorityClass": {"name": "low"},
    "crons": {"gamedata-nightly": {"schedules": ["1 2 * * *"], "timezone": "Europe/Berlin", "suspend": False}},
}
DIRECT = "localhost,127.0.0.1,::1,.svc,.cluster.local,$(KUBERNETES_SERVICE_HOST),s3.local"
BUNDLE = "/etc/telecine/ca/ca.crt"
ADDED = [
    {"name": "MINE", "value": "1"},
    *({"name": name, "value": "http://p:3128"} for name in ("HTTPS_PROXY", "https_proxy")),
    *({"name": name, "value": DIRECT} for name in ("NO_PROXY", "no_proxy")),
    *({"name": n, "value": BUNDLE} for n in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "PGSSLROOTCERT")),
]
CA_VOLUME = {"name": "custom-ca", "configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
JOBS = "r.example/jobs:1.2@sha256:" + "a" * 64
RAY = "r.example/ray:1.3"
NAMES = {
    "telecine-database": "x-database",
    "telecine-s3": "x-s3",
    "telecine-notify": "x-notify",
    "telecine-screenalytics": "x-screenalytics",
    "telecine-viewership": "x-viewership",
    "telecine-trakt": "x-trakt",
    "telecine-trakt-users": "x-trakt-users",
    "telecine-ray-auth": "x-ray-auth",
}


SOURCES = [*sorted(SAMPLES.glob("*.yaml")), *sorted((CHART / "files").glob("*.yaml"))]


def read(path):
    return parsed(path.read_text(encoding="utf-8"))[0]


@cache
def chart_with(files):
    """Return the chart with the files of this folder: tests of one file share a render."""
    return CHART if files == CHART / "files" else small()


@cache
def text_with(files):
    with helm().Chart.load(chart_with(files)) as chart:
        text = chart.render(LEAST, namespace="telecine")["telecine/templates/workflows.yaml"]
    return text, parsed(text)


def expected_of(document):
    """Return the expected document: the fixed list of changes, repeated in Python."""
    made = copy.deepcopy(document)
    spec = made["spec"]
    if made["kind"] == "CronWorkflow":
        spec |= FULL["crons"].get(made["metadata"]["name"], {})
        spec = spec["workflowSpec"]
    rename_accounts(spec)
    if "templates" in spec:
        spec["imagePullSecrets"] = [{"name": "pull"}]
        spec["nodeSelector"] = FULL["steps"]["nodeSelector"]
        spec["tolerations"] = FULL["steps"]["tolerations"]
        spec["podPriorityClassName"] = "low"
        spec["affinity"] = {"nodeAffinity": {}}
        spread = FULL["steps"]["topologySpreadConstraints"]
        spec["podSpecPatch"] = json.dumps({"topologySpreadConstraints": spread}, separators=(",", ":"))
        spec["podMetadata"] = {"labels": FULL["podLabels"], "annotations": FULL["podAnnotations"]}
    for template in [*spec.get("templates", []), spec.get("templateDefaults", {})]:
        rename_accounts(template)
        for volume in template.get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                source["secret"]["name"] = NAMES[source["secret"]["name"]]
        singles = [template[key] for key in ("container", "script") if key in template]
        inner = [*singles, *template.get("initContainers", []), *template.get("sidecars", [])]
        for container in inner:
            set_container(container)
        if inner:
            template["volumes"] = [*template.get("volumes", []), CA_VOLUME]
    return made


def rename_accounts(holder):
    for each in (holder, holder.get("executor", {})):
        if "serviceAccountName" in each:
            role = each["serviceAccountName"].removeprefix("telecine-")
            each["serviceAccountName"] = FULL["serviceAccounts"][role]["name"]


def set_container(container):
    if "image" in container:
        container["image"] = {"telecine-jobs:0": JOBS, "telecine-ray:0": RAY}[container["image"]]
        container["imagePullPolicy"] = "Always"
    sources = container.get("envFrom", [])
    if {"name": "telecine-ray"} in [each.get("configMapRef") for each in sources]:
        ours = {"TELECINE_RAY_IMAGE": RAY, "TELECINE_RAY_GPU_IMAGE": f"{RAY}-gpu"}
        container["env"] = [*container.get("env", []), *({"name": key, "value": ours[key]} for key in ours)]
    # Before ours: of two variables with one name, Kubernetes takes the last one.
    container["env"] = [*ADDED, *container.get("env", [])]
    container["envFrom"] = [*FULL["extraEnvFrom"], *sources]
    mount = {"name": "custom-ca", "mountPath": "/etc/telecine/ca", "readOnly": True}
    container["volumeMounts"] = [*container.get("volumeMounts", []), mount]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_only_the_listed_places_change(path):
    source = read(path)
    found = find(
        render(FULL, chart_with(path.parent)),
        source["kind"],
        source["metadata"]["name"],
    )
    labels = found["metadata"].pop("labels")
    expected = expected_of(source)
    before = expected["metadata"].pop("labels")
    assert found == expected
    release = {
        "app.kubernetes.io/instance": "telecine",
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/version": "0.1.0",
        "helm.sh/chart": "telecine-0.1.0",
    }
    assert labels == before | release
    assert json.dumps(found["spec"]).count("{{") == json.dumps(source["spec"]).count("{{")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_numbers_stay_whole_and_text_stays_text(path):
    source = read(path)
    text, objects = text_with(path.parent)
    assert "e+0" not in text.lower()
    found = find(objects, source["kind"], source["metadata"]["name"])
    spec = found["spec"].get("workflowSpec", found["spec"])
    assert spec.get("arguments") == source["spec"].get("workflowSpec", source["spec"]).get("arguments")


def test_a_disabled_cron_is_not_created():
    objects = render(merged(LEAST, {"crons": {"gamedata-nightly": {"enabled": False}}}), small())
    assert not [each for each in objects if each["kind"] == "CronWorkflow"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("telecine-jobs:0", "busybox:1", "busybox:1"),
        ("serviceAccountName: telecine-launcher", "serviceAccountName: default", "default"),
        ("entrypoint: main", "entrypoint: [", "YAML"),
        ("configMapRef", "secretRef", "is in envFrom"),
        ("fieldRef", "secretKeyRef", "is from a Secret"),
    ],
)
def test_unknown_names_and_invalid_yaml_are_rejected(tmp_path, old, new, said):
    chart = with_files(tmp_path, SAMPLES)
    path = chart / "files" / "gamedata.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(Exception, match=said):
        render(LEAST, chart)


def test_a_cron_without_values_is_rejected(tmp_path):
    chart = with_files(tmp_path, SAMPLES)
    path = chart / "files" / "gamedata-nightly.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("name: gamedata-nightly", "name: hourly"), encoding="utf-8"
    )
    with pytest.raises(Exception, match="hourly"):
        render(LEAST, chart)


def test_the_migration_the_test_and_ray_get_the_same_additions():
    objects = render(merged(LEAST, FULL), small())
    job = find(objects, "Job", "telecine-migration")["spec"]["template"]
    pod = find(objects, "Pod", "telecine-smoke")
    for each in (job, pod):
        spec = each["spec"]
        assert each["metadata"]["labels"]["team"] == "media"
        assert each["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
        assert {key: spec[key] for key in FULL["steps"]} == FULL["steps"]
        assert CA_VOLUME in spec["volumes"]
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["env"][: len(ADDED)] == ADDED
            assert container["envFrom"][0] == FULL["extraEnvFrom"][0]
            assert container["volumeMounts"][-1]["name"] == "custom-ca"
    ray = find(objects, "ConfigMap", "telecine-ray")["data"]
    assert json.loads(ray["TELECINE_RAY_EXTRA_ENV"]) == ADDED
    assert json.loads(ray["TELECINE_RAY_EXTRA_ENV_FROM"]) == FULL["extraEnvFrom"]
    assert json.loads(ray["TELECINE_RAY_CA_SOURCE"]) == {"configMap": CA_VOLUME["configMap"]}
    assert json.loads(ray["TELECINE_RAY_POD_LABELS"]) == FULL["podLabels"]
