"""Tables of schema screenalytics, and its views in schema gold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import INSERTED, PIPELINE_RUN, Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CAST_PERSONS", "PERSONS", "SCREENALYTICS"]

_STATE: Final = (
    "`ingested`, `skipped`, `deferred` (checked again), `rejected`, `quarantined` (a known run changed), `dead` (set"
    " aside after five failures), or `source_deleted`"
)
_FAILURE: Final = {"code": "[code](screenalytics.md#codes) of the failure", "message": "its message"}
_MANIFEST: Final = {"source": "the bucket", "manifest_key": "key of the manifest", "run_id": "the producer's run"}
_MS: Final = "milliseconds; NULL if it was not computed"

_RUNS: Final[Mapping[str, str]] = {
    "run_id": "the producer's id of the run",
    "ep_id": "the producer's episode, such as `rhoslc-s06e11`",
    "source": "the bucket",
    "manifest_key": "key of the run's manifest",
    "manifest_sha256": "SHA-256 of the manifest's bytes",
    "manifest_etag": "ETag of the manifest",
    "schema_version": "version of the manifest, such as `1.0`",
    "status": "`ingested`, or `source_deleted` if its manifest is gone",
    "attempt": "the producer's counter of runs per episode; NULL if the manifest has none",
    **dict.fromkeys(("started_at", "completed_at"), "according to the producer"),
    "duration_ms": "duration of the episode's video in milliseconds",
    "persons": "number of persons",
    "warnings": "oddities that were tolerated, up to 100",
    "output_hash": "SHA-256 of the stored facts; equal content has equal hashes",
    "revision": "1, +1 per `replay --accept-changed`",
    "pipeline_run_id": PIPELINE_RUN,
    "ingested_at": "when the run was ingested",
    "updated_at": "when the row last changed",
}
_CASTS: Final = {"casts": "number of rows in `cast_metrics`; NULL if ingested before schema version 0004"}

_METRICS: Final[Mapping[str, str]] = {
    "run_id": "the producer's run",
    "person_id": "the producer's id of the person, `cast:CAST_ID`, or a UUID",
    "cast_ids": "the casts of this person, sorted; `cast_metrics` has each of them",
    "name": "display name",
    "onscreen_ms": "time on screen in milliseconds; time for which the timeline shows two casts counts once",
    "speaking_ms": f"time speaking, {_MS}; may exceed `onscreen_ms`",
    "confessional_ms": f"time in confessionals, {_MS}",
    "body_ms": f"time with a visible body, {_MS}",
    "confidence": "0 to 1, rounded half up to 3 decimals; for several casts, the mean weighted by time on screen",
    "artifact_key": "the artifact that the row comes from",
    "artifact_schema_version": "version of that artifact, such as `screentime.v1`",
    "manifest_key": "key of the run's manifest",
    "schema_version": "version of the run's manifest",
    "pipeline_run_id": PIPELINE_RUN,
    "ingested_at": "when the run was ingested",
}

_CAST_METRICS: Final[Mapping[str, str]] = {
    "run_id": _METRICS["run_id"],
    "artifact_key": _METRICS["artifact_key"],
    "entry": "index of the entry in the artifact's list, from 0",
    "person_id": _METRICS["person_id"],
    "cast_id": "the producer's id of the cast; NULL if the entry has none",
    "name": "display name, verbatim",
    "onscreen_ms": "time on screen in milliseconds, verbatim; casts of one person may overlap",
    **{name: _METRICS[name] for name in ("speaking_ms", "confessional_ms", "body_ms")},
    "confidence": "0 to 1, rounded half up to 3 decimals",
}

_EPISODE_LINK: Final = {"episode_id": "your catalogue's id of the episode; NULL without a row in `episode_links`"}
_PERSON_LINK: Final = {
    "person_ref": "your catalogue's id of the person: `person_id` if that is a UUID, otherwise from `person_links`"
}

SCREENALYTICS: Final[Mapping[str, Relation]] = {
    "screenalytics.runs": Relation("a run that was ingested", {**_RUNS, **_CASTS}),
    "screenalytics.artifacts": Relation(
        "a file that a run's manifest names",
        {
            "run_id": "the producer's run",
            "artifact_key": "its name within the run",
            "artifact_kind": "`person_metrics`, or another kind that is recorded but not read",
            "s3_key": "its key in the bucket",
            "schema_version": "version of the file, such as `screentime.v1`",
            **dict.fromkeys(("content_type", "sha256", "size_bytes", "row_count"), "according to the manifest"),
            "fetched": "true if it was read and verified",
        },
    ),
    "screenalytics.person_metrics": Relation("a person of a run", _METRICS),
    "screenalytics.cast_metrics": Relation("a cast of a run: an entry of an artifact", _CAST_METRICS),
    "screenalytics.replaced_runs": Relation(
        "a run as it was before `replay --accept-changed`",
        {
            "run_id": "the producer's run",
            "revision": "the revision that was replaced",
            "replaced_at": "when it was replaced",
            "replaced_by": "`run_id` in `pipeline.runs` of the replay",
            **dict.fromkeys(("run", "artifacts", "person_metrics"), "its old rows in the table of that name"),
            "cast_metrics": "the same; NULL if unknown",
        },
    ),
    "screenalytics.ingest_items": Relation(
        "a manifest that was seen, with its latest state",
        {
            **_MANIFEST,
            "state": _STATE,
            "attempts": "failures in a row",
            "etag": "ETag of the manifest that was read last",
            "manifest_sha256": "its SHA-256",
            **_FAILURE,
            "first_seen_at": "when it was first seen",
            "last_at": "when its state was last written",
            "pipeline_run_id": PIPELINE_RUN,
        },
    ),
    "screenalytics.ingest_attempts": Relation(
        "an attempt to ingest a run; append-only, `telecine vacuum` deletes old ones",
        {
            "id": "sequence number",
            **_MANIFEST,
            "arrival": "`event`, `poll`, `replay` or `verify`",
            "outcome": "how it ended, such as `ingested`, `rejected` or `dead`",
            "attempt": "failures in a row, including this one",
            "manifest_sha256": "SHA-256 of the manifest",
            **_FAILURE,
            "pipeline_run_id": PIPELINE_RUN,
            "at": "when it ended",
        },
    ),
    "screenalytics.outbox_events": Relation(
        "an event that announces a run; the producer inserts it",
        {
            "event_id": "a UUID of the producer",
            "event_type": "`screenalytics.run.completed`",
            "aggregate_id": "the producer's run",
            "payload_json": "optional `manifest_key` and `manifest_sha256`",
            "created_at": INSERTED,
            "delivered_at": "when its run was processed; NULL while it waits",
            "delivery_attempts": "failed deliveries; at 5 the event is set aside; set it to 0 to retry",
            "last_error": "message of the last failed delivery",
        },
    ),
    "screenalytics.episode_links": Relation(
        "a link from an episode to your catalogue; you insert it",
        {"ep_id": _RUNS["ep_id"], "episode_id": "your catalogue's id", "linked_at": INSERTED},
    ),
    "screenalytics.person_links": Relation(
        "a link from a person of a show to your catalogue; you insert it",
        {
            "show": "`ep_id` without `-sSSeEE`",
            "person_id": "the producer's person, unique per show",
            "person_ref": "your catalogue's id",
            "linked_at": INSERTED,
        },
    ),
    "screenalytics.latest_runs": Relation(
        "the latest run of an episode: the one with the highest `attempt` or a later one without it; deleted runs last",
        {**_RUNS, **_EPISODE_LINK, **_CASTS},
    ),
    "screenalytics.latest_person_metrics": Relation(
        "a person of a run in `latest_runs`", {"ep_id": _RUNS["ep_id"], **_EPISODE_LINK, **_METRICS, **_PERSON_LINK}
    ),
}

PERSONS: Final = Relation(
    "a person of an episode, from its latest run",
    {
        "ep_id": _RUNS["ep_id"],
        **_EPISODE_LINK,
        "person_id": _METRICS["person_id"],
        **_PERSON_LINK,
        **{name: _METRICS[name] for name in ("name", "onscreen_ms", "speaking_ms", "confessional_ms", "body_ms")},
        **{name: _METRICS[name] for name in ("confidence", "run_id", "pipeline_run_id", "ingested_at")},
    },
)

CAST_PERSONS: Final = Relation(
    "a cast of a person of an episode, from its latest run",
    {
        "ep_id": _RUNS["ep_id"],
        **_EPISODE_LINK,
        "person_id": _METRICS["person_id"],
        **_PERSON_LINK,
        **{name: _CAST_METRICS[name] for name in ("cast_id", "name", "onscreen_ms", "speaking_ms", "confessional_ms")},
        **{name: _CAST_METRICS[name] for name in ("body_ms", "confidence", "run_id", "artifact_key", "entry")},
        **{name: _METRICS[name] for name in ("pipeline_run_id", "ingested_at")},
    },
)
