"""Whole batches of a clearing house that looks away from one of its rules.

The rules are bent, a batch that breaks them is applied, and every table is laid out as if it were a good one: what one
table says agrees with all others, down to the leaves and their hashes, but where the circuit notices.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clearing_workload import DAY, plain
from circuits import batch, key_multiples, keys, poseidon, range_check, signature
from circuits.buses import COMPRESS, SPONGE
from circuits.shapes import kinds_of_rows, preprocessed
from circuits.witness import BatchWitness, follow_batch, lay_out
from prover.air.inspect import inspect
from prover.field.koalabear import decode, encode
from rollup.margin import margin_of
from rollup.orders import SignedOrder
from rollup.outcome import QueueItem, RuleBrokenError, Transaction
from rollup.rejections import Rejection
from rollup.state import Account, State
from rollup.transactions import SettlementPrice, Trade, Transfer
from rollup.units import MICRO, OptionKind, Side
from tests.circuits.loose_ends import untrue_hashes
from tests.circuits.story import (
    ALICE,
    CAROL,
    ERIN,
    MARKET,
    Chapter,
    chapter,
    chapters,
    option,
    signed,
)
from tests.circuits.whole_batches import LIMITS, Heights, faults_of, laid_out, quick_tables

ANSWERED_ELSEWHERE = {SPONGE, COMPRESS}
"""Hashes: the tables that answer are left out, and every leaf is hashed as it stands."""

TABLES = {table.name: table for table in quick_tables()}
"""Built before any rule is bent, because circuits and rules share formulas."""

OPEN, EXPIRED = 1, 2
"""Chapters of the story: people hold positions in open groups; one group has expired."""


def look_away(patch: pytest.MonkeyPatch, *rejections: Rejection) -> None:
    """Let the rules pass what these rejections refuse."""

    def require(is_met: bool, rejection: Rejection) -> None:
        if not is_met and rejection not in rejections:
            raise RuleBrokenError(rejection)

    def forgiving(
        check: Callable[..., Rejection | None],
    ) -> Callable[..., Rejection | None]:
        def ask(*values: Any) -> Rejection | None:
            found = check(*values)
            return None if found in rejections else found

        return ask

    for name, module in list(sys.modules.items()):
        if not name.startswith("rollup."):
            continue
        if hasattr(module, "require"):
            patch.setattr(module, "require", require)
        for check in ("time_rejection", "slot_rejection"):
            if hasattr(module, check):
                patch.setattr(module, check, forgiving(getattr(module, check)))


def before(which: int = OPEN) -> State:
    """The state before a chapter's end."""
    return chapters()[which].outcome.state


def told(
    transactions: Sequence[Transaction] = (),
    items: Sequence[QueueItem] = (),
    *,
    state: State | None = None,
    later: int = 60,
) -> Chapter:
    """The next batch, as the bent rules apply it."""
    start = before() if state is None else state
    number, time = start.system.batch_number + 1, start.system.time + later
    return chapter(start, number, time, items, transactions)


def now(later: int = 60) -> int:
    """The time of a batch behind the open chapter."""
    return before().system.time + later


def laid(
    *transactions: Transaction,
    items: Sequence[QueueItem] = (),
    state: State | None = None,
    later: int = 60,
    room: int = 0,
) -> BatchWitness:
    """The traces of such a batch, but for signatures and hashes."""
    return laid_out(told(transactions, items, state=state, later=later), room)


def laid_with_signatures(*transactions: Transaction, items: Sequence[QueueItem] = ()) -> BatchWitness:
    """The traces of all tables."""
    one = told(transactions, items)
    followed = follow_batch(one.before, one.batch, one.tree, one.outcome)
    heights = {name: max(1, (max(rows, 1) - 1).bit_length()) for name, rows in followed.needed.items()}
    heights |= {batch.NAME: batch.LOG_HEIGHT, range_check.NAME: range_check.LOG_HEIGHT}
    heights[keys.NAME] = max(heights[keys.NAME], keys.LEAST_LOG_HEIGHT)
    heights[key_multiples.NAME] = max(heights[key_multiples.NAME], key_multiples.LOG_BLOCK)
    heights[signature.NAME] = max(heights[signature.NAME], signature.LOG_BLOCK)
    return lay_out(followed, Heights(heights), kinds_of_rows(), preprocessed(), threads=1)


