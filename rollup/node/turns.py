"""When a batch opens and closes, what it opens with, and who is settled in it."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final

from rollup.events import PriceFixed
from rollup.fields import packed_bytes
from rollup.instruments import Group, group_of
from rollup.node.effects import Effects
from rollup.node.engine import Engine
from rollup.node.inputs import OpenBatch
from rollup.node.ports import QueueSource
from rollup.node.room import items_that_fit
from rollup.state import State
from rollup.transactions import SettleGroup, TradeRecord
from rollup.units import AccountId, GroupId, Time

if TYPE_CHECKING:
    from rollup.node.sequencer import SequencerSettings

SETTLEMENTS_AT_ONCE: Final = 64
"""A few at a time, so that people's orders do not wait behind them."""

ROOM_BYTES: Final = 2 * packed_bytes(TradeRecord)
"""What must be left of a batch's bytes before the next submission."""


class Turns:
    """Batch after batch, by size, by time and by what waits on Ethereum."""

    def __init__(self, queue: QueueSource, settings: SequencerSettings) -> None:
        self._queue = queue
        self._settings = settings
        self._settlements: deque[tuple[AccountId, GroupId]] = deque()
        self._opened_at = 0.0
        self._is_asked = False
        self._measured: tuple[int, int, int] | None = None
        """Batch, transactions and bytes at which it was last asked whether there is room."""
        self._is_full = False

    def begin(self, state: State) -> None:
        """Go on from a restart."""
        self._opened_at = perf_counter()
        self._schedule(state, {one.group for one in state.groups() if one.settlement_price is not None})

    # -------------------------------------------------------------------------------------------- opening

    def opening(self, engine: Engine, now: Time) -> OpenBatch:
        """The next batch, with the queue items that are due."""
        position = engine.state.system.queue_position
        waiting = self._queue.items_from(position, self._settings.queue_items)
        items = []
        for queued in items_that_fit(engine.state, waiting, self._settings.batch_limits):
            # A batch is not older than what it serves; what the chain's clock dates ahead of ours waits.
            if queued.time > now:
                break
            items.append(queued)
        return OpenBatch(now, tuple(items))

    def opened(self, engine: Engine, effects: Effects) -> None:
        """Note that it is open, and line up everybody whose group got its price with it."""
        self._opened_at = perf_counter()
        fixed = [
            event for outcome in effects.outcomes for event in outcome.events if isinstance(event, PriceFixed)
        ]
        groups = {
            change.after.group
            for event in fixed
            for change in event.changes
            if isinstance(change.after, Group)
        }
        self._schedule(engine.state, groups)

    # -------------------------------------------------------------------------------------------- closing

    def ask(self) -> None:
        """Close the open batch at the next look, however young it is."""
        self._is_asked = True

    def closed(self) -> None:
        """Note that it is closed."""
        self._is_asked = False

    def is_full(self, engine: Engine) -> bool:
        """Say whether the open batch has no room for another submission."""
        settings = self._settings
        measured = engine.state.system.batch_number, engine.open_count, engine.open_length
        if measured == self._measured:
            # An order that rests adds nothing.
            return self._is_full
        self._measured = measured
        self._is_full = (
            engine.open_count >= settings.batch_transactions
            or engine.open_length + ROOM_BYTES > settings.batch_bytes
            or engine.has_no_room(settings.batch_limits)
        )
        return self._is_full

    def has_items(self, engine: Engine) -> bool:
        """Say whether anything waits on Ethereum."""
        return bool(self._queue.items_from(engine.state.system.queue_position, 1))

    def is_due(self, *, has_items: bool, stretch: float = 1.0) -> bool:
        """Say whether the open batch's time has come; all spans are stretched while the provers are behind."""
        age = (perf_counter() - self._opened_at) / stretch
        return (
            self._is_asked
            or age >= self._settings.batch_seconds
            or (has_items and age >= self._settings.queue_seconds)
        )

    # ---------------------------------------------------------------------------------------- settlements

    @property
    def has_settlements(self) -> bool:
        """Say whether anybody is still to be settled."""
        return bool(self._settlements)

    def due_settlements(self) -> list[SettleGroup]:
        """The next ones."""
        count = min(len(self._settlements), SETTLEMENTS_AT_ONCE)
        return [SettleGroup(*self._settlements.popleft()) for _ in range(count)]

    def _schedule(self, state: State, fixed: set[GroupId]) -> None:
        """Line up everybody who holds positions in a group whose price is fixed."""
        if not fixed:
            return
        for account in state.accounts():
            held = {group_of(position.series) for position in account.positions}
            self._settlements.extend((account.account, group) for group in sorted(held & fixed))
