"""Read the bytes of an upload into a sheet of raw text: encoding, delimiter and workbook are told by content."""

from jobs.viewership.uploads.reading.encoding import ENCODINGS
from jobs.viewership.uploads.reading.limits import ReadLimits
from jobs.viewership.uploads.reading.read import read

__all__ = ["ENCODINGS", "ReadLimits", "read"]
