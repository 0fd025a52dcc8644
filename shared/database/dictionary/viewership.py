"""Tables and views of schemas viewership and viewership_source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import INSERTED, PIPELINE_RUN, Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VIEWERSHIP"]

_UPLOAD: Final = "number of the upload"
_UNIT: Final = "number of the unit, `id` in `platform_viewership`"
_FATE_CODE: Final = "[code](viewership-codes.md) of the fate; NULL for `final`, and for `topline`"
_FATES: Final = "`final`, `unmatched`, `review`, `held`, `rejected`, `filtered` or `topline`"
_ROW_FATE: Final = "`final`, `unmatched`, `review`, `held` or `topline`"
_BUCKET: Final = "[bucket](matching.md#buckets-and-confidence) that accepted it; `DECISION` if a reviewer did"
_CONFIDENCE: Final = "confidence of the match, 0 to 1"
_HOURS: Final = "sum of the hours; 0 if there are none"
_REVENUE: Final = "sum of the revenue; 0 if there is none"
_FAILURE_CODE: Final = "[code](viewership-codes.md) if it was refused or waits; else NULL"
_WAITING: Final = "the outcome, or how to continue; NULL if there is no message"

_AS_WRITTEN: Final[Mapping[str, str]] = {
    "platform_partner_name": "partner, as in the file",
    "platform_channel_name": "channel, as in the file",
    "platform_territory": "territory, as in the file",
}
_CONTENT: Final[Mapping[str, str]] = {
    "platform_content_name": "title, as in the file",
    "platform_content_id": "id of the content, as in the file",
    "platform_series": "series, as in the file",
}
_DATES: Final[Mapping[str, str]] = {
    "date": "day; the first of the month if the file has only months",
    "start_time": "start time, as in the file",
    "end_time": "end time, as in the file",
    "week": "Monday of the week of `date`",
    "day": "day of the month",
    "month": "month, 1 to 12",
    "quarter": "`q1` to `q4`",
    "year": "year",
    "year_month_day": "the first of the month as `YYYYMM01`",
}
_COUNTS: Final[Mapping[str, str]] = {
    "views": "number of views",
    "sessions": "number of sessions",
    "unique_viewers": "number of unique viewers",
    "tot_completions": "number of completed views",
}
_MATCH: Final[Mapping[str, str]] = {
    "status": "`matched`, `review`, `unmatched` or `rejected` (a reviewer decided that it matches nothing)",
    "bucket": _BUCKET,
    "episode_id": "the episode, `id` in `catalog.episodes`; NULL unless `status` is `matched`",
    "confidence": f"{_CONFIDENCE}; NULL without a match",
    "candidates": "episodes that came close, with scores, best first",
    "margin": "points of 100 between the two best candidates; NULL without two",
    "reasons": "why it was matched or was not: codes with their facts, the decisive one first",
    "rule_version": "version of the matching rules",
    "catalogue_version": "version of the catalogue that was matched against",
    "decision_id": "the decision that set it, in `viewership.decisions`; NULL if the matcher did",
    "uploads": "the uploads that an `accept` covers; rows of later ones wait; NULL if it covers all",
    "pipeline_run_id": PIPELINE_RUN,
    "matched_at": "when it was set",
}

_UPLOADS: Final[Mapping[str, Relation]] = {
    "viewership.uploads": Relation(
        "an upload: one file, identified by its bytes",
        {
            "upload_id": _UPLOAD,
            "sha256": "SHA-256 of its bytes; unique among uploads that are neither replaced nor retracted, except for"
            " one that reads them again with other choices",
            "canonical_sha256": "hash of its sorted rows, equal for a second export of the same rows; NULL until read",
            "object_key": "key of the raw file in the bucket",
            "filename": "file name of its first upload",
            "size_bytes": "size of the file",
            "platform": "platform of its format; NULL until read",
            "domain": "such as `Distribution Partners`; NULL until read",
            "label": "`Viewership`, `Revenue` or `Both`: what a row counts; NULL until read",
            "format": "name and version of its [format](viewership-formats.md), such as `xumo-1`; NULL until read",
            "choices": "what the user chose: name of the flag -> value",
            "answers": "flags and values that answer its question, one list per answer; the user fills in null values",
            "status": "[status](viewership-codes.md#status-of-an-upload)",
            "code": _FAILURE_CODE,
            "message": _WAITING,
            "units": "units of the file; NULL until read",
            "hours": "hours of the file, over values that could be parsed",
            "revenue": "revenue of the file, over values that could be parsed",
            "unparsable": "hours and amounts that could not be parsed, and are in no sum",
            "notes": "warnings, each with code, message, line and column",
            "others": "up to 50 uploads with the same rows or days, with units and hours: copies, then the largest",
            "others_left_out": "number of such uploads that `others` omits",
            "first_date": "first day of its rows; NULL without dates",
            "last_date": "last day of its rows",
            "replaces": "uploads that it replaces, once it is loaded",
            "rereads": "the upload with the same bytes that it reads again with other choices; NULL for all others",
            "replaced_by": "the upload that replaced it; NULL if none did",
            "retracted_by": "who retracted it; NULL if nobody did",
            "retracted_reason": "the reason given",
            "loaded_at": "when its rows were last loaded; NULL until then, while none of its rows is final",
            "pipeline_run_id": "`run_id` in `pipeline.runs` of the run that first uploaded it",
            "created_at": "when it was first uploaded",
            "updated_at": "when the row last changed",
        },
    ),
    "viewership.upload_names": Relation(
        "a file name under which an upload was submitted",
        {
            "upload_id": _UPLOAD,
            "filename": "the name",
            "times": "how often this name was used",
            "first_seen": "when this name was first used",
            "last_seen": "when this name was last used",
        },
    ),
    "viewership.set_aside_rows": Relation(
        "a unit that was rejected, or filtered out, when its file was read",
        {
            "upload_id": _UPLOAD,
            "line": "line of the file, or row of the workbook, from 1",
            "position": "0, or the number of the date column in a wide file",
            "fate": "`rejected` or `filtered`",
            "code": "[code](viewership-codes.md#units) of the reason",
            "column_name": "the column; NULL if the whole row is affected",
            "raw": "text of the cell, as in the file",
            "message": "what is wrong, or why the row is filtered",
            "hours": "its hours; NULL if it has none or they could not be parsed",
            "revenue": "its revenue; NULL likewise",
            "unparsable": "its hours and amounts that could not be parsed",
        },
    ),
    "viewership.platform_viewership": Relation(
        "a unit of an upload: a row of its file, or one date of a row; insert-only",
        {
            "id": "number of the unit",
            "upload_id": _UPLOAD,
            "line": "line of the file, or row of the workbook, from 1",
            "position": "0, or the number of the date column in a wide file",
            "scope_id": "its scope, in `viewership.scopes`",
            "key_id": "its key, in `viewership.keys`; NULL for topline, which names no content",
            "platform_content_name": _CONTENT["platform_content_name"],
            "platform_content_name_2": "second title, as in the file",
            "platform_content_id": _CONTENT["platform_content_id"],
            "platform_series": _CONTENT["platform_series"],
            "season_number": "season; whole numbers without leading zeros, other text as it is",
            "episode_number": "episode, likewise",
            "language": "language, as in the file",
            "viewership_type": "type of viewing, as in the file",
            "tot_hov": "hours of viewing; from the minutes if the file has only those",
            "tot_mov": "minutes of viewing; from the hours if the file has only those",
            "duration": "duration of the content, in hours",
            "avg_duration_per_session": "average duration of a session, in hours",
            "avg_duration_per_viewer": "average duration per viewer, in hours",
            "avg_session_count": "average number of sessions",
            **_COUNTS,
            "impressions": "number of impressions",
            "channel_adpool_impressions": "impressions of the channel's ad pool",
            "channel_adpool_revenue": "revenue of the channel's ad pool",
            "revenue": "revenue; never rounded",
            "currency": "currency, as in the file or by its format",
            "city": "city, as in the file",
            "country": "country, as in the file",
            **{f"device_{name}": f"{name} of the device, as in the file" for name in ("id", "name", "type")},
            **_DATES,
            "whole_week": "true if `date` represents a whole week",
            "whole_month": "true if `date` represents a whole month",
        },
    ),
    "viewership.scopes": Relation(
        "a distinct combination of partner, channel, territory and day of a platform, and its deal",
        {
            "scope_id": "number of the scope",
            "platform": "the platform",
            "domain": "the domain",
            **_AS_WRITTEN,
            "date": "the day; NULL without one",
            "digest": "hash of the fields above",
            "deal_id": "its deal, in `catalog.deals`; NULL without one",
            "deal_parent": "contract of the deal",
            "partner": "the partner by the deal, else as in the file",
            "channel": "the channel by the deal, else as the catalogue names it",
            "channel_id": "the channel in `catalog.channels`; NULL if the catalogue does not know it",
            "territory": "the territory by the deal, else as the catalogue names it",
            "territory_id": "the territory in `catalog.territories`; NULL if the catalogue does not know it",
            "code": "why its rows are held: `NO_DEAL`, `DEAL_TIE`, `NO_CHANNEL` or `NO_TERRITORY`; else NULL",
            "reasons": "the deals that tie, or how channel and territory were found",
            "catalogue_version": "version of the catalogue that it was resolved with; NULL until then",
        },
    ),
}

_MATCHING: Final[Mapping[str, Relation]] = {
    "viewership.keys": Relation(
        "a distinct combination of the fields that say which episode a unit is",
        {
            "key_id": "number of the key",
            "digest": "hash of its platform and fields",
            "platform": "the platform",
            "content_name": "title, as in the file",
            "content_name_2": "second title, as in the file",
            "series": "series, as in the file",
            "season": "season",
            "episode": "episode",
            "content_id": "the platform's id of the content",
            "title_key": "the title for comparison; NULL without a title",
            "title_key_2": "the second title for comparison, likewise",
            "series_key": "the series for comparison, likewise",
            "content_key": "the id for comparison, likewise",
            "review_key": "platform, title, series, season, episode and id for comparison: keys that share it are"
            " decided together",
            "review_digest": "hash of `review_key`",
            "key_version": "version of the rules by which it was computed",
        },
    ),
    "viewership.matches": Relation("the match of a key", {"key_id": "the key", **_MATCH}),
    "viewership.match_history": Relation(
        "a match that another one replaced",
        {"id": "sequence number", "key_id": "the key", **_MATCH, "replaced_at": "when it was replaced"},
    ),
    "viewership.decisions": Relation(
        "a decision of a reviewer, for one or more keys",
        {
            "decision_id": "number of the decision",
            "action": "`accept` (these keys), `alias` (also later uploads) or `reject` (no match)",
            "keys": "the keys",
            "episode_id": "the episode; NULL for `reject`",
            "note": "the reviewer's note; required for `reject`",
            "effects": "what the preview showed, and rows of the final table that were loaded and removed",
            "previous": "the matches of the keys before, which an undo restores",
            "decided_by": "who decided, as given by the caller",
            "decided_role": "the database role that decided",
            "decided_at": "when",
            "undone_by": "who undid it, as given by the caller; NULL while it is in force",
            "undone_role": "the database role that undid it",
            "undone_at": "when",
        },
    ),
}

_DETAILS: Final[Mapping[str, str]] = {
    "viewership_id": _UNIT,
    "label": "`Viewership` or `Revenue`; a unit with both has two rows",
    "upload_id": _UPLOAD,
    "key_id": "its key, in `viewership.keys`",
    "scope_id": "its scope, in `viewership.scopes`",
    "episode_id": "its episode, in `catalog.episodes`",
    "platform": "the platform",
    "domain": "the domain",
    **_AS_WRITTEN,
    **_CONTENT,
    "viewership_partner": "the partner by the deal, else as in the file",
    "deal_parent": "contract of the deal",
    "channel": "the channel by the deal, else as the catalogue names it",
    "channel_id": "the channel in `catalog.channels`; NULL if the catalogue does not know it",
    "territory": "the territory, likewise",
    "territory_id": "the territory in `catalog.territories`; NULL if the catalogue does not know it",
    "internal_series": "name of the series in the catalogue",
    "ref_id": "id of the episode; NULL if it has none",
    "asset_title": "title of the episode in the catalogue",
    "asset_series": "name of the series in the catalogue, else its code",
    "content_provider": "who supplies the series",
    "series_code": "code of the series",
    "season_number": "season of the unit, else that of the episode",
    "episode_number": "episode of the unit, else that of the catalogue",
    "language": "language, as in the file",
    "hours": "hours of viewing; NULL in rows of revenue",
    "minutes": "minutes of viewing; NULL in rows of revenue",
    **_COUNTS,
    "register_name": "partner, `Revenue` and territory; NULL in rows of viewership",
    "payment_amount": "revenue; NULL in rows of viewership",
    "currency": "currency of the amount",
    **_DATES,
    "filename": "name of the upload's file",
    "bucket": _BUCKET,
    "confidence": _CONFIDENCE,
    "loaded_at": "when it was loaded",
}

_FINAL: Final[Mapping[str, Relation]] = {
    "viewership.episode_details": Relation("a final row: a unit with its deal and its episode", _DETAILS),
    "viewership.replaced_details": Relation(
        "a final row that was removed, with its last values",
        {
            **_DETAILS,
            "removed_at": "when it was removed",
            "removed_by": "who or what removed it",
            "reason": "why, such as `undo of decision 7`",
        },
    ),
}

_OPERATION: Final[Mapping[str, Relation]] = {
    "viewership.error_log": Relation(
        "a procedure that ran for an upload, successfully or not",
        {
            "id": "sequence number",
            "log_time": "when it ended",
            "upload_id": f"{_UPLOAD}; NULL if it concerns none or several",
            "platform": "the platform; NULL if unknown",
            "procedure_name": "a phase, such as `load`, or a step of one, such as a bucket",
            "status": "how it ended",
            "rows_affected": "rows that it processed; NULL if it counts none",
            "execution_ms": "milliseconds it took",
            "error_message": "the error; NULL without one",
            "pipeline_run_id": PIPELINE_RUN,
        },
    ),
    "viewership.reprocessed": Relation(
        "a platform, and the version of the catalogue up to which its keys were matched again",
        {
            "platform": "the platform",
            "catalogue_version": "that version",
            "pipeline_run_id": PIPELINE_RUN,
            "reprocessed_at": "when",
        },
    ),
    "viewership.outbox_events": Relation(
        "an event that announces a file; the producer inserts it",
        {
            "event_id": "a UUID of the producer",
            "event_type": "the type, such as `viewership.upload.arrived`",
            "aggregate_id": "URI or key of the file",
            "payload_json": "the producer's further facts",
            "created_at": INSERTED,
            "delivered_at": "when its file was processed; NULL while it waits",
            "delivery_attempts": "failed deliveries; at 5 the event is set aside; set it to 0 to retry",
            "last_error": "message of the last failed delivery",
        },
    ),
    "viewership.arrivals": Relation(
        "an object below `uploads/` that was seen; the same object with the same ETag is not read again",
        {
            "uri": "its URI",
            "etag": "its ETag when it was last read",
            "size_bytes": "its size",
            "status": "`taken`, `waiting` (for a choice), `refused` or `failed` (retried)",
            "upload_id": f"{_UPLOAD}; NULL if it did not become one",
            "code": _FAILURE_CODE,
            "message": _WAITING,
            "attempts": "how often reading was attempted",
            "notice": "the notification that announced it; NULL if none has",
            "unsent": "channels that have not sent that notification yet",
            "first_seen": "when it was first seen",
            "last_seen": "when it was last seen",
            "pipeline_run_id": PIPELINE_RUN,
        },
    ),
}

_LOG: Final = Relation(
    "a unit that is in no final row because it is unmatched, in review or held",
    {
        "id": _UNIT,
        "title": "title, as in the file",
        "viewership_id": _UNIT,
        "filename": "name of the upload's file",
        "platform": "the platform",
        "notes": "fate and code, such as `held: NO_DEAL`",
        "created_at": "when the file was first uploaded",
    },
)

_VIEWS: Final[Mapping[str, Relation]] = {
    "viewership.row_fates": Relation(
        "a unit in `platform_viewership` of an upload that counts, and its fate",
        {
            "viewership_id": _UNIT,
            "upload_id": _UPLOAD,
            "line": "line of the file, or row of the workbook, from 1",
            "position": "0, or the number of the date column in a wide file",
            "key_id": "its key; NULL for topline",
            "scope_id": "its scope",
            "hours": "its hours",
            "revenue": "its revenue",
            "week": "Monday of the week; NULL without a date",
            "platform": "the platform",
            "label": "`Viewership`, `Revenue` or `Both`",
            "bucket": "bucket of its key's match, whatever its fate",
            "fate": _ROW_FATE,
            "code": _FATE_CODE,
        },
    ),
    "viewership.due_details": Relation(
        "a final row as it should be now; `viewership.sync()` updates `episode_details` to match",
        {name: meaning for name, meaning in _DETAILS.items() if name != "loaded_at"},
    ),
    "viewership.reconciliation": Relation(
        "a fate and code of an upload that counts; the sums over an upload equal those of its file",
        {
            "upload_id": _UPLOAD,
            "platform": "the platform",
            "filename": "name of its file",
            "fate": _FATES,
            "code": _FATE_CODE,
            "units": "number of units",
            "hours": _HOURS,
            "revenue": _REVENUE,
            "file_units": "units of the file",
            "file_hours": "hours of the file",
            "file_revenue": "revenue of the file",
        },
    ),
    "viewership.source_formula": Relation(
        "a loaded upload, by the formula of the original pipeline: final plus logged rows equal the expected ones",
        {
            "upload_id": _UPLOAD,
            "platform": "the platform",
            "filename": "name of its file",
            "label": "`Viewership`, `Revenue` or `Both`",
            "record_count": "units that could be matched, without topline",
            "matched_in_final_table": "units that are final",
            "unmatched_in_logs": "units in `record_reprocessing_batch_logs`: unmatched, in review or held",
            "difference": "the first minus the other two; 0 unless rows were lost",
        },
    ),
    "viewership.match_rates": Relation(
        "a fate and bucket of an upload that counts, in one week",
        {
            "upload_id": _UPLOAD,
            "platform": "the platform",
            "week": "Monday of the week; NULL for units without a date, and for rejected and filtered ones",
            "fate": _FATES,
            "bucket": f"{_BUCKET}; NULL unless the fate is `final`",
            "units": "number of units",
            "hours": _HOURS,
            "revenue": _REVENUE,
        },
    ),
    "viewership.phase_times": Relation(
        "a procedure of an upload, over all of its attempts",
        {
            "upload_id": _UPLOAD,
            "procedure_name": "a phase, such as `load`, or a step of one, such as a bucket",
            "platform": "the platform",
            "attempts": "number of attempts",
            "status": "how the last attempt ended",
            "rows_affected": "rows that the last attempt processed",
            "execution_ms": "milliseconds of the last attempt",
            "total_ms": "milliseconds of all attempts",
            "log_time": "when the last attempt ended",
        },
    ),
    "viewership.recent_uploads": Relation(
        "a platform, over its uploads of today and of the 30 days (UTC) before",
        {
            "platform": "the platform; NULL for files that could not be read",
            "uploads": "number of uploads",
            "loaded": "uploads that were loaded",
            "failed": "uploads that were refused, or loaded in part because a bucket failed",
            "waiting": "uploads that wait for a choice or to be read",
            "failure_rate": "`failed` divided by `uploads`",
        },
    ),
    "viewership.record_reprocessing_batch_logs": _LOG,
    "viewership.review_queue": Relation(
        "keys with the same spelling, settled by one decision: in `review`, `unmatched`, or with later rows",
        {
            "review_digest": "hash of the fields they share",
            "platform": "the platform",
            "status": "`review` or `unmatched`",
            **{
                name: f"{name.replace('_', ' ')} of the key with the most hours"
                for name in ("content_name", "content_name_2", "series", "season", "episode", "content_id")
            },
            "series_key": "its series for comparison",
            "keys": "the keys",
            "rows": "units with these keys that wait and are not held",
            "held": "units with these keys that are held",
            "uploads": "number of uploads that have such units",
            "hours": f"{_HOURS}: what is at stake",
            "revenue": _REVENUE,
            "accepted_before": "the episode that was accepted for units of earlier uploads; NULL without one",
            "candidates": "episodes that came close, with scores, best first",
            "reasons": "why they were not matched",
            "waiting_since": "when the first of these uploads arrived",
        },
    ),
    "viewership_source.platform_viewership": Relation(
        "a unit with its final row, in the columns of the original pipeline's table",
        {
            "id": "number of the unit",
            "upload_id": _UPLOAD,
            "filename": "name of the upload's file",
            "created_at": "when the file was first uploaded",
            "platform": "the platform",
            "domain": "the domain",
            **_AS_WRITTEN,
            **_CONTENT,
            "partner": _DETAILS["viewership_partner"],
            **{name: _DETAILS[name] for name in ("channel", "channel_id", "territory", "territory_id", "deal_parent")},
            **{
                name: f"{_DETAILS[name]}; NULL unless it is final"
                for name in ("internal_series", "ref_id", "asset_title", "asset_series", "content_provider")
            },
            "series_code": f"{_DETAILS['series_code']}; NULL unless it is final",
            "tot_hov": "hours of viewing",
            "tot_mov": "minutes of viewing",
            "revenue": "revenue",
            **{name: meaning for name, meaning in _DATES.items() if name not in ("start_time", "end_time")},
            "load_timestamp": "when the file was first uploaded",
            "processed": "true if it is final; else NULL",
            "phase": "`0` read, `1` normalized or further, `2` final",
        },
    ),
    "viewership_source.record_reprocessing_batch_logs": _LOG,
}

VIEWERSHIP: Final[Mapping[str, Relation]] = {**_FINAL, **_UPLOADS, **_MATCHING, **_OPERATION, **_VIEWS}
