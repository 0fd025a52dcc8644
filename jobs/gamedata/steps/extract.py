"""The extract step: TARs -> ``.pt`` files and parts."""

from __future__ import annotations

import functools
import logging
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from jobs.gamedata.compute.cluster import ClusterRay
from jobs.gamedata.compute.local import LocalRay
from jobs.gamedata.compute.pool import worker_count
from jobs.gamedata.compute.rayjob import cluster_slots, in_rayjob
from jobs.gamedata.errors import item_error
from jobs.gamedata.extraction.batches import Batch, BatchResult, RunContext, make_batches
from jobs.gamedata.extraction.tally import ExtractTally, failure_of
from jobs.gamedata.extraction.worker import BatchRunner, ExtractSession, commit_failures, resolve_device
from jobs.gamedata.extraction.worklist import make_worklist, no_tar
from jobs.gamedata.parts.compaction import compact
from jobs.gamedata.revision import revision, version
from shared.errors import TransientError
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.compute.pool import Pool, Runner
    from jobs.gamedata.extraction.worklist import Worklist
    from jobs.gamedata.settings import ExtractSettings
    from shared.ledger import StageRun
    from shared.report import Report
    from shared.storage import ObjectStore

    MakeExtract = Callable[[ExtractSettings], Callable[[str], ExtractSession]]
    MakePool = Callable[[Callable[[], Runner[Batch, BatchResult]], int], Pool[Batch, BatchResult]]

__all__ = ["cluster_ray", "local_ray", "run", "run_with"]

_BYTES_PER_MB = 1_000_000
_log = logging.getLogger(__name__)


def run(settings: ExtractSettings, stage_run: StageRun) -> Report:
    """Extract the TARs that are not done yet.

    A bad TAR becomes a row of a part, an entry in the ledger and a count in the report; the others are not affected.

    Args:
        settings: the step's parameters.
        stage_run: the ledger's side of it.

    Returns:
        Counts, rates and failures; exit code 65 as ``--max-failed`` says.

    Raises:
        UsageError: the task list is not there.
        ConfigurationError: a bucket is missing or may not be used.
        TransientError: the store cannot be reached, or is full.
        Stopped: by a signal; what was committed stays.
    """
    make_pool = local_ray if settings.compute == "local" else cluster_ray
    return run_with(settings, stage_run, make_extract=_decode_child, make_pool=make_pool)


def run_with(
    settings: ExtractSettings, stage_run: StageRun, *, make_extract: MakeExtract, make_pool: MakePool
) -> Report:
    """Extract with another reader or other workers; see :func:`run`.

    Args:
        settings: the step's parameters.
        stage_run: the ledger's side of it.
        make_extract: from the settings, what makes a worker's reader from its device.
        make_pool: from what makes a runner, and the number of workers, the pool.
    """
    source = open_store(settings.source_bucket, settings)
    target = open_store(settings.manifest_bucket, settings, create=True)
    began = time.perf_counter()
    worklist = make_worklist(settings, source, target)
    tally = ExtractTally(worklist)
    tally.durations["plan"] = time.perf_counter() - began
    if not (worklist.items or worklist.missing or worklist.done or worklist.failed_before or worklist.left_out):
        _log.warning("%s", no_tar(source.uri, settings.prefix))
    if worklist.failed_before:
        stage_run.record_errors(worklist.failed_before)
    context = RunContext(
        spec=settings.spec(),
        store=settings.store,
        run_id=stage_run.run_id,
        generation=worklist.generation,
        version=version(),
        revision=revision(),
        # Workers find out what auto is: this process needs no torch.
        device=settings.device if settings.device != "cuda" else resolve_device("cuda"),
    )
    stage_run.progress.start(len(worklist.items) + len(worklist.missing), "TARs")
    missing = commit_failures(worklist.missing, context, target)
    tally.items += missing
    stage_run.record_errors([failure_of(result) for result in missing])
    stage_run.progress.advance(len(missing), failed=len(missing))
    if worklist.items:
        make = functools.partial(BatchRunner, source, target, context, make_extract(settings))
        give_up = functools.partial(_commit_crash, context, target)
        _work(settings, stage_run, tally, functools.partial(make_pool, make), give_up)
    with _timed(tally, "compact"):
        try:
            compact(target)
        except TransientError as error:
            # The results are committed; the next run has another try.
            _log.warning("Could not merge parts: %s", error)
    report = tally.report(max_failed=settings.max_failed)
    report.outputs["manifest_bucket"] = settings.manifest_bucket
    report.seconds = time.perf_counter() - began
    return report


def _work(
    settings: ExtractSettings,
    stage_run: StageRun,
    tally: ExtractTally,
    make_pool: Callable[[int], Pool[Batch, BatchResult]],
    give_up: Callable[[Batch, str], BatchResult],
) -> None:
    worklist: Worklist = tally.worklist
    tally.workers = worker_count(settings.workers or cluster_slots(), len(worklist.items))
    batches = make_batches(worklist.items, max_bytes=settings.batch_mb * _BYTES_PER_MB, workers=tally.workers)
    with ExitStack() as stack:
        with _timed(tally, "start_workers"):
            pool = stack.enter_context(make_pool(tally.workers))
        stack.enter_context(_timed(tally, "extract"))
        for batch in batches:
            pool.submit(batch)
        for outcome in pool:
            result = outcome.result
            if result is None:
                if len(outcome.work.items) > 1:
                    # One of them killed the worker: alone, the others are read.
                    for item in outcome.work.items:
                        pool.submit(Batch(outcome.work.number, (item,)))
                    continue
                result = give_up(outcome.work, outcome.died or "")
            tally.add(result)
            failures = [failure_of(each) for each in result.items if each.code is not None]
            if failures:
                stage_run.record_errors(failures)
            stage_run.progress.advance(len(result.items), ok=len(result.items) - len(failures), failed=len(failures))


def _commit_crash(context: RunContext, target: ObjectStore, batch: Batch, died: str) -> BatchResult:
    error = item_error("decode_crashed", f"the worker process died while it read this TAR: {died}")
    items = commit_failures([(item, error) for item in batch.items], context, target)
    return BatchResult(batch.number, "", tuple(items), "died", 0.0, ())


@contextmanager
def _timed(tally: ExtractTally, name: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        tally.durations[name] = time.perf_counter() - began


def local_ray(make: Callable[[], Runner[Batch, BatchResult]], workers: int) -> Pool[Batch, BatchResult]:
    """Start Ray on this machine."""
    return LocalRay(make, workers=workers)


def cluster_ray(make: Callable[[], Runner[Batch, BatchResult]], workers: int) -> Pool[Batch, BatchResult]:
    """Take the Ray cluster of the RayJob that this process drives.

    Raises:
        TransientError: this is the launcher, which found nothing to read a moment ago.
    """
    if not in_rayjob():
        raise TransientError("TARs were added while the run was starting; run the command again")
    return ClusterRay(make, workers=workers)


def _decode_child(settings: ExtractSettings) -> Callable[[str], ExtractSession]:
    return functools.partial(_start_child, settings.item_memory_mb, settings.item_timeout_s, settings.max_pixels)


def _start_child(memory_mb: int, timeout_s: float, max_pixels: int, device: str) -> ExtractSession:
    from jobs.gamedata.session.child import DecodeChild

    where: Literal["cpu", "cuda"] = "cuda" if device == "cuda" else "cpu"
    return DecodeChild(memory_mb=memory_mb, timeout_s=timeout_s, max_pixels=max_pixels, device=where)
