"""Authentication and roles: identify the user of a request and check the role."""
