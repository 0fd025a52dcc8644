"""Parts: Parquet files that each commit one batch of results, with one row per TAR."""
