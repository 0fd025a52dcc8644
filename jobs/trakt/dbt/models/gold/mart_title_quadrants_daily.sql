-- One row per title and period, for as_of: the side of its peers' medians on which it is, if that is probable enough.
with computed as materialized (
    select
        titles.*,
        trakt_intensity(titles.commenters, titles.comments, peers.alpha, peers.beta, peers.dispersion) as intensity,
        trakt_quadrant(
            titles.commenters, titles.comments, peers.alpha, peers.beta, peers.dispersion, peers.median_breadth,
            peers.median_intensity, peers.n
        ) as quadrant,
        peers.n as peers,
        peers.median_breadth,
        peers.median_intensity
    from {{ ref('int_trakt__title_period') }} as titles
    left join {{ ref('int_trakt__peers') }} as peers using (title_kind, age_band, period)
)
select
    title_kind,
    title_id_trakt,
    as_of,
    period,
    coalesce(age_band, 'unknown') as age_band,
    quadrant.value as quadrant,
    quadrant.reason as reason,
    quadrant.n as n,
    {{ fromjson(env_var('TELECINE_DBT_PARAMETERS', '{}')).get('n_min', 20) }}::integer as n_min,
    coalesce(peers, 0)::integer as peers,
    commenters::double as breadth,
    median_breadth as breadth_median,
    quadrant.p_breadth as p_breadth_high,
    intensity.value as intensity,
    intensity.low as intensity_low,
    intensity.high as intensity_high,
    median_intensity as intensity_median,
    quadrant.p_intensity as p_intensity_high
from computed
