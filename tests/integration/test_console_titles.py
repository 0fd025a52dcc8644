"""The pages of Trakt's titles on a real database: what is drawn and listed is what gold says."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import html
import io
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from jobs.console.app import create
from tests.browser.seed_titles import AS_OF, DAYS, HOSTILE_TITLE, MANY, TITLES, seed
from tests.console_app import BROWSER, Answer, ask, settings
from tests.postgres_server import database as fresh_database  # noqa: F401
from tests.postgres_server import made_database, postgres  # noqa: F401
from tests.titles_page import groups_of, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

SORTS = ("", "breadth", "intensity", "comments", "half_life", "hold_up", "title")
SIDES = {"cult": (-1, -1), "phenomenon": (1, -1), "quiet": (-1, 1), "broad hit": (1, 1)}


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[Database]:
    with made_database(postgres) as made:
        made.rows(
            "INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, version, host, finished_at)"
            " VALUES ('run-3', 'trakt', 'success', '{}', '1', 'h', now())"
        )
        with made.connect() as connection, connection.transaction():
            seed(connection)
        made.rows("ANALYZE gold.trakt_quadrants_daily")
        yield made


@pytest.fixture(scope="module")
def app(database: Database) -> ASGIApp:
    return create(settings(database_url=database.url))


def page(app: ASGIApp, target: str = "/titles", **query: Any) -> Answer:
    return ask(app, target + (f"?{urlencode(query)}" if query else ""), headers=BROWSER)


def shown(app: ASGIApp, target: str = "/titles", **query: Any) -> str:
    answer = page(app, target, **query)
    assert answer.status == 200, answer.text
    return answer.text


def listed(app: ASGIApp, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    target: str | None = "/titles.json?" + urlencode({"limit": 170, **query})
    while target:
        answer = ask(app, target)
        assert answer.status == 200, answer.text
        found += answer.json()["rows"]
        target = answer.json()["next"]
        assert len(found) <= TITLES
    return found


def gold(database: Database, window: str = "all", day: Any = AS_OF) -> list[dict[str, Any]]:
    names = ("kind", "id", "age", "quadrant", "breadth", "intensity", "breadth_median", "intensity_median", "peers")
    rows = database.rows(
        "SELECT title_kind, title_id_trakt, age_band, quadrant, breadth, intensity, breadth_median, intensity_median,"
        " peers FROM gold.trakt_quadrants_daily WHERE period = %s AND as_of = %s",
        window,
        day,
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def ticks(text: str, css: str, axis: str) -> list[tuple[float, float]]:
    """Return the labelled positions of an axis: value and SVG unit."""
    plot = text[text.index("series scatter") :]
    plot = plot[: plot.index("</svg>")]
    other = {"x": "y", "y": "x"}[axis]
    pattern = rf'<text class="{css}" (?:{other}="[\d.]+" )?{axis}="([\d.]+)"(?: {other}="[\d.]+")?>([^<]+)</text>'
    shift = 4 if axis == "y" else 0
    return [(float(label.replace(",", "")), float(at) - shift) for at, label in re.findall(pattern, plot)]


def place(value: float, axis: list[tuple[float, float]], *, log: bool) -> float:
    """Return where a value must be, from the first and the last label of an axis."""
    (low, start), (high, end) = axis[0], axis[-1]
    moved = math.log if log else float
    return start + (moved(value) - moved(low)) / (moved(high) - moved(low)) * (end - start)


def points(text: str) -> list[tuple[str, int, str, float, float, float, float]]:
    """Return the drawn titles: kind, id, quadrant, breadth, intensity, x and y."""
    pattern = (
        r'<a href="/titles/(\w+)/(\d+)[^"]*" tabindex="-1"[^>]* aria-label="[^"]*: ([a-z ]+), breadth ([\d,]+),'
        r' intensity ([\d.e-]+)">.*?(?:cx="([\d.]+)" cy="([\d.]+)"|d="M([\d.]+) ([\d.]+)l7)'
    )
    found = []
    for kind, number, state, breadth, intensity, cx, cy, left, top in re.findall(pattern, text, re.DOTALL):
        x, y = (float(cx), float(cy)) if cx else (float(left) + 3.5, float(top) + 3.5)
        found.append((kind, int(number), state, float(breadth.replace(",", "")), float(intensity), x, y))
    return found


def lines(text: str) -> tuple[float, float]:
    plot = text[text.index("series scatter") :]
    vertical = re.search(r'<line class="marker" x1="([\d.]+)" x2="\1"', plot)
    horizontal = re.search(r'<line class="marker" x1="[\d.]+" x2="[\d.]+" y1="([\d.]+)" y2="\1"', plot)
    assert vertical
    assert horizontal
    return float(vertical[1]), float(horizontal[1])


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("window", ["all", "28d"])
def test_each_title_of_a_group_is_drawn_at_its_values_and_on_its_side_of_the_medians(app, database, log, window):
    query = {"kind": "movie", "age": "90-365", "window": window, **({"log": "1"} if log else {})}
    text = shown(app, **query)
    wanted = {
        (row["kind"], row["id"]): row
        for row in gold(database, window)
        if (row["kind"], row["age"]) == ("movie", "90-365")
    }
    drawn = points(text)
    there = {key: row for key, row in wanted.items() if row["intensity"] is not None}
    assert {(kind, number) for kind, number, *_ in drawn} == set(there)
    across, up = ticks(text, "x", "x"), ticks(text, "y", "y")
    vertical, horizontal = lines(text)
    one = next(iter(wanted.values()))
    assert vertical == pytest.approx(place(one["breadth_median"], across, log=log), abs=1)
    assert horizontal == pytest.approx(place(one["intensity_median"], up, log=log), abs=1)
    right, top = max(x for *_, x, _ in drawn), min(y for *_, y in drawn)
    for kind, number, state, breadth, intensity, x, y in drawn:
        row = there[kind, number]
        assert (state, breadth) == (row["quadrant"].replace("_", " "), row["breadth"])
        assert intensity == pytest.approx(row["intensity"], rel=0.006)
        # A value beyond a linear axis is at its edge.
        assert x == pytest.approx(min(place(row["breadth"], across, log=log), right), abs=1)
        assert y == pytest.approx(max(place(row["intensity"], up, log=log), top), abs=1)
        if state in SIDES:
            assert (x > vertical) == (SIDES[state][0] > 0)
            assert (y > horizontal) == (SIDES[state][1] > 0)


@pytest.mark.parametrize("query", [{}, {"log": "1"}, {"window": "7d"}, {"kind": "movie", "age": "1095-"}])
def test_cells_contain_every_title_that_can_be_drawn(app, database, query):
    text = shown(app, **query)
    rows = [
        row
        for row in gold(database, query.get("window", "all"))
        if row["intensity"] is not None and row["breadth_median"] and query.get("age", row["age"]) == row["age"]
    ]
    found: Counter[str] = Counter()
    for total, states in re.findall(r'<circle class="cell"[^>]*><title>(\d+):([^<]*)</title>', text):
        parts = {state: int(number) for number, state in re.findall(r"(\d+) ([a-z ]+)", states)}
        assert sum(parts.values()) == int(total)
        found.update(parts)
    assert found == Counter(row["quadrant"].replace("_", " ") for row in rows)
    assert len(rows) >= 400
    assert f"{len(rows)} titles, grouped into " in plain(text)


def test_groups_have_the_medians_and_numbers_of_gold(app, database):
    text = shown(app, window="90d")
    found = groups_of(text)
    rows = gold(database, "90d")
    names = {
        "movies, 90 to 365 days old": ("movie", "90-365"),
        "movies, 1095 days or older": ("movie", "1095-"),
        "shows, 0 to 30 days old": ("show", "0-30"),
    }
    assert set(found) == set(names)
    for name, key in names.items():
        members = [row for row in rows if (row["kind"], row["age"]) == key]
        total, peers, *medians = found[name][:4]
        assert (int(total), int(peers)) == (len(members), members[0]["peers"])
        for said, wanted in zip(medians, (members[0]["breadth_median"], members[0]["intensity_median"]), strict=True):
            assert said == "\N{EN DASH}" if wanted is None else float(said) == pytest.approx(wanted, rel=0.006)
        counts = Counter(row["quadrant"] for row in members)
        order = ("phenomenon", "broad_hit", "cult", "quiet", "borderline", "insufficient")
        assert [int(number) for number in found[name][4:]] == [counts[quadrant] for quadrant in order]


def test_a_group_without_medians_is_drawn_without_lines_and_says_why(app, database):
    text = shown(app, kind="show")
    assert len(points(text)) == 4
    assert 'class="marker"' not in text
    peers = next(row["peers"] for row in gold(database) if row["kind"] == "show")
    assert f"only {peers} shows, 0 to 30 days old have 20 comments, too few for medians" in plain(text)
    assert "too few titles of the peer group have 20 comments" in plain(text)


def test_twelve_titles_are_labelled_and_they_are_the_farthest(app, database):
    text = shown(app, kind="movie", age="90-365", log="1")
    body = text[text.index('class="farthest"') :]
    found = [int(number) for number in re.findall(r'href="/titles/movie/(\d+)', body[: body.index("</ol>")])]
    rows = [
        row
        for row in gold(database)
        if (row["kind"], row["age"]) == ("movie", "90-365") and row["quadrant"] != "insufficient"
    ]
    ratios = {
        row["id"]: (
            math.log(row["breadth"] / row["breadth_median"]),
            math.log(row["intensity"] / row["intensity_median"]),
        )
        for row in rows
    }
    spread = [math.sqrt(sum(each[axis] ** 2 for each in ratios.values())) for axis in (0, 1)]
    far = sorted(ratios, key=lambda key: -math.hypot(ratios[key][0] / spread[0], ratios[key][1] / spread[1]))
    assert found == far[:12]


@pytest.mark.parametrize("sort", SORTS)
def test_the_list_has_every_title_once_in_each_order(app, sort):
    rows = listed(app, **({"sort": sort} if sort else {}))
    assert len({(row["title_kind"], row["title_id_trakt"]) for row in rows}) == len(rows) == TITLES
    name = {"": "breadth", "comments": "n", "half_life": "half_life_days"}.get(sort, sort)
    values = [row[name].lower() if sort == "title" else row[name] for row in rows]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=sort != "title")
    assert values[: len(known)] == known


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "show"},
        {"age": "1095-", "quadrant": "cult"},
        {"quadrant": "borderline", "window": "28d"},
        {"genre": "horror"},
        {"genre": "horror", "q": "TITLE 1", "kind": "movie"},
        {"q": "tt0000101"},
        {"as_of": str(AS_OF.replace(day=20)), "quadrant": "quiet"},
    ],
)
def test_page_list_and_csv_have_the_same_titles(app, query):
    rows = listed(app, **query)
    text = shown(app, **query)
    assert rows
    assert f'data-said="{len(rows)} title' in text
    table = list(csv.DictReader(io.StringIO(page(app, "/titles.csv", **query).body.decode("utf-8-sig"))))
    assert [(row["title_kind"], int(row["title_id_trakt"])) for row in table] == [
        (row["title_kind"], row["title_id_trakt"]) for row in rows
    ]
    # Several groups are drawn as ratios, so titles without medians are left out; many are drawn as cells.
    can_be_drawn = [row for row in rows if row["breadth_median"] or "kind" in query]
    assert len(points(text)) == (len(can_be_drawn) if len(can_be_drawn) <= 400 else 12)


def test_facets_count_what_their_links_show(app):
    text = shown(app, age="90-365", quadrant="quiet")
    pattern = r'<a id="(\w+)-\d+" href="([^"]+)"( aria-current="true")?>([^<]+)<span class="dim">([\d,]+)</span>'
    facets = re.findall(pattern, text)
    assert {name for name, *_ in facets} == {"kind", "age", "quadrant", "genre"}
    for _, href, chosen, value, number in facets:
        # The link of a chosen value removes it.
        target = "/titles?age=90-365&quadrant=quiet" if chosen else html.unescape(href)
        total = re.search(r'data-said="(\d+) title', shown(app, target))
        assert total, value
        assert int(total[1]) == int(number.replace(",", "")), value


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"window": "30d"}, "7d, 28d, 90d, all"),
        ({"quadrant": "loud"}, "phenomenon, broad_hit"),
        ({"log": "2"}, "expected one of 1"),
        ({"as_of": "soon"}, "a day such as"),
        ({"colour": "red"}, "is not a parameter"),
    ],
)
def test_a_bad_parameter_is_refused_with_the_valid_ones(app, query, said):
    answer = page(app, **query)
    assert answer.status == 400
    assert said in plain(answer.text)


def test_a_day_without_quadrants_names_the_days_that_have_some(app):
    text = plain(shown(app, as_of="2020-01-01"))
    first = AS_OF.replace(day=AS_OF.day - DAYS + 1)
    assert f"There are no quadrants as of 2020-01-01; expected a day from {first} to {AS_OF}" in text
    assert "No titles match these filters" in shown(app, q="nothing at all")


def test_text_from_outside_is_data(app):
    for target in ("/titles?kind=movie&age=90-365", "/titles/movie/2", "/search?q=%3Cimg"):
        answer = page(app, target)
        text = answer.text if answer.status == 200 else shown(app, str(answer.header("location")))
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
    table = list(csv.DictReader(io.StringIO(page(app, "/titles.csv", q="hyperlink").body.decode("utf-8-sig"))))
    assert [row["title"] for row in table] == ["'=HYPERLINK(1)"]
    assert HOSTILE_TITLE.startswith("<img")


def test_a_title_shows_its_metrics_with_intervals_and_evidence(app):
    text = shown(app, "/titles/movie/1")
    said = plain(text)
    assert "Night Ferry (2001)" in said
    assert "halves every 12.5 days ; 95 % interval 10 to ∞ , from 34 comments" in said
    assert "AIC of a power law minus that of the exponential: +3.5 (above 0" in said
    assert "+0.4 points of 10; 95 % interval -0.2 to 0.56: no clear change" in said
    assert "Some ratings were first seen by a backfill" in said
    assert "t50 of the first 365 days, in days no value \N{EN DASH} 34 the title is younger than the days" in said
    assert text.count('<polyline class="reference"') == 3
    assert "movie:night-ferry" in said
    assert "different slug night-ferry" in said
    assert '<a href="/runs/run-3">' in text
    assert "run-gone no longer in the ledger" in said


def test_a_missing_figure_is_explained_in_words(app):
    said = plain(shown(app, "/titles/movie/2"))
    assert "No half-life , because the comments do not become fewer, so no decay can be estimated" in said
    assert "It is longer than 30 days" in said
    assert "No hold-up , because the title is so young that its first and last windows would overlap" in said
    said = plain(shown(app, "/titles/show/900"))
    assert "No quadrant, because too few titles of the peer group have 20 comments" in said


def test_what_is_not_there_is_not_found(app):
    assert page(app, "/titles/movie/999999").status == 404
    assert "telecine trakt publish" in plain(page(app, "/titles/movie/999999").text)
    assert page(app, f"/titles/movie/{10**30}").status == 404
    assert page(app, "/titles/season/1").status == 400
    assert page(app, "/titles/movie/one").status == 400


def test_the_search_box_finds_titles_by_beginning_and_by_id(app):
    assert page(app, "/search", q="night f").header("location") == "/titles/movie/1"
    assert page(app, "/search", q="tt0000900").header("location") == "/titles/show/900"
    assert "Titles" in plain(shown(app, "/search", q="title 10"))
    assert page(app, "/search", q="100%").status == 200


def test_without_rows_the_page_names_the_command(fresh_database):
    app = create(settings(database_url=fresh_database.url))
    assert "telecine trakt run" in plain(shown(app))
    assert listed(app) == []
    assert page(app, "/titles.csv").status == 200
    assert MANY > 400
