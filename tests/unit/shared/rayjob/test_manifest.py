from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationError, UsageError
from shared.rayjob.bounds import check_workers, read_settings
from shared.rayjob.manifest import Job, make_rayjob
from shared.rayjob.settings import RaySettings
from shared.rayjob.versions import Versions, check_versions, launcher_versions, versions_here
from tests import crds

SETTINGS = {"image": "telecine-ray:0", "workflow": "gamedata-x7", "namespace": "telecine", "node": "extract"}


def job(compute="cpu", **more):
    given = {"pipeline": "gamedata", "step": "extract", "entrypoint": "telecine gamedata extract", "run_id": "u-1"}
    return Job(compute=compute, environment={"TELECINE_REPORT_DIR": "s3://a/b"}, **{**given, **more})


def pods(rayjob):
    cluster = rayjob["spec"]["rayClusterSpec"]
    groups = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]["template"], **groups}


def variables(template):
    return {each["name"]: each["value"] for each in template["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("compute", ["cpu", "gpu", "mixed"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"workflow": None, "namespace": None, "node": None},
        {
            "image_pull_secrets": ("registry",),
            "gpu_node_selector": '{"pool": "gpu"}',
            "head_tolerations": '[{"key": "spot", "operator": "Exists"}]',
        },
    ],
    ids=["workflow", "laptop", "all"],
)
def test_it_is_what_kuberay_takes(compute, more):
    folder = crds.module_dir_of("github.com/ray-project/kuberay/ray-operator")
    schema = crds.crd(folder / "config/crd/bases/ray.io_rayjobs.yaml", "v1")
    rayjob = make_rayjob(RaySettings(**SETTINGS | more), job(compute))
    assert crds.errors_of(rayjob, schema) == []
    rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["nodeSelektor"] = {}
    rayjob["spec"]["backoffLimt"] = 0
    assert len(crds.errors_of(rayjob, schema)) == 2


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_are_short_dns_labels_and_the_same_for_each_attempt(run_id, node):
    settings = RaySettings(**SETTINGS | {"node": node})
    name = job(run_id=run_id).name(settings)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= 47
    assert name == job(run_id=run_id, entrypoint="another").name(settings)
    assert name != job(run_id=run_id + "x").name(settings)


