"""HTTP for all pages: security headers, errors, URL state, lists with their twins, and templates."""
