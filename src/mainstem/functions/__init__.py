"""The closed catalogue of SQL functions: one row each, with its examples."""
