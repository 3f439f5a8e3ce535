"""Suggested expectations hold for the data that they were made of, and not for a damaged copy."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import mainstem as ms
from mainstem.errors import DataError, SettingsError
from mainstem.runtime.profile_suggest import widened

HEAD = "id,customer,status,amount,email,code,day\n"
ROWS = [
    f"{i},{i % 4 + 1},{'open' if i % 5 else 'paid'},{'' if i == 7 else f'{i * 3}.50'},"
    f"{'' if i == 9 else f'u{i}@ex.org'},AB-{i:03},2024-01-{i % 28 + 1:02}\n"
    for i in range(1, 41)
]
CUSTOMERS = "id,name\n" + "".join(f"{i},n{i}\n" for i in range(1, 6))
SOURCES = {
    "orders": "id bigint, customer bigint, status string, amount decimal(8,2), email string, "
    "code string, day date",
    "customer": "id bigint, name string",
}
PYTHON = """import mainstem as ms

p = ms.Pipeline("shop")
p.source("orders", ms.files("orders.csv"), schema="{orders}")
p.source("customer", ms.files("customers.csv"), schema="{customer}")
p.table("n", "SELECT count(*) AS n FROM orders, customer")
"""
SQL = """CREATE SOURCE orders ({orders}) FROM files('orders.csv');
CREATE SOURCE customer ({customer}) FROM files('customers.csv');
CREATE TABLE n AS SELECT count(*) AS n FROM orders, customer;
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Two sources, the second a key of the first."""
    monkeypatch.chdir(tmp_path)
    Path("orders.csv").write_text(HEAD + "".join(ROWS))
    Path("customers.csv").write_text(CUSTOMERS)
    return tmp_path


def pasted(language):
    """The pipeline's file, with the suggestions pasted at its end."""
    text = {"python": PYTHON, "sql": SQL}[language].format(**SOURCES)
    file = Path({"python": "shop.py", "sql": "shop.sql"}[language])
    file.write_text(text)
    code = ms.load(file).profile("orders", "customer").suggest(language)
    file.write_text(text + code)
    return file


EXPECTED = """\
p.expect("orders", ms.not_null("id"))
p.expect("orders", ms.not_null("customer"))
p.expect("orders", ms.not_null("status"))
p.expect("orders", ms.not_null("code"))
p.expect("orders", ms.not_null("day"))
p.expect("orders", ms.unique("id"))
p.expect("orders", ms.unique("code"))
p.expect("orders", ms.accepted("status", ["open", "paid"]))
p.expect("orders", '"amount" IS NULL OR ("amount" >= 0 AND "amount" <= 140)', name="amount_between")
p.expect("orders", "\\"email\\" IS NULL OR (regexp_full_match(\\"email\\", \
'[^@\\\\s]+@[^@\\\\s]+\\\\.[^@\\\\s]+'))", name="email_matches")
p.expect("orders", ms.matches("code", "[A-Z]{2}-[0-9]{3}"))
p.expect("orders", ms.between("day", "2023-12-29", "2024-02-01"))
p.expect("orders", ms.foreign_key("customer", "customer", "id"))
p.expect("orders", ms.row_count(min=20, max=80))
p.expect("orders", ms.completeness("amount", at_least=0.92))
p.expect("orders", ms.completeness("email", at_least=0.92))
p.expect("customer", ms.not_null("id"))
p.expect("customer", ms.not_null("name"))
p.expect("customer", ms.unique("id"))
p.expect("customer", ms.matches("name", "[a-z][0-9]"))
p.expect("customer", ms.row_count(min=2, max=10))
"""


def test_what_is_suggested(shop):
    """Worked out by hand.

    The amounts go from 3.50 to 120.50; a tenth of their span, 11.70, further out is 132.20, and in
    steps of 10 it is 140. The days go from 01 to 28, and a tenth of 27 is 3 with what is begun.
    """
    code = pasted("python").read_text().partition('orders, customer")\n')[2]

    assert code == EXPECTED


@pytest.mark.parametrize("language", ["python", "sql"])
def test_pasted_suggestions_check_and_hold(shop, language):
    """Every rule is right and every row of the same data passes it."""
    pipeline = ms.load(pasted(language))

    assert [f for f in pipeline.check() if f.severity == "error"] == []
    result = pipeline.run()
    lines = result.ledger["expectations"].values()
    assert len(lines) == EXPECTED.count("\n")
    assert all(line["failed"] == 0 and line["is_met"] for line in lines)


