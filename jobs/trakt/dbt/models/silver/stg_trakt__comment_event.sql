{{ config(materialized='incremental', incremental_strategy='merge', unique_key='comment_id',
    on_schema_change='append_new_columns') }}
-- One row per comment: its newest state, by the time of observation, not by the highest count or the last commit.
with touched as {{ touched() }},
history as (
    select * from {{ ref('int_trakt__comment_history') }} where comment_id in (select comment_id from touched)
),
last_state as (
    select * from history
    where payload_sha is not null
    qualify row_number() over (partition by comment_id order by valid_from desc) = 1
),
first_state as (
    select comment_id, payload_sha from history
    where payload_sha is not null
    qualify row_number() over (partition by comment_id order by valid_from) = 1
),
deletions as (
    select comment_id, max(valid_from) as deleted_at from history
    where payload_sha is null and valid_to is null
    group by 1
),
spans as (
    select comment_id, min(observed_at) as first_seen_at, max(observed_at) as last_seen_at
    from {{ ref('int_trakt__sighting') }}
    where comment_id in (select comment_id from touched)
    group by 1
),
-- Narrow, and materialized, so that the bodies are read once, from one side of one join: DuckDB keeps the other one in
-- memory.
picked as materialized (
    select
        last_state.comment_id,
        last_state.payload_sha,
        last_state.title_kind,
        last_state.title_id_trakt,
        last_state.season,
        last_state.episode,
        first_version.user_rating as user_rating_first_seen,
        spans.first_seen_at,
        spans.last_seen_at,
        deletions.deleted_at
    from last_state
    join first_state on first_state.comment_id = last_state.comment_id
    join {{ ref('stg_trakt__comment_version') }} as first_version
        on first_version.comment_id = first_state.comment_id and first_version.payload_sha = first_state.payload_sha
    join spans on spans.comment_id = last_state.comment_id
    left join deletions on deletions.comment_id = last_state.comment_id
),
joined as (
    select
        version.*,
        picked.* exclude (comment_id, payload_sha),
        coalesce({{ is_out_of_range('version.created_at', 'picked.first_seen_at') }}, true) as is_created_out_of_range,
        coalesce({{ is_out_of_range('version.updated_at', 'picked.last_seen_at') }}, false) as is_updated_out_of_range
    from {{ ref('stg_trakt__comment_version') }} as version
    join picked on picked.comment_id = version.comment_id and picked.payload_sha = version.payload_sha
)
select
    comment_id,
    title_kind,
    title_id_trakt,
    season,
    episode,
    parent_id,
    coalesce(parent_id, 0) <> 0 as is_reply,
    created_at,
    updated_at,
    changed_at,
    -- Times out of range have no day: a calendar that reaches them would have 700,000 days.
    case when not is_created_out_of_range then created_at::date end as day,
    is_created_out_of_range or is_updated_out_of_range as is_time_out_of_range,
    body,
    is_spoiler,
    is_review,
    replies,
    likes,
    language,
    user_rating,
    user_rating_first_seen,
    play_count,
    completed_count,
    user_key,
    is_private,
    is_user_deleted,
    is_vip,
    coalesce(updated_at > created_at, false) as is_edited,
    first_seen_at,
    last_seen_at,
    coalesce(first_seen_at > created_at + interval ({{ var('backfill_after_days') }}) day, true) as is_backfilled,
    deleted_at is not null as is_deleted,
    deleted_at,
    payload_sha,
    is_synthetic
from joined
