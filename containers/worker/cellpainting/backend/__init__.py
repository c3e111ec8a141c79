"""CellProfiler's CSVs in, one plate's backend out: Parquet, SQLite, well profiles, and a report of what was odd."""
