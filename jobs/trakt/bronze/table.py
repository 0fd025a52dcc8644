"""The Delta log: open or create the table, and commit files to it at most once per id."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError

from jobs.trakt.bronze.place import TABLE
from jobs.trakt.bronze.schema import PARTITION, SCHEMA
from shared.errors import AccessDenied, ObjectMissing, StorageFull, StoreUnavailable, TelecineError, TransientError
from shared.storage import delta_error
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deltalake._internal import RemoveAction
    from deltalake.transaction import AddAction

    from jobs.trakt.bronze.place import BronzePlace

__all__ = [
    "ERASURES",
    "TableMoved",
    "commit_entries",
    "commit_files",
    "create_table",
    "delta_errors",
    "load_app",
    "open_table",
]

_log = logging.getLogger(__name__)

# Only these columns have statistics: those of the payload would copy the beginning of a comment into the log, which an
# erasure does not rewrite.
STATISTICS: Final = ("comment_id", "load_id")
_CONFIGURATION: Final = {
    "delta.dataSkippingStatsColumns": ",".join(STATISTICS),
    # A version is readable as long as its files and its log exist; 28 days of an SLO, and two more.
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}
ERASURES: Final = "telecine trakt erasures"
"""Application id whose transaction number is the number of erasures."""

# Four waits of at most 0.2, 0.4, 0.8 and 1.6 s: a longer outage of the store fails the step, which is retried.
_ATTEMPTS: Final = 5
# Texts of errno 13 and 28 in errors of delta-rs.
_DENIED: Final = "os error 13"
_FULL: Final = "os error 28"
_FIRST_WAIT_S: Final = 0.2


class TableMoved(TransientError):
    """The table has a different version than the change was made for: a writer ignores the lock."""

    default_code = "table_moved"


def load_app(load_id: str) -> str:
    """Return the application id under which the log records a load."""
    return f"telecine trakt load {load_id}"


@contextmanager
def delta_errors(place: BronzePlace, action: str) -> Iterator[None]:
    """Translate errors of delta-rs.

    Args:
        place: the table.
        action: the attempted action, for the message.

    Raises:
        ConfigurationError: the store refuses it for a reason that stays: the key, a missing bucket, the region.
        StorageFull: there is no space.
        StoreUnavailable: anything else, which may pass.
    """
    try:
        yield
    except (DeltaError, OSError) as error:
        if found := _lasting(place, error):
            raise found from error
        raise StoreUnavailable(
            f"cannot {action} {place.uri}: {_plain(error)}; try again", uri=place.uri, action=action
        ) from error


def _lasting(place: BronzePlace, error: Exception) -> TelecineError | None:
    """Return the error for a cause that another attempt does not change; None if it may pass."""
    if not place.uri.startswith("file://"):
        return delta_error(str(error), place.uri, place.settings.s3_options())
    if _DENIED in str(error):
        message = f"access to the folder {place.location} is denied; grant it to this user"
        return AccessDenied(message, bucket=place.store.uri, action="read or write", uri=place.uri)
    if _FULL in str(error):
        return StorageFull(f"no space for {place.uri}; free space, then try again", uri=place.uri)
    return None


def _plain(error: Exception) -> str:
    """Return the text of an error of delta-rs, which is a tree of lines, in one line."""
    return clean_text(" ".join(re.sub(r"\x1b\[[0-9;]*m|\u21b3", " ", str(error)).split()), 500)


def open_table(place: BronzePlace, version: int | None = None) -> DeltaTable | None:
    """Return the table at a version, by default the newest; None if there is no table.

    Raises:
        ConfigurationError: the store refuses to read it, or has no such bucket.
        StoreUnavailable: the log cannot be read, or the version does not exist.
    """
    with delta_errors(place, "read the log of"):
        try:
            return DeltaTable(place.location, version=version, storage_options=place.options() or None)
        except TableNotFoundError:
            return None


def create_table(place: BronzePlace) -> DeltaTable:
    """Return the newest version of the table; create the table if it does not exist.

    Raises:
        ConfigurationError: the store refuses it for a reason that stays, such as the key.
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
        except (DeltaError, OSError) as error:
            # Either the table was created and the answer lost, or it was not created: opening it below shows which.
            _log.debug("creating the table failed", exc_info=True)
            if found_cause := _lasting(place, error):
                raise found_cause from error
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
    """Commit files unless the log already has a transaction of this application; return the version that has it.

    Every attempt looks the transaction up first: a failed attempt may have been written and only its answer lost.

    Args:
        place: the table; the caller holds its lock.
        actions: files to add and to remove.
        base: the version for which the actions were made.
        app: application id, unique for this change.
        metadata: entries of the commit.
        number: number of the transaction, for an application that commits more than once; None takes the version that
            the commit creates, so that the log records it.

    Raises:
        TableMoved: the table's version is not ``base``, and the log lacks this transaction.
        ConfigurationError: the store refuses it for a reason that stays, such as the key.
        StoreUnavailable: all attempts failed.
    """
    failure = ""
    # The extra round after the last attempt only looks the transaction up.
    for attempt in range(1, _ATTEMPTS + 2):
        try:
            table = create_table(place)
            found = table.transaction_version(app)
            if found is not None and (number is None or found >= number):
                return found if number is None else table.version()
            if table.version() != base:
                raise TableMoved(
                    f"{place.uri} has version {table.version()}; expected {base}, but another program writes to it "
                    "without telecine's lock; try again",
                    uri=place.uri,
                )
            if attempt > _ATTEMPTS:
                break
            _commit(table, actions, metadata, Transaction(app, base + 1 if number is None else number))
        except (DeltaError, OSError, StoreUnavailable) as error:
            # A key that may not write is refused at every attempt. Nothing was written.
            if (found_cause := _lasting(place, error)) and not isinstance(found_cause, TransientError):
                raise found_cause from error
            failure = _plain(error)
            _log.warning("commit %d of %d to %s failed: %s", attempt, _ATTEMPTS, place.uri, failure)
            time.sleep(random.uniform(0, _FIRST_WAIT_S * 2**attempt))  # noqa: S311 - jitter
        else:
            return base + 1
    raise StoreUnavailable(
        f"cannot commit to {place.uri} after {_ATTEMPTS} attempts: {failure}; try again", uri=place.uri, action="commit"
    )


def commit_entries(place: BronzePlace, version: int) -> dict[str, Any]:
    """Return the entries of a commit; none if the log no longer has it.

    Args:
        place: the table.
        version: the version that the commit created.

    Raises:
        StoreUnavailable: the log cannot be read.
    """
    # Not by DeltaTable.history, which reads whole logs, and holds Python's lock while it waits for the store.
    try:
        log = place.store.read(f"{TABLE}/_delta_log/{version:020}.json")
    except ObjectMissing:
        return {}
    actions = (json.loads(line) for line in log.splitlines() if line)
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


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
            # If the answer to a commit is lost, a retry by delta-rs would take its own commit for another writer's.
            max_commit_retries=0,
            app_transactions=[transaction],
        ),
    )
