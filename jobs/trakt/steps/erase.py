"""The erase step: erase a user's comments from page objects, the bronze table and dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.trakt.bronze.erase import erase_user
from jobs.trakt.bronze.place import BronzePlace
from shared.errors import IntegrityError
from shared.report import Report
from shared.report.terminal import counted

if TYPE_CHECKING:
    from jobs.trakt.settings.bronze import EraseSettings
    from shared.ledger import StageRun
    from shared.step.contract import UnrecordedRun

__all__ = ["run"]


def run(settings: EraseSettings, stage_run: StageRun | UnrecordedRun) -> Report:
    """Erase a user, and return the report, which has no name.

    Args:
        settings: the user and the bucket.
        stage_run: names the run.

    Raises:
        ConfigurationError: the salt of users is missing or has changed.
        IntegrityError: a page object cannot be read, so that it may still have comments of the user.
        TransientError: the store or the database failed; run it again.
    """
    found = erase_user(
        BronzePlace(settings),
        settings.user.get_secret_value(),
        run_id=stage_run.run_id,
        retention_days=settings.retention_days,
    )
    if found.damaged:
        raise IntegrityError(
            f"{counted(len(found.damaged), 'page object is', 'page objects are')} damaged and may have comments of the "
            f"user, the first one {found.damaged[0]}; all others are erased; delete what is damaged and erase again",
            keys=found.damaged[:50],
        )
    return Report(
        headline=f"{counted(found.rows, 'row', 'rows')} of {counted(found.names, 'name', 'names')} erased from "
        f"{counted(found.files, 'file', 'files')}, {counted(found.pages, 'page object', 'page objects')} and "
        f"{counted(found.dead_letters, 'dead letter', 'dead letters')}; rebuild gold with "
        f"`telecine trakt model` and `telecine trakt publish`; "
        f"`telecine trakt vacuum --retention-days {settings.retention_days}` deletes the last bytes from "
        f"{found.last_bytes} on",
        items=found.rows,
        counts={
            "names": found.names,
            "rows": found.rows,
            "files": found.files,
            "pages": found.pages,
            "dead_letters": found.dead_letters,
        },
    )
