"""Read the API: which titles, which pages, and what became of each page."""
