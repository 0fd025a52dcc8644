"""Screenalytics: tables of runs, persons, items, links and outbox; views of the latest run of each episode."""

from __future__ import annotations

from alembic import op

from shared.database._schema import Expiring
from shared.database.foreign import refuse_foreign

revision = "0003"
down_revision = "0002"

_RUN_ID = "'^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'"
_SHA256 = "'^[0-9a-f]{64}$'"

TABLES = (
    "screenalytics.runs",
    "screenalytics.artifacts",
    "screenalytics.person_metrics",
    "screenalytics.replaced_runs",
    "screenalytics.ingest_items",
    "screenalytics.ingest_attempts",
    "screenalytics.outbox_events",
    "screenalytics.episode_links",
    "screenalytics.person_links",
)
VIEWS = ("screenalytics.latest_runs", "screenalytics.latest_person_metrics", "gold.screenalytics_persons")
# The outcome of each key stays in ingest_items; attempts are only the history behind it.
EXPIRING = (
    Expiring("screenalytics.ingest_attempts", key="id", time="at", label="attempts to ingest Screenalytics runs"),
)


def upgrade() -> None:
    # In some installations the producer has created tables with these names.
    refuse_foreign(op.get_bind(), "screenalytics", (*TABLES, *VIEWS))
    op.execute("CREATE SCHEMA IF NOT EXISTS screenalytics")
    _products()
    _history()
    _arrival()
    _links()
    _views()


