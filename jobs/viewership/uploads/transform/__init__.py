"""Turn a sheet into units: parsed values, and a fate for each unit that does not continue."""
