-- One row per title and day on which a comment was written or a change of likes was seen. A comment counts on the day when
-- it was written, even after an edit; a change of likes, on the day when it was seen. Commenters must not be added up over
-- days: see fct_engagement_daily.
with written as (
    select
        title_kind,
        title_id_trakt,
        day,
        count(*) filter (where not is_reply) as comments,
        count(*) filter (where is_reply) as replies,
        count(distinct user_key) filter (where {{ is_counted() }}) as commenters,
        count(*) filter (where is_review) as reviews,
        count(*) filter (where is_spoiler) as spoilers,
        {{ as_bigint('sum(likes)') }} as likes,
        {{ as_bigint('sum(replies)') }} as reply_count,
        count(user_rating) as rated,
        -- As decimals, which are exact: a sum of doubles depends on their order.
        sum(user_rating::decimal(18, 6))::double as rating_sum,
        count(*) filter (where is_edited) as edited,
        count(*) filter (where is_backfilled) as late_arrivals
    from {{ ref('fct_comment') }}
    group by all
),
liked as (
    select
        title_kind,
        title_id_trakt,
        valid_from::date as day,
        {{ as_bigint('sum(greatest(likes_change, 0))') }} as likes_added,
        {{ as_bigint('sum(likes_change)') }} as likes_net_change
    from {{ ref('int_trakt__comment_history') }}
    semi join {{ ref('dim_title') }} using (title_kind, title_id_trakt)
    where likes_change <> 0 and season is null
    group by all
)
select
    title_kind,
    title_id_trakt,
    day,
    coalesce(comments, 0) as comments,
    coalesce(replies, 0) as replies,
    coalesce(commenters, 0) as commenters,
    coalesce(reviews, 0) as reviews,
    coalesce(spoilers, 0) as spoilers,
    coalesce(likes, 0) as likes,
    coalesce(reply_count, 0) as reply_count,
    coalesce(rated, 0) as rated,
    rating_sum,
    coalesce(edited, 0) as edited,
    coalesce(late_arrivals, 0) as late_arrivals,
    coalesce(likes_added, 0) as likes_added,
    coalesce(likes_net_change, 0) as likes_net_change
from written
full join liked using (title_kind, title_id_trakt, day)
