"""A project as `mainstem init` makes it, and one whose run does not end by itself."""

import pytest

from tests.unit.cli.program import call

ENDLESS = """
CREATE SOURCE orders (order_id bigint not null) FROM files('data/orders.csv');
CREATE TABLE pairs INTO files('out/pairs.csv') AS
SELECT count(*) AS n FROM orders a, orders b, orders c, orders d, orders e, orders f, orders g,
orders h, orders i, orders j, orders k, orders l, orders m, orders n, orders o
"""


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    """A folder with the project of `mainstem init`; the current one."""
    monkeypatch.chdir(tmp_path)
    said = call(capsys, "init", "-q")
    assert said.code == 0, said.err
    return tmp_path


@pytest.fixture
def endless(project):
    """A pipeline beside the project's: 8 rows to the power of 15 take longer than any test."""
    (project / "mainstem.toml").unlink()
    (project / "endless.sql").write_text(ENDLESS)
    (project / "out").mkdir()
    (project / "out" / "pairs.csv").write_text("n\n64\n")
    return project
