"""A file with another delimiter than the declared one: the message says which would do."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.connectors.files import files
from mainstem.engines.embedded.reading.ingest import ingest
from mainstem.engines.embedded.reading.ingested import IngestOptions
from mainstem.errors import DataError
from mainstem.plan.nodes import Source
from mainstem.plan.types import parse_schema

SCHEMA = "id bigint, name string"


def refused(folder: Path, text: str, **options: Any) -> tuple[str, str]:
    """Give the code and the fix of reading a file that cannot be read so."""
    (folder / "a.csv").write_text(text)
    source = Source("s", files(str(folder / "a.csv"), **options), parse_schema(SCHEMA))
    with pytest.raises(DataError) as error:
        ingest(duckdb.connect(), source, IngestOptions(temp_directory=str(folder)))
    return error.value.finding.code, error.value.finding.fix


@pytest.mark.parametrize(
    ("text", "options", "code", "fix"),
    [
        ("id;name\n1;a\n", {}, "ColumnMissing", 'add delimiter=";"'),
        ("name;other;id\na;x;1\n", {}, "ColumnMissing", 'add delimiter=";"'),
        ("id|name\n1|a\n", {}, "ColumnMissing", 'add delimiter="|"'),
        ("id\tname\n1\ta\n", {}, "ColumnMissing", 'add format="tsv"'),
        ("id\tname\n1\ta\n", {"delimiter": ";"}, "ColumnMissing", 'write delimiter="\\t"'),
        ("id,name\n1,a\n", {"format": "tsv"}, "ColumnMissing", 'add delimiter=","'),
        ("id,name\n1,a\n", {"delimiter": ";"}, "ColumnMissing", 'write delimiter=","'),
        ('"id";"name"\n1;a\n', {}, "BadHeader", 'add delimiter=";"'),
        ("id;nam\n1;a\n", {}, "ColumnMissing", "correct the schema"),
        ("id,nam\n1,a\n", {}, "ColumnMissing", "declare nam"),
    ],
)
def test_delimiter_that_would_do_is_named(
    tmp_path: Path, text: str, options: dict[str, Any], code: str, fix: str
) -> None:
    """Only where every declared name is found with it: a guess would mislead."""
    said = refused(tmp_path, text, **options)

    assert said[0] == code
    assert said[1].startswith(fix)
