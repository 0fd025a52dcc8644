"""The schema that this code needs, as the files below migrations/versions declare it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["CONSOLE", "GOLD", "HEAD", "SCHEMA", "VERSION_TABLE", "Declared", "Expiring", "declared"]

SCHEMA: Final = "pipeline"
GOLD: Final = "gold"
VERSION_TABLE: Final = "schema_version"
# The role that serves pages: reads all tables, and writes the schema `console` only.
CONSOLE: Final = "telecine_console"
_FILES: Final = sorted(Path(__file__).with_name("migrations").joinpath("versions").glob("[0-9]*.py"))
# Versions are four digits that count up, so they compare as text.
HEAD: Final = _FILES[-1].name[:4]


@dataclass(frozen=True, slots=True)
class Expiring:
    """A table whose old rows `telecine vacuum` deletes.

    Args:
        table: schema and name.
        key: column of the primary key.
        time: column with a row's age; rows where it is NULL are kept.
        label: what the rows are, for the summary, such as ``runs of the ledger``.
    """

    table: str
    key: str
    time: str
    label: str


@dataclass(frozen=True, slots=True)
class Declared:
    """The declarations of all migrations together.

    Args:
        tables: tables that the run-time role writes, as schema and name.
        views: views that it reads.
        functions: functions that it calls, with the types of their arguments.
        expiring: tables whose old rows are deleted.
        final: tables of results that `telecine db check` names.
    """

    tables: tuple[str, ...]
    views: tuple[str, ...]
    functions: tuple[str, ...]
    expiring: tuple[Expiring, ...]
    final: tuple[str, ...]

    @property
    def schemas(self) -> tuple[str, ...]:
        """Return the schemas of tables and views, in the order in which migrations create them."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in (*self.tables, *self.views)))


@cache
def declared() -> Declared:
    """Return what all migrations declare, oldest first (``TABLES``, ``VIEWS``, …); imports Alembic."""
    modules: list[ModuleType] = [import_module(f"shared.database.migrations.versions.{path.stem}") for path in _FILES]
    return Declared(
        tables=tuple(name for module in modules for name in getattr(module, "TABLES", ())),
        views=tuple(name for module in modules for name in getattr(module, "VIEWS", ())),
        functions=tuple(name for module in modules for name in getattr(module, "FUNCTIONS", ())),
        expiring=tuple(each for module in modules for each in getattr(module, "EXPIRING", ())),
        final=tuple(name for module in modules for name in getattr(module, "FINAL", ())),
    )
