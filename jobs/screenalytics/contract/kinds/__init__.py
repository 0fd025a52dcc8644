"""Kinds of ``person_metrics`` artifacts: one reader per exact ``schema_version``.

To add a kind, add a module with ``read(document, context) -> ArtifactMetrics`` and one line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.kinds import cast_screentime_v1, screentime_v1
from jobs.screenalytics.contract.kinds.artifact import ArtifactContext, ArtifactMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KINDS", "ArtifactContext", "ArtifactMetrics"]

KINDS: Final[dict[str, Callable[[Any, ArtifactContext], ArtifactMetrics]]] = {
    "screentime.v1": screentime_v1.read,
    "cast_screentime.v1": cast_screentime_v1.read,
}
