"""What an adapter is told and what it gives, and the check that all share: nobody is seen for longer than the video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.contract.run_manifest import MAX_MS
from jobs.screenalytics.errors import Rejected, reject

if TYPE_CHECKING:
    from jobs.screenalytics.model import PersonMetric, RunWarning

__all__ = ["TOLERANCE_MS", "ArtifactContext", "ArtifactMetrics", "check_duration"]

# The producer pads intervals without length to 33 ms, and the edges of some: a second is thirty of them.
TOLERANCE_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class ArtifactContext:
    """What the manifest says of an artifact and of its run."""

    artifact_key: str
    run_id: str
    ep_id: str
    duration_ms: int | None

    def error(self, code: str, message: str, json_pointer: str = "", **data: str) -> Rejected:
        """Return the error of a place in the artifact."""
        text = f"artifact {self.artifact_key!r}: {message}"
        return reject(code, text, artifact_key=self.artifact_key, json_pointer=json_pointer, **data)


@dataclass(frozen=True, slots=True)
class ArtifactMetrics:
    """What an artifact says.

    Attributes:
        metrics: one a person.
        rows: entries of the file, which ``row_count`` counts.
        warnings: of the file.
    """

    metrics: tuple[PersonMetric, ...]
    rows: int
    warnings: tuple[RunWarning, ...] = ()


def check_duration(metric: PersonMetric, context: ArtifactContext, json_pointer: str) -> None:
    """Refuse a person's time beyond the duration and :data:`TOLERANCE_MS`; the sum over persons may exceed it.

    Without a duration, the limit is that of a bigint, which sums over casts can pass.

    Raises:
        Rejected: ``OUT_OF_RANGE``.
    """
    most = MAX_MS if context.duration_ms is None else min(MAX_MS, context.duration_ms + TOLERANCE_MS)
    for name in ("onscreen_ms", "speaking_ms", "confessional_ms", "body_ms"):
        value = getattr(metric, name)
        if value is not None and value > most:
            message = (
                f"person {metric.person_id!r} has {name} = {value}; valid is at most {most}, "
                f"duration_ms of the manifest and {TOLERANCE_MS} ms of tolerance"
            )
            raise context.error("OUT_OF_RANGE", message, json_pointer, expected=f"<= {most}", actual=str(value))
