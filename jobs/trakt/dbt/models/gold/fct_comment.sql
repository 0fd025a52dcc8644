-- Comments that can be counted: not deleted, of a title that was read, on a day that can be. Those of a show's seasons and
-- episodes come only from the feed, so the ones before its first reading are unknown: with them, a show would grow on the
-- day when it is first read. A table, since a view names the catalog, which is the name of the file, and the file is renamed.
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
    -- Ratings are 1 to 10; 0 is one that was taken back.
    nullif(user_rating, 0) as user_rating,
    nullif(user_rating_first_seen, 0) as user_rating_first_seen
from {{ ref('stg_trakt__comment_event') }}
semi join {{ ref('dim_title') }} using (title_kind, title_id_trakt)
where not is_deleted and day is not null and season is null
