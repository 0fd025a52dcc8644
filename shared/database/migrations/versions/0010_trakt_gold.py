"""Tables of Trakt's engagement for BI, its service levels, and the alerts about them."""

from __future__ import annotations

from alembic import op

from shared.database._schema import Expiring
from shared.database.foreign import refuse_foreign

revision = "0010"
down_revision = "0009"

TABLES: tuple[str, ...] = (
    "gold.trakt_titles",
    "gold.trakt_comments_daily",
    "gold.trakt_engagement_daily",
    "gold.trakt_metrics_daily",
    "gold.trakt_quadrants_daily",
    "gold.trakt_versions",
    "gold.trakt_slo_days",
    "gold.trakt_slo_titles",
    "trakt.slo_alerts",
)
VIEWS: tuple[str, ...] = ("gold.trakt_slo_burn", "gold.trakt_slo_pages")
# Windows are sums of days, so rows of days are kept; so are versions, the last of which names what is published.
EXPIRING = (
    Expiring("gold.trakt_slo_titles", key="row_id", time="deadline", label="title-days of Trakt's service levels"),
)

_TITLE = """
    title_kind text NOT NULL CHECK (title_kind IN ('movie', 'show')),
    title_id_trakt bigint NOT NULL CHECK (title_id_trakt > 0)"""
_PERIOD = "period text NOT NULL CHECK (period IN ('7d', '28d', '90d', 'all'))"
_FIGURES = (
    *("breadth", "intensity", "half_life_days", "t50_days", "t80_days", "t50_year_days", "t80_year_days"),
    *("hold_up", "retention"),
)


def upgrade() -> None:
    refuse_foreign(op.get_bind(), "trakt", TABLES)
    op.execute("CREATE SCHEMA IF NOT EXISTS trakt")
    _ledger()
    _titles()
    _daily()
    _metrics()
    _versions()
    _service_levels()
    _burn()


def _ledger() -> None:
    # Service levels need the time of an outcome, not only of its plan, and since when a title has been tracked.
    op.execute("""
        ALTER TABLE trakt.titles
            ADD COLUMN IF NOT EXISTS tracked_since timestamptz NOT NULL DEFAULT now(),
            ADD COLUMN IF NOT EXISTS state_since timestamptz NOT NULL DEFAULT now()
    """)
    op.execute("""
        ALTER TABLE trakt.pages
            ADD COLUMN IF NOT EXISTS ended_at timestamptz,
            ADD COLUMN IF NOT EXISTS throttled integer NOT NULL DEFAULT 0
    """)
    # Set by triggers: otherwise, every statement that writes an outcome or a state would have to set the time too.
    op.execute("""
        CREATE FUNCTION trakt.set_page_time() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            NEW.ended_at := CASE WHEN NEW.status <> 'planned' THEN clock_timestamp() END;
            RETURN NEW;
        END
        $body$
    """)
    op.execute("""
        CREATE TRIGGER page_time BEFORE UPDATE OF status ON trakt.pages FOR EACH ROW
            WHEN (OLD.status IS DISTINCT FROM NEW.status AND OLD.ended_at IS NOT DISTINCT FROM NEW.ended_at)
            EXECUTE FUNCTION trakt.set_page_time()
    """)
    op.execute("""
        CREATE FUNCTION trakt.set_title_time() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            NEW.state_since := clock_timestamp();
            IF NEW.state = 'tracked' THEN
                NEW.tracked_since := NEW.state_since;
            END IF;
            RETURN NEW;
        END
        $body$
    """)
    op.execute("""
        CREATE TRIGGER title_time BEFORE UPDATE OF state ON trakt.titles FOR EACH ROW
            WHEN (OLD.state IS DISTINCT FROM NEW.state AND OLD.state_since IS NOT DISTINCT FROM NEW.state_since)
            EXECUTE FUNCTION trakt.set_title_time()
    """)


def _titles() -> None:
    op.execute(f"""
        CREATE TABLE gold.trakt_titles ({_TITLE},
            slug text,
            title text,
            year integer,
            imdb_id text,
            tmdb_id bigint,
            status text,
            released date,
            runtime_min integer,
            genres text[],
            certification text,
            language text,
            country text,
            comment_count bigint,
            votes bigint,
            rating double precision,
            rating_observed_at timestamptz,
            first_comment_at timestamptz,
            comments_without_day bigint,
            deleted_comments bigint,
            is_gone boolean NOT NULL,
            gone_on date,
            tmdb_popularity double precision,
            tmdb_vote_average double precision,
            tmdb_vote_count bigint,
            is_synthetic boolean NOT NULL,
            observed_at timestamptz NOT NULL,
            PRIMARY KEY (title_kind, title_id_trakt)
        )
    """)


