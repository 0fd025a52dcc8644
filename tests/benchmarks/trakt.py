"""trakt in parts: answers checked against the contract, and page objects into the bronze table."""

from __future__ import annotations

from tests.benchmarks._trakt_bronze import bronze
from tests.benchmarks._trakt_contract import contract

__all__ = ["main"]

_PARTS = {"contract": contract, "bronze": bronze}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
