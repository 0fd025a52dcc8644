"""Compute what runs and the chart's own pods request of a cluster, from the workflow templates and the chart's values.

The demand of a run is that of the pods that can exist at the same time. Tasks that do not depend on each other run
together; of steps with a condition, only one runs, so the largest counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from operator import add, or_
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml

from workflows.render import FOLDER, documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["PODS", "Demand", "Kind", "Pod", "Runs", "demand_tables", "of_chart", "of_ray", "values_of_the_chart"]

Kind = Literal["requests", "limits"]

_UNITS: Final = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": float(1 << (10 * power)) for power, letter in enumerate("KMGT", 1)
}
_QUANTITY: Final = re.compile(r"([\d.]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
# Only a step that creates a Ray cluster mounts its token.
_RAY_TOKEN: Final = "telecine-ray-auth"  # noqa: S105 - the name of a Secret
_TASK: Final = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Demand:
    """CPU in cores, memory and ephemeral storage in bytes, of a number of pods."""

    cpu: float = 0.0
    memory: float = 0.0
    storage: float = 0.0
    pods: int = 0

    def __add__(self, other: Demand) -> Demand:
        return Demand(
            self.cpu + other.cpu, self.memory + other.memory, self.storage + other.storage, self.pods + other.pods
        )

    def __mul__(self, count: int) -> Demand:
        return Demand(self.cpu * count, self.memory * count, self.storage * count, self.pods * count)

    def __or__(self, other: Demand) -> Demand:
        """Return the larger value of each resource."""
        return Demand(
            max(self.cpu, other.cpu),
            max(self.memory, other.memory),
            max(self.storage, other.storage),
            max(self.pods, other.pods),
        )

    @classmethod
    def of_pod(cls, resources: Mapping[str, Mapping[str, str]], kind: Kind) -> Demand:
        """Return the demand of one pod whose only container has these resources."""
        cpu, memory, storage = (_number(resources[kind][name]) for name in ("cpu", "memory", "ephemeral-storage"))
        return cls(cpu, memory, storage, 1)


def _number(quantity: str) -> float:
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"'{quantity}' is not a quantity of Kubernetes")
    return float(found[1]) * _UNITS[found[2] or ""]


@dataclass(frozen=True, slots=True)
class Pod:
    """Pods that the chart creates outside of runs.

    Attributes:
        section: path of their values, which include ``resources``.
        when: when they exist.
    """

    section: tuple[str, ...]
    when: str


# Name of the object -> its pods. tests/chart/test_demand.py compares them with the rendered chart.
PODS: Final[Mapping[str, Pod]] = {
    "telecine-console": Pod(("console",), "always, if `console.enabled`"),
    "telecine-migration": Pod(("database", "migration"), "during `helm install` and `helm upgrade`"),
    "telecine-smoke": Pod(("test",), "during `helm test`, alongside a run of `gamedata`"),
}


def values_of_the_chart() -> dict[str, Any]:
    """Return the chart's default values."""
    found: dict[str, Any] = yaml.safe_load((FOLDER.parent / "values.yaml").read_text(encoding="utf-8"))
    return found


def of_chart(name: str, values: Mapping[str, Any], kind: Kind) -> Demand:
    """Return the demand of an object of the chart, with all its replicas."""
    section: Any = values
    for key in PODS[name].section:
        section = section[key]
    return Demand.of_pod(section["resources"], kind) * section.get("replicas", 1)


def of_ray(values: Mapping[str, Any], kind: Kind) -> Demand:
    """Return the demand of a Ray cluster with the default number of CPU workers."""
    ray = values["ray"]
    storage = ray["ephemeralStorage"]["request" if kind == "requests" else "limit"]

    def pod(group: str) -> Demand:
        resources = {"cpu": ray[group]["cpu"], "memory": ray[group]["memory"], "ephemeral-storage": storage}
        return Demand.of_pod({kind: resources}, kind)

    return pod("head") + pod("cpu") * ray["cpu"]["workers"]


