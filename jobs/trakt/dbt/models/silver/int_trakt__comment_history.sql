{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='comment_id',
    on_schema_change='append_new_columns') }}
-- One row per change of a comment: first sight, edit, change of counts, move to another title, deletion, return. Computed
-- again from all sightings of the comments that this build's loads touch, so the order of loads does not matter. Times are
-- whole seconds, and a comment is only requested after it was seen: of a sighting and a 404 in one second, the 404 is later.
with touched as {{ touched() }},
seen as (
    select comment_id, observed_at, payload_sha, title_kind, title_id_trakt, season, episode, is_elsewhere,
        version.changed_at
    from {{ ref('int_trakt__sighting') }} as sighting
    join {{ ref('stg_trakt__comment_version') }} as version using (comment_id, payload_sha)
    where comment_id in (select comment_id from touched)
    -- Of two states in one second, keep the one that was changed last; the hash only makes the choice deterministic.
    qualify row_number() over (
        partition by comment_id, observed_at
        order by version.changed_at desc nulls last, payload_sha desc, title_kind desc nulls last,
            title_id_trakt desc nulls last, season desc nulls last, episode desc nulls last, is_elsewhere desc
    ) = 1
),
states as (
    select comment_id, observed_at, payload_sha,
        -- Elsewhere also counts as a title, of which nothing is known.
        case when title_id_trakt is not null or is_elsewhere
            then struct_pack(kind := title_kind, id := title_id_trakt, season := season, episode := episode)
        end as title
    from seen
    union all
    select distinct comment_id, observed_at, null, null
    from {{ ref('int_trakt__comment_gone') }}
    where comment_id in (select comment_id from seen)
),
titled as (
    select comment_id, observed_at, payload_sha,
        -- An item of a feed may lack its title: take the last known title, or before any is known, the first one.
        coalesce(
            last_value(title ignore nulls) over so_far,
            first_value(title ignore nulls) over (
                partition by comment_id order by observed_at, payload_sha is null
                rows between unbounded preceding and unbounded following
            )
        ) as title
    from states
    window so_far as (
        partition by comment_id order by observed_at, payload_sha is null
        rows between unbounded preceding and current row
    )
),
changes as (
    select *
    from titled
    window ordered as (partition by comment_id order by observed_at, payload_sha is null)
    qualify row_number() over ordered = 1
        or payload_sha is distinct from lag(payload_sha) over ordered
        or title is distinct from lag(title) over ordered
),
described as (
    select comment_id, observed_at, changes.payload_sha, title, body, is_spoiler, is_review, likes, replies, user_rating,
        row_number() over ordered as number,
        lead(observed_at) over ordered as valid_to,
        lag(changes.payload_sha) over ordered as sha_before,
        lag(title) over ordered as title_before,
        -- Values of the previous state, also across a deletion.
        last_value(body ignore nulls) over earlier as body_before,
        last_value(is_spoiler ignore nulls) over earlier as spoiler_before,
        last_value(is_review ignore nulls) over earlier as review_before,
        last_value(likes ignore nulls) over earlier as likes_before,
        last_value(replies ignore nulls) over earlier as replies_before,
        last_value(user_rating ignore nulls) over earlier as rating_before
    from changes
    left join {{ ref('stg_trakt__comment_version') }} as version using (comment_id, payload_sha)
    window ordered as (partition by comment_id order by observed_at, changes.payload_sha is null),
        earlier as (
            partition by comment_id order by observed_at, changes.payload_sha is null
            rows between unbounded preceding and 1 preceding
        )
)
select
    comment_id,
    observed_at as valid_from,
    valid_to,
    case
        when payload_sha is null then 'deleted'
        when number = 1 then 'first'
        when sha_before is null and body_before is not null then 'returned'
        when title is distinct from title_before then 'moved'
        when (body, is_spoiler, is_review) is distinct from (body_before, spoiler_before, review_before) then 'edited'
        when (likes, replies, user_rating) is distinct from (likes_before, replies_before, rating_before) then 'counted'
        else 'other'
    end as change,
    payload_sha,
    title.kind as title_kind,
    title.id as title_id_trakt,
    title.season as season,
    title.episode as episode,
    likes,
    replies,
    -- Likes seen at the first sight may have been given at any time before, so they are not a change.
    case when payload_sha is not null then likes - likes_before end as likes_change
from described
