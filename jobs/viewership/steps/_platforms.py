"""Checks of the platforms that a user names: a misspelled one must not look like an empty result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.uploads.formats.library import load_formats, shipped_formats
from jobs.viewership.uploads.formats.model import near_miss
from shared.errors import UsageError
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.viewership.settings.formats import InterpretationSettings
    from shared.database.session import DatabaseSession

__all__ = ["check_new_platform", "check_platforms", "shipped_platforms"]


def check_new_platform(settings: InterpretationSettings, session: DatabaseSession) -> None:
    """Check the platform under which rows would be stored: under a misspelled one, all would be held.

    Args:
        settings: the platform, and the folder of formats.
        session: a transaction.

    Raises:
        UsageError: no format, deal or upload has this platform, but one with a similar name exists.
    """
    if settings.platform is None:
        return
    known = {found.platform for found in load_formats(settings.formats_dir).values()}
    known |= {
        row.platform
        for row in session.rows(
            "SELECT lower(platform) AS platform FROM catalog.deals UNION SELECT platform FROM viewership.scopes"
        )
        if row.platform
    }
    near = near_miss(settings.platform, sorted(known)) if settings.platform not in known else ""
    if near:
        raise UsageError(
            f"--platform {one_line(settings.platform)}: no format, deal or upload has this platform{near} For a new "
            "platform, import its deals first: `telecine viewership catalog import FILE`"
        )


def check_platforms(session: DatabaseSession, names: Iterable[str], *, also: Iterable[str] = ()) -> None:
    """Check that uploads of these platforms exist.

    Args:
        session: a transaction.
        names: platforms that a user names.
        also: platforms that are known without an upload.

    Raises:
        UsageError: one is unknown; the message suggests the nearest name.
    """
    wanted = list(names)
    if not wanted:
        return
    known = {row.platform for row in session.rows("SELECT DISTINCT platform FROM viewership.scopes")} | set(also)
    for name in wanted:
        if name not in known:
            near = near_miss(name, sorted(known))
            listed = ", ".join(sorted(known)) or "none, because nothing has been uploaded"
            raise UsageError(
                f"platform '{one_line(name)}' has no uploads{near}{' Platforms:' if near else '; expected one of:'}"
                f" {listed}"
            )


def shipped_platforms() -> set[str]:
    """Return the platforms of the shipped formats, which are known even before the first upload."""
    return {found.platform for found in shipped_formats().values()}
