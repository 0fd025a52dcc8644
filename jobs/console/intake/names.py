"""Names of uploaded files. A name is text to show and to record; it never becomes a path."""

from __future__ import annotations

import re
from typing import Final

from jobs.console.errors import Refused
from shared.text import cut, one_line

__all__ = ["MOST_CHARS", "file_name"]

MOST_CHARS: Final = 255
"""The limit of file systems and of the table."""

# Argo replaces {{…}} in parameters, and Kubernetes $(…) in the arguments of a container.
_TEMPLATES: Final = re.compile(r"\{\{|\}\}|\$\(")
_SHOWN: Final = 60


def file_name(raw: bytes) -> str:
    """Return the name of an uploaded file.

    Quotes, brackets and spaces are usual in names and are kept. All other unusual names are refused instead of
    changed: a changed name is not the one that the user looks for later.

    Args:
        raw: the name as it is in the form.

    Raises:
        Refused: 400 ``bad_name``: the name is not UTF-8, too long, has folders, characters that are not printed (such
            as NUL or marks of writing direction), or text that a workflow would replace.
    """
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("is not UTF-8", repr(raw[:_SHOWN])) from None
    shown = repr(cut(name, _SHOWN))
    if len(name) > MOST_CHARS:
        raise _refused(f"has {len(name):,} characters", shown, f"at most {MOST_CHARS}")
    if one_line(name) != name:
        raise _refused("has characters that are not printed", shown)
    if "/" in name or "\\" in name or name.strip() in ("", ".", ".."):
        raise _refused("is a path", shown, "a name without folders")
    if _TEMPLATES.search(name):
        raise _refused("has '{{', '}}' or '$(', which a workflow would replace", shown)
    return name


def _refused(what: str, shown: str, expected: str = "a usual name, such as july.csv") -> Refused:
    return Refused(400, f"the file name {shown} {what}; expected {expected}; rename the file", code="bad_name")
