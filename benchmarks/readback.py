"""One process: read Parquet files back as rows. See `read`.

python readback.py FOLDER OUT.pickle
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path


def main(folder: str, out: str) -> None:
    """Pickle the rows of every Parquet file of a folder, by the name of the file."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    answers = {
        path.stem: connection.execute(f"FROM read_parquet('{path}')").fetchall()
        for path in sorted(Path(folder).glob("*.parquet"))
    }
    Path(out).write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
