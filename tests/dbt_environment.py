"""The Python of dbt's own environment, which `make test` builds; tests fail without it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["DBT_PYTHON", "DBT_SITE"]

# Read at import: the tests' environment has no TELECINE_ variables.
DBT_PYTHON = Path(
    os.environ.get("TELECINE_TRAKT_DBT_PYTHON") or Path(__file__).parents[1] / ".venv-dbt" / "bin" / "python"
)
DBT_SITE = DBT_PYTHON.parents[1] / "lib" / "python3.11" / "site-packages"
