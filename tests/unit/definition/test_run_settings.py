"""`p.run()` and `p.connect()` follow mainstem.toml, and arguments are closer than it."""

from mainstem.definition.load import load

PIPELINE = """import mainstem as ms
p = ms.Pipeline("p")
p.source("s", ms.files("none.csv"), schema="id bigint not null")
p.table("t", "SELECT id FROM s WHERE id >= :least")
p.param("least", "bigint", default=2)
"""


def test_run_uses_the_environment(tmp_path):
    """Path, parameter, state directory: each from where it was set."""
    (tmp_path / "p.py").write_text(PIPELINE)
    (tmp_path / "prod.csv").write_text("id\n1\n2\n3\n")
    (tmp_path / "mainstem.toml").write_text(
        '[env.prod.sources.s]\npath = "prod.csv"\n[env.prod.run]\nstate_dir = "st"\nthreads = 1\n'
    )
    p = load(tmp_path / "p.py")

    assert p.run(env="prod").rows("t") == 2
    assert (tmp_path / "st" / "p").is_dir()
    with p.connect(env="prod") as tables:
        assert sorted(tables.query("SELECT id FROM t").rows) == [(2,), (3,)]

    assert p.run(env="prod", params={"least": "3"}, state_dir=tmp_path / "own").rows("t") == 1
    assert (tmp_path / "own").is_dir()
