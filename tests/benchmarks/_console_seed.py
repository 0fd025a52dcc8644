"""Rows for the benchmark of the console, written by SQL: runs, stages, item errors, sessions and their frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.database.session import DatabaseSession

__all__ = ["Sizes", "seed"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of rows."""

    runs: int
    errors: int
    sessions: int
    frames: int
    episodes: int


def seed(database: DatabaseSession, sizes: Sizes) -> None:
    """Fill the tables that the pages read.

    Of 20 runs, one failed, one is partial and one was interrupted; a failed item has one of 12 codes. Of the sessions,
    one in 25 has an error, and one in 10 each flag. Only the first ``frames`` sessions have rows of frames.
    """
    database.run(
        """
        INSERT INTO pipeline.runs (run_id, pipeline, status, parameters, version, host, created_at, started_at,
            heartbeat_at, finished_at, error_stage, error_message)
        SELECT 'run-' || lpad(n::text, 8, '0'),
            (ARRAY['gamedata', 'viewership', 'screenalytics', 'trakt', 'media'])[1 + n % 5], s.status,
            jsonb_build_object('prefix', 'day=' || (n / 300), 'max_failed', n % 7), '0.1.0', 'bench-' || n % 50, t.at,
            t.at, t.at + interval '40 s', t.at + make_interval(secs => 20 + n % 900),
            CASE WHEN s.status = 'failed' THEN 'extract' END,
            CASE WHEN s.status = 'failed' THEN 'all 12 TARs failed; see the errors of the stage' END
        FROM generate_series(1, :runs) n
            CROSS JOIN LATERAL (SELECT (ARRAY['failed', 'partial', 'interrupted'])[1 + n % 20] AS odd) o
            CROSS JOIN LATERAL (SELECT coalesce(o.odd, 'success') AS status) s
            CROSS JOIN LATERAL (SELECT now() - make_interval(mins => (:runs - n) * 2) AS at) t
        """,
        runs=sizes.runs,
    )
    database.run(
        """
        INSERT INTO pipeline.run_stages (run_id, stage, stage_order, pipeline, status, parameters, started_at,
            heartbeat_at, finished_at, duration_ms, counts, exit_code)
        SELECT r.run_id, s.stage, s.number, r.pipeline, r.status, r.parameters, r.started_at, r.heartbeat_at,
            r.finished_at, 1000 * extract(epoch FROM r.finished_at - r.started_at),
            jsonb_build_object('items', 100, 'failed', 3), CASE r.status WHEN 'failed' THEN 65 ELSE 0 END
        FROM pipeline.runs r CROSS JOIN (VALUES ('plan', 1), ('extract', 2), ('manifest', 3)) s (stage, number)
        """
    )
    database.run(
        """
        INSERT INTO pipeline.item_errors (run_id, stage, item, code, retryable, message, at)
        SELECT r.run_id, 'extract',
            'day=' || r.n % 400 || '/session-' || lpad((r.n * 7919 + k)::text, 9, '0') || '.tar',
            'code_' || (r.n + k) % 12, (r.n + k) % 3 = 0,
            'the TAR ends within member video.mp4; expected 1,048,576 bytes, found ' || k * 1000 || '; copy it again',
            r.started_at + make_interval(secs => k)
        FROM (SELECT run_id, started_at, row_number() OVER (ORDER BY created_at DESC) AS n FROM pipeline.runs
                ORDER BY created_at DESC LIMIT :with_errors) r
            CROSS JOIN generate_series(1, :each) k
        """,
        with_errors=max(1, sizes.runs // 10),
        each=max(1, sizes.errors // max(1, sizes.runs // 10)),
    )
    database.run(
        """
        INSERT INTO gold.gamedata_sessions (s3_key, video_id, duration_s, sampled, is_video_mostly_dark,
            dark_frame_share, is_dpi_scale_issue, black_bar_share, is_video_mostly_menu, video_menu_percent,
            menu_method, input_device_class, is_session_empty, has_unusable_timestamps, error_stage, error_code, error,
            video_metadata, session_metadata, source_etag, spec_digest, content_hash, run_id)
        SELECT 'day=' || n % 400 || '/session-' || lpad(n::text, 9, '0') || '.tar', 'video-' || n, 600 + n % 600, 30,
            n % 10 = 0, (n % 100) / 100.0, n % 10 = 1, (n % 30) / 100.0, n % 10 = 2, (n % 100) / 100.0, 'static',
            (ARRAY['keyboard', 'gamepad', 'mixed'])[1 + n % 3], n % 10 = 3, n % 10 = 4,
            CASE WHEN n % 25 = 7 THEN 'extract' END, CASE WHEN n % 25 = 7 THEN 'code_' || n % 12 END,
            CASE WHEN n % 25 = 7 THEN 'the video has no frames' END,
            '{"width": 1920, "height": 1080, "codec": "h264", "fps": 60}', '{"game_exe": "game.exe"}', md5(n::text),
            'spec', md5(n::text), 'run-' || lpad((n % :runs + 1)::text, 8, '0')
        FROM generate_series(1, :sessions) n
        """,
        sessions=sizes.sessions,
        runs=sizes.runs,
    )
    values = "ARRAY(SELECT 40 + (n.n + g) % 150 FROM generate_series(1, 30) g)::real[]"
    shares = "ARRAY(SELECT ((n.n + g) % 30) / 100.0 FROM generate_series(1, 30) g)::real[]"
    database.run(
        f"""
        INSERT INTO gold.gamedata_frames (s3_key, frames, time_s, stride_s, luma_mean, luma_p01, luma_p50, luma_p99,
            border_top, border_bottom, border_left, border_right, static_share, is_corrupt, is_menu, content_hash,
            run_id)
        SELECT s3_key, 30, ARRAY(SELECT 3.0 * g FROM generate_series(1, 30) g), array_fill(3.0, ARRAY[30]),
            {values}, {values}, {values}, {values}, {shares}, {shares}, {shares}, {shares}, {shares},
            array_fill(false, ARRAY[30]), ARRAY(SELECT g % 4 = 0 FROM generate_series(1, 30) g), 'hash', 'run-00000001'
        FROM (SELECT s3_key, row_number() OVER (ORDER BY s3_key) AS n FROM gold.gamedata_sessions
            ORDER BY s3_key LIMIT :frames) n
        """,
        frames=sizes.frames,
    )
