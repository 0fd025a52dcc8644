"""Select the artifacts to read: 1 to 16 of kind ``person_metrics``; check what the manifest declares about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.screenalytics.contract.kinds import KINDS
from jobs.screenalytics.contract.validated import shown
from jobs.screenalytics.errors import Rejected, reject
from jobs.screenalytics.keys import ArtifactFolders
from jobs.screenalytics.reading.fetch import check_declared

if TYPE_CHECKING:
    from jobs.screenalytics.contract.run_manifest import ArtifactRef, RunManifest
    from jobs.screenalytics.settings import SourceSettings
    from shared.storage import ObjectStore

    Summaries = dict[str, tuple[ArtifactRef, str]]

__all__ = ["SUMMARY", "select_summaries"]

SUMMARY: Final = "person_metrics"
"""The only artifact_kind that is read."""

# Maximum artifacts that are read per run, each of them into memory. So far, every run has had one.
_MAX_SUMMARIES: Final = 16


def select_summaries(store: ObjectStore, parsed: RunManifest, settings: SourceSettings) -> Summaries:
    """Check everything that a manifest declares about its artifacts, without a request, and return those to fetch.

    A run may have several summaries, as long as no person is in two of them.

    Returns:
        artifact_key -> reference and key in the store.

    Raises:
        Rejected: ``DUPLICATE_ARTIFACT``, ``NO_SUMMARY``, ``TOO_MANY``, a code of :meth:`ArtifactFolders.key`,
            ``UNSUPPORTED_ARTIFACT_VERSION``, ``CHECKSUM_MISSING`` or ``TOO_LARGE``.
    """
    names: set[str] = set()
    for number, ref in enumerate(parsed.artifacts):
        if ref.artifact_key in names:
            message = f"the manifest names the artifact {ref.artifact_key!r} twice"
            raise reject(
                "DUPLICATE_ARTIFACT", message, json_pointer=f"/artifacts/{number}", artifact_key=ref.artifact_key
            )
        names.add(ref.artifact_key)
    selected = [(number, ref) for number, ref in enumerate(parsed.artifacts) if ref.artifact_kind == SUMMARY]
    if not selected:
        message = (
            f"the run has {len(parsed.artifacts)} artifacts; expected at least one with the artifact_kind {SUMMARY}"
        )
        raise reject("NO_SUMMARY", message, json_pointer="/artifacts", expected=SUMMARY)
    if len(selected) > _MAX_SUMMARIES:
        message = f"the run has {len(selected)} artifacts of the kind {SUMMARY}; expected at most {_MAX_SUMMARIES}"
        raise reject("TOO_MANY", message, json_pointer="/artifacts")
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
            raise reject(error.code, f"artifact {ref.artifact_key!r}: {error}", **error.data | location) from None
        if ref.schema_version not in KINDS:
            message = (
                f"artifact {ref.artifact_key!r} has the unsupported schema_version {shown(ref.schema_version)}; "
                f"expected one of {', '.join(KINDS)}"
            )
            location = {"json_pointer": f"/artifacts/{number}/schema_version", "artifact_key": ref.artifact_key}
            facts = {"expected": ", ".join(KINDS), "actual": ref.schema_version[:80]}
            raise reject("UNSUPPORTED_ARTIFACT_VERSION", message, **location, **facts)
        check_declared(ref, settings)
    return summaries
