"""The Delta log: open or create the table, and commit files to it at most once per id."""

from __future__ import annotations

import logging
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError

from jobs.trakt.bronze.schema import PARTITION, SCHEMA
from shared.errors import StoreUnavailable, TransientError
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deltalake._internal import RemoveAction
    from deltalake.transaction import AddAction

    from jobs.trakt.bronze.place import BronzePlace

__all__ = ["ERASURES", "TableMoved", "commit_files", "create_table", "delta_errors", "load_app", "open_table"]

_log = logging.getLogger(__name__)

# Statistics of these columns only: those of the payload would copy the beginning of a comment into the log, where
# an erasure does not reach it.
STATISTICS: Final = ("comment_id", "load_id")
_CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": ",".join(STATISTICS),
    # A version can be read as long as vacuum leaves its files and its log is there; 28 days of an SLO, and two more.
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}
ERASURES: Final = "telecine trakt erasures"
"""Application id whose transaction number is the number of erasures."""

# Four waits of at most 0.2, 0.4, 0.8 and 1.6 s: a store that is away for longer fails the step, which is retried.
_ATTEMPTS: Final = 5
_FIRST_WAIT_S: Final = 0.2


class TableMoved(TransientError):
    """The table has another version than the one that a change was made for: a writer ignores the lock."""

    default_code = "table_moved"


def load_app(load_id: str) -> str:
    """Return the application id under which the log records a load."""
    return f"telecine trakt load {load_id}"


@contextmanager
def delta_errors(place: BronzePlace, action: str) -> Iterator[None]:
    """Translate errors of delta-rs: none of them tells a permanent cause from a transient one.

    Args:
        place: names the table.
        action: what is done, for the message.
    """
    try:
        yield
    except (DeltaError, OSError) as error:
        raise StoreUnavailable(
            f"cannot {action} {place.uri}: {clean_text(str(error), 500)}; try again", uri=place.uri, action=action
        ) from error


def open_table(place: BronzePlace, version: int | None = None) -> DeltaTable | None:
    """Return the table at a version, by default the newest; None if there is none.

    Raises:
        StoreUnavailable: the log cannot be read, or the version does not exist.
    """
    with delta_errors(place, "read the log of"):
        try:
            return DeltaTable(place.location, version=version, storage_options=place.options() or None)
        except TableNotFoundError:
            return None


def create_table(place: BronzePlace) -> DeltaTable:
    """Return the newest version of the table, which is created if there is none.

    Raises:
        StoreUnavailable: the log cannot be read or written.
    """
    if found := open_table(place):
        return found
    with delta_errors(place, "create"):
        try:
            DeltaTable.create(
                place.location,
                SCHEMA,
                mode="ignore",
                partition_by=[PARTITION],
                name="trakt",
                configuration=_CONFIGURATION,
                # Of two that create it at once, the second would add a version that describes the table again.
                commit_properties=CommitProperties(max_commit_retries=0),
                storage_options=place.options() or None,
            )
        except (DeltaError, OSError):
            # Created, but the answer was lost; or not created at all, which opening it tells.
            _log.debug("creating the table failed", exc_info=True)
        return DeltaTable(place.location, storage_options=place.options() or None)


def commit_files(
    place: BronzePlace,
    actions: Sequence[AddAction | RemoveAction],
    *,
    base: int,
    app: str,
    metadata: dict[str, Any],
    number: int | None = None,
) -> int:
    """Commit files to the table unless the log has a transaction of this application; return the version that has it.

    Every attempt looks the transaction up first: an attempt that failed may have been written, its answer lost.

    Args:
        place: the table, whose lock is held.
        actions: files to add and to remove.
        base: the version for which the actions were made.
        app: application id, unique for this change.
        metadata: entries of the commit.
        number: number of the transaction, for an application that commits more than once; None takes the version that
            the commit makes, so that the log tells it.

    Raises:
        TableMoved: the table has another version than ``base``, and not this transaction.
        StoreUnavailable: all attempts failed.
    """
    failure = ""
    # The turn after the last attempt only looks it up.
    for attempt in range(1, _ATTEMPTS + 2):
        try:
            table = create_table(place)
            found = table.transaction_version(app)
            if found is not None and (number is None or found >= number):
                return found if number is None else table.version()
            if table.version() != base:
                raise TableMoved(
                    f"{place.uri} has version {table.version()}, expected {base}; another program writes to it without "
                    "the lock of telecine; try again",
                    uri=place.uri,
                )
            if attempt > _ATTEMPTS:
                break
            _commit(table, actions, metadata, Transaction(app, base + 1 if number is None else number))
        except (DeltaError, OSError, StoreUnavailable) as error:
            failure = clean_text(str(error), 500)
            _log.warning("commit %d of %d to %s failed: %s", attempt, _ATTEMPTS, place.uri, failure)
            time.sleep(random.uniform(0, _FIRST_WAIT_S * 2**attempt))  # noqa: S311 - jitter
        else:
            return base + 1
    raise StoreUnavailable(
        f"cannot commit to {place.uri}: {failure}; {_ATTEMPTS} attempts; try again", uri=place.uri, action="commit"
    )


def _commit(
    table: DeltaTable, actions: Sequence[AddAction | RemoveAction], metadata: dict[str, Any], transaction: Transaction
) -> None:
    table.create_write_transaction(
        list(actions),
        "append",
        SCHEMA,
        [PARTITION],
        commit_properties=CommitProperties(
            custom_metadata=metadata,
            # delta-rs would take its own commit, whose answer was lost, for that of another writer.
            max_commit_retries=0,
            app_transactions=[transaction],
        ),
    )
