"""PostgreSQL: URL, engine, migrations, and the embedded server."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.database.connection import database_url, engine, translated
    from shared.database.migrate import upgrade
    from shared.database.problems import check

__all__ = ["check", "database_url", "engine", "translated", "upgrade"]

_HOME = {
    "check": "problems",
    "database_url": "connection",
    "engine": "connection",
    "translated": "connection",
    "upgrade": "migrate",
}


def __getattr__(name: str) -> Any:
    """Import a part on first use (PEP 562): importing SQLAlchemy alone takes 0.2 s."""
    if name in _HOME:
        return getattr(import_module(f"shared.database.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
