"""skeleton (D1)."""
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from jobs.gamedata.model import InputStatistics
def read_inputs(content: bytes) -> InputStatistics: ...