@given(st.text(max_size=300), st.text(min_size=1, max_size=300))
def test_labels_are_valid_whatever_they_are_made_from(run_id, workflow):
    rayjob = make_rayjob(RaySettings(**SETTINGS | {"workflow": workflow}), job(run_id=run_id))
    for value in rayjob["metadata"]["labels"].values():
        assert re.fullmatch(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", value)
        assert len(value) <= 63


@pytest.mark.parametrize(
    ("compute", "groups", "slots"), [("cpu", {"cpu"}, 6), ("gpu", {"gpu"}, 4), ("mixed", {"cpu", "gpu"}, 10)]
)
def test_groups_follow_from_compute(compute, groups, slots):
    rayjob = make_rayjob(RaySettings(**SETTINGS, cpu_workers=3, cpu_slots=2, gpu_workers=1, gpu_slots=4), job(compute))
    found = pods(rayjob)
    assert set(found) == {"head", *groups}
    assert variables(found["head"])["TELECINE_SLOTS"] == str(slots)
    assert {name: variables(found[name])["TELECINE_GROUP"] for name in groups} == {name: name for name in groups}
    assert rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_only_the_gpu_group_asks_for_gpus_and_has_its_own_image():
    settings = RaySettings(**SETTINGS, gpu_image="telecine-ray:0-gpu", gpu_count=2, gpu_resource="amd.com/gpu")
    found = {name: pod["spec"]["containers"][0] for name, pod in pods(make_rayjob(settings, job("mixed"))).items()}
    assert {name: pod["image"] for name, pod in found.items()} == {
        "head": "telecine-ray:0",
        "cpu": "telecine-ray:0",
        "gpu": "telecine-ray:0-gpu",
    }
    assert {name: pod["resources"]["limits"].get("amd.com/gpu") for name, pod in found.items()} == {
        "head": None,
        "cpu": None,
        "gpu": "2",
    }


def test_every_pod_is_asked_each_second_whether_it_is_ready():
    """KubeRay's own probe, which it adds to a container without one, begins 10 s after the start."""
    for pod in pods(make_rayjob(RaySettings(**SETTINGS), job("mixed"))).values():
        (container,) = pod["spec"]["containers"]
        probe = container["readinessProbe"]
        # Of the agent, which answers without a token: ray.dashboard.http_server_agent.PUBLIC_EXACT_PATHS.
        assert probe["httpGet"] == {"path": "/api/healthz", "port": 52365}
        assert probe["initialDelaySeconds"] == probe["periodSeconds"] == 1
        assert probe["periodSeconds"] * probe["failureThreshold"] == 50
        assert "livenessProbe" not in container, "KubeRay's is right: a busy pod must not be restarted"


def test_pods_may_do_nothing_and_hold_no_secret_of_their_own(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-value")
    rayjob = make_rayjob(RaySettings(**SETTINGS), job("mixed"))
    assert "hidden-value" not in str(rayjob)
    for pod in pods(rayjob).values():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 1000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        limits = container["resources"]["limits"]
        assert container["resources"]["requests"] == limits | {"ephemeral-storage": "256Mi"}
        assert limits["ephemeral-storage"] == "6Gi"
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {
            "/tmp",
            "/dev/shm",
            "/run/secrets/telecine",
        }
        assert container["envFrom"] == [{"configMapRef": {"name": "telecine-environment"}}]
        assert variables(pod)["TELECINE_REPORT_DIR"] == "s3://a/b"
        assert variables(pod)["TELECINE_RAYJOB"] == rayjob["metadata"]["name"]
        assert pod["metadata"]["labels"]["telecine/workflow"] == "gamedata-x7"


def secrets_of(template):
    """Return the Secrets of a pod, and whether its container finds them."""
    spec, (container,) = template["spec"], template["spec"]["containers"]
    projected = [each["projected"] for each in spec["volumes"] if "projected" in each]
    assert all(each["defaultMode"] == 0o440 for each in projected)
    sources = [source["secret"] for each in projected for source in each["sources"]]
    mounted = {"name": "secrets", "mountPath": "/run/secrets/telecine", "readOnly": True} in container["volumeMounts"]
    assert mounted == bool(sources) == (variables(template).get("TELECINE_SECRETS_DIR") == "/run/secrets/telecine")
    return sources


@pytest.mark.parametrize("compute", ["cpu", "gpu", "mixed"])
def test_only_the_head_has_the_database(compute):
    found = pods(make_rayjob(RaySettings(**SETTINGS), job(compute)))
    s3 = {"name": "telecine-s3", "optional": True}
    assert secrets_of(found.pop("head")) == [{"name": "telecine-database"}, s3]
    assert found
    for template in found.values():
        assert secrets_of(template) == [s3]
        assert "database" not in str(template)


def test_pods_without_secrets_have_no_folder_for_them():
    found = pods(make_rayjob(RaySettings(**SETTINGS, head_secrets=(), worker_secrets=()), job()))
    assert [secrets_of(template) for template in found.values()] == [[], []]


def test_no_pod_has_a_secret_in_its_environment_but_the_token_from_kuberay():
    rayjob = make_rayjob(RaySettings(**SETTINGS, auth_secret="mine", auth_token="hidden"), job("mixed"))
    assert rayjob["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token", "secretName": "mine"}
    for template in pods(rayjob).values():
        (container,) = template["spec"]["containers"]
        assert not [each for each in container["envFrom"] if "secretRef" in each]
        assert all(set(each) == {"name", "value"} for each in container["env"])
        # KubeRay does not overwrite variables: with these, authOptions would have no effect.
        assert not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"} & variables(template).keys()
    assert "hidden" not in str(rayjob)


def test_kubernetes_expands_nothing_in_the_variables_of_a_pod():
    settings = RaySettings(**SETTINGS | {"node": "$(RAY_AUTH_TOKEN)"})
    for template in pods(make_rayjob(settings, job("mixed"))).values():
        assert variables(template)["TELECINE_NODE"] == "$$(RAY_AUTH_TOKEN)"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TELECINE_RAY_ENV_FROM", "configmap/a,secret/telecine-database", "TELECINE_RAY_HEAD_SECRETS"),
        ("TELECINE_RAY_ENV_FROM", "a", "expected configmap/NAME"),
        ("TELECINE_RAY_HEAD_SECRETS", "secret/a", "expected NAME"),
        ("TELECINE_RAY_WORKER_SECRETS", "A", "expected NAME"),
    ],
)
def test_invalid_sources_are_rejected(variable, value, said, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=said):
        RaySettings()


def test_it_belongs_to_its_workflow_and_ends_by_itself():
    rayjob = make_rayjob(RaySettings(**SETTINGS, deadline_s=100, start_deadline_s=50, ttl_s=60), job())
    (owner,) = rayjob["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("Workflow", "gamedata-x7", "u-1", True)
    spec = rayjob["spec"]
    assert (spec["submissionMode"], spec["backoffLimit"], spec["shutdownAfterJobFinishes"]) == ("HTTPMode", 0, True)
    assert (spec["activeDeadlineSeconds"], spec["preRunningDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (
        100,
        50,
        60,
    )
    assert "ownerReferences" not in make_rayjob(RaySettings(image="x"), job())["metadata"]


@pytest.mark.parametrize(
    ("settings", "compute", "message"),
    [({}, "cpu", "TELECINE_RAY_IMAGE"), ({"image": "x", "gpu_workers": 0}, "gpu", "TELECINE_RAY_GPU_WORKERS")],
)
def test_what_cannot_run_is_a_configuration_error(settings, compute, message):
    with pytest.raises(ConfigurationError, match=message):
        make_rayjob(RaySettings(**settings), job(compute))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELECINE_RAY_HEAD_MEMORY", "3 GB"),
        ("TELECINE_RAY_CPU_TOLERATIONS", "{"),
        ("TELECINE_RAY_ENV_FROM", "telecine-s3"),
        ("TELECINE_RAY_TTL_S", "1"),
    ],
)
def test_a_bad_variable_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=name.removeprefix("TELECINE_RAY_").lower()):
        RaySettings()


