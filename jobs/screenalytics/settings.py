"""The parameters of every screenalytics step: flags, variables, Argo parameters and the docs table come from here."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, SecretStr

from jobs.screenalytics.keys import check_prefix, check_root
from shared.settings import StepSettings, setting
from shared.storage import Bucket, default_bucket

__all__ = [
    "Auth",
    "IngestSettings",
    "ReplaySettings",
    "SampleSettings",
    "SchemaSettings",
    "SourceSettings",
    "VerifySettings",
]

Auth = Literal["ambient", "profile", "static", "anonymous"]

_TABLE = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*")


def _roots(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("at least one folder is needed, such as {prefix}/runs/{run_id}/")
    return tuple(check_root(root) for root in value)


def _table(value: str) -> str:
    if not _TABLE.fullmatch(value):
        raise ValueError("it must be schema.table in lower case, such as screenalytics.outbox_events")
    return value


class SourceSettings(StepSettings, pipeline="screenalytics"):
    """Where runs lie, and how they are read."""

    bucket: Bucket = setting(
        default_factory=lambda: default_bucket("screenalytics"),
        default_text="screenalytics",
        description="Where runs are: a bucket name, s3://bucket, a folder or file:///folder.",
    )
    prefix: Annotated[str, AfterValidator(check_prefix)] = setting(
        "derived", description="Folder above runs/: manifests are PREFIX/runs/RUN/manifest.json. / for none."
    )
    artifact_roots: Annotated[tuple[str, ...], AfterValidator(_roots)] = setting(
        ("{prefix}/runs/{run_id}/", "runs/{show}/s{season}/e{episode}/{run_id}/"),
        description="Folders in which a run's artifacts may lie; {prefix}, {run_id}, {ep_id}, {show}, {season} and "
        "{episode} are filled in, and {run_id} is needed.",
    )
    auth: Auth = setting(
        "ambient",
        description="Who reads the bucket: ambient is the AWS SDK's own chain (a pod's role), profile a profile of its "
        "files, static the key given here, anonymous nobody.",
    )
    profile: str | None = setting(None, description="Name of the AWS profile, for profile.")
    access_key_id: str | None = setting(None, description="Access key, for static.")
    secret_access_key: SecretStr | None = setting(None, description="Its secret, for static.", secret=True)
    session_token: SecretStr | None = setting(None, description="Its session token, for static.", secret=True)
    grace_min: Annotated[float, Field(ge=0)] = setting(
        15.0,
        unit="min",
        description="A run whose manifest is younger than this may still lack artifacts, or be half-written.",
    )
    max_manifest_mb: PositiveInt = setting(1, unit="MB", description="Larger manifests are refused.")
    max_artifact_mb: PositiveInt = setting(
        16, unit="MB", description="Larger artifacts are refused, before and after they are unpacked."
    )
    unverified: bool = setting(False, description="Accept artifacts without a checksum in the manifest.")


class IngestSettings(SourceSettings, pipeline="screenalytics"):
    """Runs that have arrived -> screenalytics.runs and .person_metrics."""

    enabled: bool = setting(True, description="--no-enabled skips the stage, and ends with 0.")
    arrival: Literal["both", "events", "poll"] = setting(
        "both", description="How runs are found: events of the outbox, then a listing of the prefix; or one of them."
    )
    outbox_url: SecretStr | None = setting(
        None,
        default_text="the database URL",
        description="PostgreSQL database that holds the outbox table.",
        secret=True,
    )
    outbox_table: Annotated[str, AfterValidator(_table)] = setting(
        "screenalytics.outbox_events", description="Schema and name of the outbox table."
    )
    max_attempts: PositiveInt = setting(
        5, description="A run or an event that failed so often is set aside until it is replayed."
    )
    max_failed: Annotated[int, Field(ge=0)] = setting(0, description="Exit with 65 when more runs than this fail.")
    readers: Annotated[int, Field(ge=1, le=64)] = setting(8, description="Runs that are read side by side.")
    dry_run: bool = setting(False, description="Read and check everything; write no row but those of the ledger.")


class ReplaySettings(SourceSettings, pipeline="screenalytics"):
    """Runs that failed or were set aside, once more; changed ones when they are accepted."""

    run: str = setting("", description="The run to replay.", argument=True)
    all: bool = setting(False, description="Replay every run that is rejected, quarantined or set aside.")
    accept_changed: bool = setting(
        False, description="Replace the rows of a run whose manifest has changed; the old ones are kept as history."
    )
    max_failed: Annotated[int, Field(ge=0)] = setting(0, description="Exit with 65 when more runs than this fail.")
    dry_run: bool = setting(False, description="Read and check everything; write no row but those of the ledger.")


class VerifySettings(SourceSettings, pipeline="screenalytics"):
    """Tables and store compared."""

    quick: bool = setting(False, description="Compare manifests' ETags only, without reading artifacts.")
    mark_deleted: bool = setting(True, description="Mark runs whose manifest is gone as source_deleted.")


class SchemaSettings(StepSettings, pipeline="screenalytics"):
    """The contract as JSON Schema."""

    manifest_version: Literal["1.0"] = setting("1.0", description="Version of the manifest.")
    example: bool = setting(False, description="Print an example in place of the schema.")


class SampleSettings(StepSettings, pipeline="screenalytics"):
    """A small set of runs with known outcome."""

    output: Bucket = setting(
        default_factory=lambda: default_bucket("screenalytics"),
        default_text="screenalytics",
        description="Bucket or folder that gets the runs.",
    )
    prefix: Annotated[str, AfterValidator(check_prefix)] = setting(
        "derived", description="Folder above runs/. / for none."
    )
    seed: int = setting(1, description="Another seed gives other persons and times.")
    runs: Annotated[int, Field(ge=0, le=100_000)] = setting(6, description="Good runs beside those of each kind.")
    persons: Annotated[int, Field(ge=1, le=10_000)] = setting(12, description="Persons of a good run.")
    include: tuple[str, ...] = setting((), default_text="all", description="Only these kinds, by name.")
