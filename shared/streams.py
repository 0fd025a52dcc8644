"""Write text on standard output and standard error, with secrets hidden and escape sequences shown as text."""

from __future__ import annotations

import sys

from shared.scrub import hide_known, scrub
from shared.text import printable

__all__ = ["write_error", "write_out"]


def write_out(text: str) -> None:
    """Write text on standard output, followed by a line break if it has none."""
    sys.stdout.write(_ended(text))


def write_error(text: str) -> None:
    """Write text on standard error, followed by a line break if it has none, and flush it."""
    sys.stderr.write(_ended(text))
    sys.stderr.flush()


def _ended(text: str) -> str:
    # Rules for secrets by form could break a JSON document; those who make one scrub its values.
    safe = printable(hide_known(text) if text[:1] in ("{", "[") else scrub(text))
    return safe if safe.endswith("\n") else safe + "\n"
