"""Error codes that the exit hook counts separately; all others count as ``other``."""

from __future__ import annotations

from typing import Final

from jobs.trakt.errors import PAGE_CODES, TitleUnknown

__all__ = ["CODES"]

CODES: Final = (*PAGE_CODES, TitleUnknown.default_code)
"""Codes of failed titles: the code of one of their pages, or the code of an unknown title."""
