"""The sample step: write runs with known outcomes, reproducible from a seed.

``sample.json``, stored next to ``runs/``, records the kind, the expected outcome and the digests of the objects of each
run. The artifacts of a run are written before its manifest, as a producer should do.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.sample.kinds import GOOD, SAMPLE_KINDS, good, odd
from shared.report import Amounts, Part, Report, Table
from shared.samples import choose_kinds, read_record, record_body, record_key
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.screenalytics.sample.runs import SampleRun
    from jobs.screenalytics.settings import SampleSettings
    from shared.ledger import StageRun
    from shared.storage import ObjectStore

__all__ = ["make", "run"]

_SHOWN: Final = 200


def make(settings: SampleSettings) -> Iterator[SampleRun]:
    """Yield the runs of the set, good ones first; the same settings produce the same bytes.

    Raises:
        UsageError: ``include`` has an unknown kind.
    """
    return _generate(settings, choose_kinds(settings.include, SAMPLE_KINDS))


def run(settings: SampleSettings, stage_run: StageRun) -> Report:
    """Write the set, except objects that are unchanged, and return the report.

    Args:
        settings: settings of the step.
        stage_run: receives progress.

    Raises:
        UsageError: ``include`` has an unknown kind.
    """
    names = choose_kinds(settings.include, SAMPLE_KINDS)
    store = open_store(settings.output, settings, create=True)
    unchanged = _unchanged_objects(store, settings.prefix)
    record: dict[str, Any] = {}
    counts: Counter[str] = Counter(runs=0, written=0, unchanged=0)
    written = 0
    rows = []
    stage_run.progress.start(sum(settings.runs if name == GOOD else 1 for name in names), "runs")
    for sample in _generate(settings, names):
        digests = {}
        for key, body in sample.objects.items():
            digests[key] = hashlib.sha256(body).hexdigest()
            etag = unchanged.get((key, digests[key]))
            counts["unchanged" if etag else "written"] += 1
            if etag is None:
                written += len(body)
                etag = store.put(key, body).etag
            digests[key] = f"{digests[key]} {etag}"
        record[sample.run_id] = _entry(sample, digests)
        rows.append(_row(sample))
        counts["runs"] += 1
        stage_run.progress.advance()
    stage_run.progress.finish()
    if counts["written"] or not unchanged:
        store.put(record_key(settings.prefix), record_body("runs", record))
    return Report(
        items=counts["runs"],
        counts=dict(counts),
        bytes={"written": written},
        outputs={"bucket": store.uri, "truth": f"{store.uri}/{record_key(settings.prefix)}"},
        sections=[
            Table("The sample set", _COLUMNS, rows[:_SHOWN], total=len(rows), where=record_key(settings.prefix)),
            Amounts(
                "Expected outcomes",
                "runs",
                [Part("runs", "blue-2")],
                [(outcome, [count]) for outcome, count in Counter(str(row[5] or row[4]) for row in rows).most_common()],
                note="The code of a run that is not ingested, otherwise its outcome.",
            ),
        ],
    )


def _generate(settings: SampleSettings, names: list[str]) -> Iterator[SampleRun]:
    for name in names:
        if name != GOOD:
            yield odd(settings.prefix, name, seed=settings.seed, persons=settings.persons)
            continue
        for number in range(settings.runs):
            yield good(settings.prefix, number, seed=settings.seed, persons=settings.persons)


def _unchanged_objects(store: ObjectStore, prefix: str) -> dict[tuple[str, str], str]:
    """Return (key, sha256) -> ETag of recorded objects that have not changed since, using one LIST and one GET."""
    record = read_record(store, "runs", prefix)
    if not record:
        return {}
    try:
        recorded = {key: digest.split() for entry in record.values() for key, digest in entry["objects"].items()}
        listed = {info.key: info.etag for info in store.list()}
        return {(key, sha256): etag for key, (sha256, etag) in recorded.items() if listed.get(key) == etag}
    except (ValueError, KeyError, TypeError, AttributeError):  # not a record that telecine wrote: write the whole set
        return {}


def _entry(sample: SampleRun, digests: dict[str, str]) -> dict[str, Any]:
    truth = sample.truth
    return {
        "kind": sample.kind,
        "about": SAMPLE_KINDS[sample.kind].about,
        "ep_id": sample.ep_id,
        "manifest_key": sample.manifest_key,
        "objects": digests,
        "outcome": truth.outcome,
        "code": truth.code,
        "code_in_grace": truth.code_in_grace,
        "onscreen_ms": {person_id: person.onscreen_ms for person_id, person in sorted(truth.persons.items())},
    }


_COLUMNS: Final = ["run", "kind", "shows", "episode", "outcome", "code", "persons"]


def _row(sample: SampleRun) -> list[Any]:
    truth = sample.truth
    about = SAMPLE_KINDS[sample.kind].about
    return [sample.run_id, sample.kind, about, sample.ep_id, truth.outcome, truth.code, len(truth.persons)]
