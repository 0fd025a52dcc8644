-- One row per title that was read. A title that only the feed's comments name has no row: its other comments are unknown,
-- so its breadth would be wrong. Descriptive columns come from the newest summary that was read.
with titles as (
    select title_kind, title_id_trakt, observed_at from {{ ref('stg_trakt__title') }}
    union all select title_kind, title_id_trakt, observed_at from {{ ref('stg_trakt__rating_dist') }}
    union all select title_kind, title_id_trakt, observed_at from {{ ref('stg_trakt__title_gone') }}
    union all select title_kind, title_id_trakt, observed_at from {{ ref('int_trakt__sighting') }} where is_listed
),
known as (
    select title_kind, title_id_trakt, max(observed_at) as observed_at
    from titles
    where title_kind in ('movie', 'show')
    group by all
),
summary as (
    select * from {{ ref('stg_trakt__title') }}
    qualify row_number() over (partition by title_kind, title_id_trakt order by observed_at desc, payload_sha desc) = 1
),
ratings as (
    select * from {{ ref('stg_trakt__rating_dist') }}
    qualify row_number() over (partition by title_kind, title_id_trakt order by observed_at desc, payload_sha desc) = 1
),
tmdb as (
    select * from {{ ref('stg_trakt__tmdb') }}
    qualify row_number() over (partition by title_kind, title_id_trakt order by observed_at desc, payload_sha desc) = 1
),
comments as (
    select title_kind, title_id_trakt,
        min(created_at) filter (where day is not null and not is_deleted) as first_comment_at,
        count(*) filter (where day is null and not is_deleted) as comments_without_day,
        count(*) filter (where is_deleted) as deleted_comments,
        bool_or(is_synthetic) as is_synthetic
    from {{ ref('stg_trakt__comment_event') }}
    -- As in fct_comment: without the comments on seasons and episodes.
    where season is null
    group by all
),
-- Well-known titles have been missing for two days: a title is gone if it was not found on three days and not read since.
gone as (
    -- Always the third day, even if there is a fourth.
    select title_kind, title_id_trakt, list_sort(list(distinct gone.observed_at::date))[3] as gone_on
    from {{ ref('stg_trakt__title_gone') }} as gone
    left join summary using (title_kind, title_id_trakt)
    where summary.observed_at is null or gone.observed_at > summary.observed_at
    group by all
)
select
    title_kind,
    title_id_trakt,
    summary.slug,
    summary.title,
    summary.year,
    summary.imdb_id,
    coalesce(summary.tmdb_id, tmdb.tmdb_id) as tmdb_id,
    summary.status,
    summary.released,
    summary.runtime_min,
    summary.genres,
    summary.certification,
    summary.language,
    summary.country,
    summary.comment_count,
    coalesce(ratings.votes, summary.votes) as votes,
    -- For a title without votes, the summary states 0, and the ratings state nothing.
    coalesce(ratings.rating, nullif(summary.rating, 0)) as rating,
    case
        when ratings.rating is not null then ratings.observed_at
        when nullif(summary.rating, 0) is not null then summary.observed_at
    end as rating_observed_at,
    comments.first_comment_at,
    coalesce(comments.comments_without_day, 0) as comments_without_day,
    coalesce(comments.deleted_comments, 0) as deleted_comments,
    gone.gone_on is not null as is_gone,
    gone.gone_on,
    tmdb.popularity as tmdb_popularity,
    tmdb.vote_average as tmdb_vote_average,
    tmdb.vote_count as tmdb_vote_count,
    coalesce(summary.is_synthetic, false) or coalesce(comments.is_synthetic, false) as is_synthetic,
    known.observed_at
from known
left join summary using (title_kind, title_id_trakt)
left join ratings using (title_kind, title_id_trakt)
left join tmdb using (title_kind, title_id_trakt)
left join comments using (title_kind, title_id_trakt)
left join gone using (title_kind, title_id_trakt)
