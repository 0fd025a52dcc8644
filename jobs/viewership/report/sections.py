"""All sections of the report on some uploads, in page order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.report.fates import MATCHED, fate_sections
from jobs.viewership.report.rates import match_rates, rate_sections
from jobs.viewership.report.rejected import rejected_table
from jobs.viewership.report.unmatched import unmatched_table
from jobs.viewership.report.waiting import waiting, waiting_table
from jobs.viewership.tables.fates import fates_of
from jobs.viewership.tables.uploads import find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.viewership.settings.uploads import UploadSettings
    from shared.database.session import DatabaseSession
    from shared.report import Section

__all__ = ["upload_sections"]


def upload_sections(
    session: DatabaseSession,
    upload_ids: Sequence[int],
    *,
    places: Mapping[int, str] | None = None,
    names: Mapping[int, str] | None = None,
    settings: UploadSettings | None = None,
) -> list[Section]:
    """Return the sections of the report on some uploads, without empty sections.

    Args:
        session: a transaction.
        upload_ids: numbers of uploads.
        places: number of an upload -> path or URI that the user passed, for commands to paste.
        names: number of an upload -> name of its file in this run, if it differs from the first name.
        settings: settings of the command, whose typed flags the commands repeat; None adds none.
    """
    asked = waiting_table(waiting(session, upload_ids, places=places, settings=settings), names)
    uploads = find(session, upload_ids=upload_ids)
    found = fates_of(session, [each.upload_id for each in uploads if each.status in MATCHED])
    further = (rejected_table(session, upload_ids), unmatched_table(session, upload_ids))
    return [
        *([asked] if asked else []),
        *rate_sections(match_rates(uploads, found)),
        *fate_sections(uploads, found),
        *(table for table in further if table),
    ]
