-- One row per title, day and period that ends on that day. Breadth (commenters) is exact, not a sum over days: a commenter
-- counts from each comment until the period has passed or the same person comments again, whichever is earlier. That is
-- +1 on one day and -1 on another, so no day is joined with the days of its window.
with as_of as (select as_of from {{ ref('int_trakt__as_of') }}),
days as (
    select unnest(range(as_of - ({{ var('engagement_days') }} - 1)::integer, as_of + 1, interval 1 day))::date as day
    from as_of
),
first_day as (select min(day) as day from days),
comments as (
    select * from {{ ref('fct_comment') }} where day <= (select as_of from as_of)
),
daily as (
    select title_kind, title_id_trakt, day,
        count(*) filter (where not is_reply) as comments,
        count(*) filter (where is_reply) as replies,
        count(*) filter (where {{ is_counted() }}) as counted,
        count(*) filter (where is_review) as reviews,
        count(*) filter (where is_spoiler) as spoilers,
        sum(likes) as likes,
        count(user_rating) as rated,
        -- As decimals, which are exact: a sum of doubles depends on their order.
        coalesce(sum(user_rating::decimal(18, 6)), 0) as rating_sum
    from comments
    group by all
),
commenter_days as (
    select distinct title_kind, title_id_trakt, user_key, day from comments where {{ is_counted() }}
),
spans as (
    select title_kind, title_id_trakt, day,
        lead(day) over (partition by title_kind, title_id_trakt, user_key order by day) as next_day
    from commenter_days
),
steps as (
    select title_kind, title_id_trakt, period, day as step_day, comments, replies, counted, reviews, spoilers, likes, rated,
        rating_sum, 0 as commenters
    from daily, {{ periods() }}
    union all
    select title_kind, title_id_trakt, period, day + days, -comments, -replies, -counted, -reviews, -spoilers, -likes, -rated,
        -rating_sum, 0
    from daily, {{ periods() }}
    where days is not null
    union all
    select title_kind, title_id_trakt, period, day, 0, 0, 0, 0, 0, 0, 0, 0, 1 from spans, {{ periods() }}
    union all
    select title_kind, title_id_trakt, period, least(day + days, next_day), 0, 0, 0, 0, 0, 0, 0, 0, -1
    from spans, {{ periods() }}
    where days is not null or next_day is not null
),
-- Everything before the first day counts on the first day.
summed as (
    select title_kind, title_id_trakt, period, greatest(step_day, (select day from first_day)) as day,
        sum(comments) as comments, sum(replies) as replies, sum(counted) as counted, sum(reviews) as reviews,
        sum(spoilers) as spoilers, sum(likes) as likes, sum(rated) as rated, sum(rating_sum) as rating_sum,
        sum(commenters) as commenters
    from steps
    where step_day <= (select as_of from as_of)
    group by all
),
grid as (
    select title_kind, title_id_trakt, period, days.day
    from (select title_kind, title_id_trakt, period, min(day) as since from summed group by all) as titles
    join days on days.day >= titles.since
),
running as (
    select title_kind, title_id_trakt, day as as_of, period,
        sum(coalesce(comments, 0)) over so_far as comments,
        sum(coalesce(replies, 0)) over so_far as replies,
        sum(coalesce(counted, 0)) over so_far as counted,
        sum(coalesce(commenters, 0)) over so_far as commenters,
        sum(coalesce(reviews, 0)) over so_far as reviews,
        sum(coalesce(spoilers, 0)) over so_far as spoilers,
        sum(coalesce(likes, 0)) over so_far as likes,
        sum(coalesce(rated, 0)) over so_far as rated,
        sum(coalesce(rating_sum, 0)) over so_far as rating_sum
    from grid
    left join summed using (title_kind, title_id_trakt, period, day)
    window so_far as (
        partition by title_kind, title_id_trakt, period order by day rows between unbounded preceding and current row
    )
)
select
    title_kind,
    title_id_trakt,
    as_of,
    period,
    comments::bigint as comments,
    replies::bigint as replies,
    commenters::bigint as commenters,
    reviews::bigint as reviews,
    spoilers::bigint as spoilers,
    {{ as_bigint('likes') }} as likes,
    -- Comments beyond each commenter's first.
    (counted - commenters)::bigint as further_comments,
    rated::bigint as rated,
    case when rated > 0 then rating_sum::double / rated end as rating_mean
from running
