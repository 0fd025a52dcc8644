"""The gold schema for BI, sent messages, and the RayJob that did a stage's work."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = ("pipeline.notifications", "gold.gamedata_sessions")


def upgrade() -> None:
    # A run that started before an upgrade ends on its old image: only a migration that removes something or changes its
    # meaning raises this to its own number.
    op.execute("ALTER TABLE pipeline.environment ADD COLUMN oldest_code text NOT NULL DEFAULT '0002'")
    op.execute("ALTER TABLE pipeline.run_stages ADD COLUMN rayjob_uid text")
    op.execute("""
        CREATE TABLE pipeline.notifications (
            run_id text NOT NULL REFERENCES pipeline.runs ON DELETE CASCADE,
            channel text NOT NULL CHECK (length(channel) BETWEEN 1 AND 63),
            created_at timestamptz NOT NULL DEFAULT now(),
            sent_at timestamptz,
            PRIMARY KEY (run_id, channel)
        )
    """)
    op.execute("CREATE SCHEMA IF NOT EXISTS gold")
    op.execute("""
        CREATE TABLE gold.gamedata_sessions (
            s3_key text PRIMARY KEY CHECK (octet_length(s3_key) <= 1024),
            video_id text,
            duration_s double precision,
            sampled bigint,
            is_video_mostly_dark boolean,
            dark_frame_share double precision,
            is_dpi_scale_issue boolean,
            black_bar_share double precision,
            is_video_mostly_menu boolean,
            video_menu_percent double precision,
            menu_method text,
            input_device_class text,
            is_session_empty boolean,
            empty_reason text,
            has_unusable_timestamps boolean,
            timestamps_reason text,
            error_stage text,
            error_code text,
            error text,
            check_errors text[],
            warnings text[],
            video_metadata jsonb,
            session_metadata jsonb,
            further_checks jsonb,
            source_etag text,
            spec_digest text,
            content_hash text NOT NULL,
            run_id text NOT NULL,
            published_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("COMMENT ON SCHEMA gold IS 'Published tables for BI: read them as role telecine_reader'")
    op.execute("""
        COMMENT ON TABLE gold.gamedata_sessions IS
        'One row a game session, as the last published manifest has it; telecine gamedata publish writes it'
    """)
    op.execute("COMMENT ON COLUMN gold.gamedata_sessions.video_menu_percent IS 'A fraction from 0 to 1'")
    op.execute("COMMENT ON COLUMN gold.gamedata_sessions.further_checks IS 'Columns of checks given with --checks'")
    op.execute("COMMENT ON COLUMN gold.gamedata_sessions.run_id IS 'The run that last changed the row'")
