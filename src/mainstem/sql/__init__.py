"""The dialect: text → tokens → tree → bound tree → text. docs/dialect.md is its reference."""
