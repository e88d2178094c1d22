"""What the journey notes for the tables of queue items and published transactions: an entry is one row.

An entry holds what stands on Ethereum or was signed, and what it found in the books, since when.
"""

from __future__ import annotations

from typing import NamedTuple

from circuits.account_access import Content
from circuits.group_access import GroupContent
from rollup.events import Traded
from rollup.state import Account, Parameters
from rollup.transactions import (
    CancelOrders,
    Deposit,
    ForcedCancelOrders,
    ForcedWithdrawal,
    ListGroup,
    ListSeries,
    RegisterKey,
    SetParameters,
    SettleGroup,
    SettlementPrice,
    Transfer,
    Withdrawal,
)


class Place(NamedTuple):
    """Where a queue item or a record stands."""

    clock: int
    offset: int
    claims: int


class Signed(NamedTuple):
    """A signed order or instruction: the row of its signature, who signed."""

    signature: int
    identity: int
    account: int


class OwedAccess(NamedTuple):
    """What is owed before a step, and since when."""

    old_time: int
    owed: int


# --------------------------------------------------------------------------------------------------- queue items


class Queued(NamedTuple):
    """Where a queue item stands, and when Ethereum took it."""

    place: Place
    time: int


class DepositEntry(NamedTuple):
    """A deposit."""

    queued: Queued
    item: Deposit
    content: Content
    identity_after: int
    owed: OwedAccess


class RegistrationEntry(NamedTuple):
    """A registered key."""

    queued: Queued
    item: RegisterKey
    content: Content
    is_set: bool
    """Whether it took effect."""
    identity_after: int
    key_number: int
    """Zero without effect: the generator's, which nobody looks at then."""


class ForcedCancellationEntry(NamedTuple):
    """An owner's cancellation through Ethereum."""

    queued: Queued
    item: ForcedCancelOrders
    content: Content


class ForcedWithdrawalEntry(NamedTuple):
    """An owner's withdrawal through Ethereum."""

    queued: Queued
    item: ForcedWithdrawal
    content: Content
    free: int
    """What was paid: cash that no margin needs."""
    owed: OwedAccess


class GroupListingEntry(NamedTuple):
    """A listed group."""

    queued: Queued
    item: ListGroup
    content: GroupContent


class SeriesListingEntry(NamedTuple):
    """A listed series."""

    queued: Queued
    item: ListSeries
    content: GroupContent
    same_place: int
    """Where the series stands in the group's list already; -1 for a new one."""


class ParameterChangeEntry(NamedTuple):
    """Fee rates and treasury."""

    queued: Queued
    item: SetParameters
    content: Content
    """The treasury's."""
    before: Parameters
    old_time: int


class SettlementPriceEntry(NamedTuple):
    """A group's price."""

    queued: Queued
    item: SettlementPrice
    content: GroupContent


# ------------------------------------------------------------------------------------------------------- records


class TradeEntry(NamedTuple):
    """A trade."""

    place: Place
    traded: Traded
    buyer: Signed
    seller: Signed
    parameters: Parameters


class TransferEntry(NamedTuple):
    """A transfer."""

    place: Place
    transfer: Transfer
    signed: Signed
    before: Account
    """The sender."""


class WithdrawalEntry(NamedTuple):
    """A withdrawal."""

    place: Place
    withdrawal: Withdrawal
    signed: Signed
    before: Account
    owed: OwedAccess


class CancellationEntry(NamedTuple):
    """A signed cancellation."""

    place: Place
    cancellation: CancelOrders
    signed: Signed
    content: Content


class GroupSettlementEntry(NamedTuple):
    """One account's settlement in one group."""

    place: Place
    settlement: SettleGroup
    identity: int
    before: Account
