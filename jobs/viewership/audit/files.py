"""Compare raw files in the bucket with their uploads: size, SHA-256, and every unit that is read from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.audit.model import Check, Finding, tell
from jobs.viewership.audit.rows import VALUES
from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.phases.keeping import fetched
from jobs.viewership.phases.reading import interpret
from jobs.viewership.phases.store import facts, set_aside_rows
from jobs.viewership.settings.formats import InterpretationSettings
from jobs.viewership.tables.rows import as_csv
from jobs.viewership.tables.uploads import ACTIVE
from shared.errors import ObjectMissing, UsageError
from shared.storage import open_store

if TYPE_CHECKING:
    import polars as pl

    from jobs.viewership.audit.model import Scope
    from jobs.viewership.settings.audit import VerifySettings
    from shared.database.session import DatabaseSession
    from shared.storage import ObjectStore

__all__ = ["check_files"]

_DERIVED: Final = {
    "week": "r.week",
    "day": "r.day",
    "year_month_day": "r.year_month_day",
    "whole_week": "r.whole_week",
    "whole_month": "r.whole_month",
    "topline": "r.key_id IS NULL",
}
_UNIT: Final = {**VALUES, **_DERIVED}
# The wording of messages may differ between versions of telecine.
_ASIDE: Final = ("fate", "code", "column_name", "raw", "hours", "revenue", "unparsable")


@dataclass(slots=True)
class _Files:
    settings: VerifySettings
    session: DatabaseSession
    store: ObjectStore
    check: Check

    def examine(self, row: Any) -> None:
        """Check the raw file of one upload."""
        try:
            info = self.store.stat(row.object_key)
        except ObjectMissing:
            self._add("FILE_MISSING", f"{row.object_key} is not in the bucket; restore it", row)
            return
        if info.size != row.size_bytes:
            self._add("FILE_CHANGED", f"{row.object_key} has {info.size} bytes; expected {row.size_bytes}", row)
            return
        self._read(row)

    def _read(self, row: Any) -> None:
        with fetched(f"{self.store.uri}/{row.object_key}", self.settings, bucket=self.store.uri) as kept:
            if kept.sha256 != row.sha256:
                message = f"{row.object_key} has the SHA-256 {kept.sha256}; expected {row.sha256}"
                self._add("FILE_CHANGED", message, row)
                return
            if not self.settings.reread or row.status not in ACTIVE:
                return
            names = InterpretationSettings.model_fields
            choices = {name: value for name, value in row.choices.items() if name in names}
            choices["map"] = tuple(choices.get("map", ()))
            try:
                read = interpret(kept.path, InterpretationSettings(**choices, formats_dir=self.settings.formats_dir))
            except (NeedsChoice, Refused, UsageError) as error:
                self._add("FILE_READING", f"the file cannot be read with its choices: {error.message}", row)
                return
        if read.format.full_name != row.format:
            message = f"the file now reads as format {read.format.full_name}; expected {row.format}"
            self._add("FILE_READING", message, row)
            return
        units = facts(read)
        aside = units["fate"].is_not_null() & ~units["topline"]
        self._compare_rows(row.upload_id, units.filter(~aside))
        self._compare_aside(row.upload_id, set_aside_rows(units.filter(aside)))

    def _compare_rows(self, upload_id: int, units: pl.DataFrame) -> None:
        columns = ", ".join(f"{place} AS {name}" for name, place in _UNIT.items())
        stored = f"""SELECT r.line, r.position, {columns}
            FROM viewership.platform_viewership r JOIN viewership.scopes s USING (scope_id)"""  # noqa: S608
        names = ("line", "position", *_UNIT)
        self._compare(upload_id, stored, units.select(names), "row")

    def _compare_aside(self, upload_id: int, units: pl.DataFrame) -> None:
        names = ("line", "position", *_ASIDE)
        stored = f"SELECT {', '.join(f'r.{name}' for name in names)} FROM viewership.set_aside_rows r"  # noqa: S608
        self._compare(upload_id, stored, units.select(names), "row set aside")

    def _compare(self, upload_id: int, stored: str, units: pl.DataFrame, what: str) -> None:
        """Compare units with the rows `r` of a statement, by line and position."""
        session, names = self.session, units.columns
        session.run("DROP TABLE IF EXISTS audit_units")
        session.run(f"CREATE TEMPORARY TABLE audit_units ON COMMIT DROP AS {stored} WHERE false")
        session.copy_bytes("audit_units", names, as_csv(units))
        session.run("ANALYZE audit_units")
        fields = ", ".join(f"('{name}', h.{name}::text, n.{name}::text)" for name in names[2:])
        # Show a value whole or not at all: half a secret would not be recognised and masked later.
        shown = "CASE WHEN length({0}) > 100 THEN concat('a text of ', length({0}), ' characters') ELSE {0} END"
        self.check.checked += units.height
        tell(
            session,
            self.check,
            "REREAD",
            f"""
            SELECT CAST(:upload AS bigint) AS upload_id, COALESCE(h.line, n.line) AS line,
                :what || ' at position ' || COALESCE(h.position, n.position) AS item,
                CASE WHEN h.line IS NULL THEN 'it is not stored; the file has it'
                    WHEN n.line IS NULL THEN 'the file does not have it'
                    ELSE concat('its ', f.name, ' is ', COALESCE({shown.format("f.stored")}, 'none'),
                        '; the file has ', COALESCE({shown.format("f.read")}, 'none')) END AS message
            FROM ({stored} WHERE r.upload_id = :upload) h FULL JOIN audit_units n
                ON (h.line, h.position) = (n.line, n.position)
            CROSS JOIN LATERAL (
                SELECT * FROM (VALUES {fields}) AS x (name, stored, read)
                WHERE x.stored IS DISTINCT FROM x.read LIMIT 1
            ) f
            """,  # noqa: S608
            "{message}",
            upload=upload_id,
            what=what,
        )

    def _add(self, code: str, message: str, row: Any) -> None:
        self.check.add(Finding(code, message, row.upload_id))


def check_files(session: DatabaseSession, scope: Scope, settings: VerifySettings) -> Check:
    """Compare size and bytes of each upload's raw file; with ``--reread``, also every unit.

    Args:
        session: the transaction.
        scope: the uploads.
        settings: the bucket, and how thorough to be.
    """
    rows = session.rows(
        "SELECT upload_id, object_key, sha256, size_bytes, choices, format, status FROM viewership.uploads"
        " WHERE upload_id = ANY (:ids) ORDER BY upload_id",
        ids=list(scope.uploads),
    )
    check = Check("files", len(rows))
    files = _Files(settings, session, open_store(settings.bucket, settings), check)
    for row in rows:
        files.examine(row)
    return check