def _daily() -> None:
    op.execute(f"""
        CREATE TABLE gold.trakt_comments_daily ({_TITLE},
            day date NOT NULL,
            comments bigint NOT NULL,
            replies bigint NOT NULL,
            commenters bigint NOT NULL,
            reviews bigint NOT NULL,
            spoilers bigint NOT NULL,
            likes bigint NOT NULL,
            reply_count bigint NOT NULL,
            rated bigint NOT NULL,
            rating_sum double precision,
            edited bigint NOT NULL,
            late_arrivals bigint NOT NULL,
            likes_added bigint NOT NULL,
            likes_net_change bigint NOT NULL,
            PRIMARY KEY (title_kind, title_id_trakt, day)
        )
    """)
    op.execute(f"""
        CREATE TABLE gold.trakt_engagement_daily ({_TITLE},
            as_of date NOT NULL,
            {_PERIOD},
            comments bigint NOT NULL,
            replies bigint NOT NULL,
            commenters bigint NOT NULL,
            reviews bigint NOT NULL,
            spoilers bigint NOT NULL,
            likes bigint NOT NULL,
            further_comments bigint NOT NULL,
            rated bigint NOT NULL,
            rating_mean double precision,
            PRIMARY KEY (title_kind, title_id_trakt, as_of, period)
        )
    """)


def _metrics() -> None:
    figures = ", ".join(
        f"{name}_n bigint, {name} double precision, {name}_low double precision, {name}_high double precision,"
        f" {name}_reason text,"
        # A missing figure always says why.
        f" CONSTRAINT {name}_or_reason CHECK (({name} IS NULL) = ({name}_reason IS NOT NULL))"
        for name in _FIGURES
    )
    op.execute(f"""
        CREATE TABLE gold.trakt_metrics_daily ({_TITLE},
            as_of date NOT NULL,
            age_days integer,
            age_band text,
            anchor text CHECK (anchor IN ('release', 'first_comment')),
            comments bigint NOT NULL,
            replies_counted boolean NOT NULL,
            n_min integer NOT NULL,
            {figures},
            half_life_aic_gain double precision,
            hold_up_n_before bigint,
            hold_up_n_after bigint,
            hold_up_first_seen_by_backfill boolean,
            PRIMARY KEY (title_kind, title_id_trakt, as_of)
        )
    """)
    op.execute(f"""
        CREATE TABLE gold.trakt_quadrants_daily ({_TITLE},
            as_of date NOT NULL,
            {_PERIOD},
            age_band text NOT NULL,
            quadrant text NOT NULL CHECK (
                quadrant IN ('phenomenon', 'broad_hit', 'cult', 'quiet', 'borderline', 'insufficient')),
            reason text,
            n bigint NOT NULL,
            n_min integer NOT NULL,
            peers integer NOT NULL,
            breadth double precision,
            breadth_median double precision,
            p_breadth_high double precision,
            intensity double precision,
            intensity_low double precision,
            intensity_high double precision,
            intensity_median double precision,
            p_intensity_high double precision,
            PRIMARY KEY (title_kind, title_id_trakt, as_of, period),
            CHECK (reason IS NOT NULL OR quadrant NOT IN ('borderline', 'insufficient'))
        )
    """)
    # The quadrant page shows all titles of one day: without this, it reads the whole table.
    op.execute("CREATE INDEX ON gold.trakt_quadrants_daily (as_of, period, title_kind)")
    # The newest day, and the days to replace.
    op.execute("CREATE INDEX ON gold.trakt_metrics_daily (as_of)")
    op.execute("CREATE INDEX ON gold.trakt_engagement_daily (as_of)")


def _versions() -> None:
    op.execute("""
        CREATE TABLE gold.trakt_versions (
            version_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            bronze_version bigint NOT NULL CHECK (bronze_version >= 0),
            project_hash text NOT NULL CHECK (project_hash ~ '^[0-9a-f]{64}$'),
            as_of date NOT NULL,
            build_id text NOT NULL,
            source_system text NOT NULL,
            files jsonb NOT NULL,
            run_id text NOT NULL,
            published_at timestamptz NOT NULL DEFAULT now()
        )
    """)


