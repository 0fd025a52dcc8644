-- Comments that count: not deleted, on a title that was read, with a valid day. Comments on seasons and episodes come only
-- from the feed, so those before its first reading are unknown; if they counted, a show would seem to grow on the day when
-- the feed is first read. A table, since a view names the catalog: the name of the DuckDB file, which is renamed later.
select
    comment_id,
    title_kind || '-' || title_id_trakt as title_key,
    title_kind,
    title_id_trakt,
    created_at,
    day,
    user_key,
    is_reply,
    is_review,
    is_spoiler,
    is_edited,
    is_backfilled,
    coalesce(likes, 0) as likes,
    coalesce(replies, 0) as replies,
    -- Ratings are 1 to 10; 0 is a rating that was withdrawn.
    nullif(user_rating, 0) as user_rating,
    nullif(user_rating_first_seen, 0) as user_rating_first_seen
from {{ ref('stg_trakt__comment_event') }}
semi join {{ ref('dim_title') }} using (title_kind, title_id_trakt)
where not is_deleted and day is not null and season is null
