"""Read platforms' viewership uploads and match them to a content catalogue, every row accounted for."""
