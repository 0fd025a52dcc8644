"""Read a draft with its choices: copy its beginning, run confined commands on it, and store their output."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from jobs.console.intake.child import Problem, run
from jobs.console.intake.choices import column_name, flags, suggested
from jobs.console.intake.library import library
from jobs.console.tables.viewership import files
from shared.errors import ObjectMissing, TelecineError
from shared.limits import REPORT_BYTES
from shared.storage import open_store, split_uri
from shared.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.console.settings import ConsoleSettings
    from jobs.console.tables.database import Database

__all__ = ["ROWS", "begin", "read"]

_LOG: Final = logging.getLogger("telecine.console")

ROWS: Final = 20
"""Rows that are shown as they would be read."""

# A draft needs to know how a file is read, not its sums: 130,000 rows decide that, in 3 s and 200 MB.
_HEAD_BYTES: Final = 8 * 1024 * 1024
_CHUNK: Final = 1 << 20
# ZIP (.xlsx, .xlsb, .ods), OLE (.xls) and UTF-16: such files cannot be cut.
_WHOLE: Final = (b"PK", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"\xfe\xff")
_MOST_WAITING: Final = 50

_lock = threading.Lock()
_running: set[tuple[str, int, int]] = set()
_threads: Threads | None = None


def begin(settings: ConsoleSettings, database: Database, file: Any) -> None:
    """Read a draft in the background, unless that is under way; two replicas may both read it, to the same result."""
    global _threads  # noqa: PLW0603 - threads start with the first file
    name = (str(settings.database_url), int(file.file_id), int(file.version))
    with _lock:
        if name in _running or len(_running) >= _MOST_WAITING:
            return
        _running.add(name)
        _threads = _threads or Threads(2)
        threads = _threads

    def work() -> None:
        try:
            # The page needs the library, too, and would wait for its process.
            library(settings, database)
            reading = read(settings, file.uri, int(file.size_bytes), dict(file.choices))
            _keep(database, file, reading)
        except TelecineError as error:
            # The page asks again every few seconds.
            _LOG.warning("file %d was not read: %s", file.file_id, error, extra={"code": error.code})
        except Exception:  # noqa: BLE001 - logged; the thread reads other files
            _LOG.exception("file %d was not read", file.file_id)
        finally:
            with _lock:
                _running.discard(name)

    threads.submit(work)


def _keep(database: Database, file: Any, reading: Mapping[str, Any]) -> None:
    """Store a reading; one that the table does not take becomes a problem, or its page would read the file forever."""
    with database.write() as session:
        try:
            with session.savepoint():
                files.keep_reading(session, file.file_id, file.version, reading)
        except TelecineError as error:
            if error.code != "statement_failed":
                raise
            _LOG.warning("the reading of file %d was not stored: %s", file.file_id, error, extra={"code": error.code})
            problem = Problem("CRASHED", "the file was read, but the result cannot be stored; report this as a bug")
            failed = {**reading, "proposal": None, "preview": None, "problem": _document(problem), "used": {}}
            files.keep_reading(session, file.file_id, file.version, failed)


def read(settings: ConsoleSettings, uri: str, size: int, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file is with some choices.

    Args:
        settings: how the store is reached; the folder of further formats.
        uri: of the file.
        size: its size in bytes.
        choices: of the user.

    Returns:
        ``proposal`` of `formats infer`, ``preview`` of `formats check`, ``problem`` if one of them failed, ``used``
        (the choices, completed by the proposal) and ``is_head`` (only the beginning was read).

    Raises:
        TelecineError: the store failed.
    """
    found: dict[str, Any] = {"proposal": None, "preview": None, "problem": None, "used": dict(choices)}
    with TemporaryDirectory(prefix="telecine-intake-") as folder:
        path = Path(folder) / "file"
        try:
            found["is_head"] = _copy(settings, uri, size, path)
        except ObjectMissing:
            missing = Problem(
                "FILE_MISSING", "this file is no longer stored; cancel the upload, then upload the file again"
            )
            return {**found, "is_head": False, "problem": _document(missing)}
        command = ["viewership", "formats"]
        more = [] if settings.formats_dir is None else [f"--formats-dir={Path(settings.formats_dir).absolute()}"]
        # A path of its own: a value of a flag never follows it.
        inferred = run([*command, "infer", "./file", "--json", *more, *flags(choices, infer=True)], path.parent)
        if inferred.document is not None:
            found["proposal"] = _with_letters(dict(inferred.document))
            found["used"] = suggested(found["proposal"], choices)
        elif inferred.problem is not None and not inferred.problem.is_question:
            return {**found, "problem": _document(inferred.problem)}
        rows = f"--show-rows={ROWS}"
        checked = run(
            [*command, "check", "./file", "--json", rows, *more, *flags(found["used"], infer=False)], path.parent
        )
        problem = checked.problem or inferred.problem
        found["preview"] = checked.document
        found["problem"] = None if problem is None else _document(problem)
        if found["proposal"] is not None:
            _mark_shown(found["proposal"], checked.document)
    return found


