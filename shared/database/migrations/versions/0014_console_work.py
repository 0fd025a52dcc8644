"""Tables for received files, for runs that users of the console request, and for copies of slow views."""

from __future__ import annotations

from alembic import op

from shared.database._schema import Expiring

revision = "0014"
down_revision = "0013"

TABLES = (
    "console.files",
    "console.launches",
    "console.snapshots",
    "console.review_keys",
    "console.match_rates",
)
EXPIRING = (
    Expiring("console.launches", key="launch_id", time="requested_at", label="runs that the console requested"),
    # The launches of a file go first: each is younger.
    Expiring("console.files", key="file_id", time="created_at", label="files that the console received"),
)

_AMOUNT = "numeric(38, 10)"


def upgrade() -> None:
    _work()
    _copies()


def _work() -> None:
    op.execute("""
        CREATE TABLE console.files (
            file_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            filename text NOT NULL CHECK (length(filename) BETWEEN 1 AND 255),
            sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
            size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
            uri text NOT NULL,
            state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'confirmed', 'cancelled')),
            proposal jsonb,
            choices jsonb NOT NULL DEFAULT '{}',
            version integer NOT NULL DEFAULT 1,
            created_by text NOT NULL CHECK (length(created_by) BETWEEN 1 AND 128),
            created_at timestamptz NOT NULL DEFAULT now(),
            decided_by text,
            decided_at timestamptz,
            CHECK ((state = 'draft') = (decided_at IS NULL))
        )
    """)
    op.execute("CREATE INDEX files_open ON console.files (created_at) WHERE state = 'draft'")
    op.execute("CREATE INDEX files_sha256 ON console.files (sha256)")
    op.execute("CREATE INDEX files_created_at ON console.files (created_at)")
    # A row is committed before the run is started, and its name is the run's identity: starting it again, after a lost
    # answer, starts nothing new.
    op.execute("""
        CREATE TABLE console.launches (
            launch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
            step text NOT NULL CHECK (step IN ('run', 'retract', 'reprocess')),
            file_id bigint REFERENCES console.files ON DELETE CASCADE,
            upload_id bigint,
            parameters jsonb NOT NULL DEFAULT '{}',
            state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'started', 'failed')),
            run_id text,
            attempts integer NOT NULL DEFAULT 0,
            message text,
            requested_by text NOT NULL CHECK (length(requested_by) BETWEEN 1 AND 128),
            requested_at timestamptz NOT NULL DEFAULT now(),
            tried_at timestamptz,
            started_at timestamptz,
            CHECK (num_nonnulls(file_id, upload_id) >= 1),
            CHECK ((state = 'started') = (started_at IS NOT NULL))
        )
    """)
    op.execute("CREATE INDEX launches_file ON console.launches (file_id)")
    op.execute("CREATE INDEX launches_upload ON console.launches (upload_id)")
    op.execute("CREATE INDEX launches_waiting ON console.launches (requested_at) WHERE state = 'requested'")
    op.execute("CREATE INDEX launches_requested_at ON console.launches (requested_at)")


def _copies() -> None:
    # The views aggregate every row that waits or was stored, which takes seconds; pages read these copies.
    op.execute("""
        CREATE TABLE console.snapshots (
            name text PRIMARY KEY,
            mark text NOT NULL,
            taken_at timestamptz NOT NULL,
            took_ms bigint NOT NULL
        )
    """)
    op.execute(f"""
        CREATE TABLE console.review_keys (
            review_digest bytea PRIMARY KEY,
            platform text NOT NULL,
            status text NOT NULL CHECK (status IN ('review', 'unmatched')),
            title text,
            series text,
            season text,
            episode text,
            content_id text,
            keys bigint[] NOT NULL,
            rows bigint NOT NULL,
            held bigint NOT NULL,
            uploads bigint NOT NULL,
            hours {_AMOUNT} NOT NULL,
            revenue {_AMOUNT} NOT NULL,
            accepted_before bigint,
            candidates integer NOT NULL,
            score numeric(6, 2),
            margin numeric(6, 2),
            reason text,
            waiting_since timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX review_keys_hours ON console.review_keys (hours, review_digest)")
    op.execute("CREATE INDEX review_keys_since ON console.review_keys (waiting_since, review_digest)")
    op.execute("CREATE INDEX review_keys_platform ON console.review_keys (platform, hours, review_digest)")
    op.execute(f"""
        CREATE TABLE console.match_rates (
            upload_id bigint NOT NULL,
            platform text NOT NULL,
            week date,
            fate text NOT NULL,
            bucket text,
            units bigint NOT NULL,
            hours {_AMOUNT} NOT NULL,
            revenue {_AMOUNT} NOT NULL
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX match_rates_key ON console.match_rates (upload_id, fate, week, bucket) NULLS NOT DISTINCT
    """)
    op.execute("CREATE INDEX match_rates_platform ON console.match_rates (platform, week)")
