from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from functools import cache

import pytest

from jobs.viewership.catalog.files import read as read_catalogue
from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.sample.kinds import REPORTS
from jobs.viewership.settings.formats import FormatsCheckSettings, FormatsInferSettings
from jobs.viewership.settings.sample import SampleSettings
from jobs.viewership.steps.formats import infer_file
from jobs.viewership.steps.formats_check import check
from jobs.viewership.steps.sample import make, run
from jobs.viewership.uploads.formats.library import shipped_formats
from shared.errors import UsageError
from shared.samples import RECORD
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun


def _settings(folder, **changes):
    return SampleSettings(output=str(folder), **changes)


@pytest.fixture(scope="module")
def whole_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "viewership"
    report = run(_settings(folder), MemoryStageRun())
    return folder, json.loads((folder / RECORD).read_bytes())["files"], report


def _entry(whole_set, kind):
    folder, record, _ = whole_set
    [(key, entry)] = [(key, entry) for key, entry in record.items() if entry["kind"] == kind]
    return str(folder / key), entry["truth"]


def _read(whole_set, kind, **kwargs):
    file, truth = _entry(whole_set, kind)
    return json.loads(check(FormatsCheckSettings(file=file, json_=True, period=truth["period"], **kwargs))), truth


@pytest.fixture(scope="module")
def read_once(whole_set):
    """Read each kind of report once, when a test first asks."""
    return cache(lambda kind: _read(whole_set, kind))


READ = [kind for kind in REPORTS if kind not in {"header-only", "web-page", "two-hours", "day-or-month", "unknown"}]


def test_the_set_is_written_with_its_ground_truth(whole_set):
    folder, record, report = whole_set
    keys = {info.key for info in open_store(str(folder)).list()}
    assert keys == {RECORD, *record}
    assert report.counts == {"written": len(REPORTS) + 5, "unchanged": 0}
    assert {entry["kind"] for entry in record.values()} == {"catalogue", *REPORTS}


def test_a_second_write_writes_nothing(whole_set):
    folder, _, _ = whole_set
    before = (folder / RECORD).stat().st_mtime_ns
    report = run(_settings(folder), MemoryStageRun())
    assert (report.counts["written"], report.bytes["written"]) == (0, 0)
    assert (folder / RECORD).stat().st_mtime_ns == before


def test_a_changed_file_is_written_again(tmp_path):
    run(_settings(tmp_path, include=("philo",)), MemoryStageRun())
    (tmp_path / "uploads/philo-2025-07.csv").write_text("changed")
    assert run(_settings(tmp_path, include=("philo",)), MemoryStageRun()).counts["written"] == 1


def test_equal_settings_make_equal_files():
    first, second = (make(_settings("./x", seed=3, episodes=8))[0] for _ in range(2))
    other = make(_settings("./x", seed=4, episodes=8))[0]
    assert first == second
    assert first["uploads/philo-2025-07.csv"] != other["uploads/philo-2025-07.csv"]


def test_an_unknown_kind_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="'rokku' is not a kind of sample"):
        run(_settings(tmp_path, include=("rokku",)), MemoryStageRun())


def test_every_shipped_format_has_a_sample():
    _, record = make(_settings("./x", episodes=4))
    formats = {entry["truth"]["format"] for entry in record.values() if "truth" in entry}
    assert formats == {None, *shipped_formats()}


@pytest.mark.parametrize("kind", READ)
def test_a_report_is_read_with_the_format_that_fits(read_once, kind):
    shown, truth = read_once(kind)
    assert (shown["format"], shown["header_line"], shown["encoding"]) == (
        *(truth["format"], truth["header_line"], truth["encoding"]),
    )
    sums = {one["fate"]: one for one in shown["totals"]}
    assert sums["file"]["units"] == truth["units"]
    assert {fate: sums[fate]["units"] for fate in sums if fate not in {"file", "matching"}} == truth["fates"]


@pytest.mark.parametrize("kind", READ)
def test_the_sums_of_a_report_are_those_that_were_written(read_once, kind):
    shown, truth = read_once(kind)
    file = next(sums for sums in shown["totals"] if sums["fate"] == "file")
    totals = {name: Decimal(value) for name, value in truth["totals"].items()}
    if "hours" in totals:
        assert Decimal(file["hours"]) == totals["hours"]
    elif "minutes" in totals:
        # Each row is rounded to ten digits once.
        assert abs(Decimal(file["hours"]) * 60 - totals["minutes"]) < Decimal("1e-6")
    assert Decimal(file["revenue"]) == totals.get("revenue", 0)


def test_the_wide_file_has_374_columns(whole_set):
    file, truth = _entry(whole_set, "roku-text")
    with open(file, encoding="utf-8") as text:  # noqa: PTH123
        assert text.readline().count(",") == 373
    assert truth["units"] == 96 * 46


@pytest.mark.parametrize(
    ("kind", "error"), [("two-hours", NeedsChoice), ("day-or-month", NeedsChoice), ("web-page", Refused)]
)
def test_what_is_asked_or_refused_is_known(whole_set, kind, error):
    file, truth = _entry(whole_set, kind)
    with pytest.raises(error) as caught:
        check(FormatsCheckSettings(file=file))
    assert (truth["outcome"], truth["code"]) == (
        ("choice", None) if error is NeedsChoice else ("refused", caught.value.code)
    )


def test_a_file_that_no_format_fits_is_proposed_field_by_field(whole_set):
    file, truth = _entry(whole_set, "unknown")
    document = json.loads(infer_file(FormatsInferSettings(file=file, json_=True)))
    assert document["format"] is None
    assert document["questions"] == []
    fields = {column["name"]: column["field"] for column in document["columns"]}
    assert list(fields.values()) == ["date", "series", "season", "episode", "content_name", "hours", None]
    pairs = tuple(f"{field}={name}" for name, field in fields.items() if field)
    shown, _ = _read(whole_set, "unknown", format="canonical", map=pairs)
    assert shown["totals"][-1]["units"] == truth["units"]


def test_the_catalogue_holds_every_episode_that_reports_are_about():
    files, record = make(_settings("./x", episodes=40))
    rows = files["catalogue/episodes.csv"].decode().splitlines()[1:]
    refs = [row.split(",")[0] for row in rows]
    assert len(refs) == len(set(refs)) == 160
    about = {ref for entry in record.values() for ref in entry.get("truth", {}).get("refs", {}).values()}
    assert about - {None} <= set(refs)
    titles = Counter((row.split(",")[0][:2], ",".join(row.split(",")[6:-1])) for row in rows)
    assert max(titles.values()) == 1


def test_the_catalogue_can_be_imported():
    files, _ = make(_settings("./x", episodes=4))
    found = read_catalogue([(key, body) for key, body in files.items() if key.startswith("catalogue/")])
    assert found.bad == []
    assert {str(kind) for kind in found.counts()} == {"episodes", "series", "deals", "channels", "territories"}
