"""The validate command: count the rows of uploads by fate, with the reasons why rows are not final."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.model import Fate, plain
from jobs.viewership.tables.fates import fates
from jobs.viewership.tables.uploads import ACTIVE, find, unknown
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import EXIT_DATA, EXIT_OK
from shared.text import as_json, one_line, text_table

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import ValidateSettings
    from jobs.viewership.tables.fates import Fates
    from jobs.viewership.tables.uploads import Upload

__all__ = ["VALIDATION_VERSION", "validate"]

VALIDATION_VERSION: Final = "1.0"
_OPEN: Final = (Fate.UNMATCHED, Fate.REVIEW, Fate.HELD)


def validate(settings: ValidateSettings) -> tuple[str, int]:
    """Return the rows of uploads by fate, and exit code 65 if those of an upload do not add up to its file.

    ``matched`` are final rows, or rows that ``load`` would make final; ``unmatched`` are unmatched, in review or held;
    ``errors`` counts those by code.

    Raises:
        UsageError: the upload does not exist.
    """
    ready(settings)
    with transaction(settings) as session:
        found = find(session, status=() if settings.upload else ACTIVE, upload_ids=settings.upload)
        missing = set(settings.upload) - {upload.upload_id for upload in found}
        if missing:
            raise unknown(session, min(missing))
        sums = [(upload, fates(session, upload.upload_id)) for upload in found]
    wrong = any(any(one.difference) for upload, one in sums if upload.status in ACTIVE)
    text = as_json(_document(sums), indent=2) if settings.json_ else _told(sums)
    return text, EXIT_DATA if wrong else EXIT_OK


def _document(sums: list[tuple[Upload, Fates]]) -> dict[str, Any]:
    uploads = [_upload(upload, one) for upload, one in sums]
    errors: Counter[str] = Counter()
    for each in uploads:
        errors.update(each["errors"])
    return {
        "validation_version": VALIDATION_VERSION,
        "matched": sum(each["matched"] for each in uploads),
        "unmatched": sum(each["unmatched"] for each in uploads),
        "errors": dict(sorted(errors.items())),
        "uploads": uploads,
    }


def _upload(upload: Upload, found: Fates) -> dict[str, Any]:
    errors: Counter[str] = Counter()
    for each in found.sums:
        if each.fate in _OPEN or each.fate == Fate.REJECTED:
            errors[each.code or each.fate] += each.units
    units, hours, revenue = found.difference
    return {
        "upload": upload.upload_id,
        "filename": upload.filename,
        "platform": upload.platform,
        "label": upload.label,
        "status": upload.status,
        "units": found.units,
        "matched": found.units_of(Fate.FINAL),
        "unmatched": sum(found.units_of(fate) for fate in _OPEN),
        "errors": dict(sorted(errors.items())),
        "fates": [
            {
                "fate": each.fate,
                "code": each.code,
                "units": each.units,
                "hours": plain(each.hours),
                "revenue": plain(each.revenue),
            }
            for each in found.sums
        ],
        "difference": {"units": units, "hours": plain(hours), "revenue": plain(revenue)},
    }


def _told(sums: list[tuple[Upload, Fates]]) -> str:
    if not sums:
        return "no upload is stored; expected files: run `telecine viewership run FILE`"
    lines: list[str] = []
    for upload, found in sums:
        name = one_line(f"upload {upload.upload_id}: {upload.filename} ({upload.platform}, {upload.status})")
        rows = [
            (each.fate, each.code or "", f"{each.units:,}", plain(each.hours), plain(each.revenue))
            for each in found.sums
        ]
        rows.append(("file", "", f"{found.units:,}", plain(found.hours), plain(found.revenue)))
        if upload.status in ACTIVE:
            units, hours, revenue = found.difference
            rows.append(("difference", "", f"{units:,}", plain(hours), plain(revenue)))
        else:
            name += ": none of its rows count"
        lines += [name, text_table(("fate", "code", "rows", "hours", "revenue"), rows), ""]
    return "\n".join(lines).rstrip()
