{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row per reading of a title's ratings. With extended=all, Trakt's own ratings are nested under `trakt`. The rating is
-- stored as received: it is not always the mean of the distribution, which may lack hundreds of votes.
{% set marks = range(1, 11) %}
{% set distribution %}{ {%- for mark in marks %}"{{ mark }}": "VARCHAR"{{ ', ' if not loop.last }}{% endfor -%} }{% endset %}
with parsed as (
    select title_kind, title_id_trakt, observed_at, load_id, left(payload_sha256, 16) as payload_sha, from_json(payload, '{
        "rating": "VARCHAR", "votes": "VARCHAR", "distribution": {{ distribution }},
        "trakt": {"rating": "VARCHAR", "votes": "VARCHAR", "distribution": {{ distribution }}}
    }') as answer
    from {{ new_rows('rating') }}
    where payload is not null and title_id_trakt is not null
),
own as (
    select * exclude (answer),
        answer.trakt is not null as is_nested,
        case when answer.trakt is not null then answer.trakt.rating else answer.rating end as raw_rating,
        case when answer.trakt is not null then answer.trakt.votes else answer.votes end as raw_votes,
        case when answer.trakt is not null then answer.trakt.distribution else answer.distribution end as marks
    from parsed
),
typed as (
    select title_kind, title_id_trakt, observed_at, load_id, payload_sha, is_nested, raw_rating, raw_votes,
        {{ as_number('raw_rating') }} as rating,
        {{ as_integer('raw_votes') }} as votes,
        marks is not null as has_distribution,
        {% for mark in marks %}
        {{ as_integer('marks."' ~ mark ~ '"') }} as votes_{{ mark }},
        {% endfor %}
        marks
    from own
)
select
    title_kind,
    title_id_trakt,
    observed_at,
    load_id,
    payload_sha,
    is_nested,
    rating,
    votes,
    has_distribution,
    {% for mark in marks %}
    votes_{{ mark }},
    {% endfor %}
    case when has_distribution then
        {% set votes %}{% for mark in marks %}coalesce(votes_{{ mark }}, 0)::hugeint{{ ' + ' if not loop.last }}{% endfor %}{% endset %}
        {{ as_bigint(votes) }}
    end as distribution_votes,
    {{ unparsed([('rating', 'raw_rating', 'rating'), ('votes', 'raw_votes', 'votes')]) }} as unparsed
from typed
-- A title may be read twice in one second.
qualify row_number() over (partition by title_kind, title_id_trakt, observed_at, load_id order by payload_sha) = 1