def _mark_shown(proposal: dict[str, Any], preview: Mapping[str, Any] | None) -> None:
    """Add to each column the fields to show: those that are read or, if nothing can be read, those proposed."""
    read: dict[str, list[str]] = {}
    for one in preview["fields"] if preview is not None else ():
        if one["kind"] == "column" or (one["kind"] == "dates" and one["field"] != "date"):
            read.setdefault(one["column"], []).append(one["field"])
    for column in proposal["columns"]:
        proposed = [column["field"], *column.get("also", ())] if column["field"] else []
        column["shown"], *column["also_shown"] = (proposed if preview is None else read.get(column["name"])) or [None]


def _document(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "data": dict(problem.data),
        "is_question": problem.is_question,
    }


def _with_letters(proposal: dict[str, Any]) -> dict[str, Any]:
    """Add to each question the letters of its columns: several may have one name."""
    names: dict[str, list[str]] = {}
    for column in proposal["columns"]:
        names.setdefault(column["name"], []).append(column_name(column))
    for question in proposal["questions"]:
        bare = [str(name).removesuffix(" (1)") for name in question["columns"]]
        question["letters"] = [
            letters for name in dict.fromkeys([*question["columns"], *bare]) for letters in names.get(name, ())
        ]
    return proposal


def _copy(settings: ConsoleSettings, uri: str, size: int, path: Path) -> bool:
    """Copy a file, or the beginning of a large text file up to the end of a record.

    Returns:
        True if it is a beginning.
    """
    root, key = split_uri(uri)
    copied = 0
    is_whole: bool | None = None
    with path.open("xb") as copy, closing(open_store(root, settings).stream(key, chunk_size=_CHUNK)) as chunks:  # type: ignore[type-var]
        for chunk in chunks:
            if is_whole is None:
                is_binary = chunk.startswith(_WHOLE) or b"\0" in chunk
                is_whole = size <= _HEAD_BYTES or (size <= REPORT_BYTES and is_binary)
            copy.write(chunk)
            copied += len(chunk)
            if not is_whole and copied >= _HEAD_BYTES:
                break
    if is_whole or is_whole is None:
        return False
    if size > REPORT_BYTES:
        # The size is all that the reader looks at; the rest takes no place.
        with path.open("r+b") as copy:
            copy.truncate(size)
        return False
    _end_at_record(path)
    return True


def _end_at_record(path: Path) -> None:
    """Cut a text file after its last line break outside quotes."""
    data = path.read_bytes()
    quotes = data.count(b'"')
    end = len(data)
    while end > 0:
        at = data.rfind(b"\n", 0, end)
        if at < 0:
            return
        quotes -= data.count(b'"', at, end)
        if quotes % 2 == 0:
            with path.open("r+b") as file:
                file.truncate(at + 1)
            return
        end = at
