"""screenalytics: a run of 1,000 persons written, 10,000 known runs polled, fresh runs ingested.

Times are wall-clock milliseconds, medians of ways that run in turns on one server (an embedded PostgreSQL with fsync, a
folder, an S3 server of another process); ratios count, not the times. docs/performance.md explains them.
"""

from __future__ import annotations

import functools
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobs.screenalytics.model import ManifestRef, ScreenalyticsRun
from jobs.screenalytics.reading.fetch import fetch_manifest
from jobs.screenalytics.reading.run import read_run
from jobs.screenalytics.reading.source import open_source
from jobs.screenalytics.sample.runs import Draft
from jobs.screenalytics.settings import IngestSettings
from jobs.screenalytics.steps import ingest
from jobs.screenalytics.tables.runs import write_run
from shared.database import embedded
from shared.database.connection import dispose
from shared.database.migrate import upgrade
from shared.database.session import transaction
from shared.settings import StepSettings
from shared.storage import close_stores
from tests.benchmarks._table import machine, print_table, progress
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import reachable_folder, until
from tests.s3_server import S3Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shared.database.session import DatabaseSession

__all__ = ["main"]

_PERSONS = 1000
_UPSERT = """
    INSERT INTO screenalytics.person_metrics (run_id, person_id, cast_ids, name, onscreen_ms, speaking_ms,
        confessional_ms, body_ms, confidence, artifact_key, artifact_schema_version, manifest_key, schema_version,
        pipeline_run_id)
    VALUES (:run_id, :person_id, :cast_ids, :name, :onscreen_ms, :speaking_ms, :confessional_ms, :body_ms, :confidence,
        :artifact_key, 'screentime.v1', :manifest_key, '1.0', 'bench')
    ON CONFLICT (run_id, person_id) DO UPDATE SET cast_ids = excluded.cast_ids, name = excluded.name,
        onscreen_ms = excluded.onscreen_ms, speaking_ms = excluded.speaking_ms, body_ms = excluded.body_ms,
        confidence = excluded.confidence
"""
# Only the columns with facts about a person: no keys, constraints or provenance.
_BARE = """
    CREATE TABLE bench_persons AS
    SELECT run_id, person_id, cast_ids, name, onscreen_ms, speaking_ms, body_ms, confidence
    FROM screenalytics.person_metrics WITH NO DATA
"""


def main(only: str = "", *, quick: bool = False) -> None:
    """Print all tables.

    Args:
        only: prefix of the name of one part: write, poll, ingest.
        quick: one round, smaller sets.

    Raises:
        SystemExit: no part has that name.
    """
    parts: dict[str, Callable[[Path], None]] = {
        "write": functools.partial(_write, rounds=3 if quick else 15),
        "poll": functools.partial(_poll, runs=1000 if quick else 10_000),
        "ingest": functools.partial(_ingest, runs=50 if quick else 500),
    }
    chosen = {name: part for name, part in parts.items() if name.startswith(only)}
    if not chosen:
        raise SystemExit(f"screenalytics has no part '{only}'; there are: {', '.join(parts)}")
    print(f"screenalytics, {machine()}")
    with _database() as folder:
        for name, part in chosen.items():
            progress(name)
            part(folder)


@contextmanager
def _database() -> Iterator[Path]:
    """Yield a folder, with a migrated server named in the environment."""
    before = dict(os.environ)
    with reachable_folder() as folder:
        url = embedded.ensure(folder)
        os.environ["TELECINE_DATABASE_URL"] = url
        upgrade(StepSettings())
        dispose()
        try:
            yield folder
        finally:
            close_stores()
            dispose()
            os.environ.clear()
            os.environ.update(before)
            embedded.release(folder)
            until(lambda: not (folder / "postgres" / "run" / ".s.PGSQL.5432").exists())


