"""How much a batch may hold: what it will need to be proved is counted while it is filled.

A proof's tables have fixed heights; a batch that needs more rows than the largest shape has could never be proved.
So no trade and no transaction is taken that an open batch has no room for, a batch is closed before it is full,
and no more of the queue is served at once than is sure to fit.
Each count is at least what the proof will need; the limits are the rows of the largest shape of `circuits`, and a test
there compares them and fills batches to the brim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import add, attrgetter, gt, le
from typing import Final

from rollup.codec import QueuedItem
from rollup.events import (
    Event,
    GroupSettled,
    ItemIgnored,
    SignatureChecked,
    Traded,
    Transferred,
    Withdrawn,
)
from rollup.instruments import Group, group_of
from rollup.outcome import QueueItem
from rollup.state import (
    TREE_DEPTH,
    Account,
    Leaf,
    LeafIndex,
    OrderSlot,
    Position,
    State,
    account_index,
    group_index,
)
from rollup.transactions import Deposit, ForcedWithdrawal, Trade
from rollup.units import MAX_POSITIONS, WIDTH_BITS, AccountId, GroupId, fits

POSITIONS_A_ROW: Final = 8
"""In a row of a list's hash; a position is three elements of it."""

SERIES_A_ROW: Final = 8

BYTES_A_ROW: Final = 16
"""Of published data: eight words, one permutation."""

PERMUTATIONS_A_SIGNATURE: Final = 9
PERMUTATIONS_AN_ACCOUNT: Final = 6
"""Its leaf before and after."""

PERMUTATIONS_AN_IDENTITY: Final = 4
PERMUTATIONS_A_GROUP: Final = 8
"""Its leaf before and after; its list of series comes by the row, before and after."""

PERMUTATIONS_A_LIST_ROW: Final = 3
PERMUTATIONS_ALWAYS: Final = 16 + TREE_DEPTH
"""The system's leaf before and after, the end of the data, and the empty subtree of every level."""

LONGEST_WALK: Final = 3 * (MAX_POSITIONS + 1)
"""Every position in a group of its own."""

LONGEST_LIST: Final = MAX_POSITIONS // POSITIONS_A_ROW

LONGEST_ITEM: Final = 86
"""Bytes that a registration publishes."""

