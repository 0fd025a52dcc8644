"""skaffold.yaml and kind.yaml: valid and consistent with the charts, the Dockerfiles and the pinned versions.

Neither Skaffold nor kind runs here, for want of Docker: a file that fits Skaffold's schema can be read by it, no more.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request

import pytest
import yaml
from jsonschema import Draft7Validator

from jobs.cli import commands
from jobs.trakt.model import SCENARIOS
from jobs.trakt.replayer.server import running
from shared.settings.command import parse
from shared.step import guard
from tests.chart.rendering import DEV, ROOT, find, render, secrets, values_of
from tests.crds import module_dir_of

SKAFFOLD = yaml.safe_load((ROOT / "skaffold.yaml").read_text(encoding="utf-8"))
KIND = yaml.safe_load((ROOT / "kind.yaml").read_text(encoding="utf-8"))
KIND_UP = (DEV / "kind-up.sh").read_text(encoding="utf-8")
RELEASES = SKAFFOLD["deploy"]["helm"]["releases"]


def patched(name):
    """Return the configuration with a profile's patches applied (the subset of RFC 6902 in use)."""
    made = json.loads(json.dumps(SKAFFOLD))
    (profile,) = [each for each in made.pop("profiles") if each["name"] == name]
    for patch in profile["patches"]:
        *parents, last = patch["path"].strip("/").split("/")
        holder = made
        for part in parents:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if isinstance(holder, list):
            assert (patch["op"], last) == ("add", "-")
            holder.append(patch["value"])
        else:
            assert patch["op"] == "add" or last in holder
            holder[last] = patch["value"]
    return made


CONFIGS = {"plain": SKAFFOLD, **{name: patched(name) for name in ("kind", "cpu", "gpu")}}


@pytest.mark.parametrize("name", CONFIGS)
def test_skaffold_fits_its_schema(name):
    version = SKAFFOLD["apiVersion"].partition("/")[2]
    folder = module_dir_of("github.com/GoogleContainerTools/skaffold/v2") / "docs-v2" / "content" / "en" / "schemas"
    schema = json.loads((folder / f"{version}.json").read_text(encoding="utf-8"))
    errors = Draft7Validator(schema).iter_errors(CONFIGS[name])
    assert not [f"{list(each.absolute_path)}: {each.message[:300]}" for each in errors]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_image_is_built_from_an_existing_target(name):
    for artifact in CONFIGS[name]["build"]["artifacts"]:
        dockerfile = (ROOT / artifact["docker"]["dockerfile"]).read_text(encoding="utf-8")
        target = artifact["docker"].get("target")
        assert target is None or re.search(rf"^FROM \S+ AS {target}$", dockerfile, re.MULTILINE)
        for argument in artifact["docker"]["buildArgs"]:
            assert f"ARG {argument}" in dockerfile


@pytest.mark.parametrize("name", CONFIGS)
def test_every_value_is_one_of_the_chart_and_every_image_is_built(name):
    built = {artifact["image"].replace("-", "_") for artifact in CONFIGS[name]["build"]["artifacts"]}
    for release in CONFIGS[name]["deploy"]["helm"]["releases"]:
        values = values_of("values", ROOT / release["chartPath"])
        for path in {**release["setValueTemplates"], **release.get("setValues", {})}:
            holder = values
            for part in path.split("."):
                holder = holder[part]
        text = json.dumps(release["setValueTemplates"])
        assert set(re.findall(r"IMAGE_(?:REPO|TAG)_(\w+)", text)) <= built
        for file in release.get("valuesFiles", []):
            assert (ROOT / file).exists()


