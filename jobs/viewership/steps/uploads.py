"""The uploads command: list uploads, latest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.tables.uploads import count, latest
from shared.database.migrate import ready
from shared.database.session import transaction
from shared.text import as_json, cut, one_line, text_table

if TYPE_CHECKING:
    from jobs.viewership.settings.uploads import UploadsSettings
    from jobs.viewership.tables.uploads import Upload

__all__ = ["list_uploads"]

_NAME_CHARS: Final = 60


def list_uploads(settings: UploadsSettings) -> str:
    """Return the latest uploads, one per line, or as JSON."""
    ready(settings)
    with transaction(settings) as session:
        found = latest(session, settings.limit)
        total = count(session)
    if settings.json_:
        return as_json({"uploads": [_document(upload) for upload in found]}, indent=2)
    if not found:
        return "nothing is uploaded yet; run `telecine viewership run FILE`"
    rows = [
        (
            str(upload.upload_id),
            cut(one_line(upload.filename), _NAME_CHARS),
            upload.platform or "",
            upload.format or "",
            upload.status,
            f"{upload.units:,}" if upload.units is not None else "",
            _days(upload),
            f"{upload.created_at:%Y-%m-%d %H:%M}",
        )
        for upload in found
    ]
    shown = text_table(("upload", "file", "platform", "format", "status", "rows", "days", "uploaded (UTC)"), rows)
    return shown if len(found) == total else f"{shown}\n{len(found):,} of {total:,} uploads; --limit N shows more"


def _days(upload: Upload) -> str:
    if upload.first_date is None or upload.last_date is None:
        return ""
    return (
        str(upload.first_date) if upload.first_date == upload.last_date else f"{upload.first_date}..{upload.last_date}"
    )


def _document(upload: Upload) -> dict[str, Any]:
    return {
        "upload": upload.upload_id,
        "sha256": upload.sha256,
        "filename": upload.filename,
        "object_key": upload.object_key,
        "size_bytes": upload.size_bytes,
        "platform": upload.platform,
        "domain": upload.domain,
        "label": upload.label,
        "format": upload.format,
        "choices": upload.choices,
        "status": upload.status,
        "first_date": str(upload.first_date) if upload.first_date else None,
        "last_date": str(upload.last_date) if upload.last_date else None,
        "units": upload.units,
        "hours": f"{upload.hours:f}" if upload.hours is not None else None,
        "revenue": f"{upload.revenue:f}" if upload.revenue is not None else None,
        "created_at": upload.created_at.isoformat(),
    }
