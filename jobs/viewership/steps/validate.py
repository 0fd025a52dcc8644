"""The validate command: count the rows of uploads by fate, with the reasons why rows are not final."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.model import Fate, plain
from jobs.viewership.report.waiting import waiting
from jobs.viewership.tables.fates import fates_of
from jobs.viewership.tables.uploads import ACTIVE, find, unknown
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.errors import EXIT_DATA, EXIT_OK
from shared.text import as_json, one_line, text_table

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import ValidateSettings
    from jobs.viewership.tables.fates import Fates
    from jobs.viewership.tables.uploads import Upload
    from shared.database.session import DatabaseSession

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
        counted = fates_of(session, [upload.upload_id for upload in found])
        sums = [(upload, counted[upload.upload_id]) for upload in found]
        idle = [upload.upload_id for upload in found if upload.status not in ACTIVE]
        why = _why(session, idle) if idle and not settings.json_ else {}
    wrong = any(any(one.difference) for upload, one in sums if upload.status in ACTIVE)
    text = as_json(_document(sums), indent=2) if settings.json_ else _told(sums, why)
    return text, EXIT_DATA if wrong else EXIT_OK


def _why(session: DatabaseSession, upload_ids: list[int]) -> dict[int, list[str]]:
    """Return why no rows of these uploads count, with the commands that answer their questions."""
    commands = {each.upload_id: each.commands for each in waiting(session, upload_ids)}
    rows = session.rows(
        """
        SELECT u.upload_id, u.message, u.retracted_by, u.retracted_reason,
            (SELECT max(o.upload_id) FROM viewership.uploads o WHERE u.upload_id = ANY (o.replaces)) AS replaced_by
        FROM viewership.uploads u WHERE u.upload_id = ANY (CAST(:ids AS bigint[]))
        """,
        ids=upload_ids,
    )
    found = {}
    for row in rows:
        retracted = f"retracted by {row.retracted_by}: {row.retracted_reason}" if row.retracted_by else ""
        replaced = f"replaced by upload {row.replaced_by}" if row.replaced_by is not None else ""
        reasons = [one_line(text) for text in (row.message or "", retracted, replaced) if text]
        found[row.upload_id] = [*reasons, *(f"  {command}" for command in commands.get(row.upload_id, ()))]
    return found


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


def _told(sums: list[tuple[Upload, Fates]], why: dict[int, list[str]]) -> str:
    if not sums:
        return "no upload is stored; expected files: run `telecine viewership run FILE`"
    lines: list[str] = []
    for upload, found in sums:
        state = ", ".join(filter(None, (upload.platform, upload.status)))
        name = one_line(f"upload {upload.upload_id}: {upload.filename} ({state})")
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
        lines += [
            name,
            *why.get(upload.upload_id, ()),
            text_table(("fate", "code", "rows", "hours", "revenue"), rows),
            "",
        ]
    return "\n".join(lines).rstrip()
