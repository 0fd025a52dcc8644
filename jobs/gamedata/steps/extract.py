"""The extract step: read TARs on a pool of workers, retry those of a killed worker one by one, compact the parts."""

from __future__ import annotations

import functools
import logging
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from jobs.gamedata.compute.cluster import ClusterRay
from jobs.gamedata.compute.local import LocalRay
from jobs.gamedata.compute.pool import worker_count
from jobs.gamedata.compute.processes import Processes
from jobs.gamedata.compute.rayjob import cluster_slots, in_rayjob
from jobs.gamedata.errors import item_error
from jobs.gamedata.extraction.batches import Batch, BatchResult, RunContext, make_batches
from jobs.gamedata.extraction.tally import ExtractTally, failure_of
from jobs.gamedata.extraction.worker import BatchRunner, ExtractSession, commit_failures, resolve_device
from jobs.gamedata.extraction.worklist import make_worklist, no_tar
from jobs.gamedata.parts.compaction import compact
from jobs.gamedata.revision import revision, version
from jobs.gamedata.steps._parameters import check_extract, local_paths
from shared.errors import TransientError
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.gamedata.compute.pool import Pool, Runner
    from jobs.gamedata.extraction.worklist import Worklist
    from jobs.gamedata.settings import ExtractSettings
    from shared.ledger import StageRun
    from shared.progress import Progress
    from shared.report import Report
    from shared.storage import ObjectStore

    MakeExtract = Callable[[ExtractSettings], Callable[[str], ExtractSession]]
    MakePool = Callable[[Callable[[], Runner[Batch, BatchResult]], int], Pool[Batch, BatchResult]]

__all__ = ["cluster_ray", "local_ray", "processes", "run", "run_with"]

_BYTES_PER_MB = 1_000_000
_log = logging.getLogger(__name__)


def run(settings: ExtractSettings, stage_run: StageRun) -> Report:
    """Extract the TARs that have no committed result yet.

    A bad TAR becomes a row of a part, an entry in the ledger and a count in the report; the others are not affected.

    Args:
        settings: settings of the step.
        stage_run: the ledger's record of this step.

    Returns:
        A report with counts, rates and failures; the exit code is 65 if too many TARs fail (``--max-failed``).

    Raises:
        UsageError: the task list does not exist.
        ConfigurationError: a bucket is missing or access is denied.
        TransientError: the store cannot be reached, or is full.
        Stopped: a signal stopped the step; committed results are kept.
    """
    make_pools: dict[str, MakePool] = {"processes": processes, "ray": local_ray}
    make_pool = make_pools[settings.local_pool] if _is_here(settings) else cluster_ray
    return run_with(settings, stage_run, make_extract=_decode_child, make_pool=make_pool)


def run_with(
    settings: ExtractSettings, stage_run: StageRun, *, make_extract: MakeExtract, make_pool: MakePool
) -> Report:
    """Do the same as :func:`run`, with another reader or other workers.

    Args:
        settings: settings of the step.
        stage_run: the ledger's record of this step.
        make_extract: called with the settings; returns a function that creates a worker's reader for a device.
        make_pool: called with a function that creates a runner, and the number of workers; returns the pool.
    """
    check_extract(settings)
    # Workers in other pods resolve the device, and auto, because this process may have neither torch nor a GPU.
    device = resolve_device("cuda") if settings.device == "cuda" and _is_here(settings) else settings.device
    source = open_store(settings.source_bucket, settings)
    target = open_store(settings.manifest_bucket, settings, create=True)
    began = time.perf_counter()
    worklist = make_worklist(settings, source, target)
    tally = ExtractTally(worklist)
    tally.durations["plan"] = time.perf_counter() - began
    if not len(worklist):
        _log.warning("%s", no_tar(worklist, settings))
    elif worklist.passed_over:
        _log.log(worklist.passed_over.level, "passed over: %s", worklist.passed_over)
    if worklist.failed_before:
        stage_run.record_errors(worklist.failed_before)
    context = RunContext(
        spec=settings.spec(),
        store=settings.store,
        run_id=stage_run.run_id,
        generation=worklist.generation,
        version=version(),
        revision=revision(),
        device=device,
    )
    stage_run.progress.start(len(worklist.items) + len(worklist.missing), "TARs")
    missing = commit_failures(worklist.missing, context, target)
    tally.items += missing
    stage_run.record_errors([failure_of(result) for result in missing])
    stage_run.progress.advance(len(missing), failed=len(missing))
    if worklist.items:
        make = functools.partial(BatchRunner, source, target, context, make_extract(settings))
        commit_crash = functools.partial(_commit_crash, context, target)
        _extract(settings, stage_run, tally, functools.partial(make_pool, make), commit_crash)
    with _timed(tally, "compact"):
        try:
            compact(target)
        except TransientError as error:
            # The results are committed, and the next run compacts again.
            _log.warning("Could not merge parts: %s", error)
    report = tally.report(max_failed=settings.max_failed)
    report.outputs["manifest_bucket"] = settings.manifest_bucket
    return report


