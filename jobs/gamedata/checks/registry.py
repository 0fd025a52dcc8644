"""The decorators ``@statistics_check`` and ``@frames_check``, and the registry of checks in column order."""

from __future__ import annotations

import hashlib
import inspect
import re
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["RESERVED", "TYPES", "Check", "Registry", "check_sources", "collect", "frames_check", "statistics_check"]

_F = TypeVar("_F", bound="Callable[..., Any]")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

# The types that a column may have. If a check returns a value of any other type, its row records an error.
TYPES: Final = (bool, int, float, str)

# Columns that the manifest itself fills.
RESERVED: Final = frozenset(
    {
        *("s3_key", "video_id", "video_metadata", "session_metadata", "error", "error_traceback", "processed_time"),
        *("commit_hash", "schema_version", "error_code", "error_stage", "check_errors", "checks_sha256", "warnings"),
        *("duration_s", "source_etag", "spec_digest", "sampled"),
    }
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a function and the columns it fills.

    Attributes:
        name: its first column.
        kind: ``statistics`` reads rows of measured values, ``frames`` reads the frames of a ``.pt`` file.
        columns: column name -> ``bool`` | ``int`` | ``float`` | ``str``, in order; all may be NULL.
        function: the decorated function.
        vectorised: True if the function takes all sessions at once (polars) rather than one.
        reads: part columns that the function needs; None means all of them.
        file: the file that defines the function.
        digest: sha256 of that file; cached results of another version are not used.
    """

    name: str
    kind: Literal["statistics", "frames"]
    columns: Mapping[str, type]
    function: Callable[..., Any]
    vectorised: bool
    reads: tuple[str, ...] | None
    file: str
    digest: str


@dataclass(slots=True)
class Registry:
    """Checks in the order of their definition, which is also the order of their columns in the manifest."""

    checks: dict[str, Check] = field(default_factory=dict)

    def add(self, check: Check) -> None:
        """Add a check.

        Raises:
            ValueError: one of its columns has an invalid name, or belongs to another check or to the manifest.
        """
        defined = {column: owner for owner in self.checks.values() for column in owner.columns}
        for column, kind in check.columns.items():
            if not _NAME.fullmatch(column):
                raise ValueError(
                    f"check column '{column}' has an invalid name; expected 1 to 63 lower-case letters, digits and "
                    "underscores, starting with a letter"
                )
            if kind not in TYPES:
                names = ", ".join(kind.__name__ for kind in TYPES)
                raise ValueError(f"check column '{column}' has the type {kind!r}; expected one of {names}")
            if column in RESERVED:
                raise ValueError(f"check column '{column}' is a column of the manifest; choose another name")
            if column in defined:
                raise ValueError(
                    f"check column '{column}' is defined twice, in {defined[column].file} and {check.file}; rename one"
                )
        self.checks[check.name] = check

    def copy(self) -> Registry:
        """Return a copy to which further checks can be added."""
        return Registry(dict(self.checks))

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks.values())

    def __len__(self) -> int:
        return len(self.checks)


_BUILT_IN: Final = Registry()
_target: ContextVar[Registry] = ContextVar("telecine_checks", default=_BUILT_IN)
_sources: Final[dict[str, str]] = {}  # file name -> sha256, for code that is compiled from memory


@contextmanager
def collect(registry: Registry, sources: Mapping[str, str] | None = None) -> Iterator[Registry]:
    """Make the decorators below add to ``registry`` instead of the built-in one.

    Args:
        registry: receives the checks.
        sources: file name -> sha256 of source text that is executed from memory.
    """
    token = _target.set(registry)
    _sources.update(sources or {})
    try:
        yield registry
    finally:
        _target.reset(token)


def built_in() -> Registry:
    """Return the registry that the decorators fill outside :func:`collect`."""
    return _BUILT_IN


def check_sources(registry: Registry) -> dict[str, str]:
    """Return file -> sha256 for the files that define a registry's checks, in order."""
    return {check.file: check.digest for check in registry}


def statistics_check(
    name: str,
    dtype: type,
    *,
    also: Mapping[str, type] | None = None,
    vectorised: bool = False,
    reads: tuple[str, ...] | None = None,
) -> Callable[[_F], _F]:
    """Register a function as a check over measured values; no frames are read.

    The function is called as ``f(session, settings)`` with a :class:`~jobs.gamedata.checks.SessionStatistics` and
    returns the column's value, or None for NULL; with ``also``, a mapping of column to value. A ``vectorised`` function
    receives a ``polars.DataFrame`` of part columns, one row per session, and returns a Series, or a mapping of column
    to Series; rows must not depend on each other.

    Args:
        name: the column, lower case with underscores.
        dtype: ``bool``, ``int``, ``float`` or ``str``.
        also: further columns that the function fills.
        vectorised: see above.
        reads: the part columns that the function needs (`jobs.gamedata.parts.schema`); by default all. Reading fewer is
            faster.

    Raises:
        ValueError: a column's name or type is invalid, or the name is taken.
    """
    return _decorator(name, "statistics", {name: dtype, **(also or {})}, vectorised=vectorised, reads=reads)


def frames_check(name: str, dtype: type, *, also: Mapping[str, type] | None = None) -> Callable[[_F], _F]:
    """Register a function as a check over the sampled frames of a ``.pt`` file; it runs in a worker process.

    The function is called as ``f(data, settings)`` with an :class:`~jobs.gamedata.model.ExtractedData` and returns the
    column's value, or None for NULL; with ``also``, a mapping of column to value. Results are cached per ``.pt`` file,
    version of the check's file and settings that the check read, so a second manifest reads no frames. Sessions without
    a stored ``.pt`` file get NULL.

    Args:
        name: the column, lower case with underscores.
        dtype: ``bool``, ``int``, ``float`` or ``str``.
        also: further columns that the function fills.

    Raises:
        ValueError: a column's name or type is invalid, or the name is taken.
    """
    return _decorator(name, "frames", {name: dtype, **(also or {})}, vectorised=False, reads=())


def _decorator(
    name: str,
    kind: Literal["statistics", "frames"],
    columns: Mapping[str, type],
    *,
    vectorised: bool,
    reads: tuple[str, ...] | None,
) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        file = inspect.getfile(inspect.unwrap(function))
        digest = _sources.get(file) or hashlib.sha256(Path(file).read_bytes()).hexdigest()
        _target.get().add(Check(name, kind, dict(columns), function, vectorised, reads, file, digest))
        return function

    return decorate
