"""Every kind of video against a full sequential decode by another process; ``tests/pictures`` has the matrix."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import av

from tests.benchmarks._table import progress
from tests.pictures.command import run_command
from tests.pictures.matrix import FORMS, MODES, run
from tests.pictures.studio import STRIDES
from tests.pictures.tables import print_report
from tests.pictures.videos import videos

__all__ = ["pictures"]


def pictures(*, quick: bool) -> None:
    """Print the outcome of every combination, by kind.

    Args:
        quick: only the videos of ``make test``.

    Raises:
        SystemExit: a stored picture is wrong and not marked.
    """
    av.logging.set_level(None)
    chosen = [video for video in videos() if video.sample or not quick]
    with tempfile.TemporaryDirectory(prefix="telecine-pictures-") as folder:
        report = run(Path(folder), itertools.product(chosen, MODES, FORMS))
        progress("the command line")
        usual = [video for video in chosen if video.sample and video.strides == STRIDES]
        with tempfile.TemporaryDirectory(prefix="telecine-pictures-") as other:
            by_command = run_command(usual[:: 4 if quick else 1], Path(other))
    print_report("stored frames against a full sequential decode", report)
    print_report("the same through telecine gamedata extract", by_command)
    wrong = report.wrong + by_command.wrong
    if wrong:
        raise SystemExit("\n".join(["wrong and not marked:", *wrong]))
