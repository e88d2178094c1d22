"""The registry of version 1. Append only: a class's position is its wire tag."""

from __future__ import annotations

from dataclasses import dataclass

from rollup.authority import Authority
from rollup.outcome import QueueItem, Record, Transaction
from rollup.transactions.cancel_orders import CancelOrders, CancelOrdersRecord
from rollup.transactions.deposit import Deposit
from rollup.transactions.forced_cancel_orders import ForcedCancelOrders
from rollup.transactions.forced_withdrawal import ForcedWithdrawal
from rollup.transactions.list_group import ListGroup
from rollup.transactions.list_series import ListSeries
from rollup.transactions.register_key import RegisterKey
from rollup.transactions.set_parameters import SetParameters
from rollup.transactions.settle_group import SettleGroup, SettleGroupRecord
from rollup.transactions.settlement_price import SettlementPrice
from rollup.transactions.trade import Trade, TradeRecord
from rollup.transactions.transfer import Transfer, TransferRecord
from rollup.transactions.withdrawal import Withdrawal, WithdrawalRecord

__all__ = [
    "TAGS",
    "TRANSACTIONS",
    "CancelOrders",
    "CancelOrdersRecord",
    "Deposit",
    "Entry",
    "ForcedCancelOrders",
    "ForcedWithdrawal",
    "ListGroup",
    "ListSeries",
    "RegisterKey",
    "SetParameters",
    "SettleGroup",
    "SettleGroupRecord",
    "SettlementPrice",
    "Trade",
    "TradeRecord",
    "Transfer",
    "TransferRecord",
    "Withdrawal",
    "WithdrawalRecord",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the registry: what is submitted and what is published of it."""

    submitted: type[Transaction | QueueItem]
    published: type[Record]

    @property
    def name(self) -> str:
        """The transaction's name everywhere."""
        return self.submitted.__name__

    @property
    def is_from_queue(self) -> bool:
        """Say whether it comes through the L1 queue."""
        return issubclass(self.submitted, QueueItem)

    @property
    def authority(self) -> Authority:
        """Whose word it is."""
        return self.submitted.authority

    @property
    def rule(self) -> str:
        """Its rule in a sentence."""
        return self.submitted.rule


TRANSACTIONS: tuple[Entry, ...] = (
    Entry(Deposit, Deposit),
    Entry(RegisterKey, RegisterKey),
    Entry(ForcedCancelOrders, ForcedCancelOrders),
    Entry(ForcedWithdrawal, ForcedWithdrawal),
    Entry(ListGroup, ListGroup),
    Entry(ListSeries, ListSeries),
    Entry(SetParameters, SetParameters),
    Entry(SettlementPrice, SettlementPrice),
    Entry(Transfer, TransferRecord),
    Entry(Withdrawal, WithdrawalRecord),
    Entry(CancelOrders, CancelOrdersRecord),
    Entry(Trade, TradeRecord),
    Entry(SettleGroup, SettleGroupRecord),
)
"""What comes through the queue, then what the sequencer takes; only the position of each counts."""

TAGS: dict[type, int] = {entry.submitted: tag for tag, entry in enumerate(TRANSACTIONS)} | {
    entry.published: tag for tag, entry in enumerate(TRANSACTIONS)
}
"""The wire tag of every submitted and every published class."""
