"""Values that several settings share: the user, names of sources, groups of flags."""

from __future__ import annotations

import getpass
import os
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PositiveInt

from shared.settings import setting
from shared.settings.base import Group

__all__ = ["READING", "SHOWN", "WRITTEN", "Actor", "UploadId", "by", "user"]

READING: Final = Group("How the file is read", 30)
SHOWN: Final = Group("What is shown", 70)
WRITTEN: Final = Group("What is written", 20)

Actor = Annotated[str, Field(min_length=1, max_length=200)]


def _upload(value: Any) -> Any:
    if isinstance(value, str) and not value.strip().lstrip("+-").isdigit():
        raise ValueError("expected the number of an upload, as in `telecine viewership uploads`")
    return value


UploadId = Annotated[PositiveInt, BeforeValidator(_upload)]
"""The number of an upload. Users often pass a file name instead."""


def user() -> str:
    """Return the name of the operating system's user; in a container, the user's number may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def by(group: Group) -> Any:
    """Return the setting `by`: the name under which a change is recorded.

    Args:
        group: the group of the flag in the help.
    """
    return setting(
        default_factory=user,
        default_text="the operating system user",
        description="Record this name as the author of the change.",
        group=group,
    )
