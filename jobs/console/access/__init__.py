"""Authentication and roles: find the user behind a request, and check that this user may make it."""
