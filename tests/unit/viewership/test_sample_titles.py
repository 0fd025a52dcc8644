"""Titles of the sample catalogue read as English."""

from __future__ import annotations

from jobs.viewership.sample.episodes import episodes


def test_plurals_are_english():
    titles = {episode.title for episode in episodes(400, 1)}
    assert {"No More Witnesses", "No More Letters", "No More Keys"} <= {title.partition(",")[0] for title in titles}
    assert not [title for title in titles if "ss's" in title or "sss" in title]
