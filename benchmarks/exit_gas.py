"""What leaving a frozen clearing house costs: `python -m benchmarks.exit_gas` rewrites its table in the README.

The machine is pyrevm; a test finds receipts of the embedded chain between its rows.
The contracts' tests set up the clearing house, so this runs in a checkout only.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.gas import README, GasRow, table

if TYPE_CHECKING:
    from tests.verifier_contracts.exit_bench import Escape

BEGIN, END = "<!-- exit gas table: begin -->", "<!-- exit gas table: end -->"

MEDIAN_EXIT = "takeCash, 6 positions in 3 groups"
"""What the median account of the benchmarks' mix pays to leave."""

FIRST_GROUP = 1
GROUPS = 32
EXPIRY_SECONDS = 10_000_000

NOBODY, MEDIAN, SPREAD_OUT, PILED_UP = range(1, 5)
"""Accounts: without positions, the median one, 32 positions in as many groups, 32 positions in one group."""


def frozen_house() -> Escape:
    """A house that froze with four accounts; most of its groups, and all positions, are written behind the rules."""
    from rollup.instruments import Group, SeriesId
    from rollup.state import Position
    from rollup.units import GroupId, Ticks, Time, UnderlyingId
    from tests.verifier_contracts.exit_bench import Escape, list_market
    from tests.verifier_contracts.vault_bench import DOLLAR

    def position(group: int, strike: int) -> Position:
        return Position(SeriesId(group << 25 | strike << 1 | strike & 1), 1 if strike & 2 else -1)

    escape = Escape()
    for person in range(4):
        escape.deposit(person, 100_000 * DOLLAR)
    escape.batch()
    expiry = Time(escape.engine.now + EXPIRY_SECONDS)
    list_market(escape, [FIRST_GROUP], [expiry])
    groups = [
        Group(GroupId(number), UnderlyingId(1), expiry, Ticks(200), DOLLAR, DOLLAR, DOLLAR)
        for number in range(FIRST_GROUP + 1, FIRST_GROUP + GROUPS)
    ]
    held = {
        MEDIAN: [position(group, strike) for group in (1, 2, 3) for strike in (90, 101)],
        SPREAD_OUT: [position(number, 95) for number in range(FIRST_GROUP, FIRST_GROUP + GROUPS)],
        PILED_UP: [position(1, 80 + strike) for strike in range(32)],
    }
    accounts = [
        replace(escape.account(account), positions=tuple(positions)) for account, positions in held.items()
    ]
    escape.seal(forged=[*groups, *accounts])
    escape.prove()
    escape.deposit(0, DOLLAR)
    escape.freeze()
    return escape


def measure_exit() -> list[GasRow]:
    """Leave in every way once."""
    from tests.verifier_contracts.exit_bench import calldata, settle_prices

    escape = frozen_house()
    engine, rows = escape.engine, []

    def call(name: str, function: str, *arguments: Any, caller: str) -> None:
        escape.ask(function, *arguments, caller=caller)
        rows.append(GasRow(name, engine.gas, len(calldata("Exits", function, *arguments))))

    def take_cash(name: str, account: int) -> None:
        owner = escape.owner(account)
        call(name, "takeCash", *escape.cash_arguments(account), owner, caller=owner)

    def take_group(name: str, account: int) -> None:
        owner = escape.owner(account)
        call(name, "takeGroup", account, 1, escape.positions(account), owner, caller=owner)

    first = escape.group_arguments(FIRST_GROUP)
    call("showGroup, once a group for everybody", "showGroup", *first, caller=escape.stranger)
    escape.show_groups()
    take_cash("takeCash, without positions", NOBODY)
    take_cash(MEDIAN_EXIT, MEDIAN)
    take_cash("takeCash, 32 positions in 32 groups", SPREAD_OUT)
    take_cash("takeCash, 32 positions in one group", PILED_UP)
    payer, waiting = escape.people[0], escape.waiting_deposits()[0]
    call("refund", "refund", *escape.refund_arguments(waiting), payer, caller=payer)
    settle_prices(escape, {FIRST_GROUP: 101}, engine.now + EXPIRY_SECONDS)
    take_group("takeGroup, 2 of 6 positions", MEDIAN)
    take_group("takeGroup, one of 32 positions", SPREAD_OUT)
    take_group("takeGroup, all of 32 positions", PILED_UP)
    return rows


def main() -> int:
    """Measure and rewrite the table."""
    rows = measure_exit()
    before, begin, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.stderr.write(f"{README.name} has no marks for the table\n")
        return 1
    README.write_text(f"{before}{BEGIN}\n{table(rows)}{END}{after}", encoding="utf-8")
    dearest = max(rows, key=lambda row: row.gas)
    print(f"{len(rows)} transactions; the dearest is {dearest.transaction}: {dearest.gas:,} gas")
    return 0


if __name__ == "__main__":
    sys.exit(main())