def _service_levels() -> None:
    op.execute("""
        CREATE TABLE gold.trakt_slo_days (
            day date PRIMARY KEY,
            deadline timestamptz NOT NULL,
            is_final boolean NOT NULL,
            titles integer NOT NULL CHECK (titles >= 0),
            fresh_titles integer NOT NULL CHECK (fresh_titles BETWEEN 0 AND titles),
            is_good boolean,
            feed_at timestamptz,
            late_titles integer NOT NULL,
            minutes_late double precision,
            pages_planned bigint NOT NULL,
            pages_landed bigint NOT NULL CHECK (pages_landed BETWEEN 0 AND pages_planned),
            titles_planned integer NOT NULL,
            titles_complete integer NOT NULL,
            requests bigint NOT NULL,
            throttled bigint NOT NULL,
            throttled_hour bigint NOT NULL,
            retried bigint NOT NULL,
            retried_landed bigint NOT NULL,
            items bigint,
            duplicates bigint,
            late_arrivals bigint,
            reasons jsonb NOT NULL,
            missing jsonb NOT NULL,
            content_hash text NOT NULL,
            run_id text NOT NULL,
            computed_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute(f"""
        CREATE TABLE gold.trakt_slo_titles (
            row_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
            day date NOT NULL,
            deadline timestamptz NOT NULL,{_TITLE},
            is_fresh boolean NOT NULL,
            reason text CHECK (is_fresh = (reason IS NULL)),
            fresh_at timestamptz,
            minutes_late double precision CHECK (minutes_late >= 0),
            feed_at timestamptz,
            read_at timestamptz,
            sweep_at timestamptz,
            was_named boolean NOT NULL,
            pages_planned integer NOT NULL,
            pages_landed integer NOT NULL CHECK (pages_landed BETWEEN 0 AND pages_planned),
            PRIMARY KEY (day, title_kind, title_id_trakt)
        )
    """)
    op.execute("""
        CREATE TABLE trakt.slo_alerts (
            alert text NOT NULL CHECK (alert IN ('breach', 'burn', 'missed')),
            opened_on date NOT NULL,
            ended_on date CHECK (ended_on >= opened_on),
            message text NOT NULL,
            sent text[] NOT NULL DEFAULT '{}',
            run_id text NOT NULL,
            PRIMARY KEY (alert, opened_on)
        )
    """)
    op.execute("CREATE UNIQUE INDEX ON trakt.slo_alerts (alert) WHERE ended_on IS NULL")


def _burn() -> None:
    # A budget of title-days: 1 % of the title-days in the 28 days up to this one. Days without a row have no titles.
    op.execute("""
        CREATE VIEW gold.trakt_slo_burn AS
        SELECT day, titles, fresh_titles, window_days, good_days, title_days, fresh_title_days,
            fresh_title_days::double precision / NULLIF(title_days, 0) AS fresh_share,
            good_days::double precision / NULLIF(window_days, 0) AS good_day_share,
            title_days * 0.01::double precision AS budget,
            (title_days - fresh_title_days) / NULLIF(title_days * 0.01::double precision, 0) AS spent_share,
            pages_landed::double precision / NULLIF(pages_planned, 0) AS page_share
        FROM (
            SELECT day, titles, fresh_titles, pages_planned, pages_landed,
                count(*) FILTER (WHERE titles > 0) OVER recent AS window_days,
                count(*) FILTER (WHERE is_good) OVER recent AS good_days,
                sum(titles) OVER recent AS title_days,
                sum(fresh_titles) OVER recent AS fresh_title_days
            FROM gold.trakt_slo_days WHERE is_final
            WINDOW recent AS (ORDER BY day RANGE BETWEEN INTERVAL '27 days' PRECEDING AND CURRENT ROW)
        ) days
    """)
    op.execute("COMMENT ON VIEW gold.trakt_slo_burn IS 'Freshness and error budget over the 28 days up to each day'")
    # A title without a planned page has no share: 0 of 0 is neither complete nor missing.
    op.execute("""
        CREATE VIEW gold.trakt_slo_pages AS
        SELECT day, title_kind, title_id_trakt, pages_planned, pages_landed,
            pages_landed::double precision / pages_planned AS share,
            pages_landed * 100 >= pages_planned * 99 AS is_complete
        FROM gold.trakt_slo_titles WHERE pages_planned > 0
    """)
    op.execute("COMMENT ON VIEW gold.trakt_slo_pages IS 'Pages landed and planned of each title and day'")
