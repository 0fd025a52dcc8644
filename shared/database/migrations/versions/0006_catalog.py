"""The content catalogue: series, episodes, titles, numberings, aliases, deals, channels and territories."""

from __future__ import annotations

from alembic import op

from shared.database.foreign import refuse_foreign

revision = "0006"
down_revision = "0005"

TABLES = (
    "catalog.versions",
    "catalog.changes",
    "catalog.series",
    "catalog.series_titles",
    "catalog.episodes",
    "catalog.episode_titles",
    "catalog.episode_numbers",
    "catalog.aliases",
    "catalog.deals",
    "catalog.channels",
    "catalog.channel_names",
    "catalog.territories",
    "catalog.territory_names",
)

# Ids are numbered by the import, which holds the catalogue's lock: it needs them before it writes.
# The source of a row, and of those of its fields that another source has filled.
_SOURCE = """
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 63),
    sources jsonb NOT NULL DEFAULT '{}'
"""
# Whole numbers are stored without leading zeros, and compared as integers; other text, such as 12A, as it is.
_NUMBERS = """
    season text CHECK (length(season) BETWEEN 1 AND 50),
    episode text CHECK (length(episode) BETWEEN 1 AND 50),
    season_no integer GENERATED ALWAYS AS (CASE WHEN season ~ '^[0-9]{1,9}$' THEN season::integer END) STORED,
    episode_no integer GENERATED ALWAYS AS (CASE WHEN episode ~ '^[0-9]{1,9}$' THEN episode::integer END) STORED
"""


def upgrade() -> None:
    refuse_foreign(op.get_bind(), "catalog", TABLES)
    op.execute("CREATE SCHEMA IF NOT EXISTS catalog")
    _history()
    _series()
    _episodes()
    _aliases()
    _deals()


