"""The console's own tables: access tokens, browser sessions, and the audit log."""

from __future__ import annotations

from alembic import op

from shared.database._schema import Expiring

revision = "0012"
down_revision = "0011"

TABLES = ("console.tokens", "console.sessions", "console.audit")
EXPIRING = (
    Expiring("console.sessions", key="session_hash", time="seen_at", label="browser sessions"),
    # Their sessions go with them.
    Expiring("console.tokens", key="token_hash", time="expires_at", label="expired access tokens"),
    Expiring("console.audit", key="id", time="at", label="rows of the console's audit log"),
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA console")
    op.execute("""
        CREATE TABLE console.tokens (
            token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
            role text NOT NULL CHECK (role IN ('viewer', 'uploader', 'reviewer')),
            created_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz
        )
    """)
    op.execute("CREATE INDEX tokens_name ON console.tokens (name)")
    op.execute("""
        CREATE TABLE console.sessions (
            session_hash bytea PRIMARY KEY CHECK (octet_length(session_hash) = 32),
            token_hash bytea NOT NULL REFERENCES console.tokens ON DELETE CASCADE,
            created_at timestamptz NOT NULL DEFAULT now(),
            seen_at timestamptz NOT NULL DEFAULT now(),
            ended_at timestamptz
        )
    """)
    op.execute("CREATE INDEX sessions_token ON console.sessions (token_hash)")
    op.execute("CREATE INDEX sessions_seen_at ON console.sessions (seen_at)")
    op.execute("""
        CREATE TABLE console.audit (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 128),
            role text,
            action text NOT NULL CHECK (length(action) BETWEEN 1 AND 63),
            subject text NOT NULL DEFAULT '',
            details jsonb NOT NULL DEFAULT '{}'
        )
    """)
    op.execute("CREATE INDEX audit_at ON console.audit (at)")
