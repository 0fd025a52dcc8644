"""The pages of game sessions on a real database and a folder of sprites."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import html
import io
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from jobs.console.app import create
from tests.console_app import BROWSER, Answer, ask, settings
from tests.postgres_server import _database, empty_database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HOSTILE = (
    "../../etc/passwd",
    "/leading/slash.tar",
    "a//b///c.tar",
    "q?key=x#frag&flag=dark%2e%2e%00.tar",
    "new\nline\x1b[31m.tar",
    " spaces at both ends ",
    "<script>alert(1)</script>/\"'.tar",
    ".hidden/.tar",
    "日本/\u202egpj.tar",
    "e\u0301/\u00e9.tar",
    "=HYPERLINK(1).tar",
    "x" * 1_024,
    " ",
    "slash at the end/",
)
WEBP = b"RIFF\x10\0\0\0WEBPVP8 "
HTML = "<img src=x onerror=alert(1)>"


def add(database: Database, key: str, **values: Any) -> None:
    row = {"s3_key": key, "content_hash": "c", "run_id": "run-1", **values}
    database.rows(
        f"INSERT INTO gold.gamedata_sessions ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
        *row.values(),
    )


def add_frames(database: Database, key: str, **values: Any) -> None:
    nan, count = float("nan"), 4
    row = {
        "s3_key": key,
        "frames": count,
        "time_s": [0.0, 5.0, 10.0, 20.0],
        "luma_mean": [10.0, None, nan, 99.0],
        **{name: [1.0, 2.0, None, nan] for name in ("luma_p01", "luma_p50", "luma_p99")},
        **{f"border_{side}": [0.25, 0.25, None, nan] for side in ("top", "bottom")},
        **{f"border_{side}": [0.0] * count for side in ("left", "right")},
        "static_share": [0.9, None, 0.1, 0.7],
        "is_corrupt": [False, False, True, False],
        "is_menu": [False, None, None, True],
        "content_hash": "c",
        "run_id": "run-1",
        **values,
    }
    database.rows(
        f"INSERT INTO gold.gamedata_frames ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values()
    )


def sprite(key: str, **values: Any) -> dict[str, Any]:
    return {
        "sprite_key": key,
        "sprite_tile_width": 160,
        "sprite_tile_height": 90,
        "sprite_columns": 4,
        "sprite_tiles": 6,
        "sprite_times_s": [0.0, 5.0, float("nan"), 15.0, 65.0],
        **values,
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "secret.txt").write_bytes(WEBP + b"outside of sprites")
    sprites = folder / "_sprites"
    sprites.mkdir()
    (sprites / "full.webp").write_bytes(WEBP + b"full")
    (sprites / "full.jpg").write_bytes(b"\xff\xd8\xff\xe0 jpeg")
    (sprites / "page.webp").write_bytes(b"<html><script>alert(1)</script>")
    (sprites / "large.webp").write_bytes(WEBP + bytes(64 * 1024))
    return folder


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[Database]:
    with _database(postgres, "telecine") as made:
        made.rows(
            "INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, version, host, finished_at)"
            " VALUES ('run-1', 'gamedata', 'success', '{}', '1', 'h', now())"
        )
        for number in range(30):
            add(
                made,
                f"many/{number:02d}.tar",
                is_video_mostly_dark=number % 2 == 0,
                is_dpi_scale_issue=number % 7 == 0,
                video_menu_percent=[None, 0.0, 0.5, 0.75, float("nan")][number % 5],
                error_code=["tar_truncated", "video_invalid", None][number % 3],
                run_id=f"run-{number % 4}",
                duration_s=[1.5, float("nan"), float("inf"), None][number % 4],
            )
        for key in HOSTILE:
            add(made, key, **sprite("_sprites/full.webp"), is_session_empty=True)
        deep = '{"n": ' * 2_000 + '"<b>deep</b>"' + "}" * 2_000
        add(
            made,
            "full.tar",
            **sprite("_sprites/full.webp"),
            duration_s=70.0,
            video_menu_percent=0.25,
            menu_method="static",
            dark_frame_share=float("nan"),
            input_device_class="mixed",
            input_events=1_234,
            input_gamepad=34,
            input_desk_s=60,
            input_gamepad_s=15,
            input_first_s=float("inf"),
            input_last_s=1.0,
            source_etag="etag-1",
            spec_digest="spec-1",
            pt_key="full.tar.pt",
            video_metadata=json.dumps({"format": {"note": HTML, "password": "hunter2"}}),
            session_metadata=deep,
            further_checks=json.dumps(["y" * 400_000]),
            warnings=[HTML] * 60,
            error_stage="manifest",
            error_code="check_failed",
            error=f"{HTML}\x1b[31m postgresql://u:secret-word@h/d",
        )
        add_frames(made, "full.tar")
        for name in ("full.jpg", "page.webp", "large.webp", "gone.webp"):
            add(made, name, **sprite(f"_sprites/{name}"))
        add(made, "outside", **sprite("../secret.txt"))
        add(made, "absurd", **sprite("_sprites/full.webp", sprite_columns=9_999, sprite_tiles=9_999))
        add(made, "scores.tar", **sprite("_sprites/full.webp", sprite_times_s=None), menu_method="model")
        add_frames(made, "scores.tar", is_menu=None)
        made.rows("ANALYZE gold.gamedata_sessions")
        yield made


@pytest.fixture(scope="module")
def app(database: Database, store: Path) -> ASGIApp:
    return create(settings(database_url=database.url, manifest_bucket=str(store)))


def page(app: ASGIApp, target: str = "/sessions", **query: Any) -> Answer:
    return ask(app, target + (f"?{urlencode(query)}" if query else ""), headers=BROWSER)


def keys(answer: Answer) -> list[str]:
    return [row["s3_key"] for row in answer.json()["rows"]]


def links(text: str, path: str) -> list[str]:
    found = [html.unescape(link) for link in re.findall(r'(?:href|src)="([^"]+)"', text)]
    return [link for link in found if urlsplit(link).path == path]


def listed(app: ASGIApp, **query: Any) -> list[str]:
    found: list[str] = []
    target: str | None = "/sessions.json?" + urlencode({"limit": 7, **query})
    while target:
        answer = ask(app, target)
        assert answer.status == 200, answer.text
        found += keys(answer)
        target = answer.json()["next"]
        assert len(found) < 100
    return found


def test_pages_of_the_list_have_every_session_once_in_byte_order(app, database):
    everything = [key for (key,) in database.rows("SELECT s3_key FROM gold.gamedata_sessions")]
    assert listed(app) == sorted(everything, key=str.encode)


def test_menus_come_first_if_asked_and_a_value_that_is_no_number_ends_no_page(app):
    found = listed(app, sort="menu")
    assert len(found) == len(set(found)) == 6 * 3 + 1
    assert found[-1] == "full.tar"
    assert found.index("many/03.tar") < found.index("many/02.tar")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"flag": "dark"}, {f"many/{number:02d}.tar" for number in range(0, 30, 2)}),
        ({"flag": "dpi_scale", "error": "video_invalid"}, {"many/07.tar", "many/28.tar"}),
        ({"flag": "any", "prefix": "many/2"}, {f"many/{number}.tar" for number in (20, 21, 22, 24, 26, 28)}),
        ({"error": "any", "run": "run-3"}, {f"many/{number:02d}.tar" for number in (3, 7, 15, 19, 27)}),
        (
            {"menu_min": 60, "prefix": "many/", "run": "run-0"},
            {"many/04.tar", "many/08.tar", "many/24.tar", "many/28.tar"},
        ),
        ({"q": "HYPERLINK"}, {"=HYPERLINK(1).tar"}),
        ({"q": "%2e%2e%00"}, {"q?key=x#frag&flag=dark%2e%2e%00.tar"}),
        ({"q": "___"}, set()),
        ({"flag": "timestamps"}, set()),
    ],
)
def test_filters_find_their_sessions(app, query, expected):
    assert set(listed(app, **query)) == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("flag=darkness", "dark, menu, dpi_scale, empty, timestamps"),
        ("menu_min=0.5", "valid integer"),
        ("menu_min=101", "less than or equal to 100"),
        ("q=ab", "at least 3 characters"),
        ("view=grid", "pictures, table"),
        ("folder=x", "is not a parameter"),
        ("prefix=a%00b", "control character"),
    ],
)
def test_bad_filters_are_refused_by_name(app, query, named):
    answer = page(app, f"/sessions?{query}")
    assert answer.status == 400
    assert named in html.unescape(answer.text)


def test_the_sheet_shows_lazy_pictures_and_the_table_none(app):
    sheet = page(app, limit=200).text
    assert sheet.count('loading="lazy"') == len(links(sheet, "/sprites")) == len(HOSTILE) + 7
    assert 'width="640" height="180"' in sheet
    table = page(app, view="table", limit=200).text
    assert links(table, "/sprites") == []
    assert "<table" in table


def test_facets_count_all_sessions_and_those_of_the_other_filter(app):
    def counts(text: str) -> dict[str, str]:
        part = text[text.index('class="facets"') : text.index("</aside>")]
        found = re.findall(r"<a [^>]*>(.*?)</a>", part, re.DOTALL)
        plain = [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in found]
        return dict(each.rsplit(" ", 1) for each in plain)

    everything = counts(page(app).text)
    assert everything["mostly dark"] == "15"
    assert everything["DPI scale"] == "5"
    assert everything["video_invalid"] == "10"
    narrowed = counts(page(app, error="video_invalid").text)
    assert narrowed["mostly dark"] == "5"
    assert narrowed["tar_truncated"] == "10"
    assert counts(page(app, q="many/1").text)["mostly dark"] == "5"


def test_links_of_the_list_keep_its_filters_and_lead_back_to_it(app):
    first = links(page(app, flag="dark", view="table", limit=3).text, "/sessions/by-key")
    assert len(first) == 3
    assert parse_qs(urlsplit(first[0]).query) == {
        "flag": ["dark"],
        "view": ["table"],
        "limit": ["3"],
        "key": ["many/00.tar"],
    }
    text = page(app, first[0]).text
    assert any(parse_qs(urlsplit(link).query).get("flag") == ["dark"] for link in links(text, "/sessions"))


def test_a_name_of_spaces_is_seen(app):
    names = re.findall(r'class="name">(.*?)</span>', page(app, limit=200).text)
    assert "&#39; &#39;" in names
    assert "slash at the end" in names
    assert not [name for name in names if name != name.strip()]


def test_previous_and_next_follow_the_order_and_the_filters(app):
    for query in ({"flag": "dark"}, {"flag": "dark", "sort": "menu"}):
        order = listed(app, **query)
        place = 0
        target: str | None = "/sessions/by-key?" + urlencode({"key": order[0], **query})
        walked = []
        while target:
            text = page(app, target).text
            walked.append(parse_qs(urlsplit(target).query)["key"][0])
            turns = dict(re.findall(r'href="([^"]+)" rel="(prev|next)"', text))
            ways = {way: html.unescape(link) for link, way in turns.items()}
            assert ("prev" in ways) == (place > 0)
            if place:
                assert parse_qs(urlsplit(ways["prev"]).query)["key"] == [order[place - 1]]
            place += 1
            target = ways.get("next")
        assert walked == order


@pytest.mark.parametrize("key", HOSTILE)
def test_a_session_with_any_key_is_found_by_the_link_of_the_list(app, key):
    target = next(
        link
        for link in links(page(app, limit=200).text, "/sessions/by-key")
        if parse_qs(urlsplit(link).query, keep_blank_values=True)["key"] == [key]
    )
    answer = page(app, target)
    assert answer.status == 200
    assert "etc/passwd</h1>" not in answer.text
    assert "<script>alert" not in answer.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", answer.text)
    assert "empty</span>" in answer.text
    (picture,) = set(re.findall(r'<image href="([^"]+)"', answer.text))
    assert page(app, html.unescape(picture)).body == WEBP + b"full"


def test_a_session_shows_its_pictures_values_inputs_and_lineage(app):
    answer = page(app, "/sessions/by-key", key="full.tar")
    text = html.unescape(answer.text)
    for shown in (
        'aria-label="Picture 5 at 1:05"',
        'viewBox="480 0 160 90"',
        'viewBox="0 90 160 90"',
        "0:20: 99",
        "dark below 15",
        "0:15 to 1:10: menu",
        "damaged",
        '<rect class="bar" x="0.0" y="0.0" width="160.0" height="22.5"/>',
        "1,234",
        "60 s",
        "etag-1",
        "spec-1",
        "full.tar.pt",
        'href="/runs/run-1"',
        "check_failed",
        "25 % of the time",
        "10 more not shown",
        "too large or too deeply nested",
    ):
        assert shown in text, shown
    assert HTML not in answer.text
    assert html.escape(HTML) in answer.text
    for hidden in ("hunter2", "secret-word", "\x1b", "nan", "Infinity"):
        assert hidden not in answer.text
    assert len(answer.body) < 60_000


def test_a_session_without_verdicts_per_frame_says_so(app):
    text = page(app, "/sessions/by-key", key="scores.tar").text
    assert "Results per frame are stored for the method static only" in text
    assert "Picture 6" in text


@pytest.mark.parametrize("query", ["", "key=", "key=a&key=b", "key=" + "x" * 1_025, "key=a%00b"])
def test_a_missing_double_or_impossible_key_is_refused(app, query):
    assert page(app, f"/sessions/by-key?{query}").status == 400


def test_an_unknown_session_is_not_found_and_its_key_is_only_text(app):
    answer = page(app, "/sessions/by-key", key="<b>nobody</b>")
    assert answer.status == 404
    assert "<b>nobody" not in answer.text


def test_pictures_are_kept_by_browsers_and_run_nothing(app):
    (target,) = links(page(app, q="full.jpg").text, "/sprites")
    answer = page(app, target)
    assert (answer.status, answer.header("content-type")) == (200, "image/jpeg")
    assert answer.header("cache-control") == "private, max-age=31536000, immutable"
    assert answer.header("content-security-policy") == "default-src 'none'; sandbox"
    assert answer.header("x-content-type-options") == "nosniff"
    other = page(app, "/sprites", key="full.jpg", v="0" * 16)
    assert other.header("cache-control") == "private, no-cache"


@pytest.mark.parametrize(
    "key", ["page.webp", "large.webp", "gone.webp", "outside", "many/00.tar", "nobody", "", "a\0b"]
)
def test_what_is_no_sprite_is_a_placeholder(app, key):
    answer = page(app, "/sprites", key=key)
    assert (answer.status, answer.header("content-type")) == (404, "image/svg+xml")
    assert answer.header("cache-control") == "no-store"
    assert b"outside" not in answer.body
    assert b"alert" not in answer.body


def test_a_key_of_the_store_is_no_key_of_a_session(app):
    assert page(app, "/sprites", key="_sprites/full.webp").status == 404
    assert page(app, "/sprites/_sprites/full.webp").status == 404


def test_a_store_that_is_away_is_a_placeholder_and_pages_stay(database):
    away = create(settings(database_url=database.url, manifest_bucket="/nowhere/at/all"))
    assert page(away, "/sprites", key="full.tar").status == 404
    assert page(away).status == 200


def test_a_sprite_of_impossible_size_is_not_shown(app):
    assert links(page(app, q="absurd").text, "/sprites") == []


def test_the_file_for_spreadsheets_has_all_sessions_and_no_formulas(app):
    answer = ask(app, "/sessions.csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert len(rows) == 30 + len(HOSTILE) + 8
    cells = [cell for row in rows for cell in row.values()]
    assert "'=HYPERLINK(1).tar" in cells
    assert not any(cell.startswith(("=", "@")) for cell in cells)
    assert "nan" not in cells


def test_home_counts_failed_and_flagged_sessions(app):
    text = page(app, "/").text
    found = re.findall(r'<a href="(/sessions[^"]*)"><b>(\d+)', text)
    assert found == [("/sessions?error=any&amp;view=table", "21"), ("/sessions?flag=any", str(17 + len(HOSTILE)))]


def test_without_sessions_the_page_names_the_command(postgres, store):
    with _database(postgres, "telecine") as made:
        text = page(create(settings(database_url=made.url, manifest_bucket=str(store)))).text
    assert "telecine gamedata publish" in text
    assert "No sessions are published yet" in text


def test_without_tables_the_page_is_not_installed(empty_database, store):
    app = create(settings(database_url=empty_database.url, manifest_bucket=str(store)))
    for target in ("/sessions", "/sessions/by-key?key=x"):
        answer = page(app, target)
        assert answer.status == 404
        assert "telecine db upgrade" in answer.text