RESERVE: Final = 16
"""One part in so many is left free when a batch is closed, so that hardly an order meets the end of its batch."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Rows of the largest shape, by what takes them."""

    trades: int = 1 << 12
    signatures: int = 1 << 13
    slots: int = 1 << 13
    steps: int = 1 << 13
    credits: int = 1 << 12
    keys: int = (1 << 11) - 1
    """Of accounts; the generator's is one more."""
    signers: int = (1 << 10) - 1
    """Keys that signed, whose multiples are laid out, and again the generator's."""
    identities: int = 1 << 11
    mixed: int = 1 << 11
    """The batch, its queue items, records that are no trades, claims, settlements, readings, groups and accounts."""
    series: int = 1 << 13
    series_rows: int = 1 << 11
    walk_rows: int = 1 << 17
    list_rows: int = 1 << 12
    tree_nodes: int = 1 << 14
    permutations: int = 1 << 17
    data_rows: int = 1 << 13

    def hold(self, needed: BatchLimits) -> bool:
        """Whether so much of everything is there."""
        return all(map(le, _numbers(needed), _numbers(self)))

    def part(self, parts: int) -> BatchLimits:
        """One part of so many of everything."""
        return BatchLimits(*(getattr(self, name) // parts for name in NAMES))


NAMES: Final = tuple(one.name for one in fields(BatchLimits))

_numbers: Final = attrgetter(*NAMES)
"""All of them in their order: it is asked for with every trade."""

OF_A_TRADE: Final = {"trades": 1, "signatures": 2, "slots": 2, "steps": 2, "credits": 1}
"""What every trade takes alike: these are used up together, to the last one."""


@dataclass(slots=True)
class BatchLoad:
    """What the open batch needs so far."""

    trades: int = 0
    signatures: int = 0
    records: int = 0
    """That are no trades."""
    items: int = 0
    slots: int = 0
    new_slots: int = 0
    """Of them, those that were never used before."""
    steps: int = 0
    credits: int = 0
    walk_rows: int = 0
    settlements: int = 0
    readings: int = 0
    claims: int = 0
    accounts: set[int] = field(default_factory=set)
    signers: set[int] = field(default_factory=set)
    """Accounts that signed: keys change before the first of them does, so each has one."""
    nodes: set[int] = field(default_factory=set)
    """Nodes of the state tree above touched leaves, numbered as in a heap."""
    series: dict[int, int] = field(default_factory=dict)
    """How many series each touched group has."""
    list_rows: dict[int, int] = field(default_factory=dict)
    """Rows of each touched account's list as it would be closed now."""
    _touched_slots: set[int] = field(default_factory=set)
    _list_rows: int = 0
    _series: int = 0
    _series_rows: int = 0

    # ------------------------------------------------------------------------------------------ counting

    def note_record(self, kind: type) -> None:
        """Count a transaction."""
        if kind is Trade:
            self.trades += 1
        else:
            self.records += 1

    def note_item(self, item: QueueItem, state: State) -> None:
        """Count a queue item that finds this state, and the most that can come of it."""
        self.items += 1
        for name in ("account", "treasury"):
            number = getattr(item, name, None)
            if number is not None and fits(number, WIDTH_BITS["AccountId"]):
                self._touch_account(number, state.account(number), state)
        group = getattr(item, "group", None)
        if group is not None:
            self._touch_group(group, state.group(group))
        if isinstance(item, ForcedWithdrawal):
            account = state.account(item.account)
            held = () if account is None else account.positions
            groups = len({group_of(one.series) for one in held})
            self.steps += 1
            self.walk_rows += 2 * LONGEST_WALK
            self.settlements += groups
            self.readings += groups
        self.claims += isinstance(item, Deposit | ForcedWithdrawal)

    def note(self, event: Event, state: State) -> None:
        """Count what an event needs; the state is the one after it, and items were noted before."""
        match event:
            case SignatureChecked():
                self.signatures += 1
                self.signers.add(event.account)
            case Traded():
                self.steps += 2
                self.credits += 1
                for side in (event.buyer, event.seller):
                    self.walk_rows += walk_rows(side.account_before.positions, side.account_after.positions)
            case Transferred():
                self.steps += 1
                self.credits += 1
            case Withdrawn():
                self.steps += 1
                self.claims += 1
            case GroupSettled():
                self.steps += 1
                self.settlements += 1
            case ItemIgnored():
                for seen in event.seen:
                    self._touch(seen.index, seen.leaf, seen.leaf, state)
            case _:
                pass
        is_walked = isinstance(event, Transferred | Withdrawn | GroupSettled)
        for change in event.changes:
            self._touch(change.index, change.before, change.after, state)
            if is_walked and isinstance(change.after, Account):
                held = change.before.positions if isinstance(change.before, Account) else ()
                self.walk_rows += walk_rows(held, change.after.positions)

    def _touch(self, index: LeafIndex, before: Leaf | None, after: Leaf | None, state: State) -> None:
        """Count a leaf that is written or read."""
        match after:
            case Account():
                found = before if isinstance(before, Account) else None
                self._touch_account(after.account, found, state)
                rows = _rows_of_list(after.positions)
                self._list_rows += rows - self.list_rows[after.account]
                self.list_rows[after.account] = rows
                self._touch_groups_of(after.positions, state)
            case OrderSlot():
                if index not in self._touched_slots:
                    self._touched_slots.add(index)
                    self.slots += 1
                    self.new_slots += before is None
            case Group():
                self._touch_group(after.group, after)
            case _:
                pass
        self._touch_path(index)

    def _touch_account(self, number: int, before: Account | None, state: State) -> None:
        if number in self.accounts:
            return
        self.accounts.add(number)
        self._touch_path(account_index(AccountId(number)))
        self.list_rows[number] = 0
        if before is not None:
            rows = _rows_of_list(before.positions)
            self.list_rows[number] = rows
            self._list_rows += 2 * rows
            self._touch_groups_of(before.positions, state)

    def _touch_groups_of(self, held: Sequence[Position], state: State) -> None:
        for number in {group_of(one.series) for one in held}:
            if number not in self.series:
                self._touch_group(number, state.group(number))

    def _touch_group(self, number: int, group: Group | None) -> None:
        length = 0 if group is None else len(group.series)
        known = self.series.get(number)
        if known is None:
            self._touch_path(group_index(GroupId(number)))
        self.series[number] = length
        self._series += length - (known or 0)
        self._series_rows += _rows_of_series(length) - (0 if known is None else _rows_of_series(known))

    def _touch_path(self, index: int) -> None:
        node = (1 << TREE_DEPTH | index) >> 1
        while node and node not in self.nodes:
            self.nodes.add(node)
            node >>= 1

    # ------------------------------------------------------------------------------------------- deciding

    def needs(self, published_bytes: int) -> BatchLimits:
        """What is needed, in the terms of the limits."""
        accounts, groups = len(self.accounts), len(self.series)
        # An item can give an account a second identity, with another key.
        identities = accounts + self.items
        nodes = len(self.nodes) + 2 * TREE_DEPTH
        permutations = (
            PERMUTATIONS_ALWAYS
            + PERMUTATIONS_A_SIGNATURE * self.signatures
            + PERMUTATIONS_AN_ACCOUNT * accounts
            + PERMUTATIONS_AN_IDENTITY * identities
            + 2 * self.slots
            - self.new_slots
            + PERMUTATIONS_A_GROUP * groups
            + 2 * self._series_rows
            + PERMUTATIONS_A_LIST_ROW * self._list_rows
            + published_bytes // BYTES_A_ROW
            + 2 * nodes
        )
        mixed = 1 + self.items + self.records + self.claims + self.settlements + self.readings
        return BatchLimits(
            trades=self.trades,
            signatures=self.signatures,
            slots=self.slots,
            steps=self.steps,
            credits=self.credits,
            keys=identities,
            signers=len(self.signers),
            identities=identities,
            mixed=mixed + groups + accounts,
            series=self._series,
            series_rows=self._series_rows,
            walk_rows=self.walk_rows,
            list_rows=self._list_rows,
            tree_nodes=nodes,
            permutations=permutations,
            data_rows=published_bytes // BYTES_A_ROW + 1,
        )

    def has_room_for(
        self, events: Iterable[Event], state: State, limits: BatchLimits, published_bytes: int
    ) -> bool:
        """Whether a transaction with these events, which lead to the state, still fits: all of it, whatever it is."""
        fresh = {number: group for event in events for number, group in self._fresh_groups(event, state)}
        needed = self.needs(published_bytes)
        rows = sum(_rows_of_series(len(group.series)) for group in fresh.values())
        more = _most_of_a_step(len(fresh), sum(len(group.series) for group in fresh.values()), rows)
        return all(map(le, map(add, _numbers(needed), _numbers(more)), _numbers(limits)))

    def _fresh_groups(self, event: Event, state: State) -> list[tuple[int, Group]]:
        """The groups that an event would touch first."""
        accounts = [
            leaf for one in event.changes for leaf in (one.before, one.after) if isinstance(leaf, Account)
        ]
        fresh = {
            group_of(position.series)
            for account in accounts
            for position in account.positions
            if group_of(position.series) not in self.series
        }
        found = [(number, state.group(number)) for number in sorted(fresh)]
        return [(number, group) for number, group in found if group is not None]


@lru_cache(maxsize=256)
def _most_of_a_step(groups: int, series: int, series_rows: int) -> BatchLimits:
    """More than any transaction needs that touches so many groups first, with their series."""
    return BatchLimits(
        **OF_A_TRADE,
        keys=3,
        signers=2,
        identities=3,
        # The accounts, the record and its claim, the group that it settles.
        mixed=6 + groups,
        series=series,
        series_rows=series_rows,
        walk_rows=2 * LONGEST_WALK,
        list_rows=6 * LONGEST_LIST,
        tree_nodes=TREE_DEPTH * (5 + groups),
        permutations=2 * PERMUTATIONS_A_SIGNATURE
        + 3 * (PERMUTATIONS_AN_ACCOUNT + PERMUTATIONS_AN_IDENTITY)
        + 6 * LONGEST_LIST * PERMUTATIONS_A_LIST_ROW
        + PERMUTATIONS_A_GROUP * groups
        + 2 * series_rows
        + 2 * TREE_DEPTH * (5 + groups)
        + 8,
        data_rows=4,
    )


def _rows_of_list(held: Sequence[Position]) -> int:
    return max(1, -(-len(held) // POSITIONS_A_ROW))


def _rows_of_series(length: int) -> int:
    return max(1, -(-length // SERIES_A_ROW))


def walk_rows(before: Sequence[Position], after: Sequence[Position]) -> int:
    """Rows of a walk over an account's positions: one each, and two for every group.

    A step adds or removes positions, never both, so the longer list has all of them.
    """
    longer = before if len(before) > len(after) else after
    return max(2, len(longer) + 2 * len({group_of(one.series) for one in longer}))


def is_full(load: BatchLoad, limits: BatchLimits, published_bytes: int) -> bool:
    """Whether the batch should be closed: nearly everything of something is used."""
    return any(map(gt, _numbers(load.needs(published_bytes)), _brim(limits)))


@lru_cache(maxsize=16)
def _brim(limits: BatchLimits) -> tuple[int, ...]:
    """How much of everything may be used before a batch is closed."""
    return tuple(
        most - OF_A_TRADE.get(name, most // RESERVE)
        for name, most in zip(NAMES, _numbers(limits), strict=True)
    )


def items_that_fit(state: State, items: Iterable[QueuedItem], limits: BatchLimits) -> list[QueuedItem]:
    """The first of these queue items, as many as take half a batch at most; one always fits alone."""
    taken: list[QueuedItem] = []
    load, half = BatchLoad(), limits.part(2)
    for queued in items:
        load.note_item(queued.item, state)
        if taken and not half.hold(load.needs(len(taken) * LONGEST_ITEM)):
            break
        taken.append(queued)
    return taken
