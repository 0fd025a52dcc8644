"""Objects of an install: valid for Kubernetes, with exactly the rights they need, and variables that the steps know."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from functools import cache

import pytest
import yaml

from jobs.console.launch.requests import PARAMETERS
from jobs.console.launch.workflow import TEMPLATES
from jobs.console.settings import ConsoleSettings
from jobs.console.tables.trakt.levels import DayRow, Levels
from jobs.console.tables.trakt.objectives import OBJECTIVES
from jobs.console.web.metrics import Metrics
from jobs.gamedata.settings import ManifestSettings
from jobs.trakt.settings import IngestSettings, ModelSettings, PublishSettings
from jobs.viewership.settings.formats import FormatsSettings
from jobs.viewership.uploads.reading.limits import ReadLimits
from shared.doctor.settings import DoctorSettings
from shared.notify.settings import NotifySettings
from shared.rayjob.settings import RaySettings
from shared.slo.days import day_of
from tests.chart.openapi import problems
from tests.chart.rendering import CHART, DEV, LEAST, VALUES, find, merged, parsed, render, small, values_of
from tests.crds import crd, errors_of, module_dir_of
from tests.render.rendered import by_name, spec_of
from workflows import gamedata, screenalytics, trakt, viewership
from workflows.pipelines import PIPELINES

CONSOLE = {"enabled": True, "access": "token", "publicUrl": "https://c.example.com", "existingSecret": "console"}
ALL_ON = {
    "console": {**CONSOLE, "ingress": {"enabled": True, "tlsSecret": "tls"}, "podMonitor": {"enabled": True}},
    "quota": {"enabled": True},
    "limitRange": {"enabled": True},
    "priorityClass": {"create": True, "name": "low"},
    "networkPolicies": {"enabled": True},
    "alerts": {"enabled": True},
    "boards": {"enabled": True},
    "images": {"pullSecrets": ["pull"]},
    "steps": {
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    },
    "extraEnv": [{"name": "MINE", "value": "1"}],
    "extraEnvFrom": [{"secretRef": {"name": "mine", "optional": True}}],
    "podLabels": {"team": "media"},
    "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "customCA": {"secret": "ca"},
    "proxy": {"http": "http://p:3128", "https": "http://p:3128", "noProxy": ["s3.local"]},
}
CASES = {
    "least": (CHART, LEAST),
    "all-on": (CHART, merged(LEAST, ALL_ON)),
    **{name: (CHART, values_of(name)) for name in VALUES},
    "dev": (DEV, {}),
}
ARGO = "github.com/argoproj/argo-workflows/v4"


@pytest.mark.parametrize("case", CASES)
def test_every_object_fits_the_schemas_of_kubernetes(case):
    chart, values = CASES[case]
    wrong = {}
    for each in render(values, chart):
        if each["apiVersion"].startswith("argoproj.io/"):
            folder = module_dir_of(ARGO) / "manifests" / "base" / "crds" / "full"
            found = errors_of(each, crd(folder / f"argoproj.io_{each['kind'].lower()}s.yaml", "v1alpha1"))
        elif each["kind"] in ("PrometheusRule", "PodMonitor"):  # no module has their schemas; the rules have own tests
            continue
        else:
            found = problems(each)
        if found or found is None:
            wrong[each["kind"], each["metadata"]["name"]] = found
    assert not wrong


@pytest.mark.parametrize("case", CASES)
def test_every_object_has_our_labels_and_the_namespace(case):
    chart, values = CASES[case]
    for each in render(values, chart):
        labels = each["metadata"]["labels"]
        assert {"app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/component"} <= set(labels)
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        of_the_cluster = each["kind"] == "PriorityClass" or each["kind"].startswith("ValidatingAdmissionPolicy")
        if not each["apiVersion"].startswith("argoproj.io/") and not of_the_cluster:
            assert each["metadata"]["namespace"] == "telecine"


def test_no_account_has_a_token_unless_a_pod_asks_for_it():
    objects = render(LEAST)
    accounts = {each["metadata"]["name"]: each for each in objects if each["kind"] == "ServiceAccount"}
    # Argo passes `automountServiceAccountToken: false` of a template to the pod, and leaves `true` to the account.
    given = {name for name, each in accounts.items() if each["automountServiceAccountToken"]}
    assert given == {"telecine-launcher"}
    assert accounts.keys() > given
    job = find(objects, "Job", "telecine-migration")
    assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    for starts in (True, False):
        objects = render(merged(LEAST, {"console": {**CONSOLE, "launch": {"enabled": starts}}}), small())
        for each in (
            find(objects, "ServiceAccount", "telecine-console"),
            find(objects, "Deployment", "telecine-console")["spec"]["template"]["spec"],
        ):
            assert each["automountServiceAccountToken"] is starts


def test_argos_executor_finds_its_token_under_the_name_that_it_looks_for():
    objects = render(merged(LEAST, {"serviceAccounts": {"step": {"name": "mine"}}}), small())
    secret = find(objects, "Secret", "mine.service-account-token")
    assert secret["type"] == "kubernetes.io/service-account-token"
    assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "mine"}


@pytest.mark.parametrize("case", CASES)
def test_pods_of_the_charts_are_restricted(case):
    chart, values = CASES[case]
    specs = [each["spec"] for each in render(values, chart) if each["kind"] == "Pod"]
    specs += [each["spec"]["template"]["spec"] for each in render(values, chart) if "template" in each.get("spec", {})]
    assert specs
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]) == {"requests", "limits"}
            assert all("ephemeral-storage" in each for each in container["resources"].values())
            assert not container["image"].endswith(":latest")
            assert ":" in container["image"]


def variables_of(settings):
    return {settings.variables(name)[0] for name in settings.model_fields}


def test_the_launchers_variables_are_its_settings(monkeypatch):
    data = find(render(values_of("values-prod")), "ConfigMap", "telecine-ray")["data"]
    assert set(data) <= set(variables_of(RaySettings))
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    found = RaySettings()
    assert found.cpu_slots == 8
    assert found.head_node_selector == {"eks.amazonaws.com/capacityType": "ON_DEMAND"}
    assert found.gpu_tolerations == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert found.image_pull_secrets == ("registry",)
    assert found.env_from == ("configmap/telecine-environment",)
    assert found.head_secrets == ("telecine-database", "telecine-s3?")
    assert found.worker_secrets == ("telecine-s3?",)
    assert found.auth_secret == "telecine-ray-auth"
    assert found.report_root == "s3://telecine-artifacts"
    assert found.deadline_s == 86_400


def test_the_defaults_of_ray_are_those_of_its_settings(monkeypatch):
    defaults = RaySettings()
    for name, value in find(render({"database": {"url": "postgresql://u@h/d"}}, small()), "ConfigMap", "telecine-ray")[
        "data"
    ].items():
        monkeypatch.setenv(name, value)
    assert RaySettings() == defaults


def test_the_steps_variables_are_their_settings(monkeypatch):
    data = find(render(values_of("values-prod")), "ConfigMap", "telecine-environment")["data"]
    assert set(data) <= variables_of(DoctorSettings) | variables_of(NotifySettings) | {
        *variables_of(ManifestSettings),
        *variables_of(FormatsSettings),
        *variables_of(IngestSettings),
        *variables_of(PublishSettings),
        *variables_of(ModelSettings),
        "TELECINE_RAY_CPU_MAX_WORKERS",
        "TELECINE_RAY_GPU_MAX_WORKERS",
    }
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    assert NotifySettings().notify_smtp_to == ("media-operations@example.com",)
    assert DoctorSettings().database_environment == "prod"
    assert DoctorSettings().read_buckets == ("s3://telecine-artifacts",)
    # Those of viewership and trakt have roles of their own.
    assert DoctorSettings().write_buckets == ("s3://telecine-artifacts",)
    assert IngestSettings().request_quota == 500
    own = {name: ModelSettings.model_fields[name].default for name in ("n_min", "replies_counted")}
    assert ModelSettings().model_dump(include=set(own)) == own
    assert (IngestSettings().source_system, IngestSettings().base_url) == ("trakt", "https://api.trakt.tv")
    assert PublishSettings().lineage is None


def test_the_values_of_trakt_are_variables_and_no_parameters(monkeypatch):
    values = {
        "trakt": {
            "sourceSystem": "replay",
            "baseUrl": "http://replayer:8790",
            "userAgent": "Ours/1.0 (trakt)",
            "requestQuota": 0,
            "nMin": 30,
            "repliesCounted": True,
        },
        "lineage": {"url": "https://lineage.example.com", "namespace": "ours"},
    }
    objects = render(merged(LEAST, values), small())
    for name, value in find(objects, "ConfigMap", "telecine-environment")["data"].items():
        monkeypatch.setenv(name, value)
    found = IngestSettings()
    assert (found.source_system, found.base_url, found.user_agent) == (
        "replay",
        "http://replayer:8790",
        "Ours/1.0 (trakt)",
    )
    assert (found.request_quota, found.is_replayer) == (0, True)
    assert (ModelSettings().n_min, ModelSettings().replies_counted) == (30, True)
    assert (PublishSettings().lineage, PublishSettings().lineage_namespace) == ("https://lineage.example.com", "ours")
    parameters = find(objects, "ConfigMap", "telecine-parameters")["data"]
    assert {name for name in parameters if name.startswith("trakt")} == {
        f"trakt-{name}" for name in ("enabled", "bucket", "watch-list", "replies", "sweep-days")
    }


def console_of(values):
    objects = render(merged(LEAST, {"console": CONSOLE}, values), small())
    return objects, find(objects, "Deployment", "telecine-console")["spec"]


def test_without_being_enabled_the_console_leaves_nothing():
    assert not [each for each in render(LEAST) if "console" in each["metadata"]["name"]]


def test_the_consoles_variables_are_its_settings(monkeypatch):
    _, spec = console_of(
        {
            "console": {
                "access": "proxy",
                "trustedProxies": ["10.0.12.0/24", "fd00::/8"],
                "userHeader": "X-User",
                "groupsHeader": "X-Groups",
                "viewerGroups": ["a", "b c"],
                "uploaderGroups": ["d"],
                "reviewerGroups": ["e"],
                "sessionHours": 3,
                "drainSeconds": 7,
                "manifestBucket": "frames",
                "maxUploadMb": 300,
                "resources": {"limits": {"ephemeral-storage": "3Gi"}},
                "docsLink": "https://docs.example.com/main",
            },
            "viewership": {"bucket": "reports", "formatsDir": "/opt/formats"},
            "notify": {"link": "https://argo.example.com/{namespace}/{workflow}"},
            "s3": {"endpointUrl": "http://s3:9000", "region": "r", "addressing": "path"},
            "logLevel": "DEBUG",
        }
    )
    (container,) = spec["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    assert set(given) - variables_of(ConsoleSettings) == {"HOME", "TELECINE_SECRETS_DIR"}
    for name in given.keys() - {"TELECINE_SECRETS_DIR"}:
        monkeypatch.setenv(name, given[name])
    found = ConsoleSettings()
    found.check_access()
    assert (found.mode, found.public_url) == ("proxy", "https://c.example.com")
    assert (found.trusted_proxies, found.user_header) == (("10.0.12.0/24", "fd00::/8"), "X-User")
    assert found.groups_header == "X-Groups"
    assert (found.viewer_groups, found.uploader_groups, found.reviewer_groups) == (("a", "b c"), ("d",), ("e",))
    assert (found.session_hours, found.drain_s, found.log_level) == (3, 7, "DEBUG")
    assert found.argo_link == "https://argo.example.com/{namespace}/{workflow}"
    assert found.docs_link == "https://docs.example.com/main"
    assert (found.host, found.port) == ("0.0.0.0", container["ports"][0]["containerPort"])
    assert (found.manifest_bucket, found.reports) == ("s3://frames", ("s3://telecine-artifacts",))
    assert (found.s3_endpoint_url, found.s3_addressing) == ("http://s3:9000", "path")
    assert (found.launch_mode, found.max_upload_mb, found.formats_dir) == ("workflow", 300, "/opt/formats")
    assert found.viewership_bucket == "s3://reports"


def test_a_console_that_starts_no_runs_has_no_right_and_no_policy():
    objects, spec = console_of({"console": {"launch": {"enabled": False}}})
    named = {each["kind"] for each in objects if each["metadata"]["name"].startswith("telecine-console")}
    assert named == {"ServiceAccount", "Service", "Deployment", "PodDisruptionBudget"}
    variables = {each["name"]: each["value"] for each in spec["template"]["spec"]["containers"][0]["env"]}
    assert variables["TELECINE_CONSOLE_LAUNCH"] == "off"


def test_the_policy_of_the_console_knows_its_templates_and_parameters():
    objects, _ = console_of({"serviceAccounts": {"console": {"name": "mine"}}})
    policy = find(objects, "ValidatingAdmissionPolicy", "telecine-console-telecine")["spec"]
    assert policy["failurePolicy"] == "Fail"
    (condition,) = policy["matchConditions"]
    assert condition["expression"] == "request.userInfo.username == 'system:serviceaccount:telecine:mine'"
    expressions = " ".join(each["expression"] for each in policy["validations"])
    lists = [set(re.findall(r"'([^']+)'", each)) for each in re.findall(r" in \[([^]]+)\]", expressions)]
    assert set(TEMPLATES.values()) in lists
    assert frozenset.union(*PARAMETERS.values()) in lists
    assert set(TEMPLATES.values()) <= by_name().keys()
    for step, name in TEMPLATES.items():
        assert {each["name"] for each in spec_of(name)["arguments"]["parameters"]} >= PARAMETERS[step]
    binding = find(objects, "ValidatingAdmissionPolicyBinding", "telecine-console-telecine")["spec"]
    assert (binding["policyName"], binding["validationActions"]) == ("telecine-console-telecine", ["Deny"])
    kinds = {each["kind"] for each in console_of({"console": {"launch": {"admissionPolicy": False}}})[0]}
    assert not {kind for kind in kinds if kind.startswith("Validating")}


@pytest.mark.parametrize("most", [None, 536])
def test_two_uploads_fit_into_a_pod_of_the_console(most):
    disk = {"limits": {"ephemeral-storage": "4Gi"}}
    _, spec = console_of({"console": {"maxUploadMb": most, "resources": disk}} if most else {})
    pod = spec["template"]["spec"]
    (size,) = (each["emptyDir"]["sizeLimit"] for each in pod["volumes"] if "emptyDir" in each)
    most = most or 200
    # Of each: the object, the reader's copy, and the unpacked workbook.
    assert int(size.removesuffix("Mi")) >= 2 * 3 * most
    if most == 200:
        limits = pod["containers"][0]["resources"]["limits"]
        assert int(size.removesuffix("Mi")) < 1024 * int(limits["ephemeral-storage"].removesuffix("Gi"))


def test_the_console_takes_no_file_that_viewership_cannot_read():
    most = ConsoleSettings().max_upload_mb
    assert most * 1_000_000 <= ReadLimits().bytes < (most + 1) * 1_000_000
    with pytest.raises(Exception, match="maxUploadMb"):
        console_of({"console": {"maxUploadMb": most + 1}})
    page = (CHART.parents[1] / "docs" / "console.md").read_text(encoding="utf-8")
    assert f"| file size | `--max-upload-mb`: {most} MB, the most that viewership reads;" in page
    described = CHART.joinpath("values.yaml").read_text(encoding="utf-8")
    assert re.search(rf"maxUploadMb: \d+  # refuse larger files; at most {most}, which viewership reads", described)


def test_the_console_reads_reports_only_from_its_own_s3_server():
    _, spec = console_of({"artifacts": {"endpointUrl": "http://other:9000"}, "s3": {"endpointUrl": "http://s3:9000"}})
    assert "TELECINE_CONSOLE_REPORTS" not in {each["name"] for each in spec["template"]["spec"]["containers"][0]["env"]}


def test_the_charts_defaults_are_those_of_the_console(monkeypatch):
    _, spec = console_of({})
    own = ConsoleSettings()
    for each in spec["template"]["spec"]["containers"][0]["env"]:
        if each["name"] != "TELECINE_SECRETS_DIR":
            monkeypatch.setenv(each["name"], each["value"])
    found = ConsoleSettings()
    changed = {name for name in ConsoleSettings.model_fields if getattr(found, name) != getattr(own, name)}
    # On a laptop, buckets are folders unless S3 is configured.
    assert changed - {"manifest_bucket", "viewership_bucket"} == {
        *("host", "access", "public_url", "state_dir", "reports", "launch"),
        # A pod has less memory and disk.
        "max_upload_mb",
    }
    assert found.manifest_bucket.endswith("/game-data-manifest")


def test_a_pod_of_the_console_lives_longer_than_it_drains():
    _, spec = console_of({"console": {"drainSeconds": 60}})
    pod = spec["template"]["spec"]
    waits = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= waits + 60 + 5
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_probes_of_the_console_restart_it_only_if_it_hangs():
    """A restart would not bring PostgreSQL back, so only readiness depends on it."""
    _, spec = console_of({})
    (container,) = spec["template"]["spec"]["containers"]
    paths = {name: each["httpGet"]["path"] for name, each in container.items() if name.endswith("Probe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


@pytest.mark.parametrize("replicas", [1, 2])
def test_replicas_of_the_console_have_a_disruption_budget_and_a_service(replicas):
    objects, spec = console_of({"console": {"replicas": replicas}})
    labels = spec["template"]["metadata"]["labels"].items()
    assert spec["replicas"] == replicas
    budgets = [each["spec"] for each in objects if each["kind"] == "PodDisruptionBudget"]
    assert len(budgets) == (replicas > 1)
    selectors = [spec["selector"]["matchLabels"], *(each["selector"]["matchLabels"] for each in budgets)]
    selectors.append(find(objects, "Service", "telecine-console")["spec"]["selector"])
    selectors += [
        each["labelSelector"]["matchLabels"] for each in spec["template"]["spec"]["topologySpreadConstraints"]
    ]
    for selector in selectors:
        assert selector.items() <= labels
        assert selector["app.kubernetes.io/component"] == "console"
        assert "app.kubernetes.io/version" not in selector, "a selector must survive an upgrade"


@pytest.mark.parametrize(
    ("values", "secrets"),
    [
        ({}, [{"name": "console"}, {"name": "telecine-s3", "optional": True}]),
        (
            {"console": {"existingSecret": "", "databaseUrl": "postgresql://c@h/d"}, "s3": {"existingSecret": "keys"}},
            [{"name": "telecine-console"}, {"name": "keys", "optional": True}],
        ),
        ({"console": {"s3": {"existingSecret": "own"}}}, [{"name": "console"}, {"name": "own", "optional": True}]),
    ],
)
def test_the_console_has_a_database_url_of_its_own(values, secrets):
    objects, spec = console_of(values)
    assert mounted(spec["template"]["spec"]) == secrets
    made = [each for each in objects if each["metadata"]["name"] == "telecine-console" and each["kind"] == "Secret"]
    assert [each["stringData"] for each in made] == [
        {"TELECINE_DATABASE_URL": "postgresql://c@h/d"} for name in secrets if name["name"] == "telecine-console"
    ]


@pytest.mark.parametrize("url", ["https://c.example.com", "https://c.example.com:8443"])
def test_the_ingress_of_the_console_has_the_host_of_its_public_url(url):
    ingress = {"enabled": True, "className": "nginx", "tlsSecret": "tls"}
    objects, _ = console_of({"console": {"publicUrl": url, "ingress": ingress}})
    spec = find(objects, "Ingress", "telecine-console")["spec"]
    assert spec["tls"] == [{"hosts": ["c.example.com"], "secretName": "tls"}]
    assert (spec["ingressClassName"], [rule["host"] for rule in spec["rules"]]) == ("nginx", ["c.example.com"])


def test_parameters_are_what_argo_reads():
    found = find(render(LEAST), "ConfigMap", "telecine-parameters")
    assert found["metadata"]["labels"]["workflows.argoproj.io/configmap-type"] == "Parameter"
    assert found["data"] == {
        "cpu-workers": "2",
        "gpu-workers": "1",
        "retention-days": "90",
        "artifacts-bucket": "telecine-artifacts",
        "gamedata-source-bucket": "game-data",
        "gamedata-manifest-bucket": "game-data-manifest",
        "screenalytics-enabled": "false",
        "screenalytics-bucket": "screenalytics",
        "screenalytics-prefix": "derived",
        "screenalytics-artifact-roots": "{prefix}/runs/{run_id}/,runs/{show}/s{season}/e{episode}/{run_id}/,"
        "runs/{ep_id}/{run_id}/",
        "screenalytics-auth": "ambient",
        "screenalytics-outbox-table": "screenalytics.outbox_events",
        "viewership-enabled": "false",
        "viewership-bucket": "viewership",
        "viewership-prefix": "uploads/",
        "viewership-outbox-table": "viewership.outbox_events",
        "viewership-event-overlap": "ask",
        "viewership-max-rejected": "0.01",
        "viewership-one-pod-mb": "200",
        "trakt-enabled": "false",
        "trakt-bucket": "trakt",
        "trakt-watch-list": "",
        "trakt-replies": "false",
        "trakt-sweep-days": "7",
    }


def test_the_charts_defaults_are_those_of_the_form():
    data = find(render(LEAST), "ConfigMap", "telecine-parameters")["data"]
    for pipeline in (gamedata, screenalytics, viewership, trakt):
        for field in pipeline.PIPELINE.parameters:
            if field.config_key and field.name != "enabled":
                assert data[field.config_key] == field.value


def references(node, name):
    """Yield the keys of a ConfigMap that a part of a template refers to."""
    if isinstance(node, dict):
        found = node.get("configMapKeyRef", {})
        yield from [found["key"]] if found.get("name") == name else []
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from references(each, name)


@pytest.mark.parametrize("name", ["telecine-parameters", "telecine-limits"])
def test_every_key_that_a_template_asks_for_is_there_and_no_other(name):
    """A Workflow without its limit would not start."""
    objects = render(LEAST)
    assert set(references(objects, name)) == set(find(objects, "ConfigMap", name)["data"])


def test_migrations_run_before_the_release_under_their_own_account():
    objects = render({"database": {"url": "postgresql://a@h/d", "migration": {"url": "postgresql://b@h/d"}}}, small())
    job = find(objects, "Job", "telecine-migration")
    for each in (
        job,
        find(objects, "ServiceAccount", "telecine-migration"),
        find(objects, "Secret", "telecine-database-migration"),
    ):
        assert each["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [
        int(find(objects, kind, name)["metadata"]["annotations"]["helm.sh/hook-weight"])
        for kind, name in (("Secret", "telecine-database-migration"), ("Job", "telecine-migration"))
    ]
    assert weights == sorted(weights)
    spec = job["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "telecine-migration"
    assert spec["containers"][0]["command"] == ["telecine", "db", "upgrade"]
    assert mounted(spec) == [{"name": "telecine-database-migration"}]
    assert job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2, 65, 70, 78]


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ({"existingSecret": "a"}, ["a"]),
        ({"existingSecret": "a", "migration": {"existingSecret": "b"}}, ["a", "b"]),
        ({"existingSecret": "a", "migration": {"url": "postgresql://m@h/d"}}, ["a", "telecine-database-migration"]),
        ({"url": "postgresql://u@h/d"}, ["telecine-database-migration"]),
    ],
)
def test_the_migration_reads_both_urls_and_only_secrets_that_are_there(database, expected):
    objects = render({"database": database}, small())
    assert [
        each["name"] for each in mounted(find(objects, "Job", "telecine-migration")["spec"]["template"]["spec"])
    ] == expected
    hooks = [each for each in objects if "stringData" in each and "annotations" in each["metadata"]]
    assert [each["metadata"]["name"] for each in hooks] == [name for name in expected if name.startswith("telecine-")]


def test_a_failed_migration_leaves_its_log_but_not_its_secret():
    """Helm 3.22 and 4 delete a hook that succeeded even if a later one fails; a Secret succeeds by being created."""
    objects = render({"database": {"url": "postgresql://a@h/d"}}, small())
    for kind, name in (("Secret", "telecine-database-migration"), ("Job", "telecine-migration")):
        policies = find(objects, kind, name)["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert policies == "before-hook-creation,hook-succeeded", f"{kind}: hook-failed would delete the Job's log"


def mounted(spec):
    """Return the Secrets that all containers of a pod find in TELECINE_SECRETS_DIR."""
    (volume,) = [each for each in spec["volumes"] if each["name"] == "secrets"]
    assert volume["projected"]["defaultMode"] == 0o440
    assert spec["securityContext"]["fsGroup"] == 1000
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "secrets"]
        assert mount["readOnly"] is True
        variables = {each["name"]: each.get("value") for each in container["env"]}
        assert variables["TELECINE_SECRETS_DIR"] == mount["mountPath"] == "/run/secrets/telecine"
    return [each["secret"] for each in volume["projected"]["sources"]]


def test_the_smoke_test_gets_its_secrets_as_files():
    spec = find(render(LEAST), "Pod", "telecine-smoke")["spec"]
    assert mounted(spec) == [{"name": "db"}, {"name": "telecine-s3", "optional": True}]


@pytest.mark.parametrize("case", [case for case in CASES if case != "dev"])
def test_no_secret_is_a_variable(case):
    chart, values = CASES[case]
    # extraEnv and extraEnvFrom are the operator's own.
    values = {name: value for name, value in values.items() if not name.startswith("extraEnv")}
    text = json.dumps([each for each in render(values, chart) if each["kind"] != "ConfigMap"])
    assert "secretRef" not in text
    assert "secretKeyRef" not in text


def metrics_in(node):
    if isinstance(node, dict):
        if isinstance(node.get("prometheus"), list):
            yield from node["prometheus"]
        for each in node.values():
            yield from metrics_in(each)
    elif isinstance(node, list):
        for each in node:
            yield from metrics_in(each)


@cache
def known_metrics():
    """Return name -> labels: ours from the rendered templates, the controller's from its source."""
    found = {}
    for path in (CHART / "files").glob("*.yaml"):
        for metric in metrics_in(parsed(path.read_text(encoding="utf-8"))):
            labels = {label["key"] for label in metric["labels"]}
            for suffix in ("_bucket", "_sum", "_count") if "histogram" in metric else ("",):
                found.setdefault(f"argo_workflows_{metric['name']}{suffix}", set()).update(labels | {"le"})
    telemetry = module_dir_of(ARGO) / "util" / "telemetry"
    attributes = dict(re.findall(r"(Attrib\w+)\s+string = `(\w+)`", (telemetry / "attributes.go").read_text()))
    for block in (telemetry / "metrics_list.go").read_text().split("= BuiltinInstrument{")[1:]:
        name = re.search(r'name:\s+"(\w+)"', block)[1]
        labels = {attributes[each] for each in re.findall(r"name:\s+(Attrib\w+)", block)}
        for suffix in ("", "_bucket", "_sum", "_count"):
            found[f"argo_workflows_{name}{suffix}"] = labels | {"le"}
    return found | console_metrics()


