"""Rows judged by expectations, and those put aside: kept, looked at, replayed."""
