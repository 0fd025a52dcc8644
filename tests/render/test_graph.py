"""Every reference has a target: templates, arguments, inputs, outputs, parameters, dependencies."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.render.rendered import TEMPLATES, by_name, calls, crons, every, names_in, spec_of, tags, templates
from workflows.pipelines import PIPELINES

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Variables that Argo itself sets.
GLOBALS = {"workflow.name", "workflow.namespace", "workflow.uid", "workflow.status"}
IN_METRICS = {"status", "duration"}


def called(document: str, call: dict) -> dict:
    """Return the template that a task or a step calls."""
    if "templateRef" in call:
        return templates(call["templateRef"]["name"])[call["templateRef"]["template"]]
    return templates(document)[call["template"]]


def names(parts: dict | None) -> list[str]:
    return [parameter["name"] for parameter in (parts or {}).get("parameters", [])]


@pytest.mark.parametrize("name", sorted(by_name()))
def test_names_are_dns_labels(name):
    found = [name, *templates(name), *(call["name"] for each in templates(name).values() for call in calls(each))]
    assert [each for each in found if not DNS_LABEL.fullmatch(each)] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_entrypoint_and_exit_hook_are_templates(name):
    assert spec_of(name)["entrypoint"] in templates(name)
    assert spec_of(name).get("onExit", spec_of(name)["entrypoint"]) in templates(name)


@pytest.mark.parametrize("name", crons())
def test_crons_start_templates_that_exist(name):
    workflow = spec_of(name)["workflowSpec"]
    assert set(workflow) <= {"workflowTemplateRef", "entrypoint"}, "a cron is thin"
    target = workflow["workflowTemplateRef"]["name"]
    assert workflow.get("entrypoint", spec_of(target)["entrypoint"]) in templates(target)


@pytest.mark.parametrize(("name", "template"), every())
def test_each_call_passes_exactly_the_inputs_of_its_template(name, template):
    for call in calls(templates(name)[template]):
        given, wanted = names(call.get("arguments")), names(called(name, call).get("inputs"))
        assert sorted(given) == sorted(wanted), call["name"]


@pytest.mark.parametrize(("name", "template"), every())
def test_each_input_is_declared_and_used(name, template):
    parts = templates(name)[template]
    assert names_in({key: value for key, value in parts.items() if key != "inputs"}, "inputs") == set(
        names(parts.get("inputs"))
    )


@pytest.mark.parametrize(("name", "template"), every())
def test_outputs_that_metrics_read_are_declared(name, template):
    parts = templates(name)[template]
    assert names_in(parts.get("metrics"), "outputs") <= set(names(parts.get("outputs")))


@pytest.mark.parametrize(("name", "template"), every())
def test_metrics_read_outputs_only_after_the_node_has_ended(name, template):
    # When a node starts, outputs.parameters.x is a map and an expression on it errors, unless a name in it is unknown.
    values = [
        metric[kind]["value"]
        for metric in templates(name)[template].get("metrics", {}).get("prometheus", [])
        for kind in ("counter", "gauge", "histogram")
        if kind in metric
    ]
    early = [value for value in values if "outputs." in value and not value.startswith("{{=status == 'Succeeded' ?")]
    assert early == []
    # Argo passes an expression on as JSON with these characters escaped, and cannot parse the result.
    assert [value for value in values if set(value) & set("&<>")] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_parameter_of_the_form_is_declared_and_used(name):
    assert names_in(spec_of(name)["templates"], "workflow") == set(names(spec_of(name)["arguments"]))


@pytest.mark.parametrize(("name", "template"), every())
def test_tags_are_known(name, template):
    parts = templates(name)[template]
    known = GLOBALS | ({"workflow.failures"} if template == "close-run" else set())
    known |= {
        f"steps.{call['name']}.outputs.parameters.{output}"
        for call in calls(parts)
        for output in names(called(name, call).get("outputs"))
    }
    simple = {tag for tag in tags({**parts, "metrics": None}) if not tag.startswith("=")}
    assert {tag for tag in simple if not tag.startswith(("inputs.parameters.", "workflow.parameters."))} <= known
    measured = {tag for tag in tags(parts.get("metrics")) if not tag.startswith("=")}
    assert measured <= IN_METRICS | {"workflow.status"}


@pytest.mark.parametrize(("name", "template"), every())
def test_dependencies_and_targets_are_tasks(name, template):
    dag = templates(name)[template].get("dag", {})
    tasks = {task["name"] for task in dag.get("tasks", [])}
    assert set(dag.get("target", "").split()) <= tasks
    for task in dag.get("tasks", []):
        found = set(re.findall(r"([\w-]+)\.\w+", task.get("depends", "")))
        assert found <= tasks - {task["name"]}


def test_a_run_goes_from_plan_to_a_published_manifest():
    tasks = {task["name"]: task.get("depends", "") for task in templates("gamedata")["stages"]["dag"]["tasks"]}
    assert tasks == {"plan": "", "extract": "plan.Succeeded", "manifest": "extract.Succeeded"}
    for template in ("manifest-over-statistics", "manifest-over-frames"):
        container = templates("gamedata")[template]["container"]
        variables = {each["name"]: each["value"] for each in container["env"]}
        assert container["args"] == ["gamedata", "run"]
        assert (variables["TELECINE_GAMEDATA_STAGE"], variables["TELECINE_GAMEDATA_PUBLISH"]) == ("manifest", "true")


def test_a_run_of_gamedata_without_a_rayjob_has_four_pods():
    """Each pod costs about 5 s: docs/performance.md, on a cluster."""
    pods = [name for name, each in templates("gamedata").items() if "container" in each]
    either = [{"extract-on-cluster", "extract-in-pod"}, {"manifest-over-statistics", "manifest-over-frames"}]
    assert set(pods) == {"plan", "close-run"}.union(*either)


def test_only_maintenance_has_a_pod_that_sweeps():
    """A launcher sweeps by itself before it creates a RayJob, with the same account."""
    assert [name for name in TEMPLATES if "sweep" in templates(name)] == ["maintenance"]


def test_the_plan_decides_where_to_extract():
    (task,) = [each for each in templates("gamedata")["stages"]["dag"]["tasks"] if each["name"] == "extract"]
    given = {each["name"]: each["value"] for each in task["arguments"]["parameters"]}
    assert given["compute"] == "{{=sprig.b64enc((tasks.plan.outputs?.parameters?.compute ?? 'cpu'))}}"
    outputs = {each["name"]: each["valueFrom"] for each in templates("gamedata")["plan"]["outputs"]["parameters"]}
    assert outputs["compute"] == {"path": "/tmp/outputs/parameters/compute", "default": "cpu"}


def test_a_run_of_viewership_goes_from_upload_to_verify_and_ends_as_its_worst_step():
    dag = templates("viewership")["stages"]["dag"]
    tasks = {task["name"]: task.get("depends", "") for task in dag["tasks"]}
    assert list(tasks) == ["upload", "normalize", "match", "load", "verify"]
    # A failed step does not stop the next one, whose condition asks for the exit code.
    for earlier, later in pairwise(tasks):
        assert {f"{earlier}.Succeeded", f"{earlier}.Failed"} <= set(re.findall(r"\w+\.\w+", tasks[later]))
    # Small files need no `load`, and are verified as well.
    assert {"load.Omitted", "load.Skipped", "load.Errored"} <= set(re.findall(r"\w+\.\w+", tasks["verify"]))
    assert dag["target"].split() == list(tasks), "otherwise a bad file would be forgotten once `verify` succeeds"
    assert dag["failFast"] is False, "otherwise a bad file would end the run before the good ones are loaded"


def test_a_run_of_trakt_goes_from_ingest_to_slo_and_ends_as_its_worst_step():
    dag = templates("trakt")["stages"]["dag"]
    tasks = {task["name"]: task.get("depends", "") for task in dag["tasks"]}
    assert list(tasks) == ["ingest", "model", "publish", "slo"]
    assert set(re.findall(r"\w+\.\w+", tasks["model"])) == {"ingest.Succeeded", "ingest.Failed"}
    assert tasks["publish"] == "model.Succeeded", "gold whose tests failed is not published"
    # A key that is refused, or models that fail, are measured as well; a disabled pipeline is not.
    measured = set(re.findall(r"\w+\.\w+", tasks["slo"]))
    assert {"ingest.Failed", "ingest.Errored", "publish.Omitted", "publish.Failed"} <= measured
    assert not {"ingest.Skipped", "ingest.Omitted"} & measured
    assert dag["target"].split() == list(tasks), "otherwise a refused key would be forgotten once `slo` succeeds"
    assert dag["failFast"] is False


def test_the_entrypoint_freshness_of_trakt_asks_the_api_nothing():
    assert [call["template"] for call in calls(templates("trakt")["freshness"])] == ["slo"]
    assert spec_of("trakt-freshness")["workflowSpec"]["entrypoint"] == "freshness"


def test_a_backfill_of_trakt_is_modelled_and_published():
    dag = templates("trakt-backfill")["stages"]["dag"]
    assert [task["name"] for task in dag["tasks"]] == ["backfill", "model", "publish"]
    assert (dag["target"].split(), dag["failFast"]) == (["backfill", "model", "publish"], False)


def test_media_writes_its_page_even_if_a_pipeline_failed_and_then_fails():
    dag = templates("media")["main"]["dag"]
    page = dag["tasks"][-1]
    assert page["name"] == "publish"
    for task in dag["tasks"][:-1]:
        assert {f"{task['name']}.{end}" for end in ("Succeeded", "Failed", "Errored")} <= set(
            re.findall(r"[\w-]+\.\w+", page["depends"])
        )
        # If it were not a target, a failed pipeline would be ignored once the page is written.
        assert task["name"] in dag["target"].split()
    assert "publish" in dag["target"].split()
    assert dag["failFast"] is False, "otherwise the run ends before the page is written"


def test_media_has_the_parameters_of_its_pipelines():
    wanted = {
        f"{pipeline.name}-{name}" for pipeline in PIPELINES for name in names(spec_of(pipeline.name)["arguments"])
    }
    assert set(names(spec_of("media")["arguments"])) == wanted


def test_replay_is_an_entrypoint_with_its_own_inputs():
    """The UI shows an entrypoint's inputs below the Workflow's parameters and submits both as parameters."""
    own = {each["name"]: each for each in templates("screenalytics")["replay"]["inputs"]["parameters"]}
    assert set(own) == {"run", "all", "accept-changed"}
    assert all(isinstance(each["value"], str) and each["description"] for each in own.values())
    assert not set(own) & set(names(spec_of("screenalytics")["arguments"])), "ingest would reject its own form"


def test_exactly_one_of_two_branches_runs():
    for template, ways in (("extract", {"on-cluster", "in-pod"}), ("manifest", {"over-statistics", "over-frames"})):
        found = {call["name"]: call["when"] for call in calls(templates("gamedata")[template])}
        assert set(found) == ways
        assert all(when.startswith("{{=") for when in found.values()), "a plain value with a space would not parse"
    by_frames = names_in(templates("gamedata")["manifest"]["steps"][1][0]["when"], "inputs")
    assert by_frames == {"menu-model", "menu-references", "checks"}, "torch and PyAV are only in the image with Ray"


def test_runs_have_few_nodes():
    # At most 200 nodes per run: nothing fans out, and a pod with its retries and parents is five nodes.
    for name in TEMPLATES:
        for template in templates(name).values():
            assert not any({"withItems", "withParam", "withSequence"} & set(call) for call in calls(template))
