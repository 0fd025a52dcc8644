"""The tables of game sessions and their frames in schema gold."""

from __future__ import annotations

from typing import Final

from shared.database.dictionary.relation import Relation

__all__ = ["FRAMES", "FRAME_ROWS", "SESSIONS"]

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
        "video_menu_percent": "the same as `menu_share`, under the original name; 0 to 1, not a percentage",
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
        "pt_key": "key of the `.pt` file in the manifest bucket; NULL if none was stored. This and all columns"
        " below are NULL if `publish` did not find the session's results there",
        "sprite_key": "key of the sprite in the manifest bucket: one WebP picture of at most 20 kB with a tile for each"
        " of up to 12 sampled frames; NULL if there is none",
        "sprite_tile_width": "width of a tile in pixels",
        "sprite_tile_height": "height of a tile in pixels",
        "sprite_columns": "tiles in a row of the sprite",
        "sprite_tiles": "number of tiles; left to right, then top to bottom",
        "sprite_times_s": "time of each tile's frame in seconds, as in `gold.gamedata_frames`",
        "sprite_error": "[code](gamedata.md#sprites) of why there is no sprite; NULL if there is one, or if it was"
        " not made yet",
        "input_events": "readable rows of `inputs.csv`; all input columns are NULL without the file",
        "input_keyboard": "keyboard rows",
        "input_mouse": "mouse rows, including the wheel",
        "input_gamepad": "gamepad rows, except sticks near their centre",
        "input_first_s": "earliest time, in Unix seconds",
        "input_last_s": "latest time, in Unix seconds",
        "input_unordered": "rows more than 0.1 s older than an earlier row",
        "input_invalid": "unreadable rows",
        "input_desk_s": "whole seconds with a keyboard or mouse event; NULL if extracted before it was recorded",
        "input_gamepad_s": "whole seconds with a gamepad event; NULL if extracted before it was recorded",
        "menu_share": "share of the time that shows menus, 0 to 1; the database copies it from `video_menu_percent`",
    },
)

_FRAME: Final = {
    "time_s": "seconds from the first displayed frame, ascending",
    "stride_s": "shortest stride in seconds that sampled the frame; NULL if extracted before it was recorded",
    "luma_mean": "mean luma, 0 to 255",
    "luma_p01": "1st percentile of luma",
    "luma_p50": "median luma",
    "luma_p99": "99th percentile of luma",
    "border_top": "height of the black bar at the top, as a share of the frame's height",
    "border_bottom": "height of the black bar at the bottom, as a share of the frame's height",
    "border_left": "width of the black bar on the left, as a share of the frame's width",
    "border_right": "width of the black bar on the right, as a share of the frame's width",
    "static_share": "share of the textured blocks unchanged in the most similar other frame, 0 to 1; NULL for a"
    " single frame or one without texture",
    "is_corrupt": "the decoder concealed errors in the frame, or in one that it refers to",
    "is_menu": "the frame is a menu by the rule of the method `static`; NULL if it is damaged, or for other values of"
    " `menu_method`, which have no results per frame",
}

FRAMES: Final = Relation(
    "the sampled frames of a game session; each array has one element per frame. Deleted with the session",
    {
        "s3_key": "the session in `gold.gamedata_sessions`",
        "frames": "number of distinct sampled frames, and of elements of each array",
        **_FRAME,
        "content_hash": "hash of the row's content; a row with an equal hash is not rewritten",
        "run_id": "the run that last changed the row",
        "published_at": "when the row last changed",
    },
)

FRAME_ROWS: Final = Relation(
    "a sampled frame of a game session: `gold.gamedata_frames` with one row per frame",
    {
        "s3_key": "the session in `gold.gamedata_sessions`",
        "number": "number of the frame, from 1",
        **_FRAME,
    },
)
