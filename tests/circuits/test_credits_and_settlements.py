"""Credits and settlements change cash and pools by exactly what they say."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits import credits as crediting
from circuits import settlements
from circuits.buses import ACCOUNTS, CREDITS, FOURTEEN_BITS, GROUPS, SETTLEMENTS, SIXTEEN_BITS
from circuits.walk_columns import PAYOFF_OFFSET
from prover.air.inspect import Findings
from prover.field.koalabear import Montgomery
from rollup.leaf_formats import POOL_OFFSET
from tests.circuits.binding import unbound_cells
from tests.circuits.loose_ends import broken, changed, inspected, loose_ends, table_of

CREDIT_TABLE = table_of(crediting.NAME, crediting.constrain)
SETTLEMENT_TABLE = table_of(settlements.NAME, settlements.constrain)

COUNT = 12


def integers(values: list[int] | list[list[int]]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def limbs(value: int) -> list[int]:
    return [value >> 16 * i & 0xFFFF for i in range(4)]


def number(values: tuple[int, ...]) -> int:
    return sum(value << 16 * i for i, value in enumerate(values))


def credit_rows(seed: int = 3) -> crediting.Rows:
    random = Random(seed)
    amounts = [random.choice((1, 65_535, 10**12, 1 << 61)) for _ in range(COUNT)]
    return crediting.Rows(
        clock=1000 + 16 * np.arange(COUNT),
        account=50 + np.arange(COUNT),
        # As a trade has them: the limbs of two fees, added.
        amount=integers(
            [[a + b for a, b in zip(limbs(one), limbs(70_000), strict=True)] for one in amounts]
        ).T,
        identity=9000 + np.arange(COUNT),
        nonce=integers([random.randrange(1 << 32) for _ in amounts]),
        floor=integers([random.randrange(1 << 32) for _ in amounts]),
        cash=integers([random.choice((0, 65_535, 1 << 61)) for _ in amounts]),
        version=np.arange(COUNT),
        count=np.arange(COUNT),
        old_time=np.arange(COUNT) * 3,
    )


def settlement_rows(seed: int = 3) -> settlements.Rows:
    random = Random(seed)
    largest = PAYOFF_OFFSET - 1
    payoffs = [
        random.choice((0, 1, -1, largest, -largest, random.randint(-largest, largest))) for _ in range(COUNT)
    ]
    pools = [random.choice((0, 1, -1, 1 << 62, -(1 << 62))) for _ in range(COUNT)]
    return settlements.Rows(
        clock=1000 + 16 * np.arange(COUNT),
        group=20 + np.arange(COUNT),
        payoff=integers(payoffs),
        price=integers([random.randrange(1 << 24) for _ in pools]),
        series=np.arange(COUNT) * 20,
        pool=integers(pools),
        old_time=np.arange(COUNT) * 3,
    )


def faults(found: Findings) -> set[str]:
    wrong = broken(found)
    for bus, limit in ((SIXTEEN_BITS, 1 << 16), (FOURTEEN_BITS, 1 << 14)):
        if any(not 0 <= value < limit for (value,) in loose_ends(found, bus)):
            wrong.add("range")
    return wrong


def inspected_credits(trace: Montgomery) -> Findings:
    return inspected([CREDIT_TABLE], {crediting.NAME: trace})


def inspected_settlements(trace: Montgomery) -> Findings:
    return inspected([SETTLEMENT_TABLE], {settlements.NAME: trace})


def test_credits_add_their_amount_and_leave_the_rest() -> None:
    rows = credit_rows()
    found = inspected_credits(crediting.fill(rows, 4))
    assert faults(found) == set()
    contents = loose_ends(found, ACCOUNTS)
    before = {message[0]: message[1:] for message, count in contents.items() if count < 0}
    after = {message[0]: message[1:] for message, count in contents.items() if count > 0}
    asked = {message[1]: (message[0], number(message[2:])) for message in loose_ends(found, CREDITS)}
    assert len(asked) == COUNT
    for account, (clock, amount) in asked.items():
        assert after[account][0] == clock
        assert number(after[account][6:10]) == number(before[account][6:10]) + amount
        assert after[account][1:6] == before[account][1:6]
        assert after[account][10:] == before[account][10:]


def test_settlements_take_their_payoff_from_the_pool() -> None:
    rows = settlement_rows()
    found = inspected_settlements(settlements.fill(rows, 4))
    assert faults(found) == set()
    contents = loose_ends(found, GROUPS)
    before = {message[0]: message[1:] for message, count in contents.items() if count < 0}
    after = {message[0]: message[1:] for message, count in contents.items() if count > 0}
    asked = {message[1]: (message[0], number(message[2:])) for message in loose_ends(found, SETTLEMENTS)}
    assert sorted(payoff for _, payoff in asked.values()) == sorted(rows.payoff.tolist())
    for i, group in enumerate(rows.group.tolist()):
        clock, payoff = asked[group]
        assert after[group][0] == clock + 1
        assert number(before[group][6:10]) - POOL_OFFSET == int(rows.pool[i])
        assert number(after[group][6:10]) == number(before[group][6:10]) - payoff
        assert after[group][1:6] == before[group][1:6]
        assert after[group][1:3] == (1, 1)


def test_empty_tables_are_clean() -> None:
    none = np.zeros(0, np.int64)
    empty = crediting.Rows(none, none, none.reshape(4, 0), none, none, none, none, none, none, none)
    assert not crediting.fill(empty, 2).any()
    unsettled = settlements.Rows(none, none, none, none, none, none, none)
    assert not settlements.fill(unsettled, 2).any()


def test_a_credit_to_nobody_is_refused() -> None:
    rows = replace(credit_rows(), identity=np.zeros(COUNT, np.int64))
    assert faults(inspected_credits(crediting.fill(rows, 4))) == {"the account exists"}


@pytest.mark.parametrize("limb", range(4))
def test_cash_that_grows_by_another_amount_is_refused(limb: int) -> None:
    trace = crediting.fill(credit_rows(), 4)
    value = limbs(int(credit_rows().cash[0] + number(tuple(credit_rows().amount[:, 0].tolist()))))[limb]
    forged = changed(trace, CREDIT_TABLE, 0, **{f"cash_after_limb_{limb}": value + 1})
    assert faults(inspected_credits(forged))


def test_a_pool_that_pays_less_and_says_so_with_a_carry_is_refused() -> None:
    trace = settlements.fill(settlement_rows(), 4)
    cells = {"the_pool_pays_the_payoff_carry_1": 1, "pool_after_limb_0": -1}
    assert faults(inspected_settlements(changed(trace, SETTLEMENT_TABLE, 0, **cells)))


@pytest.mark.parametrize("table", ["credits", "settlements"])
def test_every_cell_is_bound_alone(table: str) -> None:
    if table == "credits":
        assert unbound_cells(CREDIT_TABLE, crediting.fill(credit_rows(), 4), 2) == set()
    else:
        assert unbound_cells(SETTLEMENT_TABLE, settlements.fill(settlement_rows(), 4), 2) == set()


def test_a_write_before_its_read_is_refused() -> None:
    late = credit_rows()
    late = replace(late, old_time=late.clock + 0)
    assert "range" in faults(inspected_credits(crediting.fill(late, 4)))
    unsettled = settlement_rows()
    unsettled = replace(unsettled, old_time=unsettled.clock + 1)
    assert "range" in faults(inspected_settlements(settlements.fill(unsettled, 4)))