DAMAGE = {
    "not_null_id": ("\n5,2,", "\n,2,"),
    "unique_id": ("\n6,3,", "\n5,3,"),
    "accepted_status": ("open", "lost"),
    "amount_between": (",30.50,", ",3000.50,"),
    "email_matches": ("u11@ex.org", "u11 at ex"),
    "matches_code": ("AB-012", "ab-012"),
    "between_day": ("2024-01-14", "2034-01-14"),
    "foreign_key_customer": ("\n13,2,", "\n13,77,"),
}


@pytest.mark.parametrize("language", ["python", "sql"])
@pytest.mark.parametrize("rule", DAMAGE)
def test_damaged_copy_fails_by_the_rule_about_it(shop, language, rule):
    """The first row that is damaged is named."""
    file = pasted(language)
    good = Path("orders.csv").read_text()
    bad = good.replace(*DAMAGE[rule], 1)
    assert bad != good
    Path("orders.csv").write_text(bad)

    with pytest.raises(DataError, match=f"expectation '{rule}' of 'orders'"):
        ms.load(file).run()


def test_half_of_the_rows_missing_is_noticed(shop):
    """By the number of rows."""
    file = pasted("python")
    Path("orders.csv").write_text(HEAD + "".join(ROWS[:15]))

    with pytest.raises(DataError, match="row_count"):
        ms.load(file).run()


def test_fresh_data_has_no_last_day(shop):
    """Tomorrow's rows must pass, and a file that is not renewed must not."""
    today = datetime.now(UTC).date()
    rows = [f"{i},{(today - timedelta(days=i)).isoformat()}\n" for i in range(2, 12)]
    Path("logs.csv").write_text("id,day\n" + "".join(rows))
    p = ms.Pipeline("shop")
    p.source("logs", ms.files("logs.csv"), schema="id bigint, day date not null")
    p.table("n", "SELECT count(*) AS n FROM logs")
    code = p.profile("logs", base_dir=shop).suggest()

    low = (today - timedelta(days=12)).isoformat()
    assert f'p.expect("logs", ms.between("day", low="{low}"))' in code
    # At most three days lie between its midnight and now, and twice as many are accepted.
    assert any(f'ms.freshness("day", within="{n} days")' in code for n in (4, 5, 6))
    assert 'not_null("day")' not in code


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("0", "100", ("0", "110")),
        ("-3", "7", ("-4", "8")),
        ("-8", "-2", ("-8.6", "-1.4")),
        ("5", "5", ("4.5", "5.5")),
        ("1000", "1010", ("999", "1011")),
    ],
)
def test_bounds_are_a_tenth_further_out(low, high, expected):
    """And never over zero."""
    found = widened(Decimal(low), Decimal(high))

    assert found == tuple(Decimal(end) for end in expected)


def test_odd_names_and_values_are_written_so_that_they_are_read_back(shop):
    """Reserved words, blanks, quotes and backslashes."""
    Path("odd.csv").write_text('select,a b,"date"\n' + "it's \"x\"\\,1,2024-01-01\n".replace(
        'it\'s "x"\\', '"it\'s ""x""\\"') * 4)  # fmt: skip
    schema = '"select" string, "a b" bigint, "date" date'
    base = f"CREATE SOURCE odd ({schema}) FROM files('odd.csv');\nCREATE TABLE n AS SELECT 1 AS n FROM odd;\n"
    Path("odd.sql").write_text(base)
    pipeline = ms.load("odd.sql")
    Path("odd.sql").write_text(base + pipeline.profile("odd").suggest("sql"))
    python = f"import mainstem as ms\np = ms.Pipeline('odd')\np.source('odd', ms.files('odd.csv'), schema={schema!r})\n"
    python += "p.table('n', 'SELECT 1 AS n FROM odd')\n" + pipeline.profile("odd").suggest()
    Path("odd.py").write_text(python)

    for file in ("odd.sql", "odd.py"):
        lines = ms.load(file).run().ledger["expectations"]
        assert {"odd.accepted_select", "odd.between_date", "odd.between_a b"} <= set(lines)


def test_other_languages_are_refused(shop):
    """By name."""
    found = ms.load(pasted("python")).profile("customer")

    with pytest.raises(SettingsError, match="no suggestions in 'scala'"):
        found.suggest("scala")
    assert date(2024, 1, 1).isoformat() not in found.suggest()
