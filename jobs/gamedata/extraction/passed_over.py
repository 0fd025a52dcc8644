"""Source files and task-list lines that a run passes over: counts and first names, by reason."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.report import Table

__all__ = ["NOT_A_TAR", "PACKED", "PassedOver", "passed_over_table", "reason_of"]

NOT_A_TAR: Final = "not a TAR"
PACKED: Final = "packed (unpack to .tar)"
_FOLDER: Final = "folder marker"
_HIDDEN: Final = "hidden file"
# TARs are read by byte range, which compression prevents.
_PACKED: Final = (
    ".gz", ".tgz", ".taz", ".bz2", ".tbz", ".tbz2", ".tb2", ".xz", ".txz", ".lz", ".tlz", ".lzma", ".zst", ".tzst",
    ".lz4", ".br", ".z", ".zip", ".7z", ".rar",
)  # fmt: skip
# Names kept per reason, as a run may cover a million files.
_NAMED: Final = 5


@dataclass(slots=True)
class PassedOver:
    """Names that were passed over, by reason.

    Attributes:
        counts: reason -> number of names.
        names: reason -> the first names.
    """

    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Count a name, and keep it if it is one of the first."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        first = self.names.setdefault(reason, [])
        if len(first) < _NAMED:
            first.append(name)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        """Return one line, such as ``2 packed (unpack to .tar) ('a.tgz', 'b.tgz')``."""
        return "; ".join(f"{count:,} {reason} ({', '.join(names)})" for reason, count, names in self.reasons())

    @property
    def level(self) -> int:
        """The log level: a warning if TARs are packed, because they were probably meant to be read."""
        return logging.WARNING if PACKED in self.counts else logging.INFO

    def reasons(self) -> Iterator[tuple[str, int, list[str]]]:
        """Yield each reason, its count, and its first names in quotes."""
        for reason, count in self.counts.items():
            names = [f"'{one_line(cut(name, 200))}'" for name in self.names[reason]]
            yield reason, count, [*names, "…"] if count > len(names) else names


def passed_over_table(passed_over: PassedOver) -> Table:
    """Return the report's table."""
    from shared.report import Table

    rows: list[list[Any]] = [[reason, count, ", ".join(names)] for reason, count, names in passed_over.reasons()]
    return Table("Passed over", ["reason", "count", "first"], rows, note="Not read, and without a row of their own.")


def reason_of(key: str) -> str | None:
    """Return why an object of the source is passed over; None if it is a TAR."""
    name = key.lower()
    if name.endswith(".tar"):
        return None
    if name.endswith("/"):
        return _FOLDER
    if name.rpartition("/")[2].startswith("."):
        return _HIDDEN
    return PACKED if name.endswith(_PACKED) else NOT_A_TAR
