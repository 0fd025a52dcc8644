"""An export, imported again, changes nothing, whatever the catalogue has."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.viewership.catalog.columns import Kind
from jobs.viewership.catalog.export import export
from jobs.viewership.catalog.files import read
from jobs.viewership.catalog.plan import plan
from jobs.viewership.catalog.state import State

FILES = {
    "episodes": 'ref_id,series,series_code,season,episode,title,title-es,title-es.2\nHL-1,"Lights, The",HL,1,1,=1+1,'
    '\'Til,-5\n,"Lights, The",HL,2,1,@x,,\n',
    "series": 'series_code,series,series-pt-br,status,content_provider\nHL,"Lights, The",Luzes,inactive,+A\n',
    "numbers": "ref_id,target_series,target_season,target_episode,platform,season,episode\nHL-1,,,,Xumo,1,2\n"
    ",HL,2,1,,0,7A\n",
    "aliases": "kind,alias,target,platform,exact,content_id\nseries,=L,HL,,,\nepisode,x,HL-1,Tubi,true,-7\n",
    "deals": "platform,partner,deal_parent,valid_from,active\nPluto,*,=5,2025-01-01,false\nPluto,A,6,,\n",
    "channels": "channel,channel.2,code\nNosey,-N,8\n",
    "territories": "territory,code,territory.2,territory.3\nUnited States,US,USA,America\n",
}


def made(files: dict[str, str]) -> State:
    state = State()
    found = plan(state, read([(name, text.encode()) for name, text in files.items()]), "a")
    assert [str(bad) for bad in found.bad] == []
    return state


def exported(state: State, form: str) -> list[tuple[str, bytes]]:
    return [(kind, text.encode()) for kind, (text, _) in export(state, form).items()]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("source", ["a", "b"])
def test_an_export_imported_again_changes_nothing(form, source):
    state = made(FILES)
    found = plan(state, read(exported(state, form)), source)
    assert [str(bad) for bad in found.bad] == []
    assert (found.counts(), found.conflicts, found.missing, found.missing_numbers) == ({}, 0, [], [])


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_makes_the_same_catalogue_elsewhere(form):
    files = exported(made(FILES), form)
    assert exported(made({name: body.decode() for name, body in files}), form) == files


def test_no_cell_of_an_export_is_a_formula_and_numbers_are_numbers():
    cells = [
        cell for text, _ in export(made(FILES), "csv").values() for row in csv.reader(io.StringIO(text)) for cell in row
    ]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {"'=1+1", "'-5", "'@x", "'+A", "'Til", "1", "2", "7A"} <= set(cells)


def test_kinds_without_rows_have_a_header_that_can_be_read():
    texts = export(State(), "csv")
    assert set(texts) == set(Kind)
    for kind, (text, count) in texts.items():
        assert count == 0
        assert read([(kind, text.encode())]).bad == []


TITLES = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("=+-@'\",;"), min_size=1, max_size=12)


@settings(max_examples=60)
@given(st.lists(st.tuples(TITLES, TITLES, st.none() | TITLES), min_size=1, max_size=5))
def test_any_titles_come_back(rows):
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["ref_id", "series", "series_code", "title", "title-es"])
    for number, (series, title, spanish) in enumerate(rows):
        writer.writerow([f"R-{number}", series, f"S{number}", title, spanish or ""])
    state = State()
    found = plan(state, read([("a", stream.getvalue().encode())]), "a")
    if found.bad:  # such as a title of spaces
        assert all("empty" in str(bad) or "no name" in str(bad) for bad in found.bad)
        return
    again = plan(state, read(exported(state, "csv")), "a")
    assert ([str(bad) for bad in again.bad], again.counts(), again.missing) == ([], {}, [])
