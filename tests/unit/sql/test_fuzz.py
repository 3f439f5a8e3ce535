"""Broken queries are findings: no mutation of a valid query raises anything else."""

import random
import time

import pytest

from mainstem.errors import DefinitionError
from mainstem.sql.bind import bind
from mainstem.sql.tokens import Text, tokenize
from tests.unit.sql.queries import params, right_cases, tables

CASES = right_cases()
EXTRA = [
    "SELECT", "FROM", "(", ")", ",", "*", "NULL", "1", "-", "'x'", "[", "]", "AS", "OVER", "CASE",
    "END", "LIMIT", "INTERVAL", "->", "::", "UNION", "ALL", "GROUP", "BY", ".", "t", "{", "}", "$",
]  # fmt: skip
N_MUTATIONS = 40
LIMIT_S = 1.0


def mutated(words, source):
    """Drop, double, swap, replace or insert a few tokens."""
    words = list(words)
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(words))
        match source.randrange(5):
            case 0:
                del words[at]
            case 1:
                words.insert(at, words[at])
            case 2:
                other = source.randrange(len(words))
                words[at], words[other] = words[other], words[at]
            case 3:
                words[at] = source.choice(EXTRA)
            case _:
                words.insert(at, source.choice(EXTRA))
        if not words:
            return ["SELECT"]
    return words


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_broken_queries_are_findings(case):
    """Seeded by the case, so that a failure is seen again."""
    source = random.Random(case.id)
    words = [case.query[x.at : x.end] for x in tokenize(Text(case.query))[:-1]]
    for _ in range(N_MUTATIONS):
        text = " ".join(mutated(words, source))
        started = time.process_time()
        try:
            bind(text, tables(case), params=params(case))
        except DefinitionError as error:
            assert error.findings, text  # noqa: PT017 - to be bound is as right
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} {error}: {text}") from error
        # Only a hang is meant: one bind takes milliseconds.
        assert time.process_time() - started < LIMIT_S, text
