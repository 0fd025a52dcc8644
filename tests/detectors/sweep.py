"""Effect of other threshold values: ``python -m tests.detectors.sweep [variants per kind]``.

Runs on the tuning variants, through real videos; docs/checks.md quotes it. Each threshold is moved alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.gamedata.checks import menu_references
from jobs.gamedata.checks.built_in import inputs, menu, timestamps, vision
from jobs.gamedata.frames import _stillness
from jobs.gamedata.frames.statistics import _bands, measure
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session.decode import decode_session
from tests.detectors.inputs import input_kinds, input_variant
from tests.detectors.kinds import CHECKS, TUNING, variant
from tests.detectors.measured import Measured, each
from tests.detectors.score import Count, count, count_inputs, input_rows, judge, references_of
from tests.detectors.session import SPEC, row_of, tar_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

DARK, BARS, MENU, EMPTY = CHECKS
CLOCK = "has_unusable_timestamps"
UNIT = _stillness._UNIT
# A blank module is a setting of the manifest.
SETTING = None

# threshold: module, name, values, and what one stands for where that is another figure; the check that it moves.
Threshold = tuple["ModuleType | None", str, tuple[float, ...], float, str]
MEASURED: tuple[Threshold, ...] = (
    (_stillness, "_TEXTURE", (0.75, 1.0, 1.5, 2.0), UNIT, MENU),
    (_stillness, "_MOVED", (0.4, 0.6, 0.8, 1.2), UNIT, MENU),
    (_stillness, "_CHANGE", (15, 20, 30, 40, 50), 1, MENU),
    (_stillness, "_GRAIN", (0, 0.5, 1.0, 1.5), UNIT, MENU),
    (_stillness, "_NEAR", (1, 2, 4, 8, 16, 30), 1, MENU),
    (_stillness, "_EMPTY_PERCENT", (40, 50, 60, 80, 101), 1, MENU),
    (_stillness, "_EMPTY_PERCENT", (40, 50, 60, 80, 101), 1, DARK),
)
JUDGED: tuple[Threshold, ...] = (
    (SETTING, "dark_luma", (8, 10, 12, 15, 18, 22), 1, DARK),
    (SETTING, "dark_share", (0.3, 0.4, 0.5, 0.6, 0.7), 1, DARK),
    (vision, "MIN_BAR", (0.01, 0.02, 0.03, 0.04, 0.05), 1, BARS),
    (vision, "LIT_LUMA", (5, 10, 15, 20, 30), 1, BARS),
    (vision, "MIN_MIDDLE", (0, 0.1, 0.2, 0.4), 1, BARS),
    (vision, "MIN_LIT_SHARE", (0, 0.25, 0.5), 1, BARS),
    (vision, "STEADY_SHARE", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8), 1, BARS),
    (vision, "CLOSE_SHARE", (0.8, 0.9, 0.95, 1.0), 1, BARS),
    (vision, "LOOSE_SHARE", (0, 0.1, 0.3, 1), 1, BARS),
    (menu, "STATIC_SHARE", (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8), 1, MENU),
    (SETTING, "menu_threshold", (0.3, 0.4, 0.5, 0.6, 0.7), 1, MENU),
    (menu_references, "LIKENESS", (0.85, 0.9, 0.93, 0.95, 0.97, 0.99), 1, MENU),
    (inputs, "PLAIN", (3, 4, 5, 6, 9, 99), 1, EMPTY),
)
INPUTS: tuple[Threshold, ...] = (
    (inputs, "MIN_DEVICE_TIME", (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4), 1, "mixed"),
    (inputs, "MIN_DEVICE_TIME", (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4), 1, "gamepad"),
    (timestamps, "MAX_UNORDERED_SHARE", (0.0005, 0.005, 0.02, 0.05, 0.1), 1, CLOCK),
    (timestamps, "MAX_SPAN_FACTOR", (1.1, 1.5, 2, 3, 5, 10), 1, CLOCK),
    (timestamps, "MAX_SPAN_EXTRA_S", (0, 30, 60, 120), 1, CLOCK),
)


def main(many: int = 24) -> None:
    """Print every threshold's table."""
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        drawn = list(pool.map(_draw, each(range(TUNING, TUNING + many)), chunksize=8))
        items = [item for item, _ in drawn]
        for threshold in MEASURED:
            print(f"{threshold[1]} -> {threshold[4]}")
            for value in threshold[2]:
                with _changed(threshold, value):
                    said = judge([_static_again(item.row, luma) for item, luma in drawn])
                _say(threshold, value, items, said)
    references = references_of(picture for item in items for picture in item.references)
    for threshold in JUDGED:
        print(f"{threshold[1]} -> {threshold[4]}")
        folder = references if threshold[0] is menu_references else None
        for value in threshold[2]:
            with _changed(threshold, value) as settings:
                said = judge([item.row for item in items], folder, **settings)
            _say(threshold, value, items, said)
    recordings = [input_variant(name, TUNING + seed) for seed in range(many) for name in input_kinds()]
    rows = input_rows(recordings)
    for threshold in INPUTS:
        print(f"{threshold[1]} -> {threshold[4]}")
        for value in threshold[2]:
            with _changed(threshold, value):
                found = count_inputs(recordings, judge(rows), threshold[4])
            print(f"  {value:<8g} {_rates(found)}")


@contextlib.contextmanager
def _changed(threshold: Threshold, value: float) -> Iterator[dict[str, float]]:
    """Set a threshold; what is a setting of the manifest is given back instead."""
    module, name, _, unit, _ = threshold
    if module is None:
        yield {name: value}
        return
    before = getattr(module, name)
    setattr(module, name, int(value * unit) if module is _stillness else value)
    try:
        yield {}
    finally:
        setattr(module, name, before)


def _draw(of: tuple[str, int]) -> tuple[Measured, np.ndarray]:
    found = variant(*of)
    session, luma = decode_session(BytesSource(tar_of(found)), SPEC)
    known = session.statistics
    session.statistics = measure(luma, known.signature, known.time_s, known.corrupt)
    none = np.zeros((0, 3, 1, 1), np.uint8)
    return Measured(*of, row_of(found, session), {}, found.references, none), luma


def _static_again(row: dict[str, Any], luma: np.ndarray) -> dict[str, Any]:
    share = _stillness.static_share(np, luma, np.array(row["frame_time_s"], np.float64), _bands(np, luma))
    return row | {"frame_static_share": share.tolist()}


def _say(threshold: Threshold, value: float, items: Sequence[Measured], said: Sequence[dict[str, Any]]) -> None:
    text = _rates(count(items, said, threshold[4]))
    beyond = count(items, said, threshold[4], untold=True)
    print(f"  {value:<8g} {text}" + (f"; of what cannot be told {_rates(beyond)}" if beyond != Count() else ""))


def _rates(found: Count) -> str:
    return f"precision {found.precision:.3f} recall {found.recall:.3f} (fp {found.fp} fn {found.fn})"


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
