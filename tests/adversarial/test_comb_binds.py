"""What no change of a single cell shows of signatures: cells that move together, halves of messages, missing slopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clearing_workload import plain
from circuits import key_multiples, keys, poseidon, signature, signed_messages
from circuits.buses import SPONGE
from circuits.demand import write_counts
from circuits.key_multiples import ENTRIES_START
from circuits.signature import BLOCK, COLUMNS, END
from circuits.signature_circuit import fill, log_heights
from prover.air.expression import Cell, CellKind
from prover.air.inspect import inspect
from prover.air.reader import evaluate
from prover.air.table import Table
from prover.curve.comb import STEPS, fixed_points
from prover.curve.formulas import DEGREE, Element
from prover.curve.septic import GENERATOR, Point, double, negate_point
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from rollup.admission import message_of
from rollup.schnorr import SecretKey, sign, trading_key_from
from rollup.transactions import TAGS, RegisterKey, Transfer
from tests.adversarial.bent_rules import found, laid_with_signatures, quantity, signature_reasons
from tests.circuits import signed as specimen
from tests.circuits.combs import comb_over
from tests.circuits.story import ALICE, BOB, CAROL, ERIN, MARKET, UNSIGNED

SENT = COLUMNS - 1

Integers = NDArray[np.int64]


@cache
def _honest() -> dict[str, Montgomery]:
    """Two keys; the first has signed twice."""
    return specimen.witness(specimen.signed(3, 2), 2).by_table


def _honest_traces() -> dict[str, Montgomery]:
    return {name: trace.copy() for name, trace in _honest().items()}


def _table(name: str) -> Table:
    return next(table for table in specimen.circuit().tables if table.name == name)


# --------------------------------------------------------------------------------------------- cells that move together


@dataclass(frozen=True, slots=True, eq=False)
class _Moving:
    """Values on all rows, and how each changes with every cell that it reads: by column and row offset."""

    values: Integers
    slopes: Mapping[tuple[int, int], Integers]

    def __add__(self, other: _Moving) -> _Moving:
        return self._with(other, (self.values + other.values) % PRIME, 1, 1)

    def __sub__(self, other: _Moving) -> _Moving:
        return self._with(other, (self.values - other.values) % PRIME, 1, -1)

    def __mul__(self, other: _Moving) -> _Moving:
        return self._with(other, self.values * other.values % PRIME, other.values, self.values)

    def _with(self, other: _Moving, values: Integers, left: Integers | int, right: Integers | int) -> _Moving:
        slopes = {cell: slope * left % PRIME for cell, slope in self.slopes.items()}
        for cell, slope in other.slopes.items():
            slopes[cell] = (slopes.get(cell, 0) + slope * right) % PRIME
        return _Moving(values, slopes)


def _slopes(table: Table, main: Integers) -> list[Integers]:
    """For every row the slopes of all constraints and of what is sent there, by this row's cells and the next's."""
    columns, height = main.shape

    def read(cell: Cell) -> _Moving:
        if cell.kind is CellKind.PERIODIC:
            period = np.array(table.periodic[cell.index].values, np.int64) % PRIME
            return _Moving(np.tile(period, height // len(period)), {})
        assert cell.kind is CellKind.MAIN
        values = np.roll(main[cell.index], -cell.row_offset)
        return _Moving(values, {(cell.index, cell.row_offset): np.ones(height, np.int64)})

    def lift(number: int) -> _Moving:
        return _Moving(np.full(height, number % PRIME), {})

    stated = [constraint.polynomial for constraint in table.constraints]
    said = [(value, one.count) for one in table.interactions for value in one.values]
    found = evaluate([*stated, *(value for value, _ in said), *(count for _, count in said)], read, lift)
    rules, messages, counts = np.split(np.array(found), [len(stated), len(stated) + len(said)])
    assert not any(rule.values.any() for rule in rules), "the trace is honest"
    lines = np.zeros((height, len(rules) + len(messages), 2, columns), np.int64)
    for i, line in enumerate([*rules, *messages]):
        for (column, offset), slope in line.slopes.items():
            lines[:, i, offset, column] = slope
    for i, count in enumerate(counts):
        lines[count.values == 0, len(rules) + i] = 0
    return [part[part.any(axis=1)] for part in lines.reshape(height, -1, 2 * columns)]


def _directions(lines: list[Integers]) -> int:
    """In how many independent directions the cells can move: those that no elimination binds, row after row.

    The last row's cells stay to the end, because the last row's lines read the first row, too.
    """
    height = len(lines)
    columns: int = lines[0].shape[1] // 2
    here, following, last = (slice(i * columns, (i + 1) * columns) for i in range(3))

    def spread(part: Integers, first: slice, second: slice) -> Integers:
        wide = np.zeros((len(part), 3 * columns), np.int64)
        wide[:, first], wide[:, second] = part[:, :columns], part[:, columns:]
        return wide

    carried, free = spread(lines[-1], last, here), 0
    for row in range(height - 1):
        own = spread(lines[row], here, last if row + 2 == height else following)
        carried, bound = _eliminated(np.concatenate([carried, own]), columns)
        free += columns - bound
        carried[:, here], carried[:, following] = carried[:, following].copy(), 0
    _, bound = _eliminated(np.ascontiguousarray(carried[:, last]), columns)
    return free + columns - bound


def _eliminated(lines: Integers, columns: int) -> tuple[Integers, int]:
    """The lines that are left without the first columns, and how many of these columns are bound."""
    used = 0
    for column in range(columns):
        found = used + np.flatnonzero(lines[used:, column])
        if len(found):
            lines[[used, found[0]]] = lines[[found[0], used]]
            lines[used] = lines[used] * pow(int(lines[used, column]), -1, PRIME) % PRIME
            below = found[lines[found, column] != 0]
            below = below[below > used]
            lines[below] = (lines[below] - lines[below, column, None] * lines[used]) % PRIME
            used += 1
    left = lines[used:]
    return left[left.any(axis=1)], used


def _signatures_without_the_hash() -> Table:
    """What is looked up is one of finitely many messages, so it stays; what is hashed the forger could choose."""
    table = _table(signature.NAME)
    return replace(table, interactions=tuple(one for one in table.interactions if one.bus is not SPONGE))


FREE_TO_HASH = 2 + 4
"""Call and length, and the digest's last four elements."""


