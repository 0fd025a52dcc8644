"""Find header rows, columns, wide dates and the rows of data in a sheet."""
