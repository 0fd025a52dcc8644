"""Find the files of a run whose producer writes no RunManifest: its summary, stage manifests and other files."""

from __future__ import annotations

import hashlib
import posixpath
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.screenalytics.contract.run_manifest import EXPECTED, MAX_ARTIFACTS, SUMMARY, is_local_time
from jobs.screenalytics.contract.validated import shown
from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.keys import EP_ID, ArtifactFolders, manifest_key
from jobs.screenalytics.reading.stage_manifests import (
    STAGE,
    STAGE_FOLDER,
    find_stage_manifests,
    latest_manifests,
    read_document,
)
from jobs.screenalytics.settings import next_step
from shared.errors import ObjectMissing
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.screenalytics.reading.stage_manifests import ProducerManifest
    from jobs.screenalytics.settings import WriteManifestSettings
    from shared.storage import ObjectStore
    from shared.storage.protocol import ObjectInfo

__all__ = ["ProducerFile", "ProducerRun", "find_run"]

_MB: Final = 1_000_000
_GZIP: Final = b"\x1f\x8b"
# Names of the summary in the two generations of the producer.
_SUMMARIES: Final = ("screentime.json", "person_metrics.json")
_EP_ID: Final = re.compile(EP_ID)


@dataclass(frozen=True, slots=True)
class ProducerFile:
    """A file of a run, read and hashed.

    Attributes:
        name: its path within the folder of the run.
        kind: the producer's name for it.
        key: key in the bucket.
        size: bytes, as stored.
        sha256: digest of these bytes.
    """

    name: str
    kind: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ProducerRun:
    """The facts of a run, from the producer's files.

    Attributes:
        ep_id: the episode.
        status: canonical status of the stage that wrote the summary; verbatim if it is not a known status.
        started_at: start of that stage; None if unknown.
        completed_at: its end, or the time in the summary; None if neither is known.
        summary: the file with the persons; None if the run did not succeed.
        version: schema_version of the summary.
        rows: number of entries in the summary.
        files: other files that stage manifests name.
        omitted: names of files in stage manifests that are missing from the bucket, or do not match their digest.
        ignored: stage manifests that were not used, each with its key and the reason.
    """

    ep_id: str
    status: str
    started_at: Any
    completed_at: Any
    summary: ProducerFile | None
    version: str
    rows: int
    files: tuple[ProducerFile, ...]
    omitted: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Folder:
    """The objects of a run: key -> information, and each key's path within its folder."""

    objects: dict[str, ObjectInfo]
    names: dict[str, str]


def find_run(store: ObjectStore, run_id: str, settings: WriteManifestSettings, current: Any) -> ProducerRun:
    """Read the files that a producer left in the bucket for a run.

    Args:
        store: the bucket.
        run_id: the run.
        settings: prefix, artifact roots, and the caller's overrides: episode and summary.
        current: the document at the manifest's key; None if there is none.

    Raises:
        Rejected: ``FIELD_MISSING`` (the episode is unknown), ``FIELD_INVALID`` (it is not an id), ``ID_MISMATCH``,
            ``NO_SUMMARY``, ``DUPLICATE_ARTIFACT`` (several summaries), ``CHECKSUM_MISMATCH``, ``TOO_MANY``,
            ``UNKNOWN_STATUS``, an error of the summary, or of the manifest of the stage that wrote it: without that
            manifest, a failed run would look like a success.
        TransientError: from the store.
    """
    found = _list(store, run_id, settings, settings.ep_id)
    documents, ignored = _manifests(store, run_id, settings, current, found)
    ep_id = _episode(store, run_id, settings, [each.content for each in documents], found)
    if not settings.ep_id:
        # Folders by show are known only once the episode is.
        found = _list(store, run_id, settings, ep_id)
        documents, ignored = _manifests(store, run_id, settings, current, found)
    stages = latest_manifests(each for each in documents if "stage" in each.content)
    ignored += [problem for each in stages if (problem := each.malformed()) is not None]
    stage = next((each for each in stages if each.content["stage"] == STAGE), None)
    status, started_at, completed_at = "success", None, None
    if stage is not None:
        status = stage.status()
        started_at, completed_at = (_time(stage.content.get(name), settings) for name in ("started_at", "finished_at"))
    if status != "success":
        return ProducerRun(ep_id, status, started_at, completed_at, None, "", 0, (), (), tuple(ignored))
    key = _summary_key(run_id, settings, found)
    body = _read(store, found.objects[key], settings)
    document = read_document(_unpacked(body, settings), f"the summary {key}")
    is_list = isinstance(document, list)
    version = "cast_screentime.v1" if is_list else "screentime.v1"
    entries = document if is_list else document.get("metrics") if isinstance(document, dict) else None
    completed_at = _time(settings.completed_at or None, settings) or completed_at
    if completed_at is None:
        sources = [document] if isinstance(document, dict) else []
        sources += [each.content for each in documents]
        generated = (_time(each.get("generated_at"), settings) for each in sources)
        completed_at = next((time for time in generated if time is not None), None)
    if completed_at is None:
        message = (
            f"no file of run {run_id} says when it completed; expected a finished_at or generated_at. Run, with its"
            " time in place of <TIME>, such as 2025-12-23T15:16:12Z:"
            f" {next_step(settings, 'write-manifest', run_id, '--completed-at', '<TIME>')}"
        )
        raise reject("FIELD_MISSING", message, expected="finished_at or generated_at")
    summary = ProducerFile(found.names[key], SUMMARY, key, len(body), hashlib.sha256(body).hexdigest())
    contents = [each.content for each in stages]
    declared = {matched: entry for entry, matched in _declared(contents, found) if matched is not None}
    expected = declared.get(key, {}).get("sha256")
    if expected is not None and str(expected).lower() != summary.sha256:
        message = (
            f"the summary {key} has sha256 {summary.sha256}, but the stage manifest says {shown(expected)}; an upload"
            " that skips existing objects leaves the old one in place. Upload the file again"
        )
        raise reject("CHECKSUM_MISMATCH", message, expected=expected, actual=summary.sha256)
    files, omitted = _other_files(store, contents, found, key)
    rows = len(entries) if isinstance(entries, list) else 0
    return ProducerRun(ep_id, status, started_at, completed_at, summary, version, rows, files, omitted, tuple(ignored))


