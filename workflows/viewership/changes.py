"""The WorkflowTemplates ``viewership-retract`` and ``viewership-reprocess``: one step each, about stored uploads.

People start them in the Argo UI, and the console for a user; its account may create Workflows of these templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.settings.reprocess import ReprocessSettings
from jobs.viewership.settings.uploads import RetractSettings
from workflows._lib.hooks import exit_templates
from workflows._lib.parameters import arguments, fields
from workflows._lib.retry import PROMPT
from workflows._lib.secrets import DATABASE
from workflows._lib.step import SMALL, Size, step
from workflows._lib.template import workflow_template
from workflows.viewership.common import CODES, HOUR, LARGE, NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hera.workflows import WorkflowTemplate

    from workflows._lib.parameters import Field

__all__ = ["CHANGES"]

# The user of a pod is the same for all runs.
_NOBODY: Final = {"by": ""}
_RETRACT: Final = fields(RetractSettings, values=_NOBODY)
# A form must not name files of the pod, and `titles` may name one.
_REPROCESS: Final = fields(ReprocessSettings, without=("titles",), values=_NOBODY)


def _retract() -> WorkflowTemplate:
    return _template(
        "retract",
        title="Retract an upload",
        description="Removes the rows of an upload from the final table. The same bytes may be uploaded again.",
        parameters=_RETRACT,
        deadline_s=HOUR,
    )


def _reprocess() -> WorkflowTemplate:
    return _template(
        "reprocess",
        title="Match rows again",
        description="Matches the rows of uploads again after the catalogue has changed, and updates the final table.",
        parameters=_REPROCESS,
        size=LARGE,
        deadline_s=2 * HOUR,
    )


def _template(
    command: str,
    *,
    title: str,
    description: str,
    parameters: Sequence[Field],
    deadline_s: int,
    size: Size = SMALL,
) -> WorkflowTemplate:
    name = f"{NAME}-{command}"
    run = step(
        command,
        [NAME, command],
        pipeline=name,
        stage=command,
        title=title,
        description=description,
        deadline_s=deadline_s,
        size=size,
        parameters=parameters,
        # An entrypoint has no caller, and inputs would appear in the form a second time.
        source="workflow",
        secrets=(DATABASE,),
        pauses=PROMPT,
    )
    return workflow_template(
        name,
        title=f"**{name}**: {title.lower()}",
        description=description,
        entrypoint=command,
        arguments=arguments(parameters),
        templates=[run, *exit_templates(name, {NAME: CODES}, of=NAME)],
        deadline_s=deadline_s + HOUR,
    )


CHANGES: Final = {f"{NAME}-retract": _retract, f"{NAME}-reprocess": _reprocess}
"""Name -> function that builds the WorkflowTemplate."""
