"""Gold: add ``menu_share``, the value of ``video_menu_percent`` under a correct name."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    # The database copies the value, so that no manifest, release or manual change can make the two differ. This
    # rewrites the table once: 200,000 sessions take some seconds.
    op.execute("""
        ALTER TABLE gold.gamedata_sessions
            ADD COLUMN menu_share double precision GENERATED ALWAYS AS (video_menu_percent) STORED
    """)
    op.execute("""
        COMMENT ON COLUMN gold.gamedata_sessions.menu_share IS
        'Share of the time that shows menus, a fraction from 0 to 1: always the value of video_menu_percent'
    """)