def _list(store: ObjectStore, run_id: str, settings: WriteManifestSettings, ep_id: str) -> _Folder:
    folders = ArtifactFolders.of(
        settings.artifact_roots, prefix=settings.prefix, run_id=run_id, ep_id=ep_id or "unknown", source=store.uri
    ).folders
    manifest = manifest_key(settings.prefix, run_id)
    found = _Folder({}, {})
    for folder in folders:
        for info in store.list(folder):
            if info.key != manifest and info.key not in found.objects:
                found.objects[info.key] = info
                found.names[info.key] = info.key[len(folder) :]
    return found


def _time(value: Any, settings: WriteManifestSettings) -> str | None:
    """Return a time as the producer has it, with ``--utc-offset`` if it has none.

    Anything but text is returned as text, which the manifest's check refuses.
    """
    if isinstance(value, str) and settings.utc_offset and is_local_time(value):
        return value + settings.utc_offset
    return value if value is None else str(value)


def _episode(
    store: ObjectStore, run_id: str, settings: WriteManifestSettings, documents: list[dict[str, Any]], found: _Folder
) -> str:
    """Return the episode that all files agree on."""
    named: list[Any] = [document.get("episode_id") or document.get("ep_id") for document in documents]
    unreadable: Rejected | None = None
    if not any(named):
        for key in _summaries(found):
            try:
                document = read_document(_unpacked(_read(store, found.objects[key], settings), settings), key)
            except Rejected as error:
                unreadable = error
            else:
                named.append(document.get("episode_id") if isinstance(document, dict) else None)
    known = {str(name) for name in (settings.ep_id, *named) if name}
    if not known and unreadable is not None:
        raise unreadable
    if not known:
        message = (
            f"no file of run {run_id} below {manifest_key(settings.prefix, run_id).removesuffix('manifest.json')} names"
            " its episode; expected an episode_id. Run, with its episode in place of <EPISODE>, such as rhoslc-s06e11:"
            f" {next_step(settings, 'write-manifest', run_id, '--ep-id', '<EPISODE>')}"
        )
        raise reject("FIELD_MISSING", message, expected="episode_id")
    if len(known) > 1:
        message = f"the files of run {run_id} name several episodes: {', '.join(sorted(known))}; expected one"
        raise reject("ID_MISMATCH", message, actual=", ".join(sorted(known)))
    ep_id = known.pop()
    if not _EP_ID.fullmatch(ep_id):
        # It becomes part of folders, which are listed and read.
        message = f"the files of run {run_id} are of episode {cut(ep_id, 200)!r}; expected {EXPECTED['ep_id']}"
        raise reject("FIELD_INVALID", message, actual=ep_id)
    return ep_id


def _manifests(
    store: ObjectStore, run_id: str, settings: WriteManifestSettings, current: Any, found: _Folder
) -> tuple[list[ProducerManifest], list[str]]:
    return find_stage_manifests(store, run_id, settings, current, objects=found.objects, names=found.names)


