"""Requests to the store: rounds, requests and bytes per session; all requests of a run, as the server sees them."""

from __future__ import annotations

import logging
import os
import re
import statistics
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.object_source import ObjectSource
from jobs.gamedata.session.decode import extract_session
from jobs.gamedata.settings import ExtractSettings, ManifestSettings
from shared.storage import FileStore, open_store
from tests.benchmarks._table import print_table, progress
from tests.fakes.ledger import MemoryStageRun
from tests.s3_server import S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.benchmarks._clips import Clip

__all__ = ["per_run", "per_session"]

_LINE = re.compile(r'"(?P<verb>[A-Z]+) (?P<path>\S+) HTTP')


class _Counting(FileStore):
    """A folder that counts what S3 would be asked for: a round is what the reader waits for, a range is one GET."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.rounds: list[int] = []

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]], *, etag: str | None = None) -> list[bytes]:
        self.rounds.append(len(ranges))
        return super().read_ranges(key, ranges, etag=etag)


def per_session(sessions: Sequence[tuple[Clip, Path]]) -> None:
    """Rounds and GETs of one session by sampling mode and size of picture."""
    rows = []
    for clip, tar in sessions:
        for mode in ("keyframe", "auto", "exact"):
            store = _Counting(str(tar.parent))
            info = store.stat(tar.name)
            source = ObjectSource(store, tar.name, size=info.size, etag=info.etag)
            extract_session(source, SamplingSpec(mode=mode))
            rows.append(
                [
                    f"{clip.name}, {mode}",
                    len(store.rounds),
                    sum(store.rounds),
                    f"{source.bytes_read / 1e6:.1f}",
                    f"{100 * source.bytes_read / info.size:.1f} %",
                ]
            )
    columns = ["session with inputs.csv", "rounds, one after the other", "GETs", "MB read", "of the TAR"]
    print_table("Requests for one session; GETs of a round go side by side", columns, rows)


def per_run(tar: Path, count: int) -> None:
    """Every request of a first run, a second one and a manifest, from the log of an S3 server."""
    from jobs.gamedata.steps import extract, manifest

    with _server() as (server, log):
        for bucket in ("source", "target"):
            server.create_bucket(bucket)
        body = tar.read_bytes()
        server.fill("source", {f"{number:04d}.tar": body for number in range(count)})
        settings = ExtractSettings(source_bucket="source", manifest_bucket="target", workers=2)
        rows = []
        for name in (f"extract {count} TARs", "extract again", "manifest"):
            progress(name)
            log.seen.clear()
            if name == "manifest":
                report: Any = manifest.run(
                    ManifestSettings(manifest_bucket="target", output_path="s3://target/manifest.parquet"),
                    MemoryStageRun(),
                )
                assert report.counts["sessions"] == count, report
            else:
                report = extract.run(settings, MemoryStageRun())
                assert report.counts["extracted"] + report.counts["done_before"] == count, report
            rows.append([name, *(log.seen[kind] for kind in ("LIST", "GET", "PUT", "HEAD", "DELETE"))])
        page = _listing(server)
    print_table("Requests of a whole run, counted by the server", ["run", "LIST", "GET", "PUT", "HEAD", "DELETE"], rows)
    print(f"\nA page of a listing, 1,000 keys, costs the client {page * 1000:.1f} CPU ms.")


def _listing(server: S3Server) -> float:
    """CPU seconds of this thread, less the server's, for a page of 1,000 keys; median of 8."""
    server.create_bucket("many")
    server.fill("many", {f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}.tar": b"" for number in range(1000)})
    store = open_store("many")
    found = []
    for _ in range(8):
        began = time.thread_time()
        assert sum(1 for _ in store.list()) == 1000
        found.append(time.thread_time() - began)
    return statistics.median(found)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        found = _LINE.search(re.sub(r"\x1b\[[0-9;]*m", "", record.getMessage()))
        if found is not None:
            self.seen["LIST" if "list-type=" in found["path"] else found["verb"]] += 1


@contextmanager
def _server() -> Iterator[tuple[S3Server, _Log]]:
    from moto.server import ThreadedMotoServer

    from shared.storage import close_stores

    logger, log = logging.getLogger("werkzeug"), _Log()
    before = dict(os.environ)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    running.start()
    try:
        host, port = running.get_host_and_port()
        server = S3Server(f"http://{host}:{port}")
        os.environ.update({**server.env, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull})
        close_stores()
        yield server, log
    finally:
        close_stores()
        running.stop()
        logger.removeHandler(log)
        os.environ.clear()
        os.environ.update(before)
