"""The metrics as DuckDB functions: they accept their types and NULL, and need nothing outside the standard library."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from jobs.trakt.metrics.functions import functions
from jobs.trakt.metrics.intensity import intensity
from jobs.trakt.metrics.parameters import METRICS, Parameters
from jobs.trakt.metrics.peers import peers
from jobs.trakt.metrics.quadrant import quadrant
from jobs.trakt.metrics.reasons import REASONS
from tests.rooms import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sql() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for name, made in functions(Parameters(n_min=10)).items():
            takes = [duckdb.type(each) for each in made.takes]
            connection.create_function(name, made.call, takes, duckdb.type(made.returns), null_handling="special")
        yield connection


def test_every_function_accepts_null_and_answers_with_a_reason(sql):
    for name, made in functions().items():
        (answer,) = sql.execute(f"SELECT {name}({', '.join('NULL' for _ in made.takes)})").fetchone()
        if made.returns.startswith("STRUCT"):
            assert answer["reason"] in REASONS
            assert answer["n"] == 0
        else:
            assert answer is None


def test_structs_have_the_names_and_types_that_are_declared(sql):
    for name, made in functions().items():
        query = f"SELECT typeof({name}({', '.join('NULL' for _ in made.takes)}))"
        (declared,) = sql.execute(query).fetchone()
        assert declared.replace('"', "") == made.returns


def test_a_group_is_aggregated_and_its_titles_are_placed(sql):
    rows = sql.execute("""
        WITH titles AS (
            SELECT i AS id, CAST(20 + 10 * (i % 7) AS BIGINT) AS commenters,
                CAST(22 + 10 * (i % 7) + i AS BIGINT) AS comments
            FROM range(28) AS t(i)
        ), fitted AS (
            SELECT trakt_peers(list(commenters ORDER BY id), list(comments ORDER BY id), NULL) AS of FROM titles
        )
        SELECT commenters, comments,
            trakt_intensity(commenters, comments, of.alpha, of.beta, of.dispersion).value,
            trakt_quadrant(commenters, comments, of.alpha, of.beta, of.dispersion, of.median_breadth,
                of.median_intensity, of.n).value
        FROM titles, fitted ORDER BY id
    """).fetchall()
    use = Parameters(n_min=10)
    group = peers([row[0] for row in rows], [row[1] for row in rows], parameters=use)
    for people, total, value, name in rows:
        assert value == intensity(people, total, group, parameters=use).value
        assert name == quadrant(people, total, group, parameters=use).value
    assert {row[3] for row in rows} > {"borderline"}


def test_lists_of_times_are_read(sql):
    found = sql.execute("""
        SELECT trakt_half_life(list(16.5617025 + 20 * (i % 2)), 60, false).value,
            trakt_retention(list(i * 4.0), 400).value,
            trakt_horizon(list(i * 4.0), 400, 0.5, 90).value,
            trakt_hold_up(list(i * 10.0), list(8 - (i > 30)::INT), list(i = 3), 399),
            trakt_age_band(45), trakt_parameters('retention')
        FROM range(40) AS t(i)
    """).fetchone()
    assert found[0] == pytest.approx(60.0, rel=1e-6)
    # All 40 times are below 180; 23 of them are below 90, at 0 to 88, and the 12th of these is at 44.
    assert found[1:3] == (17 / 40, 44.0)
    assert (found[3]["n_first"], found[3]["n_last"], found[3]["backfilled"]) == (18, 18, 1)
    assert found[4:] == ("30-90", "probability 0.95, replies off, n_min 10, retention_d 90")


def test_parameters_of_every_metric_can_be_asked_for(sql):
    for metric in METRICS:
        (line,) = sql.execute("SELECT trakt_parameters(?)", [metric]).fetchone()
        assert line == Parameters(n_min=10).printed(metric)


def test_nothing_outside_the_standard_library_is_imported():
    # -S leaves out site-packages: dbt's environment has none of our packages.
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from jobs.trakt.metrics.functions import functions;"
        "print(functions()['trakt_breadth'].call(40)['value'])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "40.0"), done.stderr
