"""Read text files and workbooks, by content, into sheets of raw cells."""
