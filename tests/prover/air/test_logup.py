"""The bus argument: groups of fractions, filled columns, claimed sums."""

from __future__ import annotations

import random

import numpy as np
import pytest

from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus
from prover.air.bus_fill import ZeroFingerprintError, fill_bus_columns
from prover.air.expression import Cell, CellKind
from prover.air.inspect import deterministic_challenge
from prover.air.logup import BUS_CHALLENGES, group_fractions, with_bus_argument
from prover.air.reader import evaluate
from prover.air.rows import TraceReader, constant_rows
from prover.air.table import Extension, Scope, Table
from prover.air.tape import Sources
from prover.field.koalabear import PRIME, decode, encode, inverse

PAIRS, BYTES = Bus("pairs", 1, 2), Bus("bytes", 2, 1)


def sender(air: AirBuilder) -> None:
    a, b, live = air.columns("a", "b", "live")
    air.send(PAIRS, [a, b], live)
    air.send(BYTES, [a])
    air.send(BYTES, [b])
    air.send(BYTES, [a * b], live)
    air.receive(BYTES, [a.next], 1 - live)


def receiver(air: AirBuilder) -> None:
    a, b, count = air.columns("a", "b", "count")
    limit = air.public("limit")
    air.provide(PAIRS, [a, b + limit - limit], count)


def byte_table(air: AirBuilder) -> None:
    value, count = air.columns("value", "count")
    air.provide(BYTES, [value], count)


CHALLENGES = [deterministic_challenge(1, index) for index in range(BUS_CHALLENGES)]


def traces(height: int, seed: int) -> dict[str, list[list[int]]]:
    """A balanced set of traces; heights differ from table to table."""
    generator = random.Random(seed)
    a = [generator.randrange(4) for _ in range(height)]
    b = [generator.randrange(4) for _ in range(height)]
    live = [generator.randrange(2) for _ in range(height)]
    pairs: dict[tuple[int, int], int] = {}
    bytes_used = dict.fromkeys(range(16), 0)
    for row in range(height):
        if live[row]:
            pairs[a[row], b[row]] = pairs.get((a[row], b[row]), 0) + 1
            bytes_used[a[row] * b[row]] += 1
        else:
            bytes_used[a[(row + 1) % height]] -= 1
        bytes_used[a[row]] += 1
        bytes_used[b[row]] += 1
    keys = list(pairs) + [(9, 9)] * (16 - len(pairs))
    return {
        "sender": [a, b, live],
        "receiver": [[k[0] for k in keys], [k[1] for k in keys], [pairs.get(k, 0) for k in keys]],
        "bytes": [list(range(16)), [bytes_used[value] % PRIME for value in range(16)]],
    }


def constants() -> dict[Cell, int | Extension]:
    found: dict[Cell, int | Extension] = {Cell(CellKind.PUBLIC, 0): 77}
    return found | {Cell(CellKind.CHALLENGE, i, 0, 1): value for i, value in enumerate(CHALLENGES)}


def filled(
    table: Table, main: list[list[int]], degree: int, threads: int = 1
) -> tuple[np.ndarray, Extension]:
    sources = Sources(main=encode(np.array(main, dtype=np.int64)))
    return fill_bus_columns(table, 1, degree, sources, constants(), threads)


TABLES = [
    define_table("sender", sender),
    define_table("receiver", receiver, ["limit"]),
    define_table("bytes", byte_table),
]


@pytest.mark.parametrize("degree", [2, 3, 4, 7])
@pytest.mark.parametrize("height", [1, 2, 16, 128])
def test_filled_columns_satisfy_every_constraint_and_balanced_sums_cancel(height: int, degree: int) -> None:
    sums = []
    for table in TABLES:
        extended = with_bus_argument(table, 1, max(degree, table.degree))
        main = traces(height, seed=height)[table.name]
        planes, claimed = filled(extended, main, max(degree, table.degree), threads=2)
        sums.append(claimed)
        rows = len(main[0])
        share = tuple(coordinate * inverse(rows) % PRIME for coordinate in claimed)
        known = constants() | {Cell(CellKind.BUS_SUM_SHARE, 0): share}
        words = np.array(main, dtype=np.uint64)
        reader = TraceReader(extended, rows, words, words[:0], known, {1: decode(planes).astype(np.uint64)})  # type: ignore[arg-type]
        for constraint in extended.constraints:
            (value,) = evaluate([constraint.polynomial], reader.read, constant_rows)
            checked = value.wide(rows)[:, : 1 if constraint.scope is Scope.FIRST_ROW else rows]
            assert not checked.any(), constraint.name
    assert [sum(coordinates) % PRIME for coordinates in zip(*sums, strict=True)] == [0] * 5


def test_an_unbalanced_bus_leaves_a_sum() -> None:
    columns = traces(16, seed=1)
    columns["receiver"][2][0] += 1
    sums = [filled(table, columns[table.name], 3)[1] for table in TABLES]
    assert any(sum(coordinates) % PRIME for coordinates in zip(*sums, strict=True))


def test_groups_fill_the_degree_and_never_exceed_it() -> None:
    interactions = TABLES[0].interactions
    for degree in (3, 4, 5, 8):
        groups = group_fractions(interactions, 1, degree)
        assert all(
            group.numerator.degree <= degree and 1 + group.denominator.degree <= degree for group in groups
        )
        extended = with_bus_argument(TABLES[0], 1, degree)
        assert extended.degree <= degree
        assert len(extended.challenge_names(1)) == len(groups)
    assert [len(group_fractions(interactions, 1, degree)) for degree in (3, 4, 5, 8)] == [4, 2, 2, 1]


def test_a_table_without_messages_stays_as_it_is() -> None:
    table = define_table("quiet", lambda air: air.assert_zero("a is zero", air.column("a")))
    assert with_bus_argument(table, 1, 3) is table


def test_the_bus_round_comes_after_the_table_s_own_rounds() -> None:
    def constrain(air: AirBuilder) -> None:
        a = air.column("a")
        air.assert_zero("a times a challenge is zero", a * air.challenge(1))
        air.send(BYTES, [a])

    extended = with_bus_argument(define_table("t", constrain), 3, 3)
    assert extended.challenge_counts == (1, 0, BUS_CHALLENGES)
    assert extended.challenge_names(3) == ("bus running sum",)


def test_a_zero_fingerprint_names_table_bus_and_row() -> None:
    chi, tau = CHALLENGES
    # With tau in the base field and chi equal to a message's combination, the fingerprint is zero.
    value = 5
    combined = (BYTES.tag + 3 * value) % PRIME
    chosen = constants() | {
        Cell(CellKind.CHALLENGE, 0, 0, 1): (combined, 0, 0, 0, 0),
        Cell(CellKind.CHALLENGE, 1, 0, 1): (3, 0, 0, 0, 0),
    }
    sources = Sources(main=encode([[4, value, 6, 7], [1, 1, 1, 1]]))
    with pytest.raises(ZeroFingerprintError) as caught:
        fill_bus_columns(TABLES[2], 1, 3, sources, chosen, 1)
    assert str(caught.value) == "table bytes, row 1: a message on bus bytes has the fingerprint zero"
    assert (caught.value.table, caught.value.bus, caught.value.row) == ("bytes", "bytes", 1)
    assert (chi, tau) != ((combined, 0, 0, 0, 0), (3, 0, 0, 0, 0))
