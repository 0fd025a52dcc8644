"""Viewership: uploads and their rows, keys and matches, final rows, decisions, and the views that account for them."""

from __future__ import annotations

from alembic import op

from shared.database._schema import Expiring
from shared.database.foreign import refuse_foreign

revision = "0007"
down_revision = "0006"

TABLES = (
    "viewership.uploads",
    "viewership.upload_names",
    "viewership.set_aside_rows",
    "viewership.scopes",
    "viewership.keys",
    "viewership.matches",
    "viewership.match_history",
    "viewership.reprocessed",
    "viewership.platform_viewership",
    "viewership.episode_details",
    "viewership.replaced_details",
    "viewership.decisions",
    "viewership.error_log",
    "viewership.outbox_events",
    "viewership.arrivals",
)
VIEWS = (
    "viewership.row_fates",
    "viewership.due_details",
    "viewership.reconciliation",
    "viewership.record_reprocessing_batch_logs",
    "viewership.review_queue",
    "viewership.source_formula",
    "viewership.match_rates",
    "viewership.phase_times",
    "viewership.recent_uploads",
    "viewership_source.platform_viewership",
    "viewership_source.record_reprocessing_batch_logs",
)
# The table that the pipeline's users read.
FINAL = ("viewership.episode_details",)
# Kept for good: uploads, their rows, final and replaced rows, decisions (the evidence of `verify`), and
# arrivals: an object of a retracted upload whose arrival is forgotten would be loaded again.
EXPIRING = (
    Expiring("viewership.error_log", key="id", time="log_time", label="log entries of viewership"),
    Expiring("viewership.match_history", key="id", time="replaced_at", label="replaced matches of viewership"),
    Expiring("viewership.outbox_events", key="event_id", time="delivered_at", label="delivered events of viewership"),
)
# Functions that change final rows. They run with the rights of their owner: a role needs none on the tables.
FUNCTIONS = (
    "viewership.analyze_rows()",
    "viewership.lock_final(text[])",
    "viewership.replace_matches(bigint[])",
    "viewership.sync(text, bigint[], text, text)",
    "viewership.same_review(bigint[])",
    "viewership.decided_keys(bigint[])",
    "viewership.review_state(bigint[])",
    "viewership.preview(text, bigint[], bigint)",
    "viewership.decide(text, bigint[], bigint, text, text, text)",
    "viewership.settle_aliases(bigint[], bigint, text, text)",
    "viewership.undo(bigint, text)",
)

_SHA256 = "'^[0-9a-f]{64}$'"
# Raw text of a file: no cell is longer, since the reader refuses it.
_TEXT = "text CHECK (length({0}) <= 4000)"
# Hours and money are exact: sums over fates equal the file's.
_AMOUNT = "numeric(38, 10)"


def upgrade() -> None:
    refuse_foreign(op.get_bind(), "viewership", TABLES)
    op.execute("CREATE SCHEMA IF NOT EXISTS viewership")
    op.execute("CREATE SCHEMA IF NOT EXISTS viewership_source")
    _uploads()
    _keys()
    _rows()
    _final()
    _history()
    _arrival()
    _fates()
    _functions()


def _uploads() -> None:
    op.execute(f"""
        CREATE TABLE viewership.uploads (
            upload_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            sha256 text NOT NULL CHECK (sha256 ~ {_SHA256}),
            canonical_sha256 text CHECK (canonical_sha256 ~ {_SHA256}),
            object_key text NOT NULL,
            filename text NOT NULL CHECK (length(filename) BETWEEN 1 AND 1024),
            size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
            platform text CHECK (length(platform) BETWEEN 1 AND 63),
            domain text,
            label text CHECK (label IN ('Viewership', 'Revenue', 'Both')),
            format text,
            choices jsonb NOT NULL DEFAULT '{{}}',
            answers jsonb NOT NULL DEFAULT '[]',
            status text NOT NULL CHECK (status IN ('received', 'needs_choice', 'refused', 'copy', 'overlap', 'skipped',
                'read', 'normalized', 'matched', 'loaded', 'partial', 'replaced', 'retracted')),
            code text,
            message text,
            units bigint CHECK (units >= 0),
            hours {_AMOUNT},
            revenue {_AMOUNT},
            unparsable bigint NOT NULL DEFAULT 0 CHECK (unparsable >= 0),
            notes jsonb NOT NULL DEFAULT '[]',
            others jsonb NOT NULL DEFAULT '[]',
            others_left_out integer NOT NULL DEFAULT 0 CHECK (others_left_out >= 0),
            first_date date,
            last_date date,
            replaces bigint[] NOT NULL DEFAULT '{{}}',
            rereads bigint REFERENCES viewership.uploads,
            replaced_by bigint REFERENCES viewership.uploads,
            retracted_by text,
            retracted_reason text,
            loaded_at timestamptz,
            pipeline_run_id text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CHECK (status IN ('received', 'needs_choice', 'refused', 'retracted')
                OR num_nonnulls(platform, domain, label, format) = 4)
        )
    """)
    # The bytes are the identity: of two uploads of one file at once, the second waits here and then links to the first.
    op.execute("""
        CREATE UNIQUE INDEX uploads_bytes ON viewership.uploads (sha256)
            WHERE status NOT IN ('replaced', 'retracted') AND rereads IS NULL
    """)
    # The same bytes read with other choices stay next to those that they replace until they are loaded.
    op.execute("""
        CREATE UNIQUE INDEX uploads_rereads ON viewership.uploads (rereads)
            WHERE status NOT IN ('replaced', 'retracted')
    """)
    op.execute("CREATE INDEX uploads_rows ON viewership.uploads (canonical_sha256)")
    op.execute("CREATE INDEX uploads_platform ON viewership.uploads (platform, first_date, last_date)")
    op.execute("""
        CREATE TABLE viewership.upload_names (
            upload_id bigint NOT NULL REFERENCES viewership.uploads,
            filename text NOT NULL CHECK (length(filename) BETWEEN 1 AND 1024),
            times bigint NOT NULL DEFAULT 1,
            first_seen timestamptz NOT NULL DEFAULT now(),
            last_seen timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (upload_id, filename)
        )
    """)
    op.execute(f"""
        CREATE TABLE viewership.set_aside_rows (
            upload_id bigint NOT NULL REFERENCES viewership.uploads,
            line integer NOT NULL CHECK (line >= 1),
            position integer NOT NULL DEFAULT 0 CHECK (position >= 0),
            fate text NOT NULL CHECK (fate IN ('rejected', 'filtered')),
            code text NOT NULL,
            column_name text,
            raw text,
            message text NOT NULL,
            hours {_AMOUNT},
            revenue {_AMOUNT},
            unparsable smallint NOT NULL DEFAULT 0 CHECK (unparsable >= 0),
            PRIMARY KEY (upload_id, line, position)
        )
    """)