def test_the_charts_fit_together_on_kind():
    """Check that telecine-dev creates what telecine's values-kind.yaml refers to."""
    dev = render({}, DEV)
    made = {each["metadata"]["name"]: set(each["stringData"]) for each in secrets(dev)}
    values = values_of("values-kind")
    assert made[values["database"]["existingSecret"]] == {"TELECINE_DATABASE_URL"}
    assert made[values["s3"]["existingSecret"]] == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert made[values["artifacts"]["existingSecret"]] == {"accessKey", "secretKey"}
    assert made[values["trakt"]["existingSecret"]] == {"TRAKT_CLIENT_ID"}
    assert made[values["trakt"]["users"]["existingSecret"]] == {"TELECINE_TRAKT_USER_SALT"}
    service = find(dev, "Service", "replayer")
    assert values["trakt"]["baseUrl"] == f"http://replayer.telecine:{service['spec']['ports'][0]['port']}"
    assert {release["namespace"] for release in RELEASES} == {"telecine"}
    assert values["s3"]["endpointUrl"] == "http://s3.telecine:9000"
    assert find(dev, "Service", "s3")["spec"]["ports"][0]["port"] == 9000
    defaults = values_of("values")
    buckets = set(values_of("values", DEV)["s3"]["buckets"])
    asked = {defaults[part]["bucket"] for part in ("artifacts", "test", "screenalytics", "viewership", "trakt")}
    assert {"game-data", "game-data-manifest"} | asked == buckets
    assert [each["metadata"]["name"] for each in secrets(render(values))] == ["telecine-ray-auth"]


def test_services_reach_their_pods():
    dev = render({}, DEV)
    for name in ("s3", "postgresql", "replayer"):
        service = find(dev, "Service", name)["spec"]
        pod = find(dev, "Deployment", name)["spec"]["template"]
        assert service["selector"].items() <= pod["metadata"]["labels"].items()
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["ports"]} <= ports


def test_the_replayer_listens_where_its_service_and_its_probes_look():
    pod = find(
        render({"replayer": {"scenario": "storm", "seed": 7, "speed": 0.5, "quota": 0}}, DEV), "Deployment", "replayer"
    )
    (container,) = pod["spec"]["template"]["spec"]["containers"]
    program, command, *words = container["args"]
    (tool,) = [each for each in commands(program) if each.name == command]
    found = parse(guard.load(tool.settings), "telecine trakt replayer", "", words)
    assert (found.host, found.port) == ("0.0.0.0", container["ports"][0]["containerPort"])
    assert (found.scenario, found.seed, found.speed, found.quota) == ("storm", 7, 0.5, 0)
    with running("calm") as site:
        status = urllib.request.urlopen(
            f"{site.url}{container['readinessProbe']['httpGet']['path']}", timeout=10
        ).status
    assert status == 200


def test_the_replayer_serves_every_scenario_and_no_other():
    schema = json.loads((DEV / "values.schema.json").read_text(encoding="utf-8"))
    assert tuple(schema["properties"]["replayer"]["properties"]["scenario"]["enum"]) == tuple(SCENARIOS)


def test_no_service_sets_a_variable_of_ours():
    """Kubernetes gives the pods of a namespace NAME_PORT=tcp://… for each Service."""
    services = [each["metadata"]["name"] for each in render({}, DEV) if each["kind"] == "Service"]
    assert "replayer" in services
    assert not [name for name in services if name.startswith(("telecine", "trakt"))]
    assert find(render({}, DEV), "Deployment", "replayer")["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_without_a_replayer_nothing_of_it_is_left():
    objects = render({"replayer": {"enabled": False}}, DEV)
    assert not [each for each in objects if each["metadata"]["name"] == "replayer"]


def test_kind_up_installs_the_versions_that_the_tests_run():
    subprocess.run(["bash", "-n", DEV / "kind-up.sh"], check=True)
    pinned = {
        "ARGO_VERSION": ("argo", "github.com/argoproj/argo-workflows/v4"),
        "KUBERAY_VERSION": ("ray", "github.com/ray-project/kuberay/ray-operator"),
    }
    for variable, (family, module) in pinned.items():
        go_mod = (ROOT / "tests" / "cluster" / "go" / family / "go.mod").read_text(encoding="utf-8")
        version = re.search(rf"{re.escape(module)} v(\S+)", go_mod)[1]
        assert f"{variable}={version}\n" in KIND_UP


def test_the_gpu_group_tolerates_the_gpu_node():
    (node,) = [each for each in KIND["nodes"] if "labels" in each]
    patch = yaml.safe_load(node["kubeadmConfigPatches"][0])
    (taint,) = patch["nodeRegistration"]["taints"]
    tolerated = values_of("values")["ray"]["gpu"]["tolerations"]
    assert any(each["key"] == taint["key"] and each["effect"] == taint["effect"] for each in tolerated)
    assert all(f"{key}={value}" in KIND_UP for key, value in node["labels"].items())
    assert len({each["image"] for each in KIND["nodes"]}) == 1
