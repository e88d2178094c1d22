"""Leaving a frozen clearing house: what an account may take, and what shows the contract that it may.

The contract `Exits` knows the last proved root and nothing else of the state. So it is shown leaves with their paths:

    a group, once for everybody     its terms, and its price if the proved state has one
    an account, once                pays cash less requirement at once; the positions are remembered as a hash
    a group of that account, once   pays requirement plus payoff, as soon as the group's price is known
    a deposit that still waits      goes back to whoever paid it

No payment is negative: a requirement is what the worst price takes.
Nothing is lost or made: until a group is fixed its lots sum to zero, so do its payoffs at any price; then its pool
is the payoffs that are still open. So all accounts together take cash and pools, which is what the state is owed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prover.field.koalabear import decode
from prover.hash.keccak import keccak256
from rollup.binding import packed
from rollup.instruments import Group, SeriesId
from rollup.leaf_formats import LOTS_OFFSET, POOL_OFFSET, LeafFormat, identity_elements, series_elements
from rollup.margin import group_margin, group_payoff, positions_by_group
from rollup.state import Account, LeafIndex, Position, State, account_index, group_index
from rollup.state_hash import StateHasher
from rollup.state_tree import StateTree
from rollup.units import GroupId, Ticks

LOTS_BITS = 25
"""Lots plus their offset."""

WORD_BYTES = 32

ELEMENTS_IN_A_WORD = 8

OWNER_ELEMENTS_IN_SECOND_BLOCK = 4
"""An identity's elements 8 to 11 are the owner's; the contract fills them in from whoever calls."""

Words = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AccountLeaf:
    """An account as `Exits.takeCash` is shown it; its owner is whoever calls."""

    account: int
    key: Words
    nonce: int
    order_floor: int
    cash: int
    positions: Words


@dataclass(frozen=True, slots=True)
class GroupLeaf:
    """A group as `Exits.showGroup` is shown it."""

    group: int
    underlying: int
    expiry: int
    cap: int
    tick_micro_dollars: int
    lot_micro_units: int
    tick_value: int
    is_fixed: bool
    price: int
    pool: int
    """Plus 2^63."""
    series_count: int
    series_digest: int


def position_word(position: Position) -> int:
    """One position as the contract reads it: its series, then its lots plus 2^24 in 25 bits."""
    return position.series << LOTS_BITS | (position.lots + LOTS_OFFSET)


def position_of_word(word: int) -> Position:
    """The way back."""
    return Position(SeriesId(word >> LOTS_BITS), (word & ((1 << LOTS_BITS) - 1)) - LOTS_OFFSET)


def positions_hash(positions: Words) -> bytes:
    """What the contract keeps of the positions of an account that has left."""
    return keccak256(b"".join(word.to_bytes(WORD_BYTES) for word in positions))


def account_leaf(account: Account) -> AccountLeaf:
    """Spell an account for the contract."""
    elements = list(identity_elements(account))
    elements[ELEMENTS_IN_A_WORD : ELEMENTS_IN_A_WORD + OWNER_ELEMENTS_IN_SECOND_BLOCK] = (
        0,
    ) * OWNER_ELEMENTS_IN_SECOND_BLOCK
    blocks = [
        packed(tuple(elements[start : start + ELEMENTS_IN_A_WORD]))
        for start in range(ELEMENTS_IN_A_WORD, len(elements), ELEMENTS_IN_A_WORD)
    ]
    return AccountLeaf(
        account.account,
        tuple(blocks),
        account.nonce,
        account.order_floor,
        account.cash,
        tuple(position_word(position) for position in account.positions),
    )


def group_leaf(group: Group, hasher: StateHasher) -> GroupLeaf:
    """Spell a group for the contract."""
    (digest,) = hasher.hash_lists(LeafFormat.GROUP_SERIES, [series_elements(group)])
    return GroupLeaf(
        group.group,
        group.underlying,
        group.expiry,
        group.cap,
        group.tick_micro_dollars,
        group.lot_micro_units,
        group.tick_value,
        group.settlement_price is not None,
        group.settlement_price or 0,
        group.pool + POOL_OFFSET,
        len(group.series),
        packed(tuple(decode(digest).tolist())),
    )


def path_words(tree: StateTree, index: LeafIndex) -> Words:
    """The siblings of a leaf, from the leaf upwards, a word each."""
    return tuple(packed(sibling) for sibling in tree.open(index).siblings)


def account_path(tree: StateTree, account: Account) -> Words:
    """The siblings of an account's leaf."""
    return path_words(tree, account_index(account.account))


def group_path(tree: StateTree, group: GroupId) -> Words:
    """The siblings of a group's leaf."""
    return path_words(tree, group_index(group))


@dataclass(frozen=True, slots=True)
class GroupShare:
    """What one account may take of one group."""

    group: Group
    requirement: int
    price: Ticks | None
    """At which the group ends, clamped to its cap; none while nobody knows."""
    payoff: int | None

    @property
    def amount(self) -> int | None:
        """Requirement and payoff together: never negative."""
        return None if self.payoff is None else self.requirement + self.payoff


@dataclass(frozen=True, slots=True)
class Share:
    """What one account may take: cash at once, its groups once their prices are known."""

    account: Account
    requirement: int
    groups: tuple[GroupShare, ...]

    @property
    def cash_at_once(self) -> int:
        """All that no position may still cost."""
        return self.account.cash - self.requirement


def share_of(state: State, account: Account, price_named: Callable[[GroupId], int | None]) -> Share:
    """Compute what an account may take; `price_named` knows the prices of groups that the state has not fixed."""
    groups = []
    for name, held in positions_by_group(account.positions):
        group = state.group(name)
        if group is None:
            raise LookupError(f"a position is held in group {name}, which is not listed")
        price = group.settlement_price
        if price is None:
            found = price_named(name)
            price = None if found is None else Ticks(min(found, group.cap))
        payoff = None if price is None else group_payoff(held, price, group.tick_value)
        groups.append(GroupShare(group, group_margin(held, group).requirement, price, payoff))
    return Share(account, sum(group.requirement for group in groups), tuple(groups))
