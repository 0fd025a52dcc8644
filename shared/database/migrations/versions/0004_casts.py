"""Screenalytics: one row per cast, the latest run of an episode with or without attempt, longer artifact keys."""

from __future__ import annotations

from alembic import op

from shared.database.foreign import refuse_foreign

revision = "0004"
down_revision = "0003"

TABLES = ("screenalytics.cast_metrics",)
VIEWS = ("gold.screenalytics_casts",)


def upgrade() -> None:
    refuse_foreign(
        op.get_bind(), "screenalytics", TABLES, fix="ALTER TABLE screenalytics.cast_metrics RENAME TO cast_metrics_old"
    )
    _casts()
    # 255 characters take up to 1020 bytes; JSON Schema, which producers validate against, counts characters.
    op.execute("ALTER TABLE screenalytics.artifacts DROP CONSTRAINT IF EXISTS artifacts_artifact_key_check")
    op.execute(
        "ALTER TABLE screenalytics.artifacts"
        " ADD CONSTRAINT artifacts_artifact_key_check CHECK (octet_length(artifact_key) <= 1020)"
    )
    _views()


def _casts() -> None:
    # The foreign key points to the artifact and its run, which have the rest of the lineage.
    op.execute("""
        CREATE TABLE screenalytics.cast_metrics (
            run_id text NOT NULL,
            artifact_key text NOT NULL,
            entry integer NOT NULL CHECK (entry >= 0),
            person_id text NOT NULL CHECK (octet_length(person_id) BETWEEN 1 AND 255),
            cast_id text CHECK (octet_length(cast_id) BETWEEN 1 AND 255),
            name text,
            onscreen_ms bigint NOT NULL CHECK (onscreen_ms >= 0),
            speaking_ms bigint CHECK (speaking_ms >= 0),
            confessional_ms bigint CHECK (confessional_ms >= 0),
            body_ms bigint CHECK (body_ms >= 0),
            confidence numeric(4, 3) CHECK (confidence BETWEEN 0 AND 1),
            PRIMARY KEY (run_id, artifact_key, entry),
            FOREIGN KEY (run_id, artifact_key) REFERENCES screenalytics.artifacts ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX cast_metrics_cast ON screenalytics.cast_metrics (cast_id)")
    # NULL for rows written by an earlier release.
    op.execute("ALTER TABLE screenalytics.runs ADD COLUMN casts integer CHECK (casts >= 0)")
    op.execute("ALTER TABLE screenalytics.replaced_runs ADD COLUMN cast_metrics jsonb")


def _views() -> None:
    # Replaced, not dropped, to keep grants, comments and dependent views.
    # Comparing attempts and times pair by pair may be cyclic: attempt 2 beats attempt 1, which is later than a run
    # without attempt, which is later than attempt 2. The inner query finds the latest run with and the latest run
    # without attempt, the outer query the later of the two.
    op.execute("""
        CREATE OR REPLACE VIEW screenalytics.latest_runs AS
        SELECT DISTINCT ON (run.ep_id) run.run_id, run.ep_id, run.source, run.manifest_key, run.manifest_sha256,
            run.manifest_etag, run.schema_version, run.status, run.attempt, run.started_at, run.completed_at,
            run.duration_ms, run.persons, run.warnings, run.output_hash, run.revision, run.pipeline_run_id,
            run.ingested_at, run.updated_at, link.episode_id, run.casts
        FROM (
            SELECT DISTINCT ON (ep_id, status = 'ingested', attempt IS NULL) *
            FROM screenalytics.runs
            ORDER BY ep_id, status = 'ingested', attempt IS NULL, attempt DESC, completed_at DESC NULLS LAST,
                run_id COLLATE "C" DESC
        ) AS run LEFT JOIN screenalytics.episode_links link USING (ep_id)
        ORDER BY run.ep_id, run.status = 'ingested' DESC, run.completed_at DESC NULLS LAST,
            run.attempt DESC NULLS LAST, run.run_id COLLATE "C" DESC
    """)
    # UUIDs are case-insensitive.
    op.execute("""
        CREATE OR REPLACE VIEW screenalytics.latest_person_metrics AS
        SELECT run.ep_id, run.episode_id, metric.*, coalesce(link.person_ref, CASE
            WHEN metric.person_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN metric.person_id::uuid
            END) AS person_ref
        FROM screenalytics.latest_runs run
        JOIN screenalytics.person_metrics metric USING (run_id)
        LEFT JOIN screenalytics.person_links link
            ON link.person_id = metric.person_id
            AND link.show = coalesce(substring(run.ep_id FROM '^(.+)-s[0-9]+e[0-9]+$'), run.ep_id)
    """)
    op.execute("""
        CREATE VIEW gold.screenalytics_casts AS
        SELECT person.ep_id, person.episode_id, part.person_id, person.person_ref, part.cast_id, part.name,
            part.onscreen_ms, part.speaking_ms, part.confessional_ms, part.body_ms, part.confidence, part.run_id,
            part.artifact_key, part.entry, person.pipeline_run_id, person.ingested_at
        FROM screenalytics.latest_person_metrics person
        JOIN screenalytics.cast_metrics part USING (run_id, person_id)
    """)
    op.execute("""
        COMMENT ON VIEW gold.screenalytics_casts IS
        'One row per cast of a person, from the latest successful run of an episode; a person may have several casts'
    """)
