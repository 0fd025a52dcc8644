"""The exit hook: it runs at the end of every run; the list of failed steps that it gets is cut to 72 kB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Parameter, Step, Steps
from hera.workflows.models import ContinueOn, Metrics, ValueFrom

from shared.notify.settings import CloseSettings
from shared.settings.base import ENCODED_SUFFIX
from workflows._lib.artifacts import OUTPUTS_DIR
from workflows._lib.labels import shown
from workflows._lib.metrics import MOST, item_metrics
from workflows._lib.retry import PROMPT
from workflows._lib.secrets import DATABASE, NOTIFY
from workflows._lib.step import step
from workflows._lib.variables import FAILURES, ITEMS, REJECTS, STATUS, UID, encoded, expression, parameter, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hera.workflows import Container
    from hera.workflows.models import Prometheus

__all__ = ["EXIT", "exit_templates"]

# Used as the spec's `onExit`, which also runs after `argo stop`, but not after `argo terminate`. `hooks.exit` does not
# work: Argo 4.0.7 rejects the template because {{workflow.failures}} is unknown there.
EXIT: Final = "on-exit"
_CLOSE: Final = "close-run"
_CALL: Final = "close"
# Value of an output that was not written.
_EMPTY: Final = "[]"

(_FAILURES,) = CloseSettings.variables("failures")
(_TOTAL,) = CloseSettings.variables("failures_total")
# A variable is at most 128 KiB long (MAX_ARG_STRLEN), and base64 makes 96,000 bytes of these.
_LONGEST: Final = 72_000
# Argo's list is JSON, quoted by Go. Each failed node has this key once; a quote within a message is escaped twice
# and cannot imitate it.
_EACH: Final = 'displayName\\":'


def exit_templates(
    pipeline: str, codes: Mapping[str, Iterable[str]], *, of: str | None = None
) -> list[Container | Steps]:
    """Return the templates of the hook, which closes the run in the ledger and notifies people of a failed run.

    A failed hook must not fail the Workflow, so its failure is ignored. The run then appears as interrupted, because
    its heartbeat in the ledger has stopped.

    Args:
        pipeline: pipeline of the run.
        codes: pipeline -> error codes to count.
        of: pipeline in the ledger of a run that failed before its first step; None for ``pipeline``.
    """
    counters = item_metrics(codes)
    close = step(
        _CLOSE,
        [
            "runs",
            "close",
            "--run-id",
            tag(UID),
            "--workflow-status",
            tag(STATUS),
            "--of",
            of or pipeline,
        ],
        pipeline=pipeline,
        stage="close",
        title="Close the run",
        description="Closes the run in the ledger, counts its items and sends one notification if it failed.",
        deadline_s=600,
        report=False,
        secrets=[DATABASE, NOTIFY],
        metrics=Metrics(prometheus=counters[:MOST]),
        pauses=PROMPT,
        variables={
            _FAILURES + ENCODED_SUFFIX: expression(encoded(f"sprig.trunc({_LONGEST}, {FAILURES})")),
            _TOTAL: expression(f"len(split({FAILURES}, `{_EACH}`)) - 1"),
        },
    )
    close.outputs = [
        Parameter(name=name, value_from=ValueFrom(path=f"{OUTPUTS_DIR}/{name}", default=_EMPTY))
        for name in (ITEMS, REJECTS)
    ]
    return [close, _hook(counters[MOST:])]


def _hook(counters: list[Prometheus]) -> Steps:
    """Return the template that runs the step.

    Args:
        counters: those for which the step has no room. The outputs that they read are copied from it.
    """
    return Steps(
        name=EXIT,
        annotations=shown("On exit", "Runs after the last attempt of every step."),
        sub_steps=[Step(name=_CALL, template=_CLOSE, continue_on=ContinueOn(failed=True, error=True))],
        outputs=[_copied(name) for name in (ITEMS, REJECTS)] if counters else None,
        metrics=Metrics(prometheus=counters) if counters else None,
    )


def _copied(output: str) -> Parameter:
    # A step that failed, whose failure is ignored, may have no outputs.
    source = tag(f"steps.{_CALL}.{parameter('outputs', output)}")
    return Parameter(name=output, value_from=ValueFrom(parameter=source, default=_EMPTY))
