"""Three clients against the same sites: what each of them loses, what it says about it, and what it costs.

Each client is a process that reads all titles with their comments and ratings, with its own defaults, and stores them:
ours in Delta, the original's as JSON Lines, dlt's in DuckDB. The quota is lifted, and waits move the site's clock
instead of taking time. A row is lost if it was there before and after, and is not stored; it is lost unseen if the
client does not name its title as failed or incomplete. Requests are divided by those needed: the pages of 250 at the
end, and two for each title.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.replayer.clock import START, iso, parse_iso
from tests.benchmarks._dlt import PROGRAM, VERSION, dlt_python
from tests.benchmarks._process import Measured, measured
from tests.benchmarks._table import machine, print_table, progress
from tests.benchmarks._trakt_site import Served, needed, served
from tests.benchmarks._trakt_whole import telecine

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["clients"]

_SCENARIOS: Final = ("calm", "storm", "cuts", "html")
_QUICK: Final = ("storm",)
_COMMENTS: Final = 60_000
_COLUMNS: Final = (
    *("client", "rows", "lost", "lost unseen", "doubled", "requests", "of these with a fault", "x needed"),
    *("s", "rows/s", "peak MB", "site's minutes"),
)
_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class _Stored:
    """The rows that a client has stored.

    Attributes:
        copies: id of a comment -> how often the same observation of it is stored.
        failed: titles that it names as failed or incomplete.
        done: its process.
    """

    copies: Counter[int]
    failed: set[str]
    done: Measured


def clients(*, quick: bool = False) -> None:
    """Print what each client loses and needs, scenario by scenario."""
    python = dlt_python()
    ways: dict[str, Callable[[Served, Path], _Stored]] = {"telecine": _ours, "original": _original}
    if python is not None:
        ways[f"dlt {VERSION}, paginator of ours"] = partial(_dlt, python, "header")
        if not quick:
            ways[f"dlt {VERSION}, PageNumberPaginator"] = partial(_dlt, python, "page")
    world = {} if quick else {"comments": _COMMENTS}
    print(machine())
    for name in _QUICK if quick else _SCENARIOS:
        rows = []
        for way, client in ways.items():
            progress(f"{name}: {way}")
            with served(name, **world) as site, TemporaryDirectory(prefix="telecine-bench-") as folder:
                rows.append([way, *_row(site, client(site, Path(folder)))])
        print_table(
            f"Scenario {name}",
            _COLUMNS,
            rows,
        )
    if python is None:
        print(f"\ndlt {VERSION} cannot be installed here and is left out.")


def _row(site: Served, stored: _Stored) -> list[str]:
    status = site.status()
    minimum = needed(site.titles_now())
    before, after = site.comments(iso(START)), site.comments()
    lost = [title for comment, title in after.items() if comment in before and comment not in stored.copies]
    rows = stored.copies.total()
    done = stored.done
    return [
        f"{rows:,}",
        f"{len(lost):,}",
        f"{sum(title not in stored.failed for title in lost):,}",
        f"{rows - len(stored.copies):,}",
        f"{status['requests']:,}",
        f"{sum(status['faults'].values()):,}",
        f"{status['requests'] / minimum:.3f}",
        f"{done.s:.1f}",
        f"{rows / done.s:,.0f}",
        f"{done.together_mb:,.0f}",
        f"{(parse_iso(status['now']) - START) / 60_000:.0f}",
    ]


def _ours(site: Served, folder: Path) -> _Stored:
    from deltalake import DeltaTable

    (folder / "titles.txt").write_text("\n".join(site.titles))
    arguments = ["--watch-list", "titles.txt", "--request-quota", "0", "--advance-replayer"]
    done = telecine(["ingest", *arguments], folder, site.url)
    reports = list(folder.glob(".telecine/reports/*/report.json"))
    if not reports:
        raise RuntimeError(f"ingest ended with {done.code}: {done.err[-1000:]}")
    failures = json.loads(reports[0].read_text())["failures"]
    table = DeltaTable(str(folder / "bucket" / "bronze" / "trakt"))
    found = table.to_pyarrow_table([("resource_kind", "=", "comment")], ["comment_id", "payload_sha256"])
    observed = Counter(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))
    copies: Counter[int] = Counter()
    for (comment, _), times in observed.items():
        # A comment that changed while it was read is stored once per observation.
        copies[comment] = max(copies[comment], times)
    # A title is named as in the watch list, or movie-1001 once its id is known.
    named = {re.sub("^(movie|show)-", r"\1:id:", failure["item"]) for failure in failures}
    return _Stored(copies, named, done)


def _original(site: Served, folder: Path) -> _Stored:
    module = "tests.benchmarks._original_client"
    return _run([sys.executable, "-m", module, site.url, str(folder / "rows.jsonl"), json.dumps(site.titles)], folder)


def _dlt(python: str, way: str, site: Served, folder: Path) -> _Stored:
    return _run([python, "-c", PROGRAM, site.url, str(folder), json.dumps(site.titles), way], folder)


def _run(argv: list[str], folder: Path) -> _Stored:
    environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
    if argv[0] != sys.executable:
        del environ["PYTHONPATH"]
    done = measured(argv, folder, environ)
    if done.code:
        raise RuntimeError(f"{argv[1:3]} ended with {done.code}: {done.err[-1000:]}")
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return _Stored(Counter(found["ids"]), set(found["failed"]), done)
