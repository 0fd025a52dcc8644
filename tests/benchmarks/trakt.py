"""trakt in parts: answers checked against the contract."""

from __future__ import annotations

from tests.benchmarks._trakt_contract import contract

__all__ = ["main"]

_PARTS = {"contract": contract}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
