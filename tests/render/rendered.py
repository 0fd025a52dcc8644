"""The rendered documents, and functions to query them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from workflows.pipelines import PIPELINES
from workflows.render import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "TEMPLATES",
    "WITH_LEDGER",
    "by_name",
    "calls",
    "containers",
    "crons",
    "every",
    "names_in",
    "spec_of",
    "tags",
    "templates",
]

# WorkflowTemplates whose runs are in the ledger; maintenance runs are not.
WITH_LEDGER = (*(name for pipeline in PIPELINES for name in (pipeline.name, *pipeline.others)), "media")
TEMPLATES = (*WITH_LEDGER, "maintenance")

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
# `inputs.parameters.x`, `inputs.parameters['a-b']` and so on, but not Argo's list of all parameters.
_NAME = re.compile(
    r"\b(?!workflow\.parameters\.json\b)(inputs|workflow|outputs)\.parameters(?:\.([\w-]+)|\['([\w-]+)'\])"
)


@cache
def by_name() -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in documents().values()}


def crons() -> list[str]:
    return [name for name, document in by_name().items() if document["kind"] == "CronWorkflow"]


def spec_of(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = by_name()[name]["spec"]
    return spec


def templates(name: str) -> dict[str, dict[str, Any]]:
    return {template["name"]: template for template in spec_of(name).get("templates", [])}


def every() -> list[tuple[str, str]]:
    """Return every template as the name of its document and its own name."""
    return [(name, template) for name in TEMPLATES for template in templates(name)]


def containers() -> list[tuple[str, str]]:
    return [(name, template) for name, template in every() if "container" in templates(name)[template]]


def calls(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the tasks or steps of a template."""
    yield from template.get("dag", {}).get("tasks", [])
    for group in template.get("steps", []):
        yield from group


def tags(value: Any) -> list[str]:
    """Return the contents of all double braces in a part of a document."""
    if isinstance(value, dict):
        return [tag for each in value.values() for tag in tags(each)]
    if isinstance(value, list):
        return [tag for each in value for tag in tags(each)]
    return _TAG.findall(value) if isinstance(value, str) else []


def names_in(value: Any, scope: str) -> set[str]:
    """Return the parameters of a scope (inputs, workflow, outputs) that a part of a document refers to."""
    found = (match for tag in tags(value) for match in _NAME.finditer(tag))
    return {match[2] or match[3] for match in found if match[1] == scope}
