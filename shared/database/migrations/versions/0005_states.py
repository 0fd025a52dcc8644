"""Gold: why a flag of a session is NULL. Screenalytics: find episodes whose ids differ only in case."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # Columns without a default take no rewrite of the table; an earlier release leaves them NULL.
    op.execute("ALTER TABLE gold.gamedata_sessions ADD COLUMN frames_state text, ADD COLUMN inputs_state text")
    op.execute("""
        COMMENT ON COLUMN gold.gamedata_sessions.frames_state IS
        'What the picture flags are based on: ok, partly_damaged, damaged, single or none; NULL also before 0005';
        COMMENT ON COLUMN gold.gamedata_sessions.inputs_state IS
        'What the input flags are based on: ok, partly_invalid, invalid, no_rows, missing or not_recorded;'
        ' NULL also before 0005'
    """)
    op.execute("CREATE INDEX runs_episode_lower ON screenalytics.runs (lower(ep_id))")