def signature_reasons(witness: BatchWitness) -> set[str]:
    """What is wrong with all tables; what hashes the two hash tables would refuse."""
    hashed = (poseidon.NAME,)
    tables = [table for table in kinds_of_rows() if table.name not in hashed]
    traces = {table.name: witness.traces[table.name] for table in tables}
    publics = witness.statement.elements
    found = inspect(tables, traces, publics, preprocessed=preprocessed(), is_montgomery=True)
    buses = {f"bus {one.bus}" for one in found.messages} - {f"bus {bus.name}" for bus in ANSWERED_ELSEWHERE}
    return {f"{one.table}: {one.constraint}" for one in found.constraints} | buses | untrue_hashes(found)


def reasons(witness: BatchWitness) -> set[str]:
    """The names of broken constraints, with their table, and of buses that are left unbalanced."""
    faults = faults_of(witness)
    answers = set(faults.constraints)
    for bus, left in faults.loose.items():
        if bus in LIMITS:
            is_good = all(count > 0 and max(message) < LIMITS[bus] for message, count in left.items())
        else:
            is_good = bus in ANSWERED_ELSEWHERE or not left
        if not is_good:
            answers.add(f"bus {bus.name}")
    return answers


def place_of(table: str, column: str) -> int:
    """Where a column stands."""
    return TABLES[table].main_names.index(column)


def read(witness: BatchWitness, table: str, column: str) -> NDArray[np.int64]:
    """A column's numbers."""
    return decode(witness.traces[table][place_of(table, column)]).astype(np.int64)


def write(witness: BatchWitness, table: str, row: int, **cells: int) -> None:
    """Other values in some cells of a row; blanks in a column's name are written as underscores."""
    for column, value in cells.items():
        place = place_of(table, column.replace("_", " "))
        witness.traces[table][place, row] = encode(np.array([value]))[0]


def rows_where(witness: BatchWitness, table: str, column: str, value: int) -> list[int]:
    """Rows that have a value in a column."""
    found: list[int] = np.flatnonzero(read(witness, table, column) == value).tolist()
    return found


CALL = option(1, 95, OptionKind.CALL)
PRICE, LOTS = 5 * MICRO + 77, 6
"""Fees of this premium do not come out even."""


def traded(
    buy: dict[str, Any] | None = None,
    sell: dict[str, Any] | None = None,
    *,
    lots: int | None = None,
    is_buyer_maker: bool = False,
) -> Transaction:
    """Alice buys calls of Carol; what is given changes either order, or what is filled of both."""
    return plain(Trade, *orders(buy, sell), is_buyer_maker, LOTS if lots is None else lots)


def orders(buy: dict[str, Any] | None = None, sell: dict[str, Any] | None = None) -> list[SignedOrder]:
    """Two orders that meet."""
    made = []
    for side, account, given in ((Side.BUY, ALICE, buy), (Side.SELL, CAROL, sell)):
        fields: dict[str, Any] = {
            "account": account,
            "side": side,
            "series": CALL,
            "price": PRICE,
            "lots": LOTS,
            "number": 1 << 20,
            "expiry": now() + 600,
        }
        fields |= given or {}
        meant = [fields.pop(name) for name in ("account", "side", "series", "price", "lots")]
        made.append(MARKET.order(*meant, **fields))
    return MARKET.signed(made)


def quantity(number: int) -> Any:
    """A plain number where the rules want a quantity."""
    return number


def nonce(account: int, which: int = OPEN) -> int:
    """The next one."""
    return found(account, which).nonce


def found(account: int, which: int = OPEN) -> Account:
    """An account before the batch."""
    leaf = before(which).account(quantity(account))
    assert leaf is not None
    return leaf


def requirement(account: int) -> int:
    """What an account must hold."""
    return margin_of(found(account).positions, before().group).requirement


def pay(amount: int = 5, sender: int = ALICE, receiver: int = ERIN) -> Transaction:
    """A transfer."""
    return signed(Transfer, sender, receiver, amount, nonce(sender))


EXPIRY = [plain(SettlementPrice, 1, 101)]
LATER = 2 * DAY
"""When the first group has expired."""
