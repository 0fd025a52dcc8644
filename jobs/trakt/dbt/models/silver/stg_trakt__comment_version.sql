{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns') }}
-- One row per comment and distinct payload ever seen. A payload stored by several loads is equal in all of them, so the
-- one at any place is as good as another. It is chosen by its place: a million payloads in a GROUP BY are 600 MB that
-- DuckDB cannot spill.
with chosen as (
    select comment_id, left(payload_sha256, 16) as payload_sha, min(hash(filename, file_row_number)) as place,
        bool_or(is_synthetic) as is_synthetic
    from {{ new_rows('comment', places=true) }}
    where comment_id is not null and payload is not null
    group by 1, 2
),
stored as (
    select rows.comment_id, chosen.payload_sha, rows.payload, chosen.is_synthetic
    from {{ new_rows('comment', places=true) }} as rows
    join chosen on rows.comment_id = chosen.comment_id and left(rows.payload_sha256, 16) = chosen.payload_sha
        and hash(rows.filename, rows.file_row_number) = chosen.place
    where rows.payload is not null
),
fresh as (
    select * from stored
    {% if is_incremental() %}
    where not exists (
        select 1 from {{ this }} as known
        where known.comment_id = stored.comment_id and known.payload_sha = stored.payload_sha
    )
    {% endif %}
),
parsed as (
    select comment_id, payload_sha, is_synthetic, from_json(payload, '{
        "parent_id": "VARCHAR", "created_at": "VARCHAR", "updated_at": "VARCHAR", "comment": "VARCHAR",
        "spoiler": "VARCHAR", "review": "VARCHAR", "replies": "VARCHAR", "likes": "VARCHAR", "language": "VARCHAR",
        "user_rating": "VARCHAR", "user_stats": {"play_count": "VARCHAR", "completed_count": "VARCHAR"},
        "user": {
            "username": "VARCHAR", "private": "VARCHAR", "deleted": "VARCHAR", "vip": "VARCHAR",
            "ids": {"slug": "VARCHAR", "trakt": "VARCHAR"}
        }
    }') as item
    from fresh
),
typed as (
    select
        comment_id,
        payload_sha,
        {{ as_integer('item.parent_id') }} as parent_id,
        {{ as_time('item.created_at') }} as created_at,
        {{ as_time('item.updated_at') }} as updated_at,
        {{ clean_text('item.comment') }} as body,
        {{ as_flag('item.spoiler') }} as is_spoiler,
        {{ as_flag('item.review') }} as is_review,
        {{ as_integer('item.replies') }} as replies,
        {{ as_integer('item.likes') }} as likes,
        {{ clean_text('item.language') }} as language,
        {{ as_number('item.user_rating') }} as user_rating,
        {{ as_integer('item.user_stats.play_count') }} as play_count,
        {{ as_integer('item.user_stats.completed_count') }} as completed_count,
        -- A user without any name is not the same as another such user: the comment's id keeps them apart in breadth.
        -- Deleted accounts without a number share a name.
        sha256(
            getvariable('user_salt') || ':' || coalesce(
                'slug:' || nullif(item."user".ids.slug, ''),
                'trakt:' || nullif(item."user".ids.trakt, ''),
                case when {{ as_flag('item."user".deleted') }} is not true
                    then 'name:' || nullif(item."user".username, '')
                end,
                'comment:' || comment_id
            )
        ) as user_key,
        {{ as_flag('item."user".private') }} as is_private,
        {{ as_flag('item."user".deleted') }} as is_user_deleted,
        {{ as_flag('item."user".vip') }} as is_vip,
        is_synthetic,
        item
    from parsed
)
select
    comment_id,
    payload_sha,
    parent_id,
    created_at,
    updated_at,
    -- updated_at may be earlier than created_at.
    greatest(created_at, updated_at) as changed_at,
    body,
    is_spoiler,
    is_review,
    replies,
    likes,
    language,
    user_rating,
    play_count,
    completed_count,
    user_key,
    is_private,
    is_user_deleted,
    is_vip,
    is_synthetic,
    {{ unparsed([
        ('parent_id', 'item.parent_id', 'parent_id'), ('created_at', 'item.created_at', 'created_at'),
        ('updated_at', 'item.updated_at', 'updated_at'), ('spoiler', 'item.spoiler', 'is_spoiler'),
        ('review', 'item.review', 'is_review'), ('replies', 'item.replies', 'replies'), ('likes', 'item.likes', 'likes'),
        ('user_rating', 'item.user_rating', 'user_rating'),
        ('user_stats/play_count', 'item.user_stats.play_count', 'play_count'),
        ('user/private', 'item."user".private', 'is_private'),
    ]) }} as unparsed
from typed