def _is_here(settings: ExtractSettings) -> bool:
    """Return True if the workers are on this machine; with ``auto``, launch has already chosen."""
    if settings.compute == "auto":
        # CUDA on a cluster, unless pods cannot read the folders; here if launch has found nothing to read.
        return settings.device != "cuda" or bool(local_paths(settings))
    return settings.compute == "local"


def _extract(
    settings: ExtractSettings,
    stage_run: StageRun,
    tally: ExtractTally,
    make_pool: Callable[[int], Pool[Batch, BatchResult]],
    commit_crash: Callable[[Batch, str], BatchResult],
) -> None:
    worklist: Worklist = tally.worklist
    tally.workers = worker_count(settings.workers or cluster_slots(), len(worklist.items))
    batches = make_batches(worklist.items, max_bytes=settings.batch_mb * _BYTES_PER_MB, workers=tally.workers)
    with ExitStack() as stack:
        with _timed(tally, "start_workers"):
            pool = stack.enter_context(make_pool(tally.workers))
        tally.kind = pool.kind
        stack.enter_context(_timed(tally, "extract"))
        stack.enter_context(_counted(stage_run.progress))
        for batch in batches:
            pool.submit(batch)
        for outcome in pool:
            result = outcome.result
            if result is None:
                if len(outcome.work.items) > 1:
                    # One of the items killed the worker: submit each alone, so that the others are read.
                    for item in outcome.work.items:
                        pool.submit(Batch(outcome.work.number, (item,)))
                    continue
                result = commit_crash(outcome.work, outcome.died or "")
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
def _counted(progress: Progress) -> Iterator[None]:
    """Say how much is committed if the run ends before its work: a bar on a terminal is wiped off."""
    try:
        yield
    except BaseException:
        # TARs that a worker has committed since its last result are not counted.
        _log.warning(
            "at least %d of %d TARs are committed; the same command reads the rest", progress.done, progress.total
        )
        raise


@contextmanager
def _timed(tally: ExtractTally, name: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        tally.durations[name] = time.perf_counter() - began


def processes(make: Callable[[], Runner[Batch, BatchResult]], workers: int) -> Pool[Batch, BatchResult]:
    """Return a pool of processes on this machine."""
    return Processes(make, workers=workers)


def local_ray(make: Callable[[], Runner[Batch, BatchResult]], workers: int) -> Pool[Batch, BatchResult]:
    """Return a pool of Ray actors on this machine (``--local-pool ray``)."""
    return LocalRay(make, workers=workers)


def cluster_ray(make: Callable[[], Runner[Batch, BatchResult]], workers: int) -> Pool[Batch, BatchResult]:
    """Return a pool on the Ray cluster of the RayJob that this process drives.

    Raises:
        TransientError: this process is the launcher. It found nothing to read when it started, so it launched no
            RayJob, but new TARs have appeared since.
    """
    if not in_rayjob():
        raise TransientError("TARs were added while the run was starting; run the command again")
    return ClusterRay(make, workers=workers)


def _decode_child(settings: ExtractSettings) -> Callable[[str], ExtractSession]:
    """Return a function that starts a decoder process.

    Raises:
        ModuleNotFoundError: PyAV is not installed. Otherwise every TAR would fail in a process that cannot start.
    """
    if find_spec("av") is None:
        raise ModuleNotFoundError("No module named 'av'", name="av")
    return functools.partial(_start_child, settings.item_memory_mb, settings.item_timeout_s, settings.max_pixels)


def _start_child(memory_mb: int, timeout_s: float, max_pixels: int, device: str) -> ExtractSession:
    from jobs.gamedata.session.child import DecodeChild

    checked_device: Literal["cpu", "cuda"] = "cuda" if device == "cuda" else "cpu"
    return DecodeChild(memory_mb=memory_mb, timeout_s=timeout_s, max_pixels=max_pixels, device=checked_device)
