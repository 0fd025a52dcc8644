"""The built-in checks. Every module of this package is loaded."""
