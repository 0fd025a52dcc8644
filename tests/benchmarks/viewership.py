"""viewership: matching's accuracy on labelled rows and its speed; parts ``accuracy`` and ``speed``."""

from __future__ import annotations

from tests.benchmarks._matching import accuracy, speed

__all__ = ["main"]

_PARTS = {"accuracy": accuracy, "speed": speed}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
