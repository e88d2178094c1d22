"""Three batches of everything that can happen: every transaction, every queue item, with and without effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from benchmarks.clearing_workload import DAY, Market, plain
from prover.hash.poseidon import POSEIDON16_20
from rollup.admission import message_of
from rollup.authority import Signature
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.codec import QueuedItem
from rollup.instruments import SeriesId, series_id
from rollup.outcome import QueueItem, Transaction
from rollup.schnorr import SepticSchnorr, sign
from rollup.state import State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import (
    TAGS,
    CancelOrders,
    Deposit,
    ForcedCancelOrders,
    ForcedWithdrawal,
    SettleGroup,
    SettlementPrice,
    Trade,
    Transfer,
    Withdrawal,
)
from rollup.units import MICRO, AccountId, BatchNumber, GroupId, OptionKind, Side, SuiteId, Ticks, Time

MARKET = Market(accounts=5)
ALICE, BOB, CAROL, DAVE, ERIN = MARKET.traders
UNSIGNED = plain(Signature, (0,) * 7, (0,) * 7, 0)


@dataclass(frozen=True)
class Chapter:
    """A batch that the rules accepted, with the state and the tree before it."""

    before: State
    tree: StateTree
    batch: Batch
    outcome: BatchOutcome


def chapter(
    before: State, number: int, time: int, items: Sequence[QueueItem], transactions: Sequence[Transaction]
) -> Chapter:
    """Apply a batch."""
    queued = tuple(plain(QueuedItem, time, item) for item in items)
    batch = Batch(
        plain(BatchNumber, number),
        plain(Time, time),
        before.system.queue_position,
        queued,
        tuple(transactions),
    )
    outcome = apply_batch(before, batch, SepticSchnorr())
    assert isinstance(outcome, BatchOutcome), outcome
    return Chapter(before, StateTree.of_state(before, KernelHasher(POSEIDON16_20)), batch, outcome)


def signed(kind: Any, account: int, *values: Any) -> Transaction:
    """A transfer, withdrawal or cancellation with its signature."""
    secret = MARKET.secrets[account]
    draft = plain(kind, account, *values, UNSIGNED)
    message = message_of(
        MARKET.genesis.system.deployment,
        plain(SuiteId, secret.suite),
        plain(AccountId, account),
        TAGS[kind],
        draft,
    )
    made: Transaction = replace(draft, signature=sign(secret, message))
    return made


class Desk:
    """Makes trades of orders never seen before."""

    def __init__(self) -> None:
        self.numbers = dict.fromkeys(MARKET.traders, 1 << 16)

    def trade(
        self, buyer: int, seller: int, series: SeriesId, price: int, lots: int, *, time: int, fills: int = 1
    ) -> list[Transaction]:
        """Two orders that trade in so many fills."""
        orders = []
        for account, side in ((buyer, Side.BUY), (seller, Side.SELL)):
            self.numbers[account] += 1
            changes = {
                "slot": self.numbers[account] % 4,
                "number": self.numbers[account],
                "expiry": time + 600,
            }
            limit = price + MICRO if side == Side.BUY else price
            orders.append(MARKET.order(account, side, series, limit, lots * fills, **changes))
        buy, sell = MARKET.signed(orders)
        return [plain(Trade, buy, sell, False, lots) for _ in range(fills)]


def option(group: int, strike: int, kind: OptionKind) -> SeriesId:
    """One of the market's series."""
    return series_id(plain(GroupId, group), plain(Ticks, strike), kind)


@cache
def chapters() -> tuple[Chapter, ...]:
    """A market opens; people trade and move money; a group expires, is settled, and people leave."""
    desk, own = Desk(), MARKET.owner
    first = chapter(MARKET.genesis, 1, MARKET.time, [queued.item for queued in MARKET.queue_items()], [])

    later = MARKET.time + 60
    call, put = OptionKind.CALL, OptionKind.PUT
    trades = [
        *desk.trade(ALICE, BOB, option(1, 95, call), 5 * MICRO, 3, time=later, fills=2),
        *desk.trade(ALICE, BOB, option(1, 95, put), 4 * MICRO, 3, time=later),
        *desk.trade(BOB, ALICE, option(1, 105, call), 2 * MICRO, 5, time=later),
        *desk.trade(CAROL, BOB, option(2, 80, put), 1 * MICRO, 7, time=later),
        *desk.trade(ALICE, CAROL, option(4, 120, call), 3 * MICRO, 1, time=later),
        *desk.trade(BOB, CAROL, option(2, 80, put), 1 * MICRO, 7, time=later),
        *desk.trade(DAVE, ALICE, option(1, 80, call), 9 * MICRO, 2, time=later),
        *desk.trade(DAVE, BOB, option(3, 120, put), 9 * MICRO, 2, time=later),
    ]
    second = chapter(
        first.outcome.state,
        2,
        later,
        [plain(Deposit, ERIN, own(ERIN), own(ERIN), 3), plain(Deposit, ERIN, own(1), own(9), 77)],
        [
            *trades[:4],
            signed(Transfer, ALICE, ERIN, 12 * MICRO, 0),
            *trades[4:],
            signed(Withdrawal, CAROL, 34 * MICRO, 0),
            signed(CancelOrders, BOB, 1 << 30, 0),
            signed(Transfer, ERIN, ALICE, 1, 0),
            signed(Withdrawal, ERIN, 7, 1),
        ],
    )

    expired = MARKET.time + 2 * DAY
    third = chapter(
        second.outcome.state,
        3,
        expired,
        [
            plain(SettlementPrice, 1, 101),
            plain(ForcedWithdrawal, DAVE, own(DAVE)),
            plain(ForcedWithdrawal, ERIN, own(ERIN)),
            plain(ForcedWithdrawal, ERIN, own(ERIN)),
            plain(ForcedWithdrawal, ERIN, own(ALICE)),
            plain(ForcedCancelOrders, ALICE, own(ALICE), 99),
        ],
        [
            plain(SettleGroup, ALICE, 1),
            *desk.trade(CAROL, ALICE, option(2, 95, call), 2 * MICRO, 4, time=expired),
            plain(SettleGroup, BOB, 1),
            signed(Withdrawal, ALICE, 1000, 1),
        ],
    )
    return first, second, third
