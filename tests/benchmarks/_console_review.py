"""Keys that wait for review, for the benchmark of the console: a catalogue, uploads, rows, matches and candidates."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shared.database.session import DatabaseSession

__all__ = ["decide", "seed", "ways"]

_EPISODES: Final = 5_000
_UPLOADS: Final = 200
_QUEUE: Final = "SELECT * FROM console.review_keys ORDER BY hours DESC, review_digest DESC LIMIT 51"
_HISTORY: Final = "SELECT * FROM viewership.decisions ORDER BY decision_id DESC LIMIT 51"


def seed(database: DatabaseSession, keys: int) -> None:
    """Write keys that wait, each with three rows of some hours and up to five candidates, and 5,000 old decisions."""
    database.run(
        "INSERT INTO catalog.versions (version, action, origin, key_version, created_by)"
        " VALUES (1, 'import', 'bench', 1, 'bench')"
    )
    database.run(
        "INSERT INTO catalog.series (id, code, code_key, source)"
        " SELECT n, 'S' || n, 's' || n, 'bench' FROM generate_series(1, 200) n"
    )
    database.run(
        "INSERT INTO catalog.series_titles (series_id, main, title, series_key, series_base, source)"
        " SELECT n, true, 'Series ' || n, 'series ' || n, 'series ' || n, 'bench' FROM generate_series(1, 200) n"
    )
    database.run(
        "INSERT INTO catalog.episodes (id, ref_id, ref_key, series_id, season, episode, source)"
        " SELECT n, 'R-' || n, 'r-' || n, 1 + n % 200, (1 + n % 9)::text, (1 + n % 24)::text, 'bench'"
        " FROM generate_series(1, :episodes) n",
        episodes=_EPISODES,
    )
    database.run(
        "INSERT INTO catalog.episode_titles (episode_id, main, title, title_key, source)"
        " SELECT n, true, 'The Story of Number ' || n, 'story of number ' || n, 'bench'"
        " FROM generate_series(1, :episodes) n",
        episodes=_EPISODES,
    )
    database.run(
        """
        INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, platform, domain, label, format,
            status, units, hours, revenue, loaded_at, pipeline_run_id, created_at)
        SELECT encode(sha256(n::text::bytea), 'hex'), 'raw/' || n, 'report-' || n || '.csv', 1000, 'platform ' || n % 8,
            'Distribution Partners', 'Viewership', 'canonical', 'loaded', 100, 100, 0, now(), 'bench',
            now() - make_interval(hours => n)
        FROM generate_series(1, :uploads) n
        """,
        uploads=_UPLOADS,
    )
    database.run(
        """
        INSERT INTO viewership.scopes (platform, domain, digest, deal_parent, partner, channel, territory)
        SELECT 'platform ' || n, 'Distribution Partners', decode(md5(n::text), 'hex'), '1', 'Partner', 'Main', 'US'
        FROM generate_series(0, 7) n
        """
    )
    database.run(
        """
        INSERT INTO viewership.keys (digest, platform, content_name, series, season, episode, title_key, series_key,
            review_key, review_digest, key_version)
        SELECT decode(md5(n::text), 'hex'), 'platform ' || n % 8, 'The Stroy of Number ' || n, 'Series ' || 1 + n % 200,
            (1 + n % 9)::text, (1 + n % 24)::text, 'stroy of number ' || n, 'series ' || 1 + n % 200,
            ARRAY['platform ' || n % 8, 'stroy of number ' || n, 'series ' || 1 + n % 200, (1 + n % 9)::text,
                (1 + n % 24)::text, ''], decode(md5(n::text), 'hex'), 1
        FROM generate_series(1, :keys) n
        """,
        keys=keys,
    )
    database.run(
        """
        INSERT INTO viewership.matches (key_id, status, candidates, margin, reasons, rule_version, catalogue_version,
            pipeline_run_id)
        SELECT k.key_id, CASE WHEN k.key_id % 4 = 0 THEN 'unmatched' ELSE 'review' END, (
                SELECT COALESCE(jsonb_agg(jsonb_build_object('episode_id', 1 + (k.key_id + c) % :episodes, 'score',
                    90 - 5 * c + k.key_id % 5, 'found_by', jsonb_build_array('TITLE_SIMILAR'))), '[]')
                FROM generate_series(1, (k.key_id % 6)::integer) c), 5,
            jsonb_build_array(jsonb_build_object('code', (ARRAY['TIE', 'BELOW_CUT', 'CONFLICT'])[1 + k.key_id % 3],
                'message', 'a reason')), 'standard-1', 1, 'bench'
        FROM viewership.keys k
        """,
        episodes=_EPISODES,
    )
    database.run(
        """
        INSERT INTO viewership.platform_viewership (upload_id, line, scope_id, key_id, platform_content_name,
            platform_series, tot_hov, date, week, day, month, quarter, year)
        SELECT 1 + (k.key_id * 7 + r) % :uploads, k.key_id * 3 + r, s.scope_id, k.key_id, k.content_name, k.series,
            (k.key_id * 7919 % 100000) / 100.0, '2025-07-01', '2025-06-30', 1, 7, 'q3', 2025
        FROM viewership.keys k JOIN viewership.scopes s USING (platform), generate_series(1, 3) r
        """,
        uploads=_UPLOADS,
    )
    database.run(
        """
        INSERT INTO viewership.decisions (action, keys, episode_id, effects, previous, decided_by, undone_by, undone_at)
        SELECT 'accept', ARRAY[k.key_id], 1, '{"units": 3, "hours": 9, "uploads": 3, "loaded": 3, "removed": 0}',
            jsonb_build_array(to_jsonb(m)), 'reviewer ' || k.key_id % 12, 'bench', now()
        FROM viewership.keys k JOIN viewership.matches m USING (key_id) ORDER BY k.key_id LIMIT 5000
        """
    )


def ways() -> dict[str, tuple[Callable[[random.Random], str], str]]:
    """Return the pages: their URLs, and their bare queries."""
    return {
        "review card": (lambda _: "/review", _QUEUE),
        "review list": (lambda _: "/review?view=list", _QUEUE),
        "review by platform": (lambda draw: f"/review?view=list&platform=platform+{draw.randrange(8)}", _QUEUE),
        "review by text": (lambda draw: f"/review?view=list&q=number+{draw.randrange(1000)}", _QUEUE),
        "review by upload": (lambda draw: f"/review?view=list&upload={draw.randint(1, _UPLOADS)}", _QUEUE),
        "review by candidates": (lambda draw: f"/review?view=list&candidates={draw.randrange(3)}&sort=score", _QUEUE),
        "catalogue search": (lambda draw: f"/review?find=story+{draw.randrange(1000)}", _QUEUE),
        "review history": (lambda _: "/review/history", _HISTORY),
    }


def decide(address: str, requests: int) -> list[float]:
    """Accept the first candidate of as many cards as asked, and return milliseconds from decision to next card."""
    found: list[float] = []
    headers: dict[str, Any] = {"Accept": "text/html", "Origin": address.rstrip("/"), "Accept-Encoding": "gzip"}
    with httpx.Client(base_url=address, headers=headers, timeout=60, follow_redirects=True) as client:
        text = client.get("/review?candidates=3%2B").text
        while len(found) < requests + 3:
            fields = {
                "action": "accept",
                "seen": re.findall(r'name="seen" value="(\w+)"', text)[0],
                "episode": re.findall(r'name="episode" value="(\d+)"', text)[0],
            }
            action = re.findall(r'action="(/review\?[^"]*key=\w+)" method="post"', text)[0].replace("&amp;", "&")
            began = time.perf_counter()
            answer = client.post(action, data=fields)
            found.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, answer.text[-2000:]
            text = answer.text
    return found[3:]
