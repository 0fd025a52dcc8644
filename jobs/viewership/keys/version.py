"""The version of the keys: stored keys of another version are computed again."""

from __future__ import annotations

from typing import Final

__all__ = ["KEY_VERSION"]

KEY_VERSION: Final = 1
"""Raise it whenever a function of this package returns a different key for any text."""
