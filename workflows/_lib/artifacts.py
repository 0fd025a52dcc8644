"""A step's artifacts, stored under NAMESPACE/WORKFLOW/STEP/, and its output parameters for metrics and later steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hera.workflows import Artifact, NoneArchiveStrategy, Parameter, S3Artifact
from hera.workflows.models import ArtifactRepositoryRef, ValueFrom

from workflows._lib.names import ARTIFACT_REPOSITORY
from workflows._lib.variables import ITEMS, NAME, NAMESPACE, REJECTS, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTPUTS_DIR", "REPORT_DIR", "output_parameters", "reports", "repository"]

REPORT_DIR: Final = "/tmp/outputs/report"  # noqa: S108 - private to the pod
OUTPUTS_DIR: Final = "/tmp/outputs/parameters"  # noqa: S108

# Written by every step, even a failed one. The values are defaults for a pod killed before its step started.
_EVERY_STEP: Final = {"status": "failed", ITEMS: "0", "failed": "0", "seconds": "0", REJECTS: "[]"}


def repository() -> ArtifactRepositoryRef:
    """Return a reference to the chart's ConfigMap with the bucket for artifacts."""
    name, key = ARTIFACT_REPOSITORY
    return ArtifactRepositoryRef(config_map=name, key=key)


def reports(step: str, copies: tuple[str, ...] = ()) -> list[Artifact]:
    """Return the report artifacts of a step, under their documented keys.

    The key contains no pod name, so a retry overwrites the previous attempt's report. It ends in ``.html`` or
    ``.json``, which the UI displays inline. A step that was killed has no report.

    Args:
        step: stage of the step.
        copies: further stages that the same report covers; it is stored under their keys too, where links look for it.
    """
    return [
        S3Artifact(
            name=f"report-{kind}" if stage == step else f"report-{stage}-{kind}",
            path=f"{REPORT_DIR}/report.{kind}",
            key=f"{tag(NAMESPACE)}/{tag(NAME)}/{stage}/report.{kind}",
            archive=NoneArchiveStrategy(),
            optional=True,
        )
        for stage in (step, *copies)
        for kind in ("html", "json")
    ]


def output_parameters(counts: tuple[str, ...] = (), texts: Mapping[str, str] | None = None) -> list[Parameter]:
    """Return the output parameters of a step.

    Args:
        counts: names of additional numeric outputs.
        texts: names of other outputs -> default.
    """
    return [
        Parameter(name=name, value_from=ValueFrom(path=f"{OUTPUTS_DIR}/{name}", default=default))
        for name, default in (_EVERY_STEP | dict.fromkeys(counts, "0") | dict(texts or {})).items()
    ]
