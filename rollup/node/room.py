"""How much a batch may hold: what it will need to be proved is counted while it is filled.

A proof's tables have fixed heights; a batch that needs more rows than the largest has could never be proved.
So the sequencer closes a batch before it is too large, and serves no more of the queue at once than is sure to fit.
Each count is at least what the proof will need; the limits are those of the largest shape of `circuits`, which a test
there compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rollup.codec import QueuedItem
from rollup.events import (
    Event,
    ForciblyWithdrawn,
    GroupSettled,
    KeyRegistered,
    LeafChange,
    SignatureChecked,
    Traded,
    Transferred,
    Withdrawn,
)
from rollup.instruments import Group, group_of
from rollup.margin import Margin
from rollup.state import TREE_DEPTH, Account, OrderSlot, Position, State
from rollup.transactions import ForcedWithdrawal

POSITIONS_A_ROW: Final = 8
"""In a row of a list's hash; a position is three elements of it."""

PERMUTATIONS_A_SIGNATURE: Final = 9
PERMUTATIONS_AN_ACCOUNT: Final = 10
"""Its leaf before and after, and its identity."""

PERMUTATIONS_A_KEY: Final = 4
"""A second identity."""

PERMUTATIONS_A_SLOT: Final = 2
PERMUTATIONS_A_GROUP: Final = 90
"""Its leaf, and its list of series before and after."""

RESERVE: Final = 8
"""One part in so many is left free: an order may trade with many others before anybody looks again."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Rows of the largest shape, by what takes them."""

    trades: int = 4096
    signatures: int = 8192
    records_of_a_kind: int = 128
    """Transactions that are no trades, of any one type."""
    items: int = 128
    accounts: int = 1024
    slots: int = 8192
    groups: int = 32
    series: int = 256
    steps: int = 8192
    walk_rows: int = 1 << 17
    list_rows: int = 4096
    tree_nodes: int = 1 << 14
    permutations: int = 1 << 17
    settlements: int = 512
    """Of forced withdrawals and by name, together; and as many claims."""


@dataclass(slots=True)
class BatchLoad:
    """What the open batch needs so far."""

    trades: int = 0
    signatures: int = 0
    records: dict[type, int] = field(default_factory=dict)
    accounts: int = 0
    slots: int = 0
    steps: int = 0
    walk_rows: int = 0
    list_rows: dict[int, int] = field(default_factory=dict)
    settlements: int = 0
    claims: int = 0
    keys: int = 0
    """Registered in this batch."""
    nodes: set[int] = field(default_factory=set)
    """Nodes of the state tree above written leaves, numbered as in a heap."""
    items: int = 0
    series: dict[int, int] = field(default_factory=dict)
    """How many series each group has that a step looked at."""
    _list_rows: int = 0

    def note_record(self, kind: type, *, is_trade: bool) -> None:
        """Count a transaction."""
        if is_trade:
            self.trades += 1
        else:
            self.records[kind] = self.records.get(kind, 0) + 1

    def note(self, event: Event) -> None:
        """Count what an event needs, written leaves aside."""
        for margin in _margins_of(event):
            for part in margin.groups:
                self.series[part.group.group] = len(part.group.series)
        if isinstance(event, SignatureChecked):
            self.signatures += 1
        elif isinstance(event, GroupSettled):
            self.settlements += 1
        elif isinstance(event, ForciblyWithdrawn):
            self.settlements += len(event.settlements)
        elif isinstance(event, KeyRegistered):
            self.keys += 1
        self.claims += len(event.claims)

    def note_leaf(self, change: LeafChange, *, is_first: bool) -> None:
        """Count a leaf that is written."""
        after = change.after
        if isinstance(after, Account):
            self._note_account(change.before, after, is_first=is_first)
        elif is_first and isinstance(after, OrderSlot):
            self.slots += 1
        elif isinstance(after, Group):
            self.series[after.group] = len(after.series)
        if is_first:
            node = (1 << TREE_DEPTH | change.index) >> 1
            while node and node not in self.nodes:
                self.nodes.add(node)
                node >>= 1

    def _note_account(self, before: object, after: Account, *, is_first: bool) -> None:
        held = before.positions if isinstance(before, Account) else ()
        if is_first:
            self.accounts += 1
            self._list_rows += _rows_of_list(len(held))
        rows = _rows_of_list(len(after.positions))
        self._list_rows += rows - self.list_rows.get(after.account, 0)
        self.list_rows[after.account] = rows
        self.steps += 1
        self.walk_rows += walk_rows(held, after.positions)

    def needs(self, published_bytes: int) -> BatchLimits:
        """What is needed, in the terms of the limits."""
        permutations = (
            PERMUTATIONS_A_SIGNATURE * self.signatures
            + PERMUTATIONS_AN_ACCOUNT * self.accounts
            + PERMUTATIONS_A_KEY * self.keys
            + PERMUTATIONS_A_SLOT * self.slots
            + PERMUTATIONS_A_GROUP * len(self.series)
            + 3 * self._list_rows
            + published_bytes // 16
        )
        return BatchLimits(
            trades=self.trades,
            signatures=self.signatures,
            records_of_a_kind=max(self.records.values(), default=0),
            items=self.items,
            accounts=self.accounts,
            slots=self.slots,
            groups=len(self.series),
            series=sum(self.series.values()),
            steps=self.steps,
            walk_rows=self.walk_rows,
            list_rows=self._list_rows,
            # Leaves that are only read: groups, the system, and what queue items without effect name.
            tree_nodes=len(self.nodes) + TREE_DEPTH * (len(self.series) + self.items + 1),
            permutations=permutations,
            settlements=max(self.settlements, self.claims),
        )


