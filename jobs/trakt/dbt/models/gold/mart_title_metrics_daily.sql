-- One row per title, for as_of: each figure with its n, its interval, and a reason if it has no value. The formulas, their
-- sources and their parameters are in jobs.trakt.metrics.
with titles as (
    select * from {{ ref('int_trakt__title_period') }} where period = 'all'
),
comments as (
    select title_kind, title_id_trakt, created_at, user_rating_first_seen, is_backfilled, started_at,
        epoch(created_at - started_at) / 86400 as at_d
    from {{ ref('fct_comment') }}
    join titles using (title_kind, title_id_trakt)
    where {{ is_counted() }} and day <= titles.as_of
),
-- One list, sorted afterwards: three lists, each with its own ORDER BY, need 1 GB for a million comments.
seen as (
    select title_kind, title_id_trakt,
        list_sort(list(struct_pack(d := at_d, rating := user_rating_first_seen, late := is_backfilled))) as comments
    from comments
    group by all
),
series as (
    select title_kind, title_id_trakt,
        list_transform(comments, lambda one: one.d) as times,
        list_transform(comments, lambda one: one.rating) as ratings,
        list_transform(comments, lambda one: one.late) as backfilled
    from seen
),
-- Materialised once: otherwise each column would call the function again.
computed as materialized (
    select
        titles.*,
        trakt_breadth(titles.commenters) as breadth,
        trakt_intensity(titles.commenters, titles.comments, peers.alpha, peers.beta, peers.dispersion) as intensity,
        trakt_half_life(series.times, titles.age_d, titles.anchor = 'first_comment') as half_life,
        trakt_horizon(series.times, titles.age_d, 0.5, 90) as t50,
        trakt_horizon(series.times, titles.age_d, 0.8, 90) as t80,
        trakt_horizon(series.times, titles.age_d, 0.5, 365) as t50_year,
        trakt_horizon(series.times, titles.age_d, 0.8, 365) as t80_year,
        trakt_hold_up(series.times, series.ratings, series.backfilled, titles.age_d) as hold_up,
        trakt_retention(series.times, titles.age_d) as retention
    from titles
    left join series using (title_kind, title_id_trakt)
    left join {{ ref('int_trakt__peers') }} as peers using (title_kind, age_band, period)
)
select
    title_kind,
    title_id_trakt,
    as_of,
    floor(age_d)::integer as age_days,
    age_band,
    anchor,
    comments,
    {{ 'true' if counts_replies() else 'false' }} as replies_counted,
    {{ fromjson(env_var('TELECINE_DBT_PARAMETERS', '{}')).get('n_min', 20) }}::integer as n_min,
    {{ figure('breadth', 'breadth') }},
    {{ figure('intensity', 'intensity') }},
    {{ figure('half_life_days', 'half_life') }},
    -- Above 0, the exponential fits better than the power law; a difference of less than 2 decides nothing.
    half_life.aic_power_law - half_life.aic as half_life_aic_gain,
    {{ figure('t50_days', 't50') }},
    {{ figure('t80_days', 't80') }},
    {{ figure('t50_year_days', 't50_year') }},
    {{ figure('t80_year_days', 't80_year') }},
    {{ figure('hold_up', 'hold_up') }},
    hold_up.n_first as hold_up_n_before,
    hold_up.n_last as hold_up_n_after,
    hold_up.is_backfilled as hold_up_first_seen_by_backfill,
    {{ figure('retention', 'retention') }}
from computed
