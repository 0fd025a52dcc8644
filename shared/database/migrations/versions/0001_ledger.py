"""The ledger: runs, their stages and failed items, and the environment of the database."""

from __future__ import annotations

from alembic import op

from shared.database._schema import Expiring

revision = "0001"
down_revision = None

TABLES = ("pipeline.runs", "pipeline.run_stages", "pipeline.item_errors")
EXPIRING = (Expiring("pipeline.runs", key="run_id", time="finished_at", label="runs of the ledger"),)

_STATUSES = "('pending', 'running', 'success', 'partial', 'failed', 'skipped', 'cancelled', 'interrupted')"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE pipeline.environment (
            single boolean PRIMARY KEY DEFAULT true CHECK (single),
            name text NOT NULL CHECK (name IN ('dev', 'staging', 'prod')),
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute(f"""
        CREATE TABLE pipeline.runs (
            run_id text PRIMARY KEY CHECK (run_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{{0,127}}$'),
            pipeline text NOT NULL CHECK (length(pipeline) BETWEEN 1 AND 63),
            status text NOT NULL CHECK (status IN {_STATUSES}),
            parameters jsonb NOT NULL DEFAULT '{{}}',
            version text,
            host text,
            created_at timestamptz NOT NULL DEFAULT now(),
            started_at timestamptz,
            heartbeat_at timestamptz,
            finished_at timestamptz,
            error_stage text,
            error_message text,
            CHECK ((status IN ('pending', 'running')) = (finished_at IS NULL))
        )
    """)
    op.execute("CREATE INDEX runs_created_at ON pipeline.runs (created_at)")
    op.execute("CREATE INDEX runs_running ON pipeline.runs (heartbeat_at) WHERE status = 'running'")
    op.execute(f"""
        CREATE TABLE pipeline.run_stages (
            run_id text NOT NULL REFERENCES pipeline.runs ON DELETE CASCADE,
            stage text NOT NULL CHECK (length(stage) BETWEEN 1 AND 63),
            stage_order smallint NOT NULL CHECK (stage_order BETWEEN 1 AND 7),
            pipeline text NOT NULL CHECK (length(pipeline) BETWEEN 1 AND 63),
            status text NOT NULL CHECK (status IN {_STATUSES}),
            attempt integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
            parameters jsonb NOT NULL DEFAULT '{{}}',
            version text,
            host text,
            started_at timestamptz,
            heartbeat_at timestamptz,
            finished_at timestamptz,
            duration_ms bigint CHECK (duration_ms >= 0),
            counts jsonb NOT NULL DEFAULT '{{}}',
            exit_code smallint,
            input_hash text,
            output_hash text,
            manifest_key text,
            error_message text,
            error_details jsonb,
            PRIMARY KEY (run_id, stage),
            CHECK ((status IN ('pending', 'running')) = (finished_at IS NULL))
        )
    """)
    op.execute("CREATE INDEX run_stages_running ON pipeline.run_stages (heartbeat_at) WHERE status = 'running'")
    op.execute("""
        CREATE TABLE pipeline.item_errors (
            run_id text NOT NULL,
            stage text NOT NULL,
            item text NOT NULL CHECK (octet_length(item) <= 1024),
            code text NOT NULL CHECK (length(code) BETWEEN 1 AND 100),
            retryable boolean NOT NULL,
            attempt integer NOT NULL DEFAULT 1,
            input_hash text,
            message text NOT NULL,
            details jsonb NOT NULL DEFAULT '{}',
            at timestamptz NOT NULL,
            PRIMARY KEY (run_id, stage, item, code),
            FOREIGN KEY (run_id, stage) REFERENCES pipeline.run_stages ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX item_errors_item ON pipeline.item_errors (item)")
