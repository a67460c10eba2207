"""The lake: versions of immutable Parquet files, the catalogue that knows them, their rows."""
