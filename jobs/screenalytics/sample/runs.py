"""Drafts of sample runs: the documents that a producer writes, and the rows expected from them."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from jobs.screenalytics.keys import manifest_key

__all__ = ["Draft", "GroundTruth", "Person", "SampleRun", "Schema"]

Schema = Literal["screentime.v1", "cast_screentime.v1"]

_SPACE: Final = uuid.UUID("8c5ff3c4-53a8-4d2b-9a3f-2f6f3a0f9d51")
_DURATION_MS: Final = 2_580_000
_BEGAN: Final = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
_FIRST: Final = ("Ana", "Bo", "Cleo", "Dev", "Edda", "Finn", "Gwen", "Hal", "Ida", "Jun", "Kaya", "Leo", "Mina")
_LAST: Final = ("Poe", "Quist", "Ruiz", "Sato", "Tran", "Ueda", "Voss", "Wolf", "Yilmaz", "Zorn", "Abel")


@dataclass(frozen=True, slots=True)
class Person:
    """The expected row of one person in ``screenalytics.person_metrics``; None means not computed."""

    name: str
    onscreen_ms: int
    speaking_ms: int | None
    body_ms: int | None

    def __add__(self, other: Person) -> Person:
        return Person(
            self.name,
            self.onscreen_ms + other.onscreen_ms,
            None if self.speaking_ms is None else self.speaking_ms + (other.speaking_ms or 0),
            None if self.body_ms is None else self.body_ms + (other.body_ms or 0),
        )


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The expected outcome of a run.

    Attributes:
        outcome: outcome of an ingest.
        code: error code if the run is not ingested.
        code_in_grace: code of the deferral while the manifest is younger than ``grace_min``.
        persons: expected rows by person_id; empty if the run is not ingested.
    """

    outcome: Literal["ingested", "skipped", "deferred", "failed"]
    code: str | None
    code_in_grace: str | None
    persons: dict[str, Person]


@dataclass(frozen=True, slots=True)
class SampleRun:
    """A sample run with its expected outcome.

    Attributes:
        kind: name of its kind.
        run_id: run id; the same for every seed.
        ep_id: episode.
        manifest_key: key of the manifest, the last one in ``objects``.
        objects: key -> body, in the order of upload.
        truth: its expected outcome.
    """

    kind: str
    run_id: str
    ep_id: str
    manifest_key: str
    objects: dict[str, bytes]
    truth: GroundTruth