def _write(folder: Path, *, rounds: int) -> None:
    """Time one run of 1,000 persons in one transaction: telecine, row by row, and COPY alone."""
    settings = IngestSettings(bucket=str(folder / "write"))
    run = _read(folder / "write", "person-bench", settings)
    ways: dict[str, Callable[[DatabaseSession, ScreenalyticsRun], object]] = {
        "telecine: run, artifacts, persons and casts (COPY)": lambda session, each: write_run(
            session, each, source="file:///bench", pipeline_run_id="bench"
        ),
        "telecine, without the casts": lambda session, each: write_run(
            session, replace(each, casts=()), source="file:///bench", pipeline_run_id="bench"
        ),
        "telecine, the same run again": lambda session, _: write_run(
            session, run, source="file:///bench", pipeline_run_id="bench"
        ),
        "run, artifacts, then an upsert a person, without the casts": _row_by_row,
        "limit: the persons by COPY into a table without keys": _copy_alone,
    }
    with transaction(settings) as session:
        session.run(_BARE)
        write_run(session, run, source="file:///bench", pipeline_run_id="bench")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for place, (name, way) in enumerate(ways.items()):
            fresh = _renamed(run, f"person-bench-{number}-{place}")
            began = time.perf_counter()
            with transaction(settings) as session:
                way(session, fresh)
                done = time.perf_counter()
            found[name].append((1000 * (done - began), 1000 * (time.perf_counter() - began)))
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in found.items()
    }
    ours = next(iter(medians.values()))[1]
    print_table(
        f"a run of {_PERSONS:,} persons, milliseconds, median of {rounds}; goal: 50 in the transaction",
        ["way", "statements", "with commit", "x telecine"],
        [[name, f"{inside:.1f}", f"{whole:.1f}", f"{whole / ours:.1f}"] for name, (inside, whole) in medians.items()],
    )


def _row_by_row(session: DatabaseSession, run: ScreenalyticsRun) -> None:
    empty = replace(run, metrics=(), casts=())
    write_run(session, empty, source="file:///bench", pipeline_run_id="bench")
    for metric in run.metrics:
        session.run(
            _UPSERT,
            run_id=run.run_id,
            manifest_key=run.manifest_key,
            **{name: getattr(metric, name) for name in metric.__slots__} | {"cast_ids": list(metric.cast_ids)},
        )


def _copy_alone(session: DatabaseSession, run: ScreenalyticsRun) -> None:
    columns = ("run_id", "person_id", "cast_ids", "name", "onscreen_ms", "speaking_ms", "body_ms", "confidence")
    session.copy(
        "bench_persons",
        columns,
        (
            [run.run_id, *(list(value) if isinstance(value, tuple) else value for value in values)]
            for values in ([getattr(metric, name) for name in columns[1:]] for metric in run.metrics)
        ),
    )


def _read(folder: Path, run_id: str, settings: IngestSettings) -> ScreenalyticsRun:
    draft = _draft(run_id, _PERSONS, 1)
    for key, body in draft.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    store = open_source(settings)
    began = time.perf_counter()
    manifest = fetch_manifest(store, ManifestRef(run_id, list(draft)[-1]), settings)
    found = read_run(store, manifest, settings, now=manifest.modified)
    took = time.perf_counter() - began
    assert isinstance(found, ScreenalyticsRun), found
    print(f"\nReading and checking it: {1000 * took:.0f} ms, {found.bytes_read / 1e3:.0f} kB.")
    return found


def _renamed(run: ScreenalyticsRun, run_id: str) -> ScreenalyticsRun:
    return replace(run, run_id=run_id, manifest_sha256=f"{hash(run_id) % 16**12:064x}")


def _draft(run_id: str, persons: int, number: int) -> dict[str, bytes]:
    draft = Draft("derived", run_id, f"show{number // 100:03d}-s01e{number % 100:02d}", 1, number, 1, persons)
    draft.seal()
    return {**draft.objects, draft.manifest_key: draft.manifest()}


def _poll(folder: Path, *, runs: int) -> None:
    """Measure a poll of known runs, in a folder and in S3: requests and time."""
    rows = []
    body = b"{}"
    keys = [f"derived/runs/run-{number:06d}/manifest.json" for number in range(runs)]
    root = folder / "poll"
    for key in keys:
        path = root / key
        path.parent.mkdir(parents=True)
        path.write_bytes(body)
    rows.append(["folder", *_polled(str(root), runs)])
    with _s3() as server:
        server.create_bucket("poll")
        _fill(server, "poll", dict.fromkeys(keys, body))
        rows.append(["S3", *_polled("poll", runs)])
    print_table(
        f"{runs:,} known runs polled with nothing to do; goal: 10 s for 10,000",
        ["store", "s", "s of listing alone", "x listing", "s to HEAD each", "x telecine", "requests"],
        rows,
    )


