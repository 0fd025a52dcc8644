"""Trakt's titles, sweeps, the page ledger, feeds, loads, dead letters and tombstones."""

from __future__ import annotations

from alembic import op

from shared.database.foreign import refuse_foreign

revision = "0009"
down_revision = "0008"

TABLES: tuple[str, ...] = (
    "trakt.titles",
    "trakt.loads",
    "trakt.sweeps",
    "trakt.pages",
    "trakt.named_titles",
    "trakt.feeds",
    "trakt.dead_letters",
    "trakt.tombstones",
)

_KIND = "IN ('movie', 'show')"


def upgrade() -> None:
    refuse_foreign(op.get_bind(), "trakt", TABLES)
    _titles()
    _sweeps()
    _pages()
    _rest()


def _titles() -> None:
    op.execute(f"""
        CREATE TABLE trakt.titles (
            kind text CHECK (kind {_KIND}),
            trakt_id bigint CHECK (trakt_id > 0),
            names text[] NOT NULL DEFAULT '{{}}',
            slug text,
            imdb text,
            tmdb bigint,
            title text,
            year integer,
            released date,
            comments integer,
            state text NOT NULL DEFAULT 'tracked' CHECK (state IN ('tracked', 'gone', 'dropped')),
            not_found_days date[] NOT NULL DEFAULT '{{}}',
            resolved_at timestamptz NOT NULL DEFAULT now(),
            next_sweep_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (kind, trakt_id)
        )
    """)
    op.execute("CREATE INDEX titles_names ON trakt.titles USING gin (names)")


def _sweeps() -> None:
    op.execute("""
        CREATE TABLE trakt.loads (
            load_id text PRIMARY KEY,
            run_id text NOT NULL,
            owner text NOT NULL,
            started_at timestamptz NOT NULL DEFAULT now(),
            committed_at timestamptz,
            version bigint,
            pages integer,
            rows bigint,
            counts jsonb
        )
    """)
    op.execute("CREATE INDEX loads_open ON trakt.loads (started_at) WHERE committed_at IS NULL")
    # One sweep of a listing at a time: a second ingest skips what the first one reads.
    op.execute(f"""
        CREATE TABLE trakt.sweeps (
            sweep_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            run_id text NOT NULL,
            owner text NOT NULL,
            resource text NOT NULL CHECK (resource IN ('comments', 'replies', 'feed')),
            kind text CHECK (kind {_KIND}),
            trakt_id bigint,
            comment_id bigint,
            sort text NOT NULL,
            since timestamptz,
            page_limit integer NOT NULL CHECK (page_limit > 0),
            started_at timestamptz NOT NULL DEFAULT now(),
            ended_at timestamptz,
            pages_expected integer CHECK (pages_expected >= 0),
            complete boolean NOT NULL DEFAULT false,
            verified boolean NOT NULL DEFAULT false,
            borders boolean NOT NULL DEFAULT false,
            reason text,
            notes text[] NOT NULL DEFAULT '{{}}',
            CHECK (NOT complete OR ended_at IS NOT NULL),
            CHECK (NOT complete OR (verified AND borders))
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX sweeps_open ON trakt.sweeps
            (resource, coalesce(kind, ''), coalesce(trakt_id, 0), coalesce(comment_id, 0)) WHERE ended_at IS NULL
    """)
    op.execute("CREATE INDEX sweeps_complete ON trakt.sweeps (kind, trakt_id, ended_at) WHERE complete")


def _pages() -> None:
    op.execute(f"""
        CREATE TABLE trakt.pages (
            page_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            day date NOT NULL,
            run_id text NOT NULL,
            sweep_id bigint REFERENCES trakt.sweeps ON DELETE CASCADE,
            resource text NOT NULL CHECK (resource IN ('comments', 'replies', 'feed', 'rating', 'title', 'comment')),
            kind text CHECK (kind {_KIND}),
            trakt_id bigint,
            comment_id bigint,
            sort text,
            page integer NOT NULL CHECK (page > 0),
            page_limit integer NOT NULL CHECK (page_limit > 0),
            slice boolean NOT NULL DEFAULT false,
            planned_at timestamptz NOT NULL DEFAULT now(),
            status text NOT NULL DEFAULT 'planned'
                CHECK (status IN ('planned', 'good', 'good_empty', 'failed', 'skipped')),
            reason text,
            rows integer,
            bad integer,
            duplicates integer,
            bytes bigint,
            ms integer,
            attempts integer NOT NULL DEFAULT 0,
            http_status integer,
            observed_at timestamptz,
            page_key text,
            load_id text NOT NULL REFERENCES trakt.loads,
            first_id bigint,
            last_id bigint,
            ids bigint[],
            page_count integer,
            item_count bigint,
            UNIQUE (sweep_id, page, page_limit),
            CHECK (status NOT IN ('failed', 'skipped') OR reason IS NOT NULL)
        )
    """)
    op.execute("CREATE INDEX pages_day ON trakt.pages (day, kind, trakt_id)")
    op.execute("CREATE INDEX pages_title ON trakt.pages (kind, trakt_id, resource)")
    op.execute("CREATE INDEX pages_load ON trakt.pages (load_id)")
    op.execute("CREATE INDEX pages_planned ON trakt.pages (run_id) WHERE status = 'planned'")


def _rest() -> None:
    op.execute(f"""
        CREATE TABLE trakt.named_titles (
            sweep_id bigint REFERENCES trakt.sweeps ON DELETE CASCADE,
            kind text CHECK (kind {_KIND}),
            trakt_id bigint,
            day date NOT NULL,
            named_at timestamptz NOT NULL DEFAULT now(),
            comment_ids bigint[] NOT NULL,
            action text NOT NULL CHECK (action IN ('stored', 'sweep')),
            PRIMARY KEY (sweep_id, kind, trakt_id)
        )
    """)
    op.execute("CREATE INDEX named_titles_title ON trakt.named_titles (kind, trakt_id, named_at)")
    op.execute("""
        CREATE TABLE trakt.feeds (
            feed text PRIMARY KEY,
            watermark timestamptz,
            read_at timestamptz NOT NULL,
            gap boolean NOT NULL,
            reason text,
            sweep_id bigint REFERENCES trakt.sweeps ON DELETE SET NULL
        )
    """)
    op.execute("""
        CREATE TABLE trakt.dead_letters (
            dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            load_id text NOT NULL,
            page_key text NOT NULL,
            item_index integer,
            path text NOT NULL,
            code text NOT NULL,
            message text NOT NULL,
            payload_start text NOT NULL,
            at timestamptz NOT NULL DEFAULT now()
        )
    """)
    # A load that is committed again, because the answer to its commit was lost, writes the same dead letters.
    op.execute(
        "CREATE UNIQUE INDEX dead_letters_item ON trakt.dead_letters (load_id, page_key, coalesce(item_index, -1))"
    )
    op.execute("""
        CREATE TABLE trakt.tombstones (
            user_hash text PRIMARY KEY CHECK (user_hash ~ '^[0-9a-f]{64}$'),
            erased_at timestamptz NOT NULL DEFAULT now(),
            run_id text
        )
    """)
