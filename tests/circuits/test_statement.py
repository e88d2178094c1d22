"""What a proof says is what the contract's statement says, word by word."""

from __future__ import annotations

import pytest

from benchmarks.clearing_workload import plain
from circuits.statement import DATA_KIND_CALLDATA, PUBLIC_NAMES, BatchStatement
from rollup.binding import packed
from rollup.codec import DATA_VERSION
from rollup.state import Deployment

STATEMENT = plain(
    BatchStatement,
    plain(Deployment, (1 << 64) - 2, (1 << 160) - 3),
    (1 << 32) - 4,
    tuple(range(100, 108)),
    tuple(range(200, 208)),
    5_000,
    tuple(range(300, 308)),
    tuple(range(400, 405)),
    tuple(range(500, 505)),
    70_000,
    70_003,
    (1 << 48) - 5,
    9,
)
WORDS = [
    DATA_VERSION,
    (1 << 64) - 2,
    (1 << 160) - 3,
    (1 << 32) - 4,
    *(packed(tuple(range(first, first + 8))) for first in (100, 200)),
    DATA_KIND_CALLDATA,
    5_000,
    packed(tuple(range(300, 308))),
    *(packed(tuple(range(first, first + 5))) for first in (400, 500)),
    70_000,
    70_003,
    (1 << 48) - 5,
    9,
    123_456,
]


def test_the_contracts_words_are_read_as_the_statement() -> None:
    assert BatchStatement.from_words(WORDS) == STATEMENT
    assert len(STATEMENT.elements) == len(PUBLIC_NAMES)


@pytest.mark.parametrize("place", range(len(WORDS) - 1))
def test_every_word_but_the_keys_counts(place: int) -> None:
    words = [*WORDS]
    words[place] += 1
    if place in {0, 6}:
        with pytest.raises(ValueError, match="is not what these circuits prove"):
            BatchStatement.from_words(words)
    else:
        assert BatchStatement.from_words(words).elements != STATEMENT.elements
