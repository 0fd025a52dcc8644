"""dbt's environment: its Python, the project, and the variables of a build."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jobs
from jobs.trakt.modelling.errors import DbtMissing, SaltMissing

if TYPE_CHECKING:
    from jobs.trakt.settings.model import ModelSettings

__all__ = ["PROJECT", "Workplace", "cache_key", "dbt_python", "parameters_json", "project_hash", "salt"]

_JOBS: Final = Path(jobs.__file__).parent
PROJECT: Final = _JOBS / "trakt" / "dbt"
"""The dbt project, which is only read."""
_IN_IMAGE: Final = Path("/opt/dbt/bin/python")
_METRICS: Final = _JOBS / "trakt" / "metrics"
# Enough to keep a silver built with another salt from being continued, too little to guess the salt from.
_SALT_DIGITS: Final = 8


def dbt_python(settings: ModelSettings) -> Path:
    """Return the Python of dbt's environment.

    Raises:
        DbtMissing: it does not exist.
    """
    chosen = settings.dbt_python
    # Not resolved: the Python of an environment is a link to that of the system.
    beside = Path(os.path.abspath(sys.prefix)).parent / ".venv-dbt" / "bin" / "python"  # noqa: PTH100
    found = [Path(chosen)] if chosen else [beside, _IN_IMAGE]
    for path in found:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise DbtMissing(
        f"dbt's Python {' and '.join(str(path) for path in found)} {'does' if chosen else 'do'} not exist; expected an "
        "environment with the packages of requirements/dbt.txt; run: make .venv-dbt/.ready, or pass --dbt-python",
        path=str(found[0]),
    )


def salt(settings: ModelSettings) -> str:
    """Return the salt of user keys.

    Raises:
        SaltMissing: it is not set.
    """
    if settings.user_salt is None:
        raise SaltMissing(
            f"the salt for user names is not set; expected a secret of 16 or more characters, always the same; set "
            f"{settings.variables('user_salt')[0]}"
        )
    return settings.user_salt.get_secret_value()


def parameters_json(settings: ModelSettings) -> str:
    """Return the parameters of the metrics as JSON, for the plugin."""
    return json.dumps({"n_min": settings.n_min, "replies": settings.replies_counted}, sort_keys=True)


@cache
def project_hash() -> str:
    """Return the SHA-256 of the project and of the metrics: all that decides what a build makes of bronze."""
    digest = hashlib.sha256()
    files = [
        path for folder in (PROJECT, _METRICS) for path in folder.rglob("*") if path.suffix in {".sql", ".yml", ".py"}
    ]
    for path in sorted(files):
        digest.update(f"{path.relative_to(_JOBS).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def cache_key(settings: ModelSettings) -> str:
    """Return what a cached build must have in common with a new one: project, parameters and salt."""
    mark = hashlib.sha256(f"telecine trakt salt:{salt(settings)}".encode()).hexdigest()[:_SALT_DIGITS]
    return hashlib.sha256(f"{project_hash()}\0{parameters_json(settings)}\0{mark}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folders of one build; all that dbt writes is below ``root``.

    Attributes:
        root: a local folder.
    """

    root: Path

    @property
    def bronze(self) -> Path:
        """The folder with one folder of links per kind."""
        return self.root / "bronze"

    @property
    def file(self) -> Path:
        """The DuckDB file."""
        return self.root / "trakt.duckdb"

    @property
    def target(self) -> Path:
        """The folder of dbt's artifacts."""
        return self.root / "target"

    @property
    def gold(self) -> Path:
        """The folder of the exports."""
        return self.root / "gold"

    @property
    def output(self) -> Path:
        """The file with what dbt prints."""
        return self.root / "dbt.log"

    def prepare(self) -> None:
        """Create the folders."""
        for name in ("bronze", "target", "gold", "home", "logs", "temp"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def variables(self, settings: ModelSettings) -> dict[str, str]:
        """Return all environment variables of dbt; only the path and the language are inherited."""
        kept = {name: value for name in ("PATH", "LANG", "LC_ALL") if (value := os.environ.get(name))}
        return {
            **kept,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "temp"),
            "DO_NOT_TRACK": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            "PYTHONSAFEPATH": "1",
            "TELECINE_DBT_PROJECT": str(PROJECT),
            "TELECINE_DBT_BRONZE": str(self.bronze),
            "TELECINE_DBT_FILE": str(self.file),
            "TELECINE_DBT_EXPORT": str(self.gold),
            "TELECINE_DBT_TEMP": str(self.root / "temp"),
            "TELECINE_DBT_THREADS": str(settings.dbt_threads),
            "TELECINE_DBT_MEMORY": f"{settings.dbt_memory_mb}MB",
            "TELECINE_DBT_PARAMETERS": parameters_json(settings),
            "TELECINE_DBT_USER_SALT": salt(settings),
        }

    def arguments(self, settings: ModelSettings) -> list[str]:
        """Return the arguments of dbt."""
        variables = {
            "as_of_date": str(settings.as_of) if settings.as_of else "none",
            "engagement_days": settings.engagement_days,
        }
        return [
            "build",
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(self.target)),
            *("--log-path", str(self.root / "logs"), "--log-level-file", "none", "--log-format", "json"),
            *("--no-partial-parse", "--no-use-colors", "--vars", json.dumps(variables)),
        ]
