-- Comments that can be counted: not deleted, of a title that was read, on a day that can be. A table, since a view names the catalog, which
-- is the name of the file, and the file is renamed.
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
    user_rating,
    user_rating_first_seen
from {{ ref('stg_trakt__comment_event') }}
semi join {{ ref('dim_title') }} using (title_kind, title_id_trakt)
where not is_deleted and day is not null
