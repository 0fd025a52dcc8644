"""Gold: the frames, inputs and sprite of a game session. Indexes for lists of runs, errors and sessions."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES: tuple[str, ...] = ("gold.gamedata_frames",)
VIEWS: tuple[str, ...] = ("gold.gamedata_frame_rows",)

_FLAGS = (
    *("is_video_mostly_dark", "is_dpi_scale_issue", "is_video_mostly_menu", "is_session_empty"),
    "has_unusable_timestamps",
)
_VALUES = (
    *("stride_s", "luma_mean", "luma_p01", "luma_p50", "luma_p99"),
    *("border_top", "border_bottom", "border_left", "border_right", "static_share", "is_corrupt", "is_menu"),
)


def upgrade() -> None:
    _sessions()
    _frames()
    _lists()


def _sessions() -> None:
    # Columns without a default take no rewrite of the table; an earlier release leaves them NULL.
    op.execute("""
        ALTER TABLE gold.gamedata_sessions
            ADD COLUMN pt_key text,
            ADD COLUMN sprite_key text,
            ADD COLUMN sprite_tile_width integer,
            ADD COLUMN sprite_tile_height integer,
            ADD COLUMN sprite_columns integer,
            ADD COLUMN sprite_tiles integer,
            ADD COLUMN sprite_times_s double precision[],
            ADD COLUMN sprite_error text,
            ADD COLUMN input_events bigint,
            ADD COLUMN input_keyboard bigint,
            ADD COLUMN input_mouse bigint,
            ADD COLUMN input_gamepad bigint,
            ADD COLUMN input_first_s double precision,
            ADD COLUMN input_last_s double precision,
            ADD COLUMN input_unordered bigint,
            ADD COLUMN input_invalid bigint,
            ADD COLUMN input_desk_s bigint,
            ADD COLUMN input_gamepad_s bigint
    """)


def _frames() -> None:
    # One row per session. As one row per frame, 50,000 sessions of 30 frames took 393 MB instead of 102 MB and 24 s to
    # insert instead of 3.5 s, and the page of a session needs all of its frames.
    arrays = ",\n".join(f"            {name} real[] NOT NULL" for name in _VALUES[1:-2])
    op.execute(f"""
        CREATE TABLE gold.gamedata_frames (
            s3_key text PRIMARY KEY REFERENCES gold.gamedata_sessions ON DELETE CASCADE,
            frames integer NOT NULL CHECK (frames >= 0),
            time_s double precision[] NOT NULL,
            stride_s double precision[],
{arrays},
            is_corrupt boolean[] NOT NULL,
            is_menu boolean[],
            content_hash text NOT NULL,
            run_id text NOT NULL,
            published_at timestamptz NOT NULL DEFAULT now(),
            CHECK ({" AND ".join(f"cardinality({name}) = frames" for name in ("time_s", *_VALUES))})
        )
    """)
    op.execute("""
        COMMENT ON TABLE gold.gamedata_frames IS
        'One row per game session, one array element per sampled frame; telecine gamedata publish writes it'
    """)
    op.execute(f"""
        CREATE VIEW gold.gamedata_frame_rows AS
        SELECT f.s3_key, v.number::integer AS number, v.time_s, {", ".join(f"v.{name}" for name in _VALUES)}
        FROM gold.gamedata_frames f
        CROSS JOIN LATERAL unnest({", ".join(f"f.{name}" for name in ("time_s", *_VALUES))})
            WITH ORDINALITY AS v (time_s, {", ".join(_VALUES)}, number)
    """)
    op.execute("COMMENT ON VIEW gold.gamedata_frame_rows IS 'gold.gamedata_frames with one row per sampled frame'")


def _lists() -> None:
    # In byte order one index serves prefixes and pages, whatever the collation of the database: a list with a filter
    # reads the rows of a page instead of sorting all 200,000.
    key = 's3_key COLLATE "C"'
    sessions = "gold.gamedata_sessions"
    op.execute(f"CREATE INDEX gamedata_sessions_key ON {sessions} ({key})")
    for flag in _FLAGS:
        op.execute(f"CREATE INDEX gamedata_sessions_{flag} ON {sessions} ({key}) WHERE {flag}")
    op.execute(f"CREATE INDEX gamedata_sessions_error ON {sessions} (error_code, {key}) WHERE error_code IS NOT NULL")
    op.execute(f"CREATE INDEX gamedata_sessions_run ON {sessions} (run_id, {key})")
    op.execute(
        f"CREATE INDEX gamedata_sessions_menu ON {sessions} (video_menu_percent DESC, {key})"
        " WHERE video_menu_percent > 0"
    )
    op.execute("CREATE INDEX runs_pipeline ON pipeline.runs (pipeline, created_at, run_id)")
    op.execute("CREATE INDEX item_errors_code ON pipeline.item_errors (code, at)")
    op.execute("CREATE INDEX item_errors_at ON pipeline.item_errors (at)")
    # Finds equal items as the index before it did, and prefixes in every collation.
    op.execute("CREATE INDEX item_errors_item_at ON pipeline.item_errors (item text_pattern_ops, at)")
    op.execute("DROP INDEX pipeline.item_errors_item")
