"""viewership in parts: reading, the catalogue, matching on labelled rows, reprocessing, and files to final rows."""

from __future__ import annotations

from tests.benchmarks._catalog import catalog
from tests.benchmarks._load import loading
from tests.benchmarks._matching import accuracy, speed
from tests.benchmarks._reprocess import reprocessing
from tests.benchmarks._uploads import units, wide

__all__ = ["main"]

_PARTS = {
    "units": units,
    "wide": wide,
    "catalog": catalog,
    "accuracy": accuracy,
    "speed": speed,
    "reprocess": reprocessing,
    "load": loading,
}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
