"""Sources made readable: text is ingested and checked, Parquet and tables are scanned in place."""
