"""Load: write the final rows of an upload, swap those that it replaces, and check that every row has one fate."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.viewership.model import Fate, exact_sum
from jobs.viewership.phases.log import log
from jobs.viewership.phases.result import PhaseResult
from jobs.viewership.tables.fates import fates, lock_final, sync
from jobs.viewership.tables.locks import phase_transaction
from jobs.viewership.tables.uploads import ACTIVE, find, free_rereads, hold_related, update
from shared.errors import IntegrityError

if TYPE_CHECKING:
    from jobs.viewership.tables.fates import Fates
    from jobs.viewership.tables.uploads import Upload
    from shared.database.session import DatabaseSession
    from shared.settings.database import DatabaseSettings

__all__ = ["check_fates", "load"]


def load(settings: DatabaseSettings, upload_id: int, run_id: str, *, by: str) -> PhaseResult | None:
    """Write the final rows of a matched upload in one transaction; None if the upload does not wait for this.

    Args:
        settings: where the database is.
        upload_id: the upload.
        run_id: the run.
        by: user who runs the command.

    Raises:
        IntegrityError: the fates do not add up to the file, or the final table differs from them; nothing is loaded.
    """
    began = time.monotonic()
    with phase_transaction(settings) as session:
        upload = hold_related(session, upload_id)
        if upload.status != "matched" or upload.platform is None:
            return None
        # The same bytes may have been read as another platform's.
        others = [each.platform for each in find(session, upload_ids=upload.replaces) if each.platform is not None]
        lock_final(session, [upload.platform, *others])
        replaced = _replace(session, upload, by)
        failed = bool(session.rows("SELECT code FROM viewership.uploads WHERE upload_id = :id", id=upload_id)[0].code)
        status = "partial" if failed else "loaded"
        update(session, upload_id, status=status, loaded_at=datetime.now(UTC))
        loaded, _ = sync(session, "upload", [upload_id], actor=by, reason=f"run {run_id}")
        found = fates(session, upload_id)
        check_fates(session, upload_id, found)
        seconds = time.monotonic() - began
        log(
            session,
            "load",
            "partial" if failed else "success",
            run_id=run_id,
            seconds=seconds,
            upload_id=upload_id,
            platform=upload.platform,
            rows=loaded,
        )
    sums = found.sums
    return PhaseResult(
        upload_id=upload_id,
        filename=upload.filename,
        platform=upload.platform,
        expected=(found.units, found.hours, found.revenue),
        actual=(
            sum(each.units for each in sums),
            exact_sum(each.hours for each in sums),
            exact_sum(each.revenue for each in sums),
        ),
        seconds=seconds,
        status=status,
        counts={**{fate.value: found.units_of(fate) for fate in Fate}, "loaded": loaded, "replaced": len(replaced)},
        notes=tuple(
            f"upload {number} was replaced; its final rows are kept in replaced_details" for number in replaced
        ),
        detail={"fates": [(each.fate, each.code, each.units, each.hours, each.revenue) for each in sums]},
    )


def _replace(session: DatabaseSession, upload: Upload, by: str) -> list[int]:
    """Mark the uploads that this one replaces as replaced, and return their numbers."""
    replaced = [each.upload_id for each in find(session, upload_ids=upload.replaces) if each.status in ACTIVE]
    for number in replaced:
        update(session, number, status="replaced", replaced_by=upload.upload_id)
    free_rereads(session, [*replaced, *([upload.rereads] if upload.rereads is not None else [])])
    if replaced:
        sync(session, "upload", replaced, actor=by, reason=f"replaced by upload {upload.upload_id}")
    return replaced


def check_fates(session: DatabaseSession, upload_id: int, found: Fates) -> None:
    """Check that the fates add up to the file, and that the final table has the final rows.

    Args:
        session: the transaction.
        upload_id: the upload.
        found: its fates.

    Raises:
        IntegrityError: they do not.
    """
    units, hours, revenue = found.difference
    if units or hours or revenue:
        raise IntegrityError(
            f"upload {upload_id}: the fates of its rows differ from the file by {units} rows, {hours} hours and "
            f"{revenue} revenue; expected 0. Nothing was loaded; run `telecine viewership verify`"
        )
    final = session.rows(
        "SELECT count(DISTINCT viewership_id) FROM viewership.episode_details WHERE upload_id = :id", id=upload_id
    )[0][0]
    if final != found.units_of(Fate.FINAL):
        raise IntegrityError(
            f"upload {upload_id}: the final table has {final} of its rows; expected {found.units_of(Fate.FINAL)}. "
            "Nothing was loaded; run `telecine viewership verify`"
        )
