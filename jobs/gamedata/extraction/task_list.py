"""The task list: one TAR key per line. A line that cannot be a key becomes an error row (``key_invalid``)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence  # noqa: TC003 - the fields of a dataclass
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from jobs.gamedata.extraction.passed_over import PassedOver
from jobs.gamedata.pt.file import pt_key
from shared.errors import DataError, ObjectMissing, UsageError
from shared.scrub import hide_known
from shared.storage import check_key
from shared.text import cut

if TYPE_CHECKING:
    from jobs.gamedata.settings import ExtractSettings
    from shared.errors import ItemError

__all__ = ["TaskList", "is_uri", "parse_task_list", "read_task_list"]

# Not str.splitlines, which also splits at characters that a key may contain, such as U+0085 and U+2028.
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# S3's maximum key length in bytes. A longer key would not fit the index of gold.gamedata_sessions.
_ROW_BYTES: Final = 1024


@dataclass(slots=True)
class TaskList:
    """The lines of a task list.

    Attributes:
        keys: keys to read, without duplicates, in list order.
        invalid: the ``s3_key`` of the error row -> the error, for each line that cannot be a key.
        passed_over: lines without a row: duplicates, and keys outside ``--prefix``.
    """

    keys: list[str] = field(default_factory=list)
    invalid: dict[str, ItemError] = field(default_factory=dict)
    passed_over: PassedOver = field(default_factory=PassedOver)

    def reject(self, key: str, why: str) -> None:
        """Record a line that is not a key."""
        self.invalid[_row_key(key)] = item_error(
            "key_invalid", f"the task list has a line that is not a key: {why}; expected a key as the listing shows it"
        )


def parse_task_list(text: str | bytes, *, root: str) -> list[str]:
    """Parse a task list: one TAR key per line. Duplicates are dropped; the order is kept.

    Blank lines and lines starting with ``#`` are skipped. A full URI below the source's root also counts as a key.

    Args:
        text: content of the task list; the bytes of a line that is not UTF-8 become lone surrogates.
        root: URI of the source.
    """
    return list(dict.fromkeys(_lines(text.encode() if isinstance(text, str) else text, root)))


def _lines(body: bytes, root: str) -> list[str]:
    lines = [line.decode("utf-8", "surrogateescape").strip() for line in _LINE_END.split(body)]
    if lines:
        lines[0] = lines[0].removeprefix("\ufeff").strip()
    return [line.removeprefix(f"{root}/") for line in lines if line and not line.startswith("#")]


def read_task_list(settings: ExtractSettings, root: str) -> TaskList:
    """Read ``--task-list``.

    Args:
        settings: settings with a ``task_list``.
        root: URI of the source.

    Raises:
        UsageError: the list does not exist, or is not text.
    """
    from shared.storage import read_uri

    assert settings.task_list is not None
    try:
        body = read_uri(settings.task_list, settings)
    except ObjectMissing as error:
        raise UsageError(
            f"--task-list {settings.task_list} does not exist; expected a file or URI with one TAR key per line; "
            "omit --task-list to list the whole source"
        ) from error
    except ValueError as error:
        raise UsageError(f"--task-list {settings.task_list} cannot be read ({error}); {_EXPECTED}") from error
    lines = _lines(body, root)
    if sum(map(_is_binary, lines)) * 2 > len(lines):
        raise UsageError(f"--task-list {settings.task_list} is not text; {_EXPECTED}")
    return _sort_out(lines, root, settings.prefix)


_EXPECTED: Final = "expected UTF-8 text, one TAR key per line"


def _is_binary(line: str) -> bool:
    return "\0" in line or any("\udc80" <= character <= "\udcff" for character in line)


def _sort_out(lines: Sequence[str], root: str, prefix: str) -> TaskList:
    tasks = TaskList()
    seen: set[str] = set()
    key_of: dict[str, str] = {}  # .pt key -> key
    for key in lines:
        if key in seen:
            tasks.passed_over.add("repeated line of the task list", key)
            continue
        seen.add(key)
        if not key.startswith(prefix):
            tasks.passed_over.add("outside --prefix", key)
            continue
        why = _problem(key, root)
        earlier = key_of.setdefault(pt_key(key), key) if not why else key
        if earlier != key:
            why = f"'{earlier}' of an earlier line and '{key}' would both be stored as '{pt_key(key)}'"
        if why:
            tasks.reject(key, why)
        else:
            tasks.keys.append(key)
    return tasks


def _problem(key: str, root: str) -> str:
    """Return why a line cannot be a key of the source; empty if it can."""
    if _is_binary(key):
        return "it is not UTF-8 text"
    if hide_known(key) != key:
        return "it contains a secret of this installation"
    try:
        check_key(root, key, as_path=root.startswith("file:"))
    except DataError as error:
        return f"'{cut(key, 200)}' is not below {root}" if is_uri(key) else error.message
    return ""


def is_uri(key: str) -> bool:
    """Return whether a key looks like the URI of another place."""
    return _SCHEME.match(key) is not None


def _row_key(line: str) -> str:
    """Return a line as the key of its row: text of at most 1024 bytes, different for each line."""
    text = line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    hidden = hide_known(text)
    raw = hidden.encode()
    if hidden == text and len(raw) <= _ROW_BYTES:
        return text
    # The digest tells apart what is cut or hidden.
    return f"{raw[: _ROW_BYTES - 20].decode(errors='ignore')}…{hashlib.sha256(text.encode()).hexdigest()[:16]}"
