"""The sample step: generate a small, varied and deterministic set of TARs with ground truth.

``sample.json``, next to the TARs, records the kind, description and ground truth of each key, and a digest of
everything that determines its bytes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av

from jobs.gamedata import sample
from jobs.gamedata.sample.kinds import KINDS, GroundTruth
from jobs.gamedata.sample.tar import build, key_of
from shared.errors import ObjectMissing
from shared.report import Amounts, Part, Report, Table
from shared.samples import RECORD, choose_kinds, read_record, record_body
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.gamedata.settings import SampleSettings
    from shared.ledger import StageRun
    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["GROUND_TRUTH", "GroundTruth", "key_of", "make", "run"]

GROUND_TRUTH: Final[dict[str, GroundTruth]] = {name: kind.truth for name, kind in KINDS.items()}


def make(name: str, *, seconds: float = 60, seed: int = 1) -> bytes:
    """Build one TAR in memory; equal arguments produce equal bytes.

    Args:
        name: a kind, one of the keys of :data:`GROUND_TRUTH`.
        seconds: length of the set's regular clips; some kinds have other lengths.
        seed: seed of the pictures and inputs.

    Raises:
        UsageError: the kind does not exist.
    """
    choose_kinds([name], KINDS)
    return build(name, seconds=seconds, seed=seed)


def run(settings: SampleSettings, stage_run: StageRun) -> Report:
    """Write the set and return the report. TARs that this version has already written are not encoded again.

    Raises:
        UsageError: ``include`` names a kind that does not exist.
    """
    began = time.monotonic()
    names = choose_kinds(settings.include, KINDS)
    store = open_store(settings.output, settings, create=True)
    record = read_record(store, "objects")
    existing = {name: _stat(store, key_of(name)) for name in names}
    recipes = {name: _recipe(name, settings) for name in names}
    missing = [name for name in names if not _is_current(existing[name], record.get(key_of(name)), recipes[name])]
    counts = {"written": 0, "unchanged": len(names) - len(missing)}
    written = 0
    stage_run.progress.start(len(names), "TARs")
    stage_run.progress.advance(len(names) - len(missing))
    # Encoding and most of the drawing release the GIL.
    pool = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1), thread_name_prefix="sample")
    try:
        jobs = {pool.submit(build, name, seconds=settings.seconds, seed=settings.seed): name for name in missing}
        for job in as_completed(jobs):
            name, body = jobs.pop(job), job.result()
            previous = existing[name]
            same = previous is not None and previous.size == len(body) and store.read(key_of(name)) == body
            info = previous if previous is not None and same else store.put(key_of(name), body)
            counts["unchanged" if same else "written"] += 1
            written += 0 if same else len(body)
            record[key_of(name)] = _entry(name, info, body, recipes[name])
            stage_run.progress.advance()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        stage_run.progress.finish()
    if missing:
        store.put(RECORD, record_body("objects", record))
    return Report(
        counts=counts,
        bytes={"written": written},
        outputs={"bucket": store.uri, "truth": f"{store.uri}/{RECORD}"},
        durations={"encode": round(time.monotonic() - began, 3)},
        sections=[_table(names, record), _truths(names)],
    )


def _recipe(name: str, settings: SampleSettings) -> str:
    """Return a digest of everything that determines a TAR's bytes: this code, PyAV's libraries and the settings."""
    digest = hashlib.sha256()
    for path in sorted([Path(__file__), *Path(sample.__path__[0]).glob("*.py")]):
        digest.update(path.read_bytes())
    digest.update(
        repr((name, settings.seconds, settings.seed, av.__version__, sorted(av.library_versions.items()))).encode()
    )
    return digest.hexdigest()[:16]


def _stat(store: ObjectStore, key: str) -> ObjectInfo | None:
    try:
        return store.stat(key)
    except ObjectMissing:
        return None


def _is_current(info: ObjectInfo | None, entry: Any, recipe: str) -> bool:
    recorded = entry if isinstance(entry, dict) else {}
    return info is not None and (recorded.get("recipe"), recorded.get("etag")) == (recipe, info.etag)


def _entry(name: str, info: ObjectInfo, body: bytes, recipe: str) -> dict[str, Any]:
    return {
        "kind": name,
        "about": KINDS[name].about,
        "recipe": recipe,
        "etag": info.etag,
        "size": info.size,
        "sha256": hashlib.sha256(body).hexdigest(),
        "truth": asdict(KINDS[name].truth),
    }


def _truths(names: Sequence[str]) -> Amounts:
    """Return how many TARs of the set have each flag, error or input device."""
    found: Counter[str] = Counter()
    for name in names:
        truth = KINDS[name].truth
        if truth.error_code:
            found[truth.error_code] += 1
            continue
        flags = {"dark": truth.mostly_dark, "bars": truth.dpi_scale_issue, "menu": truth.mostly_menu}
        raised = [flag for flag, value in flags.items() if value]
        found.update(raised or ["no flag"])
    bars = [(word, [count]) for word, count in found.most_common()]
    note = "A TAR can have several flags."
    return Amounts("What the checks should find", "TARs", [Part("TARs", "blue-2")], bars, note)


def _table(names: Iterable[str], record: dict[str, Any]) -> Table:
    columns = ["key", "shows", "MB", "error", "dark", "bars", "menu share", "mostly menu", "inputs"]
    rows = []
    for name in names:
        truth = KINDS[name].truth
        flags = (truth.mostly_dark, truth.dpi_scale_issue, truth.menu_share, truth.mostly_menu, truth.device)
        shown = (None,) * len(flags) if truth.error_code else flags
        size = record[key_of(name)]["size"] / 1e6
        rows.append([key_of(name), KINDS[name].about, round(size, 2), truth.error_code, *shown])
    return Table("The sample set and its ground truth", columns, rows)
