"""Tables of empty cells take little memory: they are refused, or cut off at the end of a table."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jobs.viewership.errors import Refused
from jobs.viewership.uploads.reading import ReadLimits, limits, read, records
from jobs.viewership.uploads.reading.records import split
from tests.unit.viewership.uploads.transform.test_transform import units

_MOST_MB = 400
_PROGRAM = """
import sys
from pathlib import Path
from jobs.viewership.errors import Refused
from jobs.viewership.uploads.reading import read
try:
    read(sys.argv[1])
except Refused as error:
    # Not ru_maxrss, in which Linux counts the process that started this one.
    print(error.code, int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.parametrize("quoted", [False, True])
def test_forty_megabytes_of_empty_cells_are_refused_in_little_memory(tmp_path, quoted):
    file = tmp_path / "empty.csv"
    # Text outside its quotes is read by the csv module.
    row = b'"a" b' + b"," * 4_000 + b"\n" if quoted else b"," * 4_000 + b"\n"
    file.write_bytes(b"Title,Hours\n" + row * 10_000 + b"A,1\n")
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(file)], capture_output=True, text=True, check=True)
    code, megabytes = done.stdout.split()
    assert code == "LIMIT"
    assert int(megabytes) < _MOST_MB


def _small(monkeypatch):
    monkeypatch.setattr(limits, "FREE_PLACES", 1_000)
    monkeypatch.setattr(records, "FREE_PLACES", 1_000)


def test_the_limit_counts_values_wherever_they_are(monkeypatch):
    _small(monkeypatch)
    empty, full = b",,,,,,,,,\n" * 200, b"1,2,3,4,5,6,7,8,9,10\n" * 20
    assert split(empty + full, ",", ReadLimits()).cells.shape == (220, 10)
    with pytest.raises(Refused, match=r"at most 1,0.0; delete the empty rows and columns") as error:
        split(empty + b"1,2,3\n", ",", ReadLimits())
    assert error.value.code == "LIMIT"


def test_values_are_counted_across_pieces(monkeypatch):
    text = b"ab,cd,,e\n,,f\n g ,,\n" * 50
    for size in (1, 2, 3, 7, 1000):
        monkeypatch.setattr(records, "_PIECE", size)
        # One more: the last value may have nothing behind it.
        assert records._Splitter(text, ",", ReadLimits(), has_lf=True)._values() == 5 * 50 + 1


def test_a_full_table_has_no_limit_of_places(monkeypatch):
    _small(monkeypatch)
    assert read(b"Title,Hours\n" + b"A,1\n" * 5_000).cells.shape == (5_001, 2)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_records_of_delimiters_at_the_end_are_cut_off_and_counted(monkeypatch, end):
    monkeypatch.setattr(records, "_TAIL", 100)
    _small(monkeypatch)
    head = b"Title,Hours,," + end + b"A,1,," + end + b",,," + end + b"B,2,," + end
    text = head + (b",,," + end) * 1_000 + end * 3 + b",,,"
    found = split(text, ",", ReadLimits())
    assert (found.cells.height, found.empty_rows) == (4, 1_001)
    assert found.cells.rows()[-1] == ("B", "2", None, None)
    assert units(text.decode()).empty_rows == 1_002


def test_a_short_tail_is_split(monkeypatch):
    monkeypatch.setattr(records, "_TAIL", 100)
    found = split(b"Title,Hours\nA,1\n" + b",\n" * 20, ",", ReadLimits())
    assert (found.cells.height, found.empty_rows) == (22, 0)
