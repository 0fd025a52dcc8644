"""Read a build of gold in the bucket: its manifest, and the pointer to the current build."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from shared.errors import DataError, ObjectMissing, UsageError

if TYPE_CHECKING:
    from shared.storage import ObjectStore

__all__ = ["BUILD_PATTERN", "MANIFEST", "POINTER", "ROOT", "TABLES", "Build", "GoldFile", "read_build"]

TABLES: Final = (
    "trakt_titles",
    "trakt_comments_daily",
    "trakt_engagement_daily",
    "trakt_metrics_daily",
    "trakt_quadrants_daily",
)
"""The published tables of schema gold; each is one file of a build."""

# Tables whose file may contain only some days; the others are always replaced as a whole.
_BY_DAY: Final = frozenset({"trakt_engagement_daily", "trakt_metrics_daily", "trakt_quadrants_daily"})

ROOT: Final = "gold/"
POINTER: Final = "gold/current.json"
MANIFEST: Final = "manifest.json"
BUILD_PATTERN: Final = r"^[0-9a-z][0-9a-z.-]{0,127}$"
# A manifest is about 1 kB.
_LONGEST: Final = 1 << 20

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class GoldFile(BaseModel):
    """One Parquet file of a build."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    file: Annotated[str, StringConstraints(pattern=r"^[0-9a-z][0-9a-z_.-]{0,127}$")] = Field(
        description="Name in the build's folder."
    )
    rows: Annotated[int, Field(ge=0)] = Field(description="Number of rows.")
    sha256: _Sha256 = Field(description="SHA-256 of the file.")
    replaces: Literal["all", "days"] = Field(
        description="all: the file is the whole table; days: it replaces the days of `as_of` that it contains."
    )


class Build(BaseModel):
    """The manifest of a build: its inputs and its files."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    build_id: Annotated[str, StringConstraints(pattern=BUILD_PATTERN)] = Field(description="Name of its folder.")
    format: Literal[1] = Field(description="Version of this document.")
    bronze_version: Annotated[int, Field(ge=0, lt=2**63)] = Field(description="Version of the Delta table.")
    project_hash: _Sha256 = Field(description="SHA-256 of the models.")
    as_of: date = Field(description="The day for which it was built.")
    run_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="The run that built it."
    )
    source_system: Literal["trakt", "replay"] = Field(description="The API, or the replayer.")
    erasures: Annotated[int, Field(ge=0)] = Field(0, description="Erasures of the Delta table up to that version.")
    tables: dict[str, GoldFile] = Field(description="Table -> its file.")

    @model_validator(mode="after")
    def _all_tables(self) -> Build:
        if missing := [table for table in TABLES if table not in self.tables]:
            raise ValueError(f"tables lacks {', '.join(missing)}")
        for table in TABLES:
            if self.tables[table].replaces == "days" and table not in _BY_DAY:
                raise ValueError(f"{table} cannot be replaced by days; expected replaces: all")
        return self

    def key(self, table: str) -> str:
        """Return the key of a table's file."""
        return f"{ROOT}{self.build_id}/{self.tables[table].file}"

    def files(self) -> dict[str, Any]:
        """Return SHA-256, rows and mode of each published file, by table; equal contents give equal values."""
        return {table: self.tables[table].model_dump(exclude={"file"}) for table in TABLES}


def read_build(store: ObjectStore, build_id: str | None, *, build_again: str) -> Build:
    """Read the manifest of a build.

    Args:
        store: the bucket.
        build_id: name of the build; None reads the pointer to the current one.
        build_again: the command that builds, for messages.

    Raises:
        UsageError: the named build does not exist; or, without a name, nothing has been built yet.
        DataError: the pointer or the manifest is not valid (code ``GOLD_INVALID``).
    """
    if build_id is None:
        pointer = _document(store, POINTER, build_again)
        if pointer is None:
            raise UsageError(f"{store.uri}/{POINTER} does not exist; expected a build of gold; run: {build_again}")
        build_id = pointer.get("build")
        if not isinstance(build_id, str) or not re.match(BUILD_PATTERN, build_id):
            raise _invalid(store, POINTER, "it names no build", build_again)
    key = f"{ROOT}{build_id}/{MANIFEST}"
    document = _document(store, key, build_again)
    if document is None:
        raise UsageError(f"{store.uri}/{key} does not exist; expected the name of a build; run: {build_again}")
    try:
        return Build.model_validate({**document, "build_id": build_id})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise _invalid(store, key, f"{place}: {first['msg']}", build_again) from error


def _document(store: ObjectStore, key: str, build_again: str) -> dict[str, Any] | None:
    try:
        body = store.read(key, length=_LONGEST)
    except ObjectMissing:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _invalid(store, key, "it is not JSON", build_again) from error
    if not isinstance(document, dict):
        raise _invalid(store, key, "it is not an object", build_again)
    return document


def _invalid(store: ObjectStore, key: str, what: str, build_again: str) -> DataError:
    return DataError(
        f"{store.uri}/{key} is not valid: {what}; expected a document written by the models; run: {build_again}",
        code="GOLD_INVALID",
    )