def _summaries(found: _Folder) -> list[str]:
    # The manifest of the stage screentime has the same name as its summary.
    return [
        key
        for key, name in found.names.items()
        if posixpath.basename(name).removesuffix(".gz") in _SUMMARIES and not name.startswith(STAGE_FOLDER)
    ]


def _summary_key(run_id: str, settings: WriteManifestSettings, found: _Folder) -> str:
    if settings.summary:
        if settings.summary not in found.objects:
            message = f"the summary {settings.summary} is not an object in a folder of run {run_id}"
            raise reject("ARTIFACT_MISSING", message, actual=settings.summary)
        return settings.summary
    keys = _summaries(found)
    if not keys:
        names = " or ".join(_SUMMARIES)
        message = f"run {run_id} has no summary in the bucket; expected {names}; upload it"
        raise reject("NO_SUMMARY", message, expected=names)
    if len(keys) > 1:
        message = (
            f"run {run_id} has {len(keys)} summaries: {', '.join(keys[:5])}; expected one. Choose one, for example:"
            f" {next_step(settings, 'write-manifest', run_id, '--summary', keys[0])}"
        )
        raise reject("DUPLICATE_ARTIFACT", message, actual=", ".join(keys[:5]))
    return keys[0]


def _read(store: ObjectStore, info: ObjectInfo, settings: WriteManifestSettings) -> bytes:
    if info.size > settings.max_artifact_mb * _MB:
        message = f"the summary {info.key} is larger than {settings.max_artifact_mb} MB (--max-artifact-mb)"
        raise reject("TOO_LARGE", message, actual=info.size)
    return b"".join(store.stream(info.key, etag=info.etag))


def _unpacked(body: bytes, settings: WriteManifestSettings) -> bytes:
    """Return a gzip file's content, or the body itself; damaged files are refused when the manifest is checked."""
    if not body.startswith(_GZIP):
        return body
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, settings.max_artifact_mb * _MB + 1)
    except zlib.error as error:
        raise reject("DECODE", f"the summary is not a complete gzip file: {error}") from error


def _declared(stages: list[dict[str, Any]], found: _Folder) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield the files that stage manifests name, each with its key, or None if it is not in the bucket.

    Raises:
        Rejected: ``TOO_MANY`` files are named.
    """
    named = [
        entry
        for stage in stages
        for entries in (stage.get("artifacts"),)
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("path"), str)
    ]
    if len(named) > MAX_ARTIFACTS:
        message = f"the stage manifests name {len(named):,} files; expected at most {MAX_ARTIFACTS:,}"
        raise reject("TOO_MANY", message, actual=len(named))
    keys_of: dict[str, list[str]] = {}  # the last part of a name -> keys
    for key, name in found.names.items():
        keys_of.setdefault(posixpath.basename(name), []).append(key)
    for entry in named:
        yield entry, _key_of(entry["path"], found, keys_of)


def _key_of(path: str, found: _Folder, keys_of: dict[str, list[str]]) -> str | None:
    """Return the key of a local path: the object whose name shares the longest path suffix."""
    parts = path.replace("\\", "/").split("/")[::-1]
    best: list[tuple[int, str]] = []
    for key in keys_of.get(parts[0], ()):
        name = found.names[key]
        shared = 0
        for one, other in zip(parts, name.split("/")[::-1], strict=False):
            if one != other:
                break
            shared += 1
        if shared:
            best.append((shared, key))
    longest = max((shared for shared, _ in best), default=0)
    keys = [key for shared, key in best if shared == longest]
    return keys[0] if len(keys) == 1 else None


def _other_files(
    store: ObjectStore, stages: list[dict[str, Any]], found: _Folder, summary: str
) -> tuple[tuple[ProducerFile, ...], tuple[str, ...]]:
    files: dict[str, ProducerFile] = {}
    omitted: list[str] = []
    for entry, key in _declared(stages, found):
        kind = str(entry.get("logical_name") or "")
        if kind in ("", SUMMARY):  # only the summary has this kind
            kind = posixpath.basename(entry["path"])
        if key is None:
            omitted.append(kind)
            continue
        if key == summary or key in files:
            continue
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in store.stream(key, etag=found.objects[key].etag):
                digest.update(chunk)
                size += len(chunk)
        except ObjectMissing:
            omitted.append(kind)
            continue
        sha256, expected = digest.hexdigest(), entry.get("sha256")
        if expected is not None and str(expected).lower() != sha256:
            omitted.append(kind)
        else:
            files[key] = ProducerFile(found.names[key], kind, key, size, sha256)
    return tuple(files.values()), tuple(omitted)
