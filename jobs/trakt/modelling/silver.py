"""Copy silver's comments and their history out of the current DuckDB file, with dbt's Python, which has DuckDB."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from jobs.trakt.modelling.cache import ModelCache
from jobs.trakt.modelling.environment import dbt_python
from shared.errors import IntegrityError
from shared.text import clean_text

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.trakt.modelling.cache import Cached
    from jobs.trakt.settings.model import ModelSettings

__all__ = ["COLUMNS", "HISTORY", "SELECT", "export_silver"]

COLUMNS: Final = (
    *("comment_id", "payload_sha", "title_kind", "title_id_trakt", "season", "episode", "parent_id", "created_at"),
    *("updated_at", "body", "likes", "replies", "user_rating", "user_rating_first_seen", "user_key", "first_seen_at"),
    *("last_seen_at", "is_deleted", "deleted_at", "day", "is_reply", "is_review", "is_spoiler", "is_backfilled"),
    *("changed_at", "is_time_out_of_range", "is_edited", "language", "play_count", "completed_count", "is_private"),
    *("is_user_deleted", "is_vip"),
)
"""Columns of a comment that are copied: all except ``is_synthetic``, of which a bucket has one value."""

HISTORY: Final = (
    *("valid_from", "valid_to", "change", "payload_sha", "title_kind", "title_id_trakt", "season", "episode", "likes"),
    *("replies", "likes_change"),
)
"""Columns of a state of a comment: the fields of the list ``history`` of each comment."""

# A history without a comment is copied too.
SELECT: Final = (
    f"WITH states AS (SELECT comment_id, list(struct_pack({', '.join(HISTORY)})"  # noqa: S608 - only names from above
    " ORDER BY valid_from, payload_sha IS NULL) AS history FROM silver.int_trakt__comment_history GROUP BY comment_id)"
    f" SELECT {', '.join(COLUMNS)}, history"
    " FROM silver.stg_trakt__comment_event FULL JOIN states USING (comment_id) ORDER BY comment_id"
)
"""The query of the copy: one row per comment, with its history, oldest first."""

_TIMEOUT_S: Final = 600.0
# Threads: a pod may have half a core.
_COPY: Final = """
import duckdb, sys
source, target, query = sys.argv[1:]
connection = duckdb.connect(source, read_only=True, config={"threads": 2, "autoinstall_known_extensions": False})
connection.execute("SET TimeZone = 'UTC'")
connection.sql(query).write_parquet(target)
"""


def export_silver(settings: ModelSettings, target: Path) -> Cached | None:
    """Copy the comments, each with its history, to a Parquet file, and return their build; None if there is none here.

    Args:
        settings: name the folder of builds, and dbt's Python.
        target: the file that is written.

    Raises:
        DbtMissing: dbt's environment does not exist.
        IntegrityError: the DuckDB file cannot be read.
    """
    cache = ModelCache(settings, settings.dbt_timeout_s)
    if cache.current() is None:
        return None
    python = dbt_python(settings)
    # A build would delete the file.
    with cache.locked():
        build = cache.current()
        if build is None:
            return None
        done = subprocess.run(  # noqa: S603 - a list of arguments, and no shell
            [str(python), "-I", "-c", _COPY, str(cache.path(build)), str(target), SELECT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
            env={"HOME": str(target.parent), "TMPDIR": str(target.parent)},
            cwd=target.parent,
        )
    if done.returncode:
        said = clean_text(done.stderr.decode(errors="replace"), 1_000).strip().rsplit("\n", 1)[-1]
        raise IntegrityError(
            f"{cache.path(build)} cannot be read: {said}; it is a cache: delete {cache.folder} and model again"
        )
    return build
