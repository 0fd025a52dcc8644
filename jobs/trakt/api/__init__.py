"""The Trakt API: paths, one client with retries, and the request budget shared by all processes that use a key."""
