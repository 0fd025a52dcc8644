"""Requirements on every pod: limits, deadlines, one user, no token, reports under documented keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.cli import commands
from jobs.trakt.steps.slo import _report as slo_report
from shared.settings.flags import flags
from shared.step import guard
from shared.step.contract import Tool
from tests.render.rendered import TEMPLATES, WITH_LEDGER, by_name, containers, crons, every, spec_of, templates
from workflows.pipelines import PIPELINES
from workflows.trakt.gauges import COUNTS as GAUGES_OF_SLO

DOCS = Path(__file__).parents[2] / "docs"
EVERY = pytest.mark.parametrize(("name", "template"), containers())
# The only templates that talk to the API server.
WITH_TOKEN = {"extract-on-cluster", "sweep", "doctor"}
# Template -> its account, whose role in the store is narrower than that of the others.
ACCOUNTS = {
    **dict.fromkeys((("viewership", "upload"), ("viewership", "verify")), "telecine-upload"),
    **dict.fromkeys((("trakt", each) for each in ("ingest", "model", "publish", "slo")), "telecine-trakt"),
    **dict.fromkeys((("trakt-backfill", each) for each in ("backfill", "model", "publish")), "telecine-trakt"),
}


def gib(quantity: str) -> float:
    return float(quantity[:-2]) * {"Mi": 1 / 1024, "Gi": 1}[quantity[-2:]]


def labels_of(part: dict) -> dict:
    return part["metadata"]["labels"]


@EVERY
def test_the_image_is_a_placeholder(name, template):
    assert templates(name)[template]["container"]["image"] in {"telecine-jobs:0", "telecine-ray:0"}


@EVERY
def test_the_command_is_one_of_ours(name, template):
    container = templates(name)[template]["container"]
    assert container["command"] == ["telecine"]
    words = container["args"]
    group = commands(words[0])
    (command,) = [each for each in group if len(group) == 1 or each.name == words[1]]
    given = {word for word in container["args"] if word.startswith("--")}
    if given:
        assert isinstance(command, Tool)
        assert given <= {flag.flag for flag in flags(guard.load(command.settings))}


@EVERY
def test_requests_and_limits(name, template):
    resources = templates(name)[template]["container"]["resources"]
    assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    volumes = templates(name)[template]["volumes"]
    folders = [each["emptyDir"] for each in volumes if "emptyDir" in each]
    disk = sum(gib(each["sizeLimit"]) for each in folders if "medium" not in each)
    # A pod above its limit is evicted, which would end a run whose /tmp is within its own limit.
    assert gib(resources["requests"]["ephemeral-storage"]) < disk < gib(resources["limits"]["ephemeral-storage"])


@pytest.mark.parametrize(
    ("name", "template"),
    [*(("trakt", each) for each in ("ingest", "model", "publish", "slo")), ("trakt-backfill", "backfill")],
)
def test_the_guide_states_what_a_pod_of_trakt_costs(name, template):
    page = (DOCS / "helm.md").read_text(encoding="utf-8")
    table = page.partition("| step | CPU and memory: requests |")[2].partition("\n\n")[0]
    (row,) = [line.split(" | ") for line in table.splitlines() if f"`{template}`" in line.partition(" | ")[0]]
    parts = templates(name)[template]
    resources = parts["container"]["resources"]
    sizes = [f"{resources[each]['cpu']}, {resources[each]['memory']}" for each in ("requests", "limits")]
    (tmp,) = [each["emptyDir"]["sizeLimit"] for each in parts["volumes"] if each["name"] == "tmp"]
    assert row[1:4] == [*sizes, tmp]


@EVERY
def test_containers_cannot_escalate_privileges(name, template):
    parts = templates(name)[template]
    pod, container = parts["securityContext"], parts["container"]["securityContext"]
    assert (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (True, 1000, 1000, 1000)
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@EVERY
def test_tmp_can_be_written_and_has_a_limit(name, template):
    parts = templates(name)[template]
    mounts = {each["mountPath"]: each["name"] for each in parts["container"]["volumeMounts"]}
    volumes = {each["name"]: each for each in parts["volumes"]}
    assert set(mounts.values()) == set(volumes)
    assert volumes[mounts["/tmp"]]["emptyDir"]["sizeLimit"]
    variables = {each["name"]: each["value"] for each in parts["container"]["env"]}
    for variable in ("HOME", "TELECINE_STATE_DIR", "TELECINE_OUTPUTS_DIR", "TELECINE_REPORT_DIR"):
        assert variables[variable].startswith("/tmp/")


@EVERY
def test_only_launchers_have_a_token(name, template):
    parts = templates(name)[template]
    launcher = template in WITH_TOKEN
    assert parts["automountServiceAccountToken"] is launcher
    assert parts["serviceAccountName"] == (
        "telecine-launcher" if launcher else ACCOUNTS.get((name, template), "telecine-step")
    )
    assert parts["executor"] == {"serviceAccountName": "telecine-step"}
    sources = [each["configMapRef"]["name"] for each in parts["container"]["envFrom"] if "configMapRef" in each]
    assert sources == ["telecine-environment", *(["telecine-ray"] if launcher else [])]


# Template -> Secrets, if not the database and the store.
OF_TRAKT = {"telecine-database", "telecine-s3", "telecine-trakt", "telecine-trakt-users"}
SECRETS = {
    # The client id of Trakt is where the API is asked; the salt where names are hashed, and erased users recognised.
    ("trakt", "ingest"): OF_TRAKT,
    ("trakt-backfill", "backfill"): OF_TRAKT,
    ("trakt", "model"): OF_TRAKT - {"telecine-trakt"},
    ("trakt-backfill", "model"): OF_TRAKT - {"telecine-trakt"},
    ("trakt", "slo"): {"telecine-database", "telecine-notify"},
    "close-run": {"telecine-database", "telecine-notify"},
    "extract-on-cluster": {"telecine-database", "telecine-s3", "telecine-ray-auth"},
    "ingest": {"telecine-database", "telecine-s3", "telecine-screenalytics"},
    "replay": {"telecine-database", "telecine-s3", "telecine-screenalytics"},
    "sweep": set(),
    # Those that read the store, with keys that may read uploads only; the first announces files with open questions.
    "upload": {"telecine-database", "telecine-viewership", "telecine-notify"},
    "verify": {"telecine-database", "telecine-viewership"},
    **{name: {"telecine-database"} for name in ("normalize", "match", "load", "retract", "reprocess")},
}


@EVERY
def test_secrets_are_files_and_each_step_has_its_own(name, template):
    parts = templates(name)[template]
    container = parts["container"]
    expected = SECRETS.get((name, template)) or SECRETS.get(template, {"telecine-database", "telecine-s3"})
    volumes = [each for each in parts["volumes"] if each["name"] == "secrets"]
    assert all(each["projected"]["defaultMode"] == 0o440 for each in volumes)
    sources = [source["secret"] for each in volumes for source in each["projected"]["sources"]]
    assert {each["name"] for each in sources} == expected
    required = {each["name"] for each in sources if not each.get("optional")}
    assert required == expected & {"telecine-database", "telecine-ray-auth"}, (
        "a pod would not start in an installation without the others"
    )
    items = [item for each in sources for item in each.get("items", [])]
    ours = [{"key": "auth_token", "path": "TELECINE_RAY_AUTH_TOKEN"}]
    assert items == (ours if "telecine-ray-auth" in expected else [])
    mounts = [each for each in container["volumeMounts"] if each["name"] == "secrets"]
    places = [each["value"] for each in container["env"] if each["name"] == "TELECINE_SECRETS_DIR"]
    if expected:
        assert mounts == [{"name": "secrets", "mountPath": "/run/secrets/telecine", "readOnly": True}]
        assert places == ["/run/secrets/telecine"]
    else:
        assert mounts == volumes == places == []


@EVERY
def test_no_secret_is_a_variable(name, template):
    """Kubernetes expands $(NAME) in arguments and variables, and every process inherits them."""
    container = templates(name)[template]["container"]
    assert not [each for each in container["envFrom"] if "secretRef" in each]
    assert not [each for each in container["env"] if "secretKeyRef" in each.get("valueFrom", {})]
    secret = {"SECRET", "PASSWORD", "TOKEN"}
    assert not [
        each["name"]
        for each in container["env"]
        if set(each["name"].split("_")) & secret and each["name"] != "TELECINE_SECRETS_DIR"
    ]


@EVERY
def test_deadlines_end_before_the_runs_own(name, template):
    assert 0 < templates(name)[template]["activeDeadlineSeconds"] < spec_of(name)["activeDeadlineSeconds"]


# Template -> gauges: set by the last steps of viewership and of trakt.
GAUGES = {
    ("viewership", "verify"): {
        "telecine_viewership_rows",
        "telecine_viewership_oldest_review_seconds",
        "telecine_viewership_uploads_waiting",
    },
    ("trakt", "slo"): {
        "telecine_trakt_alert",
        "telecine_trakt_titles",
        "telecine_trakt_pages",
        "telecine_trakt_title_days",
        "telecine_trakt_budget_spent_percent",
        "telecine_trakt_throttled_hour",
        "telecine_trakt_minutes_late",
        "telecine_trakt_late_arrivals",
    },
}


def test_the_gauges_of_slo_are_counts_of_its_report():
    """Otherwise Argo would take the default of a missing file, 0."""
    written = {name.replace("_", "-") for name in slo_report([], [], [], 0).counts}
    outputs = {each["name"] for each in templates("trakt")["slo"]["outputs"]["parameters"]}
    assert outputs - {"status", "items", "failed", "seconds", "rejects"} == set(GAUGES_OF_SLO)
    assert set(GAUGES_OF_SLO) <= written


def test_the_guide_lists_the_gauges_of_slo():
    page = (DOCS / "trakt-slo.md").read_text(encoding="utf-8")
    table = page.partition("| output | meaning |")[2].partition("\n\n")[0]
    found = [name for row in table.splitlines() for name in re.findall("`([\\w-]+)`", row.partition(" | ")[0])]
    assert sorted(found) == sorted(GAUGES_OF_SLO)


ALL_GAUGES = set().union(*GAUGES.values())


@pytest.mark.parametrize(("name", "template"), every())
def test_no_template_has_more_metrics_than_argo_allows(name, template):
    assert len(templates(name)[template].get("metrics", {}).get("prometheus", [])) <= 100


def counted(*names):
    """Return the labels of the items and rejects that the exit hooks of these Workflows count."""
    return [
        tuple(label["value"] for label in metric["labels"])
        for name in names
        for template in ("close-run", "on-exit")
        for metric in templates(name)[template].get("metrics", {}).get("prometheus", [])
    ]


def test_media_counts_the_codes_of_each_pipeline_by_name():
    found = counted("media")
    assert found == counted(*(pipeline.name for pipeline in PIPELINES))
    assert len(found) == len(set(found)), "a reject would count twice"
    assert {("trakt", code) for code in ("SERVER_ERROR", "TITLE_UNKNOWN", "other")} <= set(found)


def test_the_hook_reads_the_outputs_of_its_step_if_it_counts_what_the_step_has_no_room_for():
    for name in WITH_LEDGER:
        step, hook = (templates(name)[template] for template in ("close-run", "on-exit"))
        assert len(step["metrics"]["prometheus"]) == (100 if "metrics" in hook else len(counted(name)))
        assert ("outputs" in hook) is ("metrics" in hook) is (name == "media")
    copied = {each["name"]: each["valueFrom"] for each in templates("media")["on-exit"]["outputs"]["parameters"]}
    # If the step failed, which the hook ignores, it may have no outputs.
    assert copied == {
        output: {"parameter": f"{{{{steps.close.outputs.parameters.{output}}}}}", "default": "[]"}
        for output in ("items", "rejects")
    }
    assert all(
        each["when"] == "{{status}} == Succeeded" for each in templates("media")["on-exit"]["metrics"]["prometheus"]
    )


@EVERY
def test_the_time_of_each_step_is_measured_once(name, template):
    found = templates(name)[template]["metrics"]["prometheus"]
    assert all(each["when"] == "{{status}} == Succeeded" for each in found), "a failed attempt would count too"
    assert {each["name"] for each in found} <= {
        "telecine_step_seconds",
        "telecine_items_total",
        "telecine_rejects_total",
        *ALL_GAUGES,
    }
    assert {each["name"] for each in found if "gauge" in each} == GAUGES.get((name, template), set())
    keys = {label["key"] for each in found for label in each["labels"]}
    assert keys <= {"pipeline", "step", "outcome", "code", "fate", "alert", "state"}
    assert not any("{{" in label["value"] for each in found for label in each["labels"]), "label values must be bounded"


def test_a_metrics_help_is_the_same_everywhere():
    # The controller rejects a metric whose help differs from that of the first one.
    helps: dict[str, set[str]] = {}
    for name in TEMPLATES:
        for part in (spec_of(name), *templates(name).values()):
            for metric in part.get("metrics", {}).get("prometheus", []):
                helps.setdefault(metric["name"], set()).add(metric["help"])
    assert {name: len(texts) for name, texts in helps.items()} == dict.fromkeys(
        ("telecine_runs_total", "telecine_step_seconds", "telecine_items_total", "telecine_rejects_total", *ALL_GAUGES),
        1,
    )


@pytest.mark.parametrize(("name", "template"), every())
def test_each_template_has_a_title_and_a_description(name, template):
    found = templates(name)[template]["metadata"]["annotations"]
    assert found["workflows.argoproj.io/title"]
    assert found["workflows.argoproj.io/description"].endswith(".")


@EVERY
def test_pods_carry_our_labels(name, template):
    found = labels_of(templates(name)[template])
    assert found["app.kubernetes.io/name"] == found["app.kubernetes.io/part-of"] == "telecine"
    assert found["telecine/pipeline"] == name
    assert found["telecine/step"]


@pytest.mark.parametrize("name", sorted(by_name()))
def test_objects_carry_our_labels_and_texts(name):
    document = by_name()[name]
    assert labels_of(document)["app.kubernetes.io/part-of"] == "telecine"
    assert document["metadata"]["annotations"]["workflows.argoproj.io/title"]
    assert "namespace" not in document["metadata"], "the release sets it"


# Stage -> template whose report is about it as well. Links in the index page and the console name the stage.
COPIES = {("publish", "manifest-over-statistics"), ("publish", "manifest-over-frames")}


@EVERY
def test_reports_have_the_documented_keys(name, template):
    parts = templates(name)[template]
    for artifact in parts.get("outputs", {}).get("artifacts", []):
        step, _, kind = artifact["name"].removeprefix("report-").rpartition("-")
        step = step or labels_of(parts)["telecine/step"]
        assert (step, template) in COPIES or step == labels_of(parts)["telecine/step"]
        assert artifact["path"] == f"/tmp/outputs/report/report.{kind}"
        assert artifact["s3"] == {"key": f"{{{{workflow.namespace}}}}/{{{{workflow.name}}}}/{step}/report.{kind}"}
        assert artifact["archive"] == {"none": {}}
        assert artifact["optional"] is True


@EVERY
def test_output_parameters_have_defaults_for_pods_that_were_killed(name, template):
    for parameter in templates(name)[template].get("outputs", {}).get("parameters", []):
        assert parameter["valueFrom"]["path"] == f"/tmp/outputs/parameters/{parameter['name']}"
        assert parameter["valueFrom"]["default"]


@pytest.mark.parametrize("name", WITH_LEDGER)
def test_runs_are_closed_wait_for_each_other_and_are_cleaned_up(name):
    spec = spec_of(name)
    assert spec["onExit"] == "on-exit"
    (hook,) = templates(name)["on-exit"]["steps"][0]
    assert hook["continueOn"] == {"failed": True, "error": True}, "the hook must not fail the run"
    assert spec["synchronization"] == {"semaphores": [{"configMapKeyRef": {"name": "telecine-limits", "key": name}}]}
    assert spec["podGC"]["strategy"] == "OnWorkflowSuccess"
    assert spec["ttlStrategy"]["secondsAfterFailure"] > spec["ttlStrategy"]["secondsAfterSuccess"]
    assert spec["artifactRepositoryRef"] == {"configMap": "artifact-repositories", "key": "telecine"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_runs_are_counted_by_status(name):
    (metric,) = spec_of(name)["metrics"]["prometheus"]
    assert metric["name"] == "telecine_runs_total"
    assert {label["key"]: label["value"] for label in metric["labels"]} == {
        "pipeline": name,
        "status": "{{workflow.status}}",
    }


@pytest.mark.parametrize("name", crons())
def test_crons_neither_overlap_nor_pile_up(name):
    spec = spec_of(name)
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 0
    assert spec["timezone"] == ("America/Chicago" if name.startswith("trakt-") else "Etc/UTC")
    assert spec["successfulJobsHistoryLimit"] > 0
    assert spec["failedJobsHistoryLimit"] > 0
    assert spec["suspend"] in (True, False)


def test_some_crons_never_stop_and_some_wait_for_an_operator():
    found = {name: spec_of(name) for name in crons()}
    # The sweep is a safety net, and a poll fails while a bad run is being retried: neither may stop.
    polls = {"screenalytics-poll", "viewership-poll"}
    # A day of Trakt that is not read cannot be read later.
    days = {"trakt-daily", "trakt-freshness"}
    assert not {name for name in ("telecine-sweep", *polls, *days) if "stopStrategy" in found[name]}
    assert "stopStrategy" in found["gamedata-nightly"]
    assert {name for name in found if found[name]["suspend"]} == {"telecine-vacuum", *polls, *days}
    assert not found["telecine-sweep"]["suspend"]


def seconds_of(schedule):
    minute, hour, *days = schedule.split()
    assert days == ["*", "*", "*"]
    return int(hour) * 3600 + int(minute) * 60


def test_a_daily_run_of_trakt_ends_before_its_levels_are_measured():
    daily, freshness = spec_of("trakt-daily"), spec_of("trakt-freshness")
    latest = (
        seconds_of(daily["schedules"][0]) + daily["startingDeadlineSeconds"] + spec_of("trakt")["activeDeadlineSeconds"]
    )
    assert latest <= 7.5 * 3600, "the issue says 07:30"
    assert seconds_of(freshness["schedules"][0]) == 9 * 3600
    assert daily["timezone"] == freshness["timezone"] == "America/Chicago"
    # Started after the measurement, a backfill leaves the quota to the next morning.
    assert 9 * 3600 + spec_of("trakt-backfill")["activeDeadlineSeconds"] <= (24 + 5) * 3600


def test_pods_that_ask_the_trakt_api_exclude_each_other():
    locked = {
        (name, template): found["mutexes"]
        for name, template in every()
        if (found := templates(name)[template].get("synchronization"))
    }
    assert locked.keys() == {("trakt", "ingest"), ("trakt-backfill", "backfill")}
    assert list(locked.values()) == [[{"name": "trakt-quota"}]] * 2


def test_only_pods_that_ask_the_api_have_the_key_of_trakt():
    mounted = {
        (name, template)
        for name, template in containers()
        for volume in templates(name)[template]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if source["secret"]["name"] == "telecine-trakt"
    }
    assert mounted == {("trakt", "ingest"), ("trakt-backfill", "backfill")}
