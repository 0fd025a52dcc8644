{{ config(schema='silver') }}
-- One row per kind, age band and period: the prior and the medians of the titles in it.
with found as materialized (
    select title_kind, age_band, period,
        trakt_peers(
            list(commenters order by title_id_trakt), list(comments order by title_id_trakt),
            list(squares order by title_id_trakt)
        ) as peers
    from {{ ref('int_trakt__title_period') }}
    where age_band is not null and commenters > 0
    group by all
)
select
    title_kind,
    age_band,
    period,
    peers.n as n,
    peers.alpha as alpha,
    peers.beta as beta,
    peers.dispersion as dispersion,
    peers.median_breadth as median_breadth,
    peers.median_intensity as median_intensity,
    peers.reason as reason
from found
