"""Statistics of titles: engagement, decay and ratings, each with n, an interval, and a reason if it has no value.

Pure functions of the standard library: they run in the environment of dbt too, as DuckDB functions (``functions``).
"""
