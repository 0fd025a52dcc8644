-- One row per day from the first comment to the newest observation. MetricFlow joins cumulative metrics with these days.
with ends as (
    select coalesce(min(day), max(as_of)) as first_day, max(as_of) as last_day
    from {{ ref('int_trakt__as_of') }}
    left join {{ ref('fct_comment') }} on true
)
select unnest(range(first_day, last_day + 1, interval 1 day))::date as date_day
from ends
where last_day is not null
