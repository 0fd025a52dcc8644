"""Tables of schema console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONSOLE"]

CONSOLE: Final[Mapping[str, Relation]] = {
    "console.tokens": Relation(
        "an access token of the console",
        {
            "token_hash": "SHA-256 of the token; the token itself is not stored",
            "name": "the user or program it was issued to",
            "role": "viewer, uploader or reviewer",
            "created_at": "when it was issued",
            "expires_at": "when it expires",
            "revoked_at": "when it was revoked; NULL if it was not",
        },
    ),
    "console.sessions": Relation(
        "a browser session of a token",
        {
            "session_hash": "SHA-256 of the cookie's value; the value itself is not stored",
            "token_hash": "SHA-256 of the token used to log in",
            "created_at": "when it logged in",
            "seen_at": "last request, to the minute",
            "ended_at": "when it logged out; NULL if it did not",
        },
    ),
    "console.audit": Relation(
        "an action of a console user",
        {
            "id": "row number",
            "at": "time of the action",
            "actor": "name of the user or token, or the command",
            "role": "the user's role; NULL for a command",
            "action": "a word, such as login, file_received, review_accept or run_requested",
            "subject": "object of the action, such as a token's name",
            "details": "additional data, as JSON",
        },
    ),
    "console.files": Relation(
        "a file that the console received, and how it is to be read",
        {
            "file_id": "number of the file",
            "filename": "its name on the user's machine, without folders",
            "sha256": "SHA-256 of its bytes",
            "size_bytes": "its size",
            "uri": "where its bytes are stored",
            "state": "draft, confirmed (a run was requested) or cancelled",
            "proposal": "JSON of `viewership formats`: columns, questions, and rows or a problem; NULL until read",
            "choices": "the user's choices: flag of `viewership run` to its value",
            "version": "number of changes to the choices",
            "created_by": "who uploaded it",
            "created_at": "when",
            "decided_by": "who confirmed or cancelled it",
            "decided_at": "when; NULL while it is a draft",
        },
    ),
    "console.launches": Relation(
        "a run that a user of the console requested",
        {
            "launch_id": "number of the request",
            "name": "name of the Workflow; on one machine, the id of the run",
            "step": "run, retract or reprocess",
            "file_id": "the received file; NULL if the run is about a stored upload",
            "upload_id": "the stored upload; NULL if the run is about a received file",
            "parameters": "parameters of the run",
            "state": "requested, started or failed",
            "run_id": "id of the run in the ledger; NULL until it is known",
            "attempts": "attempts to start it",
            "message": "why the last attempt failed",
            "requested_by": "who requested it",
            "requested_at": "when",
            "tried_at": "time of the last attempt",
            "started_at": "when it was started",
        },
    ),
    "console.snapshots": Relation(
        "a copy of a view, with its time",
        {
            "name": "the copy: review_keys, match_rates or screenalytics",
            "mark": "state of the source tables when copied; if it differs, the copy is out of date",
            "taken_at": "when it was made",
            "took_ms": "how long that took",
        },
    ),
    "console.review_keys": Relation(
        "a key waiting for a decision; a copy of viewership.review_queue",
        {
            "review_digest": "digest of the key",
            "platform": "platform of its rows",
            "status": "review or unmatched",
            "title": "title of the rows with most hours",
            "series": "their series",
            "season": "their season",
            "episode": "their episode",
            "content_id": "their content id",
            "keys": "ids of its spellings",
            "rows": "rows waiting for a decision",
            "held": "further rows held for a deal, channel or territory",
            "uploads": "uploads with these rows",
            "hours": "hours of the waiting rows",
            "revenue": "their revenue",
            "accepted_before": "episode that was accepted for earlier uploads",
            "candidates": "number of candidates",
            "score": "score of the best one, 0 to 100; NULL without candidates",
            "margin": "points ahead of the second-best; NULL with one candidate",
            "reason": "code of the first reason for review",
            "waiting_since": "when its first upload was made",
        },
    ),
    "console.viewers": Relation(
        "the card that a reviewer has open, shown to other reviewers for five minutes",
        {
            "viewer": "name of the reviewer",
            "review_digest": "digest of the card's key",
            "seen_at": "when the reviewer opened it",
        },
    ),
    "console.match_rates": Relation(
        "rows by upload, week and fate; a copy of viewership.match_rates",
        {
            "upload_id": "the upload",
            "platform": "its platform",
            "week": "week of the rows; NULL for rejected and filtered rows",
            "fate": "final, held, review, unmatched, topline, rejected or filtered",
            "bucket": "how final rows were matched",
            "units": "number of rows",
            "hours": "their hours",
            "revenue": "their revenue",
        },
    ),
    "console.episodes": Relation(
        "an episode with its latest run; a copy of screenalytics.latest_runs with sums",
        {
            "ep_id": "the producer's episode, such as `rhoslc-s06e11`",
            "show": "`ep_id` without `-sSSeEE`; the whole `ep_id` if it has another form",
            "season": "number of the season in `ep_id`; NULL if it has another form",
            "episode": "number of the episode in `ep_id`; NULL if it has another form",
            "episode_id": "the catalogue's id of the episode; NULL without a row in `episode_links`",
            "run_id": "the latest run",
            "status": "`ingested`, or `source_deleted` if its manifest is gone",
            "completed_at": "when the run completed; when it was ingested, if that is unknown",
            "persons": "number of persons",
            "casts": "number of casts; NULL if unknown",
            "onscreen_ms": "time on screen of all persons together, milliseconds",
            "speaking_ms": "time speaking of all persons together; NULL if it was not computed for any of them",
            "warnings": "number of warnings",
            "warning_codes": "their codes, each once",
            "older_runs": "other ingested runs of the episode",
            "replaced_runs": "runs of the episode that `replay --accept-changed` or a repair replaced",
            "not_ingested": "manifests of its runs that are rejected, quarantined, deferred or dead (set aside)",
            "pipeline_run_id": "`run_id` in `pipeline.runs` of the run that wrote the latest run",
        },
    ),
    "console.persons": Relation(
        "a person over the latest runs of all episodes; a copy of sums of screenalytics.latest_person_metrics",
        {
            "show": "the show; empty for a person of the catalogue, who may appear in several",
            "person_id": "the producer's id of the person, which is unique in the show; `person_ref` if that is known",
            "name": "display name; of several, the last one in byte order",
            "shows": "all shows of the person",
            "episodes": "number of episodes",
            "onscreen_ms": "time on screen, milliseconds",
            "speaking_ms": "time speaking where it was computed; NULL if it never was",
            "spoken": "number of rows with a time speaking",
            "first_at": "when the first of these runs completed",
            "last_at": "when the last of these runs completed",
        },
    ),
}
