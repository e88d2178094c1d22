"""The batch that is being filled: everything that closing it will need, gathered while steps are taken."""

from __future__ import annotations

from dataclasses import dataclass, field

from rollup.codec import QueuedItem, encode_record
from rollup.events import Claim, Event
from rollup.fields import word_bytes
from rollup.node.effects import Source
from rollup.node.room import BatchLoad
from rollup.outcome import Outcome, Record, Transaction
from rollup.state import Leaf, LeafIndex, State
from rollup.units import QueuePosition


@dataclass(slots=True)
class BatchInProgress:
    """The batch that is being filled; whatever can be gathered on the way is, so that closing it takes no time."""

    before: State | None
    """The state to go back to if nothing happens; let go of at the first change, with all versions since."""
    queue_start: QueuePosition
    items: tuple[QueuedItem, ...]
    length: int
    transactions: list[Transaction] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    spelled: bytearray = field(default_factory=bytearray)
    claims: list[Claim] = field(default_factory=list)
    leaves_before: dict[LeafIndex, Leaf | None] = field(default_factory=dict)
    leaves_after: dict[LeafIndex, Leaf] = field(default_factory=dict)
    load: BatchLoad = field(default_factory=BatchLoad)

    def note(self, events: tuple[Event, ...], state: State) -> None:
        """Remember what a step that left this state changed and what its claims add to the batch's data."""
        for event in events:
            self.load.note(event, state)
            for change in event.changes:
                self.leaves_before.setdefault(change.index, change.before)
                self.leaves_after[change.index] = change.after
            if event.claims:
                self.claims += event.claims
                self.length += len(event.claims) * word_bytes(Claim)

    def add(self, transaction: Transaction, outcome: Outcome, source: Source) -> bytes:
        """Append a transaction; what it publishes is returned."""
        spelled = encode_record(outcome.record)
        self.before = None
        self.transactions.append(transaction)
        self.sources.append(source)
        self.records.append(outcome.record)
        self.spelled += spelled
        self.length += len(spelled)
        self.load.note_record(type(transaction))
        self.note(outcome.events, outcome.state)
        return spelled
