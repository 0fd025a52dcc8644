"""The Trakt API: paths, one client with retries, and the request budget that all processes of a key share."""
