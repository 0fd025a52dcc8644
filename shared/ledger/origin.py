"""The start of a stage: its command, the parameters that differ from their defaults, and where its report will be.

Only the step's own process knows these; readers of the ledger import no pipeline.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from shared.logs import in_pod
from shared.report.write import FILE, folder_of
from shared.settings.next_command import same_command
from shared.storage.uris import join_uri, split_uri
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.settings import StepSettings

__all__ = ["KEY", "changed", "origin"]

KEY: Final = "_origin"
"""Key in a stage's parameters; names of settings do not begin with an underscore."""

# A longer command, such as one with a thousand keys, is not shown for copying.
_COMMAND_CHARS: Final = 4_000
_CHANGED: Final = 200


def origin(settings: StepSettings, run_id: str, variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return how a stage was started, for the ledger.

    Args:
        settings: the step's settings.
        run_id: the run.
        variables: the environment; in a Workflow it has the Workflow's name, namespace and node.

    Returns:
        ``changed``: names of parameters that differ from their defaults, without secrets. ``command``: as it would be
        typed to run the step again; None if code started it. ``report``: URI of the report's page outside a pod.
        ``namespace``, ``workflow``, ``artifact``: the Workflow, and the key of the report's page among its artifacts.
    """
    found: dict[str, Any] = {"changed": changed(settings)[:_CHANGED], "command": _command(settings)}
    workflow, namespace = variables.get("TELECINE_WORKFLOW"), variables.get("TELECINE_NAMESPACE")
    if workflow and namespace:
        found |= {"namespace": clean_text(namespace, 63), "workflow": clean_text(workflow, 253)}
        if node := variables.get("TELECINE_NODE"):
            found["artifact"] = clean_text(f"{namespace}/{workflow}/{node}/{FILE}", 1024)
    if (report := _report(settings, run_id)) is not None:
        found["report"] = report
    return found


def changed(settings: StepSettings) -> list[str]:
    """Return the names of the parameters whose values are not the defaults, or that have no default.

    The run's own id, which `run` and Workflows pass to each stage, is not one.
    """
    fields = type(settings).model_fields
    return [
        name
        for name in settings.parameters()
        if name != "run_id"
        and (
            fields[name].is_required() or getattr(settings, name) != fields[name].get_default(call_default_factory=True)
        )
    ]


def _command(settings: StepSettings) -> str | None:
    command = same_command(settings)
    # With a secret in it, or cut, it would run something else.
    return command if command is not None and clean_text(command, _COMMAND_CHARS) == command else None


def _report(settings: StepSettings, run_id: str) -> str | None:
    folder = folder_of(settings, run_id)
    if folder is None:
        return None
    try:
        root, key = split_uri(f"{folder.rstrip('/')}/{FILE}")
    except ValueError:
        return None  # writing the report will fail with the reason
    # A folder of a pod is gone with it.
    return None if in_pod() and root.startswith("file://") else join_uri(root, key)
