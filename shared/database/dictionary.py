"""The data dictionary: what every table, view and column means.

docs/tables.md is generated from it and from a migrated database's catalog, which has the types. A test compares the
two: a migration that adds a column adds its description here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DICTIONARY", "Relation"]


class Relation(NamedTuple):
    """A table or view: what one row is, and its columns with their meanings, in the catalog's order."""

    row: str
    columns: Mapping[str, str]


_STATUS: Final = "`pending`, `running`, `success`, `partial`, `failed`, `skipped`, `cancelled` or `interrupted`"
_STATE: Final = (
    "`ingested`, `skipped`, `deferred` (checked again), `rejected`, `quarantined` (a known run changed), `dead` (set"
    " aside after five failures), or `source_deleted`"
)
_PIPELINE_RUN: Final = "`run_id` in `pipeline.runs` of the run that wrote the row"
_INSERTED: Final = "when it was inserted"
_FAILURE: Final = {"code": "[code](screenalytics.md#codes) of the failure", "message": "its message"}
_MANIFEST: Final = {"source": "the bucket", "manifest_key": "key of the manifest", "run_id": "the producer's run"}
_MS: Final = "milliseconds; NULL if it was not computed"

_LEDGER: Final[Mapping[str, Relation]] = {
    "pipeline.schema_version": Relation(
        "the version of the schema (the table has one row)", {"version_num": "the last migration"}
    ),
    "pipeline.environment": Relation(
        "the environment that the database belongs to (the table has one row)",
        {
            "single": "always true; keeps the table to one row",
            "name": "`dev`, `staging` or `prod`; `TELECINE_DATABASE_ENVIRONMENT` must equal it",
            "created_at": "first migration",
            "oldest_code": "oldest schema version whose code can still use the database",
        },
    ),
    "pipeline.runs": Relation(
        "a run: one command on a laptop, one Workflow in a cluster",
        {
            "run_id": "the Workflow's uid, or a UUID",
            "pipeline": "`gamedata`, `screenalytics` or `media`: that of the step that opened the run",
            "status": f"{_STATUS}; the most severe of its stages",
            "parameters": "the settings that it was opened with, without secrets",
            "version": "version of telecine",
            "host": "host and process id",
            "created_at": "when the row was inserted",
            "started_at": "when the first stage started",
            "heartbeat_at": "last heartbeat, every 10 s; after 60 s without one the run is `interrupted`",
            "finished_at": "NULL while it is `pending` or `running`",
            "error_stage": "the stage that determines the status; NULL if all succeeded",
            "error_message": "its message",
        },
    ),
    "pipeline.run_stages": Relation(
        "a stage of a run: its last attempt",
        {
            "run_id": "the run",
            "stage": "such as `extract`, `manifest` or `sync_screenalytics`",
            "stage_order": ("1 plan, 2 extract, 3 manifest, 4 match, 5 trakt, 6 sync_screenalytics, 7 publish"),
            "pipeline": "the pipeline of the stage; a `media` run has stages of several",
            "status": _STATUS,
            "attempt": "1 for the first, +1 per retry",
            "parameters": "the settings of the stage, without secrets",
            "version": "version of telecine",
            "host": "host and process id",
            "started_at": "start of the attempt",
            "heartbeat_at": "last heartbeat",
            "finished_at": "NULL while it is `pending` or `running`",
            "duration_ms": "milliseconds the stage took; NULL while it runs",
            "counts": "counters of the stage's report",
            "exit_code": "exit code of the command",
            "input_hash": "hash of what the stage read; NULL if it has none",
            "output_hash": "hash of what the stage wrote; equal hashes, equal content",
            "manifest_key": "URI or path of the manifest that the stage wrote",
            "error_message": "the error that ended the stage",
            "error_details": "summary and up to 50 errors, at most 64 KB",
            "rayjob_uid": "uid of the RayJob that did the work; NULL without one",
        },
    ),
    "pipeline.item_errors": Relation(
        "an item (TAR, session, run) that failed in a stage",
        {
            "run_id": "the run",
            "stage": "the stage",
            "item": "a TAR's key, a session's key, or a run's id",
            "code": "error code: [gamedata](gamedata.md#error-codes), [screenalytics](screenalytics.md#codes)",
            "retryable": "true if a retry may succeed",
            "attempt": "which attempt at this item it was",
            "input_hash": "ETag or SHA-256 of the input; a changed input is retried",
            "message": "error message",
            "details": "further facts, such as `expected` and `actual`",
            "at": "when it failed",
        },
    ),
    "pipeline.notifications": Relation(
        "a notification about a run",
        {
            "run_id": "the run",
            "channel": "`webhook` or `mail`",
            "created_at": "when it was first attempted",
            "sent_at": "when it was sent; NULL if it was not",
        },
    ),
}

