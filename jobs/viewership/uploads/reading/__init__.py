"""Read an upload into a sheet of raw text: format, encoding and delimiter are decided by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.viewership.uploads.reading.encoding import ENCODINGS
    from jobs.viewership.uploads.reading.file import DELIMITERS, read
    from jobs.viewership.uploads.reading.limits import ReadLimits

__all__ = ["DELIMITERS", "ENCODINGS", "ReadLimits", "read"]


def __getattr__(name: str) -> object:
    # `read` imports Polars; the process that reads workbooks has no address space to spare for it.
    if name == "read":
        from jobs.viewership.uploads.reading.file import read

        return read
    if name == "DELIMITERS":
        from jobs.viewership.uploads.reading.file import DELIMITERS

        return DELIMITERS
    if name == "ReadLimits":
        from jobs.viewership.uploads.reading.limits import ReadLimits

        return ReadLimits
    if name == "ENCODINGS":
        from jobs.viewership.uploads.reading.encoding import ENCODINGS

        return ENCODINGS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