def console_metrics():
    """Return name -> labels of the console's metrics, with the namespace that Prometheus adds."""
    metrics = Metrics()
    metrics.observe("GET", "/runs", 200, 0.1)
    metrics.login("accepted")
    metrics.decision("accept")
    metrics.upload("stored")
    noon = datetime(2026, 1, 1, 18, tzinfo=UTC)
    day = DayRow(date(2026, 1, 1), True, 1, 1, 1, 1, 0, None, 0, 0, 0, None, {}, {}, "r", noon)
    metrics.levels(Levels(each, noon, day_of(noon), [day], is_installed=True) for each in OBJECTIVES.values())
    found = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, {"namespace"}).update(sample.labels)
    return found


@cache
def known_values():
    """Return (name, label) -> values, of our metrics in the rendered templates."""
    found = {}
    for path in (CHART / "files").glob("*.yaml"):
        for metric in metrics_in(parsed(path.read_text(encoding="utf-8"))):
            for label in metric["labels"]:
                found.setdefault((metric["name"], label["key"]), set()).add(label["value"])
    return found


def expressions():
    rules = yaml.safe_load((CHART / "observability" / "alerts.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], id=rule["alert"])
    for path in (CHART / "observability" / "boards").glob("*.json"):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")


def test_each_pipelines_cron_has_an_alert_for_a_missed_start():
    text = (CHART / "observability" / "alerts.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r'cronworkflows_triggered_total\{name="([\w-]+)"\}', text))
    assert named == {cron.name for pipeline in PIPELINES for cron in pipeline.crons}


def test_the_board_filters_by_all_pipelines():
    board = json.loads((CHART / "observability" / "boards" / "runs.json").read_text(encoding="utf-8"))
    (variable,) = [each for each in board["templating"]["list"] if each["name"] == "pipeline"]
    names = (name for pipeline in PIPELINES for name in (pipeline.name, *pipeline.others))
    assert variable["query"].split(",") == [*names, "media"]


@pytest.mark.parametrize("expression", list(expressions()))
def test_alerts_and_boards_ask_for_metrics_that_exist(expression):
    known = known_metrics()
    used = re.findall(r"((?:argo_workflows|telecine_console)_\w+)(?:\{([^}]*)\})?", expression)
    assert used
    for name, selector in used:
        assert name in known, f"neither ours nor Argo's: {name}"
        assert set(re.findall(r"(\w+)(?:=~|!=|!~|=)", selector or "")) <= known[name]
    grouped = {label for each in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", each)}
    assert grouped <= set().union(*(known[name] for name, _ in used))


@pytest.mark.parametrize("expression", list(expressions()))
def test_alerts_and_boards_select_labels_that_a_template_sets(expression):
    known = known_values()
    for name, selector in re.findall(r"argo_workflows_(telecine_\w+?)(?:_bucket|_sum|_count)?\{([^}]*)\}", expression):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', selector):
            # A variable of the board, or of Argo, such as the status of a run.
            if "$" not in values and not any("{{" in value for value in known[name, label]):
                assert set(values.split("|")) <= known[name, label], f"{name}: no series has this {label}"


def test_rules_and_boards_pass_untouched():
    objects = render(merged(LEAST, ALL_ON))
    rules = yaml.safe_load((CHART / "observability" / "alerts.yaml").read_text(encoding="utf-8"))
    assert find(objects, "PrometheusRule", "telecine")["spec"] == rules
    boards = find(objects, "ConfigMap", "telecine-boards")["data"]
    assert boards == {
        path.name: path.read_text(encoding="utf-8") for path in (CHART / "observability" / "boards").glob("*.json")
    }
