"""What is printed for Spark, and what is left to a kernel; nothing here starts a JVM."""

import time

import pytest

from mainstem.engines.spark.compile import SparkPrinter
from mainstem.engines.spark.types import literal, quoted, spark_type
from mainstem.plan.types import parse_type
from mainstem.sql.bind import bind

COLUMNS = "(VALUES (1, 'x', 2.5, DATE '2024-01-31')) AS t(n, s, m, d)"


def printed(text):
    """Give Spark's text of a query, and its kernels."""
    printer = SparkPrinter()
    return printer.query(bind(text, {}).query), list(printer.kernels.values())


def of(expression, rest=""):
    """Give the text of an expression over a row of columns, and its kernels."""
    sql, kernels = printed(f"SELECT {expression} AS v FROM {COLUMNS}{rest}")
    return sql.removeprefix("SELECT ").partition(" AS `v`")[0], kernels


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("n + 1", "(`t`.`n` + CAST('1' AS BIGINT))"),
        ("n // 2", "(`t`.`n` div nullif(CAST('2' AS BIGINT), 0L))"),
        ("m * m", "CAST((`t`.`m` * `t`.`m`) AS DECIMAL(4,2))"),
        ("s LIKE 'a%'", r"(`t`.`s` LIKE replace('a%', '\\', '\\\\'))"),
        (r"s = 'a\b'", r"(`t`.`s` = 'a\\b')"),
        ("s = 'it''s'", r"(`t`.`s` = 'it\'s')"),
        ("extract(year FROM d)", "CAST(extract(YEAR FROM `t`.`d`) AS BIGINT)"),
        ("date_part('isodow', d)", "CAST(extract(DAYOFWEEK_ISO FROM `t`.`d`) AS BIGINT)"),
        ("substring(s, 1, 2)", "substring(`t`.`s`, 1, 2)"),
        ("ifnull(n, 0)", "coalesce(`t`.`n`, CAST('0' AS BIGINT))"),
        ("coalesce(n, 0)", "coalesce(`t`.`n`, CAST('0' AS BIGINT))"),
        (
            "CASE WHEN n > 1 THEN s END",
            "CASE WHEN (`t`.`n` > CAST('1' AS BIGINT)) THEN `t`.`s` END",
        ),
    ],
)
def test_what_spark_says_too_is_printed(expression, text):
    """Names are quoted, whole numbers are BIGINT, and a DECIMAL has the digits of the plan."""
    assert of(expression) == (text, [])


@pytest.mark.parametrize(
    "expression",
    ["substring(s, n, 2)", "substring(s, -1)", "extract(second FROM now())"],
)
def test_what_spark_means_otherwise_is_a_kernel(expression):
    """A place before the text, and seconds with a fraction."""
    _, kernels = of(expression)

    assert len(kernels) == 1


def test_a_function_that_spark_has_not_is_a_kernel_over_its_columns():
    """The whole expression goes there, and each column once."""
    text, (kernel,) = of("reverse(s) || reverse(s)")

    assert text == f"({kernel.name}(`t`.`s`) || {kernel.name}(`t`.`s`))"
    assert '"a0"' in kernel.sql
    assert [str(x) for x in kernel.takes] == ["string"]
    assert not kernel.can_fail


def test_a_kernel_that_can_fail_fails_where_a_row_gets_to_it():
    """Its error is a value until then: Spark computes it for whole batches (V10)."""
    text, (kernel,) = of("CASE WHEN n > 9 THEN CAST(s AS bigint) END")
    call = f"{kernel.name}(`t`.`s`)"

    assert kernel.can_fail
    assert text == (
        "CASE WHEN (`t`.`n` > CAST('9' AS BIGINT)) THEN (CASE WHEN "
        f"{call}.e IS NOT NULL THEN CAST(raise_error({call}.e) AS BIGINT) ELSE {call}.v END) END"
    )


def test_two_that_can_fail_are_connected_by_duckdb():
    """Either may decide; Spark asks them from left to right."""
    text, (kernel,) = of("CAST(s AS bigint) > 1 OR CAST(s AS date) > d")

    assert "OR" in kernel.sql
    assert text.startswith(f"(CASE WHEN {kernel.name}(")


def test_constants_are_computed_beforehand():
    """A date moved by an interval is a date."""
    assert of("d < DATE '1998-12-01' - INTERVAL '90 days'") == (
        "(`t`.`d` < DATE '1998-09-02')", [],
    )  # fmt: skip


def test_constants_are_computed_in_utc(monkeypatch):
    """Wherever the machine stands."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert of("date_trunc('day', TIMESTAMP '2024-01-01 23:00:00Z')") == (
            "timestamp_micros(1704067200000000)", [],
        )  # fmt: skip
        assert of("hour(TIMESTAMP '2024-01-01 23:00:00Z')")[0] == "CAST('23' AS BIGINT)"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_constant_that_fails_does_so_only_where_a_row_gets_to_it():
    """To compute it beforehand would fail a table of no rows."""
    _, (kernel,) = of("CAST('x' AS bigint)")

    assert kernel.can_fail
    assert kernel.takes == ()


def test_a_key_is_one_value_to_what_stands_over_it():
    """A kernel may not look at the columns below: they are grouped."""
    text, kernels = of("upper(reverse(s)) || left(reverse(s), 1)", " GROUP BY reverse(s)")
    first, second = kernels if "left" in kernels[1].sql else kernels[::-1]

    assert text == (f"(upper({first.name}(`t`.`s`)) || {second.name}({first.name}(`t`.`s`)))")


def test_an_aggregate_that_spark_has_not_is_a_kernel_over_the_rows_of_its_group():
    """FILTER stays outside, DISTINCT and ORDER BY go along."""
    text, (kernel,) = of("string_agg(DISTINCT s, '-' ORDER BY s DESC) FILTER (n > 0)")

    collected = "CASE WHEN (`t`.`n` > CAST('0' AS BIGINT)) THEN named_struct('c0', `t`.`s`) END"
    assert text == f"{kernel.name}(collect_list({collected}))"
    assert "DISTINCT" in kernel.sql
    assert "unnest(a0)" in kernel.sql


def test_a_filter_of_a_window_stands_in_its_argument():
    """Spark has no FILTER beside OVER."""
    text, kernels = of("count(*) FILTER (n > 0) OVER ()")

    assert (text, kernels) == (
        "count(CASE WHEN (`t`.`n` > CAST('0' AS BIGINT)) THEN 1 END) OVER ()",
        [],
    )


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("timestamp", "TIMESTAMP_LTZ"),
        ("decimal(12,2)[]", "ARRAY<DECIMAL(12,2)>"),
        ("map(string, double)", "MAP<STRING, DOUBLE>"),
        ("struct(a bigint, b bytes)", "STRUCT<`a`: BIGINT, `b`: BINARY>"),
    ],
)
def test_types(type_, text):
    """Each type has its name."""
    assert spark_type(parse_type(type_)) == text


def test_names_and_texts_are_quoted():
    """A backslash escapes in a text of Spark's."""
    assert quoted("a`b") == "`a``b`"
    assert literal("a\\'b") == r"'a\\\'b'"
