"""The DuckDB file as a cache: builds in a folder, and a pointer to the current one that is replaced atomically."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from shared.disk import FULL
from shared.errors import ConfigurationError, StorageFull, TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.trakt.bronze.live_files import Snapshot
    from jobs.trakt.settings.bronze import BuildsSettings

__all__ = ["Cached", "ModelCache", "continues"]

_POINTER: Final = "current.json"
_FORMAT: Final = 2
_WORK: Final = "work"
_PINNED: Final = "pinned"
# DuckDB takes these characters of a path for a pattern, and dbt takes them for parts of a URL.
_REFUSED: Final = "[*?#\\"
_WAIT_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Cached:
    """A build.

    Attributes:
        file: name of its DuckDB file.
        key: project, parameters and salt that it was built with.
        table: URI of the bronze table.
        table_id: id of the table; a table that is created again in the same place has another id.
        version: version of the bronze table.
        erasures: erasures of that version.
        as_of: the day for which metrics were computed, as text.
        asked: the requested day, as text; empty: the day of the newest observation.
        engagement_days: days of engagement.
        build_id: the build of gold in the bucket.
        files: keys of the files that it has taken.
        format: version of this document.
    """

    file: str
    key: str
    table: str
    table_id: str
    version: int
    erasures: int
    as_of: str
    asked: str
    engagement_days: int
    build_id: str
    files: tuple[str, ...]
    format: int = _FORMAT


class ModelCache:
    """A local folder with the current build.

    Args:
        settings: name the folder.
        timeout_s: seconds to wait for a build that holds the folder.
        pinned: use the folder for builds of a requested version, which keeps one build at a time. Such a build never
            replaces the build of the newest version, from which the next build continues.
    """

    def __init__(self, settings: BuildsSettings, timeout_s: float, *, pinned: bool = False) -> None:
        folder = Path(settings.model_dir or Path(settings.state_dir) / "trakt" / "models").absolute()
        self.folder = folder / _PINNED if pinned else folder
        self._timeout_s = timeout_s

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder: builds wait for each other.

        Raises:
            UsageError: its path has a character that DuckDB or dbt takes for something else.
            ConfigurationError: it cannot be created, or written to.
            StorageFull: there is no space.
            TransientError: another build holds it for longer than a build may take.
        """
        if set(_REFUSED) & set(str(self.folder)):
            raise UsageError(
                f"the folder of builds {self.folder} has one of {' '.join(_REFUSED)} in its path; expected none; "
                "choose another one with --model-dir"
            )
        with self._lock_file() as file:
            until = time.monotonic() + self._timeout_s
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise TransientError(
                            f"another build has held {self.folder} for {self._timeout_s:,.0f} s; try again"
                        ) from None
                    time.sleep(_WAIT_S)
            yield

    def _lock_file(self) -> IO[str]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return (self.folder / "lock").open("a")
        except OSError as error:
            said = f"the folder of builds {self.folder} cannot be written to: {error.strerror}"
            if error.errno in FULL:
                raise StorageFull(f"{said}; free space there, then try again") from error
            raise ConfigurationError(
                f"{said}; expected a local folder of this user (uid {os.getuid()}); choose one with --model-dir",
                code="model_dir",
            ) from error

    def current(self) -> Cached | None:
        """Return the current build; None if there is none, or it cannot be read."""
        try:
            document = json.loads((self.folder / _POINTER).read_bytes())
            found = Cached(**{**document, "files": tuple(document["files"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if found.format == _FORMAT and (self.folder / found.file).is_file() else None

    def path(self, build: Cached) -> Path:
        """Return the DuckDB file of a build."""
        return self.folder / build.file

    def workplace(self) -> Path:
        """Return a new folder for a build; the lock must be held."""
        self.clear()
        work = self.folder / _WORK
        work.mkdir(parents=True)
        return work

    def clear(self) -> None:
        """Remove what killed builds left behind: it has texts and names from bronze. The lock must be held."""
        shutil.rmtree(self.folder / _WORK, ignore_errors=True)

    def erase(self, *, table: str, erasures: int) -> str:
        """Remove the builds that may have rows of erased users, and what killed builds left behind.

        Waits for a build that is being made: it may have begun before the erasure.

        Args:
            table: URI of the bronze table.
            erasures: number of its erasures.

        Returns:
            ``removed``; ``none`` if the folder has no such build; ``other`` if its build is of another table, whose
            users were not erased, and is kept.

        Raises:
            UsageError, TransientError: as :meth:`locked`.
            StorageFull: the folder cannot be written.
        """
        if not self.folder.is_dir():
            return "none"
        with self.locked():
            self.clear()
            build = self.current()
            kept = "" if build is None else build.file
            if build is not None and build.table == table and build.erasures != erasures:
                kept = ""
            found = [path for path in self.folder.glob("*.duckdb*") if not (kept and path.name.startswith(kept))]
            try:
                for path in [*found, *([] if kept else [self.folder / _POINTER])]:
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageFull(
                    f"{self.folder} has builds with rows of an erased user that cannot be removed: {error.strerror}; "
                    "remove the folder"
                ) from error
        if found:
            return "removed"
        return "other" if build is not None and build.table != table else "none"

    def swap(self, file: Path, build: Cached) -> None:
        """Make a file the current build. A reader that has the old one open keeps it until it opens the new one.

        Args:
            file: the DuckDB file, on the same file system.
            build: its description.

        Raises:
            StorageFull: there is no space.
        """
        try:
            file.replace(self.folder / build.file)
            part = self.folder / f".{_POINTER}.{os.getpid()}"
            part.write_text(json.dumps(asdict(build)), encoding="utf-8")
            part.replace(self.folder / _POINTER)
        except OSError as error:
            raise StorageFull(
                f"{self.folder} cannot be written: {error.strerror}; free space, then try again"
            ) from error
        for path in self.folder.glob("*.duckdb*"):
            if not path.name.startswith(build.file):
                with suppress(OSError):
                    path.unlink()


def continues(build: Cached | None, *, key: str, table: str, snapshot: Snapshot) -> bool:
    """Return whether a build can be continued: it has nothing that the table lacks."""
    return (
        build is not None
        and build.key == key
        and build.table == table
        and build.table_id == snapshot.table_id
        and build.erasures == snapshot.erasures
        and build.version <= snapshot.version
    )
