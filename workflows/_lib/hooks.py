"""What happens when a run ends, however it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Parameter, Step, Steps
from hera.workflows.models import ContinueOn, ValueFrom

from workflows._lib.artifacts import OUTPUTS_DIR
from workflows._lib.labels import shown
from workflows._lib.metrics import item_metrics
from workflows._lib.names import NOTIFY_VARIABLES
from workflows._lib.retry import PROMPT
from workflows._lib.step import from_secret, step
from workflows._lib.variables import FAILURES, ITEMS, REJECTS, STATUS, UID, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hera.workflows import Container

__all__ = ["EXIT", "exit_templates"]

# The spec's `onExit`; `argo stop` runs it too, `argo terminate` does not. With `hooks.exit` in its place Argo 4.0.2
# refuses the template: it does not know {{workflow.failures}} there.
EXIT: Final = "on-exit"
_CLOSE: Final = "close-run"


def exit_templates(pipeline: str, codes: Mapping[str, Iterable[str]]) -> list[Container | Steps]:
    """Return the templates of the hook: the ledger's run is ended, and a failed run told to people.

    A hook that fails would fail the Workflow, so it may fail; the ledger's heartbeat then shows the run as interrupted.

    Args:
        pipeline: whose run it is.
        codes: error codes to count, by pipeline.
    """
    close = step(
        _CLOSE,
        [
            "runs",
            "close",
            "--run-id",
            tag(UID),
            "--workflow-status",
            tag(STATUS),
            "--failures",
            tag(FAILURES),
            "--of",
            pipeline,
        ],
        pipeline=pipeline,
        stage="close",
        title="Close the run",
        description="Ends the run in the ledger, counts its items, and sends one message when it failed.",
        deadline_s=600,
        report=False,
        secrets=[from_secret(NOTIFY_VARIABLES, optional=True)],
        metrics=item_metrics(codes),
        pauses=PROMPT,
    )
    close.outputs = [
        Parameter(name=name, value_from=ValueFrom(path=f"{OUTPUTS_DIR}/{name}", default="[]"))
        for name in (ITEMS, REJECTS)
    ]
    return [
        close,
        Steps(
            name=EXIT,
            annotations=shown("When the run has ended", "Runs after the last attempt of everything."),
            sub_steps=[Step(name="close", template=_CLOSE, continue_on=ContinueOn(failed=True, error=True))],
        ),
    ]
