"""trakt as a whole and in parts, and other clients against the same site."""

from __future__ import annotations

from tests.benchmarks._trakt_bronze import bronze
from tests.benchmarks._trakt_clients import clients
from tests.benchmarks._trakt_contract import contract
from tests.benchmarks._trakt_gold import gold
from tests.benchmarks._trakt_metrics import metrics
from tests.benchmarks._trakt_whole import whole

__all__ = ["main"]

_PARTS = {
    "contract": contract,
    "bronze": bronze,
    "metrics": metrics,
    "gold": gold,
    "clients": clients,
    "whole": whole,
}


def main(part: str = "", *, quick: bool = False) -> None:
    """Run all parts, or one."""
    for name, run in _PARTS.items():
        if part in {"", name}:
            run(quick=quick)
