"""The specimens of the trading tables: a market with fees and a treasury, orders, and ways to spoil them."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME, Montgomery, decode, encode
from rollup.instruments import SeriesId
from rollup.orders import Order
from rollup.transactions import Trade
from rollup.units import Side
from tests.circuits.loose_ends import inspected, loose_ends
from tests.circuits.trading import BUSES, RANGES, TABLES, Message, TradingFloor
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DOLLAR,
    PUT,
    TREASURY,
    House,
    make,
    order,
    signed,
)

SERIES = SeriesId(7 << 25 | 100 << 1)
PRICE = 3 * DOLLAR + 70_001
"""A price whose fees do not come out even."""

MAKER_RATE, TAKER_RATE = 10_007, 30_011


NO_BIT = -32_512
"""A borrow that is none: 2^16 times it is one modulo the prime, so one limb gains one and its neighbour thousands."""


def market() -> TradingFloor:
    """Alice, Bob and the treasury with keys, Carol with none, two calls and a put, fees of one and three percent."""
    house = House()
    house.deposit(ALICE, 10_000)
    house.deposit(BOB, 10_000)
    house.deposit(CAROL, 10_000, has_key=False)
    house.set_fees(MAKER_RATE, TAKER_RATE)
    house.deposit(TREASURY, 10_000)
    house.list_group()
    for strike, kind in ((90, CALL), (100, CALL), (100, PUT)):
        house.list_series(7, strike, kind)
    return TradingFloor(house)


def buy(account: int = ALICE, price: int = PRICE, lots: int = 5, /, **changes: object) -> Order:
    return order(account, Side.BUY, SERIES, price, lots, **changes)


def sell(account: int = BOB, price: int = PRICE, lots: int = 5, /, **changes: object) -> Order:
    return order(account, Side.SELL, SERIES, price, lots, **changes)


def pair(bought: Order, sold: Order, lots: int = 1, *, buyer_is_maker: bool = True) -> Trade:
    return make(Trade, signed(bought), signed(sold), buyer_is_maker, lots)


def place_of(table: str, column: str) -> int:
    """Where a column stands in its table's trace."""
    return TABLES[table].main_names.index(column)


def spoiled(
    traces: dict[str, Montgomery], table: str, row: int, cells: dict[str, int]
) -> dict[str, Montgomery]:
    """Traces with other values in some cells of a row."""
    copy = traces[table].copy()
    for column, value in cells.items():
        copy[place_of(table, column), row] = encode(np.array([value]))[0]
    return {**traces, table: copy}


def cell_of(traces: dict[str, Montgomery], table: str, row: int, column: str) -> NDArray[np.int64]:
    """What stands in a cell, as a signed number near zero."""
    value = decode(traces[table][place_of(table, column), row : row + 1]).astype(np.int64)
    return np.where(value > PRIME // 2, value - PRIME, value)


def added(
    traces: dict[str, Montgomery], table: str, row: int, cells: dict[str, int]
) -> dict[str, Montgomery]:
    """The same, each value added to what stands there."""
    found = {name: int(cell_of(traces, table, row, name)[0]) for name in cells}
    return spoiled(traces, table, row, {name: found[name] + value for name, value in cells.items()})


def gaps(name: str, gap: int) -> list[dict[str, int]]:
    """Every spelling of a negative distance in time: in the low part, in the high part, with the highest one."""
    return [
        {f"{name} gap low": (gap - high * 8192) % PRIME, f"{name} gap high": high} for high in (0, -1, 65_535)
    ]


def unbound_columns(floor: TradingFloor, table: str, row: int = 0) -> list[str]:
    """Columns of a live row that can be changed alone: no rule breaks, and the table says the same to all others."""
    traces = floor.traces()

    def said(trace: Montgomery) -> tuple[bool, dict[str, Counter[Message]]]:
        found = inspected([TABLES[table]], {table: trace}, floor.publics)
        ends = {bus.name: loose_ends(found, bus) for bus in {BUSES[one.bus] for one in found.messages}}
        is_good = not found.constraints and all(
            0 <= value < limit
            for bus, limit in RANGES.items()
            for message in ends.pop(bus.name, ())
            for value in message
        )
        return is_good, ends

    honest = said(traces[table])
    assert honest[0]
    return [
        name
        for name in TABLES[table].main_names
        if said(added(traces, table, row, {name: 1})[table]) == honest
    ]
