"""The checks that come with telecine. Every module of this package is loaded."""
