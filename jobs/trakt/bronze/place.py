"""The place of the bronze table: its bucket, the options of its Delta log, and the lock of its writers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from jobs.trakt.bronze.pages import PageObjects
from shared.database.session import transaction
from shared.errors import UsageError
from shared.storage import delta_options, open_store, resolved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.trakt.settings.bronze import BronzeSettings
    from shared.database.session import DatabaseSession
    from shared.storage import ObjectStore

__all__ = ["TABLE", "BronzePlace"]

TABLE: Final = "bronze/trakt"
"""The table's folder in the bucket."""


class BronzePlace:
    """A bucket with page objects and the bronze table.

    Args:
        settings: the bucket, how to connect to it, and the database whose lock protects it.

    Attributes:
        settings: as passed.
        store: the bucket; a missing folder is created.
        pages: its page objects.

    Raises:
        UsageError: the folder's name has a percent-encoded character.
    """

    def __init__(self, settings: BronzeSettings) -> None:
        if unquote(settings.bucket) != settings.bucket:
            # delta-rs (1.6) decodes a path twice, so it would read a different folder than it wrote.
            raise UsageError(
                f"--bucket {settings.bucket!r} has a percent-encoded character; expected a bucket or folder without any"
            )
        self.settings = settings
        self.store: ObjectStore = open_store(settings.bucket, settings, create=True)
        self.pages = PageObjects(self.store)

    @property
    def uri(self) -> str:
        """Return the table's URI."""
        return f"{self.store.uri}/{TABLE}"

    @property
    def location(self) -> str:
        """Return the table's location for delta-rs: a plain path for a folder, since URIs are percent-encoded."""
        return self.uri.removeprefix("file://")

    def options(self) -> dict[str, str]:
        """Return the bucket's options for delta-rs; they contain secrets, and their key may expire."""
        return {} if self.uri.startswith("file://") else delta_options(self.settings.s3_options())

    @contextmanager
    def locked(self) -> Iterator[DatabaseSession]:
        """Hold the table's lock, by which commits, compaction, vacuum and erasure exclude each other.

        Yields:
            the transaction that holds the lock.

        Raises:
            DatabaseUnreachable: the connection failed, or was lost together with the lock.
        """
        with transaction(self.settings) as session:
            # Timeouts of the database are meant for forgotten transactions; this one is idle while files are written.
            session.run("SET LOCAL idle_in_transaction_session_timeout = 0")
            session.run("SET LOCAL statement_timeout = 0")
            session.lock(f"telecine trakt bronze {resolved(self.store.uri)}")
            yield session