def test_versions_travel_and_differences_are_named(monkeypatch):
    monkeypatch.setenv("TELECINE_REVISION", "abc")
    rayjob = make_rayjob(RaySettings(**SETTINGS), job())
    assert launcher_versions() is None
    monkeypatch.setenv("TELECINE_LAUNCHER_VERSIONS", variables(pods(rayjob)["head"])["TELECINE_LAUNCHER_VERSIONS"])
    here = launcher_versions()
    assert here == versions_here()
    assert here.revision == "abc"
    assert rayjob["spec"]["rayClusterSpec"]["rayVersion"] == here.ray == "2.60.0"
    check_versions({"launcher": here, "head": Versions(None, here.ray, here.python)})
    for name in ("revision", "ray", "python"):
        other = Versions(**{"revision": "abc", "ray": here.ray, "python": here.python, name: "0.1"})
        with pytest.raises(ConfigurationError, match=rf"{name} differs.* head has \S+, worker p has 0\.1") as caught:
            check_versions({"launcher": here, "head": here, "worker p": other})
        assert caught.value.data["worker p"] == "0.1"


EXTRAS = {
    "TELECINE_RAY_EXTRA_ENV": '[{"name": "HTTPS_PROXY", "value": "http://p:3128"},'
    ' {"name": "TELECINE_RUN_ID", "value": "x"}]',
    "TELECINE_RAY_EXTRA_ENV_FROM": '[{"configMapRef": {"name": "mine"}}]',
    "TELECINE_RAY_POD_LABELS": '{"team": "media", "telecine/run-id": "x"}',
    "TELECINE_RAY_POD_ANNOTATIONS": '{"sidecar.istio.io/inject": "false",'
    ' "cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}',
    "TELECINE_RAY_CA_SOURCE": '{"secret": {"secretName": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}',
    "TELECINE_RAY_HEAD_AFFINITY": '{"nodeAffinity": {}}',
    "TELECINE_RAY_CPU_TOPOLOGY_SPREAD": '[{"maxSkew": 1, "topologyKey": "zone",'
    ' "whenUnsatisfiable": "ScheduleAnyway"}]',
}


def test_an_installations_additions_reach_every_pod_and_override_nothing_of_ours(monkeypatch):
    for name, value in EXTRAS.items():
        monkeypatch.setenv(name, value)
    rayjob = make_rayjob(RaySettings(**SETTINGS), job("mixed"))
    folder = crds.module_dir_of("github.com/ray-project/kuberay/ray-operator")
    assert crds.errors_of(rayjob, crds.crd(folder / "config/crd/bases/ray.io_rayjobs.yaml", "v1")) == []
    for kind, pod in pods(rayjob).items():
        (container,) = pod["spec"]["containers"]
        assert variables(pod)["HTTPS_PROXY"] == "http://p:3128"
        assert [each["value"] for each in container["env"] if each["name"] == "TELECINE_RUN_ID"] == ["u-1"]
        # Of two sources with one name, Kubernetes takes the last one.
        assert container["envFrom"][0] == {"configMapRef": {"name": "mine"}}
        assert pod["metadata"]["labels"]["team"] == "media"
        assert pod["metadata"]["labels"]["telecine/run-id"] == "u-1"
        assert pod["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
        assert pod["spec"]["volumes"][-1]["secret"]["secretName"] == "ca"
        assert container["volumeMounts"][-1]["mountPath"] == "/etc/telecine/ca"
        assert ("affinity" in pod["spec"]) == (kind == "head")
        assert ("topologySpreadConstraints" in pod["spec"]) == (kind == "cpu")
    head = pods(rayjob)["head"]["metadata"]["annotations"]
    assert head["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"


@pytest.mark.parametrize(("group", "most"), [("cpu", 64), ("gpu", 16)])
def test_more_workers_than_the_installation_allows_are_a_usage_error(monkeypatch, group, most):
    check_workers(RaySettings(**{f"{group}_workers": most}), [group])
    with pytest.raises(UsageError, match=f"expected at most {most}; .*ray.{group}.maxWorkers"):
        check_workers(RaySettings(**{f"{group}_workers": most + 1}), ["cpu", "gpu"])
    check_workers(RaySettings(**{f"{group}_workers": most + 1}), [])
    monkeypatch.setenv(f"TELECINE_RAY_{group.upper()}_MAX_WORKERS", "1")
    with pytest.raises(UsageError, match="at most 1"):
        check_workers(RaySettings(**{f"{group}_workers": 2}), [group])


def test_a_number_of_workers_from_a_form_is_a_usage_error_and_other_variables_are_not(monkeypatch):
    monkeypatch.setenv("TELECINE_RAY_CPU_WORKERS", "many")
    with pytest.raises(UsageError, match="TELECINE_RAY_CPU_WORKERS"):
        read_settings()
    monkeypatch.setenv("TELECINE_RAY_TTL_S", "1")
    with pytest.raises(ConfigurationError, match="TELECINE_RAY_TTL_S"):
        read_settings()
