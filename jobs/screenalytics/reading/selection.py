"""Select the artifacts to read: 1 to 16 of kind ``person_metrics``; check what the manifest declares about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.screenalytics.contract.kinds import KINDS
from jobs.screenalytics.contract.run_manifest import MAX_SUMMARIES, SUMMARY
from jobs.screenalytics.contract.validated import refuse_all, shown
from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.keys import ArtifactFolders
from jobs.screenalytics.reading.fetch import check_declared
from shared.text import cut

if TYPE_CHECKING:
    from jobs.screenalytics.contract.run_manifest import ArtifactRef, RunManifest
    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

    Summaries = dict[str, tuple[ArtifactRef, str]]

__all__ = ["select_summaries"]


def select_summaries(store: ObjectStore, parsed: RunManifest, settings: SourceSettings) -> Summaries:
    """Check everything a manifest declares about its artifacts, without any request, and return those to fetch.

    A run may have several summaries, as long as no person is in two of them. The error lists all problems.

    Returns:
        artifact_key -> reference and key in the store.

    Raises:
        Rejected: ``DUPLICATE_ARTIFACT``, ``NO_SUMMARY``, ``TOO_MANY``, a code of :meth:`ArtifactFolders.key`,
            ``UNSUPPORTED_ARTIFACT_VERSION``, ``CHECKSUM_MISSING`` or ``TOO_LARGE``.
    """
    errors: list[Rejected] = []
    names: set[str] = set()
    for number, ref in enumerate(parsed.artifacts):
        if ref.artifact_key in names:
            message = f"the manifest names the artifact {ref.artifact_key!r} twice"
            location = {"json_pointer": f"/artifacts/{number}", "artifact_key": ref.artifact_key}
            errors.append(reject("DUPLICATE_ARTIFACT", message, **location))
        names.add(ref.artifact_key)
    selected = [(number, ref) for number, ref in enumerate(parsed.artifacts) if ref.artifact_kind == SUMMARY]
    if not selected:
        message = (
            f"the run has {len(parsed.artifacts)} artifacts; expected at least one with the artifact_kind {SUMMARY}"
        )
        errors.append(reject("NO_SUMMARY", message, json_pointer="/artifacts", expected=SUMMARY))
    if len(selected) > MAX_SUMMARIES:
        message = f"the run has {len(selected)} artifacts of the kind {SUMMARY}; expected at most {MAX_SUMMARIES}"
        errors.append(reject("TOO_MANY", message, json_pointer="/artifacts"))
    folders = ArtifactFolders.of(
        settings.artifact_roots,
        prefix=settings.prefix,
        run_id=parsed.run_id,
        ep_id=parsed.ep_id,
        source=store.uri,
    )
    summaries: Summaries = {}
    for number, ref in selected:
        try:
            summaries[ref.artifact_key] = (ref, folders.key(ref.s3_key))
        except Rejected as error:
            location = {"json_pointer": f"/artifacts/{number}/s3_key", "artifact_key": ref.artifact_key}
            message = f"artifact {ref.artifact_key!r}: {error}"
            errors.append(reject(error.code, message, **error.data | location))
        if ref.schema_version not in KINDS:
            message = (
                f"artifact {ref.artifact_key!r} has the unsupported schema_version {shown(ref.schema_version)}; "
                f"expected one of {', '.join(KINDS)}"
            )
            location = {"json_pointer": f"/artifacts/{number}/schema_version", "artifact_key": ref.artifact_key}
            facts = {"expected": ", ".join(KINDS), "actual": cut(ref.schema_version, 80)}
            errors.append(reject("UNSUPPORTED_ARTIFACT_VERSION", message, **location, **facts))
        try:
            check_declared(ref, settings)
        except Rejected as error:
            field = "size_bytes" if error.code == "TOO_LARGE" else "checksum_sha256"
            location = {"json_pointer": f"/artifacts/{number}/{field}"}
            errors.append(reject(error.code, error.message, **error.data | location))
    if errors:
        raise refuse_all(errors, what="the manifest")
    return summaries
