"""Functions over regular expressions and addresses. Patterns are literals of the documented subset (RE2 and Java agree on it)."""

from __future__ import annotations

from mainstem.functions.spec import Fails, Function, ex, overload

_S = "string"
_REGEX = "regex:regex"

MATCHING = (
    Function(
        "regexp_matches", "Whether a pattern is found anywhere in the text.",
        (overload(_S, _REGEX, gives="boolean"),), family="text", aliases=("regexp_like",),
        examples=(ex("abc123", "[0-9]+", gives=True), ex("abc", "B", gives=False), ex("ABC", "(?i)b", gives=True),
                  ex("a\nb", "^b", gives=False), ex("", "^$", gives=True), ex(None, "a", gives=None, types="string; string")),
    ),
    Function(
        "regexp_full_match", "Whether a pattern covers the whole text. The dot does not match a line end.",
        (overload(_S, _REGEX, gives="boolean"),), family="text",
        examples=(ex("abc", "a.c", gives=True), ex("abcd", "a.c", gives=False), ex("a\nc", "a.c", gives=False),
                  ex("aéc", "a.c", gives=True), ex("", "x*", gives=True), ex(None, "a", gives=None, types="string; string")),
    ),
    Function(
        "regexp_count", "How often a pattern is found, without overlap.",
        (overload(_S, _REGEX, gives="bigint"),), family="text", spelling={"duckdb": "len(regexp_extract_all({0}, {1}))"},
        examples=(ex("a1b22c", "[0-9]+", gives=2), ex("aaa", "aa", gives=1), ex("abc", "z", gives=0), ex("", "a", gives=0),
                  ex(None, "a", gives=None, types="string; string")),
    ),
)  # fmt: skip

TAKING = (
    Function(
        "regexp_extract", "The first match of a pattern, or one of its groups (1 is the first); NULL when there is no match. "
        "A group that took no part in the match gives empty text.",
        # DuckDB gives empty text when nothing matches, which cannot be told from an empty match.
        (overload(_S, _REGEX, gives=_S, duckdb="CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}) END"),
         overload(_S, _REGEX, "literal bigint:natural", gives=_S,
                  duckdb="CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}, CAST({2} AS INTEGER)) END")),
        family="text", null="NULL text, or no match, gives NULL",
        examples=(ex("order 42, 43", "[0-9]+", gives="42"), ex("id=7;", "id=([0-9]+)", 1, gives="7"), ex("abc", "z", gives=None),
                  ex("abc", "x*", gives=""), ex("ab", "(a)(z)?b", 2, gives=""), ex("ab", "(a)(b)", 0, gives="ab"),
                  ex("é1", "é([0-9])", 1, gives="1"), ex(None, "a", gives=None, types="string; string")),
    ),
    Function(
        "regexp_extract_all", "All matches of a pattern, or of one of its groups, from left to right; an empty list when there are none. "
        "A group that took no part in a match gives empty text.",
        # DuckDB gives NULL for such a group here, and empty text in regexp_extract.
        (overload(_S, _REGEX, gives="string[]"),
         overload(_S, _REGEX, "literal bigint:natural", gives="string[]",
                  duckdb="list_transform(regexp_extract_all({0}, {1}, CAST({2} AS INTEGER)), lambda m: coalesce(m, ''))")),
        family="text",
        examples=(ex("a1b22", "[0-9]+", gives=["1", "22"]), ex("a=1;b=2", "([a-z])=([0-9])", 2, gives=["1", "2"]),
                  ex("abc", "[0-9]", gives=[]), ex("ab", "a(z)?|b", 1, gives=["", ""]), ex("", "a", gives=[]),
                  ex(None, "a", gives=None, types="string; string")),
    ),
    Function(
        "regexp_replace", r"Every match of a pattern replaced. In the replacement `\1` to `\9` are the groups, `\0` is the match and `\\` a backslash.",
        # DuckDB replaces only the first match unless told 'g'.
        (overload(_S, _REGEX, "literal string", gives=_S, duckdb="regexp_replace({0}, {1}, {2}, 'g')"),),
        family="text", fails="the replacement names a group that the pattern has not, or ends in a single backslash",
        examples=(ex("a1b22", "[0-9]+", "#", gives="a#b#"), ex("2024-05", "([0-9]+)-([0-9]+)", r"\2/\1", gives="05/2024"),
                  ex("abc", "z", "-", gives="abc"), ex("a b", " ", "", gives="ab"), ex("a$", "a", "$1", gives="$1$"),
                  ex("", "^$", "x", gives="x"), ex("ab", "(b)", r"\2", gives=Fails("there is one group only")),
                  ex(None, "a", "b", gives=None, types="string; string; string")),
    ),
    Function(
        "regexp_split", "The list of parts between matches of a pattern; empty parts stay. The pattern must not match empty text.",
        (overload(_S, _REGEX, gives="string[]"),), family="text",
        aliases=("regexp_split_to_array", "string_split_regex"), spelling={"duckdb": "regexp_split_to_array({0}, {1})"},
        examples=(ex("a, b;c", "[,;] *", gives=["a", "b", "c"]), ex("a,", ",", gives=["a", ""]), ex(",a", ",", gives=["", "a"]),
                  ex("abc", "z", gives=["abc"]), ex("", ",", gives=[""]), ex(None, ",", gives=None, types="string; string")),
    ),
)  # fmt: skip

