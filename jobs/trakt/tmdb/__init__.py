"""Optional metadata of titles, read from TMDb apart from Trakt and its quota."""
