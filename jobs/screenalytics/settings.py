"""Parameters of the screenalytics steps: flags, variables, Argo parameters and docs are derived from these fields.

Within a section, parameters appear in the order of this file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveInt, SecretStr

from jobs.screenalytics.keys import check_prefix, check_root
from shared.settings import StepSettings, setting
from shared.settings.base import HOW_IT_RUNS, LIMITS, WHERE, Group
from shared.settings.next_command import next_command
from shared.settings.storage import Auth  # noqa: TC001 - pydantic resolves this annotation
from shared.storage import Bucket, default_bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "IngestSettings",
    "ReplaySettings",
    "SampleSettings",
    "SchemaSettings",
    "SourceSettings",
    "VerifySettings",
    "WriteManifestSettings",
    "next_step",
]

_UTC_OFFSET = re.compile(r"[Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]")
_TABLE = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*")


def _roots(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("expected at least one folder, such as {prefix}/runs/{run_id}/")
    return tuple(check_root(root) for root in value)


def _table(value: str) -> str:
    if not _TABLE.fullmatch(value):
        raise ValueError("expected schema.table in lower case, such as screenalytics.outbox_events")
    return value


def _offset(value: str) -> str:
    if value and not _UTC_OFFSET.fullmatch(value):
        raise ValueError("expected Z or an offset such as -05:00")
    return value


_ACCESS: Final = Group("How the bucket is read", 20)
_ARRIVAL: Final = Group("How runs are found", 30)
_CHECKS: Final = Group("Checks", 40)
_WRITTEN: Final = Group("What is written", 20)


class SourceSettings(StepSettings, pipeline="screenalytics"):
    """Settings that locate runs and control how they are read."""

    bucket: Bucket = setting(
        default_factory=lambda: default_bucket("screenalytics"),
        default_text="screenalytics",
        description="Read runs from this bucket name, s3://bucket, folder or file:///folder.",
        form="Bucket with the runs: a name or s3://bucket.",
        group=WHERE,
    )
    prefix: Annotated[str, AfterValidator(check_prefix)] = setting(
        "derived",
        description="Look for manifests at PREFIX/runs/RUN/manifest.json; / for no prefix.",
        group=WHERE,
    )
    artifact_roots: Annotated[tuple[str, ...], AfterValidator(_roots)] = setting(
        ("{prefix}/runs/{run_id}/", "runs/{show}/s{season}/e{episode}/{run_id}/", "runs/{ep_id}/{run_id}/"),
        description="Accept a run's artifacts only in these folders.",
        detail="{prefix}, {run_id}, {ep_id}, {show}, {season} and {episode} are replaced; {run_id} is required.",
        form="Folders that may hold a run's artifacts, comma-separated; {prefix}, {run_id}, {ep_id}, {show}, {season} "
        "and {episode} are replaced, and {run_id} is required.",
        group=WHERE,
    )
    auth: Auth = setting(
        "ambient",
        description="Read the bucket with these credentials.",
        detail="ambient uses the AWS SDK's own chain (such as a pod's role); profile uses a profile from the SDK's "
        "files; static uses the access key given here; anonymous sends unsigned requests.",
        form="ambient: keys of the store or the pod's role; profile, static: from the chart's "
        "screenalytics.existingSecret; anonymous: no keys.",
        group=_ACCESS,
    )
    profile: str | None = setting(None, description="Use this AWS profile, if auth is profile.", group=_ACCESS)
    access_key_id: str | None = setting(None, description="Use this access key, if auth is static.", group=_ACCESS)
    secret_access_key: SecretStr | None = setting(
        None, description="Use this secret access key, if auth is static.", secret=True, group=_ACCESS
    )
    session_token: SecretStr | None = setting(
        None, description="Use this session token, if the access key is temporary.", secret=True, group=_ACCESS
    )
    unverified: bool = setting(False, description="Accept artifacts without a checksum in the manifest.", group=_CHECKS)
    grace_min: Annotated[float, Field(ge=0, allow_inf_nan=False)] = setting(
        15.0,
        unit="min",
        description="Retry incomplete runs until their manifest is this old.",
        detail="Until then, artifacts may be missing or the manifest may be half-written.",
        group=_CHECKS,
    )
    max_manifest_mb: PositiveInt = setting(1, unit="MB", description="Reject larger manifests.", group=LIMITS)
    max_artifact_mb: PositiveInt = setting(
        16, unit="MB", description="Reject larger artifacts, before and after unpacking.", group=LIMITS
    )


class IngestSettings(SourceSettings, pipeline="screenalytics"):
    """Settings of `ingest`, which writes new runs to screenalytics.runs and .person_metrics."""

    arrival: Literal["both", "events", "poll"] = setting(
        "both",
        description="Find runs by outbox events, by listing the prefix, or both.",
        detail="both handles the events first.",
        group=_ARRIVAL,
    )
    outbox_url: SecretStr | None = setting(
        None,
        default_text="the database URL",
        description="Read the outbox table in this PostgreSQL database.",
        group=_ARRIVAL,
        secret=True,
    )
    outbox_table: Annotated[str, AfterValidator(_table)] = setting(
        "screenalytics.outbox_events", description="Read events from this table (schema.table).", group=_ARRIVAL
    )
    enabled: bool = setting(
        True,
        description="Run the stage; otherwise skip it and exit with 0.",
        form="Run the stage; false skips it without failing.",
        group=HOW_IT_RUNS,
    )
    readers: Annotated[int, Field(ge=1, le=64)] = setting(
        8, description="Read this many runs in parallel.", group=HOW_IT_RUNS
    )
    dry_run: bool = setting(
        False, description="Read and check everything, but write only to the run ledger.", group=HOW_IT_RUNS
    )
    max_attempts: PositiveInt = setting(
        5,
        description="Set a run or event aside after this many failures.",
        detail="A run is then read again only if its manifest changes or it is replayed.",
        group=LIMITS,
    )
    max_failed: Annotated[int, Field(ge=0)] = setting(
        0,
        description="Fail (exit 65) if more than this many runs fail.",
        form="Fail the step if more than this many runs fail.",
        group=LIMITS,
    )


class ReplaySettings(SourceSettings, pipeline="screenalytics"):
    """Settings of `replay`, which retries runs that failed, were quarantined, set aside or changed."""

    run: str = setting("", description="Replay this run.", argument=True)
    all: bool = setting(
        False, description="Replay every run that is rejected, quarantined or set aside.", group=HOW_IT_RUNS
    )
    accept_changed: bool = setting(
        False,
        description="Replace the rows of a run whose manifest has changed.",
        detail="The old rows are kept as history.",
        group=HOW_IT_RUNS,
    )
    dry_run: bool = setting(
        False, description="Read and check everything, but write only to the run ledger.", group=HOW_IT_RUNS
    )
    max_failed: Annotated[int, Field(ge=0)] = setting(
        0, description="Fail (exit 65) if more than this many runs fail.", group=LIMITS
    )


class VerifySettings(SourceSettings, pipeline="screenalytics"):
    """Settings of `verify`, which compares the tables with the store."""

    quick: bool = setting(
        False, description="Compare only ETags of manifests, without reading artifacts.", group=HOW_IT_RUNS
    )
    mark_deleted: bool = setting(
        True, description="Mark runs whose manifest is gone as source_deleted.", group=HOW_IT_RUNS
    )


class WriteManifestSettings(SourceSettings, pipeline="screenalytics"):
    """Settings of `write-manifest`, which builds manifests for runs of a producer that writes none."""

    run: str = setting(description="Write the manifest of this run; separate several runs with commas.", argument=True)
    ep_id: str = setting(
        "",
        default_text="from the run's files",
        description="Use this episode id, such as rhoslc-s06e11.",
        detail="Needed only if no file of the run has an episode_id.",
        group=_WRITTEN,
    )
    completed_at: str = setting(
        "",
        default_text="from the run's files",
        description="Use this completion time, such as 2025-12-23T15:16:12Z.",
        detail="Needed only if no file of the run has a time.",
        group=_WRITTEN,
    )
    utc_offset: Annotated[str, AfterValidator(_offset)] = setting(
        "",
        default_text="none",
        description="Add this offset to times without one, such as Z or -05:00.",
        detail="Needed only if the producer writes times without an offset, which the contract refuses.",
        group=_WRITTEN,
    )
    summary: str = setting(
        "",
        default_text="screentime.json or person_metrics.json",
        description="Use the object with this key as the run's summary.",
        detail="Needed only if a run has several summaries.",
        group=_WRITTEN,
    )
    replace: bool = setting(
        False,
        description="Replace a different document at the manifest's key.",
        detail="The old document is kept next to it, as manifest.replaced-DIGEST.json.",
        group=_WRITTEN,
    )
    dry_run: bool = setting(False, description="Check everything and print the manifest.", group=HOW_IT_RUNS)


class SchemaSettings(StepSettings, pipeline="screenalytics"):
    """Settings of `schema`, which prints the contract as JSON Schema."""

    manifest_version: Literal["1.0"] = setting("1.0", description="Print this version of the contract.")
    example: bool = setting(False, description="Print an example instead of the schema.")


class SampleSettings(StepSettings, pipeline="screenalytics"):
    """Settings of `sample`, which writes a small set of runs with known outcomes."""

    output: Bucket = setting(
        default_factory=lambda: default_bucket("screenalytics"),
        default_text="screenalytics",
        description="Write the runs to this bucket or folder.",
        group=WHERE,
    )
    prefix: Annotated[str, AfterValidator(check_prefix)] = setting(
        "derived", description="Write the runs below PREFIX/runs/; / for no prefix.", group=WHERE
    )
    runs: Annotated[int, Field(ge=0, le=100_000)] = setting(
        6, description="Write this many good runs, besides those of each kind.", group=_WRITTEN
    )
    persons: Annotated[int, Field(ge=1, le=10_000)] = setting(
        12, description="Put this many persons into each good run.", group=_WRITTEN
    )
    include: tuple[str, ...] = setting(
        (), default_text="all", description="Write only these kinds, by name.", group=_WRITTEN
    )
    seed: int = setting(
        1,
        description="Seed the random generator.",
        detail="Another seed produces different persons and times.",
        group=_WRITTEN,
    )


_STEPS: Final[Mapping[str, type[SourceSettings]]] = {
    "ingest": IngestSettings,
    "replay": ReplaySettings,
    "verify": VerifySettings,
    "write-manifest": WriteManifestSettings,
}


def next_step(settings: SourceSettings | None, name: str, *words: str) -> str:
    """Return a command for a message, complete with the flags of the command that prints it.

    Args:
        settings: settings of the command that prints the message; None adds no flags.
        name: name of the next step.
        words: its arguments and flags.
    """
    return next_command(f"screenalytics {name}", *words, model=_STEPS[name], settings=settings)
