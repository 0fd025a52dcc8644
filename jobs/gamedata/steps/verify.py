"""The verify step: name ``.pt`` files that are gone or differ from their part, retire their rows, and exit with 65.

Only parts are changed, and each new part is written before the old one is deleted; ``.pt`` files are never changed.
Retired results count as not extracted, so the next extract rebuilds them.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.parts.store import list_parts, list_pt_files, read_part, rewrite_part
from jobs.gamedata.pt.kind import pt_kind
from jobs.gamedata.settings import ExtractSettings
from shared.errors import EXIT_DATA, EXIT_OK, DataError, ObjectChanged, ObjectMissing
from shared.failure import Failure
from shared.report import Part, Report, Shares, Table
from shared.settings.next_command import next_command
from shared.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.gamedata.settings import VerifySettings
    from shared.ledger import StageRun
    from shared.report import Section
    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["run"]

_READERS: Final = 4
_SHOWN: Final = 200
# Maximum findings that are also logged; if a whole bucket was deleted, 200,000 lines would not help.
_NAMED: Final = 20
# Codes of findings and their meanings.
_FINDINGS: Final = {
    "pt_missing": "its .pt file no longer exists",
    "pt_changed": "its .pt file is not the one that was committed",
    "pt_damaged": "the bytes of its .pt file changed under the same ETag",
    "pt_moved": "its .pt file has the committed bytes but another ETag: the bucket was copied",
    "part_broken": "the part cannot be read",
    "pt_unrecorded": "no part records the current content of this .pt file",
    "pt_legacy": "a pickled .pt file of the original pipeline",
    "pt_invalid": "not a .pt file of telecine",
}
_TONES: Final = ("red", "dark-red", "brown", "amber", "violet-2", "gray", "light-gray", "blue-2")
_RETIRED: Final = frozenset({"pt_missing", "pt_changed", "pt_damaged", "part_broken"})

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Findings:
    parts: set[str] = field(default_factory=set)  # keys of parts that this step checked or wrote
    recorded: set[str] = field(default_factory=set)  # keys of .pt files that a row records
    sound: set[str] = field(default_factory=set)  # keys of .pt files that match a row
    rows: list[tuple[str, str, str]] = field(default_factory=list)  # (.pt key, item, verdict)
    others: list[tuple[str, str]] = field(default_factory=list)  # (item, code)

    def add(self, row: dict[str, Any], verdict: str) -> None:
        self.rows.append((row["pt_key"], row["s3_key"], verdict))
        if verdict in ("", "pt_moved"):
            self.sound.add(row["pt_key"])

    def unrecorded(self, listing: dict[str, ObjectInfo], prefix: str) -> list[str]:
        """Return the keys of ``.pt`` files that no row records."""
        return [key for key in listing if key not in self.recorded and key.startswith(prefix)]

    def verdicts(self) -> list[tuple[str, str]]:
        """Return (item, verdict) of each result, except those whose file a later run replaced and recorded."""
        return [(item, verdict) for key, item, verdict in self.rows if verdict != "pt_changed" or key not in self.sound]


def run(settings: VerifySettings, stage_run: StageRun) -> Report:
    """Compare every committed result with its ``.pt`` file, and return the report.

    Without ``--quick`` each file is read and hashed. The exit code is 65 if a result is damaged, missing or replaced.
    With ``--dry-run`` nothing is changed, and the exit code is 65 if anything does not match.

    Args:
        settings: settings of the step.
        stage_run: used only for progress.

    Raises:
        BucketMissing: the bucket or folder does not exist.
    """
    store = open_store(settings.manifest_bucket, settings)
    listing = list_pt_files(store)
    findings = _Findings()
    pending = [info.key for info in list_parts(store)]
    stage_run.progress.start(len(pending), "parts")
    while pending:
        merged = False
        for key in pending:
            findings.parts.add(key)
            merged |= not _verify_part(store, key, listing, settings, findings)
            stage_run.progress.advance()
        # A concurrent extract or compaction may have moved rows to a part that is newer than the listing.
        later = list_parts(store) if merged or findings.unrecorded(listing, settings.prefix) else []
        pending = [info.key for info in later if info.key not in findings.parts]
    for key in findings.unrecorded(listing, settings.prefix):
        findings.others.append((key, "pt_unrecorded" if settings.quick else _kind(store, listing[key])))
    stage_run.progress.finish()
    return _report(findings, settings)


def _verify_part(
    store: ObjectStore,
    key: str,
    listing: dict[str, ObjectInfo],
    settings: VerifySettings,
    findings: _Findings,
) -> bool:
    """Check one part; return False if it was merged after the listing."""
    try:
        table = read_part(store, key)
    except ObjectMissing:
        return False
    if table is None:
        findings.others.append((key, "part_broken"))
        if not settings.dry_run:
            store.delete(key)
        return True
    rows = table.select(["s3_key", "outcome", "stored", "pt_key", "pt_size", "pt_etag", "pt_sha256"]).to_pylist()
    selected = [row["stored"] and row["outcome"] == "ok" and row["s3_key"].startswith(settings.prefix) for row in rows]
    with ThreadPoolExecutor(_READERS) as pool:
        verdicts = list(
            pool.map(
                lambda pair: _judge(store, pair[0], listing, quick=settings.quick) if pair[1] else "",
                zip(rows, selected, strict=True),
            )
        )
    for row, verdict, is_selected in zip(rows, verdicts, selected, strict=True):
        if is_selected:
            findings.add(row, verdict)
        if row["stored"]:
            findings.recorded.add(row["pt_key"])
    if not settings.dry_run and any(verdicts):
        etags = [
            listing[row["pt_key"]].etag if verdict == "pt_moved" else row["pt_etag"]
            for row, verdict in zip(rows, verdicts, strict=True)
        ]
        findings.parts.add(_rewrite(store, key, table, verdicts, etags))
    return True


def _judge(store: ObjectStore, row: dict[str, Any], listing: dict[str, ObjectInfo], *, quick: bool) -> str:
    info = listing.get(row["pt_key"])
    if info is None or info.etag != row["pt_etag"]:
        # A concurrent extract may have written it after the listing.
        try:
            info = listing[row["pt_key"]] = store.stat(row["pt_key"])
        except DataError:  # also a key that the store cannot hold, in a part that another program wrote
            return "pt_missing"
    same = info.etag == row["pt_etag"] and info.size == row["pt_size"]
    if quick or info.size != row["pt_size"]:
        return "" if same else "pt_changed"
    try:
        sound = _sha256(store, info) == row["pt_sha256"]
    except (ObjectMissing, ObjectChanged) as error:
        return "pt_missing" if isinstance(error, ObjectMissing) else "pt_changed"
    if same:
        return "" if sound else "pt_damaged"
    return "pt_moved" if sound else "pt_changed"


def _sha256(store: ObjectStore, info: ObjectInfo) -> str:
    digest = hashlib.sha256()
    for chunk in store.stream(info.key, etag=info.etag):
        digest.update(chunk)
    return digest.hexdigest()


def _kind(store: ObjectStore, info: ObjectInfo) -> str:
    try:
        kind = pt_kind(store.read(info.key, etag=info.etag))
    except (ObjectMissing, ObjectChanged):
        return "pt_unrecorded"
    return {"legacy": "pt_legacy", "invalid": "pt_invalid"}.get(kind, "pt_unrecorded")


def _rewrite(store: ObjectStore, key: str, table: pa.Table, verdicts: Sequence[str], etags: Sequence[str]) -> str:
    position = PART_SCHEMA.get_field_index("pt_etag")
    renewed = table.set_column(position, PART_SCHEMA.field("pt_etag"), pa.array(etags, pa.string()))
    valid = renewed.filter(pa.array(np.array([verdict not in _RETIRED for verdict in verdicts])))
    written = rewrite_part(store, valid) if len(valid) else ""
    if written != key:
        store.delete(key)
    return written


def _report(findings: _Findings, settings: VerifySettings) -> Report:
    judged = findings.verdicts()
    named = list(dict.fromkeys([*((item, verdict) for item, verdict in judged if verdict), *findings.others]))
    counts = Counter(finding for _, finding in named)
    retired = sum(counts[code] for code in _RETIRED)
    for item, finding in named[:_NAMED]:
        _log.warning("%s: %s: %s", item, finding, _FINDINGS[finding], extra={"item": item})
    if len(named) > _NAMED:
        _log.warning("%d more findings are in the report", len(named) - _NAMED)
    if retired and not settings.dry_run:
        command = next_command("gamedata extract", model=ExtractSettings, settings=settings)
        _log.warning("retired results: %d; to rebuild them, run: %s", retired, command)
    code = EXIT_DATA if retired or (settings.dry_run and counts) else EXIT_OK
    return Report(
        status="failed" if code else "partial" if counts else "success",
        exit_code=code,
        counts={
            "checked": len(judged),
            "sound": sum(verdict in ("", "pt_moved") for _, verdict in judged),
            "to_retire" if settings.dry_run else "retired": retired,
        },
        rejects=dict(sorted(counts.items())),
        failures=[Failure(item, finding, _FINDINGS[finding]) for item, finding in named],
        outputs={"manifest_bucket": settings.manifest_bucket},
        sections=_sections(named, sum(verdict == "" for _, verdict in judged)),
    )


def _sections(named: Sequence[tuple[str, str]], same: int) -> list[Section]:
    counts = Counter(code for _, code in named)
    parts = [Part("same", "teal-2"), *(Part(code, tone) for code, tone in zip(_FINDINGS, _TONES, strict=True))]
    values = [same, *(counts[code] for code in _FINDINGS)]
    sections: list[Section] = []
    if any(values):
        sections.append(Shares("Objects by finding", "objects", parts, [("results, parts and .pt files", values)]))
    if named:
        shown = named[:_SHOWN]
        sections.append(
            Table(
                "Mismatches",
                ["item", "code", "meaning"],
                [[item, finding, _FINDINGS[finding]] for item, finding in shown],
                note="Retired rows count as not extracted. No .pt file is changed.",
                explains=shown,
                total=len(named),
            )
        )
    return sections
