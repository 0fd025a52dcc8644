"""Limits that pipelines and the console share."""

from __future__ import annotations

from typing import Final

__all__ = ["REPORT_BYTES"]

REPORT_BYTES: Final = 512 * 1024**2
"""Size of the largest report that viewership reads, and that the console therefore accepts."""
