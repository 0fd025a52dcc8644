"""Which artifacts of a run are read, and where they lie."""

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

__all__ = ["SUMMARY", "plan"]

SUMMARY: Final = "person_metrics"
"""The kind of the artifacts that are read."""

# Each is held in memory; a run has had one so far.
_MAX_SUMMARIES: Final = 16


def plan(store: ObjectStore, parsed: RunManifest, settings: SourceSettings) -> Summaries:
    """Check all that a manifest says of its artifacts, before the first request.

    Several summaries are valid when no person is in two of them.

    Returns:
        What is fetched: artifact_key -> reference and key within the store.

    Raises:
        Rejected: ``DUPLICATE_ARTIFACT``, ``NO_SUMMARY``, ``TOO_MANY``, a code of :meth:`ArtifactFolders.key`,
            ``UNSUPPORTED_ARTIFACT_VERSION``, ``CHECKSUM_MISSING`` or ``TOO_LARGE``.
    """
    seen: set[str] = set()
    for place, ref in enumerate(parsed.artifacts):
        if ref.artifact_key in seen:
            message = f"the manifest names the artifact {ref.artifact_key!r} twice"
            raise reject(
                "DUPLICATE_ARTIFACT", message, json_pointer=f"/artifacts/{place}", artifact_key=ref.artifact_key
            )
        seen.add(ref.artifact_key)
    found = [(place, ref) for place, ref in enumerate(parsed.artifacts) if ref.artifact_kind == SUMMARY]
    if not found:
        message = f"none of the run's {len(parsed.artifacts)} artifacts has the artifact_kind {SUMMARY}"
        raise reject("NO_SUMMARY", message, json_pointer="/artifacts", expected=SUMMARY)
    if len(found) > _MAX_SUMMARIES:
        message = f"{len(found)} artifacts are {SUMMARY}; at most {_MAX_SUMMARIES} are read"
        raise reject("TOO_MANY", message, json_pointer="/artifacts")
    places = ArtifactFolders.of(
        settings.artifact_roots,
        prefix=settings.prefix,
        run_id=parsed.run_id,
        ep_id=parsed.ep_id,
        source=store.uri,
    )
    planned: Summaries = {}
    for place, ref in found:
        try:
            planned[ref.artifact_key] = (ref, places.key(ref.s3_key))
        except Rejected as error:
            about = {"json_pointer": f"/artifacts/{place}/s3_key", "artifact_key": ref.artifact_key}
            raise reject(error.code, f"artifact {ref.artifact_key!r}: {error}", **error.data | about) from None
        if ref.schema_version not in KINDS:
            message = (
                f"artifact {ref.artifact_key!r} has the schema_version {shown(ref.schema_version)}, which is not "
                f"supported; valid is {', '.join(KINDS)}"
            )
            about = {"json_pointer": f"/artifacts/{place}/schema_version", "artifact_key": ref.artifact_key}
            facts = {"expected": ", ".join(KINDS), "actual": ref.schema_version[:80]}
            raise reject("UNSUPPORTED_ARTIFACT_VERSION", message, **about, **facts)
        check_declared(ref, settings)
    return planned
