"""An index for the console's page of an upload: the log of its phases."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    # The page of a running upload reads its log every 2 s; a log of a year has 100,000s of rows.
    op.execute("CREATE INDEX error_log_upload ON viewership.error_log (upload_id, procedure_name, id)")