def _products() -> None:
    op.execute(f"""
        CREATE TABLE screenalytics.runs (
            run_id text PRIMARY KEY CHECK (run_id ~ {_RUN_ID}),
            ep_id text NOT NULL CHECK (octet_length(ep_id) BETWEEN 1 AND 255),
            source text NOT NULL,
            manifest_key text NOT NULL CHECK (octet_length(manifest_key) <= 1024),
            manifest_sha256 text NOT NULL CHECK (manifest_sha256 ~ {_SHA256}),
            manifest_etag text NOT NULL,
            schema_version text NOT NULL,
            status text NOT NULL DEFAULT 'ingested' CHECK (status IN ('ingested', 'source_deleted')),
            attempt integer CHECK (attempt >= 0),
            started_at timestamptz,
            completed_at timestamptz,
            duration_ms bigint CHECK (duration_ms >= 0),
            persons integer NOT NULL CHECK (persons >= 0),
            warnings jsonb NOT NULL DEFAULT '[]',
            output_hash text NOT NULL CHECK (output_hash ~ {_SHA256}),
            revision integer NOT NULL DEFAULT 1 CHECK (revision >= 1),
            pipeline_run_id text NOT NULL,
            ingested_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX runs_episode ON screenalytics.runs (ep_id)")
    op.execute(f"""
        CREATE TABLE screenalytics.artifacts (
            run_id text NOT NULL REFERENCES screenalytics.runs ON DELETE CASCADE,
            artifact_key text NOT NULL CHECK (octet_length(artifact_key) <= 255),
            artifact_kind text NOT NULL,
            s3_key text NOT NULL,
            schema_version text NOT NULL,
            content_type text,
            sha256 text CHECK (sha256 ~ {_SHA256}),
            size_bytes bigint CHECK (size_bytes >= 0),
            row_count bigint CHECK (row_count >= 0),
            fetched boolean NOT NULL,
            PRIMARY KEY (run_id, artifact_key)
        )
    """)
    # The artifact's key leads to the run; a second foreign key would be checked for every person as well.
    # Milliseconds, because a numeric column with CHECK (>= 0) accepts NaN, which is larger than every number.
    op.execute("""
        CREATE TABLE screenalytics.person_metrics (
            run_id text NOT NULL,
            person_id text NOT NULL CHECK (octet_length(person_id) BETWEEN 1 AND 255),
            cast_ids text[] NOT NULL,
            name text,
            onscreen_ms bigint NOT NULL CHECK (onscreen_ms >= 0),
            speaking_ms bigint CHECK (speaking_ms >= 0),
            confessional_ms bigint CHECK (confessional_ms >= 0),
            body_ms bigint CHECK (body_ms >= 0),
            confidence numeric(4, 3) CHECK (confidence BETWEEN 0 AND 1),
            artifact_key text NOT NULL,
            artifact_schema_version text NOT NULL,
            manifest_key text NOT NULL,
            schema_version text NOT NULL,
            pipeline_run_id text NOT NULL,
            ingested_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (run_id, person_id),
            FOREIGN KEY (run_id, artifact_key) REFERENCES screenalytics.artifacts ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX person_metrics_person ON screenalytics.person_metrics (person_id)")


def _history() -> None:
    op.execute("""
        CREATE TABLE screenalytics.replaced_runs (
            run_id text NOT NULL,
            revision integer NOT NULL,
            replaced_at timestamptz NOT NULL DEFAULT now(),
            replaced_by text NOT NULL,
            run jsonb NOT NULL,
            artifacts jsonb NOT NULL,
            person_metrics jsonb NOT NULL,
            PRIMARY KEY (run_id, revision)
        )
    """)
    op.execute("""
        CREATE TABLE screenalytics.ingest_attempts (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            source text NOT NULL,
            manifest_key text NOT NULL,
            run_id text NOT NULL,
            arrival text NOT NULL CHECK (arrival IN ('event', 'poll', 'replay', 'verify')),
            outcome text NOT NULL,
            attempt integer NOT NULL CHECK (attempt >= 0),
            manifest_sha256 text,
            code text,
            message text,
            pipeline_run_id text NOT NULL,
            at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("CREATE INDEX ingest_attempts_run ON screenalytics.ingest_attempts (run_id)")
    op.execute("CREATE INDEX ingest_attempts_at ON screenalytics.ingest_attempts (at)")


def _arrival() -> None:
    op.execute("""
        CREATE TABLE screenalytics.ingest_items (
            source text NOT NULL,
            manifest_key text NOT NULL CHECK (octet_length(manifest_key) <= 1024),
            run_id text NOT NULL,
            state text NOT NULL CHECK (state IN
                ('ingested', 'skipped', 'deferred', 'rejected', 'quarantined', 'dead', 'source_deleted')),
            attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
            etag text,
            manifest_sha256 text,
            code text,
            message text,
            first_seen_at timestamptz NOT NULL DEFAULT now(),
            last_at timestamptz NOT NULL DEFAULT now(),
            pipeline_run_id text NOT NULL,
            PRIMARY KEY (source, manifest_key)
        )
    """)
    op.execute("CREATE INDEX ingest_items_run ON screenalytics.ingest_items (run_id)")
    op.execute("""
        CREATE TABLE screenalytics.outbox_events (
            event_id uuid PRIMARY KEY,
            event_type text NOT NULL,
            aggregate_id text NOT NULL,
            payload_json jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            delivered_at timestamptz,
            delivery_attempts integer NOT NULL DEFAULT 0,
            last_error text
        )
    """)
    op.execute(
        "CREATE INDEX outbox_events_waiting ON screenalytics.outbox_events (created_at) WHERE delivered_at IS NULL"
    )


def _links() -> None:
    op.execute("""
        CREATE TABLE screenalytics.episode_links (
            ep_id text PRIMARY KEY,
            episode_id uuid NOT NULL,
            linked_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    # The producer numbers p_0001 … from the start in every show.
    op.execute("""
        CREATE TABLE screenalytics.person_links (
            show text NOT NULL,
            person_id text NOT NULL,
            person_ref uuid NOT NULL,
            linked_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (show, person_id)
        )
    """)


def _views() -> None:
    # A person_id that is a uuid comes from the catalogue (cast_screentime.v1); others are linked manually.
    # A run that the producer deleted ranks below any that still exists; if it is the only one, it stays.
    op.execute("""
        CREATE VIEW screenalytics.latest_runs AS
        SELECT DISTINCT ON (run.ep_id) run.*, link.episode_id
        FROM screenalytics.runs run LEFT JOIN screenalytics.episode_links link USING (ep_id)
        ORDER BY run.ep_id, run.status = 'ingested' DESC, run.attempt DESC NULLS LAST,
            run.completed_at DESC NULLS LAST, run.run_id COLLATE "C" DESC
    """)
    op.execute("""
        CREATE VIEW screenalytics.latest_person_metrics AS
        SELECT run.ep_id, run.episode_id, metric.*, coalesce(link.person_ref, CASE
            WHEN metric.person_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN metric.person_id::uuid
            END) AS person_ref
        FROM screenalytics.latest_runs run
        JOIN screenalytics.person_metrics metric USING (run_id)
        LEFT JOIN screenalytics.person_links link
            ON link.person_id = metric.person_id
            AND link.show = coalesce(substring(run.ep_id FROM '^(.+)-s[0-9]+e[0-9]+$'), run.ep_id)
    """)
    op.execute("""
        CREATE VIEW gold.screenalytics_persons AS
        SELECT ep_id, episode_id, person_id, person_ref, name, onscreen_ms, speaking_ms, confessional_ms, body_ms,
            confidence, run_id, pipeline_run_id, ingested_at
        FROM screenalytics.latest_person_metrics
    """)
    op.execute("""
        COMMENT ON VIEW gold.screenalytics_persons IS
        'One row a person of an episode, from its latest successful run; telecine screenalytics ingest writes it'
    """)
    op.execute("""
        COMMENT ON COLUMN gold.screenalytics_persons.person_ref IS
        'The catalogue''s id of the person: person_id where it is one, else from screenalytics.person_links';
        COMMENT ON COLUMN gold.screenalytics_persons.episode_id IS
        'The catalogue''s id of the episode, from screenalytics.episode_links';
        COMMENT ON COLUMN gold.screenalytics_persons.onscreen_ms IS
        'Milliseconds; of all persons together they may be more than the episode';
        COMMENT ON COLUMN gold.screenalytics_persons.speaking_ms IS
        'Milliseconds, NULL where it was not computed; may be more than onscreen_ms';
        COMMENT ON COLUMN gold.screenalytics_persons.confidence IS 'From 0 to 1'
    """)
