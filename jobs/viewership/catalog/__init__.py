"""The content catalogue: series, episodes, titles, aliases, deals, channels and territories."""