def _rendered() -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"] for each in documents().values() if each["kind"] == "WorkflowTemplate"
    }


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of the workflow templates.

    Attributes:
        values: values of the chart.
        ray: False to leave out the steps that create a Ray cluster, as ``compute: local`` does.
        specs: specs of the WorkflowTemplates by name.
    """

    values: Mapping[str, Any]
    ray: bool = True
    specs: Mapping[str, dict[str, Any]] = field(default_factory=_rendered)

    def demand(self, name: str, kind: Kind) -> Demand:
        """Return the most that a run of a template demands at one time, whatever its entrypoint."""
        return reduce(or_, (self._demand(name, template, kind) for template in self.specs[name]["templates"]))

    def creates_ray(self, name: str) -> bool:
        """Return True if a step of the template itself creates a Ray cluster."""
        return any(map(_creates_ray, self.specs[name]["templates"]))

    def pods(self, name: str) -> int:
        """Return how many pods a run starts from its default entrypoint to its exit hook, without retries.

        Of steps with a condition, only the largest counts; of a graph, every task counts.
        """
        spec = self.specs[name]
        roots = {spec["entrypoint"], spec.get("onExit")}
        return sum(self._pods(name, each) for each in spec["templates"] if each["name"] in roots)

    def _demand(self, document: str, template: dict[str, Any], kind: Kind) -> Demand:
        if "container" in template:
            own = Demand.of_pod(template["container"]["resources"], kind)
            if not _creates_ray(template):
                return own
            return own + of_ray(self.values, kind) if self.ray else Demand()
        if "steps" in template:
            calls = [step for group in template["steps"] for step in group]
            return reduce(or_, (self._demand(*self._called(document, step), kind) for step in calls))
        tasks = template["dag"]["tasks"]
        demands = {task["name"]: self._demand(*self._called(document, task), kind) for task in tasks}
        return reduce(or_, (reduce(add, (demands[name] for name in names)) for names in _together(tasks)))

    def _pods(self, document: str, template: dict[str, Any]) -> int:
        if "container" in template:
            return 1 + (of_ray(self.values, "requests").pods if _creates_ray(template) else 0)
        if "steps" in template:
            calls = [step for group in template["steps"] for step in group]
            each = [(step, self._pods(*self._called(document, step))) for step in calls]
            always = sum(pods for step, pods in each if "when" not in step)
            return always + max((pods for step, pods in each if "when" in step), default=0)
        return sum(self._pods(*self._called(document, task)) for task in template["dag"]["tasks"])

    def _called(self, document: str, call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        reference = call.get("templateRef", {})
        where, name = reference.get("name", document), reference.get("template") or call["template"]
        (found,) = (each for each in self.specs[where]["templates"] if each["name"] == name)
        return where, found


def _creates_ray(template: Mapping[str, Any]) -> bool:
    return _RAY_TOKEN in str(template.get("volumes", ""))


def _together(tasks: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield all sets of tasks in which none depends on another."""
    earlier: dict[str, set[str]] = {}
    names = [task["name"] for task in tasks]
    waits = {task["name"]: set(_TASK.findall(task.get("depends", ""))) & set(names) for task in tasks}
    for _ in names:
        for name in names:
            earlier[name] = waits[name].union(*(earlier.get(each, set()) for each in waits[name]))
    for count in range(1, len(names) + 1):
        for chosen in combinations(names, count):
            if not any(one in earlier[other] for one in chosen for other in chosen):
                yield chosen


def demand_tables(seconds: Mapping[str, str]) -> str:
    """Return the tables of docs/helm.md: runs of every template, and pods of the chart.

    Args:
        seconds: first cell of a row -> measured duration of such a run.
    """
    values = values_of_the_chart()
    runs, without = Runs(values), Runs(values, ray=False)
    lines = _head("run of", "pods", "pods at once", "CPU", "memory", "disk", "limits of CPU, memory, disk", "seconds")
    for name in runs.specs:
        label = f"`{name}`"
        lines.append(_row(label, str(runs.pods(name)), *_shown(runs, name), seconds.get(label, "")))
        if runs.creates_ray(name):
            label += ", `compute: local`"
            lines.append(_row(label, "", *_shown(without, name), seconds.get(label, "")))
    lines += ["", *_head("pods of", "pods", "CPU", "memory", "disk", "limits of CPU, memory, disk", "when they run")]
    for name, pod in PODS.items():
        asked, limit = of_chart(name, values, "requests"), of_chart(name, values, "limits")
        lines.append(_row(f"`{name}`", str(asked.pods), *_texts(asked), ", ".join(_texts(limit)), pod.when))
    return "\n".join(lines)


def _shown(runs: Runs, name: str) -> tuple[str, ...]:
    asked = runs.demand(name, "requests")
    return str(asked.pods), *_texts(asked), ", ".join(_texts(runs.demand(name, "limits")))


def _texts(demand: Demand) -> tuple[str, str, str]:
    return f"{demand.cpu:.3g}", _bytes(demand.memory), _bytes(demand.storage)


def _bytes(number: float) -> str:
    return f"{number / (1 << 20):.0f} MiB" if number < 1 << 30 else f"{number / (1 << 30):.4g} GiB"


def _head(*titles: str) -> list[str]:
    return [_row(*titles), _row(*("---" for _ in titles))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
