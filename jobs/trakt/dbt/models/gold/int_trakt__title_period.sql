{{ config(schema='silver') }}
-- One row per title and period that ends on as_of: the inputs of breadth, intensity and quadrants.
with as_of as (
    -- Ages end at the last observation, not at the end of its day: an extra half-day without data would look like decay.
    select as_of, least((as_of + 1)::timestamptz, last_observed_at) as ended_at from {{ ref('int_trakt__as_of') }}
),
counted as (
    select title_kind, title_id_trakt, user_key, day, as_of
    from {{ ref('fct_comment') }}, as_of
    where {{ is_counted() }} and day <= as_of
),
people as (
    select title_kind, title_id_trakt, user_key, period, count(*) as comments
    from counted, {{ periods() }}
    where days is null or day > as_of - days
    group by all
),
figures as (
    select title_kind, title_id_trakt, period, count(*) as commenters, sum(comments)::bigint as comments,
        sum((comments - 1) * (comments - 1))::double as squares
    from people
    group by all
),
titles as (
    select title_kind, title_id_trakt, as_of, ended_at, released, first_comment_at,
        case
            -- The site began in 2010: nobody could comment on an older title when it was released.
            when released between date '2010-01-01' and as_of then 'release'
            when first_comment_at is not null then 'first_comment'
        end as anchor
    from {{ ref('dim_title') }}, as_of
),
started as (
    select *, case anchor when 'release' then released::timestamptz else first_comment_at end as started_at
    from titles
),
aged as (
    select *, epoch(ended_at - started_at) / 86400 as age_d from started
)
select
    title_kind,
    title_id_trakt,
    as_of,
    period,
    anchor,
    started_at,
    age_d,
    trakt_age_band(age_d) as age_band,
    coalesce(figures.commenters, 0) as commenters,
    coalesce(figures.comments, 0) as comments,
    coalesce(figures.squares, 0) as squares
from aged
cross join {{ periods() }}
left join figures using (title_kind, title_id_trakt, period)
