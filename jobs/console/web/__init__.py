"""HTTP for all pages: security headers, errors, URL state, lists and their exports, and templates."""
