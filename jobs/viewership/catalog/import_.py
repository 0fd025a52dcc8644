"""Import files in one transaction: all of them or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.viewership.catalog.current import load
from jobs.viewership.catalog.files import read
from jobs.viewership.catalog.plan import plan
from jobs.viewership.catalog.store import apply
from jobs.viewership.catalog.versions import current_version, lock, open_version, refresh_keys
from jobs.viewership.tables.locks import limit_waits
from shared.collector import no_collection
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.catalog.columns import Kind
    from jobs.viewership.catalog.plan import Plan
    from jobs.viewership.catalog.state import State
    from shared.database.session import DatabaseSession

__all__ = ["Imported", "compare", "import_files"]


@dataclass(frozen=True, slots=True)
class Imported:
    """The effect of files on the catalogue.

    Attributes:
        plan: the changes; with bad rows, none is made.
        state: the catalogue as it would be after them.
        rows: rows by kind.
        version: the version of the catalogue now.
        written: whether this import made that version.
    """

    plan: Plan
    state: State
    rows: dict[Kind, int]
    version: int
    written: bool


def import_files(
    session: DatabaseSession,
    files: Sequence[tuple[str, bytes]],
    *,
    source: str,
    by: str,
    overwrite: bool = False,
    remove_missing: bool = False,
) -> Imported:
    """Import files. The same files again change nothing and make no version.

    Imports wait for each other. A file with a bad row changes nothing either; ``plan.bad`` lists all bad rows.

    Args:
        session: a transaction; its lock timeout is set to that of a phase.
        files: names and contents.
        source: the name under which fields are filled.
        by: the author of the import.
        overwrite: also replace what other sources have filled.
        remove_missing: deactivate what this source added but the files lack.

    Raises:
        ConfigurationError: a newer telecine computed the catalogue's keys.
    """
    limit_waits(session)
    lock(session)
    refresh_keys(session, by)
    found = _planned(session, files, source, overwrite=overwrite, remove_missing=remove_missing)
    decided = found.plan
    if decided.bad or not decided.changed:
        return found
    version = open_version(
        session,
        "import",
        by,
        source=source,
        origin=cut(", ".join(name for name, _ in files), 1000),
        counts=decided.counts(),
    )
    with no_collection():
        apply(session, found.state, decided, version, by)
    return Imported(decided, found.state, found.rows, version, written=True)


def compare(
    session: DatabaseSession, files: Sequence[tuple[str, bytes]], *, source: str, overwrite: bool = False
) -> Imported:
    """Return what :func:`import_files` would change, and change nothing.

    Args:
        session: a transaction.
        files: names and contents.
        source: the name under which fields would be filled.
        overwrite: also replace what other sources have filled.
    """
    return _planned(session, files, source, overwrite=overwrite, remove_missing=False)


def _planned(
    session: DatabaseSession,
    files: Sequence[tuple[str, bytes]],
    source: str,
    *,
    overwrite: bool,
    remove_missing: bool,
) -> Imported:
    with no_collection():
        rows = read(files)
        state = load(session)
        decided = plan(state, rows, source, overwrite=overwrite, remove_missing=remove_missing)
    return Imported(decided, state, rows.counts(), current_version(session), written=False)
