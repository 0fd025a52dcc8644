"""viewership: uploads to units (parts ``units``, ``wide``); matching on labelled rows (``accuracy``, ``speed``)."""

from __future__ import annotations

from tests.benchmarks._matching import accuracy, speed
from tests.benchmarks._uploads import units, wide

__all__ = ["main"]

_PARTS = {"units": units, "wide": wide, "accuracy": accuracy, "speed": speed}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