def _polled(bucket: str, runs: int) -> list[object]:
    settings = IngestSettings(bucket=bucket, arrival="poll")
    store = open_source(settings)
    source = store.uri
    listed = [(info.key, info.etag) for info in store.list("derived/runs/")]
    with transaction(settings) as session:
        session.copy(
            "screenalytics.ingest_items",
            ("source", "manifest_key", "run_id", "state", "etag", "pipeline_run_id"),
            ([source, key, key.split("/")[2], "ingested", etag, "bench"] for key, etag in listed),
        )
        session.run("ANALYZE screenalytics.ingest_items")
    began = time.perf_counter()
    assert sum(1 for _ in store.list("derived/runs/")) == runs
    alone = time.perf_counter() - began
    few = [key for key, _ in listed[:300]]
    began = time.perf_counter()
    for key in few:
        store.stat(key)
    heads = (time.perf_counter() - began) / len(few) * runs
    store.metrics.snapshot(reset=True)
    began = time.perf_counter()
    report: Any = ingest.run(settings, MemoryStageRun(pipeline="screenalytics", stage="sync_screenalytics"))
    took = time.perf_counter() - began
    assert report.counts["known"] == runs, report
    return [
        *(f"{took:.2f}", f"{alone:.2f}", f"{took / alone:.1f}", f"{heads:.1f}", f"{heads / took:.0f}"),
        store.metrics.snapshot()["calls"],
    ]


def _ingest(folder: Path, *, runs: int) -> None:
    """Measure fresh runs of 12 persons from S3: runs per second, requests and bytes per run; then the same again."""
    rows = []
    with _s3() as server:
        server.create_bucket("fresh")
        objects: dict[str, bytes] = {}
        for number in range(runs):
            objects |= _draft(f"fresh-{number:05d}", 12, number)
        _fill(server, "fresh", objects)
        size = sum(map(len, objects.values()))
        for name, readers in (("one reader", 1), ("eight readers", 8), ("the same again", 8)):
            settings = IngestSettings(bucket="fresh", arrival="poll", readers=readers)
            if name == "eight readers":
                _forget(settings)
            store = open_source(settings)
            store.metrics.snapshot(reset=True)
            began = time.perf_counter()
            report: Any = ingest.run(settings, MemoryStageRun(pipeline="screenalytics", stage="sync_screenalytics"))
            took = time.perf_counter() - began
            assert report.counts["ingested"] + report.counts["known"] == runs, report
            asked = store.metrics.snapshot()
            rows.append(
                [
                    name,
                    f"{took:.2f}",
                    f"{runs / took:.0f}",
                    f"{asked['calls'] / runs:.2f}",
                    f"{asked['bytes_read'] / size:.2f}",
                ]
            )
    print_table(
        f"{runs:,} runs of 12 persons from S3, {size / 1e6:.1f} MB",
        ["ingest", "s", "runs/s", "requests a run", "bytes read / bytes there"],
        rows,
    )


def _forget(settings: IngestSettings) -> None:
    with transaction(settings) as session:
        session.run("DELETE FROM screenalytics.runs WHERE run_id LIKE 'fresh-%'")
        session.run("DELETE FROM screenalytics.ingest_items WHERE run_id LIKE 'fresh-%'")


@contextmanager
def _s3() -> Iterator[S3Server]:
    """Start an S3 server in its own process, so that it runs in parallel with the client."""
    program = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '%d'])"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", program % port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    before = dict(os.environ)
    server = S3Server(f"http://127.0.0.1:{port}")
    os.environ.update({**server.env, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull})

    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    try:
        until(answers, 60)
        close_stores()
        yield server
    finally:
        server.client.close()
        close_stores()
        process.terminate()
        process.wait(20)
        os.environ.clear()
        os.environ.update(before)


def _fill(server: S3Server, bucket: str, objects: dict[str, bytes]) -> None:
    for key, body in objects.items():
        server.client.put_object(Bucket=bucket, Key=key, Body=body)