def _margins_of(event: Event) -> tuple[Margin, ...]:
    """The margins that an event's steps were held to."""
    match event:
        case Traded():
            return event.buyer.margin, event.seller.margin
        case Transferred():
            return (event.sender_margin,)
        case Withdrawn() | ForciblyWithdrawn():
            return (event.margin,)
        case _:
            return ()


def _rows_of_list(length: int) -> int:
    return max(1, -(-length // POSITIONS_A_ROW))


def walk_rows(before: Sequence[Position], after: Sequence[Position]) -> int:
    """Rows of a walk over an account's positions: one each, and two for every group.

    A step adds or removes positions, never both, so the longer list has all of them.
    """
    longer = before if len(before) > len(after) else after
    return max(2, len(longer) + 2 * len({group_of(one.series) for one in longer}))


def is_full(load: BatchLoad, limits: BatchLimits, published_bytes: int) -> bool:
    """Whether the batch should be closed: nearly everything of something is used."""
    needs = load.needs(published_bytes)
    return (
        needs.trades >= limits.trades
        or (_nears(needs.signatures, limits.signatures) and needs.signatures > 2 * needs.trades)
        or any(
            _nears(getattr(needs, name), getattr(limits, name))
            for name in (
                "records_of_a_kind",
                "accounts",
                "groups",
                "series",
                "walk_rows",
                "list_rows",
                "tree_nodes",
                "permutations",
                "settlements",
            )
        )
    )


def _nears(needed: int, most: int) -> bool:
    return needed > most - most // RESERVE


def items_that_fit(state: State, items: Iterable[QueuedItem], limits: BatchLimits) -> list[QueuedItem]:
    """The first of these queue items, as many as are sure to fit a batch; one always does."""
    taken: list[QueuedItem] = []
    settlements = rows = 0
    for queued in items:
        if isinstance(queued.item, ForcedWithdrawal):
            account = state.account(queued.item.account)
            held = account.positions if account is not None else ()
            settlements += len({group_of(one.series) for one in held}) + 1
            rows += 2 * walk_rows(held, held)
        full = settlements > limits.settlements // 2 or rows > limits.walk_rows // 2
        if taken and (full or len(taken) >= limits.items - limits.items // RESERVE):
            break
        taken.append(queued)
    return taken
