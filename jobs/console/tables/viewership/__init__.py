"""Queries of viewership, and the console's tables of files, requests and open cards."""
