"""Screenalytics against a real S3 server behind a proxy, and a real database, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.screenalytics.settings import IngestSettings
from jobs.screenalytics.steps import ingest
from tests.fakes.ledger import MemoryStageRun
from tests.screenalytics_runs import make_run

if TYPE_CHECKING:
    from shared.report import Report
    from tests.fakes.s3_proxy import S3Proxy
    from tests.postgres_server import Database
    from tests.s3_server import S3Server

__all__ = ["BUCKET", "ProxiedBucket"]

BUCKET = "runs-of-tests"


class ProxiedBucket:
    """A bucket behind a proxy, whose rules a test sets, and a database.

    Attributes:
        values: settings of every step.
    """

    def __init__(self, server: S3Server, proxy: S3Proxy, database: Database) -> None:
        self.server = server
        self.proxy = proxy
        self.database = database
        self.values: dict[str, Any] = {
            "database_url": database.url,
            "bucket": f"s3://{BUCKET}",
            "grace_min": 0,
            "s3_endpoint_url": proxy.endpoint_url,
            "s3_attempts": 2,
        }
        server.create_bucket(BUCKET)

    def put(self, *runs: str, **changes: Any) -> None:
        for run_id in runs:
            self.server.fill(BUCKET, make_run(run_id, **changes))

    def ingest(self, **changes: Any) -> Report:
        return ingest.run(IngestSettings(**{**self.values, **changes}), MemoryStageRun(pipeline="screenalytics"))
