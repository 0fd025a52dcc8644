"""Start runs of WorkflowTemplates by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from shared.cluster.client import ObjectExists
from shared.cluster.rights import Right
from shared.settings.base import encoded_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.cluster.client import Client

__all__ = ["RIGHTS", "create_workflow", "manifest"]

_CREATE: Final = Right("argoproj.io", "v1alpha1", "workflows", "create")

RIGHTS: Final = (_CREATE,)
"""The rights of an account that starts runs."""

# A label of the Workflow's name is put on its pods, and a label has at most 63 characters.
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def create_workflow(
    client: Client, name: str, template: str, parameters: Mapping[str, str], labels: Mapping[str, str]
) -> str | None:
    """Start a run of a WorkflowTemplate; the same name again starts nothing.

    Args:
        client: the cluster.
        name: name of the Workflow, which identifies the run: it must never be used for another one.
        template: name of the WorkflowTemplate.
        parameters: names and values of its form; the others keep their defaults. A value is never evaluated.
        labels: further labels.

    Returns:
        The Workflow's uid, which is the run's id; None if a Workflow of this name exists, because reading it would
        take a right of its own.

    Raises:
        TransientError: it is unknown whether the Workflow was created; try again with the same name.
        ConfigurationError: the API refuses the Workflow, or the cluster has no Argo Workflows.
    """
    body = manifest(client.namespace, name, template, parameters, labels)
    try:
        made = client.create(_CREATE, body, operator="Argo Workflows")
    except ObjectExists:
        return None
    return str(made["metadata"]["uid"])


def manifest(
    namespace: str, name: str, template: str, parameters: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the Workflow: a reference to its template, parameters and labels, and nothing else.

    The chart's admission policy of the console rejects any other field.

    Raises:
        ValueError: the name is not a DNS label.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name of a Workflow; expected at most 63 of a-z, 0-9 and -")
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "workflowTemplateRef": {"name": template},
            "arguments": {
                "parameters": [{"name": key, "value": encoded_form(value)} for key, value in parameters.items()]
            },
        },
    }
