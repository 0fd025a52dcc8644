"""Data classes of a run, independent of its documents' versions, and the ``output_hash`` of its content."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

__all__ = [
    "Artifact",
    "CastMetric",
    "ManifestObject",
    "ManifestRef",
    "PersonMetric",
    "RunWarning",
    "ScreenalyticsRun",
    "SkippedRun",
    "canonical_uuid",
]

_HEX: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UUID: Final = re.compile(rf"(?:urn:uuid:)?({_HEX})|\{{({_HEX})\}}", re.IGNORECASE)


def canonical_uuid(text: str) -> str | None:
    """Return a UUID in lower case, without braces and ``urn:uuid:``; None for any other text.

    >>> canonical_uuid("{B7F10000-0000-4000-8000-00000000000A}")
    'b7f10000-0000-4000-8000-00000000000a'

    32 digits without hyphens may be any other number in hexadecimal, such as an MD5.
    """
    found = _UUID.fullmatch(text.strip())
    return (found[1] or found[2]).lower() if found else None


@dataclass(frozen=True, slots=True)
class ManifestRef:
    """The location of a run's manifest.

    Attributes:
        run_id: from the key or from the event.
        key: key of the manifest in the bucket.
        etag: from the listing; None if it was not listed.
        modified: from the listing.
    """

    run_id: str
    key: str
    etag: str | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """The bytes of a manifest, read once, so that the bytes hashed are the bytes parsed.

    Attributes:
        ref: the location that was requested.
        body: at most ``max_manifest_mb`` long.
        sha256: digest of the body, 64 hexadecimal digits.
        etag: ETag of the object that was read.
        modified: modification time of that object.
    """

    ref: ManifestRef
    body: bytes
    sha256: str
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class RunWarning:
    """Something odd about a run that loses no row; counted by code, and stored with the run."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a run, as listed in its manifest.

    Attributes:
        artifact_key: its name within the run.
        artifact_kind: such as ``person_metrics``.
        s3_key: key in the bucket; if it was not fetched, as written in the manifest.
        schema_version: such as ``screentime.v1``.
        content_type: from the manifest.
        sha256: lower case; None if the manifest has none.
        size_bytes: None if the manifest has none.
        row_count: None if the manifest has none.
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
    """One person of a run. Times are whole milliseconds; None means not computed.

    Attributes:
        person_id: from the producer: ``p_0001`` or ``cast:…`` verbatim, or a UUID in :func:`canonical_uuid`'s form;
            unique in the run.
        cast_ids: the casts summed up in this row, sorted.
        name: display name; None if unknown.
        onscreen_ms: time on screen.
        speaking_ms: time speaking.
        confessional_ms: time in confessionals.
        body_ms: time with the body visible.
        confidence: from 0 to 1, three decimals.
        artifact_key: the artifact it comes from.
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
        """Return the values that the output hash covers."""
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
class CastMetric:
    """One entry of an artifact, verbatim. Times are whole milliseconds; None means not computed.

    Attributes:
        artifact_key: the artifact it comes from.
        entry: its index in the artifact's list, from 0.
        person_id: as in :class:`PersonMetric`; several casts may share one.
        cast_id: verbatim from the producer; None if the entry has none.
        name: display name; None if unknown.
        onscreen_ms: time on screen.
        speaking_ms: time speaking.
        confessional_ms: time in confessionals.
        body_ms: time with the body visible.
        confidence: from 0 to 1, three decimals.
    """

    artifact_key: str
    entry: int
    person_id: str
    cast_id: str | None
    name: str | None
    onscreen_ms: int
    speaking_ms: int | None
    confessional_ms: int | None
    body_ms: int | None
    confidence: Decimal | None

    def as_person(self) -> PersonMetric:
        """Return the row of a person with only this entry."""
        return PersonMetric(
            person_id=self.person_id,
            cast_ids=() if self.cast_id is None else (self.cast_id,),
            name=self.name,
            onscreen_ms=self.onscreen_ms,
            speaking_ms=self.speaking_ms,
            confessional_ms=self.confessional_ms,
            body_ms=self.body_ms,
            confidence=self.confidence,
            artifact_key=self.artifact_key,
        )


@dataclass(frozen=True, slots=True)
class ScreenalyticsRun:
    """A successful run, read and verified: everything that is written.

    Attributes:
        run_id: the same as in the manifest's key.
        ep_id: the producer's episode, such as ``rhoslc-s06e11``.
        manifest_key: key in the bucket.
        manifest_sha256: digest of the bytes that were parsed.
        manifest_etag: ETag of the object they came from.
        schema_version: version of the manifest.
        attempt: the producer's attempt at this episode; None if not given.
        started_at: the producer's time, in UTC.
        completed_at: the producer's time, in UTC.
        duration_ms: length of the episode's video.
        artifacts: all artifacts in the manifest, sorted by key.
        metrics: one per person, sorted by person_id.
        casts: one per entry of an artifact; empty for a run ingested before casts were stored.
        warnings: in the order they were found.
        bytes_read: bytes of manifest and artifacts.
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
    casts: tuple[CastMetric, ...] = ()
    warnings: tuple[RunWarning, ...] = ()
    bytes_read: int = field(default=0, compare=False)

    @property
    def output_hash(self) -> str:
        """The sha256 of the facts in product tables; excludes ingest times, versions, ETags and warnings.

        A cast with the same values as its person adds nothing, so such a run's hash is the same as before casts were
        stored.
        """
        facts: list[Any] = [
            self.run_id,
            self.ep_id,
            self.attempt,
            None if self.completed_at is None else self.completed_at.isoformat(),
            self.duration_ms,
            sorted(metric.facts() for metric in self.metrics),
        ]
        persons = {metric.person_id: metric.facts() for metric in self.metrics}
        casts = [cast.as_person().facts() for cast in self.casts]
        if merged := [cast for cast in casts if cast != persons.get(cast[0])]:
            facts.append(sorted(merged, key=lambda cast: cast[:2]))
        text = json.dumps(facts, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SkippedRun:
    """A run that ended without success; counted but never ingested.

    Attributes:
        run_id: from the manifest.
        ep_id: from the manifest.
        status: in its canonical spelling.
        manifest_sha256: digest of the bytes that were parsed.
    """

    run_id: str
    ep_id: str
    status: Literal["failed", "blocked", "cancelled"]
    manifest_sha256: str
