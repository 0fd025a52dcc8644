"""A plugin for dbt-duckdb: the salt of user keys as a DuckDB variable, and the metrics as scalar functions.

It runs in dbt's environment, in which telecine is not installed: ``jobs.trakt.metrics`` is loaded by its path, and
needs only the standard library.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

_SALT = "TELECINE_DBT_USER_SALT"
_PARAMETERS = "TELECINE_DBT_PARAMETERS"
# This file is jobs/trakt/dbt/plugin.py.
_JOBS = Path(__file__).resolve().parents[2]


class Plugin(BasePlugin):  # type: ignore[misc]
    """Prepares every connection to the DuckDB file."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:  # noqa: ARG002 - the interface
        """Read the salt and the parameters of the metrics."""
        # DuckDB looks for pandas at each value that passes between SQL and Python. Without this entry, each look-up
        # searches the disk: 4,800 calls of a function take 7.4 s of CPU, but 0.9 s with it.
        if importlib.util.find_spec("pandas") is None:
            sys.modules["pandas"] = None  # type: ignore[assignment]
        self._salt = os.environ.get(_SALT, "")
        # `mf` parses the project without building anything, and has no salt.
        self._functions = _metrics().functions(_parameters(os.environ.get(_PARAMETERS) or "{}"))

    def configure_connection(self, conn: Any) -> None:
        """Register the functions; every cursor of the connection has them."""
        for name, function in self._functions.items():
            conn.create_function(
                name, function.call, list(function.takes), function.returns, null_handling="special", side_effects=False
            )
        self.configure_cursor(conn)

    def configure_cursor(self, cursor: Any) -> None:
        """Set the salt: variables belong to one cursor. It is a parameter, so no statement contains it."""
        cursor.execute("SET VARIABLE user_salt = ?", [self._salt or None])


def _metrics() -> Any:
    """Import the metrics without adding the folder above ``jobs`` to ``sys.path``, since it has other packages."""
    if "jobs" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "jobs", _JOBS / "__init__.py", submodule_search_locations=[str(_JOBS)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"{_JOBS} is not a package")
        module = importlib.util.module_from_spec(spec)
        sys.modules["jobs"] = module
        spec.loader.exec_module(module)
    return importlib.import_module("jobs.trakt.metrics.functions")


def _parameters(text: str) -> Any:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}
    return importlib.import_module("jobs.trakt.metrics.parameters").Parameters(**values)