_SCHEME = r"^[A-Za-z][A-Za-z0-9+.-]*://"
_USER = r"(?:[^/?#@]*@)?"
_HOST = r"\[[^\]/?#]*\]|[^:/?#]*"
_PARTS = {
    "protocol": r"^([A-Za-z][A-Za-z0-9+.-]*)://",
    "host": f"{_SCHEME}{_USER}({_HOST})",
    "port": f"{_SCHEME}{_USER}(?:{_HOST}):([0-9]+)",
    "path": r"^(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?([^?#]*)",
    "query": r"^[^?#]*[?]([^#]*)",
    "ref": r"(?s)^[^#]*#(.*)",
}

ADDRESSES = (
    Function(
        "parse_url", "One part of an address: 'protocol', 'host', 'port', 'path', 'query' or 'ref'; NULL when it is absent or empty. "
        "An address without `://` has path, query and ref only. Nothing is decoded.",
        # The CASE is over a literal, so one arm is left when a plan is made.
        (overload(_S, " ".join(f"'{part}'" for part in _PARTS), gives=_S,
                  duckdb="CASE lower({1}) " + " ".join(
                      f"WHEN '{part}' THEN nullif(regexp_extract({{0}}, '{pattern}', 1), '')" for part, pattern in _PARTS.items()
                  ) + " END"),),
        family="text", null="NULL, or a part that is absent or empty, gives NULL",
        examples=(ex("https://me@ex.org:8080/a/b?q=1#top", "host", gives="ex.org"),
                  ex("https://me@ex.org:8080/a/b?q=1#top", "port", gives="8080"),
                  ex("https://me@ex.org:8080/a/b?q=1#top", "protocol", gives="https"),
                  ex("https://me@ex.org:8080/a/b?q=1#top", "path", gives="/a/b"),
                  ex("https://me@ex.org:8080/a/b?q=1#top", "query", gives="q=1"),
                  ex("https://me@ex.org:8080/a/b?q=1#top", "ref", gives="top"),
                  ex("/a/b?q=1", "path", gives="/a/b"), ex("/a/b?q=1", "host", gives=None), ex("http://[::1]:80/", "host", gives="[::1]"),
                  ex("http://ex.org", "path", gives=None), ex("", "path", gives=None),
                  ex(None, "host", gives=None, types="string; string")),
    ),
    Function(
        "url_parameter", "The value of a parameter in the query part of an address, as it stands there (see url_decode); "
        "the first one counts, NULL when there is none.",
        (overload(_S, "literal string", gives=_S,
                  duckdb="regexp_extract_all({0}, '^[^?#]*[?](?:[^#]*?&)??' || regexp_escape({1}) || '=([^&#]*)', 1)[1]"),),
        family="text", null="NULL address, or no such parameter, gives NULL",
        examples=(ex("/p?a=1&b=2", "b", gives="2"), ex("/p?ab=1&b=x%20y#b=3", "b", gives="x%20y"), ex("/p?b=1&b=2", "b", gives="1"),
                  ex("/p?b=", "b", gives=""), ex("/p?b", "b", gives=None), ex("/p?a.c=1", "a.c", gives="1"), ex("/p?abc=1", "a.c", gives=None),
                  ex(None, "b", gives=None, types="string; string")),
    ),
    Function(
        "url_encode", "Writes all but letters, digits and `-._~` as %XX of their UTF-8 bytes; a space is %20.",
        (overload(_S, gives=_S),), family="text",
        examples=(ex("a b/é", gives="a%20b%2F%C3%A9"), ex("a+b", gives="a%2Bb"), ex("-._~", gives="-._~"), ex("", gives=""),
                  ex(None, gives=None, types=_S)),
    ),
    Function(
        "url_decode", "Reads %XX back as UTF-8 bytes. A plus sign stays; a % that no two hexadecimal digits follow stays.",
        (overload(_S, gives=_S),), family="text", fails="the bytes are not UTF-8",
        examples=(ex("a%20b%2F", gives="a b/"), ex("%c3%A9", gives="é"), ex("a+b", gives="a+b"), ex("5%", gives="5%"), ex("%zz", gives="%zz"),
                  ex("%FF", gives=Fails("the byte FF is in no UTF-8 text")), ex("", gives=""), ex(None, gives=None, types=_S)),
    ),
)  # fmt: skip

FUNCTIONS = (*MATCHING, *TAKING, *ADDRESSES)