_SESSIONS: Final = Relation(
    "a game session, as in the last manifest that was published",
    {
        "s3_key": "the TAR's key in the source bucket",
        "video_id": "the video's file name without its suffix",
        "duration_s": "duration of the video stream in seconds",
        "sampled": "samples over all strides, repeated frames included",
        "is_video_mostly_dark": "the picture is dark most of the time",
        "dark_frame_share": "share of the time that is dark, 0 to 1",
        "is_dpi_scale_issue": "two opposite sides are black bars",
        "black_bar_share": "share of the picture covered by black bars, 0 to 1",
        "is_video_mostly_menu": "menus are shown most of the time",
        "video_menu_percent": "share of the time that shows menus, 0 to 1",
        "menu_method": "how menus were found: `static`, `references` or `model`",
        "input_device_class": "`keyboard_mouse`, `gamepad`, `mixed` or `none`; NULL if unknown",
        "is_session_empty": "the session contains nothing usable",
        "empty_reason": "`no_frames`, `black` or `no_inputs`; NULL if it is not known to be empty",
        "has_unusable_timestamps": "the inputs cannot be aligned with the video",
        "timestamps_reason": "`invalid`, `integer`, `unordered` or `span`; NULL if they are not known to be unusable",
        "frames_state": "`ok`, `partly_damaged`, `damaged`, `single` or `none`: why a flag of the picture is NULL; NULL"
        " if extraction failed, or published before schema version 0005",
        "inputs_state": "`ok`, `partly_invalid`, `invalid`, `no_rows`, `missing` or `not_recorded`: why a flag of the"
        " inputs is NULL; NULL if extraction failed, or published before schema version 0005",
        "error_stage": "`extraction` or `manifest`; NULL without an error",
        "error_code": "[error code](gamedata.md#error-codes); NULL without an error",
        "error": "error message",
        "check_errors": "one message per check that raised",
        "warnings": "oddities of the input that were tolerated",
        "video_metadata": "`format` and `streams` as ffprobe prints them",
        "session_metadata": "the contents of `metadata.json`",
        "further_checks": "columns of checks passed with `--checks`; NULL without any",
        "source_etag": "ETag of the TAR that was read",
        "spec_digest": "hash of the sampling settings",
        "content_hash": "hash of the row's content; a row with an equal hash is not rewritten",
        "run_id": "the run that last changed the row",
        "published_at": "when the row last changed",
    },
)

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
    "pipeline_run_id": _PIPELINE_RUN,
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
    "pipeline_run_id": _PIPELINE_RUN,
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

