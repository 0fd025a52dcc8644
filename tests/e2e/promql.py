"""Prometheus's own engine over scraped pages; `tests/cluster/build.sh promql` builds it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["evaluate", "held"]


def evaluate(rules: Path, pages: Sequence[tuple[float, str]], binary: Path) -> list[dict[str, Any]]:
    """Evaluate every alert's expression at the time of the last page.

    Range and offset leave out their older end: a page exactly 15 minutes before the last is not in ``[15m]``, and
    ``offset 15m`` sees pages that are between 15 and, by the lookback, less than 20 minutes old.

    Args:
        rules: a rule file, such as the chart's.
        pages: Unix seconds and the text that the target served then.
        binary: `promql-eval`.

    Returns:
        For each alert ``alert``, ``expr``, ``error`` (or None), ``missing`` (metrics that it names and no page has) and
        ``result``: a list of ``labels`` and ``value``. It fires if the list is not empty and its ``for`` has passed.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, (at, text) in enumerate(pages):
            path = Path(folder) / f"{number}.txt"
            path.write_text(text, encoding="utf-8")
            files.append(f"{path}@{at:.3f}")
        done = subprocess.run([binary, rules, *files], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise AssertionError(done.stderr)
    found = json.loads(done.stdout)
    for each in found:
        for sample in each["result"]:
            sample["value"] = float(sample["value"])
    return found


def held(pages: Sequence[tuple[float, str]], every: float = 60) -> list[tuple[float, str]]:
    """Return the history that scrapes would have recorded if each page had stayed until the next."""
    found = []
    for (at, text), (ends, _) in pairwise(pages):
        times = (at + every * number for number in range(int((ends - at) // every) + 1))
        found += [(each, text) for each in times if each < ends]
    return [*found, pages[-1]]