@dataclass(slots=True)
class Draft:
    """A good run that a kind modifies: ``rows`` and ``fields`` before :meth:`seal`, other attributes after it.

    Attributes:
        prefix: the folder above ``runs/``.
        run_id: id of the run.
        ep_id: ``SHOW-s01e02``.
        attempt: attempt at the episode.
        number: number of the run; shifts its times.
        seed: seed; with ``run_id``, it determines all random numbers.
        count: number of persons.
        schema: schema_version of the artifact.
        folder: folder of the artifact, with a slash at the end.
        speaking: True if speaking time was computed.
        packed: True if the artifact is gzip-compressed.
        rows: rows of the artifact.
        timeline: intervals by cast, of screentime.v1.
        truth: expected rows by person_id.
        fields: fields of the manifest.
        objects: objects of the run, except its manifest.
    """

    prefix: str
    run_id: str
    ep_id: str
    attempt: int
    number: int
    seed: int
    count: int
    schema: Schema = "screentime.v1"
    folder: str = ""
    speaking: bool = True
    packed: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    truth: dict[str, Person] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed} {self.run_id}")  # noqa: S311 - reproducible
        self.folder = self.folder or self.manifest_key.removesuffix("manifest.json")
        for index in range(self.count):
            self.add(index)
        began = _BEGAN + timedelta(minutes=7 * self.number)
        self.fields = {
            "schema_version": "1.0",
            "run_id": self.run_id,
            "ep_id": self.ep_id,
            "status": "success",
            "started_at": _time(began),
            "completed_at": _time(began + timedelta(seconds=self.random.randint(60, 400))),
            "attempt": self.attempt,
            "duration_ms": _DURATION_MS,
        }

    @property
    def show(self) -> str:
        """The show of the episode."""
        return self.ep_id.rpartition("-")[0]

    @property
    def manifest_key(self) -> str:
        """The key of the manifest."""
        return manifest_key(self.prefix, self.run_id)

    def add(self, index: int, cast: str = "") -> None:
        """Add a row for the person with this number, under a new cast. The times of a person added twice are summed."""
        name = f"{_FIRST[index % len(_FIRST)]} {_LAST[(index // len(_FIRST) + index) % len(_LAST)]}"
        onscreen, body, speaking = self.random.randint(200, 40_000), self.random.randint(0, 9_000), None
        if self.schema == "screentime.v1":
            if self.speaking:
                speaking = self.random.randint(0, 30_000)
            person_id = f"p_{index + 1:04}"
            person = Person(name, 10 * onscreen, speaking and 10 * speaking, 10 * (onscreen + body))
            self.rows.append(_screentime(person_id, str(self._uuid(f"{index}{cast}")), person, self.random))
        else:
            person_id = str(self._uuid(f"person {index}"))
            person = Person(name, 10 * onscreen + self.random.randint(0, 9), None, None)
            self.rows.append(_cast_screentime(person_id, person, self.random))
        previous = self.truth.get(person_id)
        self.truth[person_id] = person if previous is None else previous + person

    def seal(self) -> None:
        """Add the artifact of all rows, and list it in the manifest."""
        screentime = self.schema == "screentime.v1"
        key = self.folder + ("analytics/screentime.json" if screentime else "person_metrics.json")
        body = _json(self._document() if screentime else self.rows)
        if self.packed:
            key, body = f"{key}.gz", gzip.compress(body, mtime=0)
        self.put(key, body, artifact_key="screentime", schema=self.schema, rows=len(self.rows))

    def put(
        self, key: str, body: bytes, *, artifact_key: str, schema: str, rows: int, kind: str = "person_metrics"
    ) -> None:
        """Add an artifact, and list it in the manifest with its size and digest."""
        self.objects[key] = body
        self.fields.setdefault("artifacts", []).append(
            {
                "artifact_key": artifact_key,
                "artifact_kind": kind,
                "s3_key": key,
                "schema_version": schema,
                "content_type": "application/gzip" if key.endswith(".gz") else "application/json",
                "size_bytes": len(body),
                "checksum_sha256": hashlib.sha256(body).hexdigest(),
                "row_count": rows,
            }
        )

    def manifest(self) -> bytes:
        """Return the manifest's bytes."""
        return _json(self.fields)

    def _document(self) -> dict[str, Any]:
        total = round(sum(row["visual_s"] for row in self.rows), 2)
        return {
            "episode_id": self.ep_id,
            "run_id": self.run_id,
            "generated_at": self.fields["completed_at"],
            "diagnostics": {"speaking_time_computed": self.speaking},
            "metadata": {"body_tracking_enabled": True, "body_metrics_available": True},
            "math": {"cast_sum_time_s": total, "self_overlap_top_casts": []},
            "metrics": self.rows,
            "timeline": [*self.timeline, {"name": "Unassigned", "cast_id": None, "intervals": [[12.5, 14.0]]}],
        }

    def _uuid(self, name: str) -> uuid.UUID:
        return uuid.uuid5(_SPACE, f"{self.show} {name}")


def _screentime(person_id: str, cast_id: str, person: Person, rng: random.Random) -> dict[str, Any]:
    body = person.body_ms or 0
    return {
        "name": person.name,
        "cast_id": cast_id,
        "person_id": person_id,
        # The producer rounds to hundredths of a second; dividing whole milliseconds reproduces its digits exactly.
        "face_visible_seconds": person.onscreen_ms / 1000,
        "body_visible_seconds": body / 1000,
        "body_only_seconds": (body - person.onscreen_ms) / 1000,
        "gap_bridged_seconds": rng.randint(0, 500) / 100,
        "visual_s": person.onscreen_ms / 1000,
        "speaking_s": (person.speaking_ms or 0) / 1000,
        "both_s": 0.0,
        "confidence": rng.randint(500, 999) / 1000,
        "tracks_count": rng.randint(1, 60),
        "faces_count": rng.randint(20, 9000),
    }


def _cast_screentime(person_id: str, person: Person, rng: random.Random) -> dict[str, Any]:
    frames = person.onscreen_ms // 1000
    return {
        "person_id": person_id,
        "screen_time_seconds": person.onscreen_ms / 1000,
        "frame_count": frames,
        "confidence_avg": rng.randint(5000, 9999) / 10000,
        "metadata": {"display_name": person.name, "segment_count": rng.randint(1, 90)},
    }


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1).encode()
