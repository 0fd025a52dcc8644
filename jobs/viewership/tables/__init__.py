"""The tables of schema `viewership`: uploads, rows, keys, scopes, matches, final rows and decisions."""
