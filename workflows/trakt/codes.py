"""Error codes that the exit hook counts separately; all others count as ``other``."""

from __future__ import annotations

from typing import Final

from jobs.trakt.errors import PAGE_CODES

__all__ = ["CODES", "IN_MEDIA"]

CODES: Final = tuple(PAGE_CODES)
"""Codes of pages that could not be read."""

IN_MEDIA: Final[tuple[str, ...]] = ()
"""The same in ``media``, whose hook has the codes of all pipelines: 98 metrics of the 100 that Argo allows."""
