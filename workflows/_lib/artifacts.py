"""What a step leaves for people and for other steps: its report, and a few numbers."""

from __future__ import annotations

from typing import Final

from hera.workflows import Artifact, NoneArchiveStrategy, Parameter, S3Artifact
from hera.workflows.models import ArtifactRepositoryRef, ValueFrom

from workflows._lib.names import ARTIFACT_REPOSITORY
from workflows._lib.variables import ITEMS, NAME, NAMESPACE, REJECTS, tag

__all__ = ["OUTPUTS_DIR", "REPORT_DIR", "output_parameters", "reports", "repository"]

REPORT_DIR: Final = "/tmp/outputs/report"  # noqa: S108 - the pod's own
OUTPUTS_DIR: Final = "/tmp/outputs/parameters"  # noqa: S108

# What every step leaves, also after a failure; the value is for a pod that was killed before its step began.
_EVERY_STEP: Final = {"status": "failed", ITEMS: "0", "failed": "0", "seconds": "0", REJECTS: "[]"}


def repository() -> ArtifactRepositoryRef:
    """Return where the artifacts of a Workflow go: a bucket that the chart's ConfigMap names."""
    name, key = ARTIFACT_REPOSITORY
    return ArtifactRepositoryRef(config_map=name, key=key)


def reports(step: str) -> list[Artifact]:
    """Return the report of a step under its documented key.

    The key has no pod in it, so that a retry replaces its predecessor's, and it ends in ``.html`` and ``.json``, which
    the UI shows in place; a step that was killed has none.
    """
    return [
        S3Artifact(
            name=f"report-{kind}",
            path=f"{REPORT_DIR}/report.{kind}",
            key=f"{tag(NAMESPACE)}/{tag(NAME)}/{step}/report.{kind}",
            archive=NoneArchiveStrategy(),
            optional=True,
        )
        for kind in ("html", "json")
    ]


def output_parameters(counts: tuple[str, ...] = ()) -> list[Parameter]:
    """Return the output parameters of a step.

    Args:
        counts: names beyond those of every step; a number each.
    """
    return [
        Parameter(name=name, value_from=ValueFrom(path=f"{OUTPUTS_DIR}/{name}", default=default))
        for name, default in (_EVERY_STEP | dict.fromkeys(counts, "0")).items()
    ]
