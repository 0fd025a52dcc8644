"""The look that reports and the console share: colours, cards, tables and charts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["STYLE"]

_FOLDER: Final = Path(__file__).parent

STYLE: Final = "".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("tokens.css", "components.css"))
"""CSS of colours, for light, dark and print, and of the components that use them."""
