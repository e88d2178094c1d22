"""The state of the clearing house: four kinds of leaf under one tree.

    index of a leaf, 34 bits
    00 | account (24) | slot (8)      an order slot
    01 | 0 ... 0 | account (24)       an account
    10 | 0 ... 0 | group (16)         a group
    11 | 0 ... 0                      the system leaf

The same index is the key in memory and the place in the tree (`rollup.state_tree`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, NewType

from rollup.authority import TradingKey
from rollup.instruments import Group, SeriesId
from rollup.units import (
    WIDTH_BITS,
    AccountId,
    Address,
    Amount,
    BatchNumber,
    ChainId,
    GroupId,
    Nonce,
    OrderNumber,
    QueuePosition,
    RatePerMillion,
    SlotIndex,
    Time,
    Version,
    fits,
)
from rollup.versioned_map import VersionedMap

LeafIndex = NewType("LeafIndex", int)

TREE_DEPTH: int = 34
"""Two bits for the region, 24 for the account, 8 for the slot."""

NO_ACCOUNT: AccountId = AccountId(0)
"""Never an account: the treasury before one is named."""

_ACCOUNTS = 1 << 32
_GROUPS = 2 << 32

SYSTEM_INDEX: LeafIndex = LeafIndex(3 << 32)


def account_index(account: AccountId) -> LeafIndex:
    """Place of an account's leaf."""
    return LeafIndex(_ACCOUNTS | account)


def slot_index(account: AccountId, slot: SlotIndex) -> LeafIndex:
    """Place of an order slot's leaf."""
    return LeafIndex(account << 8 | slot)


def group_index(group: GroupId) -> LeafIndex:
    """Place of a group's leaf."""
    return LeafIndex(_GROUPS | group)


class Position(NamedTuple):
    """Lots of one series: positive is long, negative is short, never zero."""

    series: SeriesId
    lots: int


@dataclass(frozen=True, slots=True)
class Account:
    """One trader."""

    account: AccountId
    owner: Address
    key: TradingKey | None
    nonce: Nonce
    order_floor: OrderNumber
    cash: Amount
    positions: tuple[Position, ...]
    """Strictly sorted by series, without zero lots."""

    def with_cash(self, cash: int) -> Account:
        """The same account with another amount of cash."""
        return Account(
            self.account, self.owner, self.key, self.nonce, self.order_floor, Amount(cash), self.positions
        )

    def with_nonce_used(self) -> Account:
        """The same account one nonce later."""
        return Account(
            self.account,
            self.owner,
            self.key,
            Nonce(self.nonce + 1),
            self.order_floor,
            self.cash,
            self.positions,
        )

    def with_holdings(self, cash: int, positions: tuple[Position, ...]) -> Account:
        """The same account with other cash and positions."""
        return Account(
            self.account, self.owner, self.key, self.nonce, self.order_floor, Amount(cash), positions
        )


@dataclass(frozen=True, slots=True)
class OrderSlot:
    """What is known of the newest order in one slot of an account."""

    account: AccountId
    slot: SlotIndex
    number: OrderNumber
    filled: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """Which clearing house this is: part of every signed message, so no signature serves two."""

    chain: ChainId
    contract: Address


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the governor sets; the version counts the changes."""

    version: Version
    maker_fee_rate: RatePerMillion
    taker_fee_rate: RatePerMillion
    treasury: AccountId


@dataclass(frozen=True, slots=True)
class System:
    """The one leaf of the clearing house itself."""

    deployment: Deployment
    batch_number: BatchNumber
    queue_position: QueuePosition
    time: Time
    owed: Amount
    """Deposits credited less withdrawals: all cash and all pools together."""
    parameters: Parameters


Leaf = Account | OrderSlot | Group | System


def index_of_leaf(leaf: Leaf) -> LeafIndex:
    """Place of any leaf."""
    match leaf:
        case Account():
            return account_index(leaf.account)
        case OrderSlot():
            return slot_index(leaf.account, leaf.slot)
        case Group():
            return group_index(leaf.group)
        case System():
            return SYSTEM_INDEX


@dataclass(frozen=True, slots=True)
class State:
    """All leaves. A new state shares with its predecessor whatever did not change."""

    leaves: VersionedMap[LeafIndex, Leaf]

    @classmethod
    def genesis(cls, deployment: Deployment, time: Time) -> State:
        """The state a contract is deployed with: no accounts, no groups, no fees."""
        parameters = Parameters(Version(0), RatePerMillion(0), RatePerMillion(0), NO_ACCOUNT)
        system = System(deployment, BatchNumber(0), QueuePosition(0), time, Amount(0), parameters)
        return cls.of_leaves([system])

    @classmethod
    def of_leaves(cls, leaves: list[Leaf]) -> State:
        """The state with exactly these leaves."""
        return cls(VersionedMap({index_of_leaf(leaf): leaf for leaf in leaves}))

    @property
    def system(self) -> System:
        """The system leaf."""
        leaf = self.leaves.get(SYSTEM_INDEX)
        if not isinstance(leaf, System):
            raise LookupError("a state has a system leaf")
        return leaf

    def account(self, account: int) -> Account | None:
        """An account, if there is one; any number may be asked for."""
        if not fits(account, WIDTH_BITS["AccountId"]):
            return None
        leaf = self.leaves.get(account_index(AccountId(account)))
        return leaf if isinstance(leaf, Account) else None

    def group(self, group: GroupId) -> Group | None:
        """A group, if it is listed."""
        leaf = self.leaves.get(group_index(group))
        return leaf if isinstance(leaf, Group) else None

    def slot(self, account: AccountId, slot: SlotIndex) -> OrderSlot | None:
        """An order slot, if it was ever used."""
        leaf = self.leaves.get(slot_index(account, slot))
        return leaf if isinstance(leaf, OrderSlot) else None

    def with_leaves(self, *leaves: Leaf) -> State:
        """The state after these leaves have been written; a later one of the same place wins."""
        return State(self.leaves.set_many({index_of_leaf(leaf): leaf for leaf in leaves}))

    def all_leaves(self) -> Mapping[LeafIndex, Leaf]:
        """Every leaf by its place."""
        return self.leaves.to_dict()

    def accounts(self) -> Iterator[Account]:
        """Every account, by id."""
        return (leaf for _, leaf in sorted(self.all_leaves().items()) if isinstance(leaf, Account))

    def groups(self) -> Iterator[Group]:
        """Every group, by id."""
        return (leaf for _, leaf in sorted(self.all_leaves().items()) if isinstance(leaf, Group))
