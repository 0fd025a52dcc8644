"""Input and output of artifact readers; reject a person's time that exceeds the video by more than a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.contract.run_manifest import MAX_MS
from jobs.screenalytics.errors import Rejected, reject

if TYPE_CHECKING:
    from jobs.screenalytics.model import CastMetric, PersonMetric, RunWarning

__all__ = ["TOLERANCE_MS", "ArtifactContext", "ArtifactMetrics", "check_duration"]

# The producer pads intervals of zero length to 33 ms, and extends the edges of others. One second allows for 30 of
# these.
TOLERANCE_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class ArtifactContext:
    """The facts from the manifest that a reader of an artifact needs."""

    artifact_key: str
    run_id: str
    ep_id: str
    duration_ms: int | None

    def error(self, code: str, message: str, json_pointer: str = "", **data: str) -> Rejected:
        """Return the error for a location in the artifact."""
        text = f"artifact {self.artifact_key!r}: {message}"
        return reject(code, text, artifact_key=self.artifact_key, json_pointer=json_pointer, **data)


@dataclass(frozen=True, slots=True)
class ArtifactMetrics:
    """The content of an artifact.

    Attributes:
        metrics: metrics, one per person.
        casts: the file's entries, in file order.
        warnings: warnings about the file.
    """

    metrics: tuple[PersonMetric, ...]
    casts: tuple[CastMetric, ...]
    warnings: tuple[RunWarning, ...] = ()

    @property
    def rows(self) -> int:
        """The number of entries in the file, for comparison with ``row_count``."""
        return len(self.casts)


def check_duration(metric: PersonMetric, context: ArtifactContext, json_pointer: str) -> None:
    """Reject a person's metric if a time exceeds the duration plus :data:`TOLERANCE_MS`.

    The sum over persons may exceed the duration. Without a duration, the limit is that of a bigint, which a sum over
    casts can exceed.

    Raises:
        Rejected: ``OUT_OF_RANGE``.
    """
    limit = MAX_MS if context.duration_ms is None else min(MAX_MS, context.duration_ms + TOLERANCE_MS)
    for name in ("onscreen_ms", "speaking_ms", "confessional_ms", "body_ms"):
        value = getattr(metric, name)
        if value is not None and value > limit:
            message = (
                f"person {metric.person_id!r} has {name} = {value}; expected at most {limit}, "
                f"the manifest's duration_ms plus {TOLERANCE_MS} ms"
            )
            raise context.error("OUT_OF_RANGE", message, json_pointer, expected=f"<= {limit}", actual=str(value))
