"""The sample step: write reports of every platform and the catalogue that they are about, reproducible from a seed.

``sample.json`` records the kind of each report and its expected result: format, units, fates, totals and the
episode of each line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.sample.episodes import catalogue_files, episodes
from jobs.viewership.sample.kinds import REPORTS, build
from shared.errors import ObjectMissing
from shared.report import Amounts, Part, Report, Table
from shared.samples import RECORD, choose_kinds, read_record, record_body
from shared.storage import open_store

if TYPE_CHECKING:
    from jobs.viewership.settings.sample import SampleSettings
    from shared.ledger import StageRun
    from shared.storage import ObjectStore

__all__ = ["CATALOGUE", "make", "run"]

CATALOGUE: Final = "catalogue"
"""Folder of the files for `catalog import`."""


def make(settings: SampleSettings) -> tuple[dict[str, bytes], dict[str, dict[str, Any]]]:
    """Return the files of the set by key, and the record of the reports; the same settings produce the same bytes.

    Raises:
        UsageError: ``include`` has an unknown kind.
    """
    catalogue = episodes(settings.episodes, settings.seed)
    files = {f"{CATALOGUE}/{name}": body for name, body in catalogue_files(catalogue).items()}
    record: dict[str, dict[str, Any]] = {}
    for name in choose_kinds(settings.include, REPORTS):
        report = REPORTS[name]
        body, truth = build(name, catalogue, settings.seed)
        files[report.key] = body
        record[report.key] = {"kind": name, "about": report.about, "truth": asdict(truth)}
    for key, body in files.items():
        record.setdefault(key, {"kind": CATALOGUE})["sha256"] = hashlib.sha256(body).hexdigest()
    return files, record


def run(settings: SampleSettings, stage_run: StageRun) -> Report:
    """Write the set, except files that are unchanged, and return the report.

    Args:
        settings: settings of the step.
        stage_run: receives progress.

    Raises:
        UsageError: ``include`` has an unknown kind.
    """
    files, record = make(settings)
    store = open_store(settings.output, settings, create=True)
    earlier = read_record(store, "files")
    counts = {"written": 0, "unchanged": 0}
    written = 0
    stage_run.progress.start(len(files), "files")
    for key, body in files.items():
        etag = _unchanged(store, key, earlier.get(key), record[key]["sha256"])
        if etag is None:
            etag = store.put(key, body).etag
            written += len(body)
            counts["written"] += 1
        else:
            counts["unchanged"] += 1
        record[key]["etag"] = etag
        stage_run.progress.advance()
    stage_run.progress.finish()
    if counts["written"] or not earlier:
        store.put(RECORD, record_body("files", record))
    return Report(
        counts=counts,
        bytes={"written": written},
        outputs={"bucket": store.uri, "truth": f"{store.uri}/{RECORD}"},
        sections=[_table(record), _outcomes(record)],
    )


def _unchanged(store: ObjectStore, key: str, earlier: Any, sha256: str) -> str | None:
    """Return the ETag of a file that is stored as it was recorded, or None."""
    if not isinstance(earlier, dict) or earlier.get("sha256") != sha256:
        return None
    try:
        etag = store.stat(key).etag
    except ObjectMissing:
        return None
    return etag if etag == earlier.get("etag") else None


def _outcomes(record: dict[str, dict[str, Any]]) -> Amounts:
    """Return how many files of the set have each expected outcome."""
    truths = [entry["truth"] for entry in record.values() if "truth" in entry]
    found = Counter(str(truth["code"] or truth["outcome"]) for truth in truths)
    bars = [(outcome, [count]) for outcome, count in found.most_common()]
    return Amounts(
        "Expected outcomes", "files", [Part("files", "blue-2")], bars, "The catalogue's files are not counted."
    )


def _table(record: dict[str, dict[str, Any]]) -> Table:
    columns = ["file", "kind", "shows", "outcome", "format", "units", "hours or minutes", "revenue"]
    rows: list[list[Any]] = []
    for key, entry in record.items():
        truth = entry.get("truth")
        if truth is None:
            rows.append([key, entry["kind"], "the catalogue", None, None, None, None, None])
            continue
        totals = truth["totals"]
        measured = totals.get("hours") or totals.get("minutes")
        rows.append(
            [
                key,
                entry["kind"],
                entry["about"],
                truth["code"] or truth["outcome"],
                truth["format"],
                truth["units"],
                measured,
                totals.get("revenue"),
            ]
        )
    return Table("The sample set", columns, rows)
