"""The kinds of runs in the sample set: how each differs from a good run, and its expected outcome."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from jobs.screenalytics.sample.runs import Draft, GroundTruth, SampleRun, Schema

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GOOD", "SAMPLE_KINDS", "SampleKind", "good", "odd"]

GOOD: Final = "good"
_SHOWS: Final = ("harborlights", "northpier", "kitchenwars")
_EPISODES: Final = 10
_SPACE: Final = uuid.UUID("d1a4c0de-7a55-4b7e-8d35-6a4f2a0c1b77")


@dataclass(frozen=True, slots=True)
class SampleKind:
    """A kind of run.

    Attributes:
        about: description in a few words.
        shape: changes the draft before its artifact is added.
        damage: changes the draft after that; may return the bytes of the manifest.
        outcome: outcome of an ingest.
        code: error code, if it is not ingested.
        young: error code while the manifest is within the grace period.
        schema: schema_version of its artifact.
    """

    about: str
    shape: Callable[[Draft], object] | None = None
    damage: Callable[[Draft], object] | None = None
    outcome: Literal["ingested", "skipped", "deferred", "failed"] = "ingested"
    code: str | None = None
    young: str | None = None
    schema: Schema = "screentime.v1"


def _bad(
    about: str,
    code: str,
    *,
    shape: Callable[[Draft], object] | None = None,
    damage: Callable[[Draft], object] | None = None,
    young: str | None = None,
) -> SampleKind:
    return SampleKind(about, shape, damage, outcome="failed", code=code, young=young)


def _same_person(draft: Draft) -> None:
    draft.add(0, "another cast")


def _overlapping(draft: Draft) -> None:
    """Add a second cast of a person, which overlaps the first by half of the shorter one."""
    draft.add(0, "another cast")
    first, second = draft.rows[0], draft.rows[-1]
    overlap = round(min(first["visual_s"], second["visual_s"]) / 2, 2)
    began = round(first["visual_s"] - overlap, 2)
    for row, start in ((first, 0.0), (second, began)):
        interval = [start, round(start + row["visual_s"], 2)]
        draft.timeline.append({"name": row["name"], "cast_id": row["cast_id"], "intervals": [interval]})
    known = draft.truth[first["person_id"]]
    draft.truth[first["person_id"]] = replace(known, onscreen_ms=known.onscreen_ms - round(overlap * 1000))


def _two_names(draft: Draft) -> None:
    draft.add(0, "another cast")
    draft.rows[-1]["name"] = "Another Name"


def _nobody(draft: Draft) -> None:
    draft.rows.clear()
    draft.truth.clear()


def _canonical(draft: Draft) -> None:
    season, _, episode = draft.ep_id.rpartition("-s")[2].partition("e")
    draft.folder = f"runs/{draft.show}/s{season}/e{episode}/{draft.run_id}/"


def _more(draft: Draft) -> None:
    body = b'{"candidates": []}'
    key = f"{draft.folder}confessional_candidates.json"
    draft.put(key, body, artifact_key="confessionals", schema="confessionals.v3", rows=0, kind="candidates")


def _twice(draft: Draft) -> None:
    draft.rows.append(dict(draft.rows[0]))


def _ended(status: str) -> Callable[[Draft], None]:
    def damage(draft: Draft) -> None:
        draft.fields.update(status=status, artifacts=[])
        draft.objects.clear()

    return damage


def _artifact(**changes: object) -> Callable[[Draft], None]:
    return lambda draft: draft.fields["artifacts"][0].update(changes)


def _escape(draft: Draft) -> None:
    draft.fields["artifacts"][0]["s3_key"] = f"{draft.folder}../secret.json"


def _text(before: bytes, after: bytes) -> Callable[[Draft], bytes]:
    return lambda draft: draft.manifest().replace(before, after, 1)


SAMPLE_KINDS: Final[dict[str, SampleKind]] = {
    GOOD: SampleKind("a normal run; each episode has two attempts"),
    # ingested
    "two-casts": SampleKind("one person under two casts, whose times are summed", _same_person),
    "empty": SampleKind("nobody was seen", _nobody),
    "rounding": SampleKind("2.01 s, which is 2009 ms in float arithmetic", lambda draft: _seconds(draft, 2010)),
    "status-alias": SampleKind("status SUCCESS", lambda draft: draft.fields.update(status="SUCCESS")),
    "extra-field": SampleKind("a field that is not in the contract", lambda draft: draft.fields.update(reviewer="Ida")),
    "cast-screentime": SampleKind("an artifact of the other version", schema="cast_screentime.v1"),
    "canonical-layout": SampleKind("artifact stored under runs/SHOW/sSS/eEE/RUN/", _canonical),
    "gzip": SampleKind("gzip-compressed artifact", lambda draft: setattr(draft, "packed", True)),
    "more-artifacts": SampleKind("an additional artifact that is not read", None, _more),
    # not ingested, and no failure
    "running": SampleKind("still running", None, _ended("running"), outcome="deferred", code="RUN_RUNNING"),
    "failed": SampleKind("failed at the producer", None, _ended("failed"), outcome="skipped"),
    "blocked": SampleKind("blocked at the producer", None, _ended("BLOCKED"), outcome="skipped"),
    # failures
    "version-9.9": _bad(
        "an unknown, future version",
        "UNSUPPORTED_VERSION",
        damage=lambda draft: draft.fields.update(schema_version="9.9"),
    ),
    "half-written": _bad(
        "truncated manifest",
        "MANIFEST_PARSE",
        damage=lambda draft: draft.manifest()[: len(draft.manifest()) // 2],
        young="MANIFEST_INCOMPLETE",
    ),
    "duplicate-key": _bad(
        "the key attempt appears twice", "DUPLICATE_KEY", damage=_text(b'"attempt": 1', b'"attempt": 1,\n "attempt": 2')
    ),
    "checksum": _bad("wrong checksum", "CHECKSUM_MISMATCH", damage=_artifact(checksum_sha256="0" * 64)),
    "missing-artifact": _bad(
        "missing artifact",
        "ARTIFACT_MISSING",
        damage=lambda draft: draft.objects.clear(),
        young="ARTIFACT_NOT_YET",
    ),
    "row-count": _bad("wrong row_count", "ROW_COUNT_MISMATCH", damage=_artifact(row_count=10_001)),
    "no-summary": _bad(
        "no person_metrics artifact", "NO_SUMMARY", damage=lambda draft: draft.fields["artifacts"].clear()
    ),
    "escape": _bad("a key with ../", "KEY_ESCAPE", damage=_escape),
    "negative": _bad("a person with -1 s", "NEGATIVE", shape=lambda draft: _seconds(draft, -1000)),
    "duplicate-person": _bad("one person and cast twice", "DUPLICATE_PERSON", shape=_twice),
    # New kinds go last, because the position of a kind determines its episode.
    "overlapping-casts": SampleKind("two casts of a person on screen at once, counted once", _overlapping),
    "person-conflict": _bad("two names under one person_id", "PERSON_CONFLICT", shape=_two_names),
}


def _seconds(draft: Draft, milliseconds: int) -> None:
    row = draft.rows[0]
    row["visual_s"] = row["face_visible_seconds"] = milliseconds / 1000
    known = draft.truth[row["person_id"]]
    draft.truth[row["person_id"]] = type(known)(known.name, milliseconds, known.speaking_ms, known.body_ms)


def good(prefix: str, number: int, *, seed: int, persons: int) -> SampleRun:
    """Return a good run: two attempts per episode; the last of the shows has the other kind of artifact."""
    episode, attempt = number // 2, 1 + number % 2
    show = _SHOWS[episode % len(_SHOWS)]
    season, place = divmod(episode // len(_SHOWS), _EPISODES)
    other = episode % len(_SHOWS) == len(_SHOWS) - 1
    # The producer uses two forms of run_id.
    day, minutes = divmod(7 * number, 24 * 60)
    stamp = f"{2026 + day // 336}-{1 + day // 28 % 12:02}-{1 + day % 28:02}_{minutes // 60:02}{minutes % 60:02}00"
    draft = Draft(
        prefix,
        str(uuid.uuid5(_SPACE, str(number))) if other else f"Attempt{attempt}_{stamp}EST",
        f"{show}-s{1 + season:02}e{1 + place:02}",
        attempt,
        number,
        seed,
        persons,
        schema="cast_screentime.v1" if other else "screentime.v1",
        speaking=episode % 2 == 0,
    )
    return _finished(GOOD, draft)


def odd(prefix: str, name: str, *, seed: int, persons: int) -> SampleRun:
    """Return the run of any other kind; its run_id is the name of the kind."""
    number = list(SAMPLE_KINDS).index(name)
    schema = SAMPLE_KINDS[name].schema
    draft = Draft(prefix, name, f"oddcases-s01e{number:02}", 1, number, seed, persons, schema=schema)
    return _finished(name, draft)


def _finished(name: str, draft: Draft) -> SampleRun:
    kind = SAMPLE_KINDS[name]
    if kind.shape is not None:
        kind.shape(draft)
    draft.seal()
    body = kind.damage(draft) if kind.damage is not None else None
    manifest = body if isinstance(body, bytes) else draft.manifest()
    truth = GroundTruth(kind.outcome, kind.code, kind.young, draft.truth if kind.outcome == "ingested" else {})
    objects = {**draft.objects, draft.manifest_key: manifest}
    return SampleRun(name, draft.run_id, draft.ep_id, draft.manifest_key, objects, truth)
