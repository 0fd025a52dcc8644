"""Replace files of the table with others, in one commit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from deltalake.transaction import RemoveAction

from jobs.trakt.bronze.place import TABLE
from jobs.trakt.bronze.schema import PARTITION

if TYPE_CHECKING:
    from jobs.trakt.bronze.live_files import LiveFile

__all__ = ["remove_action"]


def remove_action(file: LiveFile, *, changes_data: bool) -> RemoveAction:
    """Return the action that removes a file from the table; a vacuum deletes it after the retention.

    Args:
        file: a live file.
        changes_data: False if its rows stay in the table, in other files.
    """
    return RemoveAction(
        path=file.key.removeprefix(f"{TABLE}/"),
        data_change=changes_data,
        deletion_timestamp=time.time_ns() // 1_000_000,
        size=file.size,
        partition_values={PARTITION: file.kind},
    )
