"""Keys of TOML text have the line on which they stand."""

from mainstem.settings.lines import key_lines

TEXT = '''# a comment
[run]
memory_limit = "2GB"  # another

[sources."odd name"]
path = [
    "a.csv",   # inside of a value
    "b.csv",
]
text = """
[not.a.table]
key = 1
"""
last = 1

[env.prod.sources.x]
a.b = 1
inline = { c = 2, "d e" = { f = 3 } }
'''


def test_lines_of_tables_keys_and_inline_tables():
    """Values over several lines are not mistaken for keys; lines are counted by hand."""
    found = key_lines(TEXT)

    assert found == {
        ("run",): 2, ("run", "memory_limit"): 3,
        ("sources",): 5, ("env",): 16, ("env", "prod"): 16, ("env", "prod", "sources"): 16,
        ("sources", "odd name"): 5, ("sources", "odd name", "path"): 6,
        ("sources", "odd name", "text"): 10, ("sources", "odd name", "last"): 14,
        ("env", "prod", "sources", "x"): 16,
        ("env", "prod", "sources", "x", "a"): 17, ("env", "prod", "sources", "x", "a", "b"): 17,
        ("env", "prod", "sources", "x", "inline"): 18,
        ("env", "prod", "sources", "x", "inline", "c"): 18,
        ("env", "prod", "sources", "x", "inline", "d e"): 18,
        ("env", "prod", "sources", "x", "inline", "d e", "f"): 18,
    }  # fmt: skip
