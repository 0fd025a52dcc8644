"""The tables of docs/helm.md show what the rendered chart requests; tests/unit/test_docs.py compares the page."""

from __future__ import annotations

import pytest

from docs.demand import PODS, Demand, Runs, of_chart, of_ray, values_of_the_chart
from shared.rayjob.manifest import Job, make_rayjob
from shared.rayjob.settings import RaySettings
from tests.chart.rendering import LEAST, find, merged, render
from tests.render.rendered import TEMPLATES

CONSOLE = {"console": {"enabled": True, "access": "token", "publicUrl": "https://c.example.com", "existingSecret": "c"}}
# Everything that the chart can create.
ALL = merged(LEAST, CONSOLE, {"quota": {"enabled": True}, "alerts": {"enabled": True}, "boards": {"enabled": True}})
KINDS = ("requests", "limits")


def pod_specs(objects):
    """Yield the name, number and spec of the pods of every object that has any."""
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], 1, spec
        elif "containers" in spec.get("template", {}).get("spec", {}):
            yield each["metadata"]["name"], spec.get("replicas", 1), spec["template"]["spec"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_names_every_pod_of_the_chart_with_what_it_requests(kind):
    found = {}
    for name, count, spec in pod_specs(render(ALL)):
        pods = [Demand.of_pod(container["resources"], kind) for container in spec["containers"]]
        starts = [Demand.of_pod(container["resources"], kind) for container in spec.get("initContainers", [])]
        assert len(pods) == 1, "docs/demand.py counts one container for each pod"
        assert all(each | pods[0] == pods[0] for each in starts), "an init container requests more than the pod"
        found[name] = pods[0] * count
    assert found == {name: of_chart(name, values_of_the_chart(), kind) for name in PODS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_the_runs_of_the_rendered_chart(kind):
    specs = {each["metadata"]["name"]: each["spec"] for each in render(ALL) if each["kind"] == "WorkflowTemplate"}
    assert set(specs) == set(TEMPLATES) == set(Runs({}).specs)
    values = values_of_the_chart()
    for name in TEMPLATES:
        assert Runs(values, specs=specs).demand(name, kind) == Runs(values).demand(name, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_the_ray_cluster_that_the_launcher_creates(kind, monkeypatch):
    objects = render(ALL)
    for name, value in find(objects, "ConfigMap", "telecine-ray")["data"].items():
        monkeypatch.setenv(name, value)
    parameters = find(objects, "ConfigMap", "telecine-parameters")["data"]
    monkeypatch.setenv("TELECINE_RAY_CPU_WORKERS", parameters["cpu-workers"])
    monkeypatch.setenv("TELECINE_RAY_IMAGE", "ray:1")
    job = make_rayjob(RaySettings(), Job("gamedata", "extract", "true", "cpu", "run", {}))
    cluster = job["spec"]["rayClusterSpec"]
    workers = cluster["workerGroupSpecs"]
    total = Demand()
    for count, group in [(1, cluster["headGroupSpec"]), *((each["replicas"], each) for each in workers)]:
        (container,) = group["template"]["spec"]["containers"]
        total += Demand.of_pod(container["resources"], kind) * count
    assert total == of_ray(values_of_the_chart(), kind)


def container(name, cpu, **fields):
    asked = {"cpu": cpu, "memory": "1Gi", "ephemeral-storage": "1Mi"}
    return {"name": name, "container": {"resources": {"requests": asked}}, **fields}


def runs(*templates, on_exit=None, **others):
    spec = {"entrypoint": templates[0]["name"], "onExit": on_exit, "templates": templates}
    return Runs({}, specs={"a": spec, **others})


def graph(*tasks):
    named = [{"name": name, "template": name, **({"depends": depends} if depends else {})} for name, depends in tasks]
    return {"name": "main", "dag": {"tasks": named}}


def test_tasks_that_can_run_together_are_added():
    parts = [container(name, cpu) for name, cpu in (("one", "1"), ("two", "500m"), ("three", "1200m"))]
    # `two` runs alongside `one`; `three` waits for both, and needs less than they do.
    made = runs(graph(("one", ""), ("two", ""), ("three", "one.Succeeded && (two.Failed || two.Errored)")), *parts)
    assert made.demand("a", "requests") == Demand(1.5, 2 << 30, 2 << 20, 2)
    chain = runs(graph(("one", ""), ("two", "one"), ("three", "two")), *parts)
    assert chain.demand("a", "requests") == Demand(1.2, 1 << 30, 1 << 20, 1)
    assert made.pods("a") == chain.pods("a") == 3


def test_of_two_ways_the_larger_counts_and_one_without_ray_is_asked_for():
    values = values_of_the_chart()
    steps = [[{"name": name, "template": name, "when": "x"}] for name in ("small", "large")]
    token = {"volumes": [{"projected": {"sources": [{"secret": {"name": "telecine-ray-auth"}}]}}]}
    specs = runs({"name": "main", "steps": steps}, container("small", "2"), container("large", "100m", **token)).specs
    assert Runs(values, specs=specs).demand("a", "requests").cpu == 5.1
    assert Runs(values, ray=False, specs=specs).demand("a", "requests").cpu == 2
    assert Runs(values, specs=specs).pods("a") == 4
    assert Runs(values, specs=specs).creates_ray("a")


def test_a_template_of_another_document_and_the_exit_hook_count():
    call = {"name": "other", "templateRef": {"name": "b", "template": "deep"}}
    main = {"name": "main", "dag": {"tasks": [call]}}
    made = runs(main, container("bye", "3"), on_exit="bye", b={"templates": [container("deep", "2")]})
    assert made.demand("a", "requests").cpu == 3
    assert made.pods("a") == 2
    made.specs["b"]["templates"][0]["container"]["resources"]["requests"]["cpu"] = "4"
    assert made.demand("a", "requests").cpu == 4


def test_a_text_that_is_not_a_quantity_is_refused():
    with pytest.raises(ValueError, match="'two' is not a quantity"):
        Demand.of_pod({"requests": {"cpu": "two", "memory": "1", "ephemeral-storage": "1"}}, "requests")
