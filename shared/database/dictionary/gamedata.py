"""The view of game sessions in schema gold."""

from __future__ import annotations

from typing import Final

from shared.database.dictionary.relation import Relation

__all__ = ["SESSIONS"]

SESSIONS: Final = Relation(
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