def _history() -> None:
    op.execute("""
        CREATE TABLE catalog.versions (
            version bigint PRIMARY KEY CHECK (version >= 1),
            action text NOT NULL CHECK (action IN ('import', 'rekey', 'decision')),
            source text,
            origin text,
            counts jsonb NOT NULL DEFAULT '{}',
            key_version integer NOT NULL CHECK (key_version >= 1),
            created_by text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    # Keys before and after the change, so that the uploads' keys that it may affect are found by equality.
    op.execute("""
        CREATE TABLE catalog.changes (
            version bigint NOT NULL REFERENCES catalog.versions,
            kind text NOT NULL CHECK (kind IN ('series', 'episode', 'alias', 'deal', 'channel', 'territory')),
            entity_id bigint NOT NULL,
            action text NOT NULL CHECK (action IN ('added', 'changed', 'removed')),
            before jsonb,
            title_keys text[] NOT NULL DEFAULT '{}',
            series_keys text[] NOT NULL DEFAULT '{}',
            ref_keys text[] NOT NULL DEFAULT '{}',
            PRIMARY KEY (version, kind, entity_id)
        )
    """)
    op.execute("CREATE INDEX changes_entity ON catalog.changes (kind, entity_id)")


def _series() -> None:
    op.execute(f"""
        CREATE TABLE catalog.series (
            id bigint PRIMARY KEY CHECK (id >= 1),
            code text CHECK (length(code) BETWEEN 1 AND 100),
            code_key text UNIQUE CHECK (octet_length(code_key) BETWEEN 1 AND 1000),
            content_provider text CHECK (length(content_provider) BETWEEN 1 AND 500),
            status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
            {_SOURCE},
            CHECK ((code IS NULL) = (code_key IS NULL))
        )
    """)
    # An entry of a B-tree has at most 2704 bytes.
    op.execute("""
        CREATE TABLE catalog.series_titles (
            series_id bigint NOT NULL REFERENCES catalog.series ON DELETE CASCADE,
            language text NOT NULL DEFAULT 'und' CHECK (language ~ '^[a-z]{2,3}(-[a-z0-9]{2,8})*$'),
            position smallint NOT NULL DEFAULT 1 CHECK (position >= 1),
            main boolean NOT NULL DEFAULT false,
            title text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
            series_key text NOT NULL CHECK (octet_length(series_key) <= 2000),
            series_base text NOT NULL CHECK (octet_length(series_base) <= 2000),
            series_year smallint,
            source text NOT NULL,
            PRIMARY KEY (series_id, language, position)
        )
    """)
    op.execute("CREATE UNIQUE INDEX series_titles_main ON catalog.series_titles (series_id) WHERE main")
    op.execute("CREATE INDEX series_titles_key ON catalog.series_titles (series_key)")
    op.execute("CREATE INDEX series_titles_base ON catalog.series_titles (series_base)")


def _episodes() -> None:
    op.execute(f"""
        CREATE TABLE catalog.episodes (
            id bigint PRIMARY KEY CHECK (id >= 1),
            ref_id text CHECK (length(ref_id) BETWEEN 1 AND 200),
            ref_key text UNIQUE CHECK (octet_length(ref_key) BETWEEN 1 AND 2000),
            series_id bigint NOT NULL REFERENCES catalog.series,
            {_NUMBERS},
            active boolean NOT NULL DEFAULT true,
            {_SOURCE},
            CHECK ((ref_id IS NULL) = (ref_key IS NULL))
        )
    """)
    op.execute("CREATE INDEX episodes_numbers ON catalog.episodes (series_id, season_no, episode_no)")
    op.execute("""
        CREATE TABLE catalog.episode_titles (
            episode_id bigint NOT NULL REFERENCES catalog.episodes ON DELETE CASCADE,
            language text NOT NULL DEFAULT 'und' CHECK (language ~ '^[a-z]{2,3}(-[a-z0-9]{2,8})*$'),
            position smallint NOT NULL DEFAULT 1 CHECK (position >= 1),
            main boolean NOT NULL DEFAULT false,
            title text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
            title_key text NOT NULL CHECK (octet_length(title_key) <= 2000),
            placeholder boolean NOT NULL DEFAULT false,
            source text NOT NULL,
            PRIMARY KEY (episode_id, language, position)
        )
    """)
    op.execute("CREATE UNIQUE INDEX episode_titles_main ON catalog.episode_titles (episode_id) WHERE main")
    op.execute("CREATE INDEX episode_titles_key ON catalog.episode_titles (title_key)")
    op.execute(f"""
        CREATE TABLE catalog.episode_numbers (
            episode_id bigint NOT NULL REFERENCES catalog.episodes ON DELETE CASCADE,
            platform text CHECK (length(platform) BETWEEN 1 AND 63),
            {_NUMBERS},
            source text NOT NULL,
            UNIQUE NULLS NOT DISTINCT (episode_id, platform, season, episode)
        )
    """)
    op.execute("CREATE INDEX episode_numbers_numbers ON catalog.episode_numbers (season_no, episode_no)")


def _aliases() -> None:
    # An empty field matches anything, or, if the alias is exact, only rows in which it is empty as well.
    op.execute(f"""
        CREATE TABLE catalog.aliases (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            platform text CHECK (length(platform) BETWEEN 1 AND 63),
            exact boolean NOT NULL DEFAULT false,
            title text CHECK (length(title) BETWEEN 1 AND 500),
            title_key text CHECK (octet_length(title_key) <= 2000),
            series text CHECK (length(series) BETWEEN 1 AND 500),
            series_key text CHECK (octet_length(series_key) <= 2000),
            {_NUMBERS},
            content_id text CHECK (length(content_id) BETWEEN 1 AND 200),
            content_key text CHECK (octet_length(content_key) <= 2000),
            series_id bigint REFERENCES catalog.series,
            episode_id bigint REFERENCES catalog.episodes,
            decision_id bigint,
            source text NOT NULL CHECK (length(source) BETWEEN 1 AND 63),
            created_by text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            undone_by text,
            undone_at timestamptz,
            CHECK (num_nonnulls(series_id, episode_id) = 1),
            CHECK (num_nonnulls(title, series, content_id) >= 1),
            CHECK ((undone_by IS NULL) = (undone_at IS NULL))
        )
    """)
    live = "WHERE undone_at IS NULL"
    op.execute(f"""
        CREATE UNIQUE INDEX aliases_live ON catalog.aliases (platform, exact, md5(title), md5(series), season, episode,
            content_id, (series_id IS NULL)) NULLS NOT DISTINCT {live}
    """)
    op.execute(f"CREATE INDEX aliases_title ON catalog.aliases (title_key) {live}")
    op.execute(f"CREATE INDEX aliases_series ON catalog.aliases (series_key) {live}")
    op.execute(f"CREATE INDEX aliases_content ON catalog.aliases (content_key) {live}")


def _deals() -> None:
    op.execute(f"""
        CREATE TABLE catalog.deals (
            id bigint PRIMARY KEY CHECK (id >= 1),
            platform text NOT NULL CHECK (length(platform) BETWEEN 1 AND 63),
            domain text CHECK (length(domain) BETWEEN 1 AND 200),
            partner text CHECK (length(partner) BETWEEN 1 AND 200),
            channel text CHECK (length(channel) BETWEEN 1 AND 200),
            territory text CHECK (length(territory) BETWEEN 1 AND 200),
            valid_from date,
            valid_to date CHECK (valid_to >= valid_from),
            deal_parent text NOT NULL CHECK (length(deal_parent) BETWEEN 1 AND 100),
            internal_partner text CHECK (length(internal_partner) BETWEEN 1 AND 200),
            internal_channel text CHECK (length(internal_channel) BETWEEN 1 AND 200),
            internal_territory text CHECK (length(internal_territory) BETWEEN 1 AND 200),
            active boolean NOT NULL DEFAULT true,
            {_SOURCE}
        )
    """)
    op.execute("CREATE INDEX deals_platform ON catalog.deals (platform) WHERE active")
    for one, many, codes in (("channel", "channels", 100), ("territory", "territories", 20)):
        op.execute(f"""
            CREATE TABLE catalog.{many} (
                id bigint PRIMARY KEY CHECK (id >= 1),
                code text CHECK (length(code) BETWEEN 1 AND {codes}),
                name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
                active boolean NOT NULL DEFAULT true,
                {_SOURCE}
            )
        """)
        op.execute(f"""
            CREATE TABLE catalog.{one}_names (
                {one}_id bigint NOT NULL REFERENCES catalog.{many} ON DELETE CASCADE,
                position smallint NOT NULL CHECK (position >= 2),
                name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
                source text NOT NULL,
                PRIMARY KEY ({one}_id, position)
            )
        """)
