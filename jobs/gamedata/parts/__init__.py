"""Parquet files that commit a batch each: a row per TAR."""