_SCREENALYTICS: Final[Mapping[str, Relation]] = {
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
            "pipeline_run_id": _PIPELINE_RUN,
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
            "pipeline_run_id": _PIPELINE_RUN,
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
            "created_at": _INSERTED,
            "delivered_at": "when its run was processed; NULL while it waits",
            "delivery_attempts": "failed deliveries; at 5 the event is set aside; set it to 0 to retry",
            "last_error": "message of the last failed delivery",
        },
    ),
    "screenalytics.episode_links": Relation(
        "a link from an episode to your catalogue; you insert it",
        {"ep_id": _RUNS["ep_id"], "episode_id": "your catalogue's id", "linked_at": _INSERTED},
    ),
    "screenalytics.person_links": Relation(
        "a link from a person of a show to your catalogue; you insert it",
        {
            "show": "`ep_id` without `-sSSeEE`",
            "person_id": "the producer's person, unique per show",
            "person_ref": "your catalogue's id",
            "linked_at": _INSERTED,
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

_PERSONS: Final = Relation(
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

_CAST_PERSONS: Final = Relation(
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

_FILLED: Final = {
    "source": "the source that added the row (`catalog import --source`)",
    "sources": "field -> source, for fields that another source has filled; `status` only if a file has stated it",
}
_EPISODE_NUMBERS: Final = {
    "season": "season; whole numbers without leading zeros, other text as it is",
    "episode": "episode, likewise",
    "season_no": "`season` as a number; NULL if it is not a whole number",
    "episode_no": "`episode` as a number, likewise",
}
_TITLE_SLOT: Final = {
    "language": "language of the title, such as `es` or `pt-br`; `und` if its column names none",
    "position": "1, or the number after the dot of its column (`title-es.2`)",
    "main": "true for the title that represents it: the one without a language, else English, else the first",
}
_DEAL_FIELD: Final = "{} as the platform writes it; NULL fits any"
_DEAL_RESULT: Final = "{} that rows of the deal get; NULL keeps their own"


def _place(name: str, many: str) -> dict[str, Relation]:
    return {
        f"catalog.{many}": Relation(
            f"a {name}",
            {
                "id": "its number",
                "code": f"code of the {name}, which is one of its names as well; NULL if it has none",
                "name": "its first name",
                "active": "false: not recognised in uploads",
                **_FILLED,
            },
        ),
        f"catalog.{name}_names": Relation(
            f"a further name or abbreviation of a {name}",
            {
                f"{name}_id": f"the {name}",
                "position": "from 2, the number after the dot of its column",
                "name": "the name",
                "source": "the source that filled it",
            },
        ),
    }


_CATALOG: Final[Mapping[str, Relation]] = {
    "catalog.versions": Relation(
        "a version of the catalogue; one transaction makes one version",
        {
            "version": "1, 2, 3 and so on",
            "action": "`import`, `rekey` (a new telecine computed keys again) or `decision` (of a review)",
            "source": "the source of the imported values",
            "origin": "names of the imported files",
            "counts": "what changed, such as `episode_added`",
            "key_version": "version of the rules by which all keys are computed",
            "created_by": "who made the change",
            "created_at": "when",
        },
    ),
    "catalog.changes": Relation(
        "an entity that a version changed, with the keys of uploads that it may affect",
        {
            "version": "the version",
            "kind": "`series`, `episode`, `alias`, `deal`, `channel` or `territory`",
            "entity_id": "`id` in the table of that kind",
            "action": "`added`, `changed` or `removed` (deactivated, or for an alias undone)",
            "before": "changed field -> value before; NULL for `added` and for aliases",
            "title_keys": "title keys of it and of what belongs to it, before and after",
            "series_keys": "series keys, likewise",
            "ref_keys": "keys of ids, likewise",
        },
    ),
    "catalog.series": Relation(
        "a series",
        {
            "id": "its number",
            "code": "code of the series, the prefix of its episodes' ids; NULL if it has none",
            "code_key": "the code for comparison",
            "content_provider": "who supplies the series; NULL if unknown",
            "status": "`active` or `inactive`; episodes of inactive series match nothing",
            **_FILLED,
        },
    ),
    "catalog.series_titles": Relation(
        "a name of a series",
        {
            "series_id": "the series",
            **_TITLE_SLOT,
            "title": "the name",
            "series_key": "the name for comparison",
            "series_base": "the same without its year",
            "series_year": "the year in the name; NULL without one",
            "source": "the source that filled it",
        },
    ),
    "catalog.episodes": Relation(
        "an episode",
        {
            "id": "its number",
            "ref_id": "id of the episode, such as `HL-0101`; NULL if it has none",
            "ref_key": "the id for comparison",
            "series_id": "its series",
            **_EPISODE_NUMBERS,
            "active": "false: matches nothing",
            **_FILLED,
        },
    ),
    "catalog.episode_titles": Relation(
        "a title of an episode",
        {
            "episode_id": "the episode",
            **_TITLE_SLOT,
            "title": "the title",
            "title_key": "the title for comparison",
            "placeholder": "true for a title that names nothing, such as `Episode 4` or `TBA`",
            "source": "the source that filled it",
        },
    ),
    "catalog.episode_numbers": Relation(
        "a further numbering of an episode",
        {
            "episode_id": "the episode",
            "platform": "the platform that numbers it so, in lower case; NULL for any",
            **_EPISODE_NUMBERS,
            "source": "the source that added it",
        },
    ),
    "catalog.aliases": Relation(
        "an alias: what platforms call a series or an episode; NULL fields fit anything",
        {
            "id": "its number",
            "platform": "the platform, in lower case; NULL for any",
            "exact": "true: a NULL field fits only rows in which that field is empty",
            "title": "title of the content",
            "title_key": "the title for comparison",
            "series": "name of the series",
            "series_key": "the name for comparison",
            **_EPISODE_NUMBERS,
            "content_id": "the platform's id of the content",
            "content_key": "the id for comparison",
            "series_id": "the series that it stands for; NULL for an alias of an episode",
            "episode_id": "the episode that it stands for; NULL for an alias of a series",
            "decision_id": "the review decision that made it; NULL if it was imported",
            "source": "the source that added it",
            "created_by": "who added it",
            "created_at": "when",
            "undone_by": "who undid or replaced it; NULL while it is in force",
            "undone_at": "when",
        },
    ),
    "catalog.deals": Relation(
        "a deal: which rows of a platform belong to which contract",
        {
            "id": "its number",
            "platform": "the platform; compared without case, like all names of a deal",
            "domain": "such as `Distribution Partners`; NULL fits any",
            **{name: _DEAL_FIELD.format(name) for name in ("partner", "channel", "territory")},
            "valid_from": "first day; NULL if it has none",
            "valid_to": "last day; NULL if it has none",
            "deal_parent": "id of the contract",
            **{f"internal_{name}": _DEAL_RESULT.format(name) for name in ("partner", "channel", "territory")},
            "active": "false: fits no rows",
            **_FILLED,
        },
    ),
    **_place("channel", "channels"),
    **_place("territory", "territories"),
}

DICTIONARY: Final[Mapping[str, Relation]] = {
    "gold.gamedata_sessions": _SESSIONS,
    "gold.screenalytics_persons": _PERSONS,
    "gold.screenalytics_casts": _CAST_PERSONS,
    **_CATALOG,
    **_SCREENALYTICS,
    **_LEDGER,
}
