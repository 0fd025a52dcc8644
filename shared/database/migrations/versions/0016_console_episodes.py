"""Copies of Screenalytics' latest runs, by episode and by person, for the console's lists."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

TABLES = ("console.episodes", "console.persons")


def upgrade() -> None:
    # The latest run of an episode is found by sorting all runs, and a person's time by adding up all metrics: with
    # 20,000 episodes of 50 persons that takes 0.1 s and a second. Ids have the database's collation: with another, a
    # join with the pipeline's tables could not use their indexes.
    op.execute("""
        CREATE TABLE console.episodes (
            ep_id text PRIMARY KEY,
            show text NOT NULL,
            season integer,
            episode integer,
            episode_id uuid,
            run_id text NOT NULL,
            status text NOT NULL,
            completed_at timestamptz NOT NULL,
            persons integer NOT NULL,
            casts integer,
            onscreen_ms bigint NOT NULL,
            speaking_ms bigint,
            warnings integer NOT NULL,
            warning_codes text[] NOT NULL,
            older_runs integer NOT NULL,
            replaced_runs integer NOT NULL,
            not_ingested integer NOT NULL,
            pipeline_run_id text NOT NULL
        )
    """)
    op.execute("CREATE INDEX episodes_completed ON console.episodes (completed_at, ep_id)")
    op.execute("CREATE INDEX episodes_show ON console.episodes (show)")
    # A linked person has the show '', and the catalogue's id as its id.
    op.execute("""
        CREATE TABLE console.persons (
            show text NOT NULL,
            person_id text NOT NULL,
            name text,
            shows text[] NOT NULL,
            episodes integer NOT NULL,
            onscreen_ms bigint NOT NULL,
            speaking_ms bigint,
            spoken integer NOT NULL,
            first_at timestamptz NOT NULL,
            last_at timestamptz NOT NULL,
            PRIMARY KEY (show, person_id)
        )
    """)
    op.execute("CREATE INDEX persons_onscreen ON console.persons (onscreen_ms, show, person_id)")
    op.execute("CREATE INDEX persons_id ON console.persons (person_id)")
    op.execute("CREATE INDEX persons_name ON console.persons (lower(name) text_pattern_ops)")
    # max(updated_at) tells whether a copy is current, at each request.
    op.execute("CREATE INDEX runs_updated_at ON screenalytics.runs (updated_at)")
    op.execute("CREATE INDEX ingest_items_last_at ON screenalytics.ingest_items (last_at)")
