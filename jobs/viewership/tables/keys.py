"""Distinct keys of rows, which are matched, and distinct scopes, for which a deal is looked up."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.keys.review import review_key
from jobs.viewership.keys.text import json_list
from jobs.viewership.keys.titles import series_key, title_key
from jobs.viewership.keys.version import KEY_VERSION
from shared.collector import no_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor, Future

    import polars as pl

    from shared.database.session import DatabaseSession

__all__ = [
    "COMPUTED",
    "KEY_COLUMNS",
    "KEY_FIELDS",
    "SCOPE_FIELDS",
    "DistinctKeys",
    "Keys",
    "distinct_keys",
    "key_ids",
    "key_row",
    "refresh_key_columns",
    "scope_digest",
    "scope_ids",
]

KEY_FIELDS: Final = ("content_name", "content_name_2", "series", "season", "episode", "content_id")
"""Fields of a unit that identify its episode."""
COMPUTED: Final = (
    *("title_key", "title_key_2", "series_key", "content_key", "review_key", "review_digest", "key_version"),
)
"""Columns that the rules of the keys compute from the fields."""
SCOPE_FIELDS: Final = ("partner", "channel", "territory", "date")
"""Fields of a unit that identify its deal, and its day."""

KEY_COLUMNS: Final = ("digest", "platform", *KEY_FIELDS, *COMPUTED)
"""Columns of viewership.keys, except its number."""


def _digest(values: Sequence[str | None]) -> bytes:
    return hashlib.blake2b(json_list(values).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class DistinctKeys:
    """The distinct keys of some units, before they are looked up.

    Attributes:
        platform: their platform.
        frame: the distinct combinations of :data:`KEY_FIELDS`.
        rows: the same, as tuples.
        digests: the digest of each.
    """

    platform: str
    frame: pl.DataFrame
    rows: list[tuple[Any, ...]]
    digests: list[bytes]


@dataclass(frozen=True, slots=True)
class Keys:
    """The distinct keys of some units.

    Attributes:
        numbers: the distinct combinations of :data:`KEY_FIELDS`, and ``key_id``.
        new: CSV of the keys that are not in the table yet, computed by another thread; None if all are.
    """

    numbers: pl.DataFrame
    new: Future[bytes] | None

    def write(self, session: DatabaseSession) -> None:
        """Write the new keys, in the transaction that numbered them."""
        if self.new is not None:
            session.copy_bytes("viewership.keys", ("key_id", *KEY_COLUMNS), [self.new.result()])


def distinct_keys(platform: str, units: pl.DataFrame) -> DistinctKeys:
    """Return the distinct keys of units.

    Args:
        platform: the platform, which is part of a key.
        units: with the columns of :data:`KEY_FIELDS`.
    """
    # In file order, so that the numbers of keys and rows do not vary from run to run.
    frame = units.select(KEY_FIELDS).unique(maintain_order=True)
    with no_collection():
        rows = frame.rows()
        return DistinctKeys(platform, frame, rows, [_digest((platform, *row)) for row in rows])


def key_ids(session: DatabaseSession, distinct: DistinctKeys, pool: Executor) -> Keys:
    """Number keys. The caller writes the new ones after the rows that refer to them.

    Args:
        session: the transaction. If there are new keys, it locks the platform's keys until it ends.
        distinct: the keys.
        pool: computes the columns of the new keys in the background.
    """
    import polars as pl

    platform, digests = distinct.platform, distinct.digests
    known: dict[bytes, int] = {}
    new: Future[bytes] | None = None
    if digests:
        session.run("CREATE TEMPORARY TABLE IF NOT EXISTS new_digests (digest bytea NOT NULL) ON COMMIT DROP")
        session.run("TRUNCATE new_digests")
        session.copy("new_digests", ("digest",), ((digest,) for digest in digests))
        known = _known(session)
        if len(known) < len(digests):
            # Keys are numbered before they are written, so no other transaction may add keys of this platform.
            session.rows(
                "SELECT pg_advisory_xact_lock(hashtextextended('telecine viewership keys ' || :platform, 0))",
                platform=platform,
            )
            known = _known(session)
            missing = [(digest, row) for digest, row in zip(digests, distinct.rows, strict=True) if digest not in known]
            [[numbers]] = session.rows(
                "SELECT array_agg(nextval(own.name)) FROM generate_series(1, CAST(:count AS bigint)),"
                " (SELECT CAST(pg_get_serial_sequence('viewership.keys', 'key_id') AS regclass) AS name OFFSET 0) own",
                count=len(missing),
            )
            drafts = [(number, *one) for number, one in zip(numbers or (), missing, strict=True)]
            known.update((digest, number) for number, digest, _ in drafts)
            new = pool.submit(_as_csv, platform, drafts) if drafts else None
    numbered = distinct.frame.with_columns(pl.Series("key_id", [known[digest] for digest in digests], dtype=pl.Int64))
    return Keys(numbered, new)


def _known(session: DatabaseSession) -> dict[bytes, int]:
    found = session.rows("SELECT k.digest, k.key_id FROM viewership.keys k JOIN new_digests USING (digest)")
    return {bytes(row.digest): row.key_id for row in found}


def _as_csv(platform: str, drafts: Sequence[tuple[int, bytes, Sequence[str | None]]]) -> bytes:
    """Return number and columns of new keys as CSV for COPY."""
    import polars as pl

    with no_collection():
        rows = [(number, *_key(digest, platform, row)) for number, digest, row in drafts]
    frame = pl.DataFrame(
        {
            name: [_ENCODERS[name](value) for value in values] if name in _ENCODERS else values
            for name, values in zip(("key_id", *KEY_COLUMNS), zip(*rows, strict=True), strict=True)
        },
        schema=dict.fromkeys(("key_id", *KEY_COLUMNS), pl.String) | {"key_id": pl.Int64, "key_version": pl.Int32},
    )
    return frame.write_csv(include_header=False).encode()


def _array(texts: Sequence[str]) -> str:
    r"""Return texts as an array literal of PostgreSQL.

    >>> print(_array(["", 'a "b"', "c, d\\"]))
    {"","a \"b\"","c, d\\"}
    """
    plain = '","'.join(texts)
    if "\\" not in plain and plain.count('"') == 2 * (len(texts) - 1):
        return '{"' + plain + '"}'
    escaped = (text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return "{" + ",".join(f'"{text}"' for text in escaped) + "}"


def _bytea(value: bytes) -> str:
    return rf"\x{value.hex()}"


_ENCODERS: Final[dict[str, Callable[[Any], str]]] = {
    "digest": _bytea,
    "review_digest": _bytea,
    "review_key": _array,
}


def key_row(platform: str, fields: Mapping[str, str | None]) -> tuple[Any, ...]:
    """Return the values of :data:`KEY_COLUMNS` for a key.

    Args:
        platform: its platform.
        fields: the values of :data:`KEY_FIELDS`, by name.
    """
    row = tuple(fields[name] for name in KEY_FIELDS)
    return _key(_digest((platform, *row)), platform, row)


def _key(digest: bytes, platform: str, row: Sequence[str | None]) -> tuple[Any, ...]:
    return (digest, platform, *row, *_computed(platform, dict(zip(KEY_FIELDS, row, strict=True))))


def _computed(platform: str, raw: Mapping[str, str | None]) -> tuple[Any, ...]:
    """Return the values of :data:`COMPUTED`."""
    review = review_key(platform, **raw)
    return (
        title_key(raw["content_name"]) if raw["content_name"] else None,
        title_key(raw["content_name_2"]) if raw["content_name_2"] else None,
        series_key(raw["series"]) if raw["series"] else None,
        review.content_id if raw["content_id"] else None,
        *(review.parts, review.digest, KEY_VERSION),
    )


def scope_digest(platform: str, domain: str, fields: Sequence[Any]) -> bytes:
    """Return the digest of a scope, by which it is found.

    Args:
        platform: its platform.
        domain: its domain.
        fields: the values of :data:`SCOPE_FIELDS`, in their order.
    """
    partner, channel, territory, day = fields
    return _digest((platform, domain, partner, channel, territory, str(day or "")))


def refresh_key_columns(session: DatabaseSession, limit: int) -> int:
    """Recompute the columns of keys that were computed by older rules, and return the number of keys.

    Args:
        session: the transaction.
        limit: at most this many keys.
    """
    rows = session.rows(
        f"SELECT key_id, platform, {', '.join(KEY_FIELDS)} FROM viewership.keys"  # noqa: S608 - names of this module
        " WHERE key_version <> :version ORDER BY key_id LIMIT :limit FOR UPDATE",
        version=KEY_VERSION,
        limit=limit,
    )
    if not rows:
        return 0
    session.run("CREATE TEMPORARY TABLE IF NOT EXISTS fresh_keys (LIKE viewership.keys) ON COMMIT DROP")
    session.run(
        "ALTER TABLE fresh_keys ALTER digest DROP NOT NULL, ALTER platform DROP NOT NULL"  # left unchanged
    )
    session.run("TRUNCATE fresh_keys")
    session.copy(
        "fresh_keys",
        ("key_id", *COMPUTED),
        ((row[0], *_computed(row[1], dict(zip(KEY_FIELDS, row[2:], strict=True)))) for row in rows),
    )
    updates = ", ".join(f"{name} = fresh.{name}" for name in COMPUTED)
    return session.run(
        f"UPDATE viewership.keys k SET {updates} FROM fresh_keys fresh WHERE fresh.key_id = k.key_id"  # noqa: S608
    )


def scope_ids(session: DatabaseSession, platform: str, domain: str, units: pl.DataFrame) -> pl.DataFrame:
    """Return the distinct scopes of units with their numbers; new scopes are inserted.

    Args:
        session: the transaction.
        platform: the platform.
        domain: the domain.
        units: with the columns of :data:`SCOPE_FIELDS`.

    Returns:
        The distinct combinations of :data:`SCOPE_FIELDS`, and ``scope_id``.
    """
    import polars as pl

    distinct = units.select(SCOPE_FIELDS).unique()
    rows = list(distinct.iter_rows())
    digests = [scope_digest(platform, domain, row) for row in rows]
    session.run(
        "CREATE TEMPORARY TABLE IF NOT EXISTS new_scopes (digest bytea, partner text, channel text, territory text,"
        " date date) ON COMMIT DROP"
    )
    session.run("TRUNCATE new_scopes")
    session.copy(
        "new_scopes",
        ("digest", "partner", "channel", "territory", "date"),
        ((digest, *row) for digest, row in zip(digests, rows, strict=True)),
    )
    # In the order of the digests, as for keys.
    session.run(
        "INSERT INTO viewership.scopes (platform, domain, platform_partner_name, platform_channel_name,"
        " platform_territory, date, digest)"
        " SELECT :platform, :domain, partner, channel, territory, date, digest FROM new_scopes ORDER BY digest"
        " ON CONFLICT (digest) DO NOTHING",
        platform=platform,
        domain=domain,
    )
    found = session.rows("SELECT s.digest, s.scope_id FROM viewership.scopes s JOIN new_scopes USING (digest)")
    known = {bytes(row.digest): row.scope_id for row in found}
    return distinct.with_columns(pl.Series("scope_id", [known[digest] for digest in digests], dtype=pl.Int64))
