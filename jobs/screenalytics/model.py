"""What is read of a run, as plain values: the same whatever the version of its documents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

__all__ = ["Artifact", "ManifestObject", "ManifestRef", "PersonMetric", "Run", "RunWarning", "SkippedRun"]


@dataclass(frozen=True, slots=True)
class ManifestRef:
    """Where a run's manifest is said to be.

    Attributes:
        run_id: from the key, or from the event.
        key: of the manifest, within the bucket.
        etag: as the listing has it; None where nothing was listed.
        modified: as the listing has it.
    """

    run_id: str
    key: str
    etag: str | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """The bytes of a manifest, read once: what is hashed is what is parsed.

    Attributes:
        ref: what was asked for.
        body: at most ``max_manifest_mb``.
        sha256: of the body, 64 hexadecimal digits.
        etag: of the object that was read.
        modified: of that object.
    """

    ref: ManifestRef
    body: bytes
    sha256: str
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class RunWarning:
    """Something odd that costs no row; counted by code, and kept with the run."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a run, as its manifest names it.

    Attributes:
        artifact_key: its name within the run.
        artifact_kind: such as ``person_metrics``.
        s3_key: within the bucket; for one that was not fetched, what the manifest says.
        schema_version: such as ``screentime.v1``.
        content_type: as the manifest says.
        sha256: lower case; None where the manifest has none.
        size_bytes: None where the manifest has none.
        row_count: None where the manifest has none.
        fetched: whether it was read and verified.
    """

    artifact_key: str
    artifact_kind: str
    s3_key: str
    schema_version: str
    content_type: str | None
    sha256: str | None
    size_bytes: int | None
    row_count: int | None
    fetched: bool


@dataclass(frozen=True, slots=True)
class PersonMetric:
    """One person of a run. Times are whole milliseconds; None: not computed.

    Attributes:
        person_id: as the producer has it, verbatim: ``p_0001``, ``cast:…`` or a uuid; unique in the run.
        cast_ids: the casts that were summed, sorted.
        name: for people; None where none is known.
        onscreen_ms: seen.
        speaking_ms: heard.
        confessional_ms: in confessionals.
        body_ms: body seen.
        confidence: 0 to 1, three decimals.
        artifact_key: whence.
    """

    person_id: str
    cast_ids: tuple[str, ...]
    name: str | None
    onscreen_ms: int
    speaking_ms: int | None
    confessional_ms: int | None
    body_ms: int | None
    confidence: Decimal | None
    artifact_key: str

    def facts(self) -> list[Any]:
        """What the output hash covers."""
        return [
            self.person_id,
            list(self.cast_ids),
            self.name,
            self.onscreen_ms,
            self.speaking_ms,
            self.confessional_ms,
            self.body_ms,
            None if self.confidence is None else f"{self.confidence:.3f}",
            self.artifact_key,
        ]


@dataclass(frozen=True, slots=True)
class Run:
    """A successful run, read and verified: all that is written.

    Attributes:
        run_id: also in the manifest's key.
        ep_id: the producer's episode, such as ``rhoslc-s06e11``.
        manifest_key: within the bucket.
        manifest_sha256: of the bytes that were parsed.
        manifest_etag: of the object they came from.
        schema_version: of the manifest.
        attempt: of the producer at this episode; None where it says none.
        started_at: in UTC, as the producer says.
        completed_at: in UTC, as the producer says.
        duration_ms: of the episode's video.
        artifacts: all that the manifest names, by key.
        metrics: by person.
        warnings: in the order in which they were found.
        bytes_read: manifest and artifacts.
    """

    run_id: str
    ep_id: str
    manifest_key: str
    manifest_sha256: str
    manifest_etag: str
    schema_version: str
    attempt: int | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    artifacts: tuple[Artifact, ...]
    metrics: tuple[PersonMetric, ...]
    warnings: tuple[RunWarning, ...] = ()
    bytes_read: int = field(default=0, compare=False)

    @property
    def output_hash(self) -> str:
        """The sha256 of the facts that product tables hold: no times of ours, no versions, no ETag, no warnings."""
        facts = [
            self.run_id,
            self.ep_id,
            self.attempt,
            None if self.completed_at is None else self.completed_at.isoformat(),
            self.duration_ms,
            sorted(metric.facts() for metric in self.metrics),
        ]
        text = json.dumps(facts, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SkippedRun:
    """A run that ended without success: counted, never ingested.

    Attributes:
        run_id: of the manifest.
        ep_id: of the manifest.
        status: canonical.
        manifest_sha256: of the bytes that were parsed.
    """

    run_id: str
    ep_id: str
    status: Literal["failed", "blocked", "cancelled"]
    manifest_sha256: str
