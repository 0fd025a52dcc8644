"""Load checks of ``built_in`` and ``--checks`` files; a bad file, taken name or forbidden place is exit code 2."""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from jobs.gamedata.checks import built_in as checks
from jobs.gamedata.checks.registry import Registry, built_in, collect
from shared.errors import UsageError
from shared.storage import holds_secrets, is_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.checks.registry import Check

__all__ = ["CheckFile", "load_built_in", "load_checks", "load_file"]

# The order of the manifest's columns. Modules added to the package come after these, by name.
_FIRST: Final = ("vision", "menu", "inputs", "empty", "timestamps", "evidence", "menu_share")


@dataclass(frozen=True, slots=True)
class CheckFile:
    """A Python file with checks. It is read once, so that every worker loads exactly the bytes that were hashed.

    Attributes:
        path: as given by the user.
        source: its bytes.
    """

    path: str
    source: bytes

    @property
    def digest(self) -> str:
        """The sha256 of the source, hexadecimal."""
        return hashlib.sha256(self.source).hexdigest()

    @classmethod
    def read(cls, path: str, places: Sequence[str] = ()) -> CheckFile:
        """Read a file.

        Args:
            path: of the file.
            places: folders that may contain it; empty: any.

        Raises:
            UsageError: the file cannot be read, or is outside the places that the operator allows.
        """
        try:
            # The system resolves links before `..`, and is_inside after it: what is judged must be what is opened.
            real = os.path.realpath(path)
            allowed = is_inside(real, places) and not holds_secrets(real)
        except ValueError as error:
            raise UsageError(f"--checks {path}: {error}") from error
        if not allowed:
            raise UsageError(
                f"--checks {path} is not in a folder for checks; expected a file in "
                f"{', '.join(places) or 'another folder'}; ask the operator (gamedata.checksPlaces, docs/checks.md)"
            )
        try:
            return cls(path, Path(real).read_bytes())
        except OSError as error:
            raise UsageError(
                f"--checks {path} cannot be read ({error.strerror or error}); expected a Python file with functions "
                "decorated by jobs.gamedata.checks.statistics_check or frames_check (docs/checks.md)"
            ) from error


def load_built_in() -> Registry:
    """Import every module of ``built_in`` and return a copy of the registry that they filled."""
    modules = {module.name for module in pkgutil.iter_modules(checks.__path__)}
    for name in (*_FIRST, *sorted(modules - set(_FIRST))):
        if not name.startswith("_"):
            importlib.import_module(f"{checks.__name__}.{name}")
    # Not the order of import: a test that imports `menu` first must not change the manifest.
    ordered = sorted(built_in(), key=lambda check: _position(check.file))
    return Registry({check.name: check for check in ordered})


def _position(file: str) -> tuple[int, str]:
    stem = Path(file).stem
    return (_FIRST.index(stem) if stem in _FIRST else len(_FIRST), stem)


def load_file(file: CheckFile, registry: Registry) -> int:
    """Execute a file under a private module name, add its checks to ``registry``, and return their number.

    Raises:
        UsageError: the file raises, or defines no check or an invalid one.
    """
    name = f"_telecine_checks_{file.digest[:16]}"
    module = ModuleType(name)
    module.__file__ = file.path
    before = len(registry)
    previous = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickle look up their module
    try:
        with collect(registry, {file.path: file.digest}):
            exec(compile(file.source, file.path, "exec"), module.__dict__)  # noqa: S102 - the user's own code
            _check_reads(list(registry)[before:])
    except (Exception, SystemExit) as error:  # any error of the user's code becomes one line with its location
        if previous is None:
            del sys.modules[name]
        else:
            sys.modules[name] = previous
        message = f"--checks {file.path} cannot be loaded: {_place(error, file.path)}; fix the file (docs/checks.md)"
        raise UsageError(message) from error
    added = len(registry) - before
    if not added:
        raise UsageError(
            f"--checks {file.path}: no check is defined; decorate a function with "
            '@statistics_check("name", bool) or @frames_check("name", bool) (docs/checks.md)'
        )
    return added


def _check_reads(checks: Sequence[Check]) -> None:
    from jobs.gamedata.parts.schema import PART_SCHEMA

    for check in checks:
        if unknown := sorted(set(check.reads or ()) - set(PART_SCHEMA.names)):
            raise ValueError(
                f"check {check.name} reads {unknown[0]!r}, which is not a column of a part; expected columns of "
                "jobs.gamedata.parts.schema.PART_SCHEMA"
            )


def load_checks(files: Sequence[CheckFile] = ()) -> Registry:
    """Return the built-in checks and those of the given files, in the order of their columns.

    Raises:
        UsageError: see :func:`load_file`.
    """
    registry = load_built_in()
    for file in files:
        load_file(file, registry)
    return registry


def _place(error: BaseException, path: str) -> str:
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return message
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"line {lines[-1]}: {message}" if lines else message
