"""Error codes that the exit hook counts separately; all others count as ``other``."""

from __future__ import annotations

from typing import Final

from jobs.trakt.errors import ITEM_CODES, PAGE_CODES

__all__ = ["CODES"]

CODES: Final = (*PAGE_CODES, *(code for code in ITEM_CODES if code not in PAGE_CODES))
"""Codes of pages and of items: a template has at most 100 metrics, and ``media`` has the codes of all pipelines."""
