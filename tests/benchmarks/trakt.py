"""trakt in parts: contract checks, page objects into the bronze table, metrics of titles, queries of gold."""

from __future__ import annotations

from tests.benchmarks._trakt_bronze import bronze
from tests.benchmarks._trakt_contract import contract
from tests.benchmarks._trakt_gold import gold
from tests.benchmarks._trakt_metrics import metrics

__all__ = ["main"]

_PARTS = {"contract": contract, "bronze": bronze, "metrics": metrics, "gold": gold}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
