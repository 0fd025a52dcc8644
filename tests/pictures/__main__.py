"""``python -m tests.pictures [WORD ...]``: run the combinations whose kind or name contains a word, and print each.

``sample`` selects those of ``make test``; without words, all run.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import av

from tests.pictures.matrix import FORMS, MODES, run
from tests.pictures.tables import print_report
from tests.pictures.videos import videos

if TYPE_CHECKING:
    from tests.pictures.matrix import Row


def main() -> int:
    """Run, print each combination and the tables; exit with 1 for a wrong picture that is not marked."""
    av.logging.set_level(None)
    words = sys.argv[1:]
    chosen = [
        video
        for video in videos()
        if not words or (video.sample and "sample" in words) or any(w in video.kind or w in video.name for w in words)
    ]
    with tempfile.TemporaryDirectory(prefix="telecine-pictures-") as folder:
        report = run(Path(folder), itertools.product(chosen, MODES, FORMS), each=_explain)
    print_report("stored frames against a full sequential decode", report)
    return int(bool(report.wrong))


def _explain(row: Row) -> None:
    result = row.result
    words = [f"{result.frames} frames, {result.right} right"]
    if result.marked:
        words.append(f"{result.marked} marked ({result.marked_right} of them right)")
    if result.missing:
        words.append(f"{result.missing} missing")
    if result.error:
        words = [("LOST: " if result.lost else "unreadable: ") + result.error[:160]]
    print(f"{row.video.name}, {row.mode}, {row.form}: {', '.join(words)}")
    for text in result.wrong:
        print(f"    WRONG {text}")


if __name__ == "__main__":
    sys.exit(main())
