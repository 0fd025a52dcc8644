{# Tables of gold -> the name under which each is published, and its key. #}
{% macro gold_tables() %}
    {{ return({
        'dim_title': ('trakt_titles', 'title_kind, title_id_trakt'),
        'fct_comment_daily': ('trakt_comments_daily', 'title_kind, title_id_trakt, day'),
        'fct_engagement_daily': ('trakt_engagement_daily', 'title_kind, title_id_trakt, as_of, period'),
        'mart_title_metrics_daily': ('trakt_metrics_daily', 'title_kind, title_id_trakt, as_of'),
        'mart_title_quadrants_daily': ('trakt_quadrants_daily', 'title_kind, title_id_trakt, as_of, period'),
    }) }}
{% endmacro %}

{# Write each table of gold as sorted Parquet, so that equal rows make equal files; then each model's number of rows. #}
{% macro export_gold() %}
    {% set folder = env_var('TELECINE_DBT_EXPORT', '') | replace("'", "''") %}
    {% if folder %}
        {% set counts = [] %}
        {% for model, (table, keys) in gold_tables().items() %}
            {% do run_query(
                "copy (select * from gold." ~ model ~ " order by " ~ keys ~ ") to '" ~ folder ~ "/" ~ table
                ~ ".parquet' (format parquet, compression zstd)"
            ) %}
            {% do counts.append("select '" ~ table ~ "' as model, count(*) as n from gold." ~ model) %}
        {% endfor %}
        {% for node in graph.nodes.values() if node.resource_type == 'model' %}
            {% do counts.append("select '" ~ node.name ~ "', count(*) from " ~ node.schema ~ "." ~ node.name) %}
        {% endfor %}
        {% do run_query("copy (" ~ counts | join(' union all ') ~ ") to '" ~ folder ~ "/rows.json' (format json)") %}
        {% do run_query(
            "copy (select as_of, (select string_agg(distinct source_system) from silver.stg_trakt__load) as source_system"
            ~ ", (select count(*) from silver.loads_new) as loads"
            ~ ", (select min(day) from gold.fct_comment) as first_day from silver.int_trakt__as_of) to '"
            ~ folder ~ "/build.json' (format json)"
        ) %}
    {% endif %}
{% endmacro %}
