"""Files of rows: CSV, JSON, Parquet, Arrow, workbooks, databases, plain text."""