def test_only_the_weights_of_a_signature_can_move() -> None:
    """However many cells move together, only w0 and w1 of each pair that stands apart do, along one line a pair.

    So nothing but the points that are looked up makes the commitment.
    """
    main = decode(_honest()[signature.NAME][:, :BLOCK]).astype(np.int64)
    # P and T on every step; N and U on the last row, too, where nothing comes of it.
    assert _directions(_slopes(_signatures_without_the_hash(), main)) == STEPS + BLOCK + FREE_TO_HASH


def test_only_weights_and_what_nobody_reads_of_a_keys_multiples_can_move() -> None:
    main = decode(_honest()[key_multiples.NAME][:, : key_multiples.BLOCK]).astype(np.int64)
    lines = _slopes(_table(key_multiples.NAME), main)
    # The counts say how often, not what: here they are bound.
    counts = np.eye(2 * len(main), dtype=np.int64)[len(main) - 2 : len(main)]
    additions = key_multiples.END - ENTRIES_START
    # The second slope behind a segment and below two weights; slope, second point and second slope behind all entries.
    unread = 3 * DEGREE + additions * (DEGREE - 2) + 4 * DEGREE
    assert _directions([np.concatenate([part, counts]) for part in lines]) == unread + additions


@pytest.mark.parametrize(
    "rule", ["minus the start's y", "the slopes the result's y", "the next x is that of N + U"]
)
def test_a_rule_less_is_a_direction_more(rule: str) -> None:
    """Nothing is bound by chance: without the rule the count is another."""
    table = _signatures_without_the_hash()
    main = decode(_honest()[signature.NAME][:, :BLOCK]).astype(np.int64)
    fewer = tuple(one for one in table.constraints if rule not in one.name)
    assert len(fewer) == len(table.constraints) - DEGREE
    directions = _directions(_slopes(replace(table, constraints=fewer), main))
    rows = STEPS if "next" in rule else 1
    assert directions == STEPS + BLOCK + FREE_TO_HASH + rows * DEGREE


# --------------------------------------------------------------------------------------------- slopes that do not exist


def _minus_twice(point: Point) -> Point:
    doubled = double(point)
    assert doubled is not None
    return negate_point(doubled)


