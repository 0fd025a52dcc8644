"""skeleton (D1)."""
from __future__ import annotations
from typing import Any
def parse_metadata(content: bytes) -> dict[str, Any]: ...
