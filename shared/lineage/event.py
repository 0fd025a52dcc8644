"""Run events of the OpenLineage specification 2-0-2: JSON documents without our own hosts and paths.

Source: https://openlineage.io/spec/2-0-2/OpenLineage.json, and the facets named by the constants below.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = ["Dataset", "EventType", "Job", "run_event", "run_uuid"]

EventType = Literal["START", "COMPLETE", "FAIL", "ABORT"]

_SPEC: Final = "https://openlineage.io/spec"
_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
# The specification requires a URI; a URN names no host.
_PRODUCER: Final = "urn:telecine:lineage"

# Facet -> version and name of its schema.
_FACETS: Final[Mapping[str, tuple[str, str]]] = {
    "schema": ("1-1-1", "SchemaDatasetFacet"),
    "columnLineage": ("1-2-0", "ColumnLineageDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
    "outputStatistics": ("1-0-2", "OutputStatisticsOutputDatasetFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "parent": ("1-0-1", "ParentRunFacet"),
    "jobType": ("2-0-3", "JobTypeJobFacet"),
}


@dataclass(frozen=True, slots=True)
class Job:
    """A step as a job.

    Attributes:
        name: stable name, such as ``trakt.publish``.
        parent: name of the job that contains it, such as ``trakt``; empty for none.
    """

    name: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that a step reads or writes.

    Attributes:
        name: stable name, such as ``gold.trakt_titles``; never a path, a host or a bucket.
        columns: column -> type, in order; empty if it has none.
        sources: column -> the columns from which it is computed, as pairs of dataset and column.
        version: version that was read or written; None if it has none.
        rows: rows that were written; None if they were not counted.
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    version: str | None = None
    rows: int | None = None


def run_uuid(run_id: str, job: str, attempt: int = 0) -> str:
    """Return the UUID of one attempt at a job in a run; equal arguments yield the same UUID.

    A run id may be any word, but OpenLineage requires a UUID.

    Example:
        >>> run_uuid("run-1", "trakt.publish", 1) == run_uuid("run-1", "trakt.publish", 1)
        True
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_PRODUCER}/{run_id}/{job}/{attempt}"))


def run_event(
    kind: EventType,
    job: Job,
    *,
    run_id: str,
    attempt: int,
    namespace: str,
    at: datetime,
    inputs: Sequence[Dataset] = (),
    outputs: Sequence[Dataset] = (),
    error: str | None = None,
) -> dict[str, Any]:
    """Return the event for the start or the end of a job.

    Args:
        kind: START, or how the job ended.
        job: the job.
        run_id: the run that the job is part of.
        attempt: number of the attempt, from 1.
        namespace: namespace of the job and the datasets.
        at: time of the event, with a zone.
        inputs: datasets that it reads.
        outputs: datasets that it writes.
        error: message of the error that ended it; secrets are removed, and it is capped.
    """
    facets: dict[str, Any] = {}
    if job.parent:
        parent = {"namespace": namespace, "name": job.parent}
        facets["parent"] = _facet("parent", run={"runId": run_uuid(run_id, job.parent)}, job=parent)
    if error is not None:
        facets["errorMessage"] = _facet("errorMessage", message=clean_text(error), programmingLanguage="Python")
    kind_of_job = _facet("jobType", processingType="BATCH", integration="TELECINE", jobType="STEP")
    return {
        "eventType": kind,
        "eventTime": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "run": {"runId": run_uuid(run_id, job.name, attempt), "facets": facets},
        "job": {"namespace": namespace, "name": job.name, "facets": {"jobType": kind_of_job}},
        "inputs": [_dataset(each, namespace) for each in inputs],
        "outputs": [_dataset(each, namespace, is_output=True) for each in outputs],
        "producer": _PRODUCER,
        "schemaURL": _EVENT,
    }


def _dataset(dataset: Dataset, namespace: str, *, is_output: bool = False) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    if dataset.columns:
        columns = [{"name": name, "type": kind} for name, kind in dataset.columns.items()]
        facets["schema"] = _facet("schema", fields=columns)
    if dataset.version is not None:
        facets["version"] = _facet("version", datasetVersion=dataset.version)
    document: dict[str, Any] = {"namespace": namespace, "name": dataset.name, "facets": facets}
    if is_output:
        if dataset.sources:
            facets["columnLineage"] = _facet("columnLineage", fields=_sources(dataset, namespace))
        if dataset.rows is not None:
            document["outputFacets"] = {"outputStatistics": _facet("outputStatistics", rowCount=dataset.rows)}
    return document


def _sources(dataset: Dataset, namespace: str) -> dict[str, Any]:
    return {
        column: {"inputFields": [{"namespace": namespace, "name": name, "field": of} for name, of in sources]}
        for column, sources in dataset.sources.items()
    }


def _facet(name: str, **values: Any) -> dict[str, Any]:
    version, schema = _FACETS[name]
    url = f"{_SPEC}/facets/{version}/{schema}.json#/$defs/{schema}"
    return {"_producer": _PRODUCER, "_schemaURL": url, **values}
