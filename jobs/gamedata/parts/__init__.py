"""Parquet files that each commit one batch of results, one row per TAR."""
