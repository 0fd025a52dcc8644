"""Pages of Screenalytics: episodes and persons."""