def _keys() -> None:
    # Distinct partners, channels, territories and days of the rows, and the deal of each: a deal may begin on any day.
    op.execute("""
        CREATE TABLE viewership.scopes (
            scope_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            platform text NOT NULL,
            domain text NOT NULL,
            platform_partner_name text,
            platform_channel_name text,
            platform_territory text,
            date date,
            digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 16),
            deal_id bigint REFERENCES catalog.deals,
            deal_parent text,
            partner text,
            channel text,
            channel_id bigint REFERENCES catalog.channels,
            territory text,
            territory_id bigint REFERENCES catalog.territories,
            code text CHECK (code IN ('NO_DEAL', 'DEAL_TIE', 'NO_CHANNEL', 'NO_TERRITORY')),
            reasons jsonb NOT NULL DEFAULT '[]',
            catalogue_version bigint
        )
    """)
    op.execute("CREATE INDEX scopes_platform ON viewership.scopes (platform)")
    op.execute("""
        CREATE TABLE viewership.keys (
            key_id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000) PRIMARY KEY,
            digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 16),
            platform text NOT NULL,
            content_name text,
            content_name_2 text,
            series text,
            season text,
            episode text,
            content_id text,
            title_key text,
            title_key_2 text,
            series_key text,
            content_key text,
            review_key text[] NOT NULL CHECK (cardinality(review_key) = 6),
            review_digest bytea NOT NULL CHECK (octet_length(review_digest) = 16),
            key_version integer NOT NULL
        )
    """)
    op.execute("CREATE INDEX keys_review ON viewership.keys (review_digest)")
    # uploads: an accepted key's episode counts in these, and in what replaces them; in others, its rows wait again.
    match = """
            status text NOT NULL CHECK (status IN ('matched', 'review', 'unmatched', 'rejected')),
            bucket text,
            episode_id bigint,
            confidence numeric(5, 4) CHECK (confidence BETWEEN 0 AND 1),
            candidates jsonb NOT NULL DEFAULT '[]',
            margin numeric(6, 2),
            reasons jsonb NOT NULL DEFAULT '[]',
            rule_version text NOT NULL,
            catalogue_version bigint NOT NULL,
            decision_id bigint,
            uploads bigint[],
            pipeline_run_id text NOT NULL,
            matched_at timestamptz NOT NULL DEFAULT now()
    """
    # No foreign keys to keys and episodes, which are never deleted: checking each takes a third of the time of writing
    # matches, and locks every episode. `verify` matches again, and finds an episode that does not exist.
    op.execute(f"""
        CREATE TABLE viewership.matches (
            key_id bigint PRIMARY KEY,
            {match},
            CHECK ((status = 'matched') = (episode_id IS NOT NULL)),
            CHECK (uploads IS NULL OR status = 'matched')
        )
    """)
    op.execute("CREATE INDEX matches_open ON viewership.matches (status) WHERE status <> 'matched'")
    op.execute("CREATE INDEX matches_episode ON viewership.matches (episode_id)")
    op.execute(f"""
        CREATE TABLE viewership.match_history (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key_id bigint NOT NULL REFERENCES viewership.keys,
            {match},
            replaced_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX match_history_key ON viewership.match_history (key_id)")
    op.execute("CREATE INDEX match_history_time ON viewership.match_history (replaced_at)")
    # All keys of a platform are matched to at least this version of the catalogue; those that later changes affected,
    # to the one that their match names.
    op.execute("""
        CREATE TABLE viewership.reprocessed (
            platform text PRIMARY KEY,
            catalogue_version bigint NOT NULL,
            pipeline_run_id text NOT NULL,
            reprocessed_at timestamptz NOT NULL DEFAULT now()
        )
    """)

    # The alias of a decision matches the rows with the review key of this key, and no others.
    op.execute("ALTER TABLE catalog.aliases ADD COLUMN key_id bigint REFERENCES viewership.keys")
    op.execute("DROP INDEX catalog.aliases_live")
    op.execute("""
        CREATE UNIQUE INDEX aliases_live ON catalog.aliases (platform, exact, md5(title), md5(series), season, episode,
            content_id, (series_id IS NULL)) NULLS NOT DISTINCT WHERE undone_at IS NULL AND key_id IS NULL
    """)
    op.execute("CREATE UNIQUE INDEX aliases_key ON catalog.aliases (key_id) WHERE undone_at IS NULL")
    op.execute("CREATE INDEX aliases_decision ON catalog.aliases (decision_id)")


def _rows() -> None:
    # Written once, by COPY; what the catalogue says about a row is in scopes and matches. No foreign keys: three
    # of them take as long as all the rest. Uploads, scopes and keys are never deleted, and `verify` looks for each.
    # Numbers are taken a thousand at a time, and have gaps.
    op.execute(f"""
        CREATE TABLE viewership.platform_viewership (
            id bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 1000),
            upload_id bigint NOT NULL,
            line integer NOT NULL,
            position integer NOT NULL DEFAULT 0,
            scope_id bigint NOT NULL,
            key_id bigint,
            platform_content_name text,
            platform_content_name_2 text,
            platform_content_id text,
            platform_series text,
            season_number text,
            episode_number text,
            language text,
            viewership_type text,
            tot_hov {_AMOUNT},
            tot_mov {_AMOUNT},
            duration {_AMOUNT},
            avg_duration_per_session {_AMOUNT},
            avg_duration_per_viewer {_AMOUNT},
            avg_session_count {_AMOUNT},
            views bigint,
            sessions bigint,
            unique_viewers bigint,
            tot_completions bigint,
            impressions bigint,
            channel_adpool_impressions bigint,
            channel_adpool_revenue {_AMOUNT},
            revenue {_AMOUNT},
            currency text,
            city text,
            country text,
            device_id text,
            device_name text,
            device_type text,
            date date,
            start_time text,
            end_time text,
            week date,
            day smallint,
            month smallint,
            quarter text,
            year smallint,
            year_month_day text,
            whole_week boolean NOT NULL DEFAULT false,
            whole_month boolean NOT NULL DEFAULT false,
            PRIMARY KEY (id)
        )
    """)
    # Rows are copied in key order, in which the index on keys takes a fifth of the time. A unique index on upload, line
    # and position would then take as long as all others together; `verify` looks for duplicate units instead. Rows of a
    # scope are found through the uploads of its platform and day: an index on scopes takes a tenth of the time.
    op.execute("CREATE INDEX platform_viewership_upload ON viewership.platform_viewership (upload_id)")
    op.execute("CREATE INDEX platform_viewership_key ON viewership.platform_viewership (key_id)")
    op.execute("""
        CREATE FUNCTION viewership.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            RAISE EXCEPTION '%.% is insert-only; expected telecine viewership retract or replace', TG_TABLE_SCHEMA,
                TG_TABLE_NAME;
        END
        $body$
    """)
    op.execute("""
        CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON viewership.platform_viewership
            FOR EACH STATEMENT EXECUTE FUNCTION viewership.refuse_change()
    """)


def _history() -> None:
    op.execute("""
        CREATE TABLE viewership.decisions (
            decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            action text NOT NULL CHECK (action IN ('accept', 'alias', 'reject')),
            keys bigint[] NOT NULL,
            episode_id bigint REFERENCES catalog.episodes,
            note text,
            effects jsonb NOT NULL,
            previous jsonb NOT NULL,
            decided_by text NOT NULL,
            decided_role text NOT NULL DEFAULT session_user,
            decided_at timestamptz NOT NULL DEFAULT now(),
            undone_by text,
            undone_role text,
            undone_at timestamptz,
            CHECK ((action = 'reject') = (episode_id IS NULL)),
            CHECK ((undone_by IS NULL) = (undone_at IS NULL))
        )
    """)
    op.execute("CREATE INDEX decisions_keys ON viewership.decisions USING gin (keys)")
    op.execute("""
        CREATE TABLE viewership.error_log (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            log_time timestamptz NOT NULL DEFAULT clock_timestamp(),
            upload_id bigint,
            platform text,
            procedure_name text NOT NULL,
            status text NOT NULL,
            rows_affected bigint,
            execution_ms bigint,
            error_message text,
            pipeline_run_id text NOT NULL
        )
    """)
    op.execute("CREATE INDEX error_log_time ON viewership.error_log (log_time)")
    op.execute("CREATE INDEX error_log_run ON viewership.error_log (pipeline_run_id)")


def _arrival() -> None:
    op.execute("""
        CREATE TABLE viewership.outbox_events (
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
    op.execute("CREATE INDEX outbox_events_waiting ON viewership.outbox_events (created_at) WHERE delivered_at IS NULL")
    op.execute(
        "CREATE INDEX outbox_events_done ON viewership.outbox_events (delivered_at) WHERE delivered_at IS NOT NULL"
    )
    # The outcome of each object below uploads/: one with the same ETag is not read again.
    op.execute("""
        CREATE TABLE viewership.arrivals (
            uri text PRIMARY KEY CHECK (length(uri) BETWEEN 1 AND 2048),
            etag text NOT NULL,
            size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
            status text NOT NULL CHECK (status IN ('reading', 'taken', 'waiting', 'refused', 'failed')),
            upload_id bigint REFERENCES viewership.uploads,
            code text,
            message text,
            attempts integer NOT NULL DEFAULT 1,
            notice uuid,
            unsent text[] NOT NULL DEFAULT '{}',
            first_seen timestamptz NOT NULL DEFAULT now(),
            last_seen timestamptz NOT NULL DEFAULT now(),
            pipeline_run_id text NOT NULL
        )
    """)
    op.execute("CREATE INDEX arrivals_waiting ON viewership.arrivals (notice) WHERE status = 'waiting'")


def _final() -> None:
    # One row a label: a file with hours and revenue has two.
    op.execute(f"""
        CREATE TABLE viewership.episode_details (
            viewership_id bigint NOT NULL,
            label text NOT NULL CHECK (label IN ('Viewership', 'Revenue')),
            upload_id bigint NOT NULL,
            key_id bigint NOT NULL,
            scope_id bigint NOT NULL,
            episode_id bigint NOT NULL,
            platform text NOT NULL,
            domain text NOT NULL,
            platform_partner_name text,
            platform_channel_name text,
            platform_territory text,
            platform_content_name text,
            platform_content_id text,
            platform_series text,
            viewership_partner text,
            deal_parent text NOT NULL,
            channel text NOT NULL,
            channel_id bigint,
            territory text NOT NULL,
            territory_id bigint,
            internal_series text,
            ref_id text,
            asset_title text,
            asset_series text NOT NULL,
            content_provider text,
            series_code text,
            season_number text,
            episode_number text,
            language text,
            hours {_AMOUNT},
            minutes {_AMOUNT},
            views bigint,
            sessions bigint,
            unique_viewers bigint,
            tot_completions bigint,
            register_name text,
            payment_amount {_AMOUNT},
            currency text,
            date date,
            start_time text,
            end_time text,
            week date,
            day smallint,
            month smallint,
            quarter text,
            year smallint,
            year_month_day text,
            filename text NOT NULL,
            bucket text NOT NULL,
            confidence numeric(5, 4) NOT NULL,
            loaded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (viewership_id, label)
        )
    """)
    # No index on keys or scopes, which would double the time of a load: platform_viewership leads to their rows.
    op.execute("CREATE INDEX episode_details_upload_id ON viewership.episode_details (upload_id)")
    op.execute("""
        CREATE TABLE viewership.replaced_details (LIKE viewership.episode_details,
            removed_at timestamptz NOT NULL DEFAULT now(), removed_by text NOT NULL, reason text NOT NULL)
    """)


_COLUMNS = """
    viewership_id, label, upload_id, key_id, scope_id, episode_id, platform, domain, platform_partner_name,
    platform_channel_name, platform_territory, platform_content_name, platform_content_id, platform_series,
    viewership_partner, deal_parent, channel, channel_id, territory, territory_id, internal_series, ref_id, asset_title,
    asset_series, content_provider, series_code, season_number, episode_number, language, hours, minutes, views,
    sessions, unique_viewers, tot_completions, register_name, payment_amount, currency, date, start_time, end_time,
    week, day, month, quarter, year, year_month_day, filename, bucket, confidence
"""


def _fates() -> None:
    op.execute("""
        CREATE FUNCTION viewership.gate(label text, hours numeric, revenue numeric, week date, day smallint,
            year smallint, quarter text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
            RETURN CASE
                WHEN label = 'Revenue' AND revenue IS NULL THEN 'NO_REVENUE'
                WHEN label = 'Viewership' AND hours IS NULL THEN 'NO_HOURS'
                WHEN label = 'Both' AND hours IS NULL AND revenue IS NULL THEN 'NO_HOURS'
                WHEN label <> 'Revenue' AND hours IS NOT NULL AND (week IS NULL OR day IS NULL) THEN 'NO_DATE'
                WHEN label <> 'Viewership' AND revenue IS NOT NULL AND (year IS NULL OR quarter IS NULL)
                    THEN 'NO_PERIOD'
            END
    """)
    op.execute("""
        CREATE VIEW viewership.row_fates AS
        SELECT r.id AS viewership_id, r.upload_id, r.line, r.position, r.key_id, r.scope_id, r.tot_hov AS hours,
            r.revenue, r.week, u.platform, u.label, m.bucket,
            CASE
                WHEN r.key_id IS NULL THEN 'topline'
                WHEN s.code IS NOT NULL THEN 'held'
                WHEN m.status = 'review' OR r.upload_id <> ALL (m.uploads) AND NOT u.replaces && m.uploads
                    THEN 'review'
                WHEN m.status IS DISTINCT FROM 'matched' THEN 'unmatched'
                WHEN viewership.gate(u.label, r.tot_hov, r.revenue, r.week, r.day, r.year, r.quarter) IS NOT NULL
                    THEN 'held'
                ELSE 'final'
            END AS fate,
            CASE
                WHEN r.key_id IS NULL THEN NULL
                WHEN s.code IS NOT NULL THEN s.code
                WHEN m.status = 'review' THEN m.reasons -> 0 ->> 'code'
                WHEN r.upload_id <> ALL (m.uploads) AND NOT u.replaces && m.uploads THEN 'ACCEPTED_BEFORE'
                WHEN m.status IS DISTINCT FROM 'matched' THEN COALESCE(m.reasons -> 0 ->> 'code', 'NOT_MATCHED')
                ELSE viewership.gate(u.label, r.tot_hov, r.revenue, r.week, r.day, r.year, r.quarter)
            END AS code
        FROM viewership.platform_viewership r
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.scopes s USING (scope_id)
        LEFT JOIN viewership.matches m USING (key_id)
        WHERE u.status IN ('read', 'normalized', 'matched', 'loaded', 'partial')
    """)
    # The gate is in a CASE because the planner expects one row in 200 to pass `IS NULL`, but half to pass a CASE. With
    # `IS NULL` alone, it hashes the rows instead of the matches and inserts in random order, which takes twice as long.
    # Rows are due from their load on: a decision between match and load must not let in a replacement row by row. An
    # upload that is matched again, after a bucket failed, keeps its rows.
    op.execute("""
        CREATE VIEW viewership.due_details AS
        SELECT r.id AS viewership_id, l.label, r.upload_id, r.key_id, r.scope_id, m.episode_id, u.platform, u.domain,
            s.platform_partner_name, s.platform_channel_name, s.platform_territory, r.platform_content_name,
            r.platform_content_id, r.platform_series, s.partner AS viewership_partner, s.deal_parent, s.channel,
            s.channel_id, s.territory, s.territory_id, st.title AS internal_series, e.ref_id, et.title AS asset_title,
            COALESCE(st.title, c.code, '') AS asset_series, c.content_provider, c.code AS series_code,
            COALESCE(r.season_number, e.season) AS season_number,
            COALESCE(r.episode_number, e.episode) AS episode_number, r.language,
            CASE WHEN l.label = 'Viewership' THEN r.tot_hov END AS hours,
            CASE WHEN l.label = 'Viewership' THEN r.tot_mov END AS minutes, r.views, r.sessions, r.unique_viewers,
            r.tot_completions,
            CASE WHEN l.label = 'Revenue' THEN concat_ws(' ', s.partner, 'Revenue', s.territory) END AS register_name,
            CASE WHEN l.label = 'Revenue' THEN r.revenue END AS payment_amount, r.currency, r.date, r.start_time,
            r.end_time, r.week, r.day, r.month, r.quarter, r.year, r.year_month_day, u.filename, m.bucket, m.confidence
        FROM viewership.platform_viewership r
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.scopes s USING (scope_id)
        JOIN viewership.matches m USING (key_id)
        JOIN catalog.episodes e ON e.id = m.episode_id
        JOIN catalog.series c ON c.id = e.series_id
        LEFT JOIN catalog.series_titles st ON st.series_id = c.id AND st.main
        LEFT JOIN catalog.episode_titles et ON et.episode_id = e.id AND et.main
        CROSS JOIN (VALUES ('Viewership'), ('Revenue')) l (label)
        WHERE u.loaded_at IS NOT NULL AND u.status IN ('matched', 'loaded', 'partial') AND m.status = 'matched'
            AND s.code IS NULL
            AND (m.uploads IS NULL OR r.upload_id = ANY (m.uploads) OR u.replaces && m.uploads)
            AND u.label IN (l.label, 'Both')
            AND (u.label <> 'Both' OR CASE l.label WHEN 'Revenue' THEN r.revenue ELSE r.tot_hov END IS NOT NULL)
            AND CASE WHEN viewership.gate(u.label, r.tot_hov, r.revenue, r.week, r.day, r.year, r.quarter) IS NULL
                THEN true ELSE false END
    """)
    op.execute("""
        CREATE VIEW viewership.reconciliation AS
        WITH fates AS (
            SELECT upload_id, fate, code, count(*) AS units, sum(hours) AS hours, sum(revenue) AS revenue
            FROM viewership.row_fates GROUP BY upload_id, fate, code
            UNION ALL
            SELECT upload_id, fate, code, count(*), sum(hours), sum(revenue)
            FROM viewership.set_aside_rows GROUP BY upload_id, fate, code
        )
        SELECT u.upload_id, u.platform, u.filename, f.fate, f.code, f.units, COALESCE(f.hours, 0) AS hours,
            COALESCE(f.revenue, 0) AS revenue, u.units AS file_units, u.hours AS file_hours, u.revenue AS file_revenue
        FROM viewership.uploads u JOIN fates f USING (upload_id)
        WHERE u.status IN ('read', 'normalized', 'matched', 'loaded', 'partial')
    """)
    log = """
        SELECT f.viewership_id AS id, r.platform_content_name AS title, f.viewership_id, u.filename, f.platform,
            concat_ws(': ', f.fate, f.code) AS notes, u.created_at
        FROM viewership.row_fates f
        JOIN viewership.platform_viewership r ON r.id = f.viewership_id
        JOIN viewership.uploads u ON u.upload_id = f.upload_id
        WHERE f.fate IN ('unmatched', 'review', 'held')
    """
    op.execute(f"CREATE VIEW viewership.record_reprocessing_batch_logs AS {log}")
    # The check of the original: each record is in the final table or in the log. One row with hours and revenue has two
    # final rows, and counts once; totals of channels, rejected and filtered units are on neither side.
    op.execute("""
        CREATE VIEW viewership.source_formula AS
        WITH final AS (
            SELECT upload_id, count(DISTINCT viewership_id) AS records FROM viewership.episode_details
            GROUP BY upload_id
        ), logged AS (
            SELECT upload_id, count(*) AS records FROM viewership.row_fates
            WHERE fate IN ('unmatched', 'review', 'held') GROUP BY upload_id
        ), stored AS (
            SELECT upload_id, count(*) AS records FROM viewership.platform_viewership WHERE key_id IS NOT NULL
            GROUP BY upload_id
        )
        SELECT u.upload_id, u.platform, u.filename, u.label, COALESCE(s.records, 0) AS record_count,
            COALESCE(f.records, 0) AS matched_in_final_table, COALESCE(l.records, 0) AS unmatched_in_logs,
            COALESCE(s.records, 0) - COALESCE(f.records, 0) - COALESCE(l.records, 0) AS difference
        FROM viewership.uploads u
        LEFT JOIN stored s USING (upload_id)
        LEFT JOIN final f USING (upload_id)
        LEFT JOIN logged l USING (upload_id)
        WHERE u.status IN ('loaded', 'partial')
    """)
    # One row per review key. Rows, hours and revenue are those of fates review and unmatched, without rejected keys.
    op.execute("""
        CREATE VIEW viewership.review_queue AS
        WITH waiting AS (
            SELECT k.key_id, k.review_digest, m.status = 'matched' AS accepted, m.status <> 'unmatched' AS review,
                count(*) FILTER (WHERE s.code IS NULL) AS rows,
                COALESCE(sum(r.tot_hov) FILTER (WHERE s.code IS NULL), 0) AS hours,
                COALESCE(sum(r.revenue) FILTER (WHERE s.code IS NULL), 0) AS revenue,
                count(*) FILTER (WHERE s.code IS NOT NULL) AS held, array_agg(DISTINCT r.upload_id) AS uploads,
                min(u.created_at) AS since
            FROM viewership.matches m
            JOIN viewership.keys k USING (key_id)
            JOIN viewership.platform_viewership r USING (key_id)
            JOIN viewership.uploads u USING (upload_id)
            JOIN viewership.scopes s USING (scope_id)
            WHERE u.status IN ('matched', 'loaded', 'partial')
                AND (m.status IN ('review', 'unmatched')
                    OR r.upload_id <> ALL (m.uploads) AND NOT u.replaces && m.uploads)
            GROUP BY k.key_id, k.review_digest, m.status
        ), spelled AS (
            SELECT review_digest, array_agg(key_id ORDER BY key_id) AS keys,
                (array_agg(key_id ORDER BY hours DESC, rows DESC, key_id))[1] AS first, bool_or(review) AS review,
                bool_or(accepted) AS accepted, sum(rows)::bigint AS rows, sum(hours) AS hours,
                sum(revenue) AS revenue, sum(held)::bigint AS held, min(since) AS waiting_since
            FROM waiting GROUP BY review_digest
        ), counted AS (
            SELECT w.review_digest, count(DISTINCT x) AS uploads FROM waiting w, unnest(w.uploads) x
            GROUP BY w.review_digest
        )
        SELECT q.review_digest, k.review_key[1] AS platform, CASE WHEN q.review THEN 'review' ELSE 'unmatched' END
            AS status, k.content_name, k.content_name_2, k.series, k.season, k.episode, k.content_id,
            k.review_key[3] AS series_key, q.keys, q.rows, q.held,
            c.uploads, q.hours, q.revenue, CASE WHEN q.accepted THEN m.episode_id END AS accepted_before,
            m.candidates, m.reasons, q.waiting_since
        FROM spelled q
        JOIN counted c ON c.review_digest = q.review_digest
        JOIN viewership.keys k ON k.key_id = q.first
        JOIN viewership.matches m ON m.key_id = q.first
    """)
    _figures()
    # The three queries of the original run on this schema as they are, except for the database's name and DATEADD. They
    # tell matched rows by their content provider, which is empty here if the catalogue has none.
    both = ("internal_series", "ref_id", "asset_title", "asset_series")
    columns = ", ".join(f"COALESCE(v.{name}, m.{name}) AS {name}" for name in both)
    loaded = "COALESCE(v.viewership_id, m.viewership_id) IS NOT NULL"
    op.execute(f"""
        CREATE VIEW viewership_source.platform_viewership AS
        SELECT r.id, r.upload_id, u.filename, u.created_at, u.platform, u.domain, s.platform_partner_name,
            s.platform_channel_name, s.platform_territory, r.platform_content_name, r.platform_content_id,
            r.platform_series, s.partner, s.channel, s.channel_id, s.territory, s.territory_id, s.deal_parent,
            {columns},
            CASE WHEN {loaded} THEN COALESCE(v.content_provider, m.content_provider, '') END AS content_provider,
            COALESCE(v.series_code, m.series_code) AS series_code, r.tot_hov, r.tot_mov, r.revenue, r.date, r.week,
            r.day, r.month, r.quarter, r.year, r.year_month_day, u.created_at AS load_timestamp,
            CASE WHEN {loaded} THEN true END AS processed,
            CASE WHEN {loaded} THEN '2' WHEN u.status = 'read' THEN '0' ELSE '1' END AS phase
        FROM viewership.platform_viewership r
        JOIN viewership.uploads u USING (upload_id)
        JOIN viewership.scopes s USING (scope_id)
        LEFT JOIN viewership.episode_details v ON v.viewership_id = r.id AND v.label = 'Viewership'
        LEFT JOIN viewership.episode_details m ON m.viewership_id = r.id AND m.label = 'Revenue'
        WHERE u.status IN ('read', 'normalized', 'matched', 'loaded', 'partial')
    """)
    op.execute(f"CREATE VIEW viewership_source.record_reprocessing_batch_logs AS {log}")


def _figures() -> None:
    # Small views for boards: sums of them add up to the files', since they come from the same fates.
    op.execute("""
        CREATE VIEW viewership.match_rates AS
        SELECT f.upload_id, f.platform, f.week, f.fate, CASE f.fate WHEN 'final' THEN f.bucket END AS bucket,
            count(*) AS units, COALESCE(sum(f.hours), 0) AS hours, COALESCE(sum(f.revenue), 0) AS revenue
        FROM viewership.row_fates f
        GROUP BY f.upload_id, f.platform, f.week, f.fate, CASE f.fate WHEN 'final' THEN f.bucket END
        UNION ALL
        SELECT u.upload_id, u.platform, NULL, a.fate, NULL, count(*), COALESCE(sum(a.hours), 0),
            COALESCE(sum(a.revenue), 0)
        FROM viewership.set_aside_rows a JOIN viewership.uploads u USING (upload_id)
        WHERE u.status IN ('read', 'normalized', 'matched', 'loaded', 'partial')
        GROUP BY u.upload_id, u.platform, a.fate
    """)
    op.execute("""
        CREATE VIEW viewership.phase_times AS
        SELECT upload_id, procedure_name, min(platform) AS platform, count(*) AS attempts,
            (array_agg(status ORDER BY id DESC))[1] AS status,
            (array_agg(rows_affected ORDER BY id DESC))[1] AS rows_affected,
            (array_agg(execution_ms ORDER BY id DESC))[1] AS execution_ms, sum(execution_ms) AS total_ms,
            max(log_time) AS log_time
        FROM viewership.error_log WHERE upload_id IS NOT NULL GROUP BY upload_id, procedure_name
    """)
    op.execute("""
        CREATE VIEW viewership.recent_uploads AS
        SELECT platform, count(*) AS uploads, count(*) FILTER (WHERE status = 'loaded') AS loaded,
            count(*) FILTER (WHERE status IN ('refused', 'partial')) AS failed,
            count(*) FILTER (WHERE status IN ('received', 'needs_choice', 'copy', 'overlap')) AS waiting,
            round(count(*) FILTER (WHERE status IN ('refused', 'partial'))::numeric / count(*), 4) AS failure_rate
        FROM viewership.uploads WHERE created_at >= now() - interval '30 days' GROUP BY platform
    """)


def _functions() -> None:
    definer = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
    # Whatever changes matches or final rows of a platform holds its lock: each sees what the one before has done.
    # The catalogue's lock comes first, where both are needed; locks of several platforms are taken in their order.
    op.execute(f"""
        CREATE FUNCTION viewership.lock_final(platforms text[]) RETURNS void {definer} AS $body$
        DECLARE
            platform text;
        BEGIN
            FOR platform IN SELECT DISTINCT p FROM unnest(platforms) p ORDER BY p LOOP
                PERFORM pg_advisory_xact_lock(hashtextextended('telecine viewership ' || platform, 0));
            END LOOP;
        END
        $body$
    """)
    # After a large upload, the planner knows its rows only once they are analyzed, which the owner of a table may do.
    op.execute(f"""
        CREATE FUNCTION viewership.analyze_rows() RETURNS void {definer} SET lock_timeout = '2s' AS $body$
        BEGIN
            ANALYZE viewership.platform_viewership (upload_id, scope_id, key_id, tot_hov, revenue, week, day, year,
                quarter);
            ANALYZE viewership.uploads, viewership.scopes, viewership.keys (key_id, platform, review_digest),
                viewership.matches (key_id, status, bucket, episode_id, decision_id, uploads);
        EXCEPTION WHEN lock_not_available THEN
            NULL;  -- another process analyzes or vacuums one of them
        END
        $body$
    """)
    # Brings episode_details to what is due for some uploads, keys or scopes; the same call twice changes nothing.
    op.execute(f"""
        CREATE FUNCTION viewership.sync(kind text, ids bigint[], actor text, reason text,
            OUT loaded bigint, OUT removed bigint) {definer} AS $body$
        DECLARE
            condition text;
            final text;
            known boolean;
            uploads bigint[];
        BEGIN
            IF kind NOT IN ('upload', 'key', 'scope') THEN
                RAISE EXCEPTION 'kind % is unknown; expected upload, key or scope', quote_literal(kind);
            END IF;
            condition := format('%I = ANY ($1)', kind || '_id');
            -- Rows have no index on scopes: only uploads of their platform and day can have their rows.
            IF kind = 'scope' THEN
                uploads := ARRAY(SELECT DISTINCT u.upload_id FROM viewership.scopes s
                    JOIN viewership.uploads u ON u.platform = s.platform AND u.domain = s.domain
                        AND (s.date IS NULL OR s.date BETWEEN u.first_date AND u.last_date)
                    WHERE s.scope_id = ANY (ids) AND u.loaded_at IS NOT NULL);
                loaded := 0;
                removed := 0;
                IF cardinality(uploads) = 0 THEN
                    RETURN;
                END IF;
                condition := condition || ' AND upload_id = ANY ($4)';
            END IF;
            final := CASE kind WHEN 'key' THEN
                format('viewership_id IN (SELECT id FROM viewership.platform_viewership WHERE %s)', condition)
                ELSE condition END;
            -- The planner expects one row, since conditions are many and rows of this transaction are not in the
            -- statistics yet: a nested loop over a million rows takes hours. For few keys it is the faster way.
            PERFORM set_config('enable_nestloop', CASE WHEN kind = 'key' AND cardinality(ids) <= 500
                THEN 'on' ELSE 'off' END, true);
            EXECUTE format('SELECT EXISTS (SELECT FROM viewership.episode_details WHERE %s)', final)
                INTO known USING ids, actor, reason, uploads;
            IF known THEN
            EXECUTE format($sql$
                WITH gone AS (
                    SELECT viewership_id, label FROM (
                        SELECT {_COLUMNS} FROM viewership.episode_details WHERE %2$s
                        EXCEPT
                        SELECT {_COLUMNS} FROM viewership.due_details WHERE %1$s
                    ) changed
                ), deleted AS (
                    DELETE FROM viewership.episode_details d USING gone
                    WHERE d.viewership_id = gone.viewership_id AND d.label = gone.label RETURNING d.*
                )
                INSERT INTO viewership.replaced_details SELECT d.*, now(), $2, $3 FROM deleted d
            $sql$, condition, final) USING ids, actor, reason, uploads;
            GET DIAGNOSTICS removed = ROW_COUNT;
            END IF;
            removed := COALESCE(removed, 0);
            -- Without rows of its own, nothing can be there: whether each is takes a third of the time.
            EXECUTE format($sql$
                INSERT INTO viewership.episode_details ({_COLUMNS})
                SELECT {_COLUMNS} FROM viewership.due_details WHERE %1$s %2$s
            $sql$, condition, CASE WHEN known THEN 'ON CONFLICT (viewership_id, label) DO NOTHING' END)
                USING ids, actor, reason, uploads;
            GET DIAGNOSTICS loaded = ROW_COUNT;
            PERFORM set_config('enable_nestloop', 'on', true);
        END
        $body$
    """)
    _review_functions(definer)
    _decide(definer)
    _undo(definer)
    op.execute(f"REVOKE ALL ON FUNCTION {', '.join(FUNCTIONS)} FROM PUBLIC")


# Errors of the review, which jobs/viewership/review/decisions.py translates: TC001 an argument is not valid, TC002 a
# key has no match, TC003 the episode is not in the catalogue, TC004 no such decision, TC005 it was undone, TC006 the
# key has changed since it was shown, TC007 the transaction would not see what others have committed, TC008 another
# transaction holds a lock.


def _review_functions(definer: str) -> None:
    op.execute(f"""
        CREATE FUNCTION viewership.same_review(keys bigint[]) RETURNS bigint[] {definer} AS $body$
        BEGIN
            RETURN ARRAY(
                SELECT k.key_id FROM viewership.keys k WHERE k.review_digest IN (
                    SELECT g.review_digest FROM viewership.keys g WHERE g.key_id = ANY (same_review.keys)
                ) ORDER BY k.key_id
            );
        END
        $body$
    """)
    # One decision per review key: all of its spellings that wait, and those that a person or an alias has decided. What
    # the rules have matched by themselves is left alone, unless nothing else has this review key.
    op.execute(f"""
        CREATE FUNCTION viewership.decided_keys(keys bigint[]) RETURNS bigint[] {definer} AS $body$
        DECLARE
            alike bigint[] := viewership.same_review(keys);
        BEGIN
            RETURN ARRAY(
                SELECT x.key_id FROM (
                    SELECT o.key_id, o.is_open, bool_or(o.is_open) OVER (PARTITION BY o.review_digest) AS some
                    FROM (
                        SELECT k.key_id, k.review_digest,
                            m.decision_id IS NOT NULL OR m.status <> 'matched' OR m.bucket = 'ALIAS' AS is_open
                        FROM viewership.keys k JOIN viewership.matches m USING (key_id)
                        WHERE k.key_id = ANY (alike)
                    ) o
                ) x WHERE x.is_open OR NOT x.some ORDER BY x.key_id
            );
        END
        $body$
    """)
    # A hash of what a reviewer sees of keys: matches, candidates, and the uploads that have rows.
    op.execute(f"""
        CREATE FUNCTION viewership.review_state(keys bigint[]) RETURNS text {definer} AS $body$
        DECLARE
            known bigint[] := viewership.decided_keys(keys);
        BEGIN
            RETURN (
                SELECT left(encode(sha256(convert_to(COALESCE(jsonb_agg(jsonb_build_array(m.key_id, m.status,
                    m.episode_id, m.decision_id, m.candidates, ARRAY(
                        SELECT DISTINCT r.upload_id FROM viewership.platform_viewership r
                        JOIN viewership.uploads u USING (upload_id)
                        WHERE r.key_id = m.key_id AND u.status IN ('matched', 'loaded', 'partial') ORDER BY r.upload_id
                    )) ORDER BY m.key_id)::text, ''), 'UTF8')), 'hex'), 32)
                FROM viewership.matches m WHERE m.key_id = ANY (known)
            );
        END
        $body$
    """)
    # loads and removes are rows of episode_details; a row that stays as it is counts as neither.
    op.execute(f"""
        CREATE FUNCTION viewership.preview(action text, keys bigint[], episode bigint,
            OUT units bigint, OUT hours numeric, OUT revenue numeric, OUT uploads bigint, OUT held bigint,
            OUT loads bigint, OUT removes bigint, OUT state text) {definer} AS $body$
            #variable_conflict use_column
        DECLARE
            known bigint[];
        BEGIN
            known := viewership.decided_keys(preview.keys);
            SELECT count(*), COALESCE(sum(r.tot_hov), 0), COALESCE(sum(r.revenue), 0), count(DISTINCT r.upload_id),
                count(*) FILTER (WHERE s.code IS NOT NULL)
            INTO units, hours, revenue, uploads, held
            FROM viewership.platform_viewership r
            JOIN viewership.uploads u USING (upload_id)
            JOIN viewership.scopes s USING (scope_id)
            WHERE r.key_id = ANY (known) AND u.status IN ('matched', 'loaded', 'partial');
            SELECT count(*) FILTER (WHERE x.due AND NOT x.same),
                count(*) FILTER (WHERE x.there AND NOT (x.due AND x.same))
            INTO loads, removes
            FROM (
                SELECT d.viewership_id IS NOT NULL AS there,
                    COALESCE(d.episode_id = preview.episode AND d.bucket = 'DECISION' AND d.confidence = 1, false)
                        AS same,
                    preview.action <> 'reject' AND u.loaded_at IS NOT NULL AND s.code IS NULL AND viewership.gate(
                        u.label, r.tot_hov, r.revenue, r.week, r.day, r.year, r.quarter) IS NULL
                    AND u.label IN (l.label, 'Both')
                    AND (u.label <> 'Both' OR CASE l.label WHEN 'Revenue' THEN r.revenue ELSE r.tot_hov END
                        IS NOT NULL) AS due
                FROM viewership.platform_viewership r
                JOIN viewership.uploads u USING (upload_id)
                JOIN viewership.scopes s USING (scope_id)
                CROSS JOIN (VALUES ('Viewership'), ('Revenue')) l (label)
                LEFT JOIN viewership.episode_details d ON d.viewership_id = r.id AND d.label = l.label
                WHERE r.key_id = ANY (known) AND u.status IN ('matched', 'loaded', 'partial')
            ) x;
            state := viewership.review_state(known);
        END
        $body$
    """)
    # Makes the live alias of each review key that of its latest decision, if that is an alias; a new alias of this
    # decision is inserted. Called with the catalogue's lock.
    op.execute(f"""
        CREATE FUNCTION viewership.settle_aliases(keys bigint[], decision bigint, actor text, origin text)
            RETURNS void {definer} AS $body$
            #variable_conflict use_variable
        DECLARE
            alike bigint[];
            new_version bigint;
        BEGIN
            alike := viewership.same_review(keys);
            SELECT COALESCE(max(v.version), 0) + 1 INTO new_version FROM catalog.versions v;
            -- The keys of the catalogue are of the rules of its last version, whatever those of this decision are.
            INSERT INTO catalog.versions (version, action, origin, key_version, created_by)
            SELECT new_version, 'decision', origin, COALESCE(
                (SELECT v.key_version FROM catalog.versions v ORDER BY v.version DESC LIMIT 1),
                max(k.key_version)), actor
            FROM viewership.keys k WHERE k.key_id = ANY (alike);
            WITH latest AS (
                SELECT DISTINCT ON (k.review_digest) k.review_digest, d.decision_id
                FROM viewership.decisions d, unnest(d.keys) x (key_id)
                JOIN viewership.keys k ON k.key_id = x.key_id
                WHERE d.keys && alike AND d.undone_at IS NULL AND k.key_id = ANY (alike)
                ORDER BY k.review_digest, d.decision_id DESC
            ), wanted AS (
                SELECT a.id FROM latest l
                JOIN viewership.keys k ON k.review_digest = l.review_digest
                JOIN catalog.aliases a ON a.key_id = k.key_id AND a.decision_id = l.decision_id
            ), ended AS (
                UPDATE catalog.aliases a SET undone_by = actor, undone_at = now()
                WHERE a.key_id = ANY (alike) AND a.undone_at IS NULL AND a.id NOT IN (SELECT w.id FROM wanted w)
                RETURNING a.id, a.title_key, a.series_key, a.content_key
            ), revived AS (
                UPDATE catalog.aliases a SET undone_by = NULL, undone_at = NULL
                WHERE a.key_id = ANY (alike) AND a.undone_at IS NOT NULL AND a.id IN (SELECT w.id FROM wanted w)
                RETURNING a.id, a.title_key, a.series_key, a.content_key
            )
            INSERT INTO catalog.changes (version, kind, entity_id, action, title_keys, series_keys, ref_keys)
            SELECT new_version, 'alias', c.id, c.action, array_remove(ARRAY[c.title_key], NULL),
                array_remove(ARRAY[c.series_key], NULL), array_remove(ARRAY[c.content_key], NULL)
            FROM (SELECT e.*, 'removed' AS action FROM ended e UNION ALL SELECT r.*, 'added' FROM revived r) c;
            WITH added AS (
                INSERT INTO catalog.aliases (platform, exact, title, title_key, series, series_key, season, episode,
                    content_id, content_key, episode_id, decision_id, key_id, source, created_by)
                SELECT DISTINCT ON (k.review_digest) k.review_key[1], true,
                    left(COALESCE(k.content_name, k.content_name_2), 500),
                    CASE WHEN octet_length(k.title_key) <= 2000 THEN k.title_key END, left(k.series, 500),
                    CASE WHEN octet_length(k.series_key) <= 2000 THEN k.series_key END, left(k.season, 50),
                    left(k.episode, 50), left(k.content_id, 200),
                    CASE WHEN octet_length(k.content_key) <= 2000 THEN k.content_key END, d.episode_id, decision,
                    k.key_id, 'review', actor
                FROM viewership.decisions d
                JOIN viewership.keys k ON k.key_id = ANY (d.keys)
                WHERE d.decision_id = decision AND d.action = 'alias' AND d.undone_at IS NULL
                    AND NOT EXISTS (SELECT FROM catalog.aliases a WHERE a.decision_id = decision)
                ORDER BY k.review_digest, k.key_id
                RETURNING id, title_key, series_key, content_key
            )
            INSERT INTO catalog.changes (version, kind, entity_id, action, title_keys, series_keys, ref_keys)
            SELECT new_version, 'alias', a.id, 'added', array_remove(ARRAY[a.title_key], NULL),
                array_remove(ARRAY[a.series_key], NULL), array_remove(ARRAY[a.content_key], NULL) FROM added a;
        END
        $body$
    """)


# Under another isolation, a transaction that waited for a lock would not see what its holder has committed.
_SEES_COMMITTED = """
            IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
                RAISE EXCEPTION 'the transaction is %; expected read committed',
                    current_setting('transaction_isolation') USING ERRCODE = 'TC007';
            END IF;
            IF actor IS NULL OR length(btrim(actor)) NOT BETWEEN 1 AND 200 THEN
                RAISE EXCEPTION 'the name of the person has % characters; expected 1 to 200',
                    COALESCE(length(btrim(actor)), 0) USING ERRCODE = 'TC001';
            END IF;
"""


# The longest that a console waits for a load or an import; the caller's own limit does not change.
_LIMIT = "SET lock_timeout = '10s'"
_WAITED = """
        EXCEPTION WHEN lock_not_available THEN
            RAISE EXCEPTION 'another transaction, such as a load or an import, has held rows of these keys for more'
                ' than %; nothing was changed; try again when it has ended', current_setting('lock_timeout')
                USING ERRCODE = 'TC008';
"""


def _decide(definer: str) -> None:
    op.execute(f"""
        CREATE FUNCTION viewership.replace_matches(keys bigint[]) RETURNS void {definer} AS $body$
        BEGIN
            INSERT INTO viewership.match_history (key_id, status, bucket, episode_id, confidence, candidates, margin,
                reasons, rule_version, catalogue_version, decision_id, uploads, pipeline_run_id, matched_at)
            SELECT m.key_id, m.status, m.bucket, m.episode_id, m.confidence, m.candidates, m.margin, m.reasons,
                m.rule_version, m.catalogue_version, m.decision_id, m.uploads, m.pipeline_run_id, m.matched_at
            FROM viewership.matches m WHERE m.key_id = ANY (keys);
        END
        $body$
    """)
    op.execute(f"""
        CREATE FUNCTION viewership.decide(action text, keys bigint[], episode bigint, actor text, note text,
            seen text DEFAULT NULL, OUT decision bigint, OUT loaded bigint, OUT removed bigint) {definer} {_LIMIT}
            AS $body$
            #variable_conflict use_variable
        DECLARE
            known bigint[];
            alike bigint[];
            before jsonb;
            effect jsonb;
            aliased boolean;
        BEGIN
            {_SEES_COMMITTED}
            IF action IS NULL OR action NOT IN ('accept', 'alias', 'reject') THEN
                RAISE EXCEPTION 'action % is unknown; expected accept, alias or reject', quote_nullable(action)
                    USING ERRCODE = 'TC001';
            END IF;
            IF length(note) > 1000 OR action = 'reject' AND COALESCE(btrim(note), '') = '' THEN
                RAISE EXCEPTION 'the reason has % characters; expected at most 1000, and one for a rejection',
                    COALESCE(length(note), 0) USING ERRCODE = 'TC001';
            END IF;
            IF (action = 'reject') <> (episode IS NULL) THEN
                RAISE EXCEPTION 'action % has the wrong episode; expected one for accept and alias, none for reject',
                    action USING ERRCODE = 'TC001';
            END IF;
            IF episode IS NOT NULL AND NOT EXISTS (
                SELECT FROM catalog.episodes e JOIN catalog.series s ON s.id = e.series_id
                WHERE e.id = episode AND e.active AND s.status = 'active'
            ) THEN
                RAISE EXCEPTION 'episode % is not in the catalogue, or is inactive; expected an active one', episode
                    USING ERRCODE = 'TC003';
            END IF;
            alike := viewership.same_review(keys);
            aliased := action = 'alias' OR EXISTS (
                SELECT FROM catalog.aliases a WHERE a.key_id = ANY (alike) AND a.undone_at IS NULL);
            IF aliased THEN
                PERFORM pg_advisory_xact_lock(hashtextextended('telecine catalog', 0));
            END IF;
            -- One decision at a time: another one over the same keys waits here, and then sees this one.
            PERFORM viewership.lock_final(ARRAY(SELECT k.platform FROM viewership.keys k WHERE k.key_id = ANY (alike)));
            IF NOT aliased AND EXISTS (
                SELECT FROM catalog.aliases a WHERE a.key_id = ANY (alike) AND a.undone_at IS NULL
            ) THEN
                RAISE EXCEPTION 'another decision about these keys was faster' USING ERRCODE = '40001';
            END IF;
            IF COALESCE(cardinality(keys), 0) = 0 OR EXISTS (
                SELECT FROM unnest(keys) x (key_id)
                WHERE NOT EXISTS (SELECT FROM viewership.matches m WHERE m.key_id = x.key_id)
            ) THEN
                RAISE EXCEPTION 'some of the keys do not exist or are not matched yet; expected keys of the queue'
                    USING ERRCODE = 'TC002';
            END IF;
            known := viewership.decided_keys(keys);
            IF seen IS NOT NULL AND seen <> viewership.review_state(keys) THEN
                RAISE EXCEPTION 'the key has changed since it was shown; expected a decision about its present state'
                    USING ERRCODE = 'TC006';
            END IF;
            IF action = 'alias' AND EXISTS (
                SELECT FROM viewership.keys k WHERE k.key_id = ANY (known)
                    AND num_nonnulls(k.content_name, k.content_name_2, k.series, k.content_id) = 0
            ) THEN
                RAISE EXCEPTION 'a key has no title, series or id to tell later rows by; expected accept'
                    USING ERRCODE = 'TC001';
            END IF;
            SELECT jsonb_agg(to_jsonb(m) ORDER BY m.key_id) INTO before
            FROM viewership.matches m WHERE m.key_id = ANY (known);
            SELECT to_jsonb(p) INTO effect FROM viewership.preview(action, known, episode) p;
            INSERT INTO viewership.decisions (action, keys, episode_id, note, effects, previous, decided_by)
            VALUES (action, known, episode, note, effect, before, actor) RETURNING decision_id INTO decision;
            IF aliased THEN
                PERFORM viewership.settle_aliases(known, decision, actor, 'decision ' || decision);
            END IF;
            PERFORM viewership.replace_matches(known);
            UPDATE viewership.matches m SET
                status = CASE action WHEN 'reject' THEN 'rejected' ELSE 'matched' END, bucket = 'DECISION',
                episode_id = episode, confidence = 1, margin = NULL, decision_id = decision, matched_at = now(),
                uploads = CASE action WHEN 'accept' THEN ARRAY(
                    SELECT DISTINCT r.upload_id FROM viewership.platform_viewership r
                    JOIN viewership.uploads u USING (upload_id)
                    WHERE r.key_id = m.key_id AND u.status IN ('matched', 'loaded', 'partial') ORDER BY r.upload_id
                ) END,
                reasons = jsonb_build_array(jsonb_build_object(
                    'code', CASE action WHEN 'accept' THEN 'ACCEPTED' WHEN 'alias' THEN 'ALIASED' ELSE 'REJECTED' END,
                    'message', CASE action WHEN 'accept' THEN 'a reviewer accepted the episode for these rows'
                        WHEN 'alias' THEN 'a reviewer accepted the episode, also for later rows'
                        ELSE 'a reviewer rejected every episode' END,
                    'by', actor, 'note', note))
            WHERE m.key_id = ANY (known);
            SELECT s.loaded, s.removed INTO loaded, removed
            FROM viewership.sync('key', known, actor, action || ' ' || decision) s;
            effect := effect || jsonb_build_object('loaded', loaded, 'removed', removed);
            UPDATE viewership.decisions d SET effects = effect
            WHERE d.decision_id = decision;
        {_WAITED}
        END
        $body$
    """)


def _undo(definer: str) -> None:
    op.execute(f"""
        CREATE FUNCTION viewership.undo(decision bigint, actor text, OUT loaded bigint, OUT removed bigint)
            {definer} {_LIMIT} AS $body$
            #variable_conflict use_variable
        DECLARE
            taken viewership.decisions;
            alike bigint[];
            affected bigint[];
            orphans bigint[];
            aliased boolean;
        BEGIN
            {_SEES_COMMITTED}
            SELECT * INTO taken FROM viewership.decisions d WHERE d.decision_id = decision;
            IF taken.decision_id IS NULL THEN
                RAISE EXCEPTION 'decision % does not exist', decision USING ERRCODE = 'TC004';
            END IF;
            alike := viewership.same_review(taken.keys);
            aliased := EXISTS (SELECT FROM catalog.aliases a WHERE a.key_id = ANY (alike));
            IF aliased THEN
                PERFORM pg_advisory_xact_lock(hashtextextended('telecine catalog', 0));
            END IF;
            PERFORM viewership.lock_final(ARRAY(SELECT k.platform FROM viewership.keys k WHERE k.key_id = ANY (alike)));
            IF NOT aliased AND EXISTS (SELECT FROM catalog.aliases a WHERE a.key_id = ANY (alike)) THEN
                RAISE EXCEPTION 'another decision about these keys was faster' USING ERRCODE = '40001';
            END IF;
            SELECT * INTO taken FROM viewership.decisions d WHERE d.decision_id = decision FOR UPDATE;
            IF taken.undone_at IS NOT NULL THEN
                RAISE EXCEPTION 'decision % was undone by % at %', decision, taken.undone_by,
                    to_char(taken.undone_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
                    USING ERRCODE = 'TC005';
            END IF;
            UPDATE viewership.decisions d SET undone_by = actor, undone_role = session_user, undone_at = now()
            WHERE d.decision_id = decision;
            -- Keys that a later decision changed stay as that one left them.
            affected := ARRAY(
                SELECT m.key_id FROM viewership.matches m WHERE m.decision_id = decision ORDER BY m.key_id
            );
            PERFORM viewership.replace_matches(affected);
            -- The state before may be that of a decision that was undone meanwhile: then the state before that one.
            WITH RECURSIVE chain (entry) AS (
                SELECT x FROM jsonb_array_elements(taken.previous) x WHERE (x ->> 'key_id')::bigint = ANY (affected)
                UNION ALL
                SELECT x FROM chain c
                JOIN viewership.decisions d ON d.decision_id = (c.entry ->> 'decision_id')::bigint
                    AND d.undone_at IS NOT NULL
                CROSS JOIN jsonb_array_elements(d.previous) x
                WHERE x ->> 'key_id' = c.entry ->> 'key_id'
            ), restored AS (
                SELECT c.entry FROM chain c
                LEFT JOIN viewership.decisions d ON d.decision_id = (c.entry ->> 'decision_id')::bigint
                WHERE d.undone_at IS NULL
            )
            UPDATE viewership.matches m SET status = b.status, bucket = b.bucket, episode_id = b.episode_id,
                confidence = b.confidence, candidates = b.candidates, margin = b.margin, reasons = b.reasons,
                rule_version = b.rule_version, catalogue_version = b.catalogue_version, decision_id = b.decision_id,
                uploads = b.uploads, pipeline_run_id = b.pipeline_run_id, matched_at = b.matched_at
            FROM restored r, jsonb_populate_record(NULL::viewership.matches, r.entry) b
            WHERE m.key_id = b.key_id;
            IF aliased THEN
                PERFORM viewership.settle_aliases(alike, decision, actor, 'undo of decision ' || decision);
                -- What an alias has matched that is gone waits for a person, or for the next reprocess.
                orphans := ARRAY(
                    SELECT m.key_id FROM viewership.matches m
                    WHERE m.key_id = ANY (alike) AND m.bucket = 'ALIAS' AND m.decision_id IS NULL
                        AND m.episode_id IN (SELECT a.episode_id FROM catalog.aliases a WHERE a.key_id = ANY (alike))
                        AND m.episode_id NOT IN (
                            SELECT a.episode_id FROM catalog.aliases a
                            WHERE a.key_id = ANY (alike) AND a.undone_at IS NULL)
                );
                PERFORM viewership.replace_matches(orphans);
                UPDATE viewership.matches m SET status = 'review', bucket = NULL, episode_id = NULL, confidence = NULL,
                    reasons = jsonb_build_array(jsonb_build_object('code', 'ALIAS_UNDONE', 'message',
                        'the alias that matched these rows was undone')), matched_at = now()
                WHERE m.key_id = ANY (orphans);
                affected := affected || orphans;
            END IF;
            SELECT s.loaded, s.removed INTO loaded, removed
            FROM viewership.sync('key', affected, actor, 'undo of decision ' || decision) s;
        {_WAITED}
        END
        $body$
    """)
