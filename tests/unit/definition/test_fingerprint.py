"""Fingerprints: equal for equal meaning, different for every difference that matters."""

import pytest

import mainstem as ms
from mainstem.definition.fingerprint import fingerprints, plan_fingerprint
from mainstem.settings.secret import Secret

SCHEMA = "id bigint, ts timestamp"


def plan(
    *, view="SELECT id, ts FROM s", table="SELECT id FROM v WHERE ts > :since", schema=SCHEMA,
    path="s.csv", default=None, extra="2024-01-01", **source,
):  # fmt: skip
    """A small pipeline of which one thing is changed."""
    p = ms.Pipeline("p")
    p.source("s", ms.files(path), schema=schema, event_time="ts", **source)
    p.param("since", "timestamp", default=default)
    p.param("unused", "date", default=extra)
    p.view("v", view)
    p.table("t", table)
    return p.plan(environ={})


def test_layout_comments_and_case_change_nothing():
    """The same meaning in other words is the same fingerprint."""
    other = plan(
        view='select  id, "ts"\nfrom s -- all of them',
        table="SELECT V.id FROM v WHERE (ts > :since)",
        schema="id int8,\n ts timestamptz",
    )  # fmt: skip

    assert fingerprints(other) == fingerprints(plan())
    assert plan_fingerprint(other) == plan_fingerprint(plan())


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"table": "SELECT id FROM v WHERE ts >= :since"}, {"t"}),
        ({"view": "SELECT id + 0 AS id, ts FROM s"}, {"v", "t"}),
        ({"schema": "id bigint not null, ts timestamp"}, {"s", "v", "t"}),
        ({"path": "other.csv"}, {"s", "v", "t"}),
        ({"watermark": "1 s"}, {"s", "v", "t"}),
    ],
)
def test_change_reaches_everything_that_depends_on_it(change, names):
    """And nothing else."""
    before, after = fingerprints(plan()), fingerprints(plan(**change))

    assert {name for name in before if before[name] != after[name]} == names
    assert plan_fingerprint(plan()) != plan_fingerprint(plan(**change))


def test_parameters_default_is_of_the_plan_and_of_no_step():
    """A step computes the same from another value; only the whole differs."""
    before, after = plan(), plan(extra="2025-01-01", default="2024-01-01")

    assert fingerprints(before) == fingerprints(after)
    assert plan_fingerprint(before) != plan_fingerprint(after)


def test_secrets_are_in_no_fingerprint():
    """Neither value nor reference: rotating a secret changes nothing."""
    import dataclasses

    def with_secret(name):
        found = plan()
        source = found.sources[0]
        binding = source.binding.overridden({"password": Secret(env=name)}, "x")
        return dataclasses.replace(found, sources=(dataclasses.replace(source, binding=binding),))

    assert plan_fingerprint(with_secret("A")) == plan_fingerprint(with_secret("B"))
    assert plan_fingerprint(with_secret("A")) != plan_fingerprint(plan())


def test_words_of_streams_that_change_answers_are_in_the_fingerprint():
    """What is asserted or allowed is not: the rows stay the same."""

    def prints(**words):
        p = ms.Pipeline("p")
        p.source("s", ms.files("a.csv"), schema="id bigint")
        p.table("t", "SELECT id FROM s", **words)
        return fingerprints(p.plan(environ={}))["t"]

    plain = prints()
    assert prints(mode="append") == prints(state="unbounded") == plain
    assert (
        len({plain, prints(ttl="1 hour"), prints(allowed_lateness="1 hour"), prints(ttl="2 h")})
        == 4
    )
