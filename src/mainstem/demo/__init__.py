"""What `mainstem demo` runs, and the report builder that the examples share."""
