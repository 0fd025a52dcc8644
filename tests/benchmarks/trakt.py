"""trakt in parts: answers checked against the contract, queries of gold."""

from __future__ import annotations

from tests.benchmarks._trakt_contract import contract
from tests.benchmarks._trakt_gold import gold

__all__ = ["main"]

_PARTS = {"contract": contract, "gold": gold}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