@pytest.mark.parametrize("second", [None, (1, 2, 3, 4, 5, 6, 7), (0,) * DEGREE])
def test_no_second_slope_leads_on_from_the_opposite_of_p(second: Element | None) -> None:
    """T = -2 P makes M = -P and N the identity: whatever the second slope, the rule on it does not hold."""
    points = [_minus_twice(fixed_points().start), *[fixed_points().table[0]] * (STEPS - 1)]
    comb = comb_over(points, [fixed_points().key_offset] * STEPS)
    rows = specimen.comb_rows(GENERATOR, 1, (0, 0, 0, 0))
    trace = specimen.block(replace(rows, combs=comb))
    broken = specimen.broken_in_table(trace)
    rule = "the second slope is the chord's through P and P + T"
    if second is None:
        assert broken == {rule}
    else:
        trace[5 * DEGREE : 6 * DEGREE, 0] = encode(np.array(second))
        assert rule in specimen.broken_in_table(trace)


# ----------------------------------------------------------------------------------------------------- halves and twins


def test_half_a_signature_twice_is_none() -> None:
    """Two blocks that each send one half of the messages balance every bus; only a half is no count."""
    traces = _honest_traces()
    trace = traces[signature.NAME].reshape(COLUMNS, -1, BLOCK)
    trace[:, 3] = trace[:, 0]
    trace[SENT, 3, END] = 0
    tables = [
        replace(one, constraints=()) if one.name == poseidon.NAME else one
        for one in specimen.circuit().tables
    ]
    write_counts(tables, [traces[one.name] for one in tables], [None] * len(tables), (), threads=1)
    trace[SENT, [0, 3], END] = encode([(PRIME + 1) // 2])[0]
    found = specimen.broken(inspect(tables, traces, is_montgomery=True))
    assert found
    assert all(
        name.startswith("the send number") and name.endswith("happens once or not at all") for name in found
    )


def test_a_signature_cannot_carry_two_messages() -> None:
    """The same message in a second row, and another one under the same call."""
    for change in (0, 1):
        traces = _honest_traces()
        messages = traces[signed_messages.NAME]
        messages[:, 3] = messages[:, 0]
        messages[-1, 3] = encode((decode(messages[-1:, 3]) + change) % PRIME)[0]
        assert specimen.broken(specimen.recounted(traces)) == {"bus sponge"}


def test_multiples_of_a_number_that_is_no_keys_are_refused() -> None:
    traces = _honest_traces()
    multiples = traces[key_multiples.NAME].reshape(key_multiples.COLUMNS, -1, key_multiples.BLOCK)
    multiples[0, 3] = encode([traces[keys.NAME].shape[1]])[0]
    assert specimen.broken(specimen.recounted(traces)) == {"bus keys"}


def test_tables_that_are_higher_than_they_need_be_say_nothing_twice() -> None:
    """The generator's points and the spare multiples stand there several times; each look-up is counted once."""
    claims = specimen.signed(3, 2)
    heights = [
        height + more
        for height, more in zip(log_heights(3, 2, specimen.MESSAGE_LENGTH), (1, 1, 1, 0, 1), strict=True)
    ]
    assert specimen.broken(specimen.recounted(fill(claims, heights).by_table)) == set()


# ------------------------------------------------------------------------------------------------------- any key at all


def test_no_key_that_may_be_registered_stops_a_batch() -> None:
    """The comb's constants, the generator and another's key; whoever can sign with theirs does, in the same batch."""
    fixed, mine = fixed_points(), MARKET.secrets[ALICE]
    one = SecretKey(mine.suite, 1)
    silent = (fixed.key_offset, negate_point(fixed.key_offset), fixed.table[77], negate_point(fixed.start))
    new_keys = [
        *((BOB, trading_key_from(mine.suite, point)) for point in silent),
        (CAROL, one.trading_key),
        (ERIN, mine.trading_key),
    ]
    items = [
        plain(RegisterKey, account, MARKET.owner(account), 0, key.suite, key.x, key.y)
        for account, key in new_keys
    ]
    signers = ((ALICE, mine), (CAROL, one), (ERIN, mine))
    moves = [_transfer(account, secret) for account, secret in signers]
    witness = laid_with_signatures(*moves, items=items)
    assert witness.needed[key_multiples.NAME] == 2 * key_multiples.BLOCK, (
        "the generator's, which signs, and Alice's"
    )
    assert signature_reasons(witness) == set()


def _transfer(account: int, secret: SecretKey) -> Transfer:
    """Some cash for Bob, signed with a key that the account has by then."""
    draft = plain(Transfer, account, BOB, 5, found(account).nonce, UNSIGNED)
    home = MARKET.genesis.system.deployment
    message = message_of(home, quantity(secret.suite), quantity(account), TAGS[Transfer], draft)
    return replace(draft, signature=sign(secret, message))
