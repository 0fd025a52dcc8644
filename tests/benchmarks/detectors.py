"""Precision and recall of the checks on drawn sessions that no threshold was tuned on; docs/checks.md tells the kinds.

What is counted is exact and the same on every machine: seeds fix the variants.
"""

from __future__ import annotations

import functools
import math
import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.benchmarks._table import print_table, progress
from tests.detectors.inputs import input_kinds, input_variant
from tests.detectors.kinds import CHECKS, HELD_OUT, TUNING, all_kinds
from tests.detectors.measured import Measured, each, measured
from tests.detectors.score import DEVICES, Count, count, count_inputs, input_rows, judge, references_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["detectors"]

_MENU = "is_video_mostly_menu"
_COLUMNS = ("tp", "fp", "fn", "tn", "precision", "recall")


def detectors(*, quick: bool = False) -> None:
    """Print the scores: ten variants of every kind through real videos; three from their pictures with ``quick``."""
    many = 3 if quick else 10
    way = "pictures" if quick else "tar"
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        draw = functools.partial(_measured, way=way, thumbnails=not quick)
        progress("drawing, encoding and extracting held-out variants")
        items = list(pool.map(draw, each(range(HELD_OUT, HELD_OUT + many)), chunksize=8))
        ways = {"static": judge_all(items), "references": judge_all(items, references=True)}
        if not quick:
            ways["model"] = _with_model(pool, items)
    _pictures(items, ways)
    _erring(items, ways)
    _inputs(many)


def judge_all(
    items: Sequence[Measured], *, references: bool = False, shares: Sequence[float | None] = ()
) -> list[dict[str, Any]]:
    """Judge variants by the checks, with their menus' screenshots in one folder, or a model's shares."""
    folder = references_of(picture for item in items for picture in item.references) if references else None
    return judge([item.row for item in items], folder, shares=shares)


def _measured(of: tuple[str, int], *, way: Any, thumbnails: bool) -> Measured:
    return measured(*of, way, thumbnails=thumbnails)


def _with_model(pool: ProcessPoolExecutor, items: Sequence[Measured]) -> list[dict[str, Any]]:
    from tests.benchmarks._menu_model import menu_shares, train

    progress("training a menu model on the tuning variants")
    draw = functools.partial(_measured, way="pictures", thumbnails=True)
    seen = list(pool.map(draw, each(range(TUNING, TUNING + 6)), chunksize=8))
    return judge_all(items, shares=menu_shares(train(seen), items))


def _cells(found: Count) -> list[str]:
    rates = ("" if math.isnan(rate) else f"{rate:.3f}" for rate in (found.precision, found.recall))
    return [*(str(number) for number in (found.tp, found.fp, found.fn, found.tn)), *rates]


def _pictures(items: Sequence[Measured], ways: dict[str, list[dict[str, Any]]]) -> None:
    rows = []
    theirs = [item.original for item in items]
    groups = list(dict.fromkeys(kind.group for kind in all_kinds().values()))
    for check in CHECKS:
        for way, said in ways.items():
            if check != _MENU and way != "static":
                continue
            name = f"{check}, {way}" if check == _MENU else check
            for group in groups:
                both = [count(items, each_said, check, group=group) for each_said in (said, theirs)]
                if any(found.tp or found.fp or found.fn for found in both):  # the others are right, and of no interest
                    rows.append([name, group, *_cells(both[0]), *_cells(both[1])])
            rows.append([name, "all", *_cells(count(items, said, check)), *_cells(count(items, theirs, check))])
            beyond = count(items, said, check, untold=True)
            if beyond != Count():
                others = count(items, theirs, check, untold=True)
                rows.append([name, "cannot be told", *_cells(beyond), *_cells(others)])
    columns = ["check", "variants", *_COLUMNS, *(f"orig. {name}" for name in _COLUMNS)]
    print_table(f"detectors: {len(items)} held-out sessions, {len(items) // len(all_kinds())} of a kind", columns, rows)


def _erring(items: Sequence[Measured], ways: dict[str, list[dict[str, Any]]]) -> None:
    rows = []
    for check in CHECKS:
        for name in all_kinds():
            counts = [
                count(items, said, check, name=name, untold=None)
                for way, said in ways.items()
                if check == _MENU or way == "static"
            ]
            if any(found.fp or found.fn for found in counts):
                kind = all_kinds()[name]
                truth = "yes" if kind.truth.of(check) else "no"
                wrong = " ".join(f"{found.fp + found.fn}" for found in counts)
                total = sum(getattr(counts[0], cell) for cell in ("tp", "fp", "fn", "tn"))
                rows.append([check, name, truth, total, wrong, "" if check in kind.untold else "told"])
    columns = ["check", "kind", "truth", "sessions", f"wrong (menus by {', '.join(ways)})", "cue"]
    print_table("detectors: kinds that a check errs on", columns, rows)


def _inputs(many: int) -> None:
    progress("inputs.csv of every kind")
    variants = [input_variant(name, HELD_OUT + seed) for seed in range(many) for name in input_kinds()]
    said = judge(input_rows(variants))
    rows = []
    for label in (*DEVICES, "has_unusable_timestamps"):
        name = label if label == "has_unusable_timestamps" else f"input_device_class = {label}"
        rows.append([name, "all", *_cells(count_inputs(variants, said, label))])
        rows.append([name, "cannot be told", *_cells(count_inputs(variants, said, label, untold=True))])
    title = f"detectors: {len(variants)} held-out inputs.csv, {many} of a kind; the original has no such checks"
    print_table(title, ["check", "variants", *_COLUMNS], rows)
