"""Find uploads that have arrived: announced by events, or new below the folder of uploads."""
