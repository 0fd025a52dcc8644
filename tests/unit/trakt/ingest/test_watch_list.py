"""Watch lists: one title per line, wrong lines named, numbers resolved to one title or refused."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.trakt.api.answer import Answer
from jobs.trakt.errors import AmbiguousTitle, TitleUnknown
from jobs.trakt.ingest.watch_list import Entry, parse_lines, parse_names, read_file, resolve
from jobs.trakt.settings import IngestSettings
from shared.errors import UsageError

CASES = Path(__file__).parents[3] / "trakt_cases"
NOW = datetime(2026, 5, 4, tzinfo=UTC)


class Site:
    """Answers of the API by path; all others are 404."""

    def __init__(self, **documents: Any) -> None:
        self.documents = documents
        self.asked: list[str] = []

    async def get(self, path: str, query: Any = None) -> Answer:
        self.asked.append(path)
        document = self.documents.get(path)
        body = json.dumps(document).encode()
        return Answer(404 if document is None else 200, {}, body, NOW, NOW)


def title(trakt: int, slug: str, **more: Any) -> dict[str, Any]:
    return {"title": slug.title(), "year": 2024, "ids": {"trakt": trakt, "slug": slug}, **more}


def resolved(site: Site, name: str) -> Any:
    (entry,) = parse_names([name], "--titles")
    return asyncio.run(resolve(site, entry))[1]


def test_lines_are_titles_and_text_after_a_number_sign_is_not():
    text = (
        "# films\n\nmovie:Dune-2021  # the first\r\nshow:id:24\nshow:slug:24\nmovie:slug:dune-2021\nmovie:tt1160419\n"
    )
    assert parse_lines(text.replace("\r", ""), "list") == [
        Entry("movie", "name", "dune-2021", "list, line 3"),
        Entry("show", "id", "24", "list, line 4"),
        Entry("show", "slug", "24", "list, line 5"),
        Entry("movie", "name", "tt1160419", "list, line 7"),
    ]


def test_every_wrong_line_is_named_with_its_file():
    wrong = ["dune-2021", "film:dune", "movie:", "movie:id:x", "show:../../x", "movie:a b", "movie:id:0"]
    with pytest.raises(UsageError) as raised:
        parse_lines("\n".join(["movie:dune-2021", *wrong]), "titles.txt")
    lines = raised.value.message.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"titles.txt, line {at}" for at in range(2, 9)]
    assert "'film:dune' is not a title; expected movie:SLUG or show:SLUG" in lines[1]


def test_of_many_wrong_lines_the_first_twenty_are_shown():
    with pytest.raises(UsageError) as raised:
        parse_lines("x\n" * 1_000, "list")
    assert raised.value.message.splitlines()[-1] == "and 980 more"


def test_names_of_the_source_are_movies():
    assert [each.key for each in parse_names(["inception-2010", "show:dark"], "--movie-ids", "movie")] == [
        "movie:inception-2010",
        "show:dark",
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"# nothing\n", None])
def test_a_file_that_is_not_a_watch_list_is_refused(tmp_path, content):
    path = tmp_path / "titles.txt"
    if content is not None:
        path.write_bytes(content)
    settings = IngestSettings(source_system="replay", base_url="http://127.0.0.1:1")
    with pytest.raises(UsageError, match=r"titles\.txt.*; expected movie:SLUG or show:SLUG"):
        read_file(str(path), settings)


def test_a_folder_is_refused_as_one(tmp_path):
    with pytest.raises(UsageError, match=r"is a folder; expected a file with one title per line"):
        read_file(str(tmp_path), IngestSettings())


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path):
    path = tmp_path / "titles.txt"
    path.write_bytes("\ufeffmovie:dune-2021\r\nshow:dark\r\n".encode())
    settings = IngestSettings(source_system="replay", base_url="http://127.0.0.1:1")
    assert [each.key for each in read_file(str(path), settings)] == ["movie:dune-2021", "show:dark"]


def test_a_number_that_is_the_id_of_one_title_and_the_slug_of_another_is_ambiguous():
    found = json.loads((CASES / "numeric-slug.json").read_text(encoding="utf-8"))
    given, right = found["input"], found["right"]
    wanted = {"title": "24", **given["wanted"]}
    site = Site(**{"/shows/24": {"title": "Another", **given["GET /shows/24"]}, "/search/show": [{"show": wanted}]})
    with pytest.raises(AmbiguousTitle) as raised:
        resolved(site, f"show:{given['watch_list'][0]}")
    assert right["stops_with"] == f"{raised.value.code}, exit {raised.value.exit_code}, both titles named"
    assert "Another (show 24, slug another-show)" in raised.value.message
    assert "24 (show 460, slug 24)" in raised.value.message
    assert "expected show:id:24 or show:id:460" in raised.value.message


def test_a_number_that_only_one_title_has_is_that_title():
    assert resolved(Site(**{"/shows/24": title(24, "another"), "/search/show": []}), "show:24").ref.trakt_id == 24
    assert resolved(Site(**{"/movies/1917": title(9, "1917")}), "movie:1917").ref.trakt_id == 9


def test_a_slug_of_digits_is_found_by_a_search_and_read_by_its_id():
    site = Site(**{"/search/show": [{"show": title(460, "24")}], "/shows/460": title(460, "24")})
    assert resolved(site, "show:slug:24").ref.trakt_id == 460
    assert site.asked == ["/search/show", "/shows/460"]


def test_an_ordinary_name_costs_one_request():
    site = Site(**{"/movies/dune-2021": title(1, "dune-2021", released="2021-10-22", comment_count=7)})
    facts = resolved(site, "movie:dune-2021")
    assert (facts.ref.trakt_id, str(facts.released), facts.comments, site.asked) == (
        1,
        "2021-10-22",
        7,
        ["/movies/dune-2021"],
    )


@pytest.mark.parametrize("document", [None, [], {"title": "x"}, {"ids": {"trakt": True}}, {"ids": {"trakt": "1"}}])
def test_an_answer_without_an_id_is_not_a_title(document):
    with pytest.raises(TitleUnknown, match=r"--titles: movie:dune-2021 is not known"):
        resolved(Site(**{"/movies/dune-2021": document}), "movie:dune-2021")


def test_strange_values_of_a_title_are_left_out():
    facts = resolved(
        Site(**{"/movies/a": {"ids": {"trakt": 1, "slug": 5, "tmdb": 2**70}, "year": 10**9, "released": "soon"}}),
        "movie:a",
    )
    assert (facts.slug, facts.tmdb, facts.year, facts.released, facts.title) == (None, None, None, None, None)
