"""The tables of schema `screenalytics`, read and written in SQL."""
